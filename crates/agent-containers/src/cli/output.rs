//! What the lines of the command mean: entries of the log, and its result.

use agent_api::DevContainerLogLevel;
use agent_exec::{ExitStatus, Signal};
use serde::Deserialize;
use serde_json::Value;

use super::{UpOutcome, lines::Line};

/// The least level of what belongs into the log: that of what the command tells its user. Below are
/// commands that it runs and what they answer, such as whole environments.
const LEAST_LEVEL: f64 = 3.0;

/// The longest error of an outcome, because each list of dev containers carries it.
const MAX_ERROR_BYTES: usize = 16 * 1024;
/// The longest name of a container; an id has 64 characters.
const MAX_ID_BYTES: usize = 256;

/// Which stream a line came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Errors,
}

/// A line of the command as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) level: DevContainerLogLevel,
    pub(super) text: String,
}

/// What the command writes about its work, one object a line; other fields are not needed.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    r#type: Option<Value>,
    #[serde(default)]
    level: Option<Value>,
    #[serde(default)]
    text: Option<Value>,
}

/// The entry of a line, if it has one.
///
/// A line that says its level is judged by that on both streams, because the command writes its own
/// log to the errors. Everything else on the errors is one.
pub(super) fn entry(stream: Stream, line: Line<'_>) -> Option<Entry> {
    let said = said(line);
    if let Some(Said { level: Some(level), text, .. }) = &said
        && let Some(level) = level.as_f64()
    {
        let text = text.as_ref().and_then(Value::as_str).filter(|_| level >= LEAST_LEVEL)?;
        return Some(Entry { level: DevContainerLogLevel::Info, text: text.trim().into() });
    }
    // Progress has a type and no level.
    let is_own = said.is_some_and(|said| said.r#type.is_some_and(|kind| kind.is_string()));
    if stream == Stream::Output || is_own {
        return None;
    }
    let text = String::from_utf8_lossy(line.bytes);
    let mut text = text.trim().to_owned();
    if line.left_out > 0 {
        text.push_str(&format!("… ({} bytes left out)", line.left_out));
    }
    (!text.is_empty()).then_some(Entry { level: DevContainerLogLevel::Error, text })
}

fn said(line: Line<'_>) -> Option<Said> {
    let is_object = line.bytes.starts_with(b"{") && line.left_out == 0;
    is_object.then(|| serde_json::from_slice(line.bytes).ok()).flatten()
}

/// The entry of the result line, unless it has one as part of the log.
pub(super) fn result_entry(line: &[u8]) -> Option<Entry> {
    let line = Line { bytes: line, left_out: 0 };
    let is_in_log = said(line).is_some_and(|said| said.level.is_some());
    let text = || String::from_utf8_lossy(line.bytes).trim().to_owned();
    (!is_in_log).then(|| Entry { level: DevContainerLogLevel::Info, text: text() })
}

/// How bringing up went, by the last line of output that begins as an object and the exit.
pub(super) fn outcome(result: Option<&[u8]>, exit: ExitStatus) -> UpOutcome {
    let result = result.and_then(|line| serde_json::from_slice::<Value>(line).ok());
    let part = |key| {
        let part = result.as_ref()?.get(key)?.as_str()?.trim();
        (!part.is_empty()).then(|| part.to_owned())
    };
    let container_id = part("containerId").filter(|id| id.len() <= MAX_ID_BYTES);
    let said = match part("outcome").as_deref() {
        None => Some(NO_RESULT.to_owned()),
        Some("success") if container_id.is_some() => None,
        Some("success") => Some("devcontainer named no container".to_owned()),
        Some(outcome) => Some(error_text(outcome, part("description"), part("message"))),
    };
    let errors: Vec<_> = [said, exit_text(exit)].into_iter().flatten().collect();
    let error = (!errors.is_empty()).then(|| shortened(errors.join("; ")));
    UpOutcome { container_id, error, timed_out: false }
}

const NO_RESULT: &str = "devcontainer printed no result";

fn error_text(outcome: &str, description: Option<String>, message: Option<String>) -> String {
    let mut text = outcome.to_owned();
    let message = message.filter(|message| description.as_ref() != Some(message));
    for part in [description, message].into_iter().flatten() {
        let separator = if text.ends_with(['.', '!', '?']) { " " } else { ": " };
        text = [&text, separator, &part].concat();
    }
    text
}

/// Cuts the middle out of an error that is too long: it begins with what failed and ends with why.
fn shortened(text: String) -> String {
    if text.len() <= MAX_ERROR_BYTES {
        return text;
    }
    let head = text.floor_char_boundary(MAX_ERROR_BYTES / 2);
    let tail = text.ceil_char_boundary(text.len() - MAX_ERROR_BYTES / 2 + 64);
    format!("{} … ({} bytes left out) … {}", &text[..head], tail - head, &text[tail..])
}

/// What is wrong with an exit.
pub(super) fn exit_text(exit: ExitStatus) -> Option<String> {
    match exit {
        ExitStatus::Exited(0) => None,
        ExitStatus::Exited(code) => Some(format!("devcontainer exited with code {code}")),
        ExitStatus::Signaled { signal, .. } => {
            Some(format!("devcontainer was ended by {}", Signal::name_of(signal)))
        }
        ExitStatus::Lost => Some("how devcontainer exited is not known".into()),
    }
}

#[cfg(test)]
mod tests {
    use agent_api::DevContainerLogLevel::{Error, Info};

    use super::*;

    fn check(stream: Stream, line: &str, expected: Option<(DevContainerLogLevel, &str)>) {
        let found = entry(stream, Line { bytes: line.as_bytes(), left_out: 0 });
        let found = found.as_ref().map(|entry| (entry.level, entry.text.as_str()));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_line_with_a_level_is_judged_by_it() {
        for stream in [Stream::Output, Stream::Errors] {
            check(stream, r#"{"type":"text","level":3,"text":" a\r\n\r\n"}"#, Some((Info, "a")));
            check(stream, r#"{"level":5,"text":"a\nb"}"#, Some((Info, "a\nb")));
            check(stream, r#"{"type":"text","level":2,"text":"a"}"#, None);
            check(stream, r#"{"type":"start","level":3,"text":"Run"}"#, Some((Info, "Run")));
            check(stream, r#"{"type":"raw","level":3,"text":"\n"}"#, Some((Info, "")));
            check(stream, r#"{"level":3}"#, None);
            check(stream, r#"{"type":"progress","name":"x","status":"running"}"#, None);
        }
    }

    #[test]
    fn what_else_is_on_the_errors_is_an_error() {
        check(Stream::Errors, "    at main (x.js:1)\r", Some((Error, "at main (x.js:1)")));
        check(Stream::Errors, "{not json", Some((Error, "{not json")));
        check(Stream::Errors, r#"{"outcome":"error"}"#, Some((Error, r#"{"outcome":"error"}"#)));
        check(
            Stream::Errors,
            r#"{"level":"3","text":"a"}"#,
            Some((Error, r#"{"level":"3","text":"a"}"#)),
        );
        check(Stream::Errors, " \t", None);
        let cut = entry(Stream::Errors, Line { bytes: b"\xffab", left_out: 9 }).unwrap();
        assert_eq!(cut.text, "\u{fffd}ab… (9 bytes left out)");
    }

    #[test]
    fn plain_output_is_dropped() {
        check(Stream::Output, "hello", None);
        check(Stream::Output, r#"{"outcome":"success"}"#, None);
        check(Stream::Output, "[3]", None);
    }

    #[test]
    fn the_result_is_an_entry_once() {
        let text = r#"{"outcome":"success"}"#;
        assert_eq!(
            result_entry(text.as_bytes()).unwrap(),
            Entry { level: Info, text: text.into() }
        );
        assert_eq!(result_entry(br#"{"level":3,"text":"a"}"#), None);
    }

    fn outcome_of(result: Option<&str>, code: i32) -> (Option<String>, Option<String>) {
        let outcome = outcome(result.map(str::as_bytes), ExitStatus::Exited(code));
        (outcome.container_id, outcome.error)
    }

    fn check_outcome(result: Option<&str>, code: i32, id: Option<&str>, error: Option<&str>) {
        let expected = (id.map(str::to_owned), error.map(str::to_owned));
        assert_eq!(outcome_of(result, code), expected, "{result:?} {code}");
    }

    #[test]
    fn an_outcome_is_told_by_the_result_and_the_exit() {
        check_outcome(Some(r#"{"outcome":"success","containerId":"c"}"#), 0, Some("c"), None);
        check_outcome(
            Some(r#"{"outcome":"success","containerId":"c"}"#),
            3,
            Some("c"),
            Some("devcontainer exited with code 3"),
        );
        check_outcome(
            Some(r#"{"outcome":"error","description":"It broke.","message":"exit 1"}"#),
            1,
            None,
            Some("error: It broke. exit 1; devcontainer exited with code 1"),
        );
        check_outcome(
            Some(r#"{"outcome":"error","description":"d","message":"m","containerId":"c"}"#),
            0,
            Some("c"),
            Some("error: d: m"),
        );
        check_outcome(
            Some(r#"{"outcome":"error","description":"d","message":"d"}"#),
            0,
            None,
            Some("error: d"),
        );
        check_outcome(Some(r#"{"outcome":"error"}"#), 0, None, Some("error"));
        check_outcome(
            Some(r#"{"outcome":"success","containerId":""}"#),
            0,
            None,
            Some("devcontainer named no container"),
        );
    }

    #[test]
    fn without_a_result_there_is_an_error() {
        for line in [
            None,
            Some("{"),
            Some("{}"),
            Some(r#"{"level":3,"text":"x"}"#),
            Some(r#"{"outcome":1}"#),
        ] {
            check_outcome(line, 0, None, Some(NO_RESULT));
        }
        check_outcome(
            None,
            127,
            None,
            Some("devcontainer printed no result; devcontainer exited with code 127"),
        );
        let killed = ExitStatus::Signaled { signal: 9, core_dumped: false };
        let error = outcome(None, killed).error.unwrap();
        assert!(error.contains(NO_RESULT) && error.contains("KILL"), "{error}");
    }

    #[test]
    fn what_is_kept_of_a_long_result_is_short() {
        let long = "é".repeat(1 << 20);
        let result = serde_json::json!({"outcome": "error", "message": long, "containerId": long});
        let (id, error) = outcome_of(Some(&result.to_string()), 7);
        let error = error.unwrap();
        assert_eq!(id, None);
        assert!(error.len() <= MAX_ERROR_BYTES && error.starts_with("error: é"), "{}", error.len());
        assert!(error.ends_with("é; devcontainer exited with code 7"));
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_odd(text in r#"[{}\[\]":,a\\ 0-9]{0,40}"#, left_out in 0u64..2) {
            let line = Line { bytes: text.as_bytes(), left_out };
            for stream in [Stream::Output, Stream::Errors] {
                let _ = entry(stream, line);
            }
            let _ = (result_entry(text.as_bytes()), outcome_of(Some(&text), 0));
        }
    }
}
