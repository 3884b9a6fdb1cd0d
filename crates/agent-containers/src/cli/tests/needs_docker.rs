//! The real command with a real container engine.

mod needs_devcontainer {
    use agent_test::Engine;

    use super::super::*;

    /// A project whose dev container is of busybox.
    fn project(name: &str, config: &serde_json::Value) -> Fake {
        let engine = Engine::shared();
        let mut fake = Fake::without_command(None);
        let folder = fake.path("project").join(name);
        fs::create_dir_all(folder.join(".devcontainer")).unwrap();
        fs::write(folder.join(".devcontainer/devcontainer.json"), format!("// config\n{config}"))
            .unwrap();
        fake.project = folder;
        // The client of the engine and the interpreter of the command are programs of the machine.
        let mut path = agent_test::devcontainer_bin().into_os_string();
        path.push(":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let home = fake.path("").into_os_string();
        let workspace = Arc::new(TestWorkspace { path, more: vec![("HOME".into(), home)] });
        fake.cli = Cli::new(Launcher::new(Config::default()), workspace, Some(engine.host()));
        fake
    }

    fn config(hook: &str) -> serde_json::Value {
        json!({"image": Engine::shared().busybox(), "postCreateCommand": hook})
    }

    fn remove(outcome: &UpOutcome) {
        let id = outcome.container_id.as_deref().unwrap();
        Engine::shared().run(&["rm", "-f", id]);
    }

    #[tokio::test]
    async fn up_gives_a_container_and_a_log() {
        let fake = project("success", &config("echo to the output; echo to the errors >&2"));
        assert!(fake.cli.is_installed());
        let outcome = fake.up().await;
        assert_eq!(outcome.error, None);
        let id = outcome.container_id.clone().unwrap();
        let running = Engine::shared().run(&["inspect", "-f", "{{.State.Running}}", &id]);
        assert_eq!(running, "true");
        let log = fake.log().await;
        for fragment in ["postCreateCommand", "to the output", "to the errors", &id] {
            assert!(log.iter().any(|(_, text)| text.contains(fragment)), "{fragment}: {log:?}");
        }
        assert!(!log.iter().any(|(_, text)| text.contains("/proc/self/environ")), "{log:?}");
        remove(&outcome);
    }

    #[tokio::test]
    async fn a_failed_hook_leaves_a_container_and_an_error() {
        let fake = project("hook", &config("echo before; exit 3"));
        let outcome = fake.up().await;
        let error = outcome.error.clone().unwrap();
        assert!(error.contains("postCreateCommand"), "{error}");
        remove(&outcome);
    }

    #[tokio::test]
    async fn a_failed_build_gives_no_container() {
        let fake = project("build", &json!({"build": {"dockerfile": "Dockerfile"}}));
        let file = fake.project.join(".devcontainer/Dockerfile");
        fs::write(file, format!("FROM {}\nRUN exit 7\n", Engine::shared().busybox())).unwrap();
        let outcome = fake.up().await;
        assert_eq!(outcome.container_id, None);
        assert!(outcome.error.unwrap().starts_with("error: "), "{:?}", fake.log().await);
    }

    #[tokio::test]
    async fn a_configuration_is_merged_with_what_its_features_say() {
        let mut config = config("true");
        config["features"] = json!({"./served": {"port": 9090, "some-flag": true}});
        config["customizations"] = json!({
            "workspace": {
                "name": "own-name",
                "apps": [{"slug": "web", "url": "http://localhost:${localEnv:FEATURE_SERVED_OPTION_PORT}"}],
                "displayApps": {"vscode": false},
            },
            "coder": {"name": "hidden", "apps": [{"slug": "hidden"}]},
        });
        let fake = project("merged", &config);
        let feature = fake.project.join(".devcontainer/served");
        fs::create_dir(&feature).unwrap();
        let options = json!({"type": "string", "default": "1"});
        let description = json!({
            "id": "served", "version": "1.0.0", "name": "Served",
            "options": {"port": options, "some-flag": {"type": "boolean", "default": false}},
            "customizations": {"coder": {
                "apps": [{"slug": "of-feature", "command": "${localEnv:WORKSPACE_AGENT_NAME}"}],
                "displayApps": {"vscode": true, "web_terminal": false},
            }},
        });
        fs::write(feature.join("devcontainer-feature.json"), description.to_string()).unwrap();
        fs::write(feature.join("install.sh"), "true\n").unwrap();
        let outcome = fake.up().await;
        let id = outcome.container_id.clone().unwrap();
        let label = "{{index .Config.Labels \"devcontainer.metadata\"}}";
        let metadata = Engine::shared().run(&["inspect", "-f", label, &id]);

        for metadata in [None, Some(metadata)] {
            let read = ReadConfiguration {
                workspace_folder: fake.project.clone(),
                config_path: None,
                name: "own-name".into(),
                container_id: id.clone(),
                metadata,
            };
            let found = fake.cli.read_configuration(read).await.unwrap();
            assert_eq!(found.file.name.as_deref(), Some("own-name"));
            let slugs = ["of-feature", "web"];
            let apps = found.apps.unwrap();
            assert_eq!(apps.iter().map(|app| app.slug.as_str()).collect::<Vec<_>>(), slugs);
            assert_eq!(apps[1].url.as_deref(), Some("http://localhost:9090"));
            let shown = found.display_apps.unwrap();
            assert!(!shown.vscode && !shown.web_terminal && shown.ssh_helper);
            assert_eq!(found.workspace_folder.as_deref(), Some("/workspaces/merged"));
            assert_eq!(found.warnings, [""; 0]);
        }
        remove(&outcome);
    }

    #[tokio::test]
    async fn what_hangs_is_ended_with_all_it_started() {
        let fake = project(
            "hangs",
            &json!({
                "image": Engine::shared().busybox(),
                "initializeCommand": "echo $$ > ../../pid.new; mv ../../pid.new ../../pid; exec sleep 300",
            }),
        );
        let outcome = fake.up_within(Duration::from_secs(4)).await;
        assert!(outcome.timed_out, "{outcome:?}");
        gone(&fake.text("pid")).await;
    }
}
