//! The settings of ports: section `[ports]`.

use super::{super::parse, Kind, Setting, put, put_list};

const SECTION: &str = "ports";
/// Most tunnels that can be asked for.
const MOST: usize = 100_000;

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "max_tunnels",
        Kind::Count,
        "Tunnels to ports at the same time; further ones are refused",
        |c, _, given| put(&mut c.ports.max_tunnels, given, |text| parse::limit(text, MOST, 512)),
        |c| c.ports.max_tunnels.into(),
    )
    .in_section(SECTION)
    .or("512"),
    Setting::new(
        "ignore",
        Kind::Count,
        "Port that the list of listening ports leaves out",
        |c, _, given| put_list(&mut c.ports.ignore, given, parse::port),
        |c| c.ports.ignore.iter().copied().collect(),
    )
    .in_section(SECTION)
    .repeatable(),
];
