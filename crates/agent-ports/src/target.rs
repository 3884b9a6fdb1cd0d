//! What a port of `dial` leads to; pure.

use agent_api::{SHORT_SSH_PORT, SPEED_TEST_PORT, SSH_PORT, TERMINAL_PORT, limits::MIN_DIAL_PORT};

use crate::{Door, Error};

/// Where a tunnel leads, as [`Ports::tcp_target`](crate::Ports::tcp_target) found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) port: u16,
    /// `None` is the workspace's own port.
    pub(crate) door: Option<Door>,
}

/// The ports with doors, in their order.
const DOORS: [(u16, Door); 4] = [
    (SHORT_SSH_PORT, Door::Ssh),
    (TERMINAL_PORT, Door::Terminal),
    (SPEED_TEST_PORT, Door::SpeedTest),
    (SSH_PORT, Door::Ssh),
];

/// Reads a decimal number up to 65535 without sign and leading zeros.
pub(crate) fn port(text: &str) -> Result<u16, Error> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(Error::InvalidPort)
}

/// What the port of a byte stream leads to, with the doors that are there.
pub(crate) fn tcp(text: &str, is_there: impl Fn(Door) -> bool) -> Result<Target, Error> {
    let port = port(text)?;
    let door = DOORS.iter().find(|(of_door, _)| *of_door == port).map(|(_, door)| *door);
    if door.map_or(port >= MIN_DIAL_PORT, &is_there) {
        return Ok(Target { port, door });
    }
    let doors = DOORS.iter().filter(|(_, door)| is_there(*door)).map(|(port, _)| *port);
    Err(unsupported(port, doors))
}

/// The port of datagrams.
pub(crate) fn udp(text: &str) -> Result<u16, Error> {
    let port = port(text)?;
    if port >= MIN_DIAL_PORT { Ok(port) } else { Err(unsupported(port, std::iter::empty())) }
}

fn unsupported(port: u16, doors: impl Iterator<Item = u16>) -> Error {
    let doors: String = doors.map(|door| format!("{door}, ")).collect();
    Error::UnsupportedPort {
        port,
        supported: format!("supported are {doors}{MIN_DIAL_PORT} to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_plain_decimal() {
        let good = [("0", 0), ("1", 1), ("22", 22), ("9", 9), ("65535", 65535)];
        for (text, expected) in good {
            assert_eq!(port(text).unwrap(), expected, "{text}");
        }
        let bad = [
            "",
            "00",
            "01",
            "-1",
            "+1",
            "65536",
            "70000",
            "1.0",
            "0x10",
            " 1",
            "1 ",
            "http",
            "4294967297",
            "٣",
            "1e3",
        ];
        for text in bad {
            assert!(matches!(port(text), Err(Error::InvalidPort)), "{text:?}");
        }
    }

    #[test]
    fn a_port_leads_to_a_door_the_workspace_or_nothing() {
        let no_speed_test = |door| door != Door::SpeedTest;
        let cases = [
            ("1", Some(Some(Door::Ssh))),
            ("22", Some(Some(Door::Ssh))),
            ("2", Some(Some(Door::Terminal))),
            ("3", None),
            ("0", None),
            ("4", None),
            ("8", None),
            ("9", Some(None)),
            ("65535", Some(None)),
        ];
        for (text, expected) in cases {
            let found = tcp(text, no_speed_test);
            assert_eq!(found.ok().map(|target| target.door), expected, "{text}");
        }
        assert_eq!(tcp("3", |_| true).unwrap().door, Some(Door::SpeedTest));
    }

    #[test]
    fn what_is_supported_is_listed() {
        let listed = |error| match error {
            Error::UnsupportedPort { supported, .. } => supported,
            other => panic!("{other}"),
        };
        let tcp = listed(tcp("3", |door| door != Door::SpeedTest).unwrap_err());
        assert_eq!(tcp, "supported are 1, 2, 22, 9 to 65535");
        for port in ["0", "1", "2", "3", "8"] {
            assert_eq!(listed(udp(port).unwrap_err()), "supported are 9 to 65535", "{port}");
        }
        assert_eq!((udp("9").unwrap(), udp("22").unwrap()), (9, 22));
    }
}
