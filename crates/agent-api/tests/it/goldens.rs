//! Each wire type against its golden file: a value is written as exactly that text, and the text
//! is read as that value.
//!
//! A file under `golden/` is named after its type. `.json` holds an array of values, `.txt` one
//! query string a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    names::{self, Names},
    values::{Values, Wire, name_of, visit_all},
};

/// Other names of fields and variants, which are read and never written.
const OTHER_NAMES: [(&str, &str); 4] =
    [("Edit", "search"), ("Edit", "replace"), ("TerminalBackend", "auto"), ("TerminalBackend", "")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")
}

/// `ReadFileRequest` is in `read_file_request`, `ETag` in `etag`.
fn file_of<T>(extension: &str) -> String {
    let mut file = String::new();
    let mut was_lower = false;
    for letter in name_of::<T>().chars() {
        if letter.is_uppercase() && was_lower {
            file.push('_');
        }
        was_lower = letter.is_lowercase();
        file.extend(letter.to_lowercase());
    }
    format!("{file}.{extension}")
}

fn json_text<T: Wire>(values: &[T]) -> String {
    serde_json::to_string_pretty(values).unwrap() + "\n"
}

fn query_text<T: Wire>(values: &[T]) -> String {
    values.iter().map(|value| serde_urlencoded::to_string(value).unwrap() + "\n").collect()
}

fn check_text(file: &str, written: &str) -> String {
    let golden = fs::read_to_string(folder().join(file)).unwrap_or_default();
    assert!(golden == written, "golden/{file} should be, if the wire may change:\n{written}");
    golden
}

#[test]
fn every_type_is_written_and_read_like_its_golden() {
    struct Check;
    impl Values for Check {
        fn json<T: Wire>(&mut self, values: Vec<T>) {
            let golden = check_text(&file_of::<T>("json"), &json_text(&values));
            assert!(!golden.contains(": null"), "an optional field without a value is left out");
            assert_eq!(serde_json::from_str::<Vec<T>>(&golden).unwrap(), values);
        }

        fn query<T: Wire>(&mut self, values: Vec<T>) {
            let golden = check_text(&file_of::<T>("txt"), &query_text(&values));
            let read: Vec<T> =
                golden.lines().map(|line| serde_urlencoded::from_str(line).unwrap()).collect();
            assert_eq!(read, values);
        }
    }
    visit_all(&mut Check);
}

#[test]
fn a_golden_has_every_field_and_every_variant() {
    struct Check;
    impl Check {
        fn compare<T: Wire>(values: &[T]) {
            let values: Vec<Value> =
                values.iter().map(|value| serde_json::to_value(value).unwrap()).collect();
            let (expected, shown) = match names::of::<T>() {
                Names::Neither => return,
                Names::Variants(names) => {
                    (names, values.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>())
                }
                Names::Fields(names) => {
                    let fields = values.iter().filter_map(Value::as_object).flat_map(|o| o.keys());
                    (names, fields.map(String::as_str).collect())
                }
            };
            for name in expected {
                let is_other = OTHER_NAMES.contains(&(name_of::<T>(), name));
                assert!(is_other || shown.contains(name), "{}: {name}", name_of::<T>());
            }
        }
    }
    impl Values for Check {
        fn json<T: Wire>(&mut self, values: Vec<T>) {
            Self::compare(&values);
        }

        fn query<T: Wire>(&mut self, values: Vec<T>) {
            Self::compare(&values);
        }
    }
    visit_all(&mut Check);
}

/// The golden file of each type by the type's name.
fn files() -> BTreeMap<&'static str, String> {
    #[derive(Default)]
    struct Files(BTreeMap<&'static str, String>);
    impl Values for Files {
        fn json<T: Wire>(&mut self, _values: Vec<T>) {
            self.0.insert(name_of::<T>(), file_of::<T>("json"));
        }

        fn query<T: Wire>(&mut self, _values: Vec<T>) {
            self.0.insert(name_of::<T>(), file_of::<T>("txt"));
        }
    }
    let mut files = Files::default();
    visit_all(&mut files);
    files.0
}

#[test]
fn every_golden_file_belongs_to_a_type() {
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, files().into_values().collect());
}

#[test]
fn every_type_that_crosses_the_wire_has_a_golden() {
    let mut types = BTreeSet::new();
    collect_types(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut types);
    assert!(types.contains("ErrorBody") && types.contains("ETag"), "{types:?}");
    assert_eq!(types, files().into_keys().map(str::to_owned).collect());
}

/// Finds public types that derive or implement `Serialize` in the sources.
fn collect_types(folder: &Path, types: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_types(&path, types);
            continue;
        }
        let mut is_derived = false;
        for line in fs::read_to_string(&path).unwrap().lines() {
            if line.starts_with("#[derive(") {
                is_derived = line.contains(" Serialize") || line.contains("(Serialize");
            }
            let declared = ["pub struct ", "pub enum "]
                .iter()
                .find_map(|start| line.strip_prefix(start))
                .filter(|_| is_derived);
            let implemented = line.strip_prefix("impl Serialize for ");
            if let Some(rest) = declared.or(implemented) {
                let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                types.insert(rest[..end].to_owned());
            }
            // The attributes of an item end with the item.
            is_derived &= !line.starts_with('}') && !line.starts_with("pub ");
        }
    }
}
