//! `terminal`: terminals of the agent that outlive their connections.

mod keys;
mod list;
pub(super) mod restore;
mod session;

use agent_sdk::{
    AgentConn, TerminalItem,
    api::{
        OpenTerminalRequest, TerminalBackend, TerminalId, TerminalRecord, TerminalServerMessage,
    },
};
use clap::ValueEnum;
use futures_util::StreamExt as _;
use serde::Serialize;

use self::keys::DetachKeys;
use super::{containers, process_id};
use crate::{Error, output::Output};

const EXAMPLES: &str = "\
A terminal goes on when its connection is lost or left, and shows its screen and scrollback again to
whoever attaches; one that nobody is attached to for five minutes is closed, unless the agent is
configured otherwise. Keys typed one after the other, ctrl-p and ctrl-q unless --detach-keys says
otherwise, leave it running.

Examples:
  agentctl terminal open
  agentctl terminal list
  agentctl terminal attach 7c0b3c3e
  agentctl terminal close 7c0b3c3e";

const OPEN_EXAMPLES: &str = "\
Ends with the exit code of the program where that is known, and with 0 when it was left running.
A lost connection is made anew.

Examples:
  agentctl terminal open
  agentctl terminal open --command 'htop' --detach-keys 'ctrl-a,d'
  agentctl terminal open --backend screen
  ID=$(agentctl terminal open --detached --command 'make watch')";

const ATTACH_EXAMPLES: &str = "\
Ends as `agentctl terminal open` does. ID may be shortened to a beginning that no other has.

Examples:
  agentctl terminal attach 7c0b3c3e
  agentctl terminal attach --takeover 7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11";

const LIST_EXAMPLES: &str = "\
The oldest come first. ATTACHED is how many connections there are. With --json there is the agent's
response.

Examples:
  agentctl terminal list
  agentctl terminal list --json | jq -r '.terminals[] | select(.attached == 0) | .id'";

const CLOSE_EXAMPLES: &str = "\
The program gets SIGHUP, and SIGKILL after five seconds. IDs may be shortened.

Examples:
  agentctl terminal close 7c0b3c3e";

/// Arguments of `terminal`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct TerminalArgs {
    /// What to do.
    #[command(subcommand)]
    command: TerminalCommand,
}

/// What can be done with terminals.
#[derive(Clone, Debug, clap::Subcommand)]
enum TerminalCommand {
    /// Start a program, or a login shell, in a new terminal
    Open(OpenArgs),
    /// List terminals
    List(ListArgs),
    /// Show a terminal that runs, and type into it
    Attach(AttachArgs),
    /// End the programs of terminals
    Close(CloseArgs),
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = OPEN_EXAMPLES)]
struct OpenArgs {
    /// Text for the shell [default: a login shell]
    #[arg(long, short = 'c', value_name = "TEXT")]
    command: Option<String>,
    /// What keeps the screen: the agent itself, or GNU screen
    #[arg(long, value_name = "BACKEND", value_enum)]
    backend: Option<Backend>,
    /// Id of the terminal; one that exists is joined [default: a new one]
    #[arg(long, value_name = "UUID")]
    id: Option<TerminalId>,
    /// Run in this container
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// As this user of the container
    #[arg(long, value_name = "USER", requires = "container")]
    container_user: Option<String>,
    /// Print the id, and leave the terminal running
    #[arg(long, short = 'd')]
    detached: bool,
    #[command(flatten)]
    manner: MannerArgs,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = ATTACH_EXAMPLES)]
struct AttachArgs {
    /// The terminal: its id, or a beginning that no other id has
    #[arg(value_name = "ID", value_parser = process_id::check_uuid)]
    id: String,
    #[command(flatten)]
    manner: MannerArgs,
}

/// How a terminal is shown.
#[derive(Clone, Debug, clap::Args)]
struct MannerArgs {
    /// End all other connections of the terminal
    #[arg(long)]
    takeover: bool,
    /// Keys that leave the terminal running: characters and ctrl-LETTER with commas between, or none
    #[arg(long, value_name = "KEYS", value_parser = DetachKeys::parse)]
    #[arg(default_value = "ctrl-p,ctrl-q")]
    detach_keys: DetachKeys,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
struct ListArgs {}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = CLOSE_EXAMPLES)]
struct CloseArgs {
    /// The terminals: ids, or beginnings that no other id has
    #[arg(value_name = "ID", value_parser = process_id::check_uuid, required = true)]
    ids: Vec<String>,
}

/// What keeps the screen of a terminal.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    /// What the agent prefers
    Auto,
    /// The agent's own emulator
    Buffered,
    /// GNU screen
    Screen,
}

impl From<Backend> for TerminalBackend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto | Backend::Buffered => Self::Buffered,
            Backend::Screen => Self::Screen,
        }
    }
}

pub(crate) async fn run(
    args: &TerminalArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    match &args.command {
        TerminalCommand::Open(args) => open(args, conn, out).await,
        TerminalCommand::List(_) => list::run(conn, out).await,
        TerminalCommand::Attach(args) => {
            let id = find(conn, &args.id).await?.id;
            let takeover = args.manner.takeover;
            let request = OpenTerminalRequest { takeover, ..Default::default() };
            session::run(id, request, &args.manner.detach_keys, conn, out).await
        }
        TerminalCommand::Close(args) => {
            super::each(&args.ids, out, async |text, out| {
                let id = find(conn, text).await?.id;
                conn.close_terminal(id).await?;
                if out.json || out.quiet { Ok(()) } else { out.line(format!("closed {id}")).await }
            })
            .await
        }
    }
}

async fn open(args: &OpenArgs, conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let id = args.id.unwrap_or_else(|| TerminalId::from_uuid(uuid::Uuid::new_v4()));
    let container = match &args.container {
        Some(name) => Some(containers::resolve("terminal", conn, name).await?.id),
        None => None,
    };
    let request = OpenTerminalRequest {
        command: args.command.clone(),
        container,
        container_user: args.container_user.clone(),
        backend: args.backend.map(Into::into).unwrap_or_default(),
        takeover: args.manner.takeover,
        ..Default::default()
    };
    if args.detached {
        return open_detached(id, request, conn, out).await;
    }
    session::run(id, request, &args.manner.detach_keys, conn, out).await
}

/// What `open --detached` prints as JSON, as the agent answers with nothing that has the id.
#[derive(Serialize)]
struct Opened {
    id: TerminalId,
}

async fn open_detached(
    id: TerminalId,
    request: OpenTerminalRequest,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let request = OpenTerminalRequest { events: true, ..request };
    let mut terminal = conn.open_terminal(id, request).await?;
    // A terminal that somebody was attached to once is not taken for one whose client was lost.
    loop {
        match terminal.next().await.transpose()? {
            Some(TerminalItem::Event(TerminalServerMessage::Attached(_))) | None => break,
            Some(TerminalItem::Closed { .. }) => break,
            Some(_) => {}
        }
    }
    if out.json { out.json(&Opened { id }).await } else { out.line(id).await }
}

/// Finds the terminal whose id a text is or begins.
///
/// # Errors
///
/// [`Error::Unsuitable`] when none or several have such an id.
async fn find(conn: &dyn AgentConn, text: &str) -> Result<TerminalRecord, Error> {
    let mut terminals = conn.list_terminals().await?.terminals;
    let text = text.parse().map_or_else(|_| text.to_owned(), |id: TerminalId| id.to_string());
    let id = process_id::matching("terminal", &text, terminals.iter().map(|record| record.id))?;
    let at = terminals.iter().position(|record| record.id == id).expect("it was found there");
    Ok(terminals.swap_remove(at))
}
