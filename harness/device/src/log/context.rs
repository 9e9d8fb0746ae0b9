//! The order in which a Java `HashMap` is iterated, which is the order of a line's context.

/// Entries in the iteration order of a Java `HashMap` that they were put into one after the other; a key that comes
/// again keeps its place and takes the new value.
pub(crate) fn java_order(entries: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut unique: Vec<(&str, &str)> = Vec::new();
    // The component and its state are defaults of its logger, so they are in the map before anything else.
    let (defaults, own): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| DEFAULTS.contains(&key.as_str()));
    for (key, value) in defaults.into_iter().chain(own) {
        match unique.iter_mut().find(|(known, _)| known == key) {
            Some(entry) => entry.1 = value,
            None => unique.push((key, value)),
        }
    }
    hash_order(&mut unique);
    unique
}

/// Brings entries with different keys into the iteration order of a Java `HashMap` that they were put into in this order.
pub(crate) fn hash_order<K: AsRef<str>, V>(entries: &mut [(K, V)]) {
    let mut capacity = 16;
    while entries.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    // Stable: entries of one bucket keep their insertion order, also through a resize.
    entries.sort_by_key(|(key, _)| bucket(key.as_ref(), capacity));
}

const DEFAULTS: [&str; 2] = ["serviceName", "currentState"];

fn bucket(key: &str, capacity: usize) -> usize {
    let hash = key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;

    fn order(keys: &[&str]) -> Vec<String> {
        let entries: Vec<_> = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        java_order(&entries).into_iter().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn context_is_in_hash_order() {
        fidelity!("core-log-2");
        let keys = ["statusCode", "exitCode", "reason", "serviceName", "currentState"];
        assert_eq!(order(&keys), ["reason", "exitCode", "serviceName", "currentState", "statusCode"]);
        for (key, expected) in [("Status", 0), ("DeploymentId", 2), ("stage", 4), ("JobId", 14), ("user", 13)] {
            assert_eq!(bucket(key, 16), expected, "{key}");
        }
    }

    #[test]
    fn the_loggers_own_keys_come_first_in_their_bucket() {
        fidelity!("core-log-2");
        assert_eq!(order(&["error", "event", "currentState"]), ["currentState", "error", "event"]);
        assert_eq!(order(&["event", "error"]), ["event", "error"]);
    }

    #[test]
    fn the_thirteenth_key_doubles_the_table() {
        fidelity!("core-log-2");
        // U+0080 is in bucket 0 of either table, `p` (0x70) moves from bucket 0 to bucket 16.
        assert_eq!(order(&["p", "\u{80}"]), ["p", "\u{80}"]);
        let keys = ["p", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "\u{80}"];
        let thirteen = order(&keys);
        assert_eq!((thirteen[0].as_str(), thirteen[12].as_str()), ("\u{80}", "p"));
    }
}
