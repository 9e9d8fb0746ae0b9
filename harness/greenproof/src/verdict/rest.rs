//! What became of components after all that was expected had been seen: a deployment that succeeded says nothing of a
//! component that fails a moment later.

use super::{Finding, Kind, step};
use crate::{
    core::Core,
    evidence::{
        Ending, Evidence, StepSeen,
        log::{self, Millis, Span},
        reported_states,
    },
    scenario::{Scenario, Step},
};
use cloud::{event::What, fault::Fault};
use std::collections::{BTreeMap, BTreeSet};

/// The states of a component that failed.
const FAILED: [&str; 2] = ["ERRORED", "BROKEN"];
/// How a deployment ends that says by itself that something failed.
const TOLD: [&str; 3] = ["FAILED", "REJECTED", "TIMED_OUT"];

/// Components that have failed by the end although no step expects it.
pub(super) fn failed(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let Some(last) = evidence.steps.last().filter(|_| evidence.ending == Ending::Settled) else { return Vec::new() };
    if evidence.last_deployment().is_some_and(|progress| TOLD.contains(&progress.status.as_str())) {
        return Vec::new();
    }
    let finding = |(name, state): (String, String)| Finding {
        kind: Kind::Component,
        expected: format!("`{name}` has not failed by the end"),
        seen: step::with_last_output(evidence.log(&name), Span::ALWAYS, &state),
    };
    let told = |name: &str| scenario.steps.last().is_some_and(|step| is_told(step, last, name));
    let unexpected = |name: &str| !told(name) && !fails_as_expected(scenario, name);
    at_the_end(evidence, last).into_iter().filter(|(name, _)| unexpected(name)).map(finding).collect()
}

/// The components that have failed: those that are so at the end, and those that took such a state after the last step.
fn at_the_end(evidence: &Evidence, last: &StepSeen) -> BTreeMap<String, String> {
    if evidence.core == Core::Lite {
        let mut states = reported_states(&evidence.events);
        states.retain(|_, state| FAILED.contains(&state.as_str()));
        return states;
    }
    let mut failed = log::present(&evidence.core_log, Millis::MAX);
    let present: Vec<_> = failed.keys().cloned().collect();
    failed.retain(|_, state| FAILED.contains(&state.as_str()));
    if present.is_empty() {
        // A log that is short of INFO does not tell states.
        failed.extend(
            reported_states(&evidence.events).into_iter().filter(|(_, state)| FAILED.contains(&state.as_str())),
        );
    }
    let after = Span { from: last.span().to.saturating_add(1), to: Millis::MAX };
    let changes = log::changes(&evidence.core_log, after).filter(|change| FAILED.contains(&change.to.as_str()));
    for change in changes.filter(|change| present.contains(&change.component)) {
        failed.entry(change.component).or_insert(change.to);
    }
    failed
}

/// Whether the last step has a finding of the component's state already.
fn is_told(step: &Step, seen: &StepSeen, name: &str) -> bool {
    step.expect.components.get(name).is_some_and(|expected| seen.states.get(name) != Some(expected))
}

/// Whether the last step that awaits or expects anything of the component's states ends with its failure.
fn fails_as_expected(scenario: &Scenario, name: &str) -> bool {
    let of = |step: &Step| {
        let taken = step.expect.states.get(name).and_then(|states| states.last());
        step.expect.components.get(name).or(taken).or_else(|| step.action.awaited_state(name)).cloned()
    };
    scenario.steps.iter().rev().find_map(of).is_some_and(|state| FAILED.contains(&state.as_str()))
}

/// The faults of the clouds that were on and struck nothing: of what they would have done the run shows nothing.
#[must_use]
pub fn idle<'s>(scenario: &'s Scenario, evidence: &Evidence) -> Vec<&'s Fault> {
    if scenario.fleet.is_some() || evidence.ending != Ending::Settled {
        return Vec::new();
    }
    let struck: BTreeSet<_> = (evidence.events.iter())
        .filter_map(|event| match &event.what {
            What::Fault { name, about } => Some((name.clone(), about.clone())),
            _ => None,
        })
        .collect();
    let begun = scenario.steps.iter().filter_map(|step| step.fault()?.cloud());
    begun.filter(|fault| !struck.contains(&(fault.name(), fault.about.clone()))).collect()
}

/// The components that were RUNNING when they were judged and of which no line is awaited: that they stay so is not proven.
#[must_use]
pub fn unproven<'s>(scenario: &'s Scenario, evidence: &Evidence) -> Vec<&'s str> {
    let Some(last) = evidence.steps.last().filter(|_| evidence.ending == Ending::Settled) else { return Vec::new() };
    let awaited = |name: &str| {
        let mut expectations = scenario.steps.iter().map(|step| &step.expect);
        expectations.any(|expect| {
            expect.lines.iter().any(|line| line.component == name) || expect.logs.iter().any(|log| log.file == name)
        })
    };
    let deployed = scenario.steps.iter().rev().find_map(|step| step.action.deploy());
    let names = deployed.into_iter().flat_map(|deploy| deploy.components.keys()).map(String::as_str);
    let running = |name: &&str| last.states.get(*name).is_some_and(|state| state == "RUNNING");
    names.filter(|name| !name.starts_with("aws.greengrass.")).filter(running).filter(|name| !awaited(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        scenario::{
            Action,
            step::{Condition, Expect},
        },
        verdict::tests::{recorded, scenario},
    };
    use cloud::event::Event;
    use serde_json::json;

    const NAME: &str = "com.example.GithubCustomPack";

    #[test]
    fn a_fault_that_struck_nothing_is_told() {
        fidelity::fidelity!("fault-5");
        let (mut scenario, mut evidence) = (scenario(), recorded());
        let faults = ["s3.GetObject.503 times=1", "s3.GetObjct.503", "dns.timeout host=a", "dns.timeout host=b"];
        scenario.begin_with(&faults.map(|text| text.parse().unwrap()));
        scenario.begin_with(&["device.no-git".parse().unwrap()]);
        for (name, about) in [("s3.GetObject.503", None), ("dns.timeout", Some("b".to_owned()))] {
            let what = What::Fault { name: name.into(), about };
            evidence.events.push(Event { time: String::new(), from: None, what });
        }
        let told: Vec<_> = idle(&scenario, &evidence).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["s3.GetObjct.503", "dns.timeout host=a"]);
    }

    /// The recorded run, in whose log a component takes states after the last step.
    fn later(name: &str, states: &[&str]) -> Evidence {
        let mut evidence = recorded();
        let mut from = "NEW";
        for to in states {
            let context = format!("{{serviceName={name}, currentState={from}, newState={to}}}");
            let line =
                ["2999-01-01T00:00:00.000Z [INFO] (pool-2-thread-1) ", name, ": service-set-state. ", &context, "\n"];
            evidence.core_log.extend(line);
            from = to;
        }
        evidence
    }

    #[test]
    fn a_component_that_fails_after_all_was_seen_is_a_finding() {
        fidelity::fidelity!("verdict-1");
        assert!(failed(&scenario(), &recorded()).is_empty());
        for states in [&["RUNNING", "ERRORED"][..], &["RUNNING", "ERRORED", "BROKEN"], &["ERRORED", "RUNNING"]] {
            for name in [NAME, "com.example.Other"] {
                let [finding] = failed(&scenario(), &later(name, states)).try_into().expect("one component failed");
                let state = states.iter().rev().find(|state| FAILED.contains(state)).unwrap();
                assert_eq!(finding.expected, format!("`{name}` has not failed by the end"));
                assert!(finding.seen.starts_with(state), "{}", finding.seen);
            }
        }
        assert!(failed(&scenario(), &later(NAME, &["RUNNING", "STOPPING", "FINISHED"])).is_empty());
    }

    #[test]
    fn a_failure_that_a_step_expects_or_a_deployment_tells_is_none() {
        let broken = later(NAME, &["RUNNING", "ERRORED", "BROKEN"]);
        let mut expecting = scenario();
        expecting.steps[0].expect.states.insert(NAME.into(), ["ERRORED".to_owned(), "BROKEN".to_owned()].into());
        assert_eq!(failed(&expecting, &broken).len(), 1, "by the step's end it is to have recovered");
        expecting.steps[0].expect.components.remove(NAME);
        assert!(failed(&expecting, &broken).is_empty());
        let healed = Step {
            action: Action::Cancel,
            expect: Expect { components: [(NAME.to_owned(), "FINISHED".to_owned())].into(), ..Expect::default() },
        };
        expecting.steps.push(healed);
        assert_eq!(failed(&expecting, &broken).len(), 1, "a later step expects that it has recovered");
        let awaiting = Condition::State { component: NAME.into(), state: "BROKEN".into() };
        let awaiting = Step { action: Action::Await(awaiting), expect: Expect::default() };
        expecting.steps.push(awaiting);
        assert!(failed(&expecting, &broken).is_empty(), "that it fails is awaited");
        let mut told = broken.clone();
        for (status, findings) in [("FAILED", 0), ("REJECTED", 0), ("IN_PROGRESS", 1), ("CANCELED", 1)] {
            told.steps[0].deployment.as_mut().unwrap().status = status.into();
            assert_eq!(failed(&scenario(), &told).len(), findings, "{status}");
        }
        let mut silent = broken.clone();
        silent.core_log.clear();
        let message = json!({"components": [{"componentName": NAME, "status": "BROKEN"}]});
        silent.events.push(Event { time: "2999-01-01T00:00:00Z".into(), from: None, what: What::Fleet { message } });
        assert_eq!(failed(&scenario(), &silent).len(), 1, "a log without states leaves what the device reported");
        let mut seen = broken;
        seen.steps[0].states.insert(NAME.into(), "BROKEN".into());
        assert!(failed(&scenario(), &seen).is_empty(), "the step's own finding says it");
    }

    #[test]
    fn what_runs_is_proven_by_a_line() {
        let mut evidence = recorded();
        assert!(unproven(&scenario(), &evidence).is_empty(), "it has FINISHED");
        evidence.steps[0].states.insert(NAME.into(), "RUNNING".into());
        let mut bare = scenario();
        assert!(unproven(&bare, &evidence).is_empty(), "a line is awaited");
        bare.steps[0].expect.lines.clear();
        assert_eq!(unproven(&bare, &evidence), [NAME]);
    }
}
