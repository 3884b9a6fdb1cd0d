//! Searches of real directories.

use std::{fs, os::unix::fs::symlink};

use tempfile::TempDir;

use super::*;

struct Disk {
    dir: TempDir,
}

impl Disk {
    /// A directory with these files; those that end in a slash are directories.
    fn new(files: &[(&str, &str)]) -> Self {
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        for (name, content) in files {
            disk.write(name, content);
        }
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    /// The configurations that are found below `w`, without what is in front of `w`.
    fn check(&self, expected: &[&str]) {
        let scan = scan(&self.path("w"), &self.path("home"), &CancellationToken::new());
        assert_eq!(scan.warning, None);
        let found: Vec<String> = scan
            .projects
            .iter()
            .map(|project| {
                assert!(project.config_path.starts_with(&project.workspace_folder));
                let path = project.config_path.strip_prefix(self.path("w")).unwrap();
                path.to_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(found, expected);
    }
}

const MODERN: &str = ".devcontainer/devcontainer.json";
const OLD: &str = ".devcontainer.json";

#[test]
fn a_repository_is_searched_through_and_the_first_configuration_of_a_folder_counts() {
    let disk = Disk::new(&[
        ("w/.git/", ""),
        (&format!("w/{MODERN}"), "{}"),
        (&format!("w/{OLD}"), "{}"),
        (&format!("w/a/b/{OLD}"), "{}"),
        (&format!("w/c/{MODERN}"), "{}"),
        ("w/d/devcontainer.json", "{}"),
        (&format!("w/.git/{OLD}"), "{}"),
        (&format!("w/e/{OLD}/x"), "a directory"),
    ]);
    disk.check(&[MODERN, &format!("a/b/{OLD}"), &format!("c/{MODERN}")]);
    let scan = scan(&disk.path("w/./"), &disk.path("home"), &CancellationToken::new());
    assert_eq!(scan.projects[0].workspace_folder, disk.path("w"));
    assert_eq!(scan.projects[0].config_path, disk.path("w").join(MODERN));
}

#[test]
fn without_a_repository_those_directly_below_are_searched() {
    let disk = Disk::new(&[
        (&format!("w/{OLD}"), "{}"),
        ("w/one/.git/", ""),
        (&format!("w/one/x/{OLD}"), "{}"),
        ("w/worktree/.git", "gitdir: /nowhere\n"),
        (&format!("w/worktree/{OLD}"), "{}"),
        (&format!("w/plain/{OLD}"), "{}"),
        ("w/plain/deep/.git/", ""),
        (&format!("w/plain/deep/{OLD}"), "{}"),
    ]);
    disk.check(&[&format!("one/x/{OLD}"), &format!("worktree/{OLD}")]);
}

#[test]
fn what_git_ignores_is_not_searched() {
    let disk = Disk::new(&[
        ("w/.git/info/exclude", "private\n"),
        ("w/.gitignore", "/anchored\nbuild/\n*.d\nkept\n"),
        ("w/a/.gitignore", "!kept\n"),
        ("home/.gitconfig", "[core]\n\texcludesfile = ~/own\n"),
        ("home/own", "mine\n!private\n"),
        (&format!("w/anchored/{OLD}"), "{}"),
        (&format!("w/build/{OLD}"), "{}"),
        (&format!("w/x.d/{OLD}"), "{}"),
        (&format!("w/private/{OLD}"), "{}"),
        (&format!("w/mine/deep/{OLD}"), "{}"),
        (&format!("w/kept/{OLD}"), "{}"),
        (&format!("w/a/kept/{OLD}"), "{}"),
        (&format!("w/a/anchored/{OLD}"), "{}"),
        (&format!("w/a/build/{OLD}"), "{}"),
    ]);
    disk.check(&[&format!("a/anchored/{OLD}"), &format!("a/kept/{OLD}")]);
}

#[test]
fn the_rules_of_a_repository_do_not_reach_into_another_one() {
    let disk = Disk::new(&[
        ("w/.git/info/exclude", "private\n"),
        ("w/.gitignore", "build\nhidden\n"),
        ("w/inner/.git/info/exclude", "secret\n"),
        (&format!("w/inner/build/{OLD}"), "{}"),
        (&format!("w/inner/private/{OLD}"), "{}"),
        (&format!("w/inner/secret/{OLD}"), "{}"),
        ("w/hidden/.git/", ""),
        (&format!("w/hidden/{OLD}"), "{}"),
    ]);
    disk.check(&[&format!("inner/build/{OLD}"), &format!("inner/private/{OLD}")]);
}

#[test]
fn a_worktree_has_the_rules_of_its_repository() {
    let disk = Disk::new(&[
        ("main/.git/info/exclude", "private\n"),
        ("main/.git/worktrees/w/commondir", "../..\n"),
        ("w/.git", "gitdir: ../main/.git/worktrees/w\n"),
        (&format!("w/private/{OLD}"), "{}"),
        (&format!("w/a/{OLD}"), "{}"),
    ]);
    disk.check(&[&format!("a/{OLD}")]);
}

#[test]
fn links_are_not_followed() {
    let disk = Disk::new(&[
        ("w/.git/", ""),
        ("w/a/", ""),
        ("w/b/", ""),
        (&format!("elsewhere/{MODERN}"), "{}"),
        (&format!("elsewhere/{OLD}"), "{}"),
    ]);
    symlink(disk.path("elsewhere"), disk.path("w/link")).unwrap();
    symlink(disk.path("elsewhere/.devcontainer"), disk.path("w/a/.devcontainer")).unwrap();
    symlink(disk.path("elsewhere").join(OLD), disk.path("w/b").join(OLD)).unwrap();
    symlink("..", disk.path("w/b/up")).unwrap();
    disk.check(&[]);
}

#[test]
fn a_folder_has_its_clean_name_however_the_directory_is_written() {
    let disk =
        Disk::new(&[("w/.git/", ""), (&format!("w/{OLD}"), "{}"), (&format!("w/a/{OLD}"), "{}")]);
    for name in ["w/", "w/.", "w//a/../", "./w"] {
        let scan = scan(&disk.path(name), &disk.path("home"), &CancellationToken::new());
        let folders: Vec<PathBuf> =
            scan.projects.into_iter().map(|project| project.workspace_folder).collect();
        assert_eq!(folders, [disk.path("w"), disk.path("w/a")], "{name}");
    }
}

mod needs_root {
    use std::os::unix::fs::PermissionsExt;

    use agent_test::{NOBODY, as_user};

    use super::*;

    #[test]
    fn a_directory_that_cannot_be_read_is_skipped_though_its_file_can_be() {
        let files = ["w", "w/closed", "w/open"].map(|name| format!("{name}/{OLD}"));
        let disk =
            Disk::new(&[("w/.git/", ""), (&files[0], "{}"), (&files[1], "{}"), (&files[2], "{}")]);
        let set = |name: &str, mode| {
            fs::set_permissions(disk.path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        set("", 0o755);
        set("w/closed", 0o711);
        as_user(NOBODY, || disk.check(&[OLD, &format!("open/{OLD}")])).unwrap();
        set("w", 0o711);
        as_user(NOBODY, || disk.check(&[])).unwrap();
    }
}

#[test]
fn a_directory_that_is_not_there_has_nothing() {
    Disk::new(&[]).check(&[]);
}

#[test]
fn the_bounds_end_the_search_with_a_warning() {
    let files: Vec<(String, &str)> = (0..50).map(|n| (format!("w/{n}/{OLD}"), "{}")).collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let disk = Disk::new(&files);
    disk.write("w/.git/", "");
    let search = |entries, time, stop: &CancellationToken| {
        scan_within(&disk.path("w"), &disk.path("home"), stop, entries, time)
    };
    let stop = CancellationToken::new();
    let whole = search(101, MAX_TIME, &stop);
    assert_eq!((whole.projects.len(), whole.warning), (50, None));
    let short = search(60, MAX_TIME, &stop);
    assert!((1..50).contains(&short.projects.len()), "{}", short.projects.len());
    assert!(short.warning.unwrap().ends_with("ended after 60 entries"));
    let late = search(101, Duration::ZERO, &stop);
    assert!(late.warning.unwrap().ends_with("ended after 0 s"));
    stop.cancel();
    assert_eq!(search(101, MAX_TIME, &stop), Scan::default());
}
