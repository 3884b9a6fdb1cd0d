//! Paths of arbitrary text through arbitrary symbolic links: cleaned and resolved as the system
//! would, without a panic.
#![no_main]

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
    sync::LazyLock,
};

use agent_api::AbsolutePath;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

// The resolver is private to its crate and needs nothing else of it.
#[path = "../../src/resolve.rs"]
mod resolve;

const LINKS: u8 = 6;

/// Links in a small tree, and a path in it.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    links: [Text<'a>; LINKS as usize],
    path: Text<'a>,
    /// A path that need not be in the tree.
    anywhere: &'a str,
}

#[derive(Arbitrary, Debug)]
struct Text<'a> {
    absolute: bool,
    parts: Vec<Part<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Empty,
    Here,
    Above,
    Directory,
    Inner,
    File,
    Missing,
    Link(u8),
    Any(&'a str),
}

/// A tree of this process: `a/b` and `f`, to which each input adds its links.
static TREE: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = format!("agent-files-fuzz-paths-{}", std::process::id());
    let tree = std::env::temp_dir().canonicalize().expect("a directory").join(name);
    fs::create_dir_all(tree.join("a/b")).expect("a directory can be made");
    fs::write(tree.join("f"), "").expect("a file can be made");
    tree
});

impl Text<'_> {
    /// The text of a path, below the tree when it is absolute.
    fn of(&self) -> String {
        let link = |n: &u8| format!("l{}", n % LINKS);
        let parts = self.parts.iter().map(|part| match part {
            Part::Empty => String::new(),
            Part::Here => ".".to_owned(),
            Part::Above => "..".to_owned(),
            Part::Directory => "a".to_owned(),
            Part::Inner => "a/b".to_owned(),
            Part::File => "f".to_owned(),
            Part::Missing => "missing".to_owned(),
            Part::Link(n) => link(n),
            Part::Any(text) => (*text).to_owned(),
        });
        let text = parts.collect::<Vec<_>>().join("/");
        if self.absolute { format!("{}/{text}", TREE.display()) } else { text }
    }
}

fuzz_target!(|input: Input<'_>| {
    for (n, text) in input.links.iter().enumerate() {
        let link = TREE.join(format!("l{n}"));
        let _ = fs::remove_file(&link);
        // Empty, with NUL or too long: then this link is missing.
        let _ = symlink(text.of(), link);
    }
    check(&format!("{}/{}", TREE.display(), input.path.of()));
    check(input.anywhere);
});

fn check(text: &str) {
    let Ok(path) = AbsolutePath::parse(text) else { return };
    assert_eq!(AbsolutePath::parse(path.as_str()).as_ref(), Ok(&path), "cleaning is idempotent");
    assert!(is_clean(path.as_path()), "{path}");
    assert!(path.as_str().len() <= text.len());

    let resolved = resolve::resolve(path.as_path());
    if let (Some(parent), Some(name)) = (path.as_path().parent(), path.as_path().file_name()) {
        let kept = resolve::resolve_parent(path.as_path());
        let expected = resolve::resolve(parent).map(|parent| parent.join(name));
        assert_eq!(kept.map_err(number), expected.map_err(number));
    }
    let really = path.as_path().canonicalize();
    match (resolved, really) {
        (Ok(resolved), Ok(really)) => assert_eq!(resolved, really),
        (Err(error), Ok(really)) => panic!("{path} is {}, not {error}", really.display()),
        // What the system says of it may come from behind the first missing component.
        (Ok(resolved), Err(_)) => {
            assert!(is_clean(&resolved), "{}", resolved.display());
            let again = resolve::resolve(&resolved).map_err(number);
            assert_eq!(again, Ok(resolved), "resolving is idempotent");
        }
        (Err(_), Err(_)) => {}
    }
}

fn is_clean(path: &Path) -> bool {
    let mut components = path.components();
    components.next() == Some(Component::RootDir)
        && components.all(|component| matches!(component, Component::Normal(_)))
}

fn number(error: io::Error) -> Option<i32> {
    error.raw_os_error()
}
