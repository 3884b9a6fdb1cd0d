//! Real files that change in every way.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

use super::*;

struct Watching {
    dir: TempDir,
    files: ConfigFiles,
    changed: mpsc::UnboundedReceiver<(PathBuf, Timestamp)>,
}

impl Watching {
    /// Watches files below a directory where these are already.
    fn new(there: &[&str], watched: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tell, changed) = mpsc::unbounded_channel();
        let files = ConfigFiles::new(move |path, at| {
            let _ = tell.send((path.to_owned(), at));
        });
        let watching = Self { dir, files, changed };
        for name in there {
            watching.write(name);
        }
        assert_eq!(watching.set(watched), Vec::<String>::new());
        watching
    }

    fn set(&self, names: &[&str]) -> Vec<String> {
        self.files.set(names.iter().map(|name| self.path(name)).collect())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), "{}").unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Waits until a change of this file is told.
    async fn told(&mut self, name: &str) {
        let told = async {
            loop {
                let (path, at) = self.changed.recv().await.unwrap();
                assert!(at <= Timestamp::from(SystemTime::now()));
                if path == self.path(name) {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(20), told).await.unwrap();
    }

    /// Whether nothing was told before a change of `sentinel`, which is told of in its order.
    async fn nothing_before(&mut self, sentinel: &str) {
        while self.changed.try_recv().is_ok() {}
        self.write(sentinel);
        let (path, _) =
            timeout(Duration::from_secs(20), self.changed.recv()).await.unwrap().unwrap();
        assert_eq!(path, self.path(sentinel));
    }
}

#[tokio::test]
async fn each_way_of_changing_a_file_is_told() {
    let mut watching = Watching::new(&["p/c.json"], &["p/c.json"]);
    watching.write("p/c.json");
    watching.told("p/c.json").await;
    watching.write("p/new");
    watching.rename("p/new", "p/c.json");
    watching.told("p/c.json").await;
    watching.rename("p/c.json", "p/away");
    watching.told("p/c.json").await;
    watching.rename("p/away", "p/c.json");
    watching.told("p/c.json").await;
    fs::remove_file(watching.path("p/c.json")).unwrap();
    watching.told("p/c.json").await;
    watching.write("p/c.json");
    watching.told("p/c.json").await;
}

#[tokio::test]
async fn permissions_and_other_files_are_no_change() {
    let mut watching = Watching::new(&["p/c.json", "z/s"], &["p/c.json", "z/s"]);
    fs::set_permissions(watching.path("p/c.json"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::read(watching.path("p/c.json")).unwrap();
    watching.write("p/other.json");
    watching.nothing_before("z/s").await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_waited_for() {
    let mut watching = Watching::new(&["p/x"], &["p/a/b/c.json"]);
    watching.write("p/a/b/c.json");
    watching.told("p/a/b/c.json").await;
    watching.write("p/a/b/c.json");
    watching.told("p/a/b/c.json").await;
}

#[tokio::test]
async fn a_directory_that_goes_and_comes_back_is_still_watched() {
    let mut watching = Watching::new(&["p/.d/c.json"], &["p/.d/c.json"]);
    watching.rename("p/.d", "p/away");
    watching.told("p/.d/c.json").await;
    watching.write("p/away/c.json");
    watching.rename("p/away", "p/.d");
    watching.told("p/.d/c.json").await;
    fs::remove_dir_all(watching.path("p/.d")).unwrap();
    watching.told("p/.d/c.json").await;
    watching.write("p/.d/c.json");
    watching.told("p/.d/c.json").await;
}

#[tokio::test]
async fn what_is_not_watched_any_more_is_not_told() {
    let mut watching = Watching::new(&["p/c.json", "p/d.json", "q/e.json"], &["p/c.json"]);
    assert!(watching.set(&["p/d.json", "q/e.json"]).is_empty());
    watching.write("p/c.json");
    watching.nothing_before("p/d.json").await;
    watching.write("q/e.json");
    watching.told("q/e.json").await;
    assert!(watching.set(&[]).is_empty());
    assert!(watching.files.watches.lock().is_idle());
}

#[tokio::test]
async fn two_files_of_one_directory_are_told_apart() {
    let mut watching = Watching::new(&["p/a", "p/b"], &["p/a", "p/b", "p/gone/c"]);
    watching.nothing_before("p/b").await;
    watching.write("p/gone/c");
    watching.told("p/gone/c").await;
    watching.write("p/a");
    watching.told("p/a").await;
}

#[tokio::test]
async fn dropping_it_ends_its_task() {
    let watching = Watching::new(&["p/a"], &["p/a"]);
    let tasks = watching.files.tasks.clone();
    drop(watching);
    tasks.close();
    timeout(Duration::from_secs(20), tasks.wait()).await.unwrap();
}
