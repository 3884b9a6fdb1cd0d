//! Agents inside dev containers.
