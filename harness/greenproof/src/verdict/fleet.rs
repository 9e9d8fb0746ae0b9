//! The judgement of a fleet: that of each of its devices by its own part of the scenario, and the counts.

use super::{Ending, Finding, Kind, Verdict, index, judge, outside, soft};
use crate::{
    evidence::Evidence,
    scenario::{Fleet, Scenario},
};
use serde::Serialize;

/// How one device of a fleet came out.
#[derive(Clone, Debug, Serialize)]
pub struct Device<'e> {
    /// Its thing.
    pub thing: &'e str,
    /// What was made to go wrong on it.
    pub faults: Vec<String>,
    /// How the deployment ended there; empty where the device never heard of it.
    pub status: &'e str,
    /// How the device came out.
    pub verdict: Verdict,
}

/// How each device of a fleet came out, in the order of their numbers.
#[must_use]
pub fn devices<'e>(scenario: &Scenario, evidence: &'e Evidence) -> Vec<Device<'e>> {
    let device = |(number, seen): (usize, &'e Evidence)| {
        let except = scenario.fleet.as_ref().and_then(|fleet| fleet.except_of(number));
        let faults = except.iter().flat_map(|except| &except.faults).map(ToString::to_string).collect();
        Device { thing: &seen.thing, faults, status: status(seen), verdict: judge(&scenario.member(number), seen) }
    };
    (1..).zip(&evidence.devices).map(device).collect()
}

/// How the deployment ended on a device.
fn status(evidence: &Evidence) -> &str {
    let deployment = evidence.last_deployment();
    deployment.map_or("", |progress| progress.status.as_str())
}

/// Judges a fleet. What a device finds names the device.
pub(super) fn judged(scenario: &Scenario, fleet: &Fleet, evidence: &Evidence) -> Verdict {
    if let Ending::Died { what } = &evidence.ending {
        return Verdict::Broken { what: what.clone() };
    }
    if let Some(what) = evidence.unsupported() {
        return Verdict::Unsupported { what };
    }
    let devices = devices(scenario, evidence);
    let mut findings = Vec::new();
    for Device { thing, verdict, .. } in &devices {
        match verdict {
            Verdict::Broken { what } => return Verdict::Broken { what: format!("{thing}: {what}") },
            Verdict::Unsupported { what } => return Verdict::Unsupported { what: format!("{thing}: {what}") },
            other => findings.extend(other.findings().iter().map(|finding| of_device(thing, finding))),
        }
    }
    for (status, expected) in &fleet.expect {
        let seen: Vec<_> = devices.iter().filter(|device| device.status == *status).map(|it| it.thing).collect();
        if seen.len() != *expected {
            let expected = format!("the deployment ends {status} on {expected} of {} devices", fleet.devices);
            findings.push(Finding { kind: Kind::Fleet, expected, seen: counted(&seen) });
        }
    }
    if devices.len() != fleet.devices {
        let expected = format!("{} devices are followed", fleet.devices);
        findings.push(Finding { kind: Kind::Fleet, expected, seen: devices.len().to_string() });
    }
    findings.extend(outside(evidence));
    findings.extend(index::lacking(evidence));
    if scenario.aws.soft {
        findings.extend(soft::let_through(evidence));
    }
    if findings.is_empty() { Verdict::Passed } else { Verdict::Failed { findings } }
}

/// A finding that names its device. A device has one deployment, so which step it is of says nothing.
fn of_device(thing: &str, finding: &Finding) -> Finding {
    let said = finding.expected.strip_prefix("step ").and_then(|rest| rest.split_once(": "));
    let said = said.filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
    let expected = said.map_or(finding.expected.as_str(), |(_, rest)| rest);
    Finding { expected: format!("{thing}: {expected}"), ..finding.clone() }
}

/// How many, and the first of them by name.
fn counted(things: &[&str]) -> String {
    const NAMED: usize = 5;
    let mut named: Vec<_> = things.iter().take(NAMED).copied().collect();
    if things.len() > NAMED {
        named.push("…");
    }
    if named.is_empty() { "on none".to_owned() } else { format!("on {}: {}", things.len(), named.join(", ")) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{super::tests::recorded, *};
    use crate::{evidence::StepSeen, scenario::Except};

    /// The recorded run as a fleet of three, whose deployment ended so on each; the second was expected to fail.
    pub(crate) fn fleet(statuses: [&str; 3]) -> (Scenario, Evidence) {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
        let mut scenario = Scenario::load(&path).unwrap();
        let expect = crate::scenario::step::Expect { deployment: Some("FAILED".to_owned()), ..Default::default() };
        let except = Except { devices: [2].into(), faults: vec!["device.no-git".parse().unwrap()], expect };
        scenario.fleet = Some(Fleet {
            devices: 3,
            group: "fleet".to_owned(),
            job: cloud::world::JobConfiguration::default(),
            except: vec![except],
            expect: [("SUCCEEDED", 2), ("FAILED", 1)].into(),
        });
        let device = |(number, status): (usize, &str)| {
            let mut evidence = Evidence { thing: format!("core-{number}"), ..recorded() };
            let mut step = evidence.steps.pop().unwrap();
            step.deployment.as_mut().unwrap().status = status.to_owned();
            let fault = StepSeen { action: "fault".to_owned(), deployment: None, ..step.clone() };
            evidence.steps = if number == 2 { vec![fault, step] } else { vec![step] };
            evidence
        };
        let devices = (1..).zip(statuses).map(device).collect();
        let (thing, steps, events) = (String::new(), Vec::new(), Vec::new());
        let evidence = Evidence { thing, steps, events, devices, ..recorded() };
        (scenario, evidence)
    }

    fn findings(statuses: [&str; 3]) -> Vec<String> {
        let (scenario, evidence) = fleet(statuses);
        let verdict = judge(&scenario, &evidence);
        verdict.findings().iter().map(|it| format!("{} {}; {}", it.kind, it.expected, it.seen)).collect()
    }

    #[test]
    fn a_fleet_passes_when_each_device_shows_what_is_expected_of_it() {
        fidelity::fidelity!("fleet-6");
        assert_eq!(findings(["SUCCEEDED", "FAILED", "SUCCEEDED"]), [""; 0]);
        let (scenario, evidence) = fleet(["SUCCEEDED", "FAILED", "SUCCEEDED"]);
        let shown = devices(&scenario, &evidence);
        let second = (shown[1].thing, shown[1].status, shown[1].faults.as_slice());
        assert_eq!(second, ("core-2", "FAILED", &["device.no-git".to_owned()][..]));
    }

    #[test]
    fn a_device_that_fails_unstaged_is_named() {
        fidelity::fidelity!("fleet-6", "fleet-7");
        let found = findings(["SUCCEEDED", "FAILED", "FAILED"]);
        assert!(found[0].starts_with("deployment core-3: the deployment ends SUCCEEDED; FAILED"), "{found:?}");
        assert_eq!(
            found[1..],
            [
                "fleet the deployment ends FAILED on 1 of 3 devices; on 2: core-2, core-3",
                "fleet the deployment ends SUCCEEDED on 2 of 3 devices; on 1: core-1",
            ]
        );
    }

    #[test]
    fn a_staged_failure_that_does_not_happen_is_a_finding() {
        fidelity::fidelity!("fleet-6");
        let found = findings(["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
        assert!(found[0].starts_with("deployment core-2: the deployment ends FAILED; SUCCEEDED"), "{found:?}");
        assert_eq!(found[1], "fleet the deployment ends FAILED on 1 of 3 devices; on none");
    }
}
