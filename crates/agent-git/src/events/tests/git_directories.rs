//! What happens in git's own directories, above the root, and in nested repositories.

use std::fs;

use super::World;
use crate::model::Watching;

#[tokio::test]
async fn what_matters_in_a_git_directory_makes_git_dirty_and_noise_does_not() {
    let world = World::new();
    world.write(".git/refs/heads/main", "1");
    world.write(".git/info/exclude", "");
    let registration = world.registration();
    let directories = ["", "info", "refs", "refs/heads"].map(|name| world.path(".git").join(name));
    assert!(registration.watch_git(&directories));
    assert!(!registration.watch_git(&directories));
    world.check(&registration, &[]);
    for (name, is_dirty) in [
        ("HEAD", true),
        ("index", true),
        ("index.lock", false),
        ("packed-refs", true),
        ("config", true),
        ("MERGE_HEAD", true),
        ("FETCH_HEAD", false),
        ("COMMIT_EDITMSG", false),
        ("info/exclude", true),
        ("refs/heads/main", true),
        ("refs/heads/main.lock", false),
        ("refs/heads/logs", true),
        ("refs/heads/feature/x", true),
    ] {
        world.write(&format!(".git/{name}"), "2");
        let expected: &[&str] = if is_dirty { &["+git"] } else { &[] };
        world.check(&registration, expected);
    }
    fs::rename(world.path(".git/index.lock"), world.path(".git/index")).unwrap();
    world.check(&registration, &["+git"]);
    // Only one of them any more.
    assert!(!registration.watch_git(&directories[..1]));
    world.write(".git/info/exclude", "3");
    world.check(&registration, &[]);
    assert!(registration.watch_git(&directories));
}

#[tokio::test]
async fn a_git_directory_that_is_made_again_is_watched_again() {
    let world = World::new();
    world.write(".git/refs/heads/main", "1");
    let registration = world.registration();
    let heads = [world.path(".git/refs/heads")];
    assert!(registration.watch_git(&heads));
    fs::remove_dir_all(&heads[0]).unwrap();
    world.check(&registration, &["+git"]);
    assert!(!registration.watch_git(&heads));
    world.write(".git/refs/heads/main", "1");
    assert!(registration.watch_git(&heads));
    fs::rename(&heads[0], world.path(".git/refs/other")).unwrap();
    world.check(&registration, &["+git"]);
    world.write(".git/refs/other/main", "2");
    world.check(&registration, &[]);
}

#[tokio::test]
async fn a_directory_that_was_above_a_git_directory_can_become_one() {
    let world = World::new();
    world.write(".git/refs/heads/feature/x", "1");
    let registration = world.registration();
    let heads = world.path(".git/refs/heads");
    assert!(registration.watch_git(&[heads.join("feature")]));
    assert!(registration.watch_git(std::slice::from_ref(&heads)));
    world.write(".git/refs/heads/main", "1");
    world.check(&registration, &["+git"]);
}

#[tokio::test]
async fn a_root_that_moves_or_goes_makes_everything_dirty() {
    let world = World::new();
    let elsewhere = world.dir.path().join("elsewhere");
    world.write("d/a.txt", "1");
    let registration = world.registration();
    fs::rename(&world.root, &elsewhere).unwrap();
    world.check(&registration, &["*", "+git"]);
    assert_eq!(world.hub.statistics().watches, 0);
    fs::write(elsewhere.join("d/a.txt"), "2").unwrap();
    world.check(&registration, &[]);
    fs::rename(&elsewhere, &world.root).unwrap();
    let registration = world.registration();
    fs::remove_dir_all(&world.root).unwrap();
    assert!(world.dirty(&registration).contains("*"));
}

#[tokio::test]
async fn a_move_of_a_directory_above_the_root_is_seen() {
    let world = World::new();
    let root = world.path("above/root");
    fs::create_dir_all(&root).unwrap();
    let registration = world.hub.register(&root);
    registration.watch_git(&[]);
    registration.watch(b"");
    world.write("above/other", "1");
    world.check(&registration, &[]);
    fs::rename(world.path("above"), world.path("moved")).unwrap();
    world.check(&registration, &["*", "+git"]);
}

#[tokio::test]
async fn nested_repositories_that_come_get_complete_or_go_are_counted() {
    let world = World::new();
    world.write("old/.git/HEAD", "1");
    let registration = world.registration();
    let mut before = registration.nested();
    assert!(before > 0);
    super::walk(&registration, &world.root, b"", &mut |_| {});
    assert_eq!(registration.nested(), before);
    let mut check = |operation: &dyn Fn(), expected: &[&str]| {
        operation();
        world.check(&registration, expected);
        assert!(registration.nested() > before);
        before = registration.nested();
    };
    fs::create_dir(world.path("new")).unwrap();
    registration.watch(b"new");
    check(&|| fs::create_dir(world.path("new/.git")).unwrap(), &["new", "new/.git"]);
    check(&|| world.write("new/.git/HEAD", "1"), &["new/.git"]);
    check(&|| fs::remove_dir_all(world.path("new/.git")).unwrap(), &["new/.git"]);
    check(&|| world.write("new/.git", "gitdir: x"), &["new/.git"]);
    check(&|| fs::rename(world.path("old"), world.dir.path().join("o")).unwrap(), &["old"]);
}

#[tokio::test]
async fn the_root_s_own_git_entry_is_git_s() {
    let world = World::new();
    let registration = world.registration();
    world.write(".git", "gitdir: elsewhere");
    world.check(&registration, &["+git"]);
}
