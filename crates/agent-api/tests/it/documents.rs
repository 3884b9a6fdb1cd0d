//! The documents in `docs/protocol/` against the routes: every route has a section, and every
//! section of an operation has a route.

use std::{collections::BTreeMap, fs, path::Path};

use agent_api::{Route, routes};

/// The protocol's documents by name.
fn documents() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The sections headed with the name of an operation: name and text.
fn sections(documents: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for text in documents.values() {
        let mut is_open = false;
        for line in text.lines() {
            if line.starts_with("## ") || line.starts_with("# ") {
                // Other things have sections too, but none is named in lower case.
                let name = line
                    .strip_prefix("## `")
                    .and_then(|rest| rest.strip_suffix('`'))
                    .filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
                is_open = name.is_some();
                sections.extend(name.map(|name| (name.to_owned(), String::new())));
            } else if is_open {
                let (_, section) = sections.last_mut().unwrap();
                section.push_str(line);
                section.push('\n');
            }
        }
    }
    sections
}

fn request(route: &Route) -> String {
    format!("`{} {}`", route.method.as_str(), route.path)
}

#[test]
fn every_route_has_a_line_in_the_section_of_its_operation() {
    let sections = sections(&documents());
    for route in routes::ALL {
        let of_operation: Vec<_> =
            sections.iter().filter(|(name, _)| name == route.operation).collect();
        let [(_, section)] = of_operation[..] else {
            panic!("{} has {} sections", route.operation, of_operation.len());
        };
        let request = request(route);
        assert!(section.lines().any(|line| line.starts_with(&request)), "{request}");
    }
}

#[test]
fn every_section_of_an_operation_and_every_request_in_it_has_a_route() {
    for (name, section) in sections(&documents()) {
        assert!(routes::ALL.iter().any(|route| route.operation == name), "{name}");
        for line in section.lines() {
            let request = line.strip_prefix('`').and_then(|rest| rest.split_once('`'));
            let Some((method, path)) = request.and_then(|(words, _)| words.split_once(" /")) else {
                continue;
            };
            let known = routes::ALL.iter().any(|route| {
                let methods = match route.method.as_str() {
                    "GET" => &["GET", "HEAD"][..],
                    other => &[other][..],
                };
                route.operation == name && methods.contains(&method) && route.path[1..] == *path
            });
            assert!(known, "{name}: {line}");
        }
    }
}

#[test]
fn the_table_of_routes_has_every_route_and_no_other() {
    let documents = documents();
    let table = documents["README.md"].split("\n## Routes\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows: Vec<(&str, &str)> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).collect();
    for route in routes::ALL {
        let request = request(route);
        let is_there =
            rows.iter().any(|(name, row)| *name == route.operation && row.contains(&request));
        assert!(is_there, "{}: {request}", route.operation);
    }
    for (name, _) in &rows {
        assert!(routes::ALL.iter().any(|route| route.operation == *name), "{name}");
    }
}

#[test]
fn every_block_of_json_is_a_document() {
    let mut blocks = 0;
    for (name, text) in documents() {
        for block in text.split("```json\n").skip(1) {
            let json = block.split("```").next().unwrap();
            let parsed = serde_json::from_str::<serde_json::Value>(json);
            assert!(parsed.is_ok(), "{name}: {json}");
            blocks += 1;
        }
    }
    assert!(blocks > 0);
}

#[test]
fn the_table_of_codes_has_every_code() {
    let errors = &documents()["errors.md"];
    for code in agent_api::ErrorCode::all() {
        let row = format!("| {} | {code:?} |", code.status());
        assert!(errors.contains(&row), "{row}");
    }
}
