//! `ssh` for a person or a script: a connection, what is forwarded through it, and a session on it;
//! from the arguments to the exit code.

use std::time::Duration;

use agent_sdk::{
    AgentConn,
    ssh::{Connection, Ended, SshClient},
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    SshArgs,
    forwards::{self, Granted},
    listeners::{self, Bound},
    log::Log,
    reach::reach,
    remarks::Remarks,
    session::{End, Session, Wishes, show_remark},
    spec::Spec,
    x11,
};
use crate::{Error, LocalSignal, error::UNCONNECTED, output::Output, signals::ending};

/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// How long the reason may take of a session that closed without one.
const REASON: Duration = Duration::from_secs(1);

pub(super) async fn run(
    args: &SshArgs,
    conn: &dyn AgentConn,
    log: &Log,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let local = args.local.iter().chain(&args.dynamic).cloned();
    let bound = listeners::bind(local).await?;
    let client = reach(async || conn.ssh_client().await, log).await;
    let mut client = client.map_err(|error| unconnected(error.into()))?;
    let mut beside = JoinSet::new();
    let end = through(args, &mut client, bound, &mut beside, out).await;
    match &end {
        Ok(end) => log.line(format_args!("ended: {end}")),
        Err(error) => log.line(format_args!("failed: {error}")),
    }
    let reason = match end {
        Ok(End::Closed) => timeout(REASON, client.ended()).await.ok(),
        // Nothing is waited for when somebody wants to be gone.
        Ok(End::Escaped) => None,
        _ => {
            beside.abort_all();
            client.disconnect();
            timeout(CLOSING, client.ended()).await.ok()
        }
    };
    conclude(end?, reason.as_ref(), out)
}

/// Forwards what is to be forwarded, and has the session.
async fn through(
    args: &SshArgs,
    client: &mut SshClient,
    bound: Vec<Bound>,
    beside: &mut JoinSet<()>,
    out: &mut Output<'_>,
) -> Result<End, Error> {
    let connection = client.connection().clone();
    // From here on no signal is lost.
    let mut signals = out.io.signals.listen();
    let (mut granted, wishes) = prepare(args, out);
    tokio::select! {
        asked = ask_to_listen(&args.remote, &mut granted, &connection, out) => asked?,
        signal = ending(&mut signals) => return Ok(End::Signaled(signal)),
    }
    let mut remarks = Remarks::new();
    let incoming = client.take_incoming().expect("nobody has taken it before");
    beside.spawn(granted.serve(incoming, remarks.say()));
    for bound in bound {
        beside.spawn(forwards::carry(bound, connection.clone(), remarks.say()));
    }
    match args.no_command {
        true => wait(&connection, signals, &mut remarks, out).await,
        false => Box::pin(session(&connection, &wishes, signals, &mut remarks, out)).await,
    }
}

async fn ask_to_listen(
    specs: &[Spec],
    granted: &mut Granted,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    for spec in specs {
        if let Some(port) = granted.listen(connection, spec.clone()).await? {
            let leads = &spec.connect;
            out.note(format_args!("Allocated port {port} for remote forward to {leads}"));
        }
    }
    Ok(())
}

/// What the agent may ask for, and what is asked of it.
fn prepare(args: &SshArgs, out: &mut Output<'_>) -> (Granted, Wishes) {
    let mut granted = Granted::default();
    let surroundings = out.io.surroundings.clone();
    if args.forward_agent {
        granted.keys = args.identity_agent.clone().or(surroundings.agent_socket);
        if granted.keys.is_none() {
            out.problem("no keys are forwarded: SSH_AUTH_SOCK is not set");
        }
    }
    if args.forward_x11 {
        let display = surroundings.display.as_deref().and_then(x11::Display::parse);
        // Where there is no such file the display may still take whoever comes from this machine.
        let file = surroundings.xauthority.and_then(|path| std::fs::read(path).ok());
        granted.display = display.map(|it| x11::Forward::new(it, &file.unwrap_or_default()));
        if granted.display.is_none() {
            out.problem("no display is forwarded: DISPLAY is not set, or names none");
        }
    }
    let has_keyboard = out.io.terminal.is_some();
    let wishes = Wishes {
        command: args.command_text(),
        environment: args.env.clone(),
        terminal: !args.no_tty && (args.tty || args.command.is_empty() && has_keyboard),
        keys: granted.keys.is_some(),
        display: granted.display.as_ref().map(x11::Forward::request),
    };
    (granted, wishes)
}

async fn session(
    connection: &Connection,
    wishes: &Wishes,
    mut signals: mpsc::Receiver<LocalSignal>,
    remarks: &mut Remarks,
    out: &mut Output<'_>,
) -> Result<End, Error> {
    let session = tokio::select! {
        session = Session::start(connection, wishes, out) => session.map_err(unconnected)?,
        signal = ending(&mut signals) => return Ok(End::Signaled(signal)),
    };
    session.run(signals, remarks, out).await.map_err(|error| match error {
        // The reader of stdout may go away, as with every command.
        Error::Stdout(source) => Error::Stdout(source),
        error => unconnected(error),
    })
}

/// Forwards until the connection is lost or a signal comes.
async fn wait(
    connection: &Connection,
    mut signals: mpsc::Receiver<LocalSignal>,
    remarks: &mut Remarks,
    out: &mut Output<'_>,
) -> Result<End, Error> {
    loop {
        tokio::select! {
            () = connection.closed() => return Ok(End::Closed),
            signal = ending(&mut signals) => return Ok(End::Signaled(signal)),
            remark = remarks.next() => show_remark(&remark, out),
        }
    }
}

fn unconnected(error: Error) -> Error {
    Error::Ssh(Box::new(error))
}

/// Says how it ended, and passes the exit code on.
fn conclude(end: End, reason: Option<&Ended>, out: &mut Output<'_>) -> Result<(), Error> {
    match end {
        End::Told(exit) => match exit.code() {
            0 => Ok(()),
            // As with a process, only the low byte counts.
            code => Err(Error::Status(code.to_le_bytes()[0])),
        },
        End::Escaped => {
            out.note("connection ended");
            Err(Error::Abandoned(UNCONNECTED))
        }
        End::Signaled(signal) => Err(Error::Abandoned(signal.exit_code())),
        End::Closed => {
            let why = match reason {
                Some(Ended::ClosedByPeer { text, .. }) if !text.is_empty() => text.clone(),
                Some(Ended::Lost(source)) => agent_sdk::api::io_text(source),
                Some(reason) => reason.to_string(),
                None => "the session has no result".to_owned(),
            };
            let message = format!("connection lost: {why}");
            Err(unconnected(Error::Refused { operation: "ssh", message }))
        }
    }
}
