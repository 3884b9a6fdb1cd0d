//! Which repository encloses a path.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

fn root(path: PathBuf) -> PathBuf {
    located(&path).root
}

#[test]
fn the_nearest_repository_wins() {
    let place = Place::new();
    place.repository("outer");
    place.repository("outer/in/inner");
    assert_eq!(root(place.path("outer")), place.path("outer"));
    assert_eq!(root(place.path("outer/in")), place.path("outer"));
    assert_eq!(root(place.path("outer/in/inner")), place.path("outer/in/inner"));
    assert_eq!(root(place.path("outer/in/inner/no/such/../file")), place.path("outer/in/inner"));
    assert_eq!(discover(&place.path("")).unwrap(), Discovery::None);
    assert_eq!(discover(&place.path("missing/x")).unwrap(), Discovery::None);
}

#[test]
fn a_path_inside_of_git_belongs_to_the_repository_around_it() {
    let place = Place::new();
    place.repository("r");
    assert_eq!(root(place.path("r/.git")), place.path("r"));
    assert_eq!(root(place.path("r/.git/refs/heads/no/such")), place.path("r"));
}

#[test]
fn files_and_links_count_as_where_they_are() {
    let place = Place::new();
    let repository = place.repository("r");
    repository.write("d/file", "");
    symlink(place.path("r/d"), place.path("link")).unwrap();
    symlink("missing", place.path("r/broken")).unwrap();
    assert_eq!(root(place.path("r/d/file")), place.path("r"));
    assert_eq!(root(place.path("r/d/file/below")), place.path("r"));
    assert_eq!(root(place.path("r/broken")), place.path("r"));
    assert_eq!(root(place.path("link/new/file")), place.path("r"));
    assert_eq!(located(&place.path("link")).git_dir, place.path("r/.git"));
}

#[test]
fn a_deep_path_is_found() {
    let place = Place::new();
    place.repository("r");
    let deep = "d/".repeat(1000);
    fs::create_dir_all(place.path("r").join(&deep)).unwrap();
    assert_eq!(root(place.path("r").join(&deep)), place.path("r"));
    assert_eq!(root(place.path("r").join(deep.repeat(10))), place.path("r"));
}

#[test]
fn a_linked_work_tree_is_a_repository_of_its_own() {
    let place = Place::new();
    let main = place.with_commit("main");
    main.git(&["worktree", "add", "--quiet", "../linked"]);
    let expected = Location {
        root: place.path("linked"),
        git_dir: place.path("main/.git/worktrees/linked"),
        common_dir: place.path("main/.git"),
    };
    assert_eq!(located(&place.path("linked/x")), expected);
    assert!(exists(&expected));
    main.remove(".git/worktrees/linked");
    assert!(!exists(&expected));
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let place = Place::new();
    let part = place.with_commit("part");
    let whole = place.with_commit("whole");
    whole.git(&["submodule", "--quiet", "add", "../part", "sub"]);
    let location = located(&place.path("whole/sub/x"));
    assert_eq!(location.root, place.path("whole/sub"));
    assert_eq!(location.git_dir, place.path("whole/.git/modules/sub"));
    let commit = id(&part.text(&["rev-parse", "HEAD"]));
    assert_eq!(checked_out_commit(&place.path("whole/sub")), Some(commit));
    whole.git(&["-C", "sub", "checkout", "--quiet", "--detach"]);
    assert_eq!(checked_out_commit(&place.path("whole/sub")), Some(commit));
    whole.git(&["submodule", "--quiet", "deinit", "--force", "sub"]);
    assert!(!exists(&location), "its `.git` is gone");
    assert_eq!(checked_out_commit(&place.path("whole/sub")), None);
}

#[test]
fn a_checked_out_commit_may_be_packed_or_missing() {
    let place = Place::new();
    let repository = place.repository("r");
    assert_eq!(checked_out_commit(repository.root()), None);
    let commit = repository.commit_all("one");
    repository.git(&["pack-refs", "--all"]);
    assert_eq!(checked_out_commit(repository.root()), Some(id(&commit)));
    assert_eq!(checked_out_commit(&place.path("missing")), None);
}

#[test]
fn a_git_directory_may_be_elsewhere() {
    let place = Place::new();
    let path = place.path("git dir");
    let option = format!("--separate-git-dir={}", path.display());
    GitRepository::init_with(place.path("r"), &[&option]);
    let location = located(&place.path("r"));
    assert_eq!((&location.root, &location.git_dir), (&place.path("r"), &path));
    fs::write(place.path("r/.git"), "gitdir: ../git dir\n").unwrap();
    assert_eq!(located(&place.path("r")), location);
    assert!(exists(&location));
    fs::rename(&path, place.path("away")).unwrap();
    assert!(!exists(&location));
    assert_eq!(discover(&place.path("r")).unwrap(), Discovery::None);
}

#[test]
fn a_bare_repository_is_none() {
    let place = Place::new();
    let bare = GitRepository::init_with(place.path("bare.git"), &["--bare"]);
    assert_eq!(discover(bare.root()).unwrap(), Discovery::Bare);
    assert_eq!(discover(&place.path("bare.git/refs/heads")).unwrap(), Discovery::Bare);
    let marked = place.with_commit("marked");
    marked.git(&["worktree", "add", "--quiet", "../linked"]);
    marked.git(&["config", "core.bare", "true"]);
    assert_eq!(discover(&place.path("marked/x")).unwrap(), Discovery::Bare);
    assert_eq!(root(place.path("linked")), place.path("linked"));
}

#[test]
fn the_work_tree_may_be_elsewhere() {
    let place = Place::new();
    let repository = place.repository("home/dotfiles");
    repository.git(&["config", "core.worktree", "../.."]);
    let location = located(&place.path("home/dotfiles/x"));
    assert_eq!(location.root, place.path("home"));
    assert!(exists(&location));
    // Nothing in that directory leads to the repository.
    assert_eq!(discover(&place.path("home")).unwrap(), Discovery::None);
    repository.git(&["config", "core.worktree", "../../../elsewhere"]);
    fs::create_dir(place.path("elsewhere")).unwrap();
    assert_eq!(discover(&place.path("home/dotfiles")).unwrap(), Discovery::None);
}

#[test]
fn what_is_no_git_directory_is_passed_over() {
    let place = Place::new();
    let outer = place.repository("r");
    let check =
        |name: &str| assert_eq!(root(place.path("r").join(name)), place.path("r"), "{name}");
    fs::create_dir_all(place.path("r/empty/.git")).unwrap();
    check("empty");
    outer.write("garbage/.git", "garbage");
    check("garbage");
    outer.write("dangling/.git", "gitdir: /no/such\n");
    check("dangling");
    fs::create_dir_all(place.path("r/link")).unwrap();
    symlink("nowhere", place.path("r/link/.git")).unwrap();
    check("link");
    let damaged = place.repository("r/damaged");
    damaged.write(".git/HEAD", "nonsense\n");
    check("damaged");
    damaged.write(".git/HEAD", "ref: refs/heads/main\n");
    assert_eq!(root(place.path("r/damaged")), place.path("r/damaged"));
    damaged.remove(".git/objects");
    check("damaged");
}

#[test]
fn only_what_is_gone_does_not_exist() {
    let place = Place::new();
    let repository = place.with_commit("r");
    let location = located(repository.root());
    repository.remove(".git/HEAD");
    assert!(exists(&location), "a damaged repository is there");
    fs::rename(repository.path(".git"), place.path("old")).unwrap();
    assert!(!exists(&location));
    place.repository("r");
    assert!(exists(&location));
    fs::rename(place.path("r"), place.path("moved")).unwrap();
    assert!(!exists(&location));
}

#[cfg(target_os = "linux")]
mod needs_root {
    use std::os::unix::fs::PermissionsExt;

    use agent_test::{NOBODY, as_user};

    use super::*;

    #[test]
    fn a_directory_that_is_closed_counts_as_its_parent() {
        let place = Place::new();
        let repository = place.repository("r");
        repository.write("closed/file", "");
        let open = |path: &str, mode| {
            fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        open("", 0o755);
        open("r/closed", 0o700);
        let path = place.path("r/closed/file");
        let location = as_user(NOBODY, || located(&path)).unwrap();
        assert_eq!(location.root, place.path("r"));
        // Whether a repository is below cannot be known.
        open("r", 0o700);
        assert!(as_user(NOBODY, || discover(&path)).unwrap().is_err());
        assert!(as_user(NOBODY, || exists(&location)).unwrap());
    }
}
