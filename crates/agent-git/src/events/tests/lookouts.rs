//! Waiting for repositories that are not there yet.

use std::{fs, path::PathBuf, pin::pin, task::Poll};

use tokio::time::timeout;

use super::{LONG, World};
use crate::events::Lookout;

fn is_changed(world: &World, lookout: &mut Lookout) -> bool {
    world.hub.drain();
    let changed = pin!(lookout.changed());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    changed.poll(&mut context) == Poll::Ready(())
}

#[tokio::test]
async fn a_git_entry_at_or_above_a_path_is_noticed() {
    let world = World::new();
    world.write("a/b/f.txt", "1");
    for (place, path) in [("a/b", "a/b"), ("a", "a/b/f.txt"), ("", "a/b"), ("a/b", "a/b/c/d")] {
        let mut lookout = world.hub.look_out(&[world.path(path)]);
        world.write("a/b/other.txt", "1");
        assert!(!is_changed(&world, &mut lookout), "{path}");
        let git = world.path(place).join(".git");
        fs::create_dir(&git).unwrap();
        assert!(is_changed(&world, &mut lookout), "{path}");
        let mut lookout = world.hub.look_out(&[world.path(path)]);
        assert!(!is_changed(&world, &mut lookout), "{path}");
        fs::write(git.join("HEAD"), "1").unwrap();
        assert!(is_changed(&world, &mut lookout), "{path}");
        fs::remove_dir_all(&git).unwrap();
    }
}

#[tokio::test]
async fn a_missing_part_of_a_path_is_noticed_by_the_reader() {
    let world = World::new();
    let mut lookout = world.hub.look_out(&[world.path("x/y/z")]);
    fs::create_dir(world.path("other")).unwrap();
    assert!(!is_changed(&world, &mut lookout));
    fs::create_dir(world.path("x")).unwrap();
    timeout(LONG, lookout.changed()).await.unwrap();
    let mut lookout = world.hub.look_out(&[world.path("x/y/z")]);
    fs::rename(world.path("x"), world.path("gone")).unwrap();
    timeout(LONG, lookout.changed()).await.unwrap();
}

#[tokio::test]
async fn a_thousand_directories_are_looked_at_and_no_more() {
    let world = World::new();
    let paths: Vec<PathBuf> = (0..1100).map(|count| world.path(&format!("{count}"))).collect();
    for path in &paths {
        fs::create_dir(path).unwrap();
    }
    let first = world.hub.look_out(&paths);
    assert_eq!(world.hub.statistics().watches, 1000);
    let second = world.hub.look_out(&paths[..1]);
    assert_eq!(world.hub.statistics().watches, 1000);
    drop(first);
    assert_eq!(world.hub.statistics().watches, 0);
    drop(second);
    let mut third = world.hub.look_out(&paths[..1]);
    fs::create_dir(paths[0].join(".git")).unwrap();
    assert!(is_changed(&world, &mut third));
}
