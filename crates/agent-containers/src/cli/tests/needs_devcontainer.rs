//! The real command, with a container engine.
