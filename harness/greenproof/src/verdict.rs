//! The judgement: a pure function of what was expected and what was seen.
//!
//! Every finding is reported, not the first; each says what was expected and what was seen instead.

pub mod fleet;
mod index;
pub mod leak;
mod rest;
mod soft;
mod step;

pub use rest::{idle, unproven};
pub(crate) use step::step;

use crate::{
    core::Core,
    evidence::{
        Ending, Evidence, Progress, Restart, StepSeen,
        log::{self, Span},
    },
    scenario::{Call, MustFail, Package, Scenario, Step},
};
use cloud::event::{ApiCall, Decision, What};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// How a run came out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Everything expected was seen.
    Passed,
    /// Something was not.
    Failed {
        /// What, in the order of the checks.
        findings: Vec<Finding>,
    },
    /// The scenario needs something that greenproof does not emulate.
    Unsupported {
        /// What it needs.
        what: String,
    },
    /// It was not run, since what it needs is not here.
    Skipped {
        /// What it needs.
        why: String,
    },
    /// Our own fault: the run says nothing about the component.
    Broken {
        /// What went wrong.
        what: String,
    },
    /// It passed only when it was run again: whatever hindered it first may come back.
    Flaky {
        /// How it came out first.
        first: Box<Self>,
        /// What is told of it.
        why: String,
    },
}

impl Verdict {
    /// What was not as expected.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        if let Self::Failed { findings } = self.first() { findings } else { &[] }
    }

    /// Why nothing was judged, if so.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Unsupported { what } | Self::Broken { what } | Self::Skipped { why: what } => Some(what),
            Self::Flaky { why, .. } => Some(why),
            Self::Passed | Self::Failed { .. } => None,
        }
    }

    /// How it came out when it was run first.
    #[must_use]
    pub fn first(&self) -> &Self {
        if let Self::Flaky { first, .. } = self { first } else { self }
    }

    /// The verdict on a scenario that came out so, and passed in a later attempt.
    #[must_use]
    pub fn flaky(self, attempt: usize) -> Self {
        let before = self.why().map_or_else(String::new, |why| format!("; before: {why}"));
        Self::Flaky { first: Box::new(self), why: format!("it passed in attempt {attempt}{before}") }
    }
}

/// One thing that was not as expected.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// What was expected.
    pub expected: String,
    /// What was seen instead.
    pub seen: String,
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The deployment did not end as expected.
    Deployment,
    /// A step that was not carried out to its end.
    Step,
    /// A component's state at the end of a step.
    Component,
    /// The states that a component took.
    State,
    /// A line of a log file.
    Log,
    /// What a command gave.
    Command,
    /// A line that a script should have printed.
    Line,
    /// API calls.
    Call,
    /// A Python package.
    Package,
    /// Something was asked of a name or address outside the emulated world.
    Outside,
    /// Something that the package index lacks.
    Index,
    /// What a run that enforces no policy let through.
    Soft,
    /// The device didn't recover from a denial in time.
    Recovery,
    /// A secret where it must not be.
    Leak,
    /// On how many devices of a fleet the deployment ends how.
    Fleet,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "deployment",
            Self::Step => "step",
            Self::Component => "component",
            Self::State => "state",
            Self::Log => "log",
            Self::Command => "command",
            Self::Line => "line",
            Self::Call => "call",
            Self::Package => "package",
            Self::Outside => "outside",
            Self::Index => "index",
            Self::Soft => "soft",
            Self::Recovery => "recovery",
            Self::Leak => "leak",
            Self::Fleet => "fleet",
        })
    }
}

/// Judges a run.
#[must_use]
pub fn judge(scenario: &Scenario, evidence: &Evidence) -> Verdict {
    if let Some(fleet) = scenario.fleet.as_ref().filter(|_| evidence.thing.is_empty()) {
        return fleet::judged(scenario, fleet, evidence);
    }
    match &evidence.ending {
        Ending::Unsupported { what } => return Verdict::Unsupported { what: what.clone() },
        Ending::Died { what } => return Verdict::Broken { what: what.clone() },
        Ending::Settled | Ending::Stuck { .. } => {}
    }
    if let Some(what) = evidence.unsupported() {
        return Verdict::Unsupported { what };
    }
    if let Some(what) = own_fault(evidence) {
        return Verdict::Broken { what };
    }
    let mut findings = steps(scenario, evidence);
    findings.extend(rest::failed(scenario, evidence));
    let expect = &scenario.expect;
    findings.extend(expect.calls.iter().filter_map(|call| called(call, &scenario.aws.role.name, evidence)));
    findings.extend(expect.packages.iter().flat_map(|package| installed(package, evidence)));
    findings.extend(outside(evidence));
    findings.extend(index::lacking(evidence));
    if scenario.aws.soft {
        findings.extend(soft::let_through(evidence));
    }
    findings.extend(leak::findings(scenario, evidence));
    if findings.is_empty() { Verdict::Passed } else { Verdict::Failed { findings } }
}

/// What a core of ours ended of by itself: it starts anew in the same process when it is asked to.
fn own_fault(evidence: &Evidence) -> Option<String> {
    const KILLED_BY_A_SIGNAL: i64 = 128;
    let ended = |restart: &Restart| !restart.killed && restart.code.is_some_and(|code| code < KILLED_BY_A_SIGNAL);
    let code = evidence.restarts.iter().find(|restart| ended(restart))?.code?;
    (evidence.core == Core::Emulated)
        .then(|| format!("the emulated core ended with exit code {code} and was started again"))
}

/// The findings of all steps; each says which step it is of, if there are several.
fn steps(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        let of_step = match evidence.steps.get(index) {
            None => vec![Finding {
                kind: Kind::Step,
                expected: format!("{} is carried out", step.action),
                seen: "an earlier step did not come to its end".into(),
            }],
            Some(seen) => {
                let last = index + 1 == evidence.steps.len();
                let stuck = matches!(evidence.ending, Ending::Stuck { .. }) && last;
                of_step(scenario, evidence, step, seen, stuck)
            }
        };
        let place = if scenario.steps.len() > 1 { format!("step {}: ", index + 1) } else { String::new() };
        findings.extend(
            of_step.into_iter().map(|finding| Finding { expected: format!("{place}{}", finding.expected), ..finding }),
        );
    }
    findings
}

fn of_step(scenario: &Scenario, evidence: &Evidence, step: &Step, seen: &StepSeen, stuck: bool) -> Vec<Finding> {
    let Evidence { account, thing, certificate, .. } = evidence;
    let mut filled = step.filled(&known(scenario, account, thing, certificate, seen.deployment.as_ref()));
    let mut findings = Vec::new();
    if let Ending::Stuck { waiting_for, last_seen, seconds } = &evidence.ending
        && stuck
    {
        let expected = match filled.expect.deployment.take() {
            Some(status) => format!("the deployment ends {status}"),
            None => format!("{} comes to its end", filled.action),
        };
        let kind = if filled.action.deploy().is_some() { Kind::Deployment } else { Kind::Step };
        let seen = format!("after {seconds} s still waiting for {waiting_for}; last seen: {last_seen}");
        findings.push(Finding { kind, expected, seen });
    }
    findings.extend(self::step(&filled, seen, &|name| evidence.log(name).to_owned()));
    findings
}

/// What the placeholders of a scenario's texts stand for.
pub(crate) fn known(
    scenario: &Scenario,
    account: &str,
    thing: &str,
    certificate: &str,
    deployment: Option<&Progress>,
) -> BTreeMap<&'static str, String> {
    let mut known = BTreeMap::from([
        ("account", account.to_owned()),
        ("region", scenario.aws.region.clone()),
        ("thing", thing.to_owned()),
        ("group", scenario.group(thing)),
        ("certificate", certificate.to_owned()),
    ]);
    if let Some(progress) = deployment {
        known.insert("deployment", progress.deployment.clone());
        known.extend(progress.job.clone().map(|job| ("job", job)));
    }
    known
}

fn called(call: &Call, role: &str, evidence: &Evidence) -> Option<Finding> {
    let session = format!("arn:aws:sts::{}:assumed-role/{role}/{}", evidence.account, evidence.certificate);
    let is_it = |decision: &Decision| decision.action.eq_ignore_ascii_case(&call.action);
    let of_action = || evidence.calls().filter(|seen| seen.decisions().any(&is_it));
    // A call is refused, too, by what it needs beyond its own action; that is asked whatever becomes of the call.
    let is_allowed = |seen: &&ApiCall| {
        let own = is_it(&seen.decision);
        seen.decisions().filter(|decision| own || is_it(decision)).all(Decision::is_allowed)
    };
    let allowed = of_action()
        .filter(is_allowed)
        .filter(|seen| seen.user_identity["arn"].as_str().is_some_and(|arn| arn == session))
        .count();
    (allowed != call.allowed).then(|| {
        let refused = of_action().find(|seen| !is_allowed(seen));
        let why = refused.and_then(|seen| seen.error_message.as_deref()).map_or_else(String::new, |m| format!("; {m}"));
        Finding {
            kind: Kind::Call,
            expected: format!("{} allowed {} by the device's role session", call.allowed, call.action),
            seen: format!("{allowed} allowed of {} made{why}", of_action().count()),
        }
    })
}

fn installed(package: &Package, evidence: &Evidence) -> Vec<Finding> {
    let finding = |expected: String, seen: String| Finding { kind: Kind::Package, expected, seen };
    let seen = evidence.packages.get(&package.name).cloned().unwrap_or_default();
    if seen.fields.is_empty() {
        return vec![finding(format!("package `{}` is installed", package.name), "pip3 does not know it".into())];
    }
    let field = |name: &str| seen.fields.get(name).map_or("nothing", String::as_str);
    let facts = [
        ("Name", Some(&package.name)),
        ("Version", Some(&package.version)),
        ("Summary", package.summary.as_ref()),
        ("Author", package.author.as_ref()),
        ("License", package.license.as_ref()),
    ];
    let mut findings: Vec<_> = facts
        .into_iter()
        .filter_map(|(name, expected)| expected.filter(|expected| field(name) != *expected).map(|e| (name, e)))
        .map(|(name, expected)| {
            finding(format!("{name} of `{}` is `{expected}`", package.name), format!("`{}`", field(name)))
        })
        .collect();
    if let Some(folder) = &package.location_under
        && let folder = folder.replace("{home}", evidence.core.home())
        && !field("Location").starts_with(folder.as_str())
    {
        let expected = format!("`{}` is under `{folder}`", package.name);
        findings.push(finding(expected, format!("`{}`", field("Location"))));
    }
    if let Some(repository) = &package.repository {
        let head = evidence.heads.get(repository);
        if seen.commit.is_none() || seen.commit.as_ref() != head {
            let shown = |commit: Option<&String>| commit.map_or("none", String::as_str).to_owned();
            let expected = format!("`{}` comes from commit {} of {repository}", package.name, shown(head));
            findings.push(finding(expected, format!("commit {}", shown(seen.commit.as_ref()))));
        }
    }
    findings
}

/// Link-local addresses never leave the machine's own link; SDKs without credentials look there for an instance's.
const LINK_LOCAL: &str = "169.254.";

/// Names that don't exist in the emulated world and connections to raw addresses, each once.
fn outside(evidence: &Evidence) -> Vec<Finding> {
    let mut seen: Vec<_> = evidence
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Dns { name, record, answer: None } if record == "A" => {
                Some(format!("the name `{name}` was asked for"))
            }
            What::RawAddress { destination } if !destination.starts_with(LINK_LOCAL) => {
                Some(format!("a connection to `{destination}`"))
            }
            _ => None,
        })
        .collect();
    seen.sort();
    seen.dedup();
    let expected = "nothing is asked of the world outside the scenario";
    seen.into_iter().map(|seen| Finding { kind: Kind::Outside, expected: expected.into(), seen }).collect()
}

impl MustFail {
    /// Whether a run failed for exactly the stated reasons; every difference is told.
    #[must_use]
    pub fn differences(&self, scenario: &Scenario, verdict: &Verdict, evidence: &Evidence) -> Vec<String> {
        let Verdict::Failed { findings } = verdict else {
            return vec![format!("must fail, but the verdict is {verdict:?}")];
        };
        let mut kinds: Vec<_> = findings.iter().map(|finding| finding.kind.to_string()).collect();
        kinds.sort();
        kinds.dedup();
        let mut expected = self.findings.clone();
        expected.sort();
        let mut differences = Vec::new();
        if kinds != expected {
            differences.push(format!("findings must be {expected:?}, but are {kinds:?}: {findings:#?}"));
        }
        let all = std::iter::once(evidence).chain(&evidence.devices);
        let logs = all.flat_map(|evidence| evidence.component_logs.values());
        let lines: Vec<_> = logs.flat_map(|log| log::printed(log, Span::ALWAYS)).collect();
        for text in &self.prints {
            let text = &text.replace("{account}", &evidence.account).replace("{certificate}", &evidence.certificate);
            if !lines.iter().any(|line| line.text == *text) {
                differences.push(format!("no script printed `{text}`; printed: {:#?}", texts(&lines)));
            }
        }
        let told: Vec<_> = findings.iter().map(|finding| finding.seen.as_str()).collect();
        for text in &self.says {
            if !told.iter().any(|seen| seen.contains(text.as_str())) {
                differences.push(format!("no finding says `{text}`; they say: {told:#?}"));
            }
        }
        differences.extend(leak::differences(&self.leaks, scenario, evidence));
        differences
    }
}

fn texts(lines: &[log::Printed]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
