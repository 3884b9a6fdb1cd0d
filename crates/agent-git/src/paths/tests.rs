//! The store against a model, with restarts, torn files and a disk that refuses.

use std::{collections::HashMap, fs};

use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { paths: 4, chats: 3, loaded_bytes: 700, spare_lines: 3 };

fn chat(number: u8) -> ChatId {
    format!("11111111-1111-1111-1111-1111111111{number:02x}").parse().unwrap()
}

fn caller(number: u8, ancestors: &[u8]) -> Caller {
    let ancestors: Vec<_> = ancestors.iter().copied().map(chat).collect();
    Caller::new(Some(chat(number)), &ancestors).unwrap()
}

fn path(text: &str) -> AbsolutePath {
    AbsolutePath::parse(text).unwrap()
}

fn all(store: &PathStore, number: u8) -> Vec<String> {
    let paths = store.paths_since(chat(number), 0).0;
    paths.iter().map(|path| path.as_str().to_owned()).collect()
}

#[test]
fn a_chat_and_its_ancestors_see_what_is_recorded_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().join("git"));
    store.record(&caller(1, &[2, 3]), &[path("/a"), path("/b\n\"\\ä")]);
    store.record(&Caller::anonymous(), &[path("/nobody")]);
    for number in [1, 2, 3] {
        assert_eq!(all(&store, number), ["/a", "/b\n\"\\ä"]);
    }
    assert!(all(&store, 4).is_empty());
    assert_eq!(store.chats(), 3);
}

#[test]
fn nothing_is_made_on_the_disk_before_a_path_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().join("state/git"));
    assert!(all(&store, 1).is_empty());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    store.record(&caller(1, &[]), &[path("/a")]);
    let mode = |path: PathBuf| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(store.directory.clone()), 0o700);
    assert_eq!(mode(store.file(chat(1))), 0o600);
}

#[test]
fn what_is_new_is_told_by_number_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().to_owned());
    store.record(&caller(1, &[]), &[path("/a"), path("/b")]);
    let (_, seen) = store.paths_since(chat(1), 0);
    assert_eq!(store.paths_since(chat(1), seen), (Vec::new(), seen));
    let store = PathStore::new(dir.path().to_owned());
    store.record(&caller(1, &[]), &[path("/a"), path("/c")]);
    let (new, seen) = store.paths_since(chat(1), seen);
    assert_eq!(new, [path("/a"), path("/c")]);
    assert_eq!(store.paths_since(chat(1), seen).0, []);
    assert_eq!(all(&store, 1), ["/b", "/a", "/c"]);
}

#[tokio::test]
async fn listeners_are_told_once_for_many_tellings() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().to_owned());
    let (mut parent, mut other) = (store.subscribe(chat(2)), store.subscribe(chat(9)));
    store.record(&caller(1, &[2]), &[path("/a")]);
    store.record(&caller(1, &[2]), &[path("/b")]);
    store.tell_scan(&caller(1, &[2]));
    assert!(parent.has_changed().unwrap() && !other.has_changed().unwrap());
    let told = *parent.borrow_and_update();
    assert_eq!(told, Told { paths: 2, scans: 1 });
    assert!(!parent.has_changed().unwrap());
    store.tell_all_scan();
    assert_eq!(other.borrow_and_update().scans, 1);
    drop((parent, other));
    let _last = store.subscribe(chat(3));
    assert_eq!(store.listeners.lock().len(), 1);
}

#[test]
fn a_torn_line_is_left_out_and_repaired_by_the_next_recording() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().to_owned());
    store.record(&caller(1, &[]), &[path("/a"), path("/b")]);
    let file = store.file(chat(1));
    let whole = fs::read(&file).unwrap();
    for cut in 1..=whole.len() {
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        let store = PathStore::new(dir.path().to_owned());
        store.record(&caller(1, &[]), &[path("/c")]);
        let store = PathStore::new(dir.path().to_owned());
        let paths = all(&store, 1);
        assert_eq!(paths.last().unwrap(), "/c");
        let lines = whole[..whole.len() - cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(paths.len(), lines + 1, "{paths:?}");
    }
    let garbage = [&b"\xff\n12 nonsense\n\n7 \"relative\"\n"[..], &whole].concat();
    fs::write(&file, garbage).unwrap();
    assert_eq!(all(&PathStore::new(dir.path().to_owned()), 1), ["/a", "/b"]);
}

#[test]
fn a_disk_that_refuses_costs_nothing_while_the_chat_is_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("git");
    fs::write(&blocked, "a file where the directory should be").unwrap();
    let store = PathStore::new(blocked.clone());
    store.record(&caller(1, &[]), &[path("/a")]);
    store.record(&caller(1, &[]), &[path("/b")]);
    assert_eq!(all(&store, 1), ["/a", "/b"]);
    fs::remove_file(&blocked).unwrap();
    store.record(&caller(1, &[]), &[path("/c")]);
    assert_eq!(all(&PathStore::new(blocked), 1), ["/a", "/b", "/c"]);
}

#[test]
fn a_file_stays_short_however_often_its_paths_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::with_limits(dir.path().to_owned(), SMALL);
    for round in 0..100 {
        store.record(&caller(1, &[]), &[path(&format!("/{}", round % 3))]);
        let lines = fs::read_to_string(store.file(chat(1))).unwrap().lines().count();
        assert!(lines <= 2 * 3 + SMALL.spare_lines, "{lines}");
    }
    fs::write(dir.path().join(format!("{}.new", chat(1))), "left").unwrap();
    let store = PathStore::with_limits(dir.path().to_owned(), SMALL);
    assert_eq!(all(&store, 1), ["/1", "/2", "/0"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_documented_bounds_hold() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().to_owned());
    let paths: Vec<_> = (0..=MAX_PATHS).map(|n| path(&format!("/{n}"))).collect();
    store.record(&caller(1, &[]), &paths);
    let (kept, _) = store.paths_since(chat(1), 0);
    assert_eq!(kept, &paths[1..]);
}

/// What a store should know: chats by their last recording, each with its paths likewise.
#[derive(Debug, Default)]
struct Model {
    order: Vec<u8>,
    paths: HashMap<u8, Vec<String>>,
}

impl Model {
    fn record(&mut self, chat: u8, path: &str) {
        self.order.retain(|other| *other != chat);
        self.order.push(chat);
        let paths = self.paths.entry(chat).or_default();
        paths.retain(|other| other != path);
        paths.push(path.to_owned());
        if paths.len() > SMALL.paths {
            paths.remove(0);
        }
        if self.order.len() > SMALL.chats {
            let oldest = self.order.remove(0);
            self.paths.remove(&oldest);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Record(u8, Vec<u8>, u8),
    Restart,
    /// The agent dies while it appends a line to a chat's file.
    Torn(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let ancestors = proptest::collection::vec(0..5_u8, 0..3);
    prop_oneof![
        8 => (0..5_u8, ancestors, 0..7_u8).prop_map(|(by, up, path)| Step::Record(by, up, path)),
        1 => Just(Step::Restart),
        1 => (0..5_u8).prop_map(Step::Torn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn the_store_remembers_what_a_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = PathStore::with_limits(dir.path().to_owned(), SMALL);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Record(by, ancestors, number) => {
                    let (by, text) = (caller(by, &ancestors), format!("/{number}"));
                    store.record(&by, &[path(&text)]);
                    let seen = chats(&by).map(|id| (0..5).find(|n| chat(*n) == id).unwrap());
                    seen.for_each(|number| model.record(number, &text));
                }
                Step::Restart => store = PathStore::with_limits(dir.path().to_owned(), SMALL),
                Step::Torn(number) => {
                    let file = store.file(chat(number));
                    if let Ok(mut content) = fs::read(&file) {
                        content.extend(b"999 \"/tor");
                        fs::write(&file, content).unwrap();
                    }
                    store = PathStore::with_limits(dir.path().to_owned(), SMALL);
                }
            }
            for number in 0..5 {
                let expected = model.paths.get(&number).cloned().unwrap_or_default();
                prop_assert_eq!(all(&store, number), expected);
            }
        }
    }
}

#[test]
fn a_file_whose_numbers_were_not_seen_at_the_start_takes_new_paths() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().to_owned());
    store.record(&caller(1, &[]), &[path("/a"), path("/b")]);
    // What a crash of the machine can leave: longer than where the last number is looked for.
    let mut torn = fs::read(store.file(chat(1))).unwrap();
    torn.extend_from_slice(&vec![0; 70_000]);
    fs::write(store.file(chat(1)), torn).unwrap();
    let store = PathStore::new(dir.path().to_owned());
    let (_, seen) = store.paths_since(chat(1), 0);
    store.record(&caller(1, &[]), &[path("/c")]);
    assert_eq!(all(&store, 1), ["/a", "/b", "/c"]);
    assert_eq!(store.paths_since(chat(1), seen).0, [path("/c")]);
    assert_eq!(all(&PathStore::new(dir.path().to_owned()), 1), ["/a", "/b", "/c"]);
}

#[test]
fn a_directory_that_cannot_be_read_is_read_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = PathStore::new(dir.path().join("git"));
    store.record(&caller(1, &[]), &[path("/a")]);
    let away = dir.path().join("away");
    fs::rename(&store.directory, &away).unwrap();
    // No directory, which root could read whatever its mode.
    fs::write(&store.directory, "").unwrap();
    let store = PathStore::new(store.directory.clone());
    assert!(all(&store, 1).is_empty());
    fs::remove_file(&store.directory).unwrap();
    fs::rename(&away, &store.directory).unwrap();
    assert_eq!(all(&store, 1), ["/a"]);
}
