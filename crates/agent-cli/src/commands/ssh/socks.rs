//! Where a client of SOCKS wants to be connected: versions 4, 4a and 5 without authentication
//! (RFC 1928 and the protocol notes of NEC); the connection itself is not made here.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest user name and host name of version 4, which has no length for them.
const MAX_TEXT: usize = 255;

const CONNECT: u8 = 1;

/// What a client asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) host: String,
    pub(super) port: u16,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Four,
    Five,
}

impl Wish {
    /// Reads the request, answering what has to be answered before it.
    ///
    /// # Errors
    ///
    /// When the client speaks something else, wants to authenticate, or wants more than a
    /// connection; it was told so where the protocol can.
    pub(super) async fn read(
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> io::Result<Self> {
        match stream.read_u8().await? {
            4 => four(stream).await,
            5 => five(stream).await,
            version => Err(unsuitable(&format!("version {version} of SOCKS"))),
        }
    }

    /// Tells the client whether it is connected.
    pub(super) async fn answer(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        is_connected: bool,
    ) -> io::Result<()> {
        let answer: &[u8] = match (self.version, is_connected) {
            (Version::Four, true) => &[0, 90, 0, 0, 0, 0, 0, 0],
            (Version::Four, false) => &[0, 91, 0, 0, 0, 0, 0, 0],
            (Version::Five, true) => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            (Version::Five, false) => &REFUSED,
        };
        stream.write_all(answer).await?;
        stream.flush().await
    }
}

/// General failure of version 5.
const REFUSED: [u8; 10] = [5, 1, 0, 1, 0, 0, 0, 0, 0, 0];
/// A command that version 5 knows and this program does not.
const UNSUPPORTED: [u8; 10] = [5, 7, 0, 1, 0, 0, 0, 0, 0, 0];

async fn four(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Wish> {
    let command = stream.read_u8().await?;
    let port = stream.read_u16().await?;
    let address = Ipv4Addr::from(stream.read_u32().await?);
    text(stream).await?;
    // 0.0.0.x announces a name (4a).
    let is_name = matches!(address.octets(), [0, 0, 0, last] if last != 0);
    let host = if is_name { text(stream).await? } else { address.to_string() };
    let wish = Wish { host, port, version: Version::Four };
    if command != CONNECT {
        wish.answer(stream, false).await?;
        return Err(unsuitable("a command other than to connect"));
    }
    Ok(wish)
}

async fn text(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        match stream.read_u8().await? {
            0 => return String::from_utf8(bytes).map_err(|_| unsuitable("a name that is no text")),
            _ if bytes.len() == MAX_TEXT => return Err(unsuitable("a name that is too long")),
            byte => bytes.push(byte),
        }
    }
}

async fn five(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Wish> {
    const NO_AUTHENTICATION: u8 = 0;
    let mut methods = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&NO_AUTHENTICATION) {
        stream.write_all(&[5, 0xff]).await?;
        return Err(unsuitable("authentication"));
    }
    stream.write_all(&[5, NO_AUTHENTICATION]).await?;
    stream.flush().await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version, command, _, kind] = head;
    let host = match kind {
        1 => Ipv4Addr::from(stream.read_u32().await?).to_string(),
        3 => {
            let mut name = vec![0; stream.read_u8().await?.into()];
            stream.read_exact(&mut name).await?;
            String::from_utf8(name).map_err(|_| unsuitable("a name that is no text"))?
        }
        4 => Ipv6Addr::from(stream.read_u128().await?).to_string(),
        _ => {
            stream.write_all(&REFUSED).await?;
            return Err(unsuitable("an address of another kind"));
        }
    };
    let port = stream.read_u16().await?;
    if (version, command) != (5, CONNECT) {
        stream.write_all(&UNSUPPORTED).await?;
        return Err(unsuitable("a command other than to connect"));
    }
    Ok(Wish { host, port, version: Version::Five })
}

fn unsuitable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("the client of SOCKS wants {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client that sends this wants, and what it is told until then.
    async fn read(sent: &[u8]) -> (Option<(String, u16)>, Vec<u8>) {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(sent).await.unwrap();
        let (from, to) = tokio::io::split(near);
        let mut stream = tokio::io::join(from, to);
        let wish = Wish::read(&mut stream).await.ok();
        drop(stream);
        let mut told = Vec::new();
        far.read_to_end(&mut told).await.unwrap();
        (wish.map(|wish| (wish.host, wish.port)), told)
    }

    #[tokio::test]
    async fn a_wish_is_read_in_every_version() {
        for (sent, host) in [
            (&b"\x04\x01\x00\x50\x0a\x00\x00\x07me\0"[..], "10.0.0.7"),
            (b"\x04\x01\x00\x50\x00\x00\x00\x01\0name\0", "name"),
            (b"\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50", "10.0.0.7"),
            (b"\x05\x02\x02\x00\x05\x01\x00\x03\x04name\x00\x50", "name"),
            (b"\x05\x01\x00\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50", "::1"),
        ] {
            let (wish, _) = read(sent).await;
            assert_eq!(wish, Some((host.to_owned(), 80)), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_connection_is_refused_in_the_words_of_the_version() {
        for (sent, told) in [
            (&b"\x04\x02\x00\x50\x0a\x00\x00\x07\0"[..], &b"\0\x5b\0\0\0\0\0\0"[..]),
            (b"\x05\x01\x02", b"\x05\xff"),
            (b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0", b"\x05\0\x05\x07\0\x01\0\0\0\0\0\0"),
            (b"\x05\x01\x00\x05\x01\x00\x09", b"\x05\0\x05\x01\0\x01\0\0\0\0\0\0"),
            (b"GET / HTTP/1.1\r\n", b""),
        ] {
            let (wish, answer) = read(sent).await;
            assert_eq!((wish, &*answer), (None, told), "{sent:?}");
        }
        let long = [&b"\x04\x01\x00\x50\x0a\x00\x00\x07"[..], &[b'x'; 300], b"\0"].concat();
        assert_eq!(read(&long).await.0, None);
    }
}
