//! What is known after events, as clients see it.

use agent_api::{DevContainer, DevContainerStatus as Status};

use super::*;
use crate::ConfiguredDevContainer;

mod random;

const AGENT: Uuid = Uuid::from_u128(0xaaaa_aaaa_aaaa_aaaa_aaaa_1234_5678_9abc);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn config() -> Config {
    Config::new(AGENT, "/state", "/home/dev")
}

fn configured(folder: &str) -> ConfiguredDevContainer {
    ConfiguredDevContainer {
        workspace_folder: folder.into(),
        id: None,
        config_path: None,
        name: None,
        agent_id: None,
        autostart: true,
    }
}

fn container(id: &str, folder: &str, is_running: bool, created: i64) -> Arc<Container> {
    let labels = [("devcontainer.local_folder".to_owned(), folder.to_owned())].into();
    let (id, name) = (id.to_owned(), format!("name_of_{id}"));
    let created_at = at(created);
    Arc::new(Container { id, name, running: is_running, created_at, labels, ..Default::default() })
}

fn with_file(container: &Arc<Container>, path: &str) -> Arc<Container> {
    let mut container = Container::clone(container);
    container.labels.insert("devcontainer.config_file".to_owned(), path.to_owned());
    Arc::new(container)
}

fn list(registry: &mut Registry, containers: &[Arc<Container>]) {
    registry.listed(Listing { containers: containers.to_vec(), warnings: Vec::new() });
}

fn all(registry: &Registry) -> Vec<DevContainer> {
    registry.known(&Filter::default()).devcontainers
}

#[track_caller]
fn only(registry: &Registry) -> DevContainer {
    let mut all = all(registry);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// A registry that knows one dev container with a running container.
fn with_one() -> (Registry, Uuid) {
    let mut registry = Registry::new(&config());
    list(&mut registry, &[container("a", "/x/proj", true, 10)]);
    let id = only(&registry).id;
    (registry, id)
}

fn given(id: &str, error: Option<&str>) -> UpResult {
    UpResult::Container { id: id.to_owned(), error: error.map(str::to_owned) }
}

fn named(name: &str) -> FileCustomizations {
    FileCustomizations { name: Some(name.to_owned()), ..Default::default() }
}

#[test]
fn an_id_follows_from_the_folder() {
    let mut registry = Registry::new(&config());
    list(&mut registry, &[container("a", "/home/dev/./project/", true, 1)]);
    let dev = only(&registry);
    assert_eq!(dev.id.to_string(), "644843b5-06b1-5f62-b7eb-613019c35e4e");
    assert_eq!(
        (dev.workspace_folder.as_str(), dev.name.as_str()),
        ("/home/dev/project", "project")
    );
}

#[test]
fn the_configuration_is_known_before_any_listing() {
    let id = Uuid::from_u128(7);
    let first = ConfiguredDevContainer {
        id: Some(id),
        config_path: Some("/b/x.json".into()),
        agent_id: Some(Uuid::from_u128(8)),
        ..configured("/b")
    };
    let second = ConfiguredDevContainer { autostart: false, ..configured("/a") };
    let registry = Registry::new(&Config { dev_containers: vec![first, second], ..config() });
    let all = all(&registry);
    assert_eq!(all[0].workspace_folder, "/a");
    assert_eq!((all[0].status, all[0].subagent_id), (Status::Stopped, None));
    assert_eq!((all[1].status, all[1].id, all[1].name.as_str()), (Status::Starting, id, ""));
    assert_eq!(all[1].config_path.as_deref(), Some("/b/x.json"));
    assert_eq!(all[1].subagent_id, Some(Uuid::from_u128(8)));
    assert!(registry.configured_up(Path::new("/b")).is_some());
    assert!(registry.configured_up(Path::new("/a")).is_none());
    assert!(registry.answer(&Filter::default()).unwrap().containers.is_empty());
}

#[test]
fn a_listing_moves_what_nobody_owns() {
    let (mut registry, _) = with_one();
    assert_eq!(only(&registry).status, Status::Running);
    list(&mut registry, &[container("a", "/x/proj", false, 10)]);
    let dev = only(&registry);
    assert_eq!((dev.status, dev.name.as_str()), (Status::Stopped, "proj"));
    list(&mut registry, &[]);
    let dev = only(&registry);
    assert_eq!((dev.status, dev.name.as_str(), dev.container), (Status::Stopped, "", None));
}

#[test]
fn a_listing_that_failed_is_the_answer_but_not_for_those_who_watch() {
    let (mut registry, _) = with_one();
    registry.listing_failed("engine is away".to_owned());
    let error = registry.answer(&Filter::default()).unwrap_err();
    assert_eq!(error.to_string(), "could not get containers");
    assert_eq!(agent_api::Classify::detail(&error).as_deref(), Some("engine is away"));
    assert_eq!(only(&registry).status, Status::Running);
    list(&mut registry, &[]);
    assert!(registry.answer(&Filter::default()).is_ok());
}

#[test]
fn names_are_given_in_the_order_of_the_folders_and_kept() {
    let mut registry = Registry::new(&config());
    list(&mut registry, &[container("a", "/b/proj", true, 1), container("b", "/a/proj", true, 2)]);
    let names = |registry: &Registry| -> Vec<String> {
        all(registry).into_iter().map(|dev| dev.name).collect()
    };
    assert_eq!(names(&registry), ["proj", "b-proj"]);
    list(&mut registry, &[container("a", "/b/proj", true, 1)]);
    assert_eq!(names(&registry), ["", "b-proj"]);
    list(&mut registry, &[container("a", "/b/proj", true, 1), container("b", "/a/proj", true, 2)]);
    assert_eq!(names(&registry), ["proj", "b-proj"]);
}

#[test]
fn a_fixed_name_counts_unless_it_is_bad_or_taken() {
    let mut registry = Registry::new(&config());
    let listing = [container("a", "/a/one", true, 1), container("b", "/a/two", true, 2)];
    list(&mut registry, &listing);
    registry.set_file("/a/one", named("fixed"));
    registry.set_file("/a/two", named("fixed"));
    let known = registry.known(&Filter::default());
    let names: Vec<_> = known.devcontainers.iter().map(|dev| dev.name.as_str()).collect();
    assert_eq!(names, ["fixed", "two"]);
    assert!(known.warnings[0].contains("/a/two") && known.warnings[0].contains("taken"));
    registry.set_file("/a/two", named("Bad Name"));
    let known = registry.known(&Filter::default());
    assert_eq!((known.devcontainers[1].name.as_str(), known.warnings.len()), ("two", 1));
    registry.set_file("/a/two", FileCustomizations::default());
    registry.set_file("/a/one", FileCustomizations::default());
    let known = registry.known(&Filter::default());
    assert_eq!((known.devcontainers[0].name.as_str(), known.warnings.len()), ("one", 0));
    registry.set_file("/a/one", named("fixed"));
    list(&mut registry, &[]);
    let names: Vec<_> = all(&registry).into_iter().map(|dev| dev.name).collect();
    assert_eq!(names, ["fixed", ""]);
}

#[test]
fn an_ignored_one_is_left_out_and_can_be_found() {
    let (mut registry, id) = with_one();
    registry.set_file("/x/proj", FileCustomizations { ignore: true, ..Default::default() });
    assert!(all(&registry).is_empty());
    assert_eq!(registry.known(&Filter::default()).containers.len(), 1);
    assert!(registry.find(id).is_ok());
    assert!(registry.agent_wanted("/x/proj").is_none());
}

#[test]
fn recreation_clears_what_was_and_keeps_others_away() {
    let (mut registry, id) = with_one();
    let owned = registry.begin_up(id).unwrap();
    assert_eq!((owned.name.as_str(), owned.container_id.as_deref()), ("proj", Some("a")));
    let dev = only(&registry);
    assert_eq!((dev.status, dev.container, dev.name.as_str()), (Status::Starting, None, "proj"));
    let refused = registry.begin_up(id).unwrap_err();
    assert_eq!(refused.to_string(), "dev container \"proj\" is starting");
    assert!(matches!(registry.begin_delete(id), Err(Error::Busy { .. })));
    list(&mut registry, &[container("b", "/x/proj", true, 20)]);
    assert_eq!((only(&registry).status, only(&registry).container), (Status::Starting, None));
    registry.end_up("/x/proj", given("b", None), at(15), at(21));
    let dev = only(&registry);
    assert_eq!((dev.status, dev.container.unwrap().id.as_str()), (Status::Running, "b"));
}

#[test]
fn a_container_that_no_listing_has_yet_runs_until_one_says_otherwise() {
    let (mut registry, id) = with_one();
    registry.begin_up(id).unwrap();
    registry.end_up("/x/proj", given("b", None), at(15), at(21));
    assert_eq!((only(&registry).status, only(&registry).container), (Status::Running, None));
    list(&mut registry, &[]);
    assert_eq!(only(&registry).status, Status::Stopped);
}

#[test]
fn an_error_with_a_container_stays_until_the_next_up() {
    let (mut registry, id) = with_one();
    registry.begin_up(id).unwrap();
    let listing = [container("b", "/x/proj", true, 20)];
    list(&mut registry, &listing);
    registry.end_up("/x/proj", given("b", Some("hook failed")), at(15), at(21));
    list(&mut registry, &listing);
    let dev = only(&registry);
    assert_eq!((dev.status, dev.error.as_deref()), (Status::Running, Some("hook failed")));
    registry.begin_up(id).unwrap();
    assert_eq!(only(&registry).error, None);
}

#[test]
fn an_error_without_a_container_stays_until_a_newer_one() {
    let (mut registry, id) = with_one();
    registry.begin_up(id).unwrap();
    registry.end_up("/x/proj", UpResult::Failed("no image".to_owned()), at(15), at(20));
    for listing in [&[][..], &[container("a", "/x/proj", true, 10)]] {
        list(&mut registry, listing);
        let dev = only(&registry);
        assert_eq!((dev.status, dev.error.as_deref()), (Status::Error, Some("no image")));
        assert_eq!(dev.container.is_some(), !listing.is_empty());
    }
    list(&mut registry, &[container("b", "/x/proj", false, 21)]);
    assert_eq!((only(&registry).status, only(&registry).error), (Status::Stopped, None));
}

#[test]
fn managed_ones_are_not_changed() {
    let managed =
        ConfiguredDevContainer { agent_id: Some(AGENT), autostart: false, ..configured("/m") };
    let mut registry = Registry::new(&Config { dev_containers: vec![managed], ..config() });
    let id = only(&registry).id;
    assert!(matches!(registry.begin_up(id), Err(Error::Managed { .. })));
    assert!(matches!(registry.begin_delete(id), Err(Error::Managed { .. })));
    let nobody = Uuid::from_u128(1);
    assert!(matches!(registry.begin_up(nobody), Err(Error::NoDevContainer { .. })));
}

#[test]
fn a_deletion_goes_on_to_the_end_or_to_an_error() {
    let (mut registry, id) = with_one();
    registry.begin_delete(id).unwrap();
    assert_eq!(only(&registry).status, Status::Stopping);
    registry.container_stopped("/x/proj");
    assert_eq!(only(&registry).status, Status::Deleting);
    registry.delete_failed("/x/proj", "busy".to_owned(), at(30));
    let dev = only(&registry);
    assert_eq!((dev.status, dev.error.as_deref()), (Status::Error, Some("busy")));
    assert!(dev.container.is_some());
    let owned = registry.begin_delete(id).unwrap();
    registry.forget(&owned);
    assert!(all(&registry).is_empty() && registry.find(id).is_err());
}

#[test]
fn a_listing_that_began_before_a_removal_brings_nothing_back() {
    let (mut registry, id) = with_one();
    let owned = registry.begin_delete(id).unwrap();
    registry.forget(&owned);
    let old = [container("a", "/x/proj", false, 10)];
    list(&mut registry, &old);
    let known = registry.known(&Filter::default());
    assert!(known.devcontainers.is_empty() && known.containers.is_empty());
    list(&mut registry, &[]);
    list(&mut registry, &[container("b", "/x/proj", false, 40)]);
    assert_eq!(only(&registry).container.unwrap().id, "b");
}

#[test]
fn a_change_of_the_file_makes_older_containers_dirty() {
    let mut registry = Registry::new(&config());
    let listing = [with_file(&container("a", "/x/proj", true, 10), "/x/proj/dev.json")];
    list(&mut registry, &listing);
    assert_eq!(registry.files(), [PathBuf::from("/x/proj/dev.json")].into());
    registry.file_changed(Path::new("/x/proj/other.json"), at(20));
    registry.file_changed(Path::new("/x/proj/dev.json"), at(9));
    assert!(!only(&registry).dirty);
    registry.file_changed(Path::new("/x/proj/dev.json"), at(20));
    assert!(only(&registry).dirty);
    list(&mut registry, &listing);
    assert!(only(&registry).dirty);
    let newer = [with_file(&container("b", "/x/proj", true, 21), "/x/proj/dev.json")];
    list(&mut registry, &newer);
    assert!(!only(&registry).dirty);
    registry.file_changed(Path::new("/x/proj/dev.json"), at(30));
    list(&mut registry, &[]);
    assert!(!only(&registry).dirty);
}

#[test]
fn bringing_up_makes_clean_what_changed_before() {
    let mut registry = Registry::new(&config());
    let listing = [with_file(&container("a", "/x/proj", true, 10), "/x/proj/dev.json")];
    list(&mut registry, &listing);
    let id = only(&registry).id;
    for (changed, is_dirty) in [(20, false), (45, true)] {
        registry.file_changed(Path::new("/x/proj/dev.json"), at(20));
        assert!(only(&registry).dirty);
        registry.begin_up(id).unwrap();
        assert!(!only(&registry).dirty);
        registry.file_changed(Path::new("/x/proj/dev.json"), at(changed));
        // The same container again, as when it was only started.
        registry.end_up("/x/proj", given("a", None), at(40), at(50));
        assert_eq!(only(&registry).dirty, is_dirty, "changed at {changed}");
        list(&mut registry, &listing);
        assert_eq!(only(&registry).dirty, is_dirty, "changed at {changed}");
    }
}

#[test]
fn a_configured_path_counts_before_the_label_and_that_before_a_project() {
    let with_path =
        ConfiguredDevContainer { config_path: Some("/c/own.json".into()), ..configured("/c") };
    let with_path = ConfiguredDevContainer { autostart: false, ..with_path };
    let mut registry = Registry::new(&Config { dev_containers: vec![with_path], ..config() });
    let project = |folder: &str, path: &str| Project {
        workspace_folder: folder.into(),
        config_path: path.into(),
    };
    let projects = [project("/c", "/c/scan.json"), project("/d", "/d/scan.json")];
    registry.scanned(&projects, vec![named("c-scan"), named("d-scan")], Some("long".to_owned()));
    let paths = |registry: &Registry| -> Vec<Option<String>> {
        all(registry).into_iter().map(|dev| dev.config_path).collect()
    };
    let path = |text: &str| Some(text.to_owned());
    assert_eq!(paths(&registry), [path("/c/own.json"), path("/d/scan.json")]);
    let known = registry.known(&Filter::default());
    assert_eq!(known.warnings, ["long"]);
    assert_eq!(
        (known.devcontainers[0].name.as_str(), known.devcontainers[1].name.as_str()),
        ("", "d-scan")
    );
    let listing = [
        with_file(&container("a", "/c", true, 1), "/c/label.json"),
        with_file(&container("b", "/d", true, 1), "/d/label.json"),
    ];
    list(&mut registry, &listing);
    assert_eq!(paths(&registry), [path("/c/own.json"), path("/d/label.json")]);
}

#[test]
fn only_stopped_projects_that_ask_for_it_are_brought_up() {
    let mut registry = Registry::new(&config());
    let folders = ["/a", "/b", "/c", "/d"];
    let projects = folders.map(|folder| Project {
        workspace_folder: folder.into(),
        config_path: format!("{folder}/.devcontainer.json").into(),
    });
    let file = |auto_start, ignore| FileCustomizations { name: None, ignore, auto_start };
    let files = vec![file(true, false), file(false, false), file(true, true), file(true, false)];
    list(&mut registry, &[container("d", "/d", true, 1)]);
    registry.scanned(&projects, files, None);
    let begun = folders.map(|folder| registry.begin_discovered_up(Path::new(folder)).is_some());
    assert_eq!(begun, [true, false, false, false]);
}

#[test]
fn configurations_are_read_once_for_each_container_and_change() {
    let mut registry = Registry::new(&config());
    let stopped = with_file(&container("a", "/x", false, 1), "/x/d.json");
    let running = with_file(&container("a", "/x", true, 1), "/x/d.json");
    let check = |registry: &mut Registry, file: bool, merged: bool| {
        let due = registry.take_due();
        let found = due.first().map_or((false, false), |tend| {
            registry.tended(&tend.folder);
            (tend.file.is_some(), tend.merged.is_some())
        });
        assert_eq!(found, (file, merged));
        assert!(registry.take_due().is_empty());
    };
    list(&mut registry, std::slice::from_ref(&stopped));
    check(&mut registry, true, false);
    list(&mut registry, std::slice::from_ref(&running));
    check(&mut registry, false, true);
    list(&mut registry, &[stopped]);
    list(&mut registry, std::slice::from_ref(&running));
    check(&mut registry, false, false);
    registry.file_changed(Path::new("/x/d.json"), at(5));
    check(&mut registry, true, true);
    list(&mut registry, &[with_file(&container("b", "/x", true, 9), "/x/d.json")]);
    check(&mut registry, false, true);
}

#[test]
fn an_agent_is_due_at_each_listing_until_there_is_one() {
    let mut registry = Registry::new(&Config { inject_agent: true, ..config() });
    let listing = [container("a", "/x", true, 1)];
    let due = |registry: &mut Registry, listing: &[Arc<Container>]| {
        list(registry, listing);
        let due = registry.take_due();
        registry.tended("/x");
        due.first().is_some_and(|tend| tend.agent)
    };
    assert!(due(&mut registry, &listing));
    registry.agent_failed("/x", "a", "refused".to_owned(), false);
    let dev = only(&registry);
    assert_eq!((dev.status, dev.error.as_deref()), (Status::Running, Some("refused")));
    assert!(due(&mut registry, &listing));
    let agent = DevContainerAgent { id: AGENT, ..Default::default() };
    assert!(registry.set_agent("/x", "a", agent.clone()));
    assert_eq!((only(&registry).agent, only(&registry).error), (Some(agent.clone()), None));
    assert!(!due(&mut registry, &listing));
    registry.agent_ended("/x", "a");
    assert!(due(&mut registry, &listing));
    assert!(!registry.set_agent("/x", "other", agent));
    registry.agent_failed("/x", "a", "for another machine".to_owned(), true);
    assert!(!due(&mut registry, &listing));
    let known = registry.known(&Filter::default());
    assert_eq!((known.warnings.len(), &known.devcontainers[0].error), (1, &None));
    assert!(due(&mut registry, &[container("b", "/x", true, 2)]));
}

#[test]
fn long_errors_are_cut() {
    let (mut registry, id) = with_one();
    registry.begin_up(id).unwrap();
    registry.end_up("/x/proj", UpResult::Failed("é".repeat(1 << 20)), at(15), at(20));
    assert_eq!(only(&registry).error.unwrap().len(), 64 * 1024);
}
