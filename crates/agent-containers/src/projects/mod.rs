//! Looks through projects for dev containers.
