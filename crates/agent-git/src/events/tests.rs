//! Tests with the queue of the real kernel.
