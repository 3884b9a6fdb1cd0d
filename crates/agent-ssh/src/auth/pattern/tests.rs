//! Tables of what OpenSSH's lists admit, and properties over any bytes.

use proptest::prelude::*;

use super::*;

fn from(list: &str, peer: &str) -> Option<bool> {
    admits(list.as_bytes(), peer.parse().expect("an address")).ok()
}

fn source(list: &str, peer: &str) -> Option<bool> {
    contains(list.as_bytes(), peer.parse().expect("an address")).ok()
}

#[test]
fn wildcards_match_as_in_a_shell() {
    for (text, pattern, expected) in [
        ("", "", true),
        ("", "*", true),
        ("", "?", false),
        ("a", "", false),
        ("10.0.0.1", "10.*", true),
        ("10.0.0.1", "10.0.0.?", true),
        ("10.0.0.12", "10.0.0.?", false),
        ("10.0.0.12", "1*0*2", true),
        ("10.0.0.12", "*.*.*.*", true),
        ("10.0.0.12", "*.*.*.*.*", false),
        ("abab", "*ab", true),
        ("abab", "a*b?", false),
        ("a*b", "a*b", true),
        ("a", "**?**", true),
    ] {
        assert_eq!(matches(text.as_bytes(), pattern.as_bytes()), expected, "{text:?} {pattern:?}");
    }
}

#[test]
fn a_from_list_admits_addresses_networks_and_wildcards() {
    for (list, peer, expected) in [
        ("10.0.0.1", "10.0.0.1", Some(true)),
        ("10.0.0.1", "10.0.0.2", Some(false)),
        ("10.0.0.0/8", "10.200.3.4", Some(true)),
        ("10.0.0.0/8", "11.0.0.1", Some(false)),
        ("0.0.0.0/0", "192.0.2.1", Some(true)),
        ("0.0.0.0/0", "2001:db8::1", Some(false)),
        ("::/0", "2001:db8::1", Some(true)),
        ("::/0", "192.0.2.1", Some(false)),
        ("2001:db8::/32", "2001:db8:1::1", Some(true)),
        ("2001:DB8::*", "2001:db8::7", Some(true)),
        ("192.0.2.*", "192.0.2.77", Some(true)),
        ("192.0.2.?", "192.0.2.77", Some(false)),
        ("10.0.0.0/8,192.0.2.*", "192.0.2.77", Some(true)),
        ("127.0.0.1", "::ffff:127.0.0.1", Some(true)),
        ("*.example.com", "192.0.2.1", Some(false)),
        ("10.0.0.0/129", "10.0.0.0", Some(false)),
        ("10.0.0.0/", "10.0.0.0", Some(false)),
        ("*", "192.0.2.1", Some(true)),
    ] {
        assert_eq!(from(list, peer), expected, "{list:?} {peer}");
    }
}

#[test]
fn short_forms_of_addresses_are_those_of_inet_aton() {
    for (list, peer, expected) in [
        ("127.1", "127.0.0.1", Some(true)),
        ("10.0.0/24", "10.0.0.7", Some(true)),
        ("*,!10.0.0/24", "10.0.0.7", Some(false)),
        ("10.0/16", "10.1.0.0", Some(false)),
        ("10/8", "10.0.0.1", None),
        ("0x7f.1", "127.0.0.1", Some(true)),
        ("0177.0.0.01", "127.0.0.1", Some(true)),
        ("2130706433", "127.0.0.1", Some(true)),
        ("4294967296", "0.0.0.0", Some(false)),
        ("1.2.65536", "1.2.0.0", Some(false)),
        ("256.1", "0.0.0.1", Some(false)),
        ("1.2.3.4.5", "1.2.3.4", Some(false)),
        ("08", "0.0.0.8", Some(false)),
        ("*,!fe80::1%eth0", "10.0.0.1", None),
    ] {
        assert_eq!(from(list, peer), expected, "{list:?} {peer}");
    }
}

#[test]
fn a_negated_entry_excludes_wherever_it_stands() {
    for (list, peer, expected) in [
        ("!10.0.0.1,10.0.0.0/8", "10.0.0.1", Some(false)),
        ("10.0.0.0/8,!10.0.0.1", "10.0.0.1", Some(false)),
        ("10.0.0.0/8,!10.0.0.1", "10.0.0.2", Some(true)),
        ("!10.0.0.1", "10.0.0.2", Some(false)),
        ("!10.0.0.1,*", "10.0.0.2", Some(true)),
        ("*,!10.0.*", "10.0.9.2", Some(false)),
    ] {
        assert_eq!(from(list, peer), expected, "{list:?} {peer}");
    }
}

#[test]
fn an_invalid_entry_spoils_its_list() {
    for list in ["", ",", "10.0.0.1,", "!", "10.0.0.1/8", "10.0.0.0/33", "::1/64,*", "*,!"] {
        assert_eq!(from(list, "10.0.0.1"), None, "{list:?}");
    }
}

#[test]
fn a_source_address_list_holds_addresses_and_networks_only() {
    for (list, peer, expected) in [
        ("10.0.0.0/8,192.0.2.1", "192.0.2.1", Some(true)),
        ("10.0.0.0/8,192.0.2.1", "192.0.2.2", Some(false)),
        ("::1", "::1", Some(true)),
        ("*", "::1", None),
        ("!::1", "::1", None),
        ("::1,", "::1", None),
        ("", "::1", None),
        ("::1,host", "::1", None),
        ("10.0.0.1/8", "10.0.0.1", None),
    ] {
        assert_eq!(source(list, peer), expected, "{list:?} {peer}");
    }
}

/// The definition, slow and plain.
fn matches_plainly(text: &[u8], pattern: &[u8]) -> bool {
    match (text, pattern) {
        ([], []) => true,
        (_, [b'*', rest @ ..]) => (0..=text.len()).any(|at| matches_plainly(&text[at..], rest)),
        ([_, text @ ..], [b'?', rest @ ..]) => matches_plainly(text, rest),
        ([a, text @ ..], [b, rest @ ..]) => a == b && matches_plainly(text, rest),
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_fast_match_is_the_plain_one(text in "[ab]{0,8}", pattern in "[ab*?]{0,8}") {
        prop_assert_eq!(
            matches(text.as_bytes(), pattern.as_bytes()),
            matches_plainly(text.as_bytes(), pattern.as_bytes()),
        );
    }

    #[test]
    fn no_list_panics(list in prop::collection::vec(any::<u8>(), 0..64), peer in any::<[u8; 16]>()) {
        let _ = admits(&list, peer.into());
        let _ = contains(&list, peer.into());
    }

    #[test]
    fn an_address_is_in_each_network_around_it(peer in any::<u32>(), prefix in 0_u32..=32) {
        let network = peer & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let list = format!("{}/{prefix}", std::net::Ipv4Addr::from(network));
        prop_assert_eq!(from(&list, &std::net::Ipv4Addr::from(peer).to_string()), Some(true));
    }
}
