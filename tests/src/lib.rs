//! The running agent, seen from outside.
