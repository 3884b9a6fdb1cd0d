//! X11 forwarding at this end: which display is meant, and a cookie that only the agent's side
//! knows in place of the real one, which never leaves this machine.
//!
//! Formats: X(7) for displays, Xau's Xau.h for the file of cookies, the X Window System Protocol's
//! section 8 for the first message of a client.

use std::{io, path::Path};

use agent_sdk::ssh::{ChannelInput, wire::Put as _};
use bytes::{Bytes, BytesMut};

use super::relay::{self, BoxedStream};

/// The protocol of cookies that every server knows.
const PROTOCOL: &[u8] = b"MIT-MAGIC-COOKIE-1";

/// Port of display 0.
const FIRST_PORT: u16 = 6000;

/// A display of this machine's person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Display {
    /// `None` is the socket of this machine.
    host: Option<String>,
    number: u16,
    screen: u32,
}

impl Display {
    /// Reads what `DISPLAY` has: `[HOST]:NUMBER[.SCREEN]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = text.rsplit_once(':')?;
        let (number, screen) = rest.split_once('.').unwrap_or((rest, "0"));
        let number = number.parse().ok().filter(|number| *number <= u16::MAX - FIRST_PORT)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = Some(host).filter(|host| !matches!(*host, "" | "unix")).map(str::to_owned);
        Some(Self { host, number, screen: screen.parse().ok()? })
    }

    async fn connect(&self) -> io::Result<BoxedStream> {
        match &self.host {
            Some(host) => relay::tcp(host, FIRST_PORT + self.number).await,
            None => relay::unix(Path::new(&format!("/tmp/.X11-unix/X{}", self.number))).await,
        }
    }
}

/// A display and both of its cookies.
#[derive(Debug)]
pub(super) struct Forward {
    display: Display,
    /// What the programs at the other end know.
    fake: [u8; 16],
    /// What the display knows; `None` where it asks for none.
    real: Option<Vec<u8>>,
}

impl Forward {
    /// Prepares the forwarding of a display, whose cookie is in the bytes of a file of those.
    pub(super) fn new(display: Display, cookies: &[u8]) -> Self {
        let real = cookie(cookies, &display);
        Self { display, fake: uuid::Uuid::new_v4().into_bytes(), real }
    }

    /// The payload of `x11-req` (RFC 4254 section 6.3.1).
    pub(super) fn request(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.put_bool(false);
        payload.put_string(PROTOCOL);
        let cookie: String = self.fake.iter().map(|byte| format!("{byte:02x}")).collect();
        payload.put_string(cookie.as_bytes());
        payload.put_u32(self.display.screen);
        payload
    }

    /// Connects a program at the other end to the display, if it knows the cookie; gives the stream
    /// and what must be sent there first.
    ///
    /// # Errors
    ///
    /// When it does not, or the display cannot be reached.
    pub(super) async fn connect(
        &self,
        input: &mut ChannelInput,
    ) -> io::Result<(BoxedStream, Bytes)> {
        let mut setup = BytesMut::new();
        let first = loop {
            let data = input.read().await.ok_or(io::ErrorKind::UnexpectedEof)?;
            setup.extend_from_slice(&data.bytes);
            if let Some(first) = self.admit(&setup)? {
                break first;
            }
        };
        Ok((self.display.connect().await?, first))
    }

    /// The first message with the display's own cookie; `None` while it is incomplete.
    fn admit(&self, setup: &[u8]) -> io::Result<Option<Bytes>> {
        const HEAD: usize = 12;
        let refused = |why| io::Error::new(io::ErrorKind::PermissionDenied, why);
        let Some(head) = setup.get(..HEAD) else { return Ok(None) };
        let number = |at: usize| match head[0] {
            b'B' => Ok(u16::from_be_bytes([head[at], head[at + 1]])),
            b'l' => Ok(u16::from_le_bytes([head[at], head[at + 1]])),
            _ => Err(refused("not a client of X11")),
        };
        let (name, data) = (usize::from(number(6)?), usize::from(number(8)?));
        let data_at = HEAD + name.next_multiple_of(4);
        let end = data_at + data.next_multiple_of(4);
        let Some(rest) = setup.get(end..) else { return Ok(None) };
        let (name, data) = (&setup[HEAD..][..name], &setup[data_at..][..data]);
        // Every byte is looked at, so that the time does not tell how many were right.
        let differs = self.fake.iter().zip(data).fold(0, |sum, (one, other)| sum | (one ^ other));
        if name != PROTOCOL || data.len() != self.fake.len() || differs != 0 {
            return Err(refused("a wrong cookie"));
        }
        let (name, data) = self.real.as_ref().map_or((&[][..], &[][..]), |real| (PROTOCOL, real));
        let mut first = BytesMut::from(head);
        for (at, part) in [(6, name), (8, data)] {
            let length = u16::try_from(part.len()).expect("the length of a cookie is in two bytes");
            let length = if head[0] == b'B' { length.to_be_bytes() } else { length.to_le_bytes() };
            first[at..at + 2].copy_from_slice(&length);
            first.extend_from_slice(part);
            first.resize(first.len().next_multiple_of(4), 0);
        }
        first.extend_from_slice(rest);
        Ok(Some(first.freeze()))
    }
}

/// The cookie of a display in a file of cookies.
fn cookie(file: &[u8], display: &Display) -> Option<Vec<u8>> {
    let mut rest = file;
    let mut found = None;
    while let Some((family, after)) = rest.split_first_chunk() {
        let [_address, number, name, data] = {
            let mut fields = [&[][..]; 4];
            rest = after;
            for field in &mut fields {
                let (length, after) = rest.split_first_chunk()?;
                (*field, rest) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            }
            fields
        };
        let is_local = matches!(u16::from_be_bytes(*family), FAMILY_LOCAL | FAMILY_WILD);
        let is_of_number = number.is_empty() || number == display.number.to_string().as_bytes();
        // Cookies of other machines are of other families.
        if name == PROTOCOL && is_of_number && is_local == display.host.is_none() {
            found.get_or_insert_with(|| data.to_vec());
        }
    }
    found
}

const FAMILY_LOCAL: u16 = 256;
const FAMILY_WILD: u16 = 65535;

#[cfg(test)]
mod tests {
    use super::*;
    use agent_sdk::ssh::wire::Reader;

    #[test]
    fn a_display_is_a_host_a_number_and_a_screen() {
        let display = |host: Option<&str>, number, screen| {
            Some(Display { host: host.map(str::to_owned), number, screen })
        };
        for (text, expected) in [
            (":0", display(None, 0, 0)),
            ("unix:10.2", display(None, 10, 2)),
            ("localhost:10.0", display(Some("localhost"), 10, 0)),
            ("[::1]:1", display(Some("::1"), 1, 0)),
            ("", None),
            ("host", None),
            (":x", None),
            (":0.x", None),
            (":65000", None),
        ] {
            assert_eq!(Display::parse(text), expected, "{text}");
        }
    }

    fn entry(family: u16, number: &str, name: &[u8], data: &[u8]) -> Vec<u8> {
        let mut entry = family.to_be_bytes().to_vec();
        for field in [b"host", number.as_bytes(), name, data] {
            entry.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
            entry.extend(field);
        }
        entry
    }

    #[test]
    fn the_cookie_of_a_display_is_the_first_that_fits() {
        let file = [
            entry(256, "1", PROTOCOL, b"other number"),
            entry(256, "0", b"XDM-AUTHORIZATION-1", b"other protocol"),
            entry(0, "0", PROTOCOL, b"remote"),
            entry(256, "0", PROTOCOL, b"mine"),
            entry(256, "0", PROTOCOL, b"later"),
        ]
        .concat();
        let find = |file: &[u8], text| cookie(file, &Display::parse(text).unwrap());
        assert_eq!(find(&file, ":0").as_deref(), Some(&b"mine"[..]));
        assert_eq!(find(&file, "far:0").as_deref(), Some(&b"remote"[..]));
        assert_eq!(find(&file, ":2"), None);
        assert_eq!(find(&entry(65535, "", PROTOCOL, b"any"), ":9").as_deref(), Some(&b"any"[..]));
        assert_eq!(find(&file[..file.len() - 3], ":7"), None, "a file that is cut");
    }

    /// The first message of a client.
    fn setup(order: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
        let number = |n: usize| match order {
            b'B' => u16::try_from(n).unwrap().to_be_bytes(),
            _ => u16::try_from(n).unwrap().to_le_bytes(),
        };
        let mut setup = vec![order, 0];
        for field in [11, 0, name.len(), data.len(), 0] {
            setup.extend(number(field));
        }
        for part in [name, data] {
            setup.extend(part);
            setup.resize(setup.len().next_multiple_of(4), 0);
        }
        setup
    }

    #[test]
    fn a_client_that_knows_the_fake_cookie_gets_the_real_one() {
        let display = Display::parse(":0").unwrap();
        for (cookies, order) in [(entry(256, "0", PROTOCOL, b"real"), b'l'), (Vec::new(), b'B')] {
            let forward = Forward::new(display.clone(), &cookies);
            let sent = setup(order, PROTOCOL, &forward.fake);
            for length in 0..sent.len() {
                assert_eq!(forward.admit(&sent[..length]).unwrap(), None);
            }
            let (name, data) =
                if cookies.is_empty() { (&b""[..], &b""[..]) } else { (PROTOCOL, &b"real"[..]) };
            let first = forward.admit(&[&sent[..], b"more"].concat()).unwrap().unwrap();
            assert_eq!(first, [setup(order, name, data), b"more".to_vec()].concat());
        }
    }

    #[test]
    fn nobody_else_gets_in() {
        let forward = Forward::new(Display::parse(":0").unwrap(), &[]);
        let mut near = forward.fake;
        near[15] ^= 1;
        for (name, data) in [
            (PROTOCOL, &near[..]),
            (PROTOCOL, &forward.fake[..15]),
            (PROTOCOL, b""),
            (b"", b""),
            (b"XDM-AUTHORIZATION-1", &forward.fake),
        ] {
            assert!(forward.admit(&setup(b'l', name, data)).is_err());
        }
        assert!(forward.admit(b"GET / HTTP/1.1\r\n").is_err());
    }

    #[test]
    fn a_request_has_the_fake_cookie_in_hexadecimal() {
        let forward = Forward::new(Display::parse(":0.3").unwrap(), &[]);
        let payload = forward.request();
        let mut reader = Reader::new(&payload);
        assert!(!reader.bool().unwrap());
        assert_eq!(reader.string().unwrap(), PROTOCOL);
        assert_eq!(reader.text().unwrap(), format!("{:032x}", u128::from_be_bytes(forward.fake)));
        assert_eq!(reader.u32().unwrap(), 3);
        reader.end().unwrap();
    }
}
