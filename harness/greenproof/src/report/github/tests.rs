use super::*;
use crate::{
    report::{Found, Record, kept::Kept},
    verdict::Kind,
};
use std::collections::BTreeMap;

fn failed(file: Option<&str>, findings: &[(&str, &str)]) -> Told {
    let found = |(expected, seen): &(&str, &str)| Found {
        kind: Kind::Line,
        expected: (*expected).to_owned(),
        seen: (*seen).to_owned(),
        file: file.map(str::to_owned),
        line: Some(7),
    };
    Told::Judged(Box::new(Judged {
        verdict: Came::Failed,
        why: String::new(),
        findings: findings.iter().map(found).collect(),
        devices: Vec::new(),
        leaks: Vec::new(),
        file: file.map(str::to_owned),
        evidence: Some("evidence/x".to_owned()),
        bundle: None,
        again: Some("greenproof run x.toml".to_owned()),
        versions: BTreeMap::new(),
        output: String::new(),
        milliseconds: 1,
        attempts: Vec::new(),
    }))
}

/// What is written of these scenarios, and the workspace that holds `cases/a.toml`.
fn written(told: impl IntoIterator<Item = (String, Told)>) -> String {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir(workspace.path().join("cases")).unwrap();
    std::fs::write(workspace.path().join("cases/a.toml"), "").unwrap();
    let kept = Kept::default();
    let github = GitHub::new(Look::PLAIN, workspace.path().to_owned(), Box::new(kept.clone()));
    for (name, told) in told {
        let told = match told {
            // Where the file is in the workspace is known only here.
            Told::Judged(mut judged) => {
                let place = |file: &String| workspace.path().join(file).display().to_string();
                for finding in &mut judged.findings {
                    finding.file = finding.file.as_ref().map(place);
                }
                Told::Judged(judged)
            }
            told => told,
        };
        github.take(&Event { scenario: Some(name), ..Event::now(told) });
    }
    String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
}

fn begun() -> Told {
    Told::Begun { summary: "one".to_owned(), file: None, stages: Vec::new(), steps: Vec::new() }
}

fn ended() -> Told {
    Told::Ended { counts: BTreeMap::new(), code: 1, milliseconds: 1 }
}

#[test]
fn a_finding_is_an_annotation_at_its_line() {
    let finding = ("`100%`: done,\nnow", "nothing");
    let text = written([
        ("a,b".to_owned(), begun()),
        ("a,b".to_owned(), failed(Some("cases/a.toml"), &[finding])),
        (String::new(), ended()),
    ]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "::group::a,b: one");
    let end = lines.iter().position(|line| *line == "::endgroup::").unwrap();
    let verdict = lines.iter().position(|line| line.starts_with("FAILED a,b")).unwrap();
    assert!(end < verdict, "what came out is not folded: {text}");
    let expected =
        "::error file=cases/a.toml,line=7,title=a%2Cb%3A line::expected: `100%25`: done,%0Anow%0Aseen: nothing";
    assert_eq!(lines.iter().filter(|line| line.starts_with("::error")).collect::<Vec<_>>(), [&expected]);
}

#[test]
fn a_file_that_is_not_in_the_checkout_is_not_pointed_at() {
    let text = written([("a".to_owned(), failed(Some("elsewhere.toml"), &[("x", "y")])), (String::new(), ended())]);
    assert!(text.contains("::error title=a%3A line::expected: x"), "{text}");
}

/// 200 scenarios with long findings: no more annotations than a step can have, none too long, and all counted.
#[test]
fn annotations_stay_within_the_limits() {
    fidelity::fidelity!("github-out-1");
    let long = "é".repeat(100_000);
    let findings = [(long.as_str(), long.as_str()), ("short", "short")];
    for (scenarios, annotations, folded) in [(2, 4, None), (5, 10, None), (6, 10, Some(3)), (200, 10, Some(391))] {
        let all = (0..scenarios).map(|index| (format!("s{index}"), failed(Some("cases/a.toml"), &findings)));
        let text = written(all.chain([(String::new(), ended())]));
        let errors: Vec<_> = text.lines().filter(|line| line.starts_with("::error")).collect();
        assert_eq!(errors.len(), annotations, "{scenarios}");
        assert!(errors.iter().all(|line| line.chars().count() < MESSAGE + 400));
        let last = format!("{} more findings", folded.unwrap_or_default());
        assert_eq!(errors.iter().any(|line| line.contains(&last)), folded.is_some(), "{:?}", errors.last());
    }
}

#[test]
fn a_run_that_stops_is_an_annotation_too() {
    let all = (0..20).map(|index| (format!("s{index}"), failed(None, &[("x", "y")])));
    let stopped = Told::Stopped { error: "no Docker".to_owned(), hint: String::new() };
    let text = written(all.chain([(String::new(), stopped)]));
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), ANNOTATIONS);
    assert!(text.contains("::error title=greenproof::no Docker"), "{text}");
}

/// Of a merge each part may have stopped, and the merge stops besides.
#[test]
fn several_that_stop_stay_within_the_limits() {
    fidelity::fidelity!("github-out-1");
    for findings in [0, 7, 8, 9, 20] {
        let all = (0..findings).map(|index| (format!("s{index}"), failed(None, &[("x", "y")])));
        let stopped = || (String::new(), Told::Stopped { error: "no Docker".to_owned(), hint: String::new() });
        let text = written(all.chain([stopped(), stopped(), stopped()]));
        let errors = text.lines().filter(|line| line.starts_with("::error")).count();
        assert_eq!(errors, (findings + 3).min(ANNOTATIONS), "{text}");
    }
}

/// What a component printed, or a file is called, is no command, in either of the forms that a runner knows.
#[test]
fn no_text_becomes_a_command() {
    fidelity::fidelity!("github-out-2");
    let evil = "x\n::add-mask::a\n  ::set-env name=A::b\r::error::c\n##[error]d\ny ##[add-mask]e";
    let name = "n\n::warning::f".to_owned();
    let text = written([
        (name.clone(), Told::Begun { summary: evil.to_owned(), file: None, stages: Vec::new(), steps: Vec::new() }),
        (name.clone(), Told::note(evil)),
        (name.clone(), failed(None, &[(evil, evil)])),
        (String::new(), ended()),
    ]);
    let is_command = |line: &&str| line.trim_start().starts_with("::");
    let commands: Vec<_> = text.split(['\n', '\r']).filter(is_command).collect();
    let kinds: Vec<_> = commands.iter().map(|line| line.split(['\u{20}', ':']).nth(2).unwrap()).collect();
    assert_eq!(kinds, ["group", "endgroup", "error"], "{text}");
    assert!(!text.lines().any(|line| line.contains("##[") && !line.starts_with("::")), "{text}");
    assert!(text.contains(": :add-mask::a"), "the text itself stays readable: {text}");
}

/// Nothing names a secret to be masked, and nothing has to.
#[test]
fn no_secret_is_named() {
    let record = Record::default();
    let redactor = crate::redact::Redactor::default().with("token", "ghp_0123456789abcdefghij");
    let telling = crate::report::Telling::new("a", &redactor, BTreeMap::new(), &record);
    telling.tell(failed(None, &[("ghp_0123456789abcdefghij", "x")]));
    let text = written(
        record.events().into_iter().map(|event| ("a".to_owned(), event.told)).chain([(String::new(), ended())]),
    );
    assert!(text.contains("expected: ***") && !text.contains("ghp_") && !text.contains("add-mask"), "{text}");
}
