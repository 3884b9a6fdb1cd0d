//! Who may log in, and what a login may do.
//!
//! On the TCP listener keys and certificates decide ([`FileKeys`]); behind doors that know their
//! caller everybody is welcome ([`AnyKey`]). Both end in a [`Grant`], which the rest of a
//! connection asks and never looks behind.

mod authenticator;
mod authorized_keys;
mod certificate;
mod decision;
mod expiry;
mod grant;
mod options;
mod pattern;
mod source;

pub(crate) use authenticator::{AnyKey, FileKeys, Policy};
pub(crate) use grant::{Grant, HostPort, Identity};
