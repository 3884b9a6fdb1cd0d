//! Notices when the configuration files of dev containers change.
