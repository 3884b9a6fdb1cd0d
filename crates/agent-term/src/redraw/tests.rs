//! Tests of redraws.
