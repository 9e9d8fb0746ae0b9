//! The judgement: a pure function of what was expected and what was seen.
//!
//! Every finding is reported, not the first; each says what was expected and what was seen instead.

use crate::{
    evidence::{Ending, Evidence, log},
    scenario::{Call, Line, MustFail, Package, Scenario},
};
use cloud::event::{Outcome, What};
use serde::Serialize;
use std::fmt;

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
    /// Our own fault: the run says nothing about the component.
    Broken {
        /// What went wrong.
        what: String,
    },
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The deployment did not end as expected.
    Deployment,
    /// A component's final state.
    Component,
    /// A line that a script should have printed.
    Line,
    /// API calls.
    Call,
    /// A Python package.
    Package,
    /// Something was asked of a name or address outside the emulated world.
    Outside,
    /// A secret where it must not be.
    Leak,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "deployment",
            Self::Component => "component",
            Self::Line => "line",
            Self::Call => "call",
            Self::Package => "package",
            Self::Outside => "outside",
            Self::Leak => "leak",
        })
    }
}

/// Judges a run.
#[must_use]
pub fn judge(scenario: &Scenario, evidence: &Evidence) -> Verdict {
    match &evidence.ending {
        Ending::Unsupported { what } => return Verdict::Unsupported { what: what.clone() },
        Ending::Died { what } => return Verdict::Broken { what: what.clone() },
        Ending::Settled | Ending::Stuck { .. } => {}
    }
    let expect = &scenario.expect;
    let mut findings: Vec<_> = deployment(&expect.deployment, evidence).into_iter().collect();
    let states = evidence.states();
    for (component, expected) in &expect.components {
        let seen = states.get(component).map_or("not reported by the device", String::as_str);
        if seen != expected {
            findings.push(Finding {
                kind: Kind::Component,
                expected: format!("`{component}` ends {expected}"),
                seen: with_last_output(evidence, component, seen),
            });
        }
    }
    findings.extend(expect.lines.iter().filter_map(|line| printed(line, evidence)));
    findings.extend(expect.calls.iter().filter_map(|call| called(call, &scenario.aws.role.name, evidence)));
    findings.extend(expect.packages.iter().flat_map(|package| installed(package, evidence)));
    findings.extend(outside(evidence));
    findings.extend(evidence.leaks.iter().map(|leak| Finding {
        kind: Kind::Leak,
        expected: format!("{} stays out of logs", leak.secret),
        seen: format!("{}: {}", leak.place, leak.line),
    }));
    if findings.is_empty() { Verdict::Passed } else { Verdict::Failed { findings } }
}

fn deployment(expected: &str, evidence: &Evidence) -> Option<Finding> {
    let expected = format!("the deployment ends {expected}");
    if let Ending::Stuck { waiting_for, last_seen, seconds } = &evidence.ending {
        let seen = format!("after {seconds} s still waiting for {waiting_for}; last seen: {last_seen}");
        return Some(Finding { kind: Kind::Deployment, expected, seen });
    }
    let Some((status, details)) = evidence.job() else {
        return Some(Finding { kind: Kind::Deployment, expected, seen: "the job has no status".into() });
    };
    (expected != format!("the deployment ends {status}")).then(|| {
        let seen = if details.as_object().is_some_and(|details| !details.is_empty()) {
            format!("{status} {details}")
        } else {
            status.to_owned()
        };
        Finding { kind: Kind::Deployment, expected, seen }
    })
}

/// A state with the last lines of error output, which usually tell why.
fn with_last_output(evidence: &Evidence, component: &str, state: &str) -> String {
    let log = evidence.component_logs.get(component).map_or("", String::as_str);
    let errors: Vec<_> = log::printed(log).filter(|line| line.stream == crate::scenario::Stream::Stderr).collect();
    match errors.last() {
        Some(line) => format!("{state}; the last line of its {} on stderr: `{}`", line.step, line.text),
        None => state.to_owned(),
    }
}

fn printed(line: &Line, evidence: &Evidence) -> Option<Finding> {
    let log = evidence.component_logs.get(&line.component).map_or("", String::as_str);
    let of_step =
        || log::printed(log).filter(|printed| printed.comes_from(line) && printed.time >= evidence.began.as_str());
    if of_step().any(|printed| printed.text == line.equals) {
        return None;
    }
    let expected = format!("the {} of `{}` prints the line `{}`", line.step, line.component, line.equals);
    let seen = match of_step().last() {
        Some(last) => format!("{} other lines, the last `{}`", of_step().count(), last.text),
        None => "it printed nothing".into(),
    };
    Some(Finding { kind: Kind::Line, expected, seen })
}

fn called(call: &Call, role: &str, evidence: &Evidence) -> Option<Finding> {
    let session = format!("arn:aws:sts::{}:assumed-role/{role}/{}", evidence.account, evidence.certificate);
    let of_action = || evidence.calls().filter(|seen| seen.decision.action == call.action);
    let allowed = of_action()
        .filter(|seen| seen.decision.outcome == Outcome::Allowed)
        .filter(|seen| seen.user_identity["arn"].as_str().is_some_and(|arn| arn == session))
        .count();
    (allowed != call.allowed).then(|| {
        let refused = of_action().find(|seen| seen.decision.outcome != Outcome::Allowed);
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
    pub fn differences(&self, verdict: &Verdict, evidence: &Evidence) -> Vec<String> {
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
        let lines: Vec<_> = evidence.component_logs.values().flat_map(|log| log::printed(log)).collect();
        for text in &self.prints {
            let text = &text.replace("{account}", &evidence.account).replace("{certificate}", &evidence.certificate);
            if !lines.iter().any(|line| line.text == text) {
                differences.push(format!("no script printed `{text}`; printed: {:#?}", texts(&lines)));
            }
        }
        let told: Vec<_> = findings.iter().map(|finding| finding.seen.as_str()).collect();
        for text in &self.says {
            if !told.iter().any(|seen| seen.contains(text.as_str())) {
                differences.push(format!("no finding says `{text}`; they say: {told:#?}"));
            }
        }
        differences
    }
}

fn texts<'a>(lines: &[log::Printed<'a>]) -> Vec<&'a str> {
    lines.iter().map(|line| line.text).collect()
}

#[cfg(test)]
mod tests;
