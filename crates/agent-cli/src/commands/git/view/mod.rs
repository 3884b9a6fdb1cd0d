//! The live view of `git watch`: messages, keys and signals come in, and the screen shows what they
//! made of it.

mod keys;
mod layout;
mod state;

use std::{io, pin::Pin};

use agent_sdk::{RepositoryWatch, api::GitServerMessage};
use futures_util::StreamExt as _;
use rustix::process::{Signal, kill_current_process_group};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use keys::{Key, Keys};
use state::View;

use crate::{
    Error, LocalSignal, Terminal, body::take_stdin, io::Input, output::Output, palette::Palette,
    screen::Screen,
};

/// Bytes of keys that are read at once.
const TYPED: usize = 256;

type Drawing = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Shows repositories until a person ends it, or the watch fails.
pub(super) async fn run(
    mut watch: RepositoryWatch<'_>,
    terminal: Terminal,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    // Until something is there to show, the terminal is left alone, and an error stays readable.
    let mut view = View::default();
    let Some(first) = watch.next().await.transpose()? else { return Ok(()) };
    view.take(first);
    let keyboard = out.io.terminal.clone();
    let input = if keyboard.is_some() { Some(take_stdin(out.io)?) } else { None };
    let signals = out.io.signals.listen();
    let screen = Screen::new(terminal.clone(), keyboard).map_err(Error::Stdout)?;
    let keys = Keys::default();
    let live = Live { watch, view, terminal, screen, keys, palette: out.palette };
    live.run(input, signals).await
}

struct Live<'a> {
    watch: RepositoryWatch<'a>,
    view: View,
    terminal: Terminal,
    screen: Screen,
    keys: Keys,
    palette: Palette,
}

/// What happens next: whether the view goes on.
enum Next {
    GoOn,
    End,
}

impl Live<'_> {
    async fn run(
        mut self,
        mut input: Option<Input>,
        mut signals: mpsc::Receiver<LocalSignal>,
    ) -> Result<(), Error> {
        let mut link = self.watch.link();
        let mut typed = [0; TYPED];
        let mut drawing: Option<Drawing> = None;
        let mut is_drawn = false;
        loop {
            if !is_drawn && drawing.is_none() {
                drawing = Some(self.draw());
                is_drawn = true;
            }
            tokio::select! {
                message = self.watch.next() => match message.transpose()? {
                    Some(message) => self.view.take(message),
                    None => return Ok(()),
                },
                Ok(()) = link.changed() => self.view.linked(*link.borrow_and_update()),
                count = read(&mut input, &mut typed) => {
                    for byte in &typed[..count] {
                        let Some(key) = self.keys.push(*byte) else { continue };
                        if let Next::End = self.press(key)? {
                            return Ok(());
                        }
                    }
                }
                Some(signal) = signals.recv() => self.receive(signal)?,
                drawn = done(&mut drawing) => {
                    drawn.map_err(Error::Stdout)?;
                    drawing = None;
                    continue;
                }
            }
            is_drawn = false;
        }
    }

    fn draw(&mut self) -> Drawing {
        let lines = layout::lines(&self.view, self.terminal.size());
        let lines = lines.iter().map(|line| line.paint(self.palette)).collect();
        Box::pin(self.screen.draw(lines))
    }

    fn press(&mut self, key: Key) -> Result<Next, Error> {
        match key {
            Key::Scroll(motion) => {
                let rows = layout::body_rows(&self.view, self.terminal.size());
                self.view.scroll(motion, rows);
            }
            Key::Turn(is_forward) => self.view.turn(is_forward),
            Key::Refresh => {
                self.watch.commands().refresh()?;
                self.view.is_refreshing = true;
            }
            Key::Redraw => self.screen.forget(),
            Key::Quit => return Ok(Next::End),
            Key::Interrupt => return Err(Error::Interrupted),
            Key::Suspend => {
                self.screen.leave();
                // It returns when the shell lets the process go on, or at once where nobody could.
                let stopped = kill_current_process_group(Signal::TSTP);
                self.screen.enter().and(stopped.map_err(io::Error::from)).map_err(Error::Stdout)?;
            }
        }
        Ok(Next::GoOn)
    }

    fn receive(&mut self, signal: LocalSignal) -> Result<(), Error> {
        match signal {
            LocalSignal::Resized => self.screen.forget(),
            LocalSignal::Continued => self.screen.enter().map_err(Error::Stdout)?,
            ending => return Err(Error::Abandoned(ending.exit_code())),
        }
        Ok(())
    }
}

impl View {
    fn take(&mut self, message: GitServerMessage) {
        match message {
            GitServerMessage::Changes(changes) => self.change(changes),
            GitServerMessage::Notice(notice) => self.notice(notice),
            GitServerMessage::Error { message } => self.notice = Some(message),
            _ => {}
        }
    }
}

/// Reads keys; never ends when there is no keyboard, or no more: a signal says what that means.
async fn read(input: &mut Option<Input>, typed: &mut [u8]) -> usize {
    if let Some(keyboard) = input {
        match keyboard.read(typed).await {
            Ok(count) if count > 0 => return count,
            _ => *input = None,
        }
    }
    std::future::pending().await
}

/// Waits for the end of a drawing, if there is one.
async fn done(drawing: &mut Option<Drawing>) -> io::Result<()> {
    match drawing {
        Some(drawing) => drawing.await,
        None => std::future::pending().await,
    }
}
