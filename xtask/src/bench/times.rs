//! Repeated measurements, taken in turns so that a busy moment of the machine hits both sides.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Measured durations, shortest first.
#[derive(Debug, Clone)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// Sorts measured durations; at least one.
    pub(super) fn new(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "something was measured");
        times.sort_unstable();
        Self(times)
    }

    /// The duration below which that share of them lies, 0.5 for the median.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let last = self.0.len() - 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index between 0 and the number of measurements"
        )]
        let index = (last as f64 * share).round() as usize;
        self.0[index.min(last)]
    }

    /// The median.
    pub(super) fn median(&self) -> Duration {
        self.quantile(0.5)
    }
}

/// Measures two things in turns, `rounds` times each after one unmeasured round.
///
/// # Errors
///
/// The first error of either.
pub(super) fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> Result<()>,
    mut reference: impl FnMut() -> Result<()>,
) -> Result<(Times, Times)> {
    ours()?;
    reference()?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_times.push(time(&mut ours)?);
        their_times.push(time(&mut reference)?);
    }
    Ok((Times::new(our_times), Times::new(their_times)))
}

/// Measures one call.
///
/// # Errors
///
/// That of the call.
pub(super) fn time(work: &mut impl FnMut() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_measurements() {
        let times = Times::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(times.median(), Duration::from_millis(51));
        assert_eq!(times.quantile(0.99), Duration::from_millis(99));
        assert_eq!(times.quantile(1.0), Duration::from_millis(100));
        assert_eq!(Times::new(vec![Duration::ZERO]).quantile(0.99), Duration::ZERO);
    }
}
