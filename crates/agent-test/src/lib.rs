//! Helpers for tests; a dev-dependency only.
