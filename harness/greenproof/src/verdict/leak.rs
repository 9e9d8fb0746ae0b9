//! The judgement of leaks: which are findings, which are accepted and why, and what the search can't vouch for.

use super::{Finding, Kind};
use crate::{
    core::Core,
    evidence::{Evidence, Leak, Processes},
    plan::DEVICE_KEY,
    scenario::{
        Scenario,
        leaks::{Accepted, Leaks, Pattern, like},
    },
};
use leak::watch::LEARNED;

/// What came of the search for leaks.
#[derive(Clone, Debug, Default)]
pub struct Judgement<'a> {
    /// The leaks that are findings.
    pub found: Vec<&'a Leak>,
    /// Those that are accepted, each with the reason.
    pub accepted: Vec<(&'a Leak, String)>,
    /// What may have been missed.
    pub incomplete: Vec<String>,
    /// What a reader should know of what was searched.
    pub notes: Vec<String>,
}

/// Leaks that every device has by design.
fn by_design(leak: &Leak, core: Core) -> Option<&'static str> {
    const VARIABLES: [&str; 2] =
        ["environment of *, variable AWS_CONTAINER_AUTHORIZATION_TOKEN", "environment of *, variable SVCUID"];
    if leak.secret == LEARNED && VARIABLES.iter().any(|variable| like(variable, &leak.place)) {
        return Some("the core gives it to each process of a component, and it is worth nothing once the core ends");
    }
    let key = Pattern { place: format!("file {}/private.pem.key", core.root()), ..Pattern::default() };
    let own = ["root", "every process of ggcore"].contains(&leak.readers.as_str());
    (leak.secret == DEVICE_KEY && own && key.fits(leak)).then_some("it is the one credential that a device keeps")
}

/// Judges the leaks of a run by what its scenario says of them.
#[must_use]
pub fn leaks<'a>(scenario: &Scenario, evidence: &'a Evidence) -> Judgement<'a> {
    let mut judgement = Judgement::default();
    let accepted: &[Accepted] = if let Some(Leaks::But(accepted)) = &scenario.leaks { accepted } else { &[] };
    for leak in &evidence.leaks {
        let stated = accepted.iter().find(|accepted| accepted.pattern.fits(leak));
        let reason = stated
            .map(|accepted| accepted.reason.clone())
            .or_else(|| by_design(leak, evidence.core).map(str::to_owned));
        match reason {
            Some(reason) => judgement.accepted.push((leak, reason)),
            None if scenario.leaks == Some(Leaks::NoneAfter) && !leak.stays => {
                judgement.accepted.push((leak, "it is gone at the end".to_owned()));
            }
            None => judgement.found.push(leak),
        }
    }
    if scenario.leaks.is_some() {
        match &evidence.search {
            Some(search) => {
                judgement.incomplete.clone_from(&search.incomplete);
                judgement.notes.clone_from(&search.notes);
                if search.processes == Processes::Sampled {
                    let note = "arguments and environments were sampled, which may miss short ones";
                    judgement.notes.insert(0, note.to_owned());
                }
            }
            None => judgement.incomplete.push("the device was not searched".to_owned()),
        }
        for accepted in
            accepted.iter().filter(|accepted| !evidence.leaks.iter().any(|leak| accepted.pattern.fits(leak)))
        {
            judgement.notes.push(format!("accepted, but not found: {}", accepted.pattern));
        }
    }
    judgement
}

/// The findings of a judgement.
pub(super) fn findings(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let judgement = leaks(scenario, evidence);
    let finding = |expected: String, seen: String| Finding { kind: Kind::Leak, expected, seen };
    let found = judgement.found.iter().map(|leak| match &scenario.leaks {
        None => finding(format!("{} stays out of logs", leak.secret), format!("{}: {}", leak.place, leak.line)),
        Some(Leaks::NoneAfter) => finding(format!("{} stays nowhere", leak.secret), leak.told()),
        Some(_) => finding(format!("{} is nowhere for others to read", leak.secret), leak.told()),
    });
    let incomplete = judgement
        .incomplete
        .iter()
        .map(|what| finding("the search for leaks is complete".to_owned(), format!("it is incomplete: {what}")));
    found.chain(incomplete).collect()
}

/// How the leaks of a run differ from those that a scenario states that must fail: each stated one must be there, and
/// each that is a finding must be stated.
pub(super) fn differences(stated: &[Pattern], scenario: &Scenario, evidence: &Evidence) -> Vec<String> {
    if stated.is_empty() {
        return Vec::new();
    }
    let judgement = leaks(scenario, evidence);
    let passing =
        judgement.accepted.iter().filter(|(leak, _)| by_design(leak, evidence.core).is_none()).map(|(leak, _)| *leak);
    let known: Vec<_> = judgement.found.iter().copied().chain(passing).collect();
    let told =
        |leaks: &[&Leak]| leaks.iter().map(|leak| format!("{}: {}", leak.secret, leak.told())).collect::<Vec<_>>();
    let missing = stated.iter().filter(|pattern| !known.iter().any(|leak| pattern.fits(leak)));
    let missing = missing.map(|pattern| format!("no leak is `{pattern}`; found: {:#?}", told(&known)));
    let other = judgement.found.iter().filter(|leak| !stated.iter().any(|pattern| pattern.fits(leak)));
    let other = other.map(|leak| format!("a leak that is not stated: {:#?}", told(&[leak])));
    missing.chain(other).collect()
}

#[cfg(test)]
mod tests;
