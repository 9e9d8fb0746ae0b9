//! Where the next page of a list begins. A token holds the last entry of its page, so that nothing is left out or told twice
//! when others make and delete entries between two pages.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::Value;

/// What the names of members end with that tell an entry from others.
const NAMES: [&str; 5] = ["Name", "Id", "Arn", "arn", "Version"];

/// So many entries of a list from where a token says, and the token of the page after them; nothing if it is no token of this
/// list.
pub(super) fn page(
    list: &str,
    token: Option<&str>,
    entries: Vec<Value>,
    most: usize,
) -> Option<(Value, Option<String>)> {
    let start = token.map_or(Some(0), |token| read(list, token, &entries))?;
    let next = (start + most < entries.len()).then(|| self::token(list, &entries, start + most));
    Some((entries.into_iter().skip(start).take(most).collect(), next))
}

/// The token of the page that begins after so many entries of a list.
fn token(list: &str, entries: &[Value], before: usize) -> String {
    let end = before.checked_sub(1).and_then(|index| entries.get(index)).map(identity);
    let text = serde_json::json!([list, before, end.unwrap_or_default()]).to_string();
    BASE64.encode(text)
}

/// The index at which the page of a token begins; nothing if it is no token of this list.
fn read(list: &str, token: &str, entries: &[Value]) -> Option<usize> {
    let (of, before, end): (String, usize, String) = serde_json::from_slice(&BASE64.decode(token).ok()?).ok()?;
    if of != list {
        return None;
    }
    let identities: Vec<_> = entries.iter().map(identity).collect();
    let place = match identities.iter().position(|one| *one == end) {
        Some(at) => at + 1,
        // It is gone, and others with it, perhaps.
        None if identities.is_sorted() => identities.partition_point(|one| *one < end),
        None => before,
    };
    Some(place.min(entries.len()))
}

/// What tells an entry from the others of its list.
fn identity(entry: &Value) -> String {
    let members = entry.as_object().into_iter().flatten();
    let named = members.filter(|(name, value)| value.is_string() && NAMES.iter().any(|end| name.ends_with(end)));
    let identity: String = named.map(|(_, value)| value.to_string()).collect();
    if identity.is_empty() { entry.to_string() } else { identity }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn things(names: &[&str]) -> Vec<Value> {
        names.iter().map(|name| json!({"thingName": name, "version": names.len()})).collect()
    }

    #[test]
    fn what_others_do_between_two_pages_leaves_nothing_out_and_tells_nothing_twice() {
        fidelity::fidelity!("registry-15");
        let of = |entries: &[Value], token: &str| read("things", token, entries);
        let token = token("things", &things(&["a", "b", "c", "d"]), 2);
        for (now, next) in [
            (&["a", "b", "c", "d"][..], 2),
            (&["b", "c", "d"], 1),
            (&["a", "aa", "b", "c"], 3),
            (&["a", "c", "d"], 1),
            (&["c", "d"], 0),
            (&["a"], 1),
            (&[], 0),
        ] {
            assert_eq!(of(&things(now), &token), Some(next), "{now:?}");
        }
        let newest_first = things(&["d", "c", "b"]);
        let second = super::token("things", &newest_first, 1);
        assert_eq!(of(&things(&["e", "d", "c", "b"]), &second), Some(2), "one that was made meanwhile");
        assert_eq!(read("groups", &token, &[]), None, "a token of another list");
        assert_eq!(of(&[], "x"), None);
    }
}
