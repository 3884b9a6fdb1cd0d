//! Any text as a devcontainer.json: no panic, and what is JSON already means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

// This is private to its crate and needs nothing else of it.
#[path = "../../src/customizations/jsonc.rs"]
mod jsonc;

fuzz_target!(|text: &str| {
    let parsed = jsonc::parse(text);
    if let Ok(plain) = serde_json::from_str::<Value>(text) {
        assert_eq!(parsed, Ok(plain));
    }
});
