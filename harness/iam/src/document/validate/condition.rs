//! The `Condition` block.

use super::{
    super::error::{Check, Fault},
    Findings,
};
use crate::{
    condition::{Family, Network, Operator},
    json::{Member, Node},
};

pub(super) fn check(block: &Node, findings: &mut Findings) {
    for Member { key: name, place, value } in findings.object(block, "`Condition`", None) {
        let keys = findings.object(value, &format!("condition operator `{name}`"), None);
        // IAM takes any name for an operator with nothing under it.
        if !keys.is_empty() && !Operator::is_spelled(name) {
            findings.add(*place, Fault::syntax(format!("condition operator `{name}` is not known")));
            continue;
        }
        let operator = Operator::parse(name);
        if !keys.is_empty() && operator.is_none() {
            findings
                .add(*place, Fault::refused(format!("`Null` takes neither `IfExists` nor a set operator: `{name}`")));
        }
        for member in keys {
            for item in member.value.listed() {
                value_of(item, operator, &format!("of `{}` under `{name}`", member.key), findings);
            }
        }
    }
}

fn value_of(item: &Node, operator: Option<Operator>, place: &str, findings: &mut Findings) {
    let Some(text) = item.scalar() else {
        let detail = format!("value `{item}` {place} is no text, number or truth value");
        return findings.add(item.place, Fault::syntax(detail));
    };
    let refused = |what: &str| Fault::refused(format!("value `{text}` {place} {what}"));
    match operator.map(|operator| operator.family) {
        Some(Family::Date(_)) if !is_date(&text) => {
            findings.add(item.place, Fault::legacy(Check::Legacy, format!("value `{text}` {place} is no date")));
        }
        Some(Family::Network) if Network::parse(&text).is_none() => {
            findings.add(item.place, refused("is no address and no range"));
        }
        Some(Family::Arn) if text.matches(':').count() < 5 && !text.contains("${") && text != "*" => {
            findings.add(item.place, refused("is no ARN"));
        }
        _ => {}
    }
}

/// What IAM takes as a date is more than the documented forms: years alone, short hours, times without a zone.
fn is_date(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix('-').unwrap_or(&lower);
    if !unsigned.contains(['t', '-']) && unsigned.len() == lower.len() {
        return lower.parse::<i64>().is_ok_and(|seconds| seconds >= 0);
    }
    let (day, clock) = unsigned.split_once('t').unwrap_or((unsigned, ""));
    let mut parts = day.split('-');
    let year = parts.next().is_some_and(|year| within(year, 0, 292_278_993));
    let month = parts.next().is_none_or(|month| within(month, 1, 12));
    let day = parts.next().is_none_or(|day| within(day, 1, 31));
    year && month && day && parts.next().is_none() && is_clock(clock)
}

fn is_clock(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let (clock, zone) = text.split_at(text.find(['z', '+', '-']).unwrap_or(text.len()));
    let mut parts = clock.split(':');
    let hours = parts.next().is_some_and(|hours| within(hours, 0, 23));
    let minutes = parts.next().is_none_or(|minutes| within(minutes, 0, 59));
    let seconds = parts.next().is_none_or(|seconds| {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        within(whole, 0, 59) && within(fraction, 0, 999_999_999)
    });
    hours && minutes && seconds && parts.next().is_none() && is_zone(zone)
}

fn is_zone(text: &str) -> bool {
    if matches!(text, "" | "z") {
        return true;
    }
    let Some(offset) = text.strip_prefix(['+', '-']) else { return false };
    let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
    [(hours, 23), (minutes, 59)].iter().all(|(part, most)| part.len() == 2 && within(part, 0, *most))
}

fn within(digits: &str, least: u32, most: u32) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_taken_as_iam_takes_them() {
        for taken in [
            "2017-07-01T00:00:00Z",
            "2016-12-13T21:20:37.593194+00:00",
            "2016-12-13t2:00:00.593194+23",
            "2025-03-14",
            "2025-03",
            "01T",
            "-292275054",
            "1741910400",
            "0",
            "2025-03-14T05:00",
        ] {
            assert!(is_date(taken), "{taken}");
        }
        for refused in [
            "soon",
            "234-13",
            "2016-12-13t2:00:00.593194+1",
            "2016-12-13t2:00:00.1999999999+10:59",
            "9223372036854775808",
            "2025-03-32",
            "2025-03-14-1",
            "2025-03-14T24:00:00Z",
            "2025-03-14T00:60:00Z",
            "2025-03-14T00:00:60Z",
            "2025-03-14T00:00:00Zulu",
            "2025-03-14T00:00:00:00Z",
            "",
            "-",
            "t",
            "b",
        ] {
            assert!(!is_date(refused), "{refused}");
        }
    }
}
