//! The status machine of a dev container: what may follow what.
//!
//! ```text
//!           bring up                    bring up
//!  stopped ----------> starting <------------------ running, error
//!     ^ |  up gave one   |  | up gave none
//!     | +---- running <--+  +------------> error <-- a step failed -+
//!     |          |                                                  |
//!     +- listed -+          delete                                  |
//!  stopped, running, error --------> stopping ------> deleting -----+----> forgotten
//! ```

use agent_api::{DevContainerStatus as Status, Timestamp};

/// What happens to a dev container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The engine told its containers.
    Listed {
        /// The container of the folder.
        container: Option<Found>,
        /// When the last failure was.
        error_at: Option<Timestamp>,
    },
    /// It is to be brought up.
    BringUp,
    /// Bringing it up gave a container.
    UpGaveContainer,
    /// Bringing it up gave none.
    UpGaveNone,
    /// It is to be deleted.
    Delete,
    /// Its container has stopped, to be deleted.
    ContainerStopped,
    /// A step of its deletion failed.
    StepFailed,
}

/// A container of the engine, as far as the machine cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) is_running: bool,
    pub(super) created_at: Timestamp,
}

/// Whether a running operation owns the dev container.
pub(super) fn is_owned(status: Status) -> bool {
    matches!(status, Status::Starting | Status::Stopping | Status::Deleting)
}

/// The status after an event; `None` when it stays, or the event may not happen now.
pub(super) fn step(before: Status, event: Event) -> Option<Status> {
    match event {
        Event::Listed { container, error_at } => listed(before, container, error_at),
        Event::BringUp => (!is_owned(before)).then_some(Status::Starting),
        Event::UpGaveContainer => (before == Status::Starting).then_some(Status::Running),
        Event::UpGaveNone => (before == Status::Starting).then_some(Status::Error),
        Event::Delete => (!is_owned(before)).then_some(Status::Stopping),
        Event::ContainerStopped => (before == Status::Stopping).then_some(Status::Deleting),
        Event::StepFailed => {
            matches!(before, Status::Stopping | Status::Deleting).then_some(Status::Error)
        }
    }
}

fn listed(before: Status, container: Option<Found>, error_at: Option<Timestamp>) -> Option<Status> {
    if is_owned(before) {
        return None;
    }
    if before == Status::Error {
        let found = container?;
        if error_at.is_some_and(|at| found.created_at < at) {
            return None;
        }
    }
    let is_running = container.is_some_and(|found| found.is_running);
    Some(if is_running { Status::Running } else { Status::Stopped })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Status; 6] = [
        Status::Running,
        Status::Stopped,
        Status::Starting,
        Status::Stopping,
        Status::Deleting,
        Status::Error,
    ];

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    fn found(is_running: bool, ms: i64) -> Option<Found> {
        Some(Found { is_running, created_at: at(ms) })
    }

    #[test]
    fn each_listing_applies_the_table() {
        let cases = [
            (Status::Starting, found(true, 9), None),
            (Status::Stopping, found(true, 9), None),
            (Status::Deleting, None, None),
            (Status::Error, None, None),
            (Status::Error, found(true, 4), None),
            (Status::Error, found(false, 4), None),
            (Status::Error, found(true, 6), Some(Status::Running)),
            (Status::Error, found(false, 6), Some(Status::Stopped)),
            (Status::Running, found(true, 4), Some(Status::Running)),
            (Status::Running, found(false, 4), Some(Status::Stopped)),
            (Status::Running, None, Some(Status::Stopped)),
            (Status::Stopped, found(true, 4), Some(Status::Running)),
            (Status::Stopped, found(false, 4), Some(Status::Stopped)),
            (Status::Stopped, None, Some(Status::Stopped)),
        ];
        for (before, container, expected) in cases {
            let event = Event::Listed { container, error_at: Some(at(5)) };
            assert_eq!(step(before, event), expected, "{before:?} {container:?}");
        }
    }

    #[test]
    fn operations_follow_the_diagram() {
        use Status::{Deleting, Error, Running, Starting, Stopping};
        // In the order of `ALL`: running, stopped, starting, stopping, deleting, error.
        let cases = [
            (Event::BringUp, [Some(Starting), Some(Starting), None, None, None, Some(Starting)]),
            (Event::UpGaveContainer, [None, None, Some(Running), None, None, None]),
            (Event::UpGaveNone, [None, None, Some(Error), None, None, None]),
            (Event::Delete, [Some(Stopping), Some(Stopping), None, None, None, Some(Stopping)]),
            (Event::ContainerStopped, [None, None, None, Some(Deleting), None, None]),
            (Event::StepFailed, [None, None, None, Some(Error), Some(Error), None]),
        ];
        for (event, expected) in cases {
            assert_eq!(ALL.map(|before| step(before, event)), expected, "{event:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_its_own_operation_moves_an_owned_one(
            events in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_i64..20), 0..20),
        ) {
            for before in ALL.into_iter().filter(|status| is_owned(*status)) {
                for (is_there, is_running, ms) in &events {
                    let container = found(*is_running, *ms).filter(|_| *is_there);
                    let event = Event::Listed { container, error_at: Some(at(10)) };
                    prop_assert_eq!(step(before, event), None);
                }
                prop_assert_eq!(step(before, Event::BringUp), None);
                prop_assert_eq!(step(before, Event::Delete), None);
            }
        }
    }
}
