use super::*;
use crate::{
    core::Core,
    report::Outcome,
    verdict::{
        Finding, Kind, Verdict,
        tests::{recorded, scenario},
    },
};
use std::time::Duration;

fn outcome(name: &str, core: Core, verdict: Verdict, root: &Path) -> Outcome {
    let mut scenario = scenario();
    (scenario.name, scenario.device.core) = (name.into(), core);
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(NAME), "").unwrap();
    let (evidence, took) = (Some(recorded()), Duration::from_millis(1500));
    Outcome { scenario, verdict, evidence, folder: Some(folder), took, again: Vec::new() }
}

/// What is told of runs.
fn told(outcomes: &[Outcome]) -> Vec<Event> {
    let of = |outcome: &Outcome| {
        let name = outcome.scenario.name.clone();
        let versions = [("core".to_owned(), outcome.scenario.device.core.to_string())].into();
        let steps = outcome.evidence.iter().flat_map(|evidence| evidence.steps.iter().enumerate());
        let steps = steps.map(|(index, seen)| Told::step(index, seen, true, Duration::ZERO));
        let all = [Told::begun(&outcome.scenario, &[])].into_iter().chain(steps);
        let all = all.chain([Told::judged(outcome, versions)]).collect::<Vec<_>>();
        all.into_iter().map(move |told| Event { scenario: Some(name.clone()), ..Event::now(told) })
    };
    outcomes.iter().flat_map(of).collect()
}

fn failed(expected: &str) -> Verdict {
    let finding = Finding { kind: Kind::Line, expected: expected.into(), seen: "nothing".into() };
    Verdict::Failed { findings: vec![finding.clone(), finding] }
}

fn count(page: &str, text: &str) -> usize {
    page.matches(text).count()
}

#[test]
fn one_run_is_a_row_with_its_report() {
    let root = tempfile::tempdir().unwrap();
    let page = page(&told(&[outcome("a name", Core::Emulated, failed("<b>"), root.path())]), root.path());
    assert!(page.contains("<h1>1 run in 1.5 s</h1>"));
    assert!(page.contains("<a href=\"a%20name/report.html\">a name</a>"), "{page}");
    assert!(page.contains("line: &#60;b&#62;, and 1 more") && page.contains("step 1: not as expected"), "{page}");
    assert_eq!(count(&page, "<tr data-verdicts"), 1);
}

#[test]
fn many_runs_are_a_row_each_and_a_run_without_evidence_has_no_link() {
    let root = tempfile::tempdir().unwrap();
    let mut outcomes: Vec<_> = (0..299)
        .map(|index| {
            let verdict = if index % 3 == 0 { failed("x") } else { Verdict::Passed };
            outcome(&format!("case-{index}"), Core::Emulated, verdict, root.path())
        })
        .collect();
    let skipped = outcome("skipped", Core::Emulated, Verdict::Skipped { why: "no <nucleus>".into() }, root.path());
    outcomes.push(Outcome { evidence: None, folder: None, ..skipped });
    let page = page(&told(&outcomes), root.path());
    assert_eq!(count(&page, "<tr data-verdicts"), 300);
    assert_eq!(count(&page, "/report.html\">"), 299);
    for counted in ["100 failed", "199 passed", "1 skipped"] {
        assert!(page.contains(counted), "{counted}");
    }
    assert!(page.contains("no &#60;nucleus&#62;") && page.contains("step 1: not begun"));
}

#[test]
fn several_cores_are_columns() {
    let root = tempfile::tempdir().unwrap();
    let of = |name: &str, core, verdict| outcome(&format!("{name}-{core}"), core, verdict, root.path());
    let outcomes = [
        of("a", Core::Emulated, Verdict::Passed),
        of("b", Core::Emulated, Verdict::Passed),
        of("a", Core::Lite, failed("x")),
    ];
    let page = page(&told(&outcomes), root.path());
    assert_eq!(count(&page, "<tr data-verdicts"), 2);
    assert!(page.contains("<th scope=\"col\">emulated</th><th scope=\"col\">lite</th>"));
    assert!(page.contains("data-verdicts=\"passed failed \"") && page.contains("<td>not run</td>"));
    assert!(page.contains("<a href=\"a-lite/report.html\" aria-label=\"a-lite: failed\">"));
}
