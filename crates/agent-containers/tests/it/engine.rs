//! The engine that the tests of the crate itself use.

#[path = "../../src/engine/fake.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
pub(crate) mod fake;
