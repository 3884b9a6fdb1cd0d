//! What happens at the limits, and what is left afterwards.

use std::{fs, path::Path, sync::mpsc, thread};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{LONG, World, kernel_watches, walk};
use crate::{
    events::{Hub, Why, table::Targets},
    model::Watching,
};

/// More events than the kernel queues.
fn overflow(world: &World) {
    let longest: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // Each pair is at least two events that the kernel cannot merge.
    for _ in 0..=longest / 2 {
        fs::write(world.path("x"), "1").unwrap();
        fs::remove_file(world.path("x")).unwrap();
    }
}

#[tokio::test]
async fn an_overflow_makes_everything_dirty_and_watches_are_made_again() {
    let world = World::new();
    world.write("d/a.txt", "1");
    let (first, second) = (world.registration(), world.registration());
    overflow(&world);
    for registration in [&first, &second] {
        world.check(registration, &["*", "+git"]);
    }
    assert_eq!(world.hub.statistics().overflows, 1);
    assert_eq!(world.hub.statistics().watches, 0);
    walk(&first, &world.root, b"", &mut |_| {});
    world.write("d/a.txt", "2");
    world.check(&first, &["d/a.txt"]);
    world.check(&second, &[]);
}

#[tokio::test]
async fn a_file_system_inside_that_does_not_tell_of_every_change_exhausts() {
    let foreign = |path: &Path| path.ends_with("mounted").then_some("fuse");
    let world = World::new();
    let tasks = world.tasks.clone();
    let hub = Hub::with_foreign(100, tasks, CancellationToken::new(), foreign);
    world.write("d/mounted/a.txt", "1");
    let registration = hub.register(&world.root);
    registration.watch(b"");
    registration.watch(b"d");
    assert_eq!(registration.exhausted(), None);
    registration.watch(b"d/mounted");
    assert_eq!(registration.exhausted(), Some(Why::FileSystem("fuse")));
    assert_eq!(hub.statistics().watches, 0);
    let lookout = hub.look_out(&[world.path("d/mounted/a.txt")]);
    assert_eq!(hub.statistics().watches, world.path("d").ancestors().count());
    drop(lookout);
}

#[tokio::test]
async fn the_reader_does_not_take_the_runtime_while_the_table_is_held() {
    let world = World::new();
    let registration = world.registration();
    let (go_on, is_on) = mpsc::channel();
    let (held, is_held) = mpsc::channel();
    let hub = world.hub.clone();
    let holder = thread::spawn(move || {
        let table = hub.inner.table.lock();
        held.send(()).unwrap();
        let went_on = is_on.recv_timeout(LONG).is_ok();
        drop(table);
        went_on
    });
    is_held.recv().unwrap();
    world.write("a.txt", "1");
    // Often enough for the reader to be woken first.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    assert!(holder.join().unwrap());
    timeout(LONG, registration.changed()).await.unwrap();
}

#[tokio::test]
async fn more_dirty_paths_than_are_kept_are_everything() {
    let world = World::new();
    let registration = world.registration();
    for count in 0..100_000 {
        fs::write(world.path(&format!("f{count}")), "").unwrap();
        if count % 5000 == 0 {
            world.hub.drain();
            assert!(registration.is_dirty());
        }
    }
    world.hub.drain();
    assert!(world.hub.statistics().events >= 100_000);
    let dirty = registration.take();
    assert!(dirty.all);
    assert_eq!(dirty.paths.capacity(), 0);
    world.write("f1", "2");
    world.check(&registration, &["f1"]);
}

#[tokio::test]
async fn at_the_limit_a_registration_gives_its_watches_back_and_others_keep_theirs() {
    let world = World::with_limit(20);
    for count in 0..20 {
        fs::create_dir_all(world.path(&format!("d/{count}"))).unwrap();
    }
    world.write("e/a.txt", "1");
    let first = world.hub.register(&world.path("e"));
    walk(&first, &world.path("e"), b"", &mut |_| {});
    let second = world.registration();
    assert_eq!(second.exhausted(), Some(Why::Limit { max: 20 }));
    assert_eq!(first.exhausted(), None);
    assert_eq!(world.hub.statistics().watches, 1);
    world.write("e/a.txt", "2");
    world.check(&first, &["a.txt"]);
    fs::remove_dir_all(world.path("d")).unwrap();
    second.retry();
    second.watch_git(&[]);
    walk(&second, &world.root, b"", &mut |_| {});
    assert_eq!(second.exhausted(), None);
    world.check(&second, &["*", "+git"]);
    world.write("e/a.txt", "3");
    world.check(&second, &["e/a.txt"]);
    world.check(&first, &["a.txt"]);
}

#[tokio::test]
async fn registrations_of_one_root_see_the_same_and_share_the_watch() {
    let world = World::new();
    let first = world.registration();
    let watches = world.hub.statistics().watches;
    let second = world.registration();
    assert_eq!(world.hub.statistics().watches, watches);
    assert_eq!(kernel_watches(&world.root), 1);
    world.write("a.txt", "1");
    world.check(&first, &["a.txt"]);
    world.check(&second, &["a.txt"]);
    drop(first);
    assert_eq!(kernel_watches(&world.root), 1);
    world.write("a.txt", "2");
    world.check(&second, &["a.txt"]);
    second.unwatch_below(b"");
    world.write("a.txt", "3");
    world.check(&second, &[]);
}

#[tokio::test]
async fn nothing_is_left_after_the_last_registration() {
    let world = World::new();
    for count in 0..100 {
        fs::create_dir_all(world.path(&format!("d/{count}"))).unwrap();
    }
    let (first, second) = (world.registration(), world.hub.register(&world.path("d")));
    second.watch(b"1");
    let directory = world.path("d/1");
    assert_eq!(kernel_watches(&directory), 1);
    drop(first);
    assert_eq!(kernel_watches(&directory), 1);
    assert_eq!(kernel_watches(&world.path("d/2")), 0);
    drop(second);
    assert_eq!(world.hub.statistics().watches, 0);
    world.tasks.close();
    timeout(LONG, world.tasks.wait()).await.unwrap();
    assert_eq!(kernel_watches(&directory), 0);
}

#[tokio::test]
async fn the_reader_tells_without_a_drain() {
    let world = World::new();
    let registration = world.registration();
    for count in 0..3 {
        world.write("a.txt", &count.to_string());
        timeout(LONG, registration.changed()).await.unwrap();
        assert!(registration.take().paths.contains(&b"a.txt"[..]));
    }
}

#[tokio::test]
async fn thousands_of_watches_are_given_back_without_an_overflow() {
    let world = World::new();
    for count in 0..20_000 {
        fs::create_dir(world.path(&format!("{count}"))).unwrap();
    }
    let (first, second) = (world.registration(), world.hub.register(&world.path("1")));
    second.watch(b"");
    assert!(world.hub.statistics().watches > 20_000);
    drop(first);
    world.hub.drain();
    assert_eq!(world.hub.statistics().overflows, 0);
    assert_eq!(world.hub.statistics().watches, 1);
}

#[tokio::test]
async fn ten_thousand_directories_cost_less_than_3_mib() {
    let world = World::new();
    let parent = "a-directory/of-usual-names/that-are-not-so-short";
    for count in 0..10_000 {
        fs::create_dir_all(world.path(&format!("{parent}/{count}"))).unwrap();
    }
    let registration = world.registration();
    assert_eq!(registration.exhausted(), None);
    assert!(bytes(&world.hub) < 3 * 1024 * 1024, "{}", bytes(&world.hub));
}

/// Memory of the table: maps by their capacity, and each path once with the overhead of its
/// allocation.
fn bytes(hub: &Hub) -> usize {
    let table = hub.inner.table.lock();
    let watches = table.watches.capacity() * 8 / 7 * (size_of::<(i32, Targets)>() + 1);
    let trees = table.owners.values().flat_map(|owner| owner.tree.keys());
    // Entries of an ordered map that was filled in order take twice their size; an allocation
    // is rounded up, and a shared one has two counters.
    let paths =
        trees.map(|path| 2 * size_of::<(&[u8], i32)>() + (path.len() + 16 + 8).div_ceil(16) * 16);
    watches + paths.sum::<usize>()
}
