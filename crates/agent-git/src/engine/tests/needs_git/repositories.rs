//! Repositories in and beside others, that go and come, and of other formats.

use super::{World, committed, lines};

/// A repository that is a submodule of others, with two commits; answers the ids of both.
fn module(world: &World) -> (String, [String; 2]) {
    let module = agent_test::GitRepository::init(world.above().join("module"));
    module.write("m.txt", "one\n");
    let first = module.commit_all("one");
    module.write("m.txt", "two\n");
    (module.root().display().to_string(), [first, module.commit_all("two")])
}

#[test]
fn submodules_are_one_entry_when_their_commit_differs() {
    let mut world = committed();
    world.check();
    let (url, [first, _]) = module(&world);
    world.git(&["submodule", "add", "-q", &url, "sub"]);
    let found = world.check();
    let status: Vec<_> = found.repository.files.iter().map(|file| file.status.as_str()).collect();
    assert_eq!(status, ["added", "submodule"]);
    world.git(&["commit", "-qm", "submodule"]);
    assert_eq!(world.check().repository.files, []);
    let sub = agent_test::GitRepository::at(world.repository.path("sub"));
    sub.write("m.txt", "dirty\n");
    sub.write("untracked.txt", "untracked\n");
    assert_eq!(world.check().repository.files, []);
    sub.git(&["checkout", "-q", "--force", &first]);
    assert_eq!(world.check().repository.files[0].status.as_str(), "submodule");
    world.git(&["add", "sub"]);
    world.check();
    sub.git(&["checkout", "-q", "main"]);
    assert_eq!(world.check().repository.files, []);
    sub.write("m.txt", "three\n");
    sub.commit_all("three");
    world.check();
    world.git(&["reset", "-q", "--hard"]);
    world.check();
    world.git(&["submodule", "update", "-q"]);
    assert_eq!(world.check().repository.files, []);
    world.git(&["submodule", "deinit", "-q", "--force", "sub"]);
    assert_eq!(world.check().repository.files, []);
    world.git(&["submodule", "update", "-q", "--init"]);
    world.check();
    world.git(&["rm", "-q", "sub"]);
    world.check();
    world.write("sub", "a file in its place\n");
    world.check();
    world.git(&["add", "sub"]);
    world.check();
}

#[test]
fn a_submodule_that_is_gone_is_deleted() {
    let mut world = committed();
    let (url, _) = module(&world);
    world.git(&["submodule", "add", "-q", &url, "sub"]);
    world.git(&["commit", "-qm", "submodule"]);
    world.check();
    world.repository.remove("sub");
    world.check();
    world.git(&["checkout", "-q", "sub"]);
    world.check();
}

#[test]
fn untracked_repositories_are_not_entered() {
    let mut world = committed();
    world.check();
    let inner = agent_test::GitRepository::init(world.repository.path("inner"));
    inner.write("i.txt", "inner\n");
    inner.commit_all("inner");
    world.write("plain/p.txt", "plain\n");
    assert_eq!(world.check().repository.files.len(), 1);
    world.repository.remove("inner/.git");
    assert_eq!(world.check().repository.files.len(), 2);
    let plain = agent_test::GitRepository::init(world.repository.path("plain"));
    plain.commit_all("plain");
    assert_eq!(world.check().repository.files.len(), 1);
    world.repository.remove("plain");
    world.check();
}

#[test]
fn linked_work_trees_are_repositories_of_their_own() {
    let main = std::cell::OnceCell::new();
    let mut world = World::made(|root| {
        let first = agent_test::GitRepository::init(root.with_file_name("main"));
        first.write("a.txt", lines(0..30));
        first.commit_all("first");
        first.git(&["worktree", "add", "-q", "-b", "side", &root.display().to_string()]);
        main.set(first).unwrap();
        agent_test::GitRepository::at(root)
    });
    let main = main.get().unwrap();
    assert_eq!(world.check().repository.branch.as_deref(), Some("side"));
    world.write("a.txt", lines(1..30));
    assert_eq!(world.check().repository.files.len(), 1);
    main.write("b.txt", "b\n");
    main.commit_all("second");
    world.check();
    world.git(&["commit", "-qam", "third"]);
    world.git(&["merge", "-q", "main"]);
    world.check();
    main.write(".git/info/exclude", "*.log\n");
    world.write("x.log", "ignored\n");
    assert_eq!(world.check().repository.files, []);
    main.git(&["worktree", "remove", "--force", "../work"]);
    assert!(matches!(world.scan_gone(), Err(crate::engine::ScanError::Removed)));
}

#[test]
fn a_repository_that_is_gone_is_removed_and_found_again() {
    let mut world = committed();
    world.write("a.txt", "other\n");
    world.check();
    let kept = world.above().join("kept");
    std::fs::rename(world.repository.path(".git"), &kept).unwrap();
    assert!(matches!(world.scan(), Err(crate::engine::ScanError::Removed)));
    std::fs::rename(&kept, world.repository.path(".git")).unwrap();
    assert_eq!(world.check().repository.files.len(), 1);
    world.repository.remove(".git");
    world.repository.git(&["init", "-q"]);
    assert_eq!(world.check().repository.head, None);
    std::fs::rename(world.repository.root(), world.above().join("moved")).unwrap();
    assert!(matches!(world.scan_gone(), Err(crate::engine::ScanError::Removed)));
}

#[test]
fn what_git_must_read_itself_is_read_by_it() {
    let mut world = committed();
    world.check();
    let change = |world: &mut World| {
        world.write("a.txt", lines(3..33));
        world.write("new.txt", "new\n");
        world.git(&["add", "new.txt"]);
        world.check();
        world.git(&["reset", "-q", "--hard"]);
        assert_eq!(world.check().repository.files, []);
    };
    world.git(&["update-index", "--split-index"]);
    change(&mut world);
    world.git(&["update-index", "--no-split-index"]);
    change(&mut world);
    world.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "b/d"]);
    change(&mut world);
    world.git(&["sparse-checkout", "disable"]);
    change(&mut world);
    world.git(&["config", "core.ignoreCase", "true"]);
    change(&mut world);
}

#[test]
fn a_repository_with_long_ids_is_read_by_git() {
    let mut world =
        World::made(|root| agent_test::GitRepository::init_with(root, &["--object-format=sha256"]));
    world.write("a.txt", lines(0..30));
    world.write("empty.txt", "");
    world.repository.commit_all("first");
    world.check();
    world.write("a.txt", lines(1..31));
    world.write("new.txt", "new\n");
    world.check();
    world.git(&["mv", "a.txt", "b.txt"]);
    world.check();
}
