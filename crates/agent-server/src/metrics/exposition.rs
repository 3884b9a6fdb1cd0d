//! From the registry to Prometheus' text format 0.0.4, which names counters a little differently
//! than OpenMetrics does.

use prometheus_client::registry::Registry;

/// Encodes every metric of a registry.
pub(super) fn encode(registry: &Registry) -> String {
    let mut open_metrics = String::with_capacity(8 * 1024);
    prometheus_client::encoding::text::encode_registry(&mut open_metrics, registry)
        .expect("writing to a string cannot fail");
    to_prometheus(&open_metrics)
}

/// Gives the head lines of counters the `_total` that their samples have.
///
/// OpenMetrics names the family without it, and a reader of 0.0.4 would take family and samples
/// for two different metrics.
fn to_prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 256);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        // The type is said after the help, and a gauge may have the name of a counter's family.
        let typed = if line.starts_with("# HELP ") { lines.peek().copied() } else { Some(line) };
        let is_counter =
            typed.is_some_and(|line| line.starts_with("# TYPE ") && line.ends_with(" counter"));
        let head = ["# HELP ", "# TYPE "].iter().find_map(|kind| {
            let (name, rest) = line.strip_prefix(kind)?.split_once(' ')?;
            is_counter.then(|| format!("{kind}{name}_total {rest}\n"))
        });
        match head {
            Some(head) => text.push_str(&head),
            None => text.extend([line, "\n"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_named_like_its_samples() {
        let open_metrics = "# HELP a Help.\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                            # HELP ab Help a.\n# TYPE ab gauge\nab 1\n\
                            # HELP a Now.\n# TYPE a gauge\na 3\n";
        let expected = "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
                        # HELP ab Help a.\n# TYPE ab gauge\nab 1\n\
                        # HELP a Now.\n# TYPE a gauge\na 3\n";
        assert_eq!(to_prometheus(open_metrics), expected);
    }
}
