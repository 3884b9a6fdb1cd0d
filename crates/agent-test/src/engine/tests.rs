//! Tests of the engine: that it can be used, killed and started again, and that nothing stays.

mod needs_docker {
    use std::{fs, path::Path, time::Duration};

    use rustix::process::{Pid, Signal, kill_process};

    use crate::Engine;
    use crate::engine::wait_until;

    /// What of an engine is left on the machine.
    fn traces(dir: &Path) -> Vec<String> {
        let text = dir.to_str().unwrap();
        let name = dir.file_name().unwrap().to_str().unwrap();
        let mut traces = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            // A process may end while it is looked at.
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(text) {
                traces.push(line);
            }
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        traces.extend(mounts.lines().filter(|line| line.contains(text)).map(str::to_owned));
        let groups = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let mut groups: Vec<_> = groups.map(|entry| entry.path().join(name)).collect();
        groups.extend([Path::new("/sys/fs/cgroup").join(name), dir.to_owned()]);
        traces.extend(
            groups.iter().filter(|path| path.exists()).map(|path| path.display().to_string()),
        );
        traces
    }

    #[test]
    fn an_engine_survives_its_own_death_and_leaves_nothing_when_dropped() {
        let engine = Engine::start().unwrap();
        let dir = engine.dir().to_owned();
        engine.run(&[
            "run",
            "-d",
            "--name",
            "first",
            "-p",
            "8080:80",
            engine.busybox(),
            "sleep",
            "600",
        ]);
        engine.run(&["run", "-d", "--name", "frozen", engine.glibc(), "sleep", "600"]);
        engine.run(&["pause", "frozen"]);
        assert_eq!(engine.run(&["exec", "-u", "dev", "first", "id", "-un"]), "dev");
        assert!(engine.run(&["port", "first"]).starts_with("80/tcp -> 0.0.0.0:8080"));

        engine.kill_engine().unwrap();
        assert!(!engine.docker().arg("ps").output().unwrap().status.success());
        engine.restart_engine().unwrap();
        let running = engine.run(&["ps", "--format", "{{.Names}}"]);
        assert_eq!(running.lines().collect::<Vec<_>>(), ["frozen", "first"]);
        engine.stop_engine().unwrap();
        assert!(!traces(&dir).is_empty());
        drop(engine);
        assert_eq!(traces(&dir), Vec::<String>::new());
    }

    #[test]
    fn the_larger_image_has_git_and_users() {
        let engine = Engine::shared();
        let script = "git --version >/dev/null && getent passwd dev && ps -o args= -p 1";
        let image = engine.glibc();
        let printed = engine.run(&["run", "--rm", "--user", "dev", image, "bash", "-c", script]);
        assert_eq!(printed.lines().next().unwrap(), "dev:x:1000:1000:dev:/home/dev:/bin/bash");
    }

    #[test]
    fn a_privileged_container_starts_with_the_runtime_for_it() {
        let engine = Engine::shared();
        let runtime = format!("--runtime={}", crate::PRIVILEGED_RUNTIME);
        engine.run(&["run", "--rm", "--privileged", &runtime, engine.busybox(), "true"]);
    }

    #[test]
    fn what_a_killed_supervisor_left_is_taken_down_by_the_next_engine() {
        let left = Engine::start().unwrap();
        let dir = left.dir().to_owned();
        left.run(&["run", "-d", "--network", "none", left.busybox(), "sleep", "600"]);
        let shell = Pid::from_raw(left.supervisor.pid().cast_signed()).unwrap();
        kill_process(shell, Signal::KILL).unwrap();
        drop(left);
        assert!(!traces(&dir).is_empty());
        // Another test's engine may be the one that does it.
        drop(Engine::start().unwrap());
        assert!(
            wait_until(Duration::from_secs(60), || traces(&dir).is_empty()),
            "{:?}",
            traces(&dir)
        );
    }

    mod needs_devcontainer {
        use std::fs;

        use crate::Engine;
        use crate::engine::{command, devcontainer_bin};

        #[test]
        fn the_reference_brings_a_dev_container_up_on_it() {
            let engine = Engine::shared();
            let folder = tempfile::tempdir().unwrap();
            let content = format!(r#"{{"image": "{}"}}"#, engine.glibc());
            fs::write(folder.path().join(".devcontainer.json"), content).unwrap();
            let mut up = command(devcontainer_bin().join("devcontainer").to_str().unwrap());
            up.args(["up", "--workspace-folder"]).arg(folder.path());
            let output = up.env("DOCKER_HOST", engine.host()).output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(printed.contains("\"outcome\":\"success\""), "{output:?}");
            let label = format!("label=devcontainer.local_folder={}", folder.path().display());
            assert!(!engine.run(&["ps", "-q", "--filter", &label]).is_empty());
        }
    }
}
