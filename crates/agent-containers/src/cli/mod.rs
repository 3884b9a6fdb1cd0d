//! Runs the official devcontainer command and understands what it prints.
