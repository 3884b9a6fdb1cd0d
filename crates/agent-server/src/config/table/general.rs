//! The settings of the agent itself: those outside every section.

use std::time::Duration;

use serde_json::Value;

use super::{
    super::{
        Auth,
        parse::{self, write_duration},
    },
    CONFIG, DAY, Kind, Setting, one, put, put_list, put_optional, show_path,
};
use crate::logs::LogFilter;

const MOST_CONNECTIONS: usize = 1_000_000;

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        CONFIG,
        Kind::Text("FILE"),
        "File with settings",
        |c, env, given| put_optional(&mut c.config_file, given, |text| parse::path(text, env)),
        |c| show_path(c.config_file.as_ref()),
    )
    .or_computed("~/.config/agentd/config.toml, else /etc/agentd/config.toml"),
    Setting::new(
        "state_dir",
        Kind::Text("DIR"),
        "Directory of token, logs and run files; one agentd runs on it",
        |c, env, given| put(&mut c.state_dir, given, |text| parse::path(text, env)),
        |c| show_path(Some(&c.state_dir)),
    )
    .or_computed("~/.local/state/agentd"),
    Setting::new(
        "listen",
        Kind::Text("ADDR:PORT"),
        "TCP address to serve with the token; port 0 is a free one",
        |c, _, given| put_list(&mut c.listen, given, parse::socket_address),
        |c| c.listen.iter().map(ToString::to_string).collect(),
    )
    .repeatable()
    .or_computed("without any listener 127.0.0.1:4040, or a free port"),
    Setting::new(
        "listen_unix",
        Kind::Text("PATH"),
        "Unix socket to serve to this user and root without the token",
        |c, env, given| put_list(&mut c.listen_unix, given, |text| parse::path(text, env)),
        |c| c.listen_unix.iter().map(|path| path.to_string_lossy()).collect(),
    )
    .repeatable()
    .or_computed("without any listener STATE_DIR/run/agentd.sock"),
    Setting::new(
        "no_auth",
        Kind::Switch,
        "Serve without the token; for Unix sockets and loopback addresses only",
        |c, _, given| {
            let is_open = parse::switch(one(given))?;
            c.auth = if is_open { Auth::None } else { Auth::Token };
            Ok(())
        },
        |c| Value::from(c.auth == Auth::None),
    )
    .or("false"),
    Setting::new(
        "token_file",
        Kind::Text("PATH"),
        "File with the token, at most 4096 bytes",
        |c, env, given| put_optional(&mut c.token_file, given, |text| parse::path(text, env)),
        |c| show_path(c.token_file.as_ref()),
    )
    .or_computed("STATE_DIR/token, made on the first start"),
    Setting::new(
        "allow_origin",
        Kind::Text("ORIGIN"),
        "Browser origin whose pages may call, compared exactly",
        |c, _, given| put_list(&mut c.allowed_origins, given, parse::origin),
        |c| c.allowed_origins.iter().cloned().collect(),
    )
    .repeatable(),
    Setting::new(
        "directory",
        Kind::Text("DIR"),
        "Working directory; `~` and $VAR are replaced, a relative one is below home",
        |c, env, given| {
            c.directory = parse::directory(one(given), env)?;
            Ok(())
        },
        |c| show_path(c.directory.as_ref()),
    )
    .or_computed("home"),
    Setting::new(
        "shell",
        Kind::Text("PATH"),
        "Shell of sessions, an absolute path",
        |c, _, given| put(&mut c.shell, given, parse::absolute_path),
        |c| show_path(Some(&c.shell)),
    )
    .or_computed("the account's"),
    Setting::new(
        "agent_id",
        Kind::Text("UUID"),
        "Id of this agent",
        |c, _, given| {
            put_optional(&mut c.agent_id, given, |text| {
                text.parse().map_err(|_| "expected a UUID".to_owned())
            })
        },
        |c| c.agent_id.map_or(Value::Null, |id| id.to_string().into()),
    )
    .or_computed("STATE_DIR/agent_id, made on the first start"),
    Setting::new(
        "agent_name",
        Kind::Text("NAME"),
        "Name of this agent",
        |c, _, given| put(&mut c.agent_name, given, parse::text),
        |c| c.agent_name.clone().into(),
    )
    .or_computed("the host's name"),
    Setting::new(
        "workspace_name",
        Kind::Text("NAME"),
        "Name of the workspace",
        |c, _, given| put_optional(&mut c.workspace_name, given, parse::text),
        |c| c.workspace_name.clone().into(),
    ),
    Setting::new(
        "workspace_id",
        Kind::Text("ID"),
        "Id of the workspace",
        |c, _, given| put_optional(&mut c.workspace_id, given, parse::text),
        |c| c.workspace_id.clone().into(),
    ),
    Setting::new(
        "owner_name",
        Kind::Text("NAME"),
        "Name of the workspace's owner",
        |c, _, given| put_optional(&mut c.owner_name, given, parse::text),
        |c| c.owner_name.clone().into(),
    ),
    Setting::new(
        "log_level",
        Kind::Text("LEVEL"),
        "error, warn, info, debug or trace, or a comma-separated list with TARGET=LEVEL",
        |c, _, given| put(&mut c.log_level, given, LogFilter::parse),
        |c| c.log_level.to_string().into(),
    )
    .or("info"),
    Setting::new(
        "log_dir",
        Kind::Text("DIR"),
        "Directory of agentd.log",
        |c, env, given| put_optional(&mut c.log_dir, given, |text| parse::path(text, env)),
        |c| show_path(Some(&c.log_dir())),
    )
    .or_computed("STATE_DIR/log"),
    Setting::new(
        "request_grace",
        Kind::Duration,
        "Longest time that open requests get to finish at the stop",
        |c, _, given| {
            put(&mut c.request_grace, given, |text| parse::duration(text, Duration::ZERO..=DAY))
        },
        |c| write_duration(c.request_grace).into(),
    )
    .or("10s"),
    Setting::new(
        "shutdown_timeout",
        Kind::Duration,
        "Longest time of the whole stop; what is left is then cut",
        |c, _, given| {
            let least = Duration::from_millis(1);
            put(&mut c.shutdown_timeout, given, |text| parse::duration(text, least..=DAY))
        },
        |c| write_duration(c.shutdown_timeout).into(),
    )
    .or("75s"),
    Setting::new(
        "stop_at_eof",
        Kind::Switch,
        "Stop when stdin ends, for whoever starts agentd and may die",
        |c, _, given| put(&mut c.stop_at_eof, given, parse::switch),
        |c| c.stop_at_eof.into(),
    )
    .or("false"),
    Setting::new(
        "max_connections",
        Kind::Count,
        "Open connections of each listener; further ones wait",
        |c, _, given| {
            put(&mut c.http.max_connections, given, |text| {
                parse::limit(text, MOST_CONNECTIONS, 1024)
            })
        },
        |c| c.http.max_connections.into(),
    )
    .or("1024"),
    Setting::new(
        "max_streams",
        Kind::Count,
        "WebSockets and event streams together; further ones are refused",
        |c, _, given| {
            put(&mut c.http.max_streams, given, |text| parse::limit(text, MOST_CONNECTIONS, 512))
        },
        |c| c.http.max_streams.into(),
    )
    .or("512"),
    Setting::new(
        "max_requests",
        Kind::Count,
        "Requests in work; further ones wait",
        |c, _, given| {
            put(&mut c.http.max_requests, given, |text| parse::limit(text, MOST_CONNECTIONS, 512))
        },
        |c| c.http.max_requests.into(),
    )
    .or("512"),
];
