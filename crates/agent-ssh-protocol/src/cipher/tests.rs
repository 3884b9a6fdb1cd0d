//! Tests of packet protection.
