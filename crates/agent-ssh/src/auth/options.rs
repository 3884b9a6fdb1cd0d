//! The options field of a line in `authorized_keys`, as OpenSSH reads it.
//!
//! Names are in any case; the last of two contrary flags wins; `command`, `from` and `principals`
//! may occur once, the earliest `expiry-time` counts, the permits add up.

use super::{HostPort, expiry};

/// What a line says about its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyOptions {
    /// The key signs certificates and does not log in by itself.
    pub(crate) cert_authority: bool,
    /// The list of `principals=`, comma-separated.
    pub(crate) principals: Option<Vec<u8>>,
    /// The forced command.
    pub(crate) command: Option<Vec<u8>>,
    /// The list of `from=`, comma-separated.
    pub(crate) from: Option<Vec<u8>>,
    /// Last second since 1970 at which the line counts.
    pub(crate) expires: Option<u64>,
    pub(crate) pty: bool,
    pub(crate) port_forwarding: bool,
    pub(crate) agent_forwarding: bool,
    pub(crate) x11_forwarding: bool,
    /// A signature of an `sk-` key must show that somebody touched it.
    pub(crate) touch_required: bool,
    /// A signature of an `sk-` key must show that it verified its user.
    pub(crate) verify_required: bool,
    pub(crate) permit_open: Vec<HostPort>,
    pub(crate) permit_listen: Vec<HostPort>,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            cert_authority: false,
            principals: None,
            command: None,
            from: None,
            expires: None,
            pty: true,
            port_forwarding: true,
            agent_forwarding: true,
            x11_forwarding: true,
            touch_required: true,
            verify_required: false,
            permit_open: Vec::new(),
            permit_listen: Vec::new(),
        }
    }
}

/// Why an options field is not one. Says nothing of the line's own text, which may hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("unknown option")]
    Unknown,
    #[error("comma without an option after it")]
    Trailing,
    #[error("option `{0}` given twice")]
    Twice(&'static str),
    #[error("value without a quote at its start")]
    NoStartQuote,
    #[error("value without a quote at its end")]
    NoEndQuote,
    #[error("invalid expiry time")]
    ExpiryTime,
    #[error("invalid host or port in a permit")]
    Permit,
    #[error("invalid environment variable")]
    Environment,
    #[error("invalid tunnel device")]
    Tunnel,
}

impl KeyOptions {
    /// Reads a whole options field, without the blank that ends it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            rest = options.one(rest)?;
            match rest {
                [] => break,
                [b','] => return Err(OptionError::Trailing),
                [b',', more @ ..] => rest = more,
                _ => return Err(OptionError::Unknown),
            }
        }
        Ok(options)
    }

    /// Takes one option off the front and returns what follows it.
    fn one<'a>(&mut self, text: &'a [u8]) -> Result<&'a [u8], OptionError> {
        let end = text.iter().position(|byte| b",=".contains(byte)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let name = name.to_ascii_lowercase();
        match rest {
            [b'=', value @ ..] => {
                let kind = ValueOption::named(&name).ok_or(OptionError::Unknown)?;
                let (value, rest) = dequote(value)?;
                self.set_value(kind, value)?;
                Ok(rest)
            }
            _ => self.set_flag(&name).map(|()| rest),
        }
    }

    fn set_flag(&mut self, name: &[u8]) -> Result<(), OptionError> {
        let (on, positive) = match name.strip_prefix(b"no-") {
            Some(positive) => (false, positive),
            None => (true, name),
        };
        match (positive, on) {
            (b"restrict", true) => {
                self.pty = false;
                self.port_forwarding = false;
                self.agent_forwarding = false;
                self.x11_forwarding = false;
            }
            (b"cert-authority", true) => self.cert_authority = true,
            (b"pty", _) => self.pty = on,
            (b"port-forwarding", _) => self.port_forwarding = on,
            (b"agent-forwarding", _) => self.agent_forwarding = on,
            (b"x11-forwarding", _) => self.x11_forwarding = on,
            (b"touch-required", _) => self.touch_required = on,
            (b"verify-required", _) => self.verify_required = on,
            (b"user-rc", _) => {}
            _ => return Err(OptionError::Unknown),
        }
        Ok(())
    }

    fn set_value(&mut self, kind: ValueOption, value: Vec<u8>) -> Result<(), OptionError> {
        match kind {
            ValueOption::Command => once(&mut self.command, value, "command"),
            ValueOption::From => once(&mut self.from, value, "from"),
            ValueOption::Principals => once(&mut self.principals, value, "principals"),
            ValueOption::ExpiryTime => {
                let time = expiry::parse(&value).ok_or(OptionError::ExpiryTime)?;
                self.expires = Some(self.expires.map_or(time, |earlier| earlier.min(time)));
                Ok(())
            }
            ValueOption::PermitOpen => {
                self.permit_open.push(permit(&value)?);
                Ok(())
            }
            ValueOption::PermitListen => {
                // A port alone is one on any address.
                let bare = !value.contains(&b':');
                let value = if bare { [b"*:", &value[..]].concat() } else { value };
                self.permit_listen.push(permit(&value)?);
                Ok(())
            }
            ValueOption::Environment => {
                let name = value.split(|&byte| byte == b'=').next().unwrap_or_default();
                let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                let is_assignment = name.len() < value.len() && is_name;
                is_assignment.then_some(()).ok_or(OptionError::Environment)
            }
            ValueOption::Tunnel => {
                let is_device = value.eq_ignore_ascii_case(b"any") || is_number(&value);
                is_device.then_some(()).ok_or(OptionError::Tunnel)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum ValueOption {
    Command,
    From,
    Principals,
    ExpiryTime,
    PermitOpen,
    PermitListen,
    /// Without effect.
    Environment,
    /// Without effect.
    Tunnel,
}

impl ValueOption {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"command" => Self::Command,
            b"from" => Self::From,
            b"principals" => Self::Principals,
            b"expiry-time" => Self::ExpiryTime,
            b"permitopen" => Self::PermitOpen,
            b"permitlisten" => Self::PermitListen,
            b"environment" => Self::Environment,
            b"tunnel" => Self::Tunnel,
            _ => return None,
        })
    }
}

fn once(slot: &mut Option<Vec<u8>>, value: Vec<u8>, name: &'static str) -> Result<(), OptionError> {
    match slot.replace(value) {
        Some(_) => Err(OptionError::Twice(name)),
        None => Ok(()),
    }
}

/// Takes a quoted value off the front. `\"` is a quote; any other backslash is itself.
fn dequote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), OptionError> {
    let mut rest = text.strip_prefix(b"\"").ok_or(OptionError::NoStartQuote)?;
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return Err(OptionError::NoEndQuote),
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', b'"', after @ ..] => {
                value.push(b'"');
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

/// Longest host name of a permit (`NI_MAXHOST` less its NUL).
const MAX_HOST_BYTES: usize = 1024;

/// Reads `host:port` or `[address]:port`; the port may be `*`.
fn permit(text: &[u8]) -> Result<HostPort, OptionError> {
    let (host, port) = match text {
        [b'[', ..] => {
            let end = text.iter().position(|&byte| byte == b']').ok_or(OptionError::Permit)?;
            (&text[1..end], text[end + 1..].strip_prefix(b":"))
        }
        _ => {
            let end = text.iter().position(|byte| b":/".contains(byte)).unwrap_or(text.len());
            (&text[..end], text[end..].strip_prefix(b":"))
        }
    };
    let port = match port.ok_or(OptionError::Permit)? {
        b"*" => None,
        digits => Some(self::port(digits).ok_or(OptionError::Permit)?),
    };
    if host.len() > MAX_HOST_BYTES {
        return Err(OptionError::Permit);
    }
    Ok(HostPort { host: host.to_vec(), port })
}

fn port(digits: &[u8]) -> Option<u16> {
    let text = is_number(digits).then(|| std::str::from_utf8(digits).ok()).flatten()?;
    text.parse().ok().filter(|&port| port != 0)
}

fn is_number(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
