//! Tests of key exchange.
