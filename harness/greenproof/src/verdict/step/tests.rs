//! One step that went well, held against what it expects: as it is, and with one expectation changed at a time.

use super::*;
use crate::scenario::Action;
use std::collections::BTreeMap;

const CORE: &str = "\
2022-03-23T10:53:20Z [INFO] (A-lifecycle) x: service-set-state. {serviceName=A, currentState=NEW, newState=ERRORED}
2022-03-23T10:53:24Z [INFO] (A-lifecycle) x: service-set-state. {serviceName=A, currentState=NEW, newState=INSTALLED}
2022-03-23T10:53:25Z [INFO] (A-lifecycle) x: service-set-state. {serviceName=A, currentState=INSTALLED, newState=FINISHED}
";
const COMPONENT: &str = "\
2022-03-23T10:53:24Z [INFO] (Copier) A: stdout. hi. {scriptName=services.A.lifecycle.Run, serviceName=A, currentState=RUNNING}
";

/// What is expected, all of which was seen.
fn good() -> Expect {
    let text = str::to_owned;
    let line = Line { component: "A".into(), step: "Run".into(), stream: Stream::Stdout, equals: "hi".into() };
    Expect {
        deployment: Some("FAILED".into()),
        detailed: Some("FAILED_NO_STATE_CHANGE".into()),
        stack: Some(vec!["DEPLOYMENT_FAILURE".into()]),
        types: Some(vec!["REQUEST_ERROR".into()]),
        cause: Some("no version".into()),
        components: BTreeMap::from([("A".into(), "FINISHED".into()), ("B".into(), ABSENT.into())]),
        states: BTreeMap::from([("A".into(), ["INSTALLED", "FINISHED"].map(text).into())]),
        logs: vec![LogLine { file: "greengrass".into(), has: "newState=FINISHED".into(), times: Some(1) }],
        lines: vec![line],
        exit: Some(3),
        prints: Some(vec!["one".into(), "two".into()]),
        says: vec!["tw".into(), "trouble".into()],
        recovers_within: Some(61.0),
    }
}

fn seen() -> StepSeen {
    let output = Output { exit: 3, stdout: "one\ntwo\n".into(), stderr: "trouble\n".into() };
    StepSeen {
        action: String::new(),
        began: "2022-03-23T10:53:24Z".into(),
        ended: "2022-03-23T10:53:25Z".into(),
        deployment: Some(Progress {
            deployment: "d".into(),
            job: None,
            status: "FAILED".into(),
            detailed: "FAILED_NO_STATE_CHANGE".into(),
            stack: vec!["DEPLOYMENT_FAILURE".into()],
            types: vec!["REQUEST_ERROR".into()],
            cause: "there is no version of A".into(),
        }),
        states: BTreeMap::from([("A".into(), "FINISHED".into())]),
        present: vec!["A".into()],
        output: Some(output),
        recovery: Some(61.0),
    }
}

/// The kinds of finding after a change to what is expected.
fn kinds(change: impl FnOnce(&mut Expect)) -> Vec<Kind> {
    let mut expect = good();
    change(&mut expect);
    let logs = |name: &str| if name == "greengrass" { CORE.to_owned() } else { COMPONENT.to_owned() };
    let found = step(&Step { action: Action::Cancel, expect }, &seen(), &logs);
    found.iter().map(|finding| finding.kind).collect()
}

#[test]
fn what_was_seen_is_as_expected() {
    assert_eq!(kinds(|_| {}), []);
}

#[test]
fn each_other_expectation_is_a_finding() {
    type Change = fn(&mut Expect);
    let changes: [(Change, Kind); 15] = [
        (|e| e.deployment = Some("SUCCEEDED".into()), Kind::Deployment),
        (|e| e.detailed = Some("FAILED_ROLLBACK_COMPLETE".into()), Kind::Deployment),
        (|e| e.stack.iter_mut().for_each(Vec::clear), Kind::Deployment),
        (|e| e.types.iter_mut().for_each(Vec::clear), Kind::Deployment),
        (|e| e.cause = Some("no versions".into()), Kind::Deployment),
        (|e| drop(e.components.insert("A".into(), "BROKEN".into())), Kind::Component),
        (|e| drop(e.components.insert("A".into(), ABSENT.into())), Kind::Component),
        (|e| drop(e.states.insert("A".into(), vec!["FINISHED".into()])), Kind::State),
        (|e| e.logs[0].times = Some(0), Kind::Log),
        (|e| e.logs[0].has = "newState=ERRORED".into(), Kind::Log),
        (|e| e.lines[0].stream = Stream::Stderr, Kind::Line),
        (|e| e.exit = None, Kind::Command),
        (|e| e.prints = Some(vec!["two".into()]), Kind::Command),
        (|e| e.says.push("three".into()), Kind::Command),
        (|e| e.recovers_within = Some(60.0), Kind::Recovery),
    ];
    for (index, (change, kind)) in changes.into_iter().enumerate() {
        assert_eq!(kinds(change), [kind], "change {index}");
    }
}
