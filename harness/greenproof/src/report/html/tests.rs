//! The page of a recorded run: what it says, and that nothing that a run says can change what it is.

use super::*;
use crate::verdict::{
    judge,
    tests::{recorded, scenario},
};
use regex::Regex;
use serde_json::Value;
use std::time::Duration;

pub(super) const COMPONENT: &str = "com.example.GithubCustomPack";

/// The outcome of the reference scenario by an evidence.
fn outcome(evidence: &Evidence, folder: Option<&Path>) -> Outcome {
    let scenario = scenario();
    let verdict = judge(&scenario, evidence);
    let (evidence, folder) = (Some(evidence.clone()), folder.map(Path::to_owned));
    Outcome { scenario, verdict, evidence, folder, took: Duration::from_secs(1), again: Vec::new() }
}

fn of(evidence: &Evidence) -> String {
    page(&outcome(evidence, None), evidence, None, None)
}

/// Data of a page, as its script reads it.
fn data(page: &str, id: &str) -> Value {
    let (_, rest) = page.split_once(&format!("id=\"data-{id}\">")).expect("the page has the data");
    serde_json::from_str(rest.split_once("</script>").expect("it ends").0).expect("it is JSON")
}

#[test]
fn a_page_loads_nothing_and_allows_its_own_script_alone() {
    let page = of(&recorded());
    let policy = "content=\"default-src &#39;none&#39;; style-src &#39;sha256-";
    assert!(page.contains(policy), "{}", &page[..1000]);
    for way in ["src=", "@import", "url(", "href=\"http", "<link", "fetch(", "<img", "<iframe"] {
        let found = page.split("<script type").next().unwrap_or_default();
        assert!(!found.contains(way), "{way}");
    }
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert_eq!(style, Frame::of_a_run().style, "its hash is of what stands there");
    assert!(page.contains(&format!("<script>{}</script>", Frame::of_a_run().script)));
}

#[test]
fn a_fleet_has_a_row_and_a_folder_for_each_device() {
    fidelity::fidelity!("fleet-9");
    let (scenario, evidence) = crate::verdict::fleet::tests::fleet(["SUCCEEDED", "FAILED", "FAILED"]);
    let verdict = judge(&scenario, &evidence);
    let outcome = Outcome {
        scenario,
        verdict,
        evidence: Some(evidence.clone()),
        folder: None,
        took: Duration::ZERO,
        again: Vec::new(),
    };
    let page = page(&outcome, &evidence, None, None);
    let row = |thing: &str| {
        page.split(&format!("<a href=\"devices/{thing}/\">")).nth(1).unwrap().split("</tr>").next().unwrap()
    };
    assert!(row("core-1").contains("<td>passed</td><td>SUCCEEDED</td>"), "{}", row("core-1"));
    assert!(row("core-2").contains("<td>passed</td><td>FAILED</td>") && row("core-2").contains("device.no-git"));
    assert!(
        row("core-3").contains("<td>failed</td>") && row("core-3").contains("href=\"#finding-1\""),
        "{}",
        row("core-3")
    );
    let folder = tempfile::tempdir().unwrap();
    crate::evidence::folder::write(&evidence, &folder.path().join("run")).unwrap();
    assert!(folder.path().join("run/devices/core-2/core.log").is_file());
}

#[test]
fn hostile_output_stays_text() {
    let mut evidence = recorded();
    let hostile = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \u{202E}txt\u{7}\u{0} ]]> &lt; ";
    let line = format!("2026-11-25T02:24:21.292Z [INFO] (x) {COMPONENT}: {hostile}{}\n", "x".repeat(1_000_000));
    evidence.component_logs.get_mut(COMPONENT).unwrap().push_str(&line);
    evidence.component_logs.insert("</title><script>".into(), hostile.to_owned());
    evidence.steps[0].states.insert(COMPONENT.into(), hostile.to_owned());
    evidence.packages.insert("\"><script>alert(3)</script>".into(), crate::evidence::Installed::default());
    let page = of(&evidence);
    let elements = Regex::new("(?i)<(script|/script|img|!--)").unwrap();
    let own = of(&recorded());
    assert_eq!(elements.find_iter(&page).count(), elements.find_iter(&own).count() + 2, "one log more, nothing else");
    assert!(!page.contains(['\u{202E}', '\u{7}', '\u{0}']));
    let read = data(&page, &format!("log-{COMPONENT}"));
    let shown = line.replace('\u{202E}', "⟨U+202E⟩");
    assert!(read.as_str().unwrap().ends_with(&shown), "all of it is there");
}

#[test]
fn the_page_says_what_the_verdict_says() {
    let mut evidence = recorded();
    let page = of(&evidence);
    assert!(page.contains("<p class=\"verdict passed\">passed</p>") && !page.contains("id=\"findings\""));
    evidence.events.retain(|event| !matches!(event.what, cloud::event::What::Api(_)));
    evidence.steps[0].states.insert(COMPONENT.into(), "BROKEN".into());
    let page = of(&evidence);
    assert!(page.contains("<p class=\"verdict failed\">failed</p>") && page.contains("Findings (2)"));
    assert!(page.contains("<dt>expected</dt><dd>`com.example.GithubCustomPack` ends FINISHED</dd>"), "{page}");
    assert!(page.contains("<a href=\"#finding-1\">finding 1</a>"), "the step leads to its finding");
}

#[test]
fn a_run_can_be_run_again_by_what_the_page_says() {
    let scenario = scenario();
    let [command] = &*again(&scenario, None) else { panic!("it is one command") };
    assert!(command.starts_with("greenproof run ") && command.ends_with("scenarios/private-package.toml"), "{command}");
    let bundle = Path::new("/evidence/it's here/bundle.tar.gz");
    assert_eq!(again(&scenario, Some(bundle))[1], "greenproof reproduce \"/evidence/it's here/bundle.tar.gz\"");
    let reference = embedded::Reference::new().unwrap();
    let built_in = Scenario::load(&reference.scenario()).unwrap();
    assert_eq!(again(&built_in, None), ["greenproof run"]);
}

#[test]
fn a_green_run_is_kept_and_the_next_one_is_held_against_it() {
    let (root, mut evidence) = (tempfile::tempdir().unwrap(), recorded());
    let folder = root.path().join("private-package");
    std::fs::create_dir(&folder).unwrap();
    let written = |evidence: &Evidence| {
        let outcome = outcome(evidence, Some(&folder));
        write(&outcome, None, root.path()).unwrap();
        keep(&outcome, root.path()).unwrap();
        std::fs::read_to_string(folder.join(NAME)).unwrap()
    };
    assert!(written(&evidence).contains("No green run of this scenario is known here yet."));
    assert!(written(&evidence).contains("Nothing is different"));
    evidence.steps[0].states.insert(COMPONENT.into(), "BROKEN".into());
    evidence.events.retain(|event| !matches!(event.what, cloud::event::What::Api(_)));
    let red = written(&evidence);
    assert!(!red.contains("Nothing is different") && red.contains("<td>allowed 1×</td><td>not asked</td>"));
    assert!(written(&recorded()).contains("Nothing is different"), "a red run is not kept");
}
