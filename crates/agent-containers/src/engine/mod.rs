//! The container engine: found, asked, listened to.
