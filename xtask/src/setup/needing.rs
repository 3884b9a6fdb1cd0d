//! Which tests need a component: those in a module named `needs_` and the component.
//!
//! A name is enough for `cargo test --skip`, and a plain `cargo test` runs them all and fails where one
//! cannot work. So no test decides by itself that it is not needed today.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::{shell, tokens, workspace};

/// Returns the name of the modules whose tests need a component.
pub(crate) fn module(component: &str) -> String {
    format!("needs_{}", component.replace('-', "_"))
}

/// Returns the tests that need a component, each as its file and its name.
///
/// # Errors
///
/// The files of the workspace cannot be listed or read.
pub(super) fn tests(component: &str) -> Result<Vec<String>> {
    let module = module(component);
    let mut found = Vec::new();
    for path in workspace::files()?.iter().filter(|path| path.ends_with(".rs")) {
        let text = fs::read_to_string(shell::root().join(path))?;
        found.extend(tests_in(path, &text, &module));
    }
    Ok(found)
}

fn tests_in(path: &str, text: &str, module: &str) -> Vec<String> {
    // A file that is not Rust is the compiler's to refuse.
    let tokens = tokens::read(text).unwrap_or_default();
    let is_module = Path::new(path).with_extension("").ends_with(module)
        || path.contains(&format!("/{module}/"));
    let modules = tokens::modules(&tokens, module);
    tokens::tests(&tokens)
        .into_iter()
        .filter(|test| is_module || modules.iter().any(|lines| lines.contains(test.lines.start())))
        .map(|test| format!("{path}: {}", test.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_in_modules_and_files_of_that_name() {
        let text = "//! X.\n#[test]\nfn a() {}\nmod needs_root {\n#[test]\nfn b() {}\n}\n";
        let check = |path: &str, expected: &[&str]| {
            assert_eq!(tests_in(path, text, &module("root")), expected)
        };
        check("t/it/x.rs", &["t/it/x.rs: b"]);
        check("t/it/needs_root.rs", &["t/it/needs_root.rs: a", "t/it/needs_root.rs: b"]);
        check("t/it/needs_root/x.rs", &["t/it/needs_root/x.rs: a", "t/it/needs_root/x.rs: b"]);
        check("t/it/needs_root2.rs", &["t/it/needs_root2.rs: b"]);
    }
}
