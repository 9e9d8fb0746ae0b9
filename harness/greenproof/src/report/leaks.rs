//! What a report says of leaks beside the findings: what is accepted and why, and what the search can't vouch for.

use super::Outcome;
use crate::verdict::leak::{self, Judgement};
use std::collections::BTreeMap;

/// The lines for a reader; none where only the logs were searched.
pub(super) fn lines(outcome: &Outcome) -> Vec<String> {
    let (scenario, Some(evidence)) = (&outcome.scenario, &outcome.evidence) else { return Vec::new() };
    let Some(stated) = &scenario.leaks else { return Vec::new() };
    let judgement = leak::leaks(scenario, evidence);
    let mut lines = vec![format!("leaks: {} (asked for: {stated})", summary(&judgement))];
    lines.extend(accepted(&judgement));
    lines.extend(judgement.notes.iter().map(|note| format!("  {note}")));
    lines
}

fn summary(judgement: &Judgement<'_>) -> String {
    let mut parts = Vec::new();
    if !judgement.incomplete.is_empty() {
        parts.push("incomplete".to_owned());
    }
    match judgement.found.len() {
        0 if judgement.incomplete.is_empty() => parts.push("none".to_owned()),
        0 => {}
        found => parts.push(format!("{found} found")),
    }
    if !judgement.accepted.is_empty() {
        parts.push(format!("{} accepted", judgement.accepted.len()));
    }
    parts.join(", ")
}

/// The accepted leaks, those of one secret for one reason together.
fn accepted(judgement: &Judgement<'_>) -> Vec<String> {
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (leak, reason) in &judgement.accepted {
        groups.entry((&leak.secret, reason)).or_default().push(&leak.place);
    }
    let told = |((secret, reason), places): ((&str, &str), Vec<&str>)| {
        let more = if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() };
        format!("  accepted: {secret} in {}{more}: {reason}", places[0])
    };
    groups.into_iter().map(told).collect()
}
