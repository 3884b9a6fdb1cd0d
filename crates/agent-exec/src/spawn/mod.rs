//! One spawn from beginning to end, by the means of each system.

#[cfg(target_os = "linux")]
mod arguments;
mod ends;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod means;
#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(target_os = "linux")]
mod priority;
#[cfg(target_os = "linux")]
mod report;

#[cfg(target_os = "linux")]
pub(crate) use linux::spawn;
#[cfg(target_os = "linux")]
pub(crate) use means::Means;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{Means, spawn};
