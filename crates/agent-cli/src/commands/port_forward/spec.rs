//! What `port-forward` is to forward, from the texts of its options; binds nothing.

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
};

use agent_sdk::api::Network;

/// Most mapped ports of all options together.
const MAX_PORTS: usize = 1000;

/// One port of this machine and the port of the workspace that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) network: Network,
    /// `None` for `127.0.0.1`, and `::1` where that is possible.
    pub(super) host: Option<IpAddr>,
    pub(super) local: u16,
    pub(super) remote: u16,
}

impl Mapping {
    /// The addresses that are bound; all but the first only where that is possible.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let hosts = match self.host {
            Some(host) => vec![host],
            None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        };
        hosts.into_iter().map(|host| SocketAddr::new(host, self.local)).collect()
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.network.as_str(), self.local, self.remote)
    }
}

/// Reads all specifications, in their order.
///
/// # Errors
///
/// A sentence that names the specification: it is malformed, it maps a local port that is mapped
/// already, or there are none or more than [`MAX_PORTS`] ports in all.
pub(super) fn parse<'t>(
    specs: impl IntoIterator<Item = (Network, &'t str)>,
) -> Result<Vec<Mapping>, String> {
    let mut mappings = Vec::new();
    let mut taken = HashSet::new();
    for (network, spec) in specs {
        let wrong = |why| format!("invalid port specification `{spec}`: {why}");
        for text in spec.split(',') {
            let parsed = Parsed::of(text.trim_matches([' ', '\t'])).map_err(wrong)?;
            let left = MAX_PORTS - mappings.len();
            if parsed.local.len() > left {
                return Err(wrong(format!("more than {MAX_PORTS} ports are mapped")));
            }
            for mapping in parsed.mappings(network) {
                for address in mapping.addresses() {
                    if !taken.insert((network.as_str(), address)) {
                        let network = network.as_str();
                        return Err(wrong(format!("{network} {address} is mapped twice")));
                    }
                }
                mappings.push(mapping);
            }
        }
    }
    if mappings.is_empty() { Err("no ports requested".to_owned()) } else { Ok(mappings) }
}

/// A mapping as it is written, of one or more ports.
struct Parsed {
    host: Option<IpAddr>,
    local: RangeInclusive<u16>,
    remote: RangeInclusive<u16>,
}

impl Parsed {
    fn of(text: &str) -> Result<Self, String> {
        let (host, ports) = host(text)?;
        let (local, remote) = match ports.split_once(':') {
            Some((local, remote)) => (range(local)?, Some(range(remote)?)),
            None => (range(ports)?, None),
        };
        let remote = remote.unwrap_or_else(|| local.clone());
        if local.len() != remote.len() {
            let (local, remote) = (local.len(), remote.len());
            return Err(format!("`{text}` maps {local} ports to {remote}"));
        }
        Ok(Self { host, local, remote })
    }

    fn mappings(self, network: Network) -> impl Iterator<Item = Mapping> {
        let host = self.host;
        let pairs = self.local.zip(self.remote);
        pairs.map(move |(local, remote)| Mapping { network, host, local, remote })
    }
}

/// The address in front, if there is one, and the rest.
fn host(text: &str) -> Result<(Option<IpAddr>, &str), String> {
    if let Some(inner) = text.strip_prefix('[') {
        let parts = inner.split_once("]:");
        let host = parts.and_then(|(host, ports)| Some((host.parse::<Ipv6Addr>().ok()?, ports)));
        let (host, ports) =
            host.ok_or_else(|| format!("`{text}` does not begin with an address"))?;
        return Ok((Some(host.into()), ports));
    }
    let host = text.split_once(':').and_then(|(host, ports)| Some((host.parse().ok()?, ports)));
    Ok(host.map_or((None, text), |(host, ports): (Ipv4Addr, _)| (Some(host.into()), ports)))
}

fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = port(first)?..=port(last)?;
    if range.is_empty() { Err(format!("`{text}` ends before it begins")) } else { Ok(range) }
}

fn port(text: &str) -> Result<u16, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let port = text.parse().ok().filter(|_| is_plain);
    port.ok_or_else(|| format!("`{text}` is not a port number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(spec: &str) -> Result<Vec<Mapping>, String> {
        parse([(Network::Tcp, spec)])
    }

    /// The mappings as texts, each with its host.
    #[track_caller]
    fn check(spec: &str, expected: &[&str]) {
        let show = |m: &Mapping| {
            let host = m.host.map_or_else(|| "-".to_owned(), |host| host.to_string());
            format!("{host} {} {}", m.local, m.remote)
        };
        let found: Vec<_> = tcp(spec).unwrap().iter().map(show).collect();
        assert_eq!(found, expected, "{spec}");
    }

    #[test]
    fn specifications_are_lists_of_mappings() {
        check("8000", &["- 8000 8000"]);
        check("8888:9999", &["- 8888 9999"]);
        check("8000-8002", &["- 8000 8000", "- 8001 8001", "- 8002 8002"]);
        check("7-7", &["- 7 7"]);
        check("127.0.0.1:4000-4001", &["127.0.0.1 4000 4000", "127.0.0.1 4001 4001"]);
        check("0.0.0.0:1:65535", &["0.0.0.0 1 65535"]);
        check("1-3:6-8", &["- 1 6", "- 2 7", "- 3 8"]);
        check("8000,9000:9001", &["- 8000 8000", "- 9000 9001"]);
        check(" 8000 ,\t9000:22\t", &["- 8000 8000", "- 9000 22"]);
        check("[::1]:8000", &["::1 8000 8000"]);
        check("[fe80::1:2]:1-2:3-4", &["fe80::1:2 1 3", "fe80::1:2 2 4"]);
        check("127.0.0.1:80,127.0.0.2:80", &["127.0.0.1 80 80", "127.0.0.2 80 80"]);
        check("65534-65535", &["- 65534 65534", "- 65535 65535"]);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for spec in [
            "",
            " ",
            ",",
            "8000,",
            ",8000",
            "0",
            "70000",
            "65536",
            "9-8",
            "1-3:1-2",
            "1:1-2",
            "http",
            "8000:",
            ":8000",
            "::1:8000",
            "1:2:3",
            "1-2-3",
            "-1",
            "1-",
            "-",
            "+1",
            "08",
            "0-1",
            "1 :2",
            "1: 2",
            "1 - 2",
            "80 81",
            "[::1]",
            "[::1]8000",
            "[::1]:",
            "[::1",
            "[127.0.0.1]:80",
            "[::1%lo]:80",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0:80",
            "127.0.0.01:80",
            "localhost:80",
            "1.2.3.4:1:2:3",
            "[]:80",
            "٣",
            "1:٣",
            "0x10",
            "1e3",
            "99999999999999999999",
            "8000;9000",
            "8000\n",
            "\u{a0}8000",
        ] {
            let error = tcp(spec).unwrap_err();
            assert!(error.contains(&format!("`{spec}`")), "{spec}: {error}");
        }
    }

    #[test]
    fn a_local_port_is_mapped_once() {
        for spec in [
            "80,80",
            "80:1,80:2",
            "80-82,82-84",
            "80,127.0.0.1:80",
            "[::1]:80,80",
            "10.0.0.1:80,10.0.0.1:80",
            "[0:0::1]:80,[::1]:80",
        ] {
            assert!(tcp(spec).unwrap_err().contains("is mapped twice"), "{spec}");
        }
        assert_eq!(tcp("80,10.0.0.1:80,[::]:80").unwrap().len(), 3);
        let both = [(Network::Tcp, "80"), (Network::Udp, "80")];
        assert_eq!(parse(both).unwrap().len(), 2);
        assert!(parse([(Network::Udp, "80"), (Network::Udp, "1-100")]).is_err());
    }

    #[test]
    fn there_is_at_least_one_port_and_at_most_a_thousand() {
        assert_eq!(parse([]).unwrap_err(), "no ports requested");
        assert_eq!(tcp("1-1000").unwrap().len(), 1000);
        for specs in [["1-1001", "2000"], ["1-1000", "2000"], ["1-65535:1-65535", "1"]] {
            let error = parse(specs.map(|spec| (Network::Tcp, spec))).unwrap_err();
            assert!(error.contains("more than 1000 ports"), "{error}");
        }
        let both = [(Network::Tcp, "1-500"), (Network::Udp, "1-501")];
        assert!(parse(both).unwrap_err().contains("`1-501`"));
    }

    proptest! {
        #[test]
        fn what_is_written_by_the_grammar_is_read_back(
            host in prop_oneof![
                Just(None),
                any::<u32>().prop_map(|bits| Some(IpAddr::from(Ipv4Addr::from(bits)))),
                any::<u128>().prop_map(|bits| Some(IpAddr::from(Ipv6Addr::from(bits)))),
            ],
            (local, remote, count) in (1_u16..=65_000, 1_u16..=65_000, 0_u16..=500),
            blanks in "[ \t]{0,3}",
        ) {
            let host_text = match host {
                None => String::new(),
                Some(IpAddr::V4(host)) => format!("{host}:"),
                Some(IpAddr::V6(host)) => format!("[{host}]:"),
            };
            let (last, remote_last) = (local + count, remote + count);
            let spec =
                format!("{blanks}{host_text}{local}-{last}:{remote}-{remote_last}{blanks}");
            let found = tcp(&spec).unwrap();
            prop_assert_eq!(found.len(), usize::from(count) + 1);
            for (nth, mapping) in (0..).zip(found) {
                let expected = (host, local + nth, remote + nth);
                prop_assert_eq!((mapping.host, mapping.local, mapping.remote), expected);
            }
        }

        #[test]
        fn nothing_that_is_typed_panics_or_escapes_the_limits(
            specs in proptest::collection::vec("[0-9:,.\\[\\] \\-a]{0,24}", 0..3),
        ) {
            if let Ok(found) = parse(specs.iter().map(|spec| (Network::Udp, spec.as_str()))) {
                prop_assert!((1..=MAX_PORTS).contains(&found.len()));
                prop_assert!(found.iter().all(|mapping| mapping.local > 0 && mapping.remote > 0));
            }
        }
    }
}
