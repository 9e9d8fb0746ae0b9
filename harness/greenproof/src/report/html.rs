//! The report of a run as one page, `report.html`, and of several runs as a matrix, `index.html`.
//!
//! A page opens without a network and loads nothing: styles, script and data are in it, and its Content-Security-Policy
//! allows these two texts alone. What has to be read first is plain HTML. What may be long (timeline, decisions, logs) is
//! data, of which the script shows the part that is in view. Everything is made of the redacted evidence.

mod decision;
mod embed;
mod green;
mod index;
mod reference;
mod timeline;

pub use decision::Documents;
pub use index::write as write_index;

use super::{Came, Outcome, event::argument, terminal};
use crate::{
    embedded,
    evidence::{Evidence, Leak, folder::DEVICES, log},
    plan::{Addresses, Plan},
    scenario::Scenario,
    verdict::{Finding, Verdict, fleet, leak},
};
use askama::Template;
use decision::Decisions;
use embed::{Embedded, Frame};
use green::{Difference, Green};
use reference::Reference;
use std::{collections::BTreeMap, io, net::Ipv4Addr, path::Path};
use timeline::{Lane, Timeline, log_id};

/// The name of a report in the evidence folder.
pub const NAME: &str = "report.html";

/// The folder of what is known of green runs, beside the evidence folders.
pub(crate) const GREEN: &str = ".green";

impl Documents {
    /// The policies of a plan, without its secrets. Where AWS would refuse one, the world was not raised.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Option<Self> {
        let nowhere = Addresses { aws: Ipv4Addr::UNSPECIFIED, github: Ipv4Addr::UNSPECIFIED };
        Self::of(&plan.world("", nowhere), |text| plan.redactor.apply(text)).ok()
    }
}

/// Writes the report of a run into its folder, which is below `root`; one without evidence has none. The policies that it
/// began with are shown where they are known.
///
/// # Errors
/// When the file can't be written.
pub fn write(outcome: &Outcome, documents: Option<&Documents>, root: &Path) -> io::Result<()> {
    let (Some(evidence), Some(folder)) = (&outcome.evidence, &outcome.folder) else { return Ok(()) };
    let green = Green::read(&Green::file(root, &outcome.scenario.name));
    let difference = green.map(|green| Difference::of(&green, &Green::of(evidence)));
    std::fs::write(folder.join(NAME), page(outcome, evidence, documents, difference))
}

/// Keeps of a green run what the next run of its scenario is held against.
///
/// # Errors
/// When the file can't be written.
pub fn keep(outcome: &Outcome, root: &Path) -> io::Result<()> {
    match (&outcome.evidence, &outcome.verdict) {
        (Some(evidence), Verdict::Passed) => Green::of(evidence).keep(&Green::file(root, &outcome.scenario.name)),
        _ => Ok(()),
    }
}

/// The page of a run.
fn page(
    outcome: &Outcome,
    evidence: &Evidence,
    documents: Option<&Documents>,
    difference: Option<Difference>,
) -> String {
    let Outcome { scenario, verdict, .. } = outcome;
    let timeline = Timeline::of(evidence);
    let decisions = Decisions::of(evidence, &timeline, documents);
    let logs = logs(evidence);
    let page = Page {
        frame: Frame::of_a_run(),
        word: Came::of(verdict).word(),
        told: verdict.why(),
        scenario,
        evidence,
        head: head(outcome, evidence),
        facts: facts(scenario, evidence),
        again: again(scenario, outcome.bundle().as_deref()),
        steps: steps(outcome, evidence, &timeline),
        devices: devices(outcome, evidence),
        leaks: leaks(scenario, evidence, &timeline),
        search: search(scenario, evidence),
        has_decisions: !decisions.is_empty(),
        findings: findings(outcome, evidence, &timeline),
        difference,
        lanes: lanes(&timeline),
        data: data(&timeline, &decisions, &logs),
        logs,
    };
    embed::visible(page.render().expect("writing into a text never fails"))
}

/// What the page's script reads.
fn data(timeline: &Timeline, decisions: &Decisions<'_>, logs: &[LogShown<'_>]) -> Vec<Embedded> {
    let details: Vec<_> = timeline.rows.iter().map(|row| &row.detail).collect();
    let lanes: Vec<_> = Lane::ALL.iter().map(|(_, name)| name).collect();
    let mut data = vec![
        Embedded::new("rows", timeline),
        Embedded::new("details", &details),
        Embedded::new("decisions", decisions),
        Embedded::new("lanes", &lanes),
    ];
    data.extend(logs.iter().map(|log| Embedded::new(&format!("log-{}", log.id), log.text)));
    data
}

/// What the template shows.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    frame: &'static Frame,
    word: &'static str,
    told: Option<&'a str>,
    scenario: &'a Scenario,
    evidence: &'a Evidence,
    head: Vec<String>,
    facts: Vec<(&'static str, String)>,
    again: Vec<String>,
    findings: Vec<Shown<'a>>,
    difference: Option<Difference>,
    steps: Vec<StepShown<'a>>,
    devices: Vec<DeviceShown<'a>>,
    lanes: Vec<(usize, &'static str, usize)>,
    has_decisions: bool,
    logs: Vec<LogShown<'a>>,
    leaks: Vec<LeakShown<'a>>,
    search: Vec<String>,
    data: Vec<Embedded>,
}

/// A finding with where it shows.
struct Shown<'a> {
    finding: &'a Finding,
    references: Vec<Reference>,
}

struct StepShown<'a> {
    action: &'a str,
    came: String,
    took: String,
    row: Option<usize>,
    findings: Vec<usize>,
}

struct DeviceShown<'a> {
    device: fleet::Device<'a>,
    word: &'static str,
    /// Its own folder, from the page.
    folder: String,
    /// The numbers of its findings.
    findings: Vec<usize>,
}

struct LogShown<'a> {
    id: &'a str,
    lines: usize,
    text: &'a str,
}

struct LeakShown<'a> {
    leak: &'a Leak,
    /// Why it is accepted, if it is.
    accepted: Option<String>,
    seen: String,
    row: Option<usize>,
    place: Option<String>,
}

fn findings<'a>(outcome: &'a Outcome, evidence: &Evidence, timeline: &Timeline) -> Vec<Shown<'a>> {
    let steps = outcome.scenario.steps.len();
    let shown = |finding| Shown { finding, references: reference::of(finding, steps, evidence, timeline) };
    outcome.verdict.findings().iter().map(shown).collect()
}

/// What is to be known of a run at once.
fn head(outcome: &Outcome, evidence: &Evidence) -> Vec<String> {
    let components = outcome.scenario.components.iter().map(|it| format!("{} {}", it.name, it.version));
    let began = evidence.steps.first().map(|step| format!("began {}", step.began));
    let took = format!("took {:.1} s", outcome.took.as_secs_f64());
    let core = format!("{} core", evidence.core);
    components.chain([core]).chain(began).chain([took]).collect()
}

fn facts(scenario: &Scenario, evidence: &Evidence) -> Vec<(&'static str, String)> {
    let ended = evidence.steps.last().map(|step| step.ended.clone());
    let facts = [
        ("region", scenario.aws.region.clone()),
        ("account", evidence.account.clone()),
        ("thing", evidence.thing.clone()),
        ("certificate", evidence.certificate.clone()),
        ("environment", evidence.environment.clone()),
        ("ended", ended.unwrap_or_default()),
        ("greenproof", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The commands that run it again.
fn again(scenario: &Scenario, bundle: Option<&Path>) -> Vec<String> {
    let file = scenario.sources.first().map(|source| source.path.as_path());
    let run =
        file.map(|path| if embedded::is_reference(path) { "greenproof run".into() } else { command("run", path) });
    run.into_iter().chain(bundle.map(|path| command("reproduce", path))).collect()
}

/// A command with a file, as a person types it where it was run.
fn command(verb: &str, path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let path = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display().to_string();
    format!("greenproof {verb} {}", argument(&path))
}

fn steps<'a>(outcome: &Outcome, evidence: &'a Evidence, timeline: &Timeline) -> Vec<StepShown<'a>> {
    let all = outcome.scenario.steps.len();
    let of = |index| {
        let numbered = outcome.verdict.findings().iter().enumerate();
        let of_step = numbered.filter(move |(_, finding)| reference::step_of(finding, all) == Some(index));
        of_step.map(|(number, _)| number + 1).collect()
    };
    let shown = |(index, step): (usize, &'a crate::evidence::StepSeen)| {
        let span = step.span();
        let exit = step.output.as_ref().map(|output| format!("exit code {}", output.exit));
        let came = step.deployment.as_ref().map(|progress| format!("{} {}", progress.status, progress.detailed));
        StepShown {
            action: &step.action,
            came: exit.or(came).unwrap_or_default(),
            took: seconds(span.to.saturating_sub(span.from)),
            row: timeline.row(&timeline::Of::Step(index)),
            findings: of(index),
        }
    };
    evidence.steps.iter().enumerate().map(shown).collect()
}

/// The devices of a fleet.
fn devices<'a>(outcome: &Outcome, evidence: &'a Evidence) -> Vec<DeviceShown<'a>> {
    let shown = |device: fleet::Device<'a>| {
        let is_its =
            |finding: &Finding| finding.expected.strip_prefix(device.thing).is_some_and(|rest| rest.starts_with(": "));
        let numbered = outcome.verdict.findings().iter().enumerate();
        let findings = numbered.filter(|(_, finding)| is_its(finding)).map(|(index, _)| index + 1).collect();
        let (word, folder) = (Came::of(&device.verdict).word(), format!("{DEVICES}/{}", device.thing));
        DeviceShown { device, word, folder, findings }
    };
    fleet::devices(&outcome.scenario, evidence).into_iter().map(shown).collect()
}

/// Milliseconds as a person reads them.
fn seconds(milliseconds: log::Millis) -> String {
    terminal::seconds(u64::try_from(milliseconds).unwrap_or_default())
}

/// The lanes that have something, each with its number and how many rows.
fn lanes(timeline: &Timeline) -> Vec<(usize, &'static str, usize)> {
    let mut counts = BTreeMap::new();
    for row in &timeline.rows {
        *counts.entry(row.lane).or_insert(0) += 1;
    }
    let lanes = Lane::ALL.iter().enumerate();
    lanes.filter_map(|(index, (lane, name))| Some((index, *name, *counts.get(lane)?))).collect()
}

fn logs(evidence: &Evidence) -> Vec<LogShown<'_>> {
    let core = [("greengrass", evidence.core_log.as_str())].into_iter();
    let components = evidence.component_logs.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let all = core.chain(components).filter(|(_, text)| !text.is_empty());
    all.map(|(name, text)| LogShown { id: log_id(name), lines: text.lines().count(), text }).collect()
}

fn leaks<'a>(scenario: &Scenario, evidence: &'a Evidence, timeline: &Timeline) -> Vec<LeakShown<'a>> {
    let judgement = leak::leaks(scenario, evidence);
    let accepted = |leak: &Leak| {
        let found = judgement.accepted.iter().find(|(accepted, _)| std::ptr::eq(*accepted, leak));
        found.map(|(_, reason)| reason.clone())
    };
    let shown = |(index, leak): (usize, &'a Leak)| {
        let mut seen = Vec::new();
        if !leak.began.is_empty() {
            seen.push(format!("from {}", leak.began));
        }
        if leak.milliseconds > 0 {
            seen.push(format!("for {} ms", leak.milliseconds));
        }
        seen.push(if leak.stays { "still there at the end" } else { "gone at the end" }.to_owned());
        LeakShown {
            leak,
            accepted: accepted(leak),
            seen: seen.join(", "),
            row: timeline.row(&timeline::Of::Leak(index)),
            place: reference::in_log(evidence, &leak.place).map(|place| place.to_string()),
        }
    };
    evidence.leaks.iter().enumerate().map(shown).collect()
}

/// What is to be known of the search for leaks.
fn search(scenario: &Scenario, evidence: &Evidence) -> Vec<String> {
    let judgement = leak::leaks(scenario, evidence);
    let incomplete = judgement.incomplete.into_iter().map(|what| format!("incomplete: {what}"));
    incomplete.chain(judgement.notes).collect()
}

#[cfg(test)]
mod tests;
