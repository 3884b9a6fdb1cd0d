//! Dev containers brought up by a person at a prompt, with a `devcontainer` command of the test's own.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio};

use agent_test::Engine;
use agent_tests::{Daemon, program};
use tokio::process::Command;

use super::super::within;

/// Does what the file `wish` beside it says: `up`, or an error.
const COMMAND: &str = r#"#!/bin/sh
[ "$1" = up ] || exit 1
here=$(dirname "$0")
while [ $# -gt 0 ]; do
    case $1 in --workspace-folder) folder=$2 ;; --remove-existing-container) anew=1 ;; esac
    shift
done
echo '{"type":"text","level":3,"timestamp":1,"text":"building"}'
echo '{"type":"text","level":1,"timestamp":1,"text":"a detail"}'
echo 'a complaint' >&2
case $(cat "$here/wish") in
up)
    old=$(docker ps -aq --filter "label=devcontainer.local_folder=$folder")
    [ -z "$old" ] || [ -z "$anew" ] || docker rm -f $old >/dev/null
    id=$(docker run -d --network none --label "devcontainer.local_folder=$folder" local/busybox:1 sleep 600)
    echo "{\"outcome\":\"success\",\"containerId\":\"$id\"}" ;;
*)
    echo '{"outcome":"error","message":"no such image","description":"it cannot be built"}'
    exit 1 ;;
esac
"#;

/// A project with a configuration, whose containers are removed when it is dropped.
struct Project {
    dir: tempfile::TempDir,
    folder: PathBuf,
    daemon: Daemon,
}

impl Project {
    async fn start() -> Self {
        let engine = Engine::shared();
        engine.busybox();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap().join("Shop");
        fs::create_dir_all(folder.join(".git")).unwrap();
        fs::create_dir(folder.join(".devcontainer")).unwrap();
        fs::write(folder.join(".devcontainer/devcontainer.json"), "{}").unwrap();
        let command = dir.path().join("devcontainer");
        fs::write(&command, COMMAND).unwrap();
        fs::set_permissions(&command, PermissionsExt::from_mode(0o755)).unwrap();
        let path =
            format!("{}:{}", dir.path().display(), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let host = format!("--containers-engine={}", engine.host());
        let directory = format!("--directory={}", folder.display());
        let variables = [("PATH", path.as_ref())];
        let daemon = Daemon::start_with(&[&host, &directory], &variables).await;
        Self { dir, folder, daemon }
    }

    fn wish(&self, wish: &str) {
        fs::write(self.dir.path().join("wish"), wish).unwrap();
    }

    /// Runs `agentctl devcontainer`; its output, its errors and its exit code.
    async fn devcontainer(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        #[expect(clippy::disallowed_methods, reason = "the program is started as a person does it")]
        let mut command = Command::new(program("agentctl"));
        command.arg("--target").arg(format!("unix:{}", self.daemon.info().http_unix[0]));
        command.arg("devcontainer").args(arguments).stdin(Stdio::null());
        let command = command.env("HOME", self.daemon.dir()).kill_on_drop(true);
        let output = within(command.output()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    /// Waits until the project was found.
    async fn found(&self) {
        let found = async {
            while !self.devcontainer(&["ls"]).await.0.contains(self.folder.to_str().unwrap()) {}
        };
        within(found).await;
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let engine = Engine::shared();
        let label = format!("label=devcontainer.local_folder={}", self.folder.display());
        let ids = engine.run(&["ps", "-aq", "--filter", &label]);
        for id in ids.lines() {
            engine.run(&["rm", "-fv", id]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_brings_a_project_up_sees_it_fail_and_gets_it_back() {
    let project = Project::start().await;
    project.found().await;
    let folder = project.folder.to_str().unwrap();
    let (printed, errors, code) = project.devcontainer(&["exec", folder, "--", "true"]).await;
    assert!(code == Some(1) && errors.contains("brings it up"), "{printed}{errors}");

    project.wish("up");
    let (printed, errors, code) = project.devcontainer(&["up", folder]).await;
    assert!(code == Some(0) && printed.starts_with("building\n"), "{code:?} {printed}{errors}");
    assert!(!printed.contains("a detail"), "{printed}");
    assert!(errors.starts_with("a complaint\n"), "{errors}");
    assert!(errors.ends_with("agentctl: shop is running\n"), "{errors}");
    let again = project.devcontainer(&["up", "shop"]).await;
    assert_eq!(again, (String::new(), "agentctl: shop is running\n".to_owned(), Some(0)));

    project.wish("fail");
    let (_, errors, code) = project.devcontainer(&["recreate", "shop"]).await;
    assert_eq!(code, Some(1), "{errors}");
    let last = errors.lines().last().unwrap();
    assert!(last.starts_with("agentctl: devcontainer recreate: "), "{last}");
    assert!(last.contains("it cannot be built") && last.contains("no such image"), "{last}");
    let (logged, errors, code) = project.devcontainer(&["logs", folder]).await;
    assert!(code == Some(0) && logged.starts_with("building\n"), "{logged}");
    assert!(errors.starts_with("a complaint\n"), "{errors}");

    project.wish("up");
    let (printed, _, code) = project.devcontainer(&["recreate", "--detach", folder]).await;
    assert_eq!(
        (&*printed, code),
        ("dev container recreation initiated: recreating dev container \"shop\"\n", Some(0))
    );
    let (followed, _, code) = project.devcontainer(&["up", folder]).await;
    assert!(code == Some(0), "{followed}");
    let exec = ["exec", "shop", "--", "sh", "-c", "echo inside; exit 4"];
    let (printed, errors, code) = project.devcontainer(&exec).await;
    assert_eq!((&*printed, &*errors, code), ("inside\n", "", Some(4)));
}
