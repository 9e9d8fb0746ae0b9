//! The document is held against the rules of the Jenkins dialect, as its schema states them.

use super::*;
use crate::{report::event, verdict::Kind};
use quick_xml::{Reader, events::Event as Xml};
use std::collections::{BTreeMap, BTreeSet};

type Names = &'static [&'static str];

/// Of each element: the attributes that it must have, those that it may have, and the elements that may be in it.
const RULES: [(&str, Names, Names, Names); 12] = [
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors", "skipped", "disabled"], &["testsuite"]),
    (
        "testsuite",
        &["name", "tests"],
        &["failures", "errors", "skipped", "disabled", "time", "timestamp", "hostname", "id", "package", "file"],
        &["properties", "testcase", "system-out", "system-err"],
    ),
    ("properties", &[], &[], &["property"]),
    ("property", &["name", "value"], &[], &[]),
    (
        "testcase",
        &["name", "classname"],
        &["time", "assertions", "status", "file", "line"],
        &[
            "skipped",
            "error",
            "failure",
            "rerunFailure",
            "rerunError",
            "flakyFailure",
            "flakyError",
            "system-out",
            "system-err",
        ],
    ),
    ("skipped", &[], &["message", "type"], &[]),
    ("error", &[], &["message", "type"], &[]),
    ("failure", &[], &["message", "type"], &[]),
    ("rerunFailure", &["type"], &["message"], &["stackTrace", "system-out", "system-err"]),
    ("flakyFailure", &["type"], &["message"], &["stackTrace", "system-out", "system-err"]),
    ("flakyError", &["type"], &["message"], &["stackTrace", "system-out", "system-err"]),
    ("system-out", &[], &[], &[]),
];

/// What of a document breaks the rules, and how many elements of each name it has.
fn check(document: &str) -> (Vec<String>, BTreeMap<String, usize>) {
    let (mut broken, mut counts, mut within) = (Vec::new(), BTreeMap::new(), Vec::<String>::new());
    let mut reader = Reader::from_str(document);
    loop {
        let (start, empty) = match reader.read_event().unwrap() {
            Xml::Start(start) => (start, false),
            Xml::Empty(start) => (start, true),
            Xml::End(_) => {
                within.pop();
                continue;
            }
            Xml::Eof => break,
            _ => continue,
        };
        let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
        *counts.entry(name.clone()).or_default() += 1;
        let attributes: BTreeSet<_> =
            start.attributes().map(|one| String::from_utf8(one.unwrap().key.as_ref().to_vec()).unwrap()).collect();
        match RULES.iter().find(|(of, ..)| *of == name) {
            None => broken.push(format!("<{name}> is no element")),
            Some((_, must, may, _)) => {
                broken.extend(
                    must.iter().filter(|one| !attributes.contains(**one)).map(|one| format!("<{name}> lacks {one}")),
                );
                let known = |one: &&String| must.contains(&one.as_str()) || may.contains(&one.as_str());
                broken.extend(attributes.iter().filter(|one| !known(one)).map(|one| format!("<{name} {one}> is none")));
            }
        }
        let parent = within.last().and_then(|parent| RULES.iter().find(|(of, ..)| of == parent));
        if parent.is_some_and(|(.., children)| !children.contains(&name.as_str()))
            || (parent.is_none() && name != "testsuites")
        {
            broken.push(format!("<{name}> in {within:?}"));
        }
        if !empty {
            within.push(name);
        }
    }
    (broken, counts)
}

#[test]
fn a_fleet_has_a_case_for_each_device() {
    fidelity::fidelity!("fleet-9");
    let device =
        |thing: &str, verdict| Device { thing: thing.to_owned(), verdict, status: String::new(), faults: Vec::new() };
    let devices = vec![device("a-1", Came::Passed), device("a-10", Came::Failed)];
    let found = |expected: &str| Found {
        kind: Kind::Deployment,
        expected: expected.to_owned(),
        seen: "no".to_owned(),
        file: None,
        line: None,
    };
    let findings = vec![found("a-10: it ends"), found("a-1 is no device")];
    let judged = Judged { findings, devices, ..judged(Came::Failed) };
    let event = Event { scenario: Some("fleet".to_owned()), ..Event::now(Told::Judged(Box::new(judged))) };
    let text = junit(&[event]).unwrap();
    assert!(text.contains("tests=\"3\"") && text.contains("failures=\"2\""), "{text}");
    let case = text.split("<testcase name=\"a-10\"").nth(1).unwrap();
    assert!(case.starts_with(" classname=\"greenproof.fleet\"") && case.contains("a-10: it ends"), "{case}");
}

fn judged(verdict: Came) -> Judged {
    let finding = |seen: &str| Found {
        kind: Kind::Line,
        expected: "a <line> & \"more\"".to_owned(),
        seen: seen.to_owned(),
        file: None,
        line: None,
    };
    Judged {
        verdict,
        why: if verdict == Came::Failed { String::new() } else { "why]]>".to_owned() },
        findings: if verdict == Came::Failed { vec![finding("one"), finding("two")] } else { Vec::new() },
        devices: Vec::new(),
        leaks: Vec::new(),
        file: Some("cases/a.toml".to_owned()),
        evidence: None,
        bundle: None,
        again: None,
        versions: [("core".to_owned(), "emulated".to_owned()), ("localstack".to_owned(), "l:1".to_owned())].into(),
        output: "printed \u{1b}[31mred\u{0}\u{ffff}".to_owned(),
        milliseconds: 1500,
        attempts: Vec::new(),
    }
}

fn document(verdicts: &[Came]) -> String {
    let event = |verdict: &Came| {
        let judged = Told::Judged(Box::new(judged(*verdict)));
        Event { scenario: Some(format!("a {verdict}")), ..Event::now(judged) }
    };
    junit(&verdicts.iter().map(event).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_document_keeps_the_rules_of_jenkins() {
    fidelity::fidelity!("junit-1");
    let all = [Came::Passed, Came::Failed, Came::Unsupported, Came::Skipped, Came::Broken];
    let text = document(&all);
    let (broken, counts) = check(&text);
    assert_eq!(broken, Vec::<String>::new(), "{text}");
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    let found = ["testsuite", "testcase", "failure", "skipped", "error", "system-out", "property"].map(count);
    assert_eq!(found, [5, 5, 1, 2, 1, 1, 10], "{text}");
    assert!(text.contains("tests=\"5\" skipped=\"2\" failures=\"1\" errors=\"1\""), "{text}");
    assert!(text.contains("<property name=\"localstack\" value=\"l:1\"/>"), "{text}");
    assert!(text.contains("file=\"cases/a.toml\""), "{text}");
    assert!(text.contains("printed ") && !text.contains(['\u{0}', '\u{1b}', '\u{ffff}']), "{text}");
}

#[test]
fn the_check_finds_what_breaks_the_rules() {
    let good = document(&[Came::Failed]);
    let cases = [
        ("<testcase name", "<testcase surprise=\"1\" name", "<testcase surprise> is none"),
        ("classname=", "klass=", "<testcase> lacks classname"),
        ("<failure ", "<failed ", "<failed> is no element"),
        ("<properties>", "<properties><testcase name=\"x\" classname=\"x\"/>", "<testcase> in "),
    ];
    for (from, to, expected) in cases {
        let wrong =
            good.replace(from, to).replace("</failure>", if to == "<failed " { "</failed>" } else { "</failure>" });
        let (broken, _) = check(&wrong);
        assert!(broken.iter().any(|one| one.contains(expected.trim_start_matches('<'))), "{expected}: {broken:?}");
    }
}

/// What passed in a later attempt is told with those before it, and what never passed with those after the first.
#[test]
fn attempts_are_told_in_surefires_words() {
    fidelity::fidelity!("retry-3");
    let attempt = |verdict: Came| {
        let Judged { why, findings, .. } = judged(verdict);
        Attempt { verdict, why, findings, evidence: None, milliseconds: 5 }
    };
    let of = |verdict: Came, attempts: &[Came]| {
        let judged = Judged { attempts: attempts.iter().copied().map(attempt).collect(), ..judged(verdict) };
        let text =
            junit(&[Event { scenario: Some("a".into()), ..Event::now(Told::Judged(Box::new(judged))) }]).unwrap();
        let (broken, counts) = check(&text);
        assert_eq!(broken, Vec::<String>::new(), "{text}");
        let count = |name: &str| counts.get(name).copied().unwrap_or_default();
        (["failure", "flakyFailure", "flakyError", "rerunFailure"].map(count), text)
    };
    let (flaky, text) = of(Came::Flaky, &[Came::Failed, Came::Broken, Came::Passed]);
    assert_eq!(flaky, [0, 1, 1, 0], "{text}");
    assert!(text.contains("<flakyFailure message=\"line: expected a &lt;line&gt;"), "{text}");
    let (red, text) = of(Came::Failed, &[Came::Failed, Came::Failed, Came::Failed]);
    assert_eq!(red, [1, 0, 0, 2], "{text}");
}

/// A run that stopped is an error of the scenario that was under way.
#[test]
fn a_run_that_stops_is_an_error() {
    let begun = event::Told::Begun { summary: String::new(), file: None, stages: Vec::new(), steps: Vec::new() };
    let begun = Event { scenario: Some("under way".to_owned()), ..Event::now(begun) };
    let stopped = Event::now(Told::Stopped { error: "no Docker".to_owned(), hint: "start it".to_owned() });
    let text = junit(&[begun, stopped]).unwrap();
    assert_eq!(check(&text).0, Vec::<String>::new());
    assert!(text.contains("<testcase name=\"under way\"") && text.contains("<error message=\"no Docker\""), "{text}");
}
