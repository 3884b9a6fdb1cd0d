//! Which source reads a repository, by what the real git made.

use super::*;

fn of(repository: &GitRepository) -> Kind {
    kind(&located(repository.root()), &User::default()).unwrap()
}

#[test]
fn the_format_and_the_settings_decide_how_a_repository_is_read() {
    let place = Place::new();
    let check = |name: &str, config: &[(&str, &str)], expected: Kind| {
        let repository = place.with_commit(name);
        for (key, value) in config {
            repository.git(&["config", key, value]);
        }
        assert_eq!(of(&repository), expected, "{name}");
    };
    let version = ("core.repositoryformatversion", "1");
    check("plain", &[], Kind::Native);
    check("newer", &[version, ("extensions.noop", "true")], Kind::Native);
    check("worktree", &[("extensions.worktreeConfig", "true")], Kind::Native);
    check("precious", &[version, ("extensions.preciousObjects", "true")], Kind::Native);
    check("unknown in version 0", &[("extensions.whatever", "1")], Kind::Native);
    check(
        "unknown",
        &[version, ("extensions.whatever", "1")],
        Kind::Command(Reason::Extension("whatever".into())),
    );
    check(
        "reftable",
        &[version, ("extensions.refStorage", "reftable")],
        Kind::Command(Reason::RefStorage("reftable".into())),
    );
    check(
        "partial",
        &[("extensions.partialClone", "origin")],
        Kind::Command(Reason::Extension("partialclone".into())),
    );
    check(
        "future",
        &[("core.repositoryformatversion", "7")],
        Kind::Command(Reason::Version("7".into())),
    );
    check("case", &[("core.ignoreCase", "true")], Kind::Command(Reason::IgnoreCase));
    check("links", &[("core.symlinks", "false")], Kind::Command(Reason::NoSymlinks));
}

#[test]
fn other_objects_and_replaced_ones_are_left_to_git() {
    let place = Place::new();
    let sha256 = GitRepository::init_with(place.path("sha256"), &["--object-format=sha256"]);
    assert_eq!(of(&sha256), Kind::Command(Reason::ObjectFormat("sha256".into())));
    let repository = place.with_commit("replaced");
    let one = repository.text(&["rev-parse", "HEAD"]);
    let two = repository.commit_all("two");
    repository.git(&["replace", &two, &one]);
    assert_eq!(of(&repository), Kind::Command(Reason::Replacements));
    repository.git(&["pack-refs", "--all"]);
    assert_eq!(of(&repository), Kind::Command(Reason::Replacements));
    repository.git(&["replace", "--delete", &two]);
    assert_eq!(of(&repository), Kind::Native);
}

#[test]
fn included_files_and_those_of_the_work_tree_count() {
    let place = Place::new();
    let repository = place.with_commit("r");
    repository.write(".git/more", "[core]\nignoreCase = true\n");
    repository.git(&["config", "include.path", "more"]);
    assert_eq!(of(&repository), Kind::Command(Reason::IgnoreCase));
    repository.git(&["config", "extensions.worktreeConfig", "true"]);
    repository.git(&["config", "--worktree", "core.ignoreCase", "false"]);
    assert_eq!(of(&repository), Kind::Native);
    repository.write(".git/config", "[core]\nbroken");
    repository.write(".git/config", "[core\n");
    let location = located(repository.root());
    assert!(matches!(kind(&location, &User::default()), Err(SourceError::Failed { .. })));
}

#[test]
fn settings_are_those_of_the_repository_and_some_of_the_user() {
    let place = Place::new();
    let repository = place.with_commit("r");
    let user = User { home: place.path("home"), excludes_file: Some("/user".into()), lfs: true };
    let read = || Settings::read(&located(repository.root()), &user).unwrap();
    let usual = read();
    assert_eq!(usual.excludes_file, Some("/user".into()));
    assert!(usual.file_mode && usual.trust_ctime && usual.conversion.lfs);
    for (key, value) in [
        ("core.fileMode", "false"),
        ("core.trustctime", "no"),
        ("core.checkStat", "minimal"),
        ("core.sparseCheckout", "1"),
        ("core.autocrlf", "INPUT"),
        ("core.excludesFile", "~/mine"),
        ("core.attributesFile", "here"),
        ("remote.origin.url", "https://a:b@example.com/r"),
    ] {
        repository.git(&["config", key, value]);
    }
    let settings = read();
    assert!(!settings.file_mode && !settings.trust_ctime);
    assert!(settings.check_stat_minimal && settings.sparse_checkout);
    assert_eq!(settings.conversion.auto_crlf, crate::convert::AutoCrlf::Input);
    assert_eq!(settings.excludes_file, Some(place.path("home/mine")));
    assert_eq!(settings.attributes_file, Some(place.path("r/here")));
    assert_eq!(settings.remote_origin.as_deref(), Some("https://example.com/r"));
}

#[test]
fn the_configuration_of_whoever_runs_the_agent_does_not_count() {
    let place = Place::new();
    let repository = place.with_commit("r");
    let before = opened(&repository).head().unwrap();
    // libgit2 would look here, if it were not told otherwise.
    let home = git2::Config::open_default().unwrap();
    let mut entries = home.entries(None).unwrap();
    assert!(entries.next().is_none(), "no file outside of the repository is read");
    assert_eq!(opened(&repository).head().unwrap(), before);
}
