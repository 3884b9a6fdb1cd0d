//! What a start may ask for, and when two starts ask for the same; pure, nothing is looked at.

use agent_api::{
    ChatId, FieldError, StartProcessRequest, Stdin, TerminalSize,
    limits::{
        MAX_PROCESS_ARGS, MAX_PROCESS_COMMAND_BYTES, MAX_PROCESS_TIMEOUT_MS, MAX_TERMINAL_SIDE,
        MIN_PROCESS_MEMORY_BYTES,
    },
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::StartError;

/// SHA-256 of a request after defaults, without its id, with the chat of its caller.
pub(crate) type Digest = [u8; 32];

/// Checks a request and fills in the defaults that do not depend on the machine, so that requests
/// that ask for the same are equal.
///
/// # Errors
///
/// [`StartError::Request`] with every refused field.
pub(crate) fn checked(mut req: StartProcessRequest) -> Result<StartProcessRequest, StartError> {
    let mut refused = Vec::new();
    let has_program = check_program(&req, &mut refused);
    check_texts(&req, &mut refused);
    check_stdio(&req, &mut refused);
    check_numbers(&req, &mut refused);
    if !refused.is_empty() {
        let message = if has_program { "invalid request" } else { "Command is required" };
        return Err(StartError::Request { message, fields: refused });
    }
    let open = if req.terminal.is_some() { Stdin::Open } else { Stdin::Null };
    req.stdin = Some(req.stdin.unwrap_or(open));
    req.limits = req.limits.filter(|limits| *limits != agent_api::ProcessLimits::default());
    Ok(req)
}

/// The digest of a checked request.
///
/// It is kept on the disk: an agent of another version must make the same of the same request.
pub(crate) fn digest(req: &StartProcessRequest, chat: Option<ChatId>) -> Digest {
    #[derive(Serialize)]
    struct Digested<'a> {
        chat: Option<ChatId>,
        request: &'a StartProcessRequest,
    }
    let request = &StartProcessRequest { id: None, ..req.clone() };
    let json = serde_json::to_vec(&Digested { chat, request }).expect("a request is plain data");
    Sha256::digest(&json).into()
}

fn refuse(refused: &mut Vec<FieldError>, field: impl Into<String>, reason: impl Into<String>) {
    refused.push(FieldError::new(field, reason));
}

/// Answers whether there is something to run at all.
fn check_program(req: &StartProcessRequest, refused: &mut Vec<FieldError>) -> bool {
    let before = refused.len();
    match (&req.command, &req.args) {
        (None, None) => refuse(refused, "command", "Command is required, or `args`"),
        (Some(_), Some(_)) => {
            refuse(refused, "args", "Command is required without `args`, or `args` without it");
        }
        (Some(command), None) if command.is_empty() => {
            refuse(refused, "command", "Command is required and must not be empty");
        }
        (None, Some(args)) if args.is_empty() => {
            refuse(refused, "args", "Command is required: `args` must not be empty");
        }
        (None, Some(args)) if args[0].is_empty() => {
            refuse(refused, "args[0]", "Command is required: the program must not be empty");
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let has_program = refused.len() == before;
    if req.command.as_ref().is_some_and(|command| command.len() > MAX_PROCESS_COMMAND_BYTES) {
        let reason = format!("at most {MAX_PROCESS_COMMAND_BYTES} bytes are accepted");
        refuse(refused, "command", reason);
    }
    if req.args.as_ref().is_some_and(|args| args.len() > MAX_PROCESS_ARGS) {
        refuse(refused, "args", format!("at most {MAX_PROCESS_ARGS} arguments are accepted"));
    }
    has_program
}

fn check_texts(req: &StartProcessRequest, refused: &mut Vec<FieldError>) {
    const NUL: &str = "the text must not contain NUL";
    let mut texts = vec![("command", &req.command), ("workdir", &req.workdir), ("user", &req.user)];
    texts.retain(|(_, text)| text.as_ref().is_some_and(|text| text.contains('\0')));
    for (field, _) in texts {
        refuse(refused, field, NUL);
    }
    // The first bad one is named: there may be thousands.
    let args = req.args.as_deref().unwrap_or_default();
    if let Some(at) = args.iter().position(|arg| arg.contains('\0')) {
        refuse(refused, format!("args[{at}]"), NUL);
    }
    let bad_name = |name: &String| name.is_empty() || name.contains(['=', '\0']);
    if req.env.keys().any(bad_name) {
        let reason = "a variable's name must not be empty or contain `=` or NUL";
        refuse(refused, "env", reason);
    }
    if let Some((name, _)) = req.env.iter().find(|(n, v)| !bad_name(n) && v.contains('\0')) {
        refuse(refused, format!("env.{name}"), NUL);
    }
}

fn check_stdio(req: &StartProcessRequest, refused: &mut Vec<FieldError>) {
    if !matches!(req.stdin, None | Some(Stdin::Null | Stdin::Open)) {
        refuse(refused, "stdin", "the value must be `null` or `open`");
    }
    if req.terminal.is_some() && req.stdin == Some(Stdin::Null) {
        refuse(refused, "stdin", "the input of a terminal is always open");
    }
    if req.terminal.is_some() && req.separate_stderr {
        refuse(refused, "separate_stderr", "a terminal has one stream of output");
    }
}

fn check_numbers(req: &StartProcessRequest, refused: &mut Vec<FieldError>) {
    if let Some(size) = req.terminal {
        for (name, reason) in bad_sides(size) {
            refuse(refused, format!("terminal.{name}"), reason);
        }
    }
    if req.timeout_ms.is_some_and(|ms| !(1..=MAX_PROCESS_TIMEOUT_MS).contains(&ms)) {
        let reason = format!("the value must be 1 to {MAX_PROCESS_TIMEOUT_MS}");
        refuse(refused, "timeout_ms", reason);
    }
    let limits = req.limits.unwrap_or_default();
    let least = [
        ("limits.memory_bytes", limits.memory_bytes, MIN_PROCESS_MEMORY_BYTES),
        ("limits.cpu_percent", limits.cpu_percent, 1),
        ("limits.pids", limits.pids, 1),
    ];
    for (field, value, least) in least {
        if value.is_some_and(|value| value < least) {
            refuse(refused, field, format!("the value must be at least {least}"));
        }
    }
}

/// The sides of a terminal that are out of range.
pub(crate) fn bad_sides(size: TerminalSize) -> impl Iterator<Item = (&'static str, String)> {
    let sides = [("rows", size.rows), ("cols", size.cols)];
    let bad = sides.into_iter().filter(|(_, side)| !(1..=MAX_TERMINAL_SIDE).contains(side));
    bad.map(|(name, _)| (name, format!("the value must be 1 to {MAX_TERMINAL_SIDE}")))
}

#[cfg(test)]
mod tests;
