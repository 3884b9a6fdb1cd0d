//! Every setting in each of its sources, generated from the table.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    super::table::{FREE_SECTIONS, Kind},
    *,
};

/// A configuration file and an environment to read with.
struct World {
    dir: TempDir,
    env: Environment,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Keeps the machine's own files out.
        let mut env = Environment::of_test("/home/me", &[]);
        env.variables.insert("XDG_CONFIG_HOME".into(), dir.path().into());
        fs::create_dir(dir.path().join("agentd")).unwrap();
        fs::write(dir.path().join("agentd/config.toml"), "").unwrap();
        Self { dir, env }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("agentd/config.toml")
    }

    fn with_file(self, toml: &str) -> Self {
        fs::write(self.file(), toml).unwrap();
        self
    }

    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.env.variables.insert(name.into(), value.into());
        self
    }

    fn read(&self, args: &[String]) -> Result<Config, UsageError> {
        let args = std::iter::once("agentd".to_owned()).chain(args.iter().cloned());
        match read(args.map(OsString::from), &self.env)? {
            Invocation::Run(config) => Ok(*config),
            Invocation::Print(text) => panic!("printed {text}"),
        }
    }

    fn refusal(&self, args: &[&str]) -> String {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let line = self.read(&args).expect_err("refused").to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    }
}

/// Two different values of a setting, each as its list of texts.
fn samples(setting: &Setting) -> [Vec<String>; 3] {
    let texts: [&str; 3] = match (setting.key, setting.kind) {
        ("listen", _) => ["127.0.0.1:1", "127.0.0.1:2", "[::1]:3"],
        ("agent_id", _) => [
            "11111111-1111-1111-1111-111111111111",
            "22222222-2222-2222-2222-222222222222",
            "33333333-3333-3333-3333-333333333333",
        ],
        ("log_level", _) => ["warn", "info,a=debug", "trace"],
        ("engine", _) => ["unix:///a", "tcp://h:1", "http://[::1]:2"],
        ("include_labels", _) => ["a=1", "b=c=2", "d="],
        ("client_timeout", _) => ["3s", "2m", "3h"],
        ("oom_score_adj" | "nice", _) => ["-3", "0", "19"],
        (_, Kind::Switch) => ["true", "false", "true"],
        (_, Kind::Size) => ["16MiB", "1GiB", "16777217"],
        (_, Kind::Count) => ["1", "22", "333"],
        (_, Kind::Duration) => ["1s", "2m", "3h"],
        (_, Kind::Text(_)) => ["/a", "/b", "/c"],
    };
    let [first, second, third] = texts.map(str::to_owned);
    if setting.is_repeatable {
        let both = vec![first.clone(), second.clone()];
        [vec![first], both, vec![third]]
    } else {
        [vec![first], vec![second], vec![third]]
    }
}

fn as_flags(setting: &Setting, texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| format!("--{}={text}", setting.flag())).collect()
}

fn as_toml(setting: &Setting, texts: &[String]) -> String {
    let quoted: Vec<String> = texts
        .iter()
        .map(|text| match setting.kind {
            Kind::Switch | Kind::Count => text.clone(),
            Kind::Size | Kind::Duration | Kind::Text(_) => format!("\"{text}\""),
        })
        .collect();
    let value =
        if setting.is_repeatable { format!("[{}]", quoted.join(", ")) } else { quoted.concat() };
    let section = setting.section.map_or(String::new(), |name| format!("[{name}]\n"));
    format!("{section}{} = {value}\n", setting.key)
}

/// What the table shows for a setting when a configuration has these texts.
fn shown(setting: &Setting, texts: &[String]) -> Value {
    let mut config = Config::new("/state", "/home/me");
    (setting.apply)(&mut config, &Environment::of_test("/home/me", &[]), texts).unwrap();
    (setting.show)(&config)
}

#[test]
fn the_strongest_source_of_every_setting_wins() {
    for setting in settings().filter(|setting| setting.key != CONFIG) {
        let [in_file, in_variable, in_flag] = samples(setting);
        for sources in 1_u8..8 {
            let (file, variable, flag) = (sources & 1 > 0, sources & 2 > 0, sources & 4 > 0);
            let mut world = World::new();
            if file {
                world = world.with_file(&as_toml(setting, &in_file));
            }
            if variable {
                world = world.with_variable(&setting.variable(), &in_variable.join(","));
            }
            let args = if flag { as_flags(setting, &in_flag) } else { Vec::new() };
            let config = world.read(&args).unwrap();
            let winner = match (flag, variable) {
                (true, _) => &in_flag,
                (false, true) => &in_variable,
                (false, false) => &in_file,
            };
            let got = (setting.show)(&config);
            assert_eq!(got, shown(setting, winner), "{} from {sources:03b}", setting.key);
            assert!(!got.is_null(), "{}", setting.key);
        }
    }
}

#[test]
fn the_file_is_named_by_flag_or_variable() {
    let world = World::new();
    let other = world.dir.path().join("other.toml");
    fs::write(&other, "max_requests = 7").unwrap();
    let other = other.to_str().unwrap();
    let by_flag = world.read(&[format!("--config={other}")]).unwrap();
    assert_eq!((by_flag.http.max_requests, by_flag.config_file), (7, Some(other.into())));
    let by_variable = world.with_variable("AGENTD_CONFIG", other).read(&[]).unwrap();
    assert_eq!(by_variable.http.max_requests, 7);
}

#[test]
fn every_setting_names_itself_when_its_value_is_bad() {
    for setting in settings().filter(|setting| setting.is_in_file()) {
        let bad = match setting.key {
            "agent_name" | "workspace_name" | "workspace_id" | "owner_name" => "a\u{1}",
            "state_dir" | "token_file" | "log_dir" | "listen_unix" | "authorized_keys"
            | "trusted_user_ca" | "unix" | "host_key" | "banner_files" | "motd_file" => "~/x",
            "directory" => "${",
            _ => "\u{1}",
        };
        let texts = [bad.to_owned()];
        let refused = World::new().refusal(&[as_flags(setting, &texts)[0].as_str()]);
        assert!(refused.starts_with(&format!("--{}: ", setting.flag())), "{refused}");
        let refused = World::new().with_variable(&setting.variable(), bad).refusal(&[]);
        assert!(refused.starts_with(&format!("{}: ", setting.variable())), "{refused}");
        // The wrong type in TOML, which no kind accepts.
        let section = setting.section.map_or(String::new(), |name| format!("[{name}]\n"));
        let world = World::new().with_file(&format!("{section}{} = 1979-05-27", setting.key));
        let (path, refused) = (world.file(), world.refusal(&[]));
        let section = setting.section.map_or(String::new(), |name| format!("{name}."));
        let expected = format!("{}: `{section}{}`: ", path.display(), setting.key);
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

#[test]
fn bad_usage_is_refused_in_one_line_that_names_it() {
    let file = |toml: &str| World::new().with_file(toml).refusal(&[]);
    let flags = |flags: &[&str]| World::new().refusal(flags);
    let variable = |name: &str, value: &str| World::new().with_variable(name, value).refusal(&[]);
    let cases = [
        (flags(&["--bogus"]), "--bogus"),
        (flags(&["extra"]), "extra"),
        (flags(&["--listen"]), "--listen"),
        (flags(&["--state-dir=/a", "--state-dir=/b"]), "--state-dir"),
        (flags(&["--config=/does/not/exist.toml"]), "/does/not/exist.toml: file does not exist"),
        (flags(&["--config=/"]), "/: is a directory"),
        (flags(&["--request-grace=25h"]), "--request-grace: out of range"),
        (flags(&["--no-auth=maybe"]), "--no-auth"),
        (flags(&["--no-auth", "--listen=0.0.0.0:0"]), "0.0.0.0:0 is not a loopback address"),
        (variable("AGENTD_BOGUS", "1"), "AGENTD_BOGUS: unknown variable"),
        (variable("AGENTD_", "1"), "AGENTD_: unknown variable"),
        (variable("AGENTD_ENV", "1"), "AGENTD_ENV: unknown variable"),
        (variable("AGENTD_LISTEN", "127.0.0.1:1,"), "AGENTD_LISTEN"),
        (variable("AGENTD_MAX_REQUESTS", "-1"), "AGENTD_MAX_REQUESTS"),
        (file("max_requests = \"5\""), "`max_requests`: expected a number"),
        (file("request_grace = 5"), "`request_grace`: expected a string"),
        (file("listen = \"127.0.0.1:1\""), "`listen`: expected an array"),
        (file("a = 1\nb ="), "config.toml: line 2, `b`: "),
        (file("[processes]\nnice = 99999999999999999999"), "config.toml: line 2, `nice`: "),
        (file("max_requests = 1\n max_requests = 2"), "config.toml: line 2, `max_requests`: "),
        (file("\n]"), "config.toml: line 2: "),
        (file("bogus = 1"), "config.toml: `bogus`: unknown key"),
        (file("config = \"/x\""), "`config`: unknown key"),
        (file("[mcp]\nlisten = []"), "`mcp`: unknown key"),
        (file("[ssh]\nbogus = 1"), "`ssh.bogus`: unknown key"),
        (file("[ssh]\nclient_timeout = \"2s\""), "`ssh.client_timeout`: out of range"),
        (file("[terminals]\nscrollback_lines = 100001"), "`terminals.scrollback_lines`: expected"),
        (file("[ports]\nignore = [70000]"), "`ports.ignore`: "),
        (file("[containers]\nbogus = 1"), "`containers.bogus`: unknown key"),
        (file("[containers]\nengine = \"ssh://h\""), "`containers.engine`: expected `unix:"),
        (file("[containers]\nengine = \"unix://\""), "`containers.engine`: expected"),
        (file("[containers]\ninclude_labels = [\"a\"]"), "`containers.include_labels`: `a`: "),
        (flags(&["--containers-include-labels==x"]), "--containers-include-labels: `=x`: "),
        (
            file("[containers]\ndev_containers = 1"),
            "`containers.dev_containers`: expected an array",
        ),
        (variable("AGENTD_CONTAINERS_DEV_CONTAINERS", "x"), "unknown variable"),
        (file("[processes]\nbogus = 1"), "`processes.bogus`: unknown key"),
        (file("[processes]\noutput_quota_bytes = 1048575"), "`processes.output_quota_bytes`: out"),
        (file("[processes]\ntotal_output_quota_bytes = \"1MiB\""), "out of range"),
        (file("[processes]\noom_score_adj = 1001"), "`processes.oom_score_adj`: expected"),
        (flags(&["--processes-nice", "-21"]), "--processes-nice: expected"),
        (file("env = 1"), "`env`: expected a section"),
        (file("[env]\nA = 1"), "`env`: the value of `A` must be a string"),
        (file("[env]\n\"A=B\" = \"\""), "`env`: `A=B` is no name"),
        (file("[env_override]\nA = \"\\u0000\""), "`env_override`: the value of `A` contains NUL"),
    ];
    for (refused, expected) in cases {
        assert!(refused.contains(expected), "{refused}\nlacks {expected}");
    }
}

#[test]
fn a_bad_script_or_secret_is_refused_by_its_key() {
    let script = |keys: &str| format!("[[scripts]]\n{keys}\n");
    let named = |keys: &str| script(&format!("name = \"a\"\nscript = \"x\"\n{keys}"));
    let secret = |keys: &str| format!("[[secrets]]\n{keys}\n");
    let twice = named("").repeat(2);
    let cases = [
        ("scripts = 1".to_owned(), "`scripts`: expected an array"),
        ("scripts = [1]".to_owned(), "`scripts[0]`: expected a table"),
        (script("script = \"x\""), "`scripts[0].name`: the key is required"),
        (script("name = \"a\""), "`scripts[0].script`: the key is required"),
        (script("name = \"A\"\nscript = \"x\""), "`scripts[0].name`: expected 1 to 64"),
        (script("name = \"\"\nscript = \"x\""), "`scripts[0].name`: expected 1 to 64"),
        (script(&format!("name = \"{}\"", "a".repeat(65))), "`scripts[0].name`: expected"),
        (script("name = 1"), "`scripts[0].name`: expected a string"),
        (twice, "`scripts[1].name`: `a` is the name of another script"),
        (named("bogus = 1"), "`scripts[0].bogus`: unknown key"),
        (named("run_on_start = \"yes\""), "`scripts[0].run_on_start`: expected `true`"),
        (named("cron = \"daily\""), "`scripts[0].cron`: expected second"),
        (named("cron = \"61 * * * *\""), "`scripts[0].cron`: not a cron expression"),
        (named("timeout = 5"), "`scripts[0].timeout`: expected a string"),
        (named("timeout = \"soon\""), "`scripts[0].timeout`: expected a duration"),
        (named("log = \"\""), "`scripts[0].log`: expected the path of a file"),
        (named("log = \"${\""), "`scripts[0].log`: "),
        (secret("env = \"A\""), "`secrets[0].value_file`: the key is required"),
        (secret("value_file = \"/a\""), "`secrets[0].env`: either"),
        (secret("value_file = \"\"\nenv = \"A\""), "`secrets[0].value_file`: the path is empty"),
        (secret("value_file = \"/a\"\nenv = \"A=B\""), "`secrets[0].env`: `A=B` is no name"),
        (secret("value_file = \"/a\"\nfile = 1"), "`secrets[0].file`: expected a string"),
        (secret("value_file = \"/a\"\nenv = \"A\"\nvalue = \"x\""), "`secrets[0].value`: unknown"),
    ];
    for (toml, expected) in cases {
        let world = World::new().with_file(&toml);
        let (path, refused) = (world.file(), world.refusal(&[]));
        assert!(refused.starts_with(path.to_str().unwrap()), "{refused}");
        assert!(refused.contains(expected), "{refused}\nlacks {expected}");
    }
}

#[test]
fn scripts_and_secrets_are_read_in_order_and_shown_without_secrets() {
    let toml = "\
        [[scripts]]\nname = \"b\"\nscript = \"#!/bin/sh\\nx\"\nrun_on_start = true\n\
        [[scripts]]\nname = \"a\"\nscript = \"y\"\ncron = \"0 * * * *\"\ntimeout = \"90s\"\n\
        run_on_stop = true\nlog = \"~/$NAME.log\"\n\
        [[secrets]]\nvalue_file = \"/run/s1\"\nenv = \"TOKEN\"\n\
        [[secrets]]\nvalue_file = \"s2\"\nfile = \"~/.netrc\"\n";
    let config = World::new().with_file(toml).with_variable("NAME", "x").read(&[]).unwrap();
    let [first, second] = &config.scripts[..] else { panic!("{:?}", config.scripts) };
    assert_eq!((first.name.as_str(), first.script.as_str()), ("b", "#!/bin/sh\nx"));
    assert_eq!((first.run_on_start, first.timeout, first.cron.as_ref()), (true, None, None));
    assert_eq!(second.timeout, Some(std::time::Duration::from_secs(90)));
    assert_eq!(second.log.as_deref(), Some(Path::new("/home/me/x.log")));
    assert_eq!(config.secrets[1].value_file, Path::new("/cwd/s2"));
    assert_eq!(config.secrets[1].file.as_deref(), Some(Path::new("/home/me/.netrc")));
    let shown = config.describe();
    assert_eq!(shown["scripts"][1]["cron"], "0 * * * *");
    assert_eq!(shown["secrets"], json!([{"env": "TOKEN"}, {"file": "/home/me/.netrc"}]));
}

#[test]
fn a_bad_dev_container_is_refused_by_its_key() {
    let one = |keys: &str| format!("[[containers.dev_containers]]\n{keys}\n");
    let named = |keys: &str| one(&format!("workspace_folder = \"/a\"\n{keys}"));
    let id = "id = \"11111111-1111-1111-1111-111111111111\"";
    let cases = [
        (one(""), "dev_containers[0].workspace_folder`: the key is required"),
        (one("workspace_folder = \"a\""), "[0].workspace_folder`: expected an absolute path"),
        (one("workspace_folder = \"$UNSET\""), "[0].workspace_folder`: the path is empty"),
        (one("workspace_folder = \"${\""), "[0].workspace_folder`: "),
        (one("workspace_folder = 1"), "[0].workspace_folder`: expected a string"),
        (named("") + &one("workspace_folder = \"/b/../a/\""), "[1].workspace_folder`: `/a` is"),
        (named("id = \"1\""), "[0].id`: expected a UUID"),
        (named(id) + &one(&format!("workspace_folder = \"/b\"\n{id}")), "[1].id`: it is the id"),
        (named("config_path = \"\""), "[0].config_path`: the path is empty"),
        (named("agent_id = \"x\""), "[0].agent_id`: expected a UUID"),
        (named("name = \"A\""), "[0].name`: expected at most 64"),
        (named("name = \"a--b\""), "[0].name`: expected"),
        (named("name = \"-a\""), "[0].name`: expected"),
        (named("name = \"a-\""), "[0].name`: expected"),
        (named("name = \"\""), "[0].name`: expected"),
        (named(&format!("name = \"{}\"", "a".repeat(65))), "[0].name`: expected"),
        (named("autostart = \"no\""), "[0].autostart`: expected `true`"),
        (named("bogus = 1"), "[0].bogus`: unknown key"),
    ];
    for (toml, expected) in cases {
        let refused = World::new().with_file(&toml).refusal(&[]);
        assert!(refused.contains("`containers.dev_containers["), "{refused}");
        assert!(refused.contains(expected), "{refused}\nlacks {expected}");
    }
}

#[test]
fn dev_containers_are_read_in_order_with_clean_paths() {
    let toml = "\
        [[containers.dev_containers]]\nworkspace_folder = \"~/work/../b/\"\n\
        config_path = \".devcontainer/$NAME.json\"\nautostart = false\nname = \"b-1\"\n\
        id = \"11111111-1111-1111-1111-111111111111\"\n\
        agent_id = \"22222222-2222-2222-2222-222222222222\"\n\
        [[containers.dev_containers]]\nworkspace_folder = \"/a\"\nconfig_path = \"/c.json\"\n";
    let config = World::new().with_file(toml).with_variable("NAME", "x").read(&[]).unwrap();
    let [first, second] = &config.containers.dev_containers[..] else { panic!("{config:?}") };
    assert_eq!(first.workspace_folder, Path::new("/home/me/b"));
    let in_folder = Path::new("/home/me/b/.devcontainer/x.json");
    assert_eq!(first.config_path.as_deref(), Some(in_folder));
    assert_eq!((first.name.as_deref(), first.autostart), (Some("b-1"), false));
    assert_eq!((second.id, second.agent_id, second.autostart), (None, None, true));
    assert_eq!(second.config_path.as_deref(), Some(Path::new("/c.json")));
    let shown = &config.describe()["containers"]["dev_containers"];
    assert_eq!(shown[0]["agent_id"], "22222222-2222-2222-2222-222222222222");
    assert_eq!(
        shown[1],
        json!({"workspace_folder": "/a", "config_path": "/c.json", "autostart": true})
    );
}

#[test]
fn containers_are_switched_off_by_either_name() {
    let is_on = |world: &World, args: &[&str]| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        world.read(&args).unwrap().containers.enabled
    };
    let off = World::new().with_file("[containers]\nenabled = false");
    assert!(is_on(&World::new(), &[]) && !is_on(&off, &[]));
    assert!(!is_on(&World::new(), &["--no-containers"]));
    assert!(is_on(&off, &["--containers-enabled"]) && is_on(&off, &["--no-containers=false"]));
    let off = World::new().with_variable("AGENTD_NO_CONTAINERS", "true");
    assert!(!is_on(&off, &[]) && is_on(&off, &["--containers-enabled"]));
}

#[test]
fn the_surroundings_say_where_an_engine_may_be() {
    let world = World::new().with_variable("DOCKER_HOST", "tcp://h:1");
    let containers =
        world.with_variable("XDG_RUNTIME_DIR", "/run/me").read(&[]).unwrap().containers;
    assert_eq!(containers.docker_host.as_deref(), Some("tcp://h:1"));
    assert_eq!(containers.runtime_dir.as_deref(), Some(Path::new("/run/me")));
    assert_eq!(
        World::new().with_variable("DOCKER_HOST", "").read(&[]).unwrap().containers.docker_host,
        None
    );
}

#[test]
fn a_refused_variable_does_not_show_its_value() {
    let refused = World::new().with_variable("AGENTD_TOKEN", "hunter2").refusal(&[]);
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn an_empty_list_replaces_a_weaker_one() {
    let toml = "listen = [\"127.0.0.1:1\"]\nallow_origin = [\"https://a\"]";
    let world = World::new().with_file(toml).with_variable("AGENTD_LISTEN", "");
    let config = world.read(&[]).unwrap();
    assert!(config.listen.is_empty());
    assert_eq!(config.allowed_origins, ["https://a"]);
}

#[test]
fn no_auth_is_accepted_where_nobody_else_can_connect() {
    let cases: [&[&str]; 4] = [
        &["--no-auth"],
        &["--no-auth", "--listen-unix=/x"],
        &["--no-auth", "--listen=127.0.0.2:0", "--listen=[::1]:0"],
        &["--no-auth=false", "--listen=0.0.0.0:0"],
    ];
    for args in cases {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        assert!(World::new().read(&args).is_ok(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_printed() {
    for (flag, expected) in [("--help", "Examples:"), ("--version", crate::VERSION)] {
        let invocation = read(["agentd".into(), flag.into()], &World::new().env).unwrap();
        let Invocation::Print(text) = invocation else { panic!("not printed") };
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_defaults_follow_the_user_and_the_machine() {
    let mut world = World::new();
    world.env.account = Some(super::super::Account {
        name: "me".to_owned(),
        home: "/elsewhere".into(),
        shell: Some("/bin/zsh".into()),
    });
    let config = world.read(&[]).unwrap();
    assert_eq!(config.state_dir, Path::new("/home/me/.local/state/agentd"));
    assert_eq!(config.log_dir(), Path::new("/home/me/.local/state/agentd/log"));
    assert_eq!(config.shell, Path::new("/bin/zsh"));
    assert_eq!(config.agent_name, "host");
    assert_eq!(config.user.as_deref(), Some("me"));
    assert_eq!(config.inherited.0.get(&OsString::from("HOME")), Some(&"/home/me".into()));
    let with_xdg = world.with_variable("XDG_STATE_HOME", "/var/state");
    let config = with_xdg.with_variable("XDG_RUNTIME_DIR", "/run/me").read(&[]).unwrap();
    assert_eq!(config.state_dir, Path::new("/var/state/agentd"));
    assert_eq!(config.runtime_dir, Some("/run/me".into()));
}

#[test]
fn the_shown_configuration_hides_values_of_variables() {
    let toml = "[env]\nA = \"veiled\"\nB = \"\"\n[env_override]\nC = \"hidden\"";
    let config = World::new().with_file(toml).read(&[]).unwrap();
    assert_eq!(config.env.0["A"], "veiled");
    let shown = config.describe();
    assert_eq!(shown["env"], json!({"A": "***REDACTED***", "B": ""}));
    assert_eq!(shown["env_override"], json!({"C": "***REDACTED***"}));
    assert_eq!(shown["request_grace"], "10s");
    assert_eq!(shown["no_auth"], false);
    assert!(shown.get("workspace_name").is_none());
    let debug = format!("{config:?}{shown}");
    assert!(!debug.contains("veiled") && !debug.contains("hidden"));
    assert_eq!(FREE_SECTIONS.len(), 2);
}
