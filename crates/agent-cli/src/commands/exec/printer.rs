//! What a program prints, on its way to stdout and stderr, until it has exited.

use agent_sdk::{
    Error as SdkError, Exec, ProcessStreamItem,
    api::{OutputStreamName, ProcessExited},
};
use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use tokio::{io::AsyncWriteExt as _, sync::mpsc};

use crate::{
    Error,
    commands::stream_lines::{self, Lines},
    output::Output,
};

/// Something to print.
enum Event {
    Item(OutputStreamName, Result<ProcessStreamItem, SdkError>),
    /// The stream has nothing more.
    End(OutputStreamName),
    Remark(String),
}

/// The streams of one program.
pub(super) struct Printer<'a> {
    events: SelectAll<BoxStream<'a, Event>>,
    output: Shown,
    /// `None` when stderr is part of the output.
    stderr: Option<Shown>,
}

/// One stream and how far it is.
struct Shown {
    name: OutputStreamName,
    lines: Lines,
    exit: Option<ProcessExited>,
    /// Gaps so far, and the bytes in them.
    gaps: u64,
    lost_bytes: u64,
}

impl Shown {
    fn new(name: OutputStreamName) -> Self {
        Self { name, lines: Lines::new(name), exit: None, gaps: 0, lost_bytes: 0 }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exited: ProcessExited,
    /// Bytes that it printed and that nobody can read any more.
    pub(super) lost_bytes: u64,
}

impl<'a> Printer<'a> {
    pub(super) fn new(exec: &Exec<'a>, has_stderr: bool, remarks: mpsc::Receiver<String>) -> Self {
        let remarks = stream::unfold(remarks, async |mut remarks| {
            Some((Event::Remark(remarks.recv().await?), remarks))
        });
        let mut events = SelectAll::new();
        events.push(remarks.boxed());
        events.push(stream_events(exec, OutputStreamName::Output));
        let stderr = has_stderr.then(|| {
            events.push(stream_events(exec, OutputStreamName::Stderr));
            Shown::new(OutputStreamName::Stderr)
        });
        Self { events, output: Shown::new(OutputStreamName::Output), stderr }
    }

    /// Prints everything until the exit, and everything that the leader wrote before it.
    pub(super) async fn run(mut self, out: &mut Output<'_>) -> Result<Ended, Error> {
        while let Some(event) = self.next(out).await? {
            match event {
                Event::Remark(text) => out.problem(text),
                Event::End(stream) if self.shown(stream).exit.is_none() => break,
                Event::End(_) => {}
                Event::Item(stream, item) => {
                    let item = item?;
                    self.print(&item, stream, out).await?;
                    if let ProcessStreamItem::Exited(exited) = item {
                        self.shown(stream).exit = Some(exited);
                    }
                }
            }
            let has_all = self.stderr.as_ref().is_none_or(|stderr| stderr.exit.is_some());
            if let (true, Some(exited)) = (has_all, self.output.exit.clone()) {
                let lost_bytes = self.finish(out).await?;
                return Ok(Ended { exited, lost_bytes });
            }
        }
        let message = "the stream ended before the process did".to_owned();
        Err(Error::Refused { operation: "stream_process_output", message })
    }

    /// Waits for an event; what was printed so far is seen meanwhile.
    async fn next(&mut self, out: &mut Output<'_>) -> Result<Option<Event>, Error> {
        if let Some(event) = self.events.next().now_or_never() {
            return Ok(event);
        }
        out.flush().await?;
        Ok(self.events.next().await)
    }

    fn shown(&mut self, stream: OutputStreamName) -> &mut Shown {
        match (&mut self.stderr, stream) {
            (Some(stderr), OutputStreamName::Stderr) => stderr,
            _ => &mut self.output,
        }
    }

    async fn print(
        &mut self,
        item: &ProcessStreamItem,
        stream: OutputStreamName,
        out: &mut Output<'_>,
    ) -> Result<(), Error> {
        if out.json {
            out.bytes(self.shown(stream).lines.write(item)?.as_bytes()).await?;
        }
        if let Some((lost, remark)) = stream_lines::gap(item, stream) {
            let shown = self.shown(stream);
            shown.gaps += 1;
            shown.lost_bytes += lost;
            // A reader that cannot keep up has many, and one is enough to know.
            if shown.gaps == 1 && !out.json {
                out.problem(remark);
            }
        }
        match stream_lines::output(item) {
            Some(_) if out.json => {}
            Some(bytes) if stream == OutputStreamName::Stderr => {
                out.flush().await?;
                print_error(bytes, out).await;
            }
            Some(bytes) => out.bytes(bytes).await?,
            None => {}
        }
        Ok(())
    }

    /// Prints what is held, and what is missing in all.
    async fn finish(&mut self, out: &mut Output<'_>) -> Result<u64, Error> {
        let mut lost_bytes = 0;
        for shown in std::iter::once(&mut self.output).chain(&mut self.stderr) {
            // Nothing is held unless lines were written.
            out.bytes(shown.lines.take_held()?.as_bytes()).await?;
            lost_bytes += shown.lost_bytes;
            if shown.gaps > 1 && !out.json {
                let Shown { name, gaps, lost_bytes, .. } = shown;
                out.flush().await?;
                let of = stream_lines::label(*name);
                out.problem(format_args!("{of}: {gaps} gaps with {lost_bytes} bytes in all"));
            }
        }
        out.flush().await?;
        Ok(lost_bytes)
    }
}

/// Prints to stderr; that nobody reads it is no reason to end.
async fn print_error(bytes: &[u8], out: &mut Output<'_>) {
    match &mut out.io.program_stderr {
        Some(stderr) => {
            let _ = stderr.write_all(bytes).await;
            let _ = stderr.flush().await;
        }
        None => {
            let _ = out.io.stderr.write_all(bytes);
        }
    }
}

/// What comes from one stream. The exit of a stream that is read to its end came before.
fn stream_events<'a>(exec: &Exec<'a>, name: OutputStreamName) -> BoxStream<'a, Event> {
    let items = exec.follow(name).map(move |item| Event::Item(name, item));
    items.chain(stream::once(async move { Event::End(name) })).boxed()
}
