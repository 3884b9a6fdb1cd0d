//! The published ports of a container in the protocol's words, and host ports that two containers
//! want.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use agent_api::{Container, ContainerPort};
use serde_json::Value;

/// Digits of a container's id that people are shown.
const SHORT_ID: usize = 12;

/// The beginning of an id, for people.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// Reads `NetworkSettings.Ports`: keys such as `8080/tcp` with the addresses they are published at.
///
/// What is not understood is said in `warnings`, without the container.
pub(super) fn published(ports: &Value, warnings: &mut Vec<String>) -> Vec<ContainerPort> {
    let mut found = BTreeSet::new();
    for (key, bindings) in ports.as_object().into_iter().flatten() {
        let Some(bindings) = bindings.as_array().filter(|bindings| !bindings.is_empty()) else {
            continue;
        };
        let (port, network) = container_port(key).unwrap_or_else(|| {
            warnings.push(format!("invalid port format {key:?}"));
            (0, "tcp")
        });
        for binding in bindings {
            let text = &binding["HostPort"];
            let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
            let Some(host_port) = port_number(&text) else {
                warnings.push(format!("invalid host port {text:?} of {key:?}"));
                continue;
            };
            found.insert(ContainerPort {
                port,
                network: network.to_owned(),
                host_ip: host_ip(&binding["HostIp"]),
                host_port,
            });
        }
    }
    without_twins(found)
}

/// Leaves out what differs from another only by the family of its address, where that says nothing.
pub(super) fn without_twins(mut found: BTreeSet<ContainerPort>) -> Vec<ContainerPort> {
    let twins: Vec<ContainerPort> = found
        .iter()
        .filter(|entry| {
            let twin = match entry.host_ip.parse() {
                Ok(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::UNSPECIFIED,
                Ok(Ipv6Addr::LOCALHOST) => Ipv4Addr::LOCALHOST,
                _ => return false,
            };
            found.contains(&ContainerPort { host_ip: twin.to_string(), ..(*entry).clone() })
        })
        .cloned()
        .collect();
    for twin in &twins {
        found.remove(twin);
    }
    found.into_iter().collect()
}

/// The address of a binding; engines leave it empty when they mean all.
pub(super) fn host_ip(value: &Value) -> String {
    match value.as_str() {
        None | Some("") => Ipv4Addr::UNSPECIFIED.to_string(),
        Some(text) => text.to_owned(),
    }
}

/// Reads `PORT` or `PORT/NETWORK`.
fn container_port(key: &str) -> Option<(u16, &str)> {
    let (port, network) = key.split_once('/').unwrap_or((key, "tcp"));
    let is_word = !network.is_empty() && !network.contains('/');
    Some((port_number(port).filter(|_| is_word)?, network))
}

/// A number of digits alone from 1 to 65,535.
fn port_number(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number != 0)
}

/// Host ports that several containers publish on loopback or on all addresses, by port.
pub(super) fn clashes<'a>(containers: impl IntoIterator<Item = &'a Container>) -> Vec<String> {
    let mut owners: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for container in containers {
        for entry in container.ports.iter().filter(|entry| is_shared(&entry.host_ip)) {
            let ids = owners.entry(entry.host_port).or_default();
            if ids.last() != Some(&container.id.as_str()) {
                ids.push(&container.id);
            }
        }
    }
    owners
        .into_iter()
        .filter(|(_, ids)| ids.len() > 1)
        .map(|(port, ids)| {
            let ids: Vec<&str> = ids.into_iter().map(short).collect();
            format!("host port {port} is published by several containers: {}", ids.join(", "))
        })
        .collect()
}

/// Whether an address is loopback or all addresses.
fn is_shared(host_ip: &str) -> bool {
    host_ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(ports: &Value, expected: &[&str], warnings: &[&str]) {
        let mut said = Vec::new();
        let found: Vec<String> = published(ports, &mut said)
            .iter()
            .map(|p| format!("{}/{} {} {}", p.port, p.network, p.host_ip, p.host_port))
            .collect();
        assert_eq!(found, expected, "{ports}");
        assert_eq!(said, warnings, "{ports}");
    }

    #[test]
    fn a_key_is_a_port_with_or_without_a_network() {
        let at_80 = json!([{"HostIp": "0.0.0.0", "HostPort": "80"}]);
        check(&json!({"8080/tcp": at_80}), &["8080/tcp 0.0.0.0 80"], &[]);
        check(&json!({"8080": at_80}), &["8080/tcp 0.0.0.0 80"], &[]);
        check(&json!({"8080/udp": at_80}), &["8080/udp 0.0.0.0 80"], &[]);
        check(&json!({"65535/sctp": at_80}), &["65535/sctp 0.0.0.0 80"], &[]);
        for key in ["8080/tcp/udp", "0/tcp", "65536", "+80/tcp", "/tcp", "80/", "x", "", " 80"] {
            let warning = format!("invalid port format {key:?}");
            check(&json!({key: at_80}), &["0/tcp 0.0.0.0 80"], &[&warning]);
        }
    }

    #[test]
    fn a_bad_host_port_is_left_out_with_a_warning() {
        for host_port in ["", "x", "0", "65536", "-1", "+80", "80-90"] {
            let ports = json!({"1/tcp": [
                {"HostIp": "0.0.0.0", "HostPort": host_port},
                {"HostIp": "0.0.0.0", "HostPort": "65535"},
            ]});
            let warning = format!("invalid host port {host_port:?} of \"1/tcp\"");
            check(&ports, &["1/tcp 0.0.0.0 65535"], &[&warning]);
        }
        let ports = json!({"x": [{"HostIp": "", "HostPort": "x"}]});
        check(&ports, &[], &["invalid port format \"x\"", "invalid host port \"x\" of \"x\""]);
    }

    #[test]
    fn what_is_exposed_alone_is_nothing() {
        check(&json!({"80/tcp": null, "81/tcp": [], "a/b/c": null}), &[], &[]);
        check(&Value::Null, &[], &[]);
        check(&json!([1]), &[], &[]);
    }

    #[test]
    fn both_families_of_all_addresses_or_of_loopback_are_one() {
        let bind = |ip, port| json!({"HostIp": ip, "HostPort": port});
        check(&json!({"1": [bind("::", "5"), bind("0.0.0.0", "5")]}), &["1/tcp 0.0.0.0 5"], &[]);
        check(
            &json!({"1": [bind("127.0.0.1", "5"), bind("::1", "5")]}),
            &["1/tcp 127.0.0.1 5"],
            &[],
        );
        check(&json!({"1": [bind("::", "5")]}), &["1/tcp :: 5"], &[]);
        check(&json!({"1": [bind("", "5")]}), &["1/tcp 0.0.0.0 5"], &[]);
        check(
            &json!({"1": [bind("::", "5"), bind("0.0.0.0", "6")]}),
            &["1/tcp 0.0.0.0 6", "1/tcp :: 5"],
            &[],
        );
        check(
            &json!({"1/udp": [bind("::", "5")], "1": [bind("0.0.0.0", "5")]}),
            &["1/tcp 0.0.0.0 5", "1/udp :: 5"],
            &[],
        );
        check(
            &json!({"1": [bind("0.0.0.0", "5"), bind("::1", "5"), bind("10.0.0.1", "5")]}),
            &["1/tcp 0.0.0.0 5", "1/tcp 10.0.0.1 5", "1/tcp ::1 5"],
            &[],
        );
    }

    #[test]
    fn ports_are_ordered_by_number_and_network() {
        let bind = |ip, port| json!({"HostIp": ip, "HostPort": port});
        check(
            &json!({
                "1000/tcp": [bind("127.0.0.1", "2"), bind("10.0.0.1", "9"), bind("10.0.0.1", "8")],
                "53/udp": [bind("0.0.0.0", "53")],
                "53/tcp": [bind("0.0.0.0", "53")],
            }),
            &[
                "53/tcp 0.0.0.0 53",
                "53/udp 0.0.0.0 53",
                "1000/tcp 10.0.0.1 8",
                "1000/tcp 10.0.0.1 9",
                "1000/tcp 127.0.0.1 2",
            ],
            &[],
        );
    }

    fn container(id: &str, ports: &[(&str, u16)]) -> Container {
        let ports = ports
            .iter()
            .map(|(ip, port)| ContainerPort {
                port: 1,
                network: "tcp".to_owned(),
                host_ip: (*ip).to_owned(),
                host_port: *port,
            })
            .collect();
        Container { id: id.to_owned(), ports, ..Container::default() }
    }

    #[test]
    fn a_host_port_of_two_containers_is_a_warning_with_both() {
        let a = container(&"a".repeat(64), &[("0.0.0.0", 80), ("127.0.0.1", 80), ("10.0.0.1", 81)]);
        let b = container(&"b".repeat(64), &[("::1", 80), ("10.0.0.1", 81), ("0.0.0.0", 82)]);
        let warnings = clashes([&a, &b]);
        let expected =
            "host port 80 is published by several containers: aaaaaaaaaaaa, bbbbbbbbbbbb";
        assert_eq!(warnings, [expected]);
        assert!(clashes([&a]).is_empty());
    }
}
