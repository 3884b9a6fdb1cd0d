//! The helper that leads to an agent inside: one connection to its socket, carried over two streams;
//! not whose streams they are.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::mpsc::{self, Sender},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
};

use super::{
    super::frames::{self, HEAD, HELLO, MAX_FRAME, Place},
    SOCKET,
    folder::Folder,
};

/// How long the agent gets to take a connection and to answer on one.
const ANSWER: Duration = Duration::from_secs(5);
/// What every agent answers, even one that stops.
const QUESTION: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// How a connection is written on the streams of the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// Byte by byte: the end of the input is a half-close.
    Bytes,
    /// In frames, after the agent was found to answer: an input that ends without its end is a
    /// caller that is gone.
    Frames,
}

/// How one direction ended.
enum End {
    /// What the caller sends has ended, and the agent knows.
    Sent,
    /// What the agent says has ended, and the caller knows.
    Said,
    /// The caller is gone, or the agent is.
    Abandoned,
    Failed(io::Error),
}

pub(super) fn connect(
    folder: &Folder,
    input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
    carry: Carry,
) -> io::Result<()> {
    if carry == Carry::Frames {
        ask(dial(folder)?)?;
    }
    let socket = dial(folder)?;
    if carry == Carry::Frames {
        output.write_all(&HELLO)?;
        output.flush()?;
    }
    let (tx, ends) = mpsc::channel();
    let (to, from, told) = (socket.try_clone()?, socket, tx.clone());
    // The threads end with the process, which does not wait for an input that nobody writes to.
    std::thread::spawn(move || {
        let end = up(input, to, carry, &told);
        report(&told, end);
    });
    std::thread::spawn(move || {
        let end = down(&from, output, carry);
        let has_said = end.is_ok();
        report(&tx, end);
        if has_said {
            // An agent that is gone takes nothing any more, and its caller may never say that it is:
            // an engine that dies leaves the input of what it started open.
            report(&tx, until_gone(&from).map(|()| End::Abandoned));
        }
    });
    let (mut sent, mut said) = (false, false);
    for end in ends {
        match end {
            End::Sent => sent = true,
            End::Said => said = true,
            End::Abandoned => break,
            End::Failed(error) => return Err(error),
        }
        // Only the end of the process ends an output of bytes.
        if said && (sent || carry == Carry::Bytes) {
            break;
        }
    }
    Ok(())
}

fn report(ends: &Sender<End>, end: io::Result<End>) {
    // Nobody listens any more when everything has ended.
    let _ = ends.send(end.unwrap_or_else(End::Failed));
}

/// Connects to the agent, if it is one of this user.
fn dial(folder: &Folder) -> io::Result<UnixStream> {
    let fd = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Also bounds the connect, which waits while the listener has no room.
    sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(ANSWER))?;
    rustix::net::connect(&fd, &SocketAddrUnix::new(folder.path_of(SOCKET))?)?;
    sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, None)?;
    let peer = sockopt::socket_peercred(fd.as_fd())?;
    if peer.uid != rustix::process::geteuid() {
        let text = "the socket of the agent is another user's";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(UnixStream::from(fd))
}

/// Fails unless the agent answers: one that stands still takes connections, too.
fn ask(mut socket: UnixStream) -> io::Result<()> {
    socket.set_read_timeout(Some(ANSWER))?;
    let answered = socket.write_all(QUESTION).and_then(|()| socket.read_exact(&mut [0; 1]));
    answered.map_err(|error| {
        let text = format!("it does not answer: {}", agent_api::io_text(&error));
        io::Error::new(error.kind(), text)
    })
}

/// Carries what the caller sends; returns when the caller is gone.
fn up(
    mut input: impl Read,
    mut to: UnixStream,
    carry: Carry,
    ends: &Sender<End>,
) -> io::Result<End> {
    let mut place = Place::START;
    let mut takes_more = true;
    let mut buffer = vec![0; MAX_FRAME];
    loop {
        let came = match input.read(&mut buffer) {
            Ok(0) if carry == Carry::Bytes => {
                end(&to)?;
                return Ok(End::Sent);
            }
            Ok(0) => return Ok(End::Abandoned),
            Ok(length) => &buffer[..length],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // Behind its end the caller says only that it is gone.
        if place == Place::End {
            continue;
        }
        let taken = match carry {
            Carry::Bytes => to.write_all(came),
            Carry::Frames => write_content(came, &mut place, &mut to, &mut takes_more),
        };
        match taken {
            Ok(()) if place == Place::End => {
                end(&to)?;
                report(ends, Ok(End::Sent));
            }
            Ok(()) => {}
            // The agent has closed the connection, and what it said before is still carried.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Sent),
            Err(error) => return Err(error),
        }
    }
}

/// Says to the agent that nothing more comes, if it still listens.
fn end(to: &UnixStream) -> io::Result<()> {
    match to.shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

fn write_content(
    mut came: &[u8],
    place: &mut Place,
    to: &mut UnixStream,
    takes_more: &mut bool,
) -> io::Result<()> {
    while !came.is_empty() && *place != Place::End {
        let (used, content) = place.take(came)?;
        if *takes_more {
            match to.write_all(content) {
                // Its end, and that the caller is gone, are still waited for.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *takes_more = false,
                written => written?,
            }
        }
        came = &came[used..];
    }
    Ok(())
}

/// Waits until the agent has closed both directions.
fn until_gone(from: &UnixStream) -> io::Result<()> {
    loop {
        // Without a wish only the end of both, and errors, are told (poll(2)).
        match rustix::event::poll(&mut [PollFd::new(from, PollFlags::empty())], None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Carries what the agent says.
fn down(mut from: &UnixStream, mut output: impl Write, carry: Carry) -> io::Result<End> {
    let mut buffer = vec![0; HEAD + MAX_FRAME];
    loop {
        let length = match from.read(&mut buffer[HEAD..]) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match carry {
            Carry::Bytes => output.write_all(&buffer[HEAD..HEAD + length])?,
            Carry::Frames => {
                buffer[..HEAD].copy_from_slice(&frames::head(length));
                output.write_all(&buffer[..HEAD + length])?;
            }
        }
        output.flush()?;
        if length == 0 {
            return Ok(End::Said);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread::JoinHandle};

    use super::*;

    /// A folder whose agent is played: it answers the question, then plays the next connection.
    fn playing(
        answers: bool,
        play: impl FnOnce(UnixStream) + Send + 'static,
    ) -> (tempfile::TempDir, Folder, JoinHandle<()>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        let folder = Folder::make(&path).unwrap();
        let listener = UnixListener::bind(path.join(SOCKET)).unwrap();
        let agent = std::thread::spawn(move || {
            if answers {
                let mut question = [0; QUESTION.len()];
                let (mut asked, _) = listener.accept().unwrap();
                asked.read_exact(&mut question).unwrap();
                assert_eq!(question, QUESTION);
                asked.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            }
            play(listener.accept().unwrap().0);
        });
        (dir, folder, agent)
    }

    /// The helper on a pair of sockets, of which the test has the other ends.
    fn helper(
        folder: Folder,
        carry: Carry,
    ) -> (UnixStream, UnixStream, JoinHandle<io::Result<()>>) {
        let (to, input) = UnixStream::pair().unwrap();
        let (from, output) = UnixStream::pair().unwrap();
        let helper = std::thread::spawn(move || {
            let result = connect(&folder, input, output.try_clone().unwrap(), carry);
            output.shutdown(Shutdown::Both).unwrap();
            result
        });
        (to, from, helper)
    }

    fn read_all(from: &mut impl Read) -> Vec<u8> {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn bytes_are_carried_as_they_are() {
        let (_dir, folder, agent) = playing(false, |mut agent| {
            let asked = read_all(&mut agent);
            agent.write_all(&[b"you said ".as_slice(), &asked].concat()).unwrap();
        });
        let (mut to, mut from, helper) = helper(folder, Carry::Bytes);
        to.write_all(b"hello").unwrap();
        to.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut from), b"you said hello");
        helper.join().unwrap().unwrap();
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_closes_ends_a_helper_of_bytes_whose_input_is_open() {
        let (_dir, folder, agent) = playing(false, |mut agent| agent.write_all(b"bye").unwrap());
        let (_to, mut from, helper) = helper(folder, Carry::Bytes);
        assert_eq!(read_all(&mut from), b"bye");
        helper.join().unwrap().unwrap();
        agent.join().unwrap();
    }

    #[test]
    fn in_frames_each_direction_ends_on_its_own() {
        let (_dir, folder, agent) = playing(true, |mut agent| {
            agent.write_all(b"first").unwrap();
            agent.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_all(&mut agent), b"second");
        });
        let (mut to, mut from, helper) = helper(folder, Carry::Frames);
        let mut said = [0; 4 + 4 + 5 + 4];
        from.read_exact(&mut said).unwrap();
        assert_eq!(&said[..], b"agd1\0\0\0\x05first\0\0\0\0");
        to.write_all(b"\0\0\0\x06second\0\0\0\0").unwrap();
        helper.join().unwrap().unwrap();
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_is_gone_ends_the_helper_whose_caller_says_nothing() {
        let (_dir, folder, agent) = playing(true, |mut agent| agent.write_all(b"last").unwrap());
        let (_to, mut from, helper) = helper(folder, Carry::Frames);
        assert_eq!(read_all(&mut from), b"agd1\0\0\0\x04last\0\0\0\0");
        helper.join().unwrap().unwrap();
        agent.join().unwrap();
    }

    #[test]
    fn a_caller_that_is_gone_ends_the_connection_at_once() {
        for sent in [&b""[..], b"\0\0\0\x02a", b"\0\0\0\x01a\0\0\0\0"] {
            let (_dir, folder, agent) = playing(true, |mut agent| {
                // Never ends by itself, and hears nothing while nobody reads.
                while agent.write_all(&[7; 1024]).is_ok() {}
            });
            let (mut to, mut from, helper) = helper(folder, Carry::Frames);
            from.read_exact(&mut [0; 4]).unwrap();
            to.write_all(sent).unwrap();
            drop(to);
            helper.join().unwrap().unwrap();
            drop(from);
            agent.join().unwrap();
        }
    }

    #[test]
    fn an_agent_that_takes_no_more_can_still_be_heard() {
        let (_dir, folder, agent) = playing(true, |mut agent| {
            agent.shutdown(Shutdown::Read).unwrap();
            agent.write_all(b"no").unwrap();
        });
        let (mut to, mut from, helper) = helper(folder, Carry::Frames);
        let mut said = [0; 4 + 4 + 2 + 4];
        from.read_exact(&mut said).unwrap();
        assert_eq!(&said[..], b"agd1\0\0\0\x02no\0\0\0\0");
        // It may have closed everything by now, which ends the helper.
        let content = vec![7; 1024];
        let mut frames = (0..100).map(|_| [&frames::head(content.len())[..], &content].concat());
        let _ = frames.try_for_each(|frame| to.write_all(&frame));
        helper.join().unwrap().unwrap();
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_does_not_answer_is_not_connected_to() {
        let (_dir, folder, agent) = playing(false, drop);
        let (_to, mut from, helper) = helper(folder, Carry::Frames);
        assert_eq!(read_all(&mut from), b"", "no hello");
        let error = helper.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("does not answer"), "{error}");
        agent.join().unwrap();

        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::make(&dir.path().join("folder")).unwrap();
        let (_to, _from, helper) = self::helper(folder, Carry::Bytes);
        assert_eq!(helper.join().unwrap().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
