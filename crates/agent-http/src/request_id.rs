//! The id that a request carries through logs and back to its client.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

/// The header, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

const MAX_BYTES: usize = 64;

/// Takes over a sound id of the client or makes a new one.
pub(crate) fn choose(given: Option<&HeaderValue>) -> HeaderValue {
    match given {
        Some(value) if is_sound(value.as_bytes()) => value.clone(),
        _ => fresh(),
    }
}

fn is_sound(id: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(allowed)
}

/// Start time and a counter: unique within a machine's life, cheap, and sortable by age.
fn fresh() -> HeaderValue {
    static START: LazyLock<u64> = LazyLock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    HeaderValue::from_str(&format!("{:x}-{number:x}", *START))
        .expect("hex digits and a dash are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_id_is_taken_over_and_any_other_replaced() {
        let long = "a".repeat(MAX_BYTES + 1);
        let cases =
            [("abc-1.2_Z", true), (&long[1..], true), (&long, false), ("", false), ("a b", false)];
        for (given, kept) in cases {
            let value = HeaderValue::from_str(given).unwrap();
            assert_eq!(choose(Some(&value)) == value, kept, "{given}");
        }
        assert_ne!(choose(None), choose(None));
    }
}
