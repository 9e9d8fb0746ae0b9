//! A recorded run, judged again: as it is, and with one thing changed at a time.

use super::*;
use crate::{evidence::Leak, scenario::step::LogLine};
use cloud::event::Outcome;
use std::path::Path;

pub(crate) fn scenario() -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
    Scenario::load(&path).expect("the reference is valid")
}

pub(crate) fn recorded() -> Evidence {
    let text = include_str!("../../../../fixtures/evidence/private-package.json");
    serde_json::from_str(text).expect("the recorded evidence is of this version")
}

/// The kinds of finding after a change to the recorded evidence.
fn kinds(change: impl FnOnce(&mut Evidence)) -> Vec<Kind> {
    let mut evidence = recorded();
    change(&mut evidence);
    match judge(&scenario(), &evidence) {
        Verdict::Passed => Vec::new(),
        Verdict::Failed { findings } => findings.iter().map(|finding| finding.kind).collect(),
        other => panic!("{other:?}"),
    }
}

const COMPONENT: &str = "com.example.GithubCustomPack";

#[test]
fn the_recorded_run_passes() {
    assert_eq!(kinds(|_| {}), []);
}

#[test]
fn a_line_counts_only_as_a_script_prints_it() {
    let with = |from: &'static str, to: &'static str| {
        kinds(move |evidence| {
            let log = evidence.component_logs.get_mut(COMPONENT).expect("the component has a log");
            *log = log.replace(from, to);
        })
    };
    assert_eq!(with("stdout. s3: Amazon S3.", "stdout. s3: Amazon S3 and more."), [Kind::Line]);
    assert_eq!(with("stdout. s3: Amazon S3.", "stderr. s3: Amazon S3."), [Kind::Line]);
    assert_eq!(with("lifecycle.Run", "lifecycle.Install"), [Kind::Line]);
    assert_eq!(with("python3 -u", "echo s3: Amazon S3"), []);
    // A line of an earlier deployment is older than this one.
    let late = kinds(|evidence| {
        evidence.steps[0].began = "2999-01-01T00:00:00Z".into();
        evidence.steps[0].ended = "2999-01-01T00:00:01Z".into();
    });
    assert_eq!(late, [Kind::Line]);
}

#[test]
fn each_other_fact_is_found_when_it_changes() {
    type Change = fn(&mut Evidence);
    let changes: [(Change, Kind); 9] = [
        (|e| drop(e.steps[0].states.insert(COMPONENT.into(), "RUNNING".into())), Kind::Component),
        (|e| e.events.retain(|event| !matches!(event.what, What::Api(_))), Kind::Call),
        (|e| e.account = "000000000000".into(), Kind::Call),
        (|e| e.certificate = "0".repeat(64), Kind::Call),
        (|e| e.packages.clear(), Kind::Package),
        (|e| drop(e.heads.insert("cm-ichida/myawsname".into(), "0".repeat(40))), Kind::Package),
        (
            |e| {
                let leak = Leak { secret: "x".into(), place: "a.log:1".into(), line: "***".into(), ..Leak::default() };
                e.leaks.push(leak);
            },
            Kind::Leak,
        ),
        (|e| say(e, What::RawAddress { destination: "203.0.113.7:443".into() }), Kind::Outside),
        (|e| say(e, What::Dns { name: "example.com".into(), record: "A".into(), answer: None }), Kind::Outside),
    ];
    for (change, kind) in changes {
        assert_eq!(kinds(change), [kind]);
    }
    let stuck = Ending::Stuck { waiting_for: "the job".into(), last_seen: "404".into(), seconds: 9 };
    assert_eq!(kinds(|e| e.ending = stuck), [Kind::Deployment]);
}

fn say(evidence: &mut Evidence, what: What) {
    evidence.events.push(cloud::event::Event { time: evidence.steps[0].began.clone(), from: None, what });
}

#[test]
fn a_look_for_instance_metadata_stays_on_the_link() {
    let asked = |e: &mut Evidence| say(e, What::RawAddress { destination: "169.254.169.254:80".into() });
    assert_eq!(kinds(asked), []);
}

#[test]
fn a_job_without_a_status_is_a_finding() {
    let silent = kinds(|e| e.steps[0].deployment = None);
    assert_eq!(silent, [Kind::Deployment]);
}

/// Whether everything else was as expected or not: what came of a download that was not given tells nothing.
#[test]
fn a_download_from_github_is_unsupported_and_blames_nothing_else() {
    fidelity::fidelity!("github-23");
    let asked = |path: &str, status| What::Git {
        method: "GET".into(),
        path: path.into(),
        repository: None,
        credential: cloud::event::Credential::None,
        status,
    };
    let mut evidence = recorded();
    evidence.packages.clear();
    say(&mut evidence, asked("/o/r/archive/main.zip", 501));
    let Verdict::Unsupported { what } = judge(&scenario(), &evidence) else { panic!("it is judged") };
    assert_eq!(what, "github.com/o/r/archive/main.zip: downloads are not emulated, use git+https");
    let name = "codeload.github.com".to_owned();
    let mut evidence = recorded();
    say(&mut evidence, What::Dns { name, record: "A".into(), answer: None });
    assert!(matches!(judge(&scenario(), &evidence), Verdict::Unsupported { .. }));
    evidence.ending = Ending::Died { what: "github".into() };
    assert!(matches!(judge(&scenario(), &evidence), Verdict::Broken { .. }));
    assert_eq!(kinds(|evidence| say(evidence, asked("/o/r", 404))), [], "a page that is not there");
}

/// A component that goes on without it is no less unsupported.
#[test]
fn a_call_of_a_service_that_is_not_emulated_is_unsupported() {
    fidelity::fidelity!("gate-24");
    let mut evidence = recorded();
    let event = evidence.events.iter().find(|event| matches!(event.what, What::Api(_)));
    let Some(What::Api(mut call)) = event.map(|event| event.what.clone()) else { panic!("the reference calls AWS") };
    (call.event_source, call.event_name) = ("ssm.amazonaws.com".into(), "GetParameter".into());
    say(&mut evidence, What::Api(call.clone()));
    assert!(matches!(judge(&scenario(), &evidence), Verdict::Passed));
    call.not_emulated = true;
    say(&mut evidence, What::Api(call));
    let Verdict::Unsupported { what } = judge(&scenario(), &evidence) else { panic!("it is judged") };
    assert_eq!(what, "GetParameter of ssm.amazonaws.com is not emulated");
}

#[test]
fn what_is_not_emulated_is_never_green() {
    let mut evidence = recorded();
    evidence.ending = Ending::Unsupported { what: "a plugin".into() };
    assert!(matches!(judge(&scenario(), &evidence), Verdict::Unsupported { .. }));
    evidence.ending = Ending::Died { what: "aws".into() };
    assert!(matches!(judge(&scenario(), &evidence), Verdict::Broken { .. }));
}

#[test]
fn the_letter_case_of_an_action_hides_no_call() {
    fidelity::fidelity!("verdict-2");
    let mut scenario = scenario();
    let [call] = &mut scenario.expect.calls[..] else { panic!("{:?}", scenario.expect.calls) };
    (call.action, call.allowed) = ("SecretsManager:getSecretValue".into(), 0);
    let verdict = judge(&scenario, &recorded());
    let [finding] = verdict.findings() else { panic!("{verdict:?}") };
    assert_eq!((finding.kind, &finding.seen[..9]), (Kind::Call, "1 allowed"));
}

#[test]
fn a_call_is_allowed_if_all_that_it_needs_is() {
    fidelity::fidelity!("verdict-5");
    let with_key = |outcome| {
        let mut evidence = recorded();
        for event in &mut evidence.events {
            if let What::Api(call) = &mut event.what
                && call.decision.action == "secretsmanager:GetSecretValue"
            {
                call.further.push(Decision { action: "kms:Decrypt".into(), outcome, ..call.decision.clone() });
            }
        }
        evidence
    };
    let mut scenario = scenario();
    let mut key = scenario.expect.calls[0].clone();
    (key.action, key.allowed) = ("kms:Decrypt".into(), 1);
    scenario.expect.calls.push(key);
    assert!(matches!(judge(&scenario, &with_key(Outcome::Allowed)), Verdict::Passed));
    let refused = judge(&scenario, &with_key(Outcome::ImplicitlyDenied));
    let kinds: Vec<_> = refused.findings().iter().map(|finding| (finding.kind, &finding.seen[..9])).collect();
    assert_eq!(kinds, [(Kind::Call, "0 allowed"), (Kind::Call, "0 allowed")]);
}

#[test]
fn the_line_that_tells_a_scripts_text_is_no_proof_of_it() {
    fidelity::fidelity!("verdict-6");
    let expecting = |has: &str, times| {
        let mut scenario = scenario();
        scenario.steps[0].expect.logs.push(LogLine { file: COMPONENT.into(), has: has.into(), times });
        judge(&scenario, &recorded()).findings().iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    // The script says so, pip prints something else.
    assert_eq!(expecting("GIT_TOKEN=`aws secretsmanager", None), [Kind::Log]);
    assert!(expecting("GIT_TOKEN=`aws secretsmanager", Some(0)).is_empty());
    assert!(expecting("shell-runner-start. {scriptName=services.com.example", None).is_empty());
    assert!(expecting("s3: Amazon S3", Some(1)).is_empty());
}

#[test]
fn a_core_of_ours_that_ended_is_our_own_fault() {
    fidelity::fidelity!("verdict-4");
    let verdict = |core, code, killed| {
        let restart = Restart { time: String::new(), code, killed };
        judge(&scenario(), &Evidence { core, restarts: vec![restart], ..recorded() })
    };
    for code in [1, 101] {
        let Verdict::Broken { what } = verdict(Core::Emulated, Some(code), false) else { panic!("{code}") };
        assert_eq!(what, format!("the emulated core ended with exit code {code} and was started again"));
    }
    // The device may lack memory, a step may kill it, and a nucleus asks to be started again.
    for (core, code, killed) in [
        (Core::Emulated, Some(137), false),
        (Core::Emulated, Some(1), true),
        (Core::Emulated, None, true),
        (Core::Lite, Some(100), false),
    ] {
        assert!(matches!(verdict(core, code, killed), Verdict::Passed), "{core:?} {code:?}");
    }
}
