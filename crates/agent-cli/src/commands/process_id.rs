//! Which process, or terminal, a person means: an id, or the beginning of one; not what is done with
//! it.

use std::fmt::Display;

use agent_sdk::{
    AgentConn,
    api::{ListProcessesRequest, ProcessId, limits::MAX_PROCESS_LIST},
};

use crate::Error;

/// Letters of an id that are shown, unless more are needed to tell two apart.
const SHOWN: usize = 8;

/// Checks a text that is typed for a process, before anything is done to others beside it.
pub(crate) fn check(text: &str) -> Result<String, String> {
    check_uuid(text).map_err(|_| "not the id of a process, nor its beginning".to_owned())
}

/// Checks a text that is typed for any UUID.
pub(crate) fn check_uuid(text: &str) -> Result<String, String> {
    let begins_an_id = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if begins_an_id && !text.is_empty() || text.parse::<uuid::Uuid>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("not an id, nor its beginning".to_owned())
}

/// Finds the process whose id the text is or begins; the agent is only asked for a beginning.
///
/// # Errors
///
/// [`Error::Unsuitable`] when none or several of the [`MAX_PROCESS_LIST`] processes have an id like
/// this that the caller sees first.
pub(crate) async fn find(conn: &dyn AgentConn, text: &str) -> Result<ProcessId, Error> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let list = conn.list_processes(ListProcessesRequest { limit: MAX_PROCESS_LIST }).await?;
    matching("process", text, list.processes.iter().map(|process| process.id))
}

/// The one id that begins like this.
///
/// # Errors
///
/// [`Error::Unsuitable`] when none or several do.
pub(super) fn matching<T: Display>(
    noun: &str,
    prefix: &str,
    ids: impl Iterator<Item = T>,
) -> Result<T, Error> {
    let prefix = prefix.to_ascii_lowercase();
    let mut found = ids.filter(|id| id.to_string().starts_with(&prefix));
    match (found.next(), found.count()) {
        (Some(id), 0) => Ok(id),
        (Some(_), others) => {
            let plural = if noun.ends_with('s') { "es" } else { "s" };
            let reason = format!("begins the ids of {} {noun}{plural}", others + 1);
            Err(Error::unsuitable(prefix, reason))
        }
        (None, _) => {
            let reason = format!("no {noun} has an id that begins like this");
            Err(Error::unsuitable(prefix, reason))
        }
    }
}

/// How many letters of these ids tell each from all the others; at least eight.
pub(crate) fn shown_letters(ids: &[impl Display]) -> usize {
    let mut texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    texts.sort_unstable();
    let common =
        |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    texts.windows(2).map(|pair| common(pair) + 1).max().unwrap_or(SHOWN).max(SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = [
        "5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11",
        "5f0c2a3e-8b00-4d3c-9b53-6f5f6a0d2c11",
        "aaaaaaaa-8a8f-4d3c-9b53-6f5f6a0d2c11",
    ];

    fn ids() -> Vec<ProcessId> {
        IDS.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn a_beginning_that_only_one_id_has_is_enough() {
        for (prefix, expected) in [("a", IDS[2]), ("AAAA", IDS[2]), ("5f0c2a3e-8b", IDS[1])] {
            let found = matching("process", prefix, ids().into_iter()).unwrap();
            assert_eq!(found.to_string(), expected, "{prefix}");
        }
    }

    #[test]
    fn a_beginning_of_none_or_several_is_refused() {
        for (prefix, reason) in [
            ("5f0c", "5f0c: begins the ids of 2 processes"),
            ("b", "b: no process has an id that begins like this"),
        ] {
            let error = matching("process", prefix, ids().into_iter()).unwrap_err();
            assert_eq!(error.report().as_deref(), Some(reason));
        }
    }

    #[test]
    fn enough_letters_are_shown_to_tell_ids_apart() {
        let ids = ids();
        for (range, expected) in [(0..0, 8), (0..1, 8), (1..3, 8), (0..3, 11)] {
            assert_eq!(shown_letters(&ids[range]), expected);
        }
    }
}
