//! What the package index lacks: each with the line to add.

use super::{Finding, Kind};
use crate::evidence::{
    Evidence,
    log::{self, Span},
};
use cloud::event::What;
use std::collections::{BTreeMap, BTreeSet};

/// How pip says that no index has what it needs.
const SAID: &str = "No matching distribution found for ";

/// What pip asks the index for about itself, to tell of a newer version.
const ITSELF: &str = "pip";

/// The packages that were asked for and are not there. pip names the version that it wanted; who hides what pip says has
/// asked the index nevertheless.
pub(super) fn lacking(evidence: &Evidence) -> Vec<Finding> {
    let mut lacking = BTreeMap::new();
    for name in asked(evidence, 404).filter(|name| !name.is_empty() && *name != ITSELF) {
        lacking.insert(project(name), name.to_owned());
    }
    // One of several indexes is enough.
    let given: BTreeSet<_> = asked(evidence, 200).map(project).collect();
    lacking.retain(|name, _| !given.contains(name));
    for text in evidence.component_logs.values().flat_map(|log| log::printed(log, Span::ALWAYS)).map(|line| line.text) {
        if let Some((_, wanted)) = text.split_once(SAID) {
            let wanted = wanted.split(" (from").next().unwrap_or_default().trim();
            lacking.insert(project(wanted), wanted.to_owned());
        }
    }
    let kept: BTreeSet<_> = asked(evidence, 401).map(project).filter(|name| !given.contains(name)).collect();
    let finding = |(name, wanted): (String, String)| {
        if kept.contains(&name) {
            return Finding {
                kind: Kind::Index,
                expected: format!("the private index gives `{wanted}` to the device"),
                seen:
                    "it answered 401: it was shown no password, or a wrong one; pip says that there is no such package"
                        .to_owned(),
            };
        }
        Finding {
            kind: Kind::Index,
            expected: format!("the package index has `{wanted}`"),
            seen: format!("it has not; add the line `{wanted}` to the file that `[index] requirements` names"),
        }
    };
    lacking.into_iter().map(finding).collect()
}

/// The projects that an index was asked for and answered so.
fn asked(evidence: &Evidence, answered: u16) -> impl Iterator<Item = &str> {
    evidence.events.iter().filter_map(move |event| match &event.what {
        What::Index { path, status, .. } if *status == answered => {
            path.strip_prefix("/simple/").map(|rest| rest.trim_end_matches('/'))
        }
        _ => None,
    })
}

/// The normalised name (PEP 503) that a requirement begins with.
fn project(requirement: &str) -> String {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = requirement.split(|c| !of_name(c)).next().unwrap_or_default();
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}
