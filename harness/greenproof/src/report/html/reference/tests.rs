use super::*;
use crate::{
    evidence::Leak,
    report::html::tests::COMPONENT,
    scenario::Scenario,
    verdict::{
        Verdict, judge,
        tests::{recorded, scenario},
    },
};

/// Where the findings of a kind show after a change to the recorded run.
fn places(kind: Kind, change: impl FnOnce(&mut Scenario, &mut Evidence)) -> Vec<String> {
    let (mut scenario, mut evidence) = (scenario(), recorded());
    change(&mut scenario, &mut evidence);
    let Verdict::Failed { findings } = judge(&scenario, &evidence) else { panic!("it must fail") };
    let timeline = Timeline::of(&evidence);
    let finding = findings.iter().find(|finding| finding.kind == kind).expect("it has a finding of the kind");
    let found = of(finding, scenario.steps.len(), &evidence, &timeline);
    found.into_iter().map(|reference| at(&evidence, &timeline, &reference)).collect()
}

/// What stands where a reference points.
fn at(evidence: &Evidence, timeline: &Timeline, reference: &Reference) -> String {
    if let Some(row) = reference.anchor.strip_prefix("row-") {
        return timeline.rows[row.parse::<usize>().unwrap()].title.clone();
    }
    let Some((log, line)) = reference.anchor.rsplit_once("-L") else { return reference.anchor.clone() };
    let log = if log == "core" { "greengrass" } else { log };
    evidence.log(log).lines().nth(line.parse::<usize>().unwrap() - 1).unwrap().to_owned()
}

#[test]
fn a_line_shows_in_the_log_of_its_script() {
    let changed = |evidence: &mut Evidence| {
        let log = evidence.component_logs.get_mut(COMPONENT).unwrap();
        *log = log.replace("stdout. s3: Amazon S3.", "stdout. s3: Amazon S3 and more.");
    };
    let places = places(Kind::Line, |_, evidence| changed(evidence));
    assert_eq!(places.len(), 1);
    assert!(places[0].contains("stdout. s3: Amazon S3 and more. {scriptName="), "{places:?}");
}

#[test]
fn a_call_shows_in_the_calls_of_its_action() {
    let twice = places(Kind::Call, |_, evidence| {
        let is = |event: &&cloud::event::Event| matches!(&event.what, What::Api(call) if call.decision.action == "secretsmanager:GetSecretValue");
        let call = evidence.events.iter().find(is).unwrap().clone();
        evidence.events.push(call);
    });
    assert_eq!(twice.len(), 2);
    assert!(twice.iter().all(|row| row.starts_with("secretsmanager:GetSecretValue ")), "{twice:?}");
    let none = places(Kind::Call, |_, evidence| evidence.events.retain(|event| !matches!(event.what, What::Api(_))));
    assert!(none.is_empty(), "what was not called shows nowhere");
}

#[test]
fn a_deployment_shows_in_its_statuses() {
    let job = places(Kind::Deployment, |_, evidence| {
        evidence.steps[0].deployment.as_mut().unwrap().status = "FAILED".into();
    });
    assert_eq!(job, ["job IN_PROGRESS", "job SUCCEEDED"], "it was queued before the step began");
}

#[test]
fn a_component_shows_in_its_states_and_its_errors() {
    let places = places(Kind::Component, |_, evidence| {
        evidence.steps[0].states.insert(COMPONENT.into(), "BROKEN".into());
    });
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places[0].contains("newState=FINISHED") && places[1].contains("stderr. Running command"), "{places:?}");
}

#[test]
fn states_and_texts_of_a_log_show_in_their_lines() {
    let states = places(Kind::State, |scenario, _| {
        scenario.steps[0].expect.states.insert(COMPONENT.into(), vec!["BROKEN".into()]);
    });
    assert!(!states.is_empty() && states.iter().all(|line| line.contains("service-set-state")), "{states:?}");
    let line = |has: &str, times| crate::scenario::step::LogLine { file: "greengrass".into(), has: has.into(), times };
    let often = places(Kind::Log, |scenario, _| scenario.steps[0].expect.logs.push(line("`x`", None)));
    assert_eq!(often.len(), 1, "the last line stands for what is not there");
    let twice = places(Kind::Log, |scenario, _| scenario.steps[0].expect.logs.push(line("system-start", Some(5))));
    assert!(twice.len() >= 2 && twice.iter().all(|line| line.contains("system-start")), "{twice:?}");
}

#[test]
fn each_other_finding_shows_where_it_was_seen() {
    let name = "unknown.example.com";
    let dns = |name: &str| What::Dns { name: name.into(), record: "A".into(), answer: None };
    let event = |what| cloud::event::Event { time: "2026-11-25T02:24:25.000Z".into(), from: None, what };
    let outside = places(Kind::Outside, |_, evidence| evidence.events.push(event(dns(name))));
    assert_eq!(outside, ["A unknown.example.com"]);
    let index = places(Kind::Index, |_, evidence| {
        let (host, credential) = (None, None);
        evidence.events.push(event(What::Index { host, path: "/simple/some-thing/".into(), credential, status: 404 }));
    });
    assert_eq!(index, ["index /simple/some-thing/"]);
    let package = places(Kind::Package, |_, evidence| {
        evidence.packages.get_mut("myawsname").unwrap().fields.insert("Version".into(), "9".into());
    });
    assert_eq!(package, ["package-myawsname"]);
    let leak = places(Kind::Leak, |_, evidence| {
        let place = format!("{COMPONENT}.log:3");
        evidence.leaks.push(Leak { secret: "token `a`".into(), place, line: "x".into(), ..Leak::default() });
    });
    assert_eq!(leak[0], "leak-1");
    assert!(leak[1].contains("Looking in indexes"), "{leak:?}");
    let command = places(Kind::Command, |_, evidence| {
        let output = crate::evidence::Output { exit: 3, stdout: String::new(), stderr: String::new() };
        evidence.steps[0].output = Some(output);
    });
    assert_eq!(command.len(), 1);
    assert!(command[0].starts_with("step 1: deploy "));
}

#[test]
fn a_finding_is_of_the_step_that_it_names() {
    let finding = |kind, expected: &str| Finding { kind, expected: expected.into(), seen: String::new() };
    assert_eq!(step_of(&finding(Kind::Line, "step 2: the Run of `x` prints the line `y`"), 3), Some(1));
    assert_eq!(step_of(&finding(Kind::Line, "the Run of `x` prints the line `step 9: `"), 1), Some(0));
    assert_eq!(step_of(&finding(Kind::Call, "1 allowed s3:GetObject by the device's role session"), 1), None);
}
