//! Topics and topic filters: what AWS IoT Core accepts as one, and which filter matches which topic.
//!
//! The limits are those of the service's quota table: 256 bytes, and seven slashes beyond a reserved prefix.

/// The longest topic or filter in bytes.
const MAX_BYTES: usize = 256;

/// The most slashes of a topic or filter; those of `$aws/things/` and the like are not counted.
const MAX_SLASHES: usize = 7;

/// Segments of a reserved topic that the slash limit leaves out.
const RESERVED_SEGMENTS: usize = 3;

/// Whether a message may be published to this topic.
#[must_use]
pub(super) fn valid_topic(topic: &str) -> bool {
    within_limits(topic) && !topic.contains(['+', '#'])
}

/// Whether this filter may be subscribed to. Shared subscriptions are not emulated and count as invalid.
#[must_use]
pub(super) fn valid_filter(filter: &str) -> bool {
    let segments: Vec<_> = filter.split('/').collect();
    let last = segments.len() - 1;
    within_limits(filter)
        && !filter.starts_with("$share/")
        && segments.iter().enumerate().all(|(index, segment)| match *segment {
            "+" => true,
            "#" => index == last,
            other => !other.contains(['+', '#']),
        })
}

/// Whether a filter matches a topic, by MQTT's rules: a leading wildcard does not match a topic that begins with `$`.
#[must_use]
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic = topic.split('/');
    for segment in filter.split('/') {
        match (segment, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

fn within_limits(topic: &str) -> bool {
    let slashes = topic.matches('/').count();
    let reserved = if topic.starts_with("$aws/") { RESERVED_SEGMENTS } else { 0 };
    !topic.is_empty() && topic.len() <= MAX_BYTES && slashes.saturating_sub(reserved) <= MAX_SLASHES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_mqtt_says() {
        fidelity::fidelity!("iot-7");
        assert!(matches("a/+/c", "a/b/c"));
        assert!(matches("a/#", "a"));
        assert!(matches("a/#", "a/b/c"));
        assert!(!matches("a/+", "a"));
        assert!(!matches("a/b", "a/b/c"));
        assert!(!matches("#", "$aws/things/T/jobs/notify"));
        assert!(matches("$aws/things/T/jobs/$next/get/+", "$aws/things/T/jobs/$next/get/accepted"));
    }

    #[test]
    fn limits_are_those_of_the_quota_table() {
        fidelity::fidelity!("iot-8");
        assert!(valid_topic("1/2/3/4/5/6/7/8"));
        assert!(!valid_topic("1/2/3/4/5/6/7/8/9"));
        assert!(valid_topic("$aws/things/T/1/2/3/4/5/6/7/8"));
        assert!(!valid_topic(&"x".repeat(257)));
        assert!(!valid_topic("a/+"));
        assert!(!valid_filter("a/#/b"));
        assert!(!valid_filter("a/b+"));
    }
}
