//! What an audit tells.

use super::Audited;
use leak::Found;
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write};

/// For a person.
#[must_use]
pub fn human(audited: &Audited) -> String {
    let surveyed = &audited.surveyed;
    let count = match surveyed.found.len() {
        0 => "no secret found".to_owned(),
        1 => "1 leak".to_owned(),
        count => format!("{count} leaks"),
    };
    let mut text = format!("{}: {count} ({} files, {} MiB)\n", audited.of, surveyed.files, surveyed.bytes >> 20);
    surveyed.found.iter().for_each(|found| text += &finding(found));
    for (reason, found) in by_reason(audited) {
        let more = if found.len() > 1 { format!(" and {} others", found.len() - 1) } else { String::new() };
        _ = writeln!(text, "  accepted: {} in {}{more}: {reason}", found[0].secret, found[0].place);
    }
    for (why, count, some) in &surveyed.unopened {
        let more = if *count > some.len() as u64 { ", …" } else { "" };
        _ = writeln!(text, "  not searched: {why} ({count}): {}{more}", some.join(", "));
    }
    for name in &audited.unsearched {
        _ = writeln!(text, "  not searched: {name} is shorter than {} characters", leak::SHORTEST);
    }
    text
}

fn by_reason(audited: &Audited) -> BTreeMap<&str, Vec<&Found>> {
    let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (found, reason) in &audited.accepted {
        reasons.entry(reason.as_str()).or_default().push(found);
    }
    reasons
}

fn finding(found: &Found) -> String {
    let part = if found.whole { "" } else { ", a part of it" };
    let split = if found.split { ", over several lines" } else { "" };
    let mut text = format!("  {} ({}{part}{split})\n    where: {}\n", found.secret, found.encoding, found.place);
    let access = match (&found.mode, &found.owner) {
        (Some(mode), Some(owner)) => format!(" (mode {mode}, {owner})"),
        _ => String::new(),
    };
    if !found.readers.is_empty() {
        _ = writeln!(text, "    who:   {}{access}", found.readers);
    }
    _ = write!(text, "    line:  {}\n    close: {}\n", found.excerpt.trim(), found.close);
    text
}

/// One JSON object.
#[must_use]
pub fn json(audited: &Audited) -> String {
    let place = |found: &Found| {
        let mut value = serde_json::to_value(found).unwrap_or_default();
        value["at"] = found.place.to_string().into();
        value
    };
    let accepted = audited.accepted.iter().map(|(found, reason)| {
        let mut value = place(found);
        value["reason"] = reason.as_str().into();
        value
    });
    let unopened = audited.surveyed.unopened.iter();
    json!({
        "target": audited.of,
        "leaks": audited.surveyed.found.iter().map(place).collect::<Vec<_>>(),
        "accepted": accepted.collect::<Vec<_>>(),
        "unopened": unopened.map(|(why, count, some)| json!({"why": why, "files": count, "some": some})).collect::<Vec<_>>(),
        "unsearched": audited.unsearched,
        "files": audited.surveyed.files,
        "bytes": audited.surveyed.bytes,
    })
    .to_string()
}
