//! The operations as HTTP routes.
