//! The other end of a WebSocket, frame by frame as RFC 6455 section 5 has them; not a library, so
//! that a test can do what none allows.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::peer::{Conn, Received, SOON};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The answer to a handshake, with its `Sec-WebSocket-Accept`.
pub(crate) fn switch(request: &Received) -> String {
    let accept = derive_accept_key(request.header("sec-websocket-key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// One whole frame of a server.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        middle @ 126..65_536 => {
            frame.push(126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// Output as a binary frame.
pub(crate) fn output(offset: u64, bytes: &[u8]) -> Vec<u8> {
    frame(BINARY, &[&offset.to_be_bytes()[..], bytes].concat())
}

pub(crate) fn text(json: &str) -> Vec<u8> {
    frame(TEXT, json.as_bytes())
}

pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

/// The exit that every test means.
pub(crate) const EXITED: &str =
    r#"{"type":"exited","exit_code":0,"exited_at":"2026-01-31T12:01:00.000Z"}"#;

pub(crate) fn closed(end_bytes: u64) -> Vec<u8> {
    text(&format!(r#"{{"type":"closed","end_bytes":{end_bytes}}}"#))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    /// Takes a handshake and agrees.
    pub(crate) async fn agree(&mut self) -> Received {
        let request = self.request().await.unwrap();
        self.send(switch(&request)).await;
        request
    }

    /// The next frame of the client: its opcode and what it carries; `None` at the end.
    pub(crate) async fn client_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(SOON, self.read_frame()).await.unwrap()
    }

    /// As [`client_frame`](Self::client_frame), for as long as it takes.
    pub(crate) async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        let [first, second] = head;
        assert_eq!(first & 0xf0, 0x80, "one frame a message, without extensions");
        assert_eq!(second & 0x80, 0x80, "a client masks");
        let length = match second & 0x7f {
            126 => usize::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()? as usize,
            short => usize::from(short),
        };
        assert!(first & 0x08 == 0 || length < 126, "a control frame is short");
        let mut mask = [0; 4];
        self.stream.read_exact(&mut mask).await.ok()?;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Some((first & 0x0f, payload))
    }
}
