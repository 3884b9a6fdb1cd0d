//! What the system can do with files beyond the portable calls; each function says what it does
//! where the system cannot.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    copy_attributes, keep_access_time, learn_locality, next_data, open_beneath_mount, open_cached,
    open_directory, read_cached, read_entries, rename_without_replacing, reserve,
};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{
    copy_attributes, keep_access_time, learn_locality, next_data, open_beneath_mount, open_cached,
    open_directory, read_cached, read_entries, rename_without_replacing, reserve,
};
