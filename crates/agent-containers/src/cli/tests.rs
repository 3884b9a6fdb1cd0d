//! The command, played by scripts: what it is given, what its output means, how it is ended.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Instant};

use agent_api::DevContainerLogLevel::{Error, Info};
use agent_exec::{Cgroups, Config, OtherProcess};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::logs::Logs;

const ID: Uuid = Uuid::from_u128(7);
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct TestWorkspace {
    path: OsString,
    more: Vec<(OsString, OsString)>,
}

impl Workspace for TestWorkspace {
    fn cli_environment(&self) -> Environment {
        let variables =
            [("LAYER", "seven"), ("WORKSPACE_AGENT_NAME", "outer"), ("WORKSPACE_NAME", "over")];
        let mut environment: Environment = variables.into_iter().collect();
        environment.set("PATH", &self.path);
        environment.extend(self.more.iter().cloned());
        environment
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        let variables = [("WORKSPACE_AGENT_NAME", "outer"), ("WORKSPACE_OWNER_NAME", "me")];
        variables.map(|(name, value)| (name.into(), value.into())).into()
    }
}

/// A folder with a script in place of the command, and the logs that it fills.
struct Fake {
    folder: TempDir,
    /// The workspace folder.
    project: PathBuf,
    cli: Cli,
    logs: Logs,
}

impl Fake {
    fn new(script: &str) -> Self {
        let fake = Self::without_command(Some("unix:///x/docker.sock"));
        let program = fake.folder.path().join("bin/devcontainer");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        fake
    }

    fn without_command(docker_host: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        let mut path = bin.into_os_string();
        path.push(":/usr/bin:/bin");
        let launcher = Launcher::new(Config { cgroups: Cgroups::Off, ..Config::default() });
        let workspace = Arc::new(TestWorkspace { path, more: Vec::new() });
        let cli = Cli::new(launcher, workspace, docker_host.map(Into::into));
        let logs = Logs::new(folder.path().join("logs"));
        let project = folder.path().join("project");
        Self { folder, project, cli, logs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    async fn up_within(&self, limit: Duration) -> UpOutcome {
        let up = Up {
            workspace_folder: self.project.clone(),
            config_path: None,
            remove_existing: false,
        };
        let stop = CancellationToken::new();
        tokio::time::timeout(LONG, self.cli.up(up, self.logs.begin(ID), limit, &stop))
            .await
            .unwrap()
    }

    async fn up(&self) -> UpOutcome {
        self.up_within(LONG).await
    }

    async fn log(&self) -> Vec<(DevContainerLogLevel, String)> {
        let mut reader = self.logs.read(ID, true);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next().await {
            let entry = entry.unwrap();
            entries.push((entry.level, entry.text));
        }
        entries
    }

    async fn read(&self) -> Result<Customizations, CliError> {
        let read = ReadConfiguration {
            workspace_folder: self.path("project"),
            config_path: Some(self.path("project/.devcontainer.json")),
            name: "inner".into(),
            container_id: "c0ffee".into(),
            metadata: None,
        };
        tokio::time::timeout(LONG, self.cli.read_configuration(read)).await.unwrap()
    }
}

fn success(id: &str) -> UpOutcome {
    UpOutcome { container_id: Some(id.into()), ..UpOutcome::default() }
}

/// Waits until a process is gone that a script wrote the id of.
async fn gone(pid: &str) {
    let Ok(process) = OtherProcess::watch(pid.trim().parse().unwrap()) else { return };
    tokio::time::timeout(Duration::from_secs(10), process.ended()).await.unwrap();
}

#[tokio::test]
async fn up_is_given_its_arguments_one_by_one() {
    let fake = Fake::new(
        "printf '%s\\n' \"$@\" > ../args; pwd > ../pwd; env > ../env
        echo '{\"outcome\":\"success\",\"containerId\":\"c\"}'",
    );
    assert_eq!(fake.up().await, success("c"));
    let project = fake.path("project");
    let expected = format!("up\n--log-format\njson\n--workspace-folder\n{}\n", project.display());
    assert_eq!(fake.text("args"), expected);
    assert_eq!(Path::new(fake.text("pwd").trim()), fs::canonicalize(&project).unwrap());
    for variable in
        ["DOCKER_HOST=unix:///x/docker.sock", "LAYER=seven", "WORKSPACE_AGENT_NAME=outer"]
    {
        assert!(fake.text("env").lines().any(|line| line == variable), "{variable}");
    }

    let up = Up {
        workspace_folder: fake.path("project"),
        config_path: Some("/a $(b); c.json".into()),
        remove_existing: true,
    };
    fake.cli.up(up, fake.logs.begin(ID), LONG, &CancellationToken::new()).await;
    let expected = format!("{expected}--config\n/a $(b); c.json\n--remove-existing-container\n");
    assert_eq!(fake.text("args"), expected);
}

#[tokio::test]
async fn the_log_has_what_the_user_is_told() {
    let fake = Fake::new(
        r#"printf '%s\n' '{"type":"text","level":3,"timestamp":1,"text":"Building...\r\n"}' >&2
        echo '{"type":"start","level":2,"text":"Run: env"}' >&2
        echo '{"type":"progress","name":"x","status":"running"}' >&2
        echo 'sh: 1: mkae: not found' >&2
        sleep 0.2
        echo 'hello'
        echo '{"level":4,"text":"on the output"}'
        echo '{"outcome":"error","message":"m","description":"d","containerId":"c"}'
        exit 1"#,
    );
    let outcome = fake.up().await;
    assert_eq!(outcome.container_id.as_deref(), Some("c"));
    assert_eq!(outcome.error.as_deref(), Some("error: d: m; devcontainer exited with code 1"));
    let result = r#"{"outcome":"error","message":"m","description":"d","containerId":"c"}"#;
    let expected = [
        (Info, "Building..."),
        (Error, "sh: 1: mkae: not found"),
        (Info, "on the output"),
        (Info, result),
    ];
    assert_eq!(fake.log().await, expected.map(|(level, text)| (level, text.to_owned())));
}

#[tokio::test]
async fn the_log_is_there_while_the_command_runs() {
    let fake = Fake::new(
        r#"echo '{"level":3,"text":"first"}' >&2
        until [ -e ../go ]; do sleep 0.02; done
        echo '{"outcome":"success","containerId":"c"}'"#,
    );
    let writer = fake.logs.begin(ID);
    let mut follower = fake.logs.read(ID, true);
    let up =
        Up { workspace_folder: fake.path("project"), config_path: None, remove_existing: false };
    let stop = CancellationToken::new();
    let follow = async {
        assert_eq!(follower.next().await.unwrap().unwrap().text, "first");
        fs::write(fake.path("go"), "").unwrap();
        assert!(follower.next().await.unwrap().unwrap().text.contains("success"));
        assert!(follower.next().await.is_none());
    };
    let both = async { tokio::join!(fake.cli.up(up, writer, LONG, &stop), follow) };
    let (outcome, ()) = tokio::time::timeout(LONG, both).await.unwrap();
    assert_eq!(outcome, success("c"));
}

#[tokio::test]
async fn a_command_that_prints_nothing_or_is_killed_has_failed() {
    let fake = Fake::new("kill -9 $$");
    let error = fake.up().await.error.unwrap();
    assert!(error.contains("devcontainer printed no result") && error.contains("KILL"), "{error}");
    assert_eq!(fake.log().await, []);
}

#[tokio::test]
async fn a_missing_command_is_not_installed_and_an_outcome() {
    let fake = Fake::without_command(None);
    assert!(!fake.cli.is_installed());
    let outcome = fake.up().await;
    let error = outcome.error.unwrap();
    assert!(error.contains("devcontainer") && error.contains("no such file"), "{error}");
    assert_eq!(outcome.container_id, None);
    assert_eq!(fake.log().await, [(Error, error)]);

    let program = fake.path("bin/devcontainer");
    fs::create_dir(&program).unwrap();
    assert!(!fake.cli.is_installed(), "a directory is no program");
    fs::remove_dir(&program).unwrap();
    fs::write(&program, "#!/bin/sh\n").unwrap();
    assert!(!fake.cli.is_installed(), "it cannot be executed");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(fake.cli.is_installed(), "it is looked for each time");
}

#[tokio::test]
async fn the_folder_need_not_exist() {
    let fake =
        Fake::new("pwd > /dev/stderr; echo '{\"outcome\":\"success\",\"containerId\":\"c\"}'");
    fs::remove_dir(fake.path("project")).unwrap();
    assert_eq!(fake.up().await, success("c"));
    assert_eq!(fake.log().await[0], (Error, "/".into()));
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_its_tree() {
    let fake = Fake::new(
        "setsid sh -c 'trap \"\" TERM; echo $$ > ../child.new; mv ../child.new ../child
            while :; do sleep 0.1; done' &
        sleep 300",
    );
    let started = Instant::now();
    let outcome = fake.up_within(Duration::from_millis(700)).await;
    let expected = UpOutcome {
        container_id: None,
        error: Some("timed out after 700ms".into()),
        timed_out: true,
    };
    assert_eq!(outcome, expected);
    let took = started.elapsed();
    assert!(
        took >= GRACE && took < Duration::from_secs(20),
        "killed only after its grace: {took:?}"
    );
    gone(&fake.text("child")).await;
    assert_eq!(fake.log().await, [(Error, "timed out after 700ms".into())]);
}

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_command_that_ends_itself_when_asked_has_its_last_words_in_the_log() {
    let fake = Fake::new(
        "trap 'echo cleaning up >&2; exit 0' TERM
        echo ready >&2
        while :; do sleep 0.02; done",
    );
    let started = Instant::now();
    let outcome = fake.up_within(Duration::from_secs(1)).await;
    assert!(outcome.timed_out && started.elapsed() < GRACE);
    // The shell may add that its `sleep` was ended too.
    let is_own = |(_, text): &(_, String)| !text.starts_with("Terminated");
    let texts: Vec<_> = fake.log().await.into_iter().filter(is_own).map(|(_, text)| text).collect();
    assert_eq!(texts, ["ready", "cleaning up", "timed out after 1s"]);
}

#[tokio::test]
async fn a_command_that_prints_without_end_is_ended_in_time() {
    let fake = Fake::new("exec yes x >&2");
    let outcome = fake.up_within(Duration::from_millis(500)).await;
    assert!(outcome.timed_out);
    let log = fake.log().await;
    assert_eq!(log.last().unwrap().1, "timed out after 500ms");
}

#[tokio::test]
async fn what_is_left_behind_with_the_pipes_does_not_hold_the_outcome_up() {
    let fake = Fake::new(
        "sleep 300 & echo $! > ../child
        echo last >&2
        printf '{\"outcome\":\"success\",\"containerId\":\"c\"}'",
    );
    let started = Instant::now();
    assert_eq!(fake.up().await, success("c"));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(fake.log().await[0].1, "last");
    let left = fake.text("child");
    // It lives on, as a daemon of the project may.
    OtherProcess::watch(left.trim().parse().unwrap()).unwrap().kill().unwrap();
    gone(&left).await;
}

#[tokio::test]
async fn much_output_before_the_exit_is_read_to_its_end() {
    let fake = Fake::new(
        "i=0; while [ $i -lt 2000 ]; do echo \"line $i of the errors, and more\" >&2; i=$((i+1)); done
        echo '{\"outcome\":\"success\",\"containerId\":\"c\"}'",
    );
    assert_eq!(fake.up().await, success("c"));
    let log = fake.log().await;
    assert_eq!(log.len(), 2001);
}

#[tokio::test]
async fn a_line_of_sixteen_mebibytes_is_read_and_a_longer_one_told() {
    let script = |length: usize| {
        format!(
            "printf '{{\"level\":3,\"text\":\"'; head -c {length} /dev/zero | tr '\\0' x; echo '\"}}'
            echo '{{\"outcome\":\"success\",\"containerId\":\"c\"}}'"
        )
    };
    let fake = Fake::new(&script(MAX_LINE_BYTES - 22));
    assert_eq!(fake.up().await, success("c"));
    let log = fake.log().await;
    assert!(log[0].1.starts_with("xxx") && log[0].1.len() > 8_000_000, "{}", log[0].1.len());
    let fake = Fake::new(&script(MAX_LINE_BYTES));
    assert_eq!(fake.up().await, success("c"));
    let log = fake.log().await;
    assert_eq!((log.len(), log[0].0), (2, Error));
    assert!(log[0].1.contains("16777237 bytes"), "{}", log[0].1);
}

#[tokio::test]
async fn stopping_ends_what_runs() {
    let fake = Fake::new("echo $$ > ../pid.new; mv ../pid.new ../pid; sleep 300");
    let stop = CancellationToken::new();
    let up =
        Up { workspace_folder: fake.path("project"), config_path: None, remove_existing: false };
    let stopping = async {
        while !fake.path("pid").exists() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(fake.cli.up(up, fake.logs.begin(ID), LONG, &stop), stopping) };
    let (outcome, ()) = tokio::time::timeout(LONG, both).await.unwrap();
    assert!(outcome.error.is_some() && !outcome.timed_out);
    gone(&fake.text("pid")).await;
}

#[tokio::test]
async fn killing_all_and_leaving_leave_nothing() {
    for is_killed in [true, false] {
        let fake = Fake::new("echo $$ > ../pid.new; mv ../pid.new ../pid; trap '' TERM; sleep 300");
        {
            let up = fake.up();
            let mut up = std::pin::pin!(up);
            while !fake.path("pid").exists() {
                assert!(futures_util::poll!(&mut up).is_pending());
                tokio::task::yield_now().await;
            }
            if is_killed {
                fake.cli.kill_all().await;
                assert!(up.await.error.unwrap().contains("KILL"));
            }
        }
        gone(&fake.text("pid")).await;
        assert!(fake.cli.running.is_empty());
    }
}

#[tokio::test]
async fn what_starts_after_all_were_killed_is_killed_too() {
    let fake = Fake::new("sleep 300");
    fake.cli.kill_all().await;
    let error = fake.up().await.error.unwrap();
    assert!(error.contains("KILL"), "{error}");
}

#[tokio::test]
async fn a_configuration_is_read_twice_when_features_have_options() {
    let answer = json!({
        "configuration": {"customizations": {"workspace": {"name": "n"}}},
        "mergedConfiguration": {
            "workspaceFolder": "/w",
            "customizations": {"workspace": [{"apps": [{"slug": "a", "url": "PORT"}]}]},
            "features": {"ghcr.io/x/code-server:1": {"port": 9090}},
        },
    });
    let fake = Fake::new(&format!(
        "echo \"$@\" > ../args; env > ../env; echo call >> ../calls
        echo '[time] log' >&2
        echo '{answer}' | sed \"s/PORT/$FEATURE_CODE_SERVER_OPTION_PORT/\""
    ));
    let customizations = fake.read().await.unwrap();
    assert_eq!(customizations.file.name.as_deref(), Some("n"));
    assert_eq!(json!(customizations.apps), json!([{"slug": "a", "url": "9090"}]));
    assert_eq!(customizations.workspace_folder.as_deref(), Some("/w"));
    assert_eq!(fake.text("calls"), "call\ncall\n");
    let project = fake.path("project");
    let expected = format!(
        "read-configuration --include-merged-configuration --workspace-folder {project} --config {project}/.devcontainer.json\n",
        project = project.display()
    );
    assert_eq!(fake.text("args"), expected);
    for variable in [
        "WORKSPACE_AGENT_NAME=inner",
        "WORKSPACE_PARENT_AGENT_NAME=outer",
        "WORKSPACE_NAME=over",
        "WORKSPACE_OWNER_NAME=me",
        "CONTAINER_ID=c0ffee",
        "FEATURE_CODE_SERVER_OPTION_PORT=9090",
        "DOCKER_HOST=unix:///x/docker.sock",
    ] {
        assert!(fake.text("env").lines().any(|line| line == variable), "{variable}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_says_why() {
    let check = async |script: &str, fragment: &str| {
        let error = Fake::new(script).read().await.unwrap_err();
        let text = agent_api::causes(Some(&error)).unwrap();
        assert!(text.contains(fragment), "{text}");
    };
    check("echo '[time] x' >&2; echo 'Error: no config' >&2; exit 1", "code 1: Error: no config")
        .await;
    check("exit 3", "code 3").await;
    check("echo hello", "no configuration").await;
    check("echo '{'", "not valid JSON").await;
    let missing = Fake::without_command(None).read().await.unwrap_err();
    assert!(matches!(missing, CliError::Spawn(_)));
}

#[cfg(target_os = "linux")]
mod needs_docker;
