//! A copy of a tree that follows it by events alone, while somebody changes it at full speed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::time::timeout;

use super::{LONG, World, walk};
use crate::{
    events::{Registration, registration::absolute},
    model::Dirty,
};

type Files = BTreeMap<Vec<u8>, Vec<u8>>;

/// Looks again at what is dirty, as a scan does.
fn follow(files: &mut Files, registration: &Registration, root: &Path, dirty: Dirty) {
    let paths = if dirty.all { vec![Vec::new()] } else { dirty.paths.into_iter().collect() };
    for path in paths {
        let below = [&path[..], b"/"].concat();
        files.retain(|file, _| !path.is_empty() && *file != path && !file.starts_with(&below));
        let place = absolute(root, &path);
        let mut found = Vec::new();
        match place.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {
                walk(registration, root, &path, &mut |file| found.push(file.to_vec()));
            }
            Ok(_) => found.push(path),
            Err(_) => {}
        }
        for file in found {
            if let Ok(contents) = fs::read(absolute(root, &file)) {
                files.insert(file, contents);
            }
        }
    }
}

fn truth(world: &World) -> Files {
    let other = World::new();
    let registration = other.hub.register(&world.root);
    let mut files = Files::new();
    follow(&mut files, &registration, &world.root, Dirty::everything());
    files
}

/// Numbers that look random and are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn path(&mut self, root: &Path) -> PathBuf {
        let depth = 1 + self.below(4);
        (0..depth).fold(root.to_owned(), |path, _| path.join(format!("n{}", self.below(4))))
    }
}

/// One change that may fail, as changes do in a tree that others change.
fn change(numbers: &mut Numbers, root: &Path, outside: &Path, count: u32) {
    let path = numbers.path(root);
    let other = numbers.path(root);
    let contents = format!("{count}");
    let _ = match numbers.below(10) {
        0..3 => fs::write(path, contents),
        3..5 => path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, contents)),
        5 => fs::rename(path, other),
        6 => fs::rename(path, outside),
        7 => fs::rename(outside, path),
        8 => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
}

#[tokio::test]
async fn a_follower_of_a_tree_that_changes_at_full_speed_ends_with_the_truth() {
    for seed in 0..20 {
        let world = World::new();
        let registration = world.hub.register(&world.root);
        registration.watch_git(&[]);
        let mut files = Files::new();
        follow(&mut files, &registration, &world.root, Dirty::everything());
        let is_done = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let mut numbers = Numbers(seed);
                let outside = world.dir.path().join("outside");
                for count in 0..1500 {
                    change(&mut numbers, &world.root, &outside, count);
                }
                is_done.store(true, Ordering::Release);
            });
            while !is_done.load(Ordering::Acquire) {
                world.hub.drain();
                follow(&mut files, &registration, &world.root, registration.take());
            }
        });
        // The last writes came before the drain, so they are seen after it.
        loop {
            world.hub.drain();
            let dirty = registration.take();
            if dirty == Dirty::default() {
                break;
            }
            follow(&mut files, &registration, &world.root, dirty);
        }
        assert_eq!(files, truth(&world), "seed {seed}");
        assert!(registration.exhausted().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_written_right_after_their_deep_directories_are_seen_50_of_50() {
    let world = World::new();
    let registration = world.registration();
    let root = world.root.clone();
    let writes = tokio::task::spawn_blocking(move || {
        for count in 0..50 {
            let directory = root.join(format!("a{count}/b/c/d"));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("f.txt"), "1").unwrap();
        }
    });
    let mut files = Files::new();
    let all_seen = async {
        while files.len() < 50 {
            registration.changed().await;
            world.hub.drain();
            follow(&mut files, &registration, &world.root, registration.take());
        }
    };
    timeout(LONG, all_seen).await.unwrap();
    writes.await.unwrap();
}
