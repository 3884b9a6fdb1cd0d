//! The table of `ps`: what is in its columns; not where it is printed.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use agent_sdk::api::{ProcessId, ProcessSummary};

use super::process_id::shown_letters;
use crate::{
    columns::cut,
    format::{human_duration, without_controls},
};

const HEAD: [&str; 6] = ["ID", "PID", "STATE", "AGE", "EXIT", "COMMAND"];

/// Columns between the command and a terminal too narrow for it.
const LEAST_COMMAND: usize = 16;

/// The lines of the table, the head first. With a `width` commands are cut so that a line fits.
///
/// AGE is the time since the start at `now`, by the clock of this machine.
pub(super) fn lines(
    processes: &[ProcessSummary],
    now: SystemTime,
    width: Option<usize>,
) -> Vec<String> {
    let ids: Vec<ProcessId> = processes.iter().map(|process| process.id).collect();
    let letters = shown_letters(&ids);
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(processes.iter().map(|process| row(process, letters, now)));
    let widths: Vec<usize> = (0..HEAD.len() - 1)
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let left: usize = widths.iter().map(|width| width + 2).sum();
    let room = width.map(|width| width.saturating_sub(left).max(LEAST_COMMAND));
    rows.iter().map(|row| line(row, &widths, room)).collect()
}

fn line(row: &[String; 6], widths: &[usize], room: Option<usize>) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        line.push_str(&format!("{cell:width$}  "));
    }
    line + &cut(&row[HEAD.len() - 1], room)
}

fn row(process: &ProcessSummary, letters: usize, now: SystemTime) -> [String; 6] {
    let state = match (process.running, process.output_closed) {
        (true, _) => "running",
        (false, false) => "exited",
        (false, true) => "closed",
    };
    let code = || process.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
    let command = command(process.command.as_deref(), process.args.as_deref());
    [
        process.id.to_string().chars().take(letters).collect(),
        process.pid.to_string(),
        state.to_owned(),
        age(process.started_at_unix, now),
        process.signal.clone().unwrap_or_else(code),
        without_controls(&command).into_owned(),
    ]
}

/// How long ago a start was; days only when there are some. Clocks that disagree make no negative
/// age.
pub(super) fn age(started_at_unix: i64, now: SystemTime) -> String {
    let started = Duration::from_secs(u64::try_from(started_at_unix).unwrap_or(0));
    let age = now.duration_since(SystemTime::UNIX_EPOCH + started).unwrap_or(Duration::ZERO);
    let days = age.as_secs() / 86_400;
    match days {
        0 => human_duration(Duration::from_secs(age.as_secs())).replace("0ms", "0s"),
        _ => format!("{days}d {}h", age.as_secs() / 3600 % 24),
    }
}

/// The shell text, or program and arguments as a shell would need them.
pub(super) fn command(command: Option<&str>, args: Option<&[String]>) -> String {
    match (command, args) {
        (Some(command), _) => command.to_owned(),
        (None, Some(args)) => args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" "),
        (None, None) => String::new(),
    }
}

fn quoted(arg: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"%+,-./:=@_^".contains(&b) || b >= 0x80;
    if !arg.is_empty() && arg.bytes().all(is_plain) {
        return Cow::Borrowed(arg);
    }
    Cow::Owned(format!("'{}'", arg.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(id: &str, args: &[&str]) -> ProcessSummary {
        ProcessSummary {
            id: id.parse().unwrap(),
            command: None,
            args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
            workdir: "/".to_owned(),
            background: false,
            running: true,
            output_closed: false,
            exit_code: None,
            signal: None,
            pid: 7,
            started_at_unix: 1000,
            exited_at_unix: None,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_process_is_a_row() {
        let running = process("5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11", &["sleep", "1 h"]);
        let killed = ProcessSummary {
            id: "aaaaaaaa-8a8f-4d3c-9b53-6f5f6a0d2c11".parse().unwrap(),
            command: Some("make\ttest".to_owned()),
            args: None,
            running: false,
            output_closed: true,
            exit_code: Some(137),
            signal: Some("SIGKILL".to_owned()),
            pid: 12345,
            ..running.clone()
        };
        let held = ProcessSummary {
            running: false,
            exit_code: Some(0),
            ..process("bbbbbbbb-8a8f-4d3c-9b53-6f5f6a0d2c11", &["daemon"])
        };
        let expected = [
            "ID        PID    STATE    AGE    EXIT     COMMAND",
            "5f0c2a3e  7      running  2m 5s  -        sleep '1 h'",
            "aaaaaaaa  12345  closed   2m 5s  SIGKILL  make?test",
            "bbbbbbbb  7      exited   2m 5s  0        daemon",
        ];
        assert_eq!(lines(&[running, killed, held], at(1125), None), expected);
    }

    #[test]
    fn a_command_is_cut_to_the_width() {
        let long = process("5f0c2a3e-8a8f-4d3c-9b53-6f5f6a0d2c11", &["x"; 50]);
        for (width, expected) in [(70, 70), (20, 35 + LEAST_COMMAND)] {
            let line = &lines(std::slice::from_ref(&long), at(1001), Some(width))[1];
            assert_eq!(line.chars().count(), expected, "{line}");
            assert!(line.ends_with('…'), "{line}");
        }
    }

    #[test]
    fn an_age_is_short_and_never_negative() {
        for (now, expected) in
            [(999, "0s"), (1000, "0s"), (1010, "10s"), (4660, "1h 1m"), (1000 + 90_000, "1d 1h")]
        {
            assert_eq!(age(1000, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        for (args, expected) in [
            (&["ls", "-la", "/srv/ä"][..], "ls -la /srv/ä"),
            (&["printf", "%s", "", "it's"], "printf %s '' 'it'\\''s'"),
            (&["sh", "-c", "a; b"], "sh -c 'a; b'"),
        ] {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(command(None, Some(&args)), expected);
        }
    }
}
