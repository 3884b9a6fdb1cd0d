//! Tests of trackers under paused time.
