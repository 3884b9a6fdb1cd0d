//! A TCP relay that delivers every byte later, for the figures over a long path.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Bytes taken at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks on their way; more than any window of the servers, so that only those limit.
const CHUNKS: usize = 4096;

/// Listens, and passes every connection on to a port with a delay each way; answers its port.
///
/// It ends with the program.
pub(super) fn relay(port: u16, one_way: Duration) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let own = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A server that is gone shows as a closed connection.
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
            let _ =
                carry(&stream, &server, one_way).and_then(|()| carry(&server, &stream, one_way));
        }
    });
    Ok(own)
}

fn carry(from: &TcpStream, to: &TcpStream, delay: Duration) -> Result<()> {
    let (mut from, to) = (from.try_clone()?, to.try_clone()?);
    from.set_nodelay(true)?;
    let (sender, receiver) = sync_channel(CHUNKS);
    std::thread::spawn(move || read(&mut from, &sender));
    std::thread::spawn(move || write(to, &receiver, delay));
    Ok(())
}

fn read(from: &mut TcpStream, sender: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || sender.send((Instant::now(), buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>, delay: Duration) {
    let mut due = VecDeque::new();
    loop {
        due.extend(receiver.try_iter());
        let Some((came, chunk)) = due.pop_front().or_else(|| receiver.recv().ok()) else { break };
        std::thread::sleep((came + delay).saturating_duration_since(Instant::now()));
        if to.write_all(&chunk).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
