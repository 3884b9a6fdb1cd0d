//! What a new process says about itself before its program executes.

use std::io::{self, PipeReader};

use rustix::io::Errno;

use super::means::{Extra, Warnings};
use crate::sys::{RECORD, Stage};

/// What a new process said.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether it could not join its cgroup.
    pub(super) outside: bool,
    /// Why its program does not execute; `None` when it does.
    pub(super) failed: Option<(Stage, io::Error)>,
}

/// Reads until the program executes or the process has given up.
///
/// A process that is killed before that counts as executing: its exit tells.
pub(super) fn hear(status: &PipeReader, warnings: &Warnings) -> Report {
    let mut report = Report::default();
    let mut record = [0; RECORD];
    loop {
        match rustix::io::read(status, &mut record) {
            // A pipe hands out in one piece what was written in one piece and fits.
            Ok(RECORD) => {}
            Ok(_) => return report,
            Err(Errno::INTR) => continue,
            Err(error) => {
                tracing::error!(%error, "cannot hear how a command starts");
                return report;
            }
        }
        let Some((stage, errno)) = Stage::read(record) else { return report };
        let error = io::Error::from_raw_os_error(errno);
        match stage {
            Stage::OomScore => warnings.warn(Extra::OomScore, &error),
            Stage::Nice => warnings.warn(Extra::Nice, &error),
            Stage::OpenFiles => warnings.warn(Extra::OpenFiles, &error),
            Stage::Outside => report.outside = true,
            stage => {
                report.failed = Some((stage, error));
                return report;
            }
        }
    }
}
