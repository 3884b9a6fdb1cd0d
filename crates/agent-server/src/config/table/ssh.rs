//! The settings of SSH: section `[ssh]`, and those outside that only SSH has a use for.

use std::time::Duration;

use super::{
    super::parse::{self, write_duration},
    DAY, Kind, Setting, one, put, put_list, put_optional, show_path,
};

const SECTION: &str = "ssh";
/// Most connections and channels that can be asked for.
const MOST: usize = 100_000;
/// The shortest time after which a silent client is gone.
const LEAST_CLIENT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest; more than anybody waits.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "authorized_keys",
        Kind::Text("FILE"),
        "Public keys that may come in by --ssh, read at each attempt",
        |c, env, given| put_optional(&mut c.authorized_keys, given, |text| parse::path(text, env)),
        |c| show_path(Some(&c.authorized_keys())),
    )
    .or_computed("~/.ssh/authorized_keys"),
    Setting::new(
        "trusted_user_ca",
        Kind::Text("FILE"),
        "Public keys that sign certificates of users, one a line",
        |c, env, given| {
            put_optional(&mut c.ssh.trusted_user_ca, given, |text| parse::path(text, env))
        },
        |c| show_path(c.ssh.trusted_user_ca.as_ref()),
    ),
    Setting::new(
        "listen",
        Kind::Text("ADDR:PORT"),
        "TCP address to serve SSH with keys; port 0 is a free one",
        |c, _, given| put_list(&mut c.ssh_listen, given, parse::socket_address),
        |c| c.ssh_listen.iter().map(ToString::to_string).collect(),
    )
    .in_section(SECTION)
    .with_flag("ssh")
    .repeatable(),
    Setting::new(
        "unix",
        Kind::Text("PATH"),
        "Unix socket to serve SSH to this user and root without keys",
        |c, env, given| put_list(&mut c.ssh_unix, given, |text| parse::path(text, env)),
        |c| c.ssh_unix.iter().map(|path| path.to_string_lossy()).collect(),
    )
    .in_section(SECTION)
    .repeatable(),
    Setting::new(
        "host_key",
        Kind::Text("FILE"),
        "Host key in OpenSSH's format; an Ed25519 one replaces the generated one",
        |c, env, given| put_list(&mut c.ssh.host_keys, given, |text| parse::path(text, env)),
        |c| c.ssh.host_keys.iter().map(|path| path.to_string_lossy()).collect(),
    )
    .in_section(SECTION)
    .repeatable(),
    Setting::new(
        "principals",
        Kind::Text("NAME"),
        "Name of which a certificate must carry one; also a comma-separated list",
        |c, _, given| {
            let names = given.iter().flat_map(|list| list.split(','));
            c.ssh.principals = names.map(parse::text).collect::<Result<_, _>>()?;
            Ok(())
        },
        |c| c.ssh.principals.iter().cloned().collect(),
    )
    .in_section(SECTION)
    .repeatable()
    .or_computed("the account's name"),
    Setting::new(
        "client_timeout",
        Kind::Duration,
        "How long a silent client is kept; 0 keeps it for ever",
        |c, _, given| {
            c.ssh.client_timeout = client_timeout(one(given))?;
            Ok(())
        },
        |c| c.ssh.client_timeout.map_or("0s".into(), |time| write_duration(time).into()),
    )
    .in_section(SECTION)
    .or("72h"),
    Setting::new(
        "max_connections",
        Kind::Count,
        "Open connections of all ways in; further ones are refused",
        |c, _, given| put(&mut c.ssh.max_connections, given, |text| parse::limit(text, MOST, 100)),
        |c| c.ssh.max_connections.into(),
    )
    .in_section(SECTION)
    .or("100"),
    Setting::new(
        "max_channels",
        Kind::Count,
        "Channels that a client opens in one connection; further ones are refused",
        |c, _, given| put(&mut c.ssh.max_channels, given, |text| parse::limit(text, MOST, 64)),
        |c| c.ssh.max_channels.into(),
    )
    .in_section(SECTION)
    .or("64"),
    Setting::new(
        "login_grace",
        Kind::Duration,
        "Longest time from the connection to the login",
        |c, _, given| {
            let least = Duration::from_millis(1);
            put(&mut c.ssh.login_grace, given, |text| parse::duration(text, least..=DAY))
        },
        |c| write_duration(c.ssh.login_grace).into(),
    )
    .in_section(SECTION)
    .or("30s"),
    Setting::new(
        "max_auth_tries",
        Kind::Count,
        "Failed attempts of a connection to log in, after which it is closed",
        |c, _, given| {
            let tries = parse::limit(one(given), 1000, 6)?;
            c.ssh.max_auth_tries = u32::try_from(tries).expect("at most 1000");
            Ok(())
        },
        |c| c.ssh.max_auth_tries.into(),
    )
    .in_section(SECTION)
    .or("6"),
    Setting::new(
        "no_file_transfer",
        Kind::Switch,
        "Refuse SFTP, scp, rsync and nc; it advises and does not confine",
        |c, _, given| {
            put(&mut c.ssh.allow_file_transfer, given, |text| parse::switch(text).map(|no| !no))
        },
        |c| (!c.ssh.allow_file_transfer).into(),
    )
    .in_section(SECTION)
    .or("false"),
    Setting::new(
        "no_local_forward",
        Kind::Switch,
        "Refuse connections of clients into the workspace (ssh -L)",
        |c, _, given| {
            put(&mut c.ssh.allow_local_forward, given, |text| parse::switch(text).map(|no| !no))
        },
        |c| (!c.ssh.allow_local_forward).into(),
    )
    .in_section(SECTION)
    .or("false"),
    Setting::new(
        "no_remote_forward",
        Kind::Switch,
        "Refuse listeners of clients in the workspace (ssh -R)",
        |c, _, given| {
            put(&mut c.ssh.allow_remote_forward, given, |text| parse::switch(text).map(|no| !no))
        },
        |c| (!c.ssh.allow_remote_forward).into(),
    )
    .in_section(SECTION)
    .or("false"),
    Setting::new(
        "banner_files",
        Kind::Text("FILE"),
        "File that greets a login shell on a terminal",
        |c, env, given| put_list(&mut c.ssh.banner_files, given, |text| parse::path(text, env)),
        |c| c.ssh.banner_files.iter().map(|path| path.to_string_lossy()).collect(),
    )
    .in_section(SECTION)
    .repeatable(),
    Setting::new(
        "motd_file",
        Kind::Text("FILE"),
        "Message of the day, shown after the banners unless ~/.hushlogin exists",
        |c, env, given| put_optional(&mut c.ssh.motd_file, given, |text| parse::path(text, env)),
        |c| show_path(c.ssh.motd_file.as_ref()),
    )
    .in_section(SECTION),
];

/// Reads a time after which a client is gone; zero is never.
fn client_timeout(text: &str) -> Result<Option<Duration>, String> {
    if text == "0" || parse::duration(text, Duration::ZERO..=Duration::ZERO).is_ok() {
        return Ok(None);
    }
    parse::duration(text, LEAST_CLIENT_TIMEOUT..=YEAR).map(Some)
}
