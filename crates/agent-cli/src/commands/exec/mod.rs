//! `exec`: runs a program on the agent as if it ran here: its output, its input, its exit code.

mod printer;
mod request;
mod session;

use agent_sdk::{
    AgentConn, Exec, ExecConfig,
    api::{ProcessId, StartProcessRequest},
};
use tokio::sync::mpsc;

use printer::Ended;
pub(crate) use request::ExecArgs;
pub(super) use request::variable;
use session::Session;

use crate::{Error, LocalSignal, output::Output, signals::ending, terminal::USUAL_SIZE};

/// What `exec` does with the streams of this machine.
#[derive(Clone, Copy, Debug)]
struct Manner {
    /// Whether the program runs on a terminal.
    on_terminal: bool,
    /// Whether stdin is sent.
    sends_input: bool,
    /// Whether stdin is a terminal whose keys are sent as they are.
    is_raw: bool,
}

impl Manner {
    fn of(args: &ExecArgs, out: &Output<'_>) -> Self {
        let has_keyboard = out.io.terminal.is_some();
        let sends_input = !args.detach && (args.interactive || args.tty && has_keyboard);
        let is_raw = args.tty && sends_input && has_keyboard && !out.json;
        Self { on_terminal: args.tty, sends_input, is_raw }
    }
}

pub(crate) async fn run(
    args: &ExecArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let manner = Manner::of(args, out);
    // From here on no signal is lost: one that comes during the start is known behind it.
    let mut signals = out.io.signals.listen();
    let screen = out.io.screen.clone().or_else(|| out.io.terminal.clone());
    let size = screen.as_ref().map_or(USUAL_SIZE, |screen| screen.size());
    let request = args.request(args.id.unwrap_or_else(new_id), size);
    let exec = started(conn, &request, &mut signals).await?;
    let response = exec.started();
    if args.detach {
        return if out.json { out.json(response).await } else { out.line(response.id).await };
    }
    if response.attached {
        out.note("an earlier start had this id; showing that process");
    }
    let session = Session { conn, exec: &exec, manner, screen };
    let has_stderr = request.separate_stderr;
    match Box::pin(session.run(has_stderr, signals, out)).await {
        Ok(ended) => conclude(exec.id(), manner, &ended, out),
        Err(error) => {
            session.leave(&error, out).await;
            Err(error)
        }
    }
}

fn new_id() -> ProcessId {
    ProcessId::from_uuid(uuid::Uuid::new_v4()).expect("a random UUID is not nil")
}

/// Starts the program once, however often that has to be asked; or gives up when a signal asks for
/// that, and a start that happened all the same is told the signal.
async fn started<'a>(
    conn: &'a dyn AgentConn,
    request: &StartProcessRequest,
    signals: &mut mpsc::Receiver<LocalSignal>,
) -> Result<Exec<'a>, Error> {
    let signal = tokio::select! {
        exec = Exec::start(conn, request.clone(), ExecConfig::default()) => {
            return Ok(exec?);
        }
        signal = ending(signals) => signal,
    };
    if let (Some(id), Some(name)) = (request.id, signal.ending()) {
        session::send_in_time(conn, id, name).await;
    }
    Err(Error::Abandoned(signal.exit_code()))
}

/// Says what the exit code does not, and passes that on. Success with a piece missing is none,
/// except on a terminal, where output is only looked at.
fn conclude(
    id: ProcessId,
    manner: Manner,
    ended: &Ended,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let Ended { exited, lost_bytes } = ended;
    if exited.timed_out {
        out.note("the process was ended because its --timeout passed");
    }
    if exited.oom_killed {
        out.note("the process, or one of its descendants, was killed for lack of memory");
    }
    let failed = |message| Err(Error::Refused { operation: "exec", message });
    match u8::try_from(exited.exit_code) {
        Ok(0) if *lost_bytes > 0 && !manner.on_terminal => failed(format!(
            "the process succeeded, but {lost_bytes} bytes of what it printed are missing"
        )),
        Ok(0) => Ok(()),
        Ok(code) => Err(Error::Status(code)),
        Err(_) => failed(format!("the agent does not know how process {id} ended")),
    }
}
