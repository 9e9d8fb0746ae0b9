//! What a run let through that enforces no policy. Such a run never passes: it is no proof.

use super::{Finding, Kind};
use crate::evidence::Evidence;
use cloud::event::{Decision, Outcome};

/// Each denial that was let through, once; a single finding where there was none.
pub(super) fn let_through(evidence: &Evidence) -> Vec<Finding> {
    let mut denied: Vec<_> = evidence.decisions().filter(|decision| decision.let_through).map(told).collect();
    denied.sort();
    denied.dedup();
    if denied.is_empty() {
        let seen = "they were not, and nothing would have been denied; run it without the soft mode";
        return vec![Finding { kind: Kind::Soft, expected: "policies are enforced".into(), seen: seen.into() }];
    }
    let expected = "policies allow all that is asked";
    denied.into_iter().map(|seen| Finding { kind: Kind::Soft, expected: expected.into(), seen }).collect()
}

fn told(decision: &Decision) -> String {
    let Decision { action, resource, layer, statement, outcome, .. } = decision;
    let layer = layer.as_deref().unwrap_or("identity");
    let why = match statement {
        Some(statement) if *outcome == Outcome::ExplicitlyDenied => format!("denied by {statement}"),
        _ => "nothing allows it".to_owned(),
    };
    format!("{action} on {resource} was let through: {why} ({layer})")
}
