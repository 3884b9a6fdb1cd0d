//! One run of the program, from its arguments to its exit code; not the process around it.

use std::ffi::OsString;

use clap::Parser as _;
use tokio::io::AsyncWriteExt as _;

use crate::{
    AgentCommand, Args, ColorWhen, Command, Connection, Error, GlobalArgs, Io, commands,
    output::{Output, report},
    palette::Palette,
};

/// Does what the arguments say, the program's name first, and returns the exit code.
///
/// `connect` finds the agent, given the global arguments and the target of the command's own; it is
/// not called for commands that need none. Everything printed has been flushed in the end, unless
/// stdout is closed or the run was interrupted.
pub async fn run<T: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = T>,
    io: &mut Io,
    connect: impl FnOnce(&GlobalArgs, Option<&str>) -> Result<Connection, Error>,
) -> u8 {
    let mut args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => return explain(&error, io).await,
    };
    let result = match &args.command {
        Command::Completions(completions) => {
            commands::completions::run(completions, &mut output(&args.global, io)).await
        }
        Command::Agent(command) => {
            if command.has_its_own_timeout() {
                args.global.timeout = None;
            }
            let connected = command.check().and_then(|()| {
                connect(&args.global, command.target()).map_err(|error| command.unconnected(error))
            });
            let result = match connected {
                Ok(connection) => with_agent(&args.global, command, &connection, io).await,
                Err(error) => Err(error),
            };
            let needs_own = command.needs_code_of_its_own();
            result.map_err(|e| if needs_own { Error::Exec(Box::new(e)) } else { e })
        }
    };
    finish(result, io).await
}

/// Prints help where it was asked for, and what is wrong with the arguments otherwise.
async fn explain(error: &clap::Error, io: &mut Io) -> u8 {
    let text = error.render().to_string();
    if error.use_stderr() {
        // A message that nobody can receive is nobody's loss.
        let _ = io.stderr.write_all(text.as_bytes());
        return Error::usage(text).exit_code();
    }
    let result = output(&GlobalArgs::default(), io).bytes(text.as_bytes()).await;
    finish(result, io).await
}

fn output<'io>(args: &GlobalArgs, io: &'io mut Io) -> Output<'io> {
    let colors = match args.color {
        ColorWhen::Auto => io.colors,
        ColorWhen::Always => true,
        ColorWhen::Never => false,
    };
    Output { io, json: args.is_json(), quiet: args.quiet, palette: Palette::new(colors) }
}

async fn with_agent(
    args: &GlobalArgs,
    command: &AgentCommand,
    connection: &Connection,
    io: &mut Io,
) -> Result<(), Error> {
    let interrupt = io.interrupt.clone();
    let mut out = output(args, io);
    for warning in &connection.warnings {
        out.note(format_args!("warning: {warning}"));
    }
    let work = async {
        let inside;
        let connection = match &args.dev_container {
            Some(name) => {
                inside = connection.inside(name).await.map_err(|e| command.unconnected(e))?;
                &inside
            }
            None => connection,
        };
        commands::run(command, args, connection, &mut out).await
    };
    let work = Box::pin(work);
    if command.ends_when_interrupted() {
        return work.await;
    }
    interrupt.run_until_cancelled(work).await.unwrap_or(Err(Error::Interrupted))
}

/// Flushes what was printed, reports what went wrong, and gives the exit code.
async fn finish(result: Result<(), Error>, io: &mut Io) -> u8 {
    // After an interrupt nobody should wait for a reader of stdout that does not read.
    let flushed = match &result {
        Err(error) if error.is_impatient() => Ok(()),
        _ => io.stdout.flush().await.map_err(Error::Stdout),
    };
    match result.and(flushed) {
        Ok(()) => 0,
        Err(error) => {
            if let Some(text) = error.report() {
                report(io, text);
            }
            error.exit_code()
        }
    }
}
