//! Events made of what the pipeline knows.

use super::{Attempt, Came, Device, Found, Judged, Sight, Told, VERSION};
use crate::{
    embedded,
    evidence::{Evidence, StepSeen},
    report::{Outcome, leaks, place},
    scenario::Scenario,
    verdict::{Finding, Verdict, fleet},
};
use std::{collections::BTreeMap, path::Path, time::Duration};

impl Told {
    /// The beginning of a stream.
    #[must_use]
    pub fn stream() -> Self {
        Self::Stream { version: VERSION, greenproof: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Something that a person may want to know.
    #[must_use]
    pub fn note(text: impl Into<String>) -> Self {
        Self::Note { text: text.into() }
    }

    /// A scenario's beginning, with these stages before its steps.
    #[must_use]
    pub fn begun(scenario: &Scenario, stages: &[&str]) -> Self {
        Self::Begun {
            summary: scenario.summary.clone(),
            file: file(scenario),
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            steps: scenario.steps.iter().map(|step| step.action.to_string()).collect(),
        }
    }

    /// The end of a stage.
    #[must_use]
    pub fn stage(stage: &str, detail: impl Into<String>, took: Duration) -> Self {
        Self::StageEnded { stage: stage.to_owned(), detail: detail.into(), milliseconds: milliseconds(took) }
    }

    /// The end of a step, which is counted from 0.
    #[must_use]
    pub fn step(index: usize, seen: &StepSeen, as_expected: bool, took: Duration) -> Self {
        let deployment = seen.deployment.as_ref().map(|progress| progress.status.clone());
        let exit = seen.output.as_ref().map(|output| format!("exit code {}", output.exit));
        let recovery = seen.recovery.map(|seconds| format!("recovered after {seconds:.0} s of device time"));
        Self::StepEnded {
            step: index + 1,
            action: seen.action.clone(),
            came: recovery.or(exit).or(deployment).unwrap_or_default(),
            as_expected,
            milliseconds: milliseconds(took),
        }
    }

    /// That a device of a fleet has been followed to its end.
    #[must_use]
    pub fn followed(evidence: &Evidence) -> Self {
        let deployment = evidence.last_deployment();
        let came = deployment.map_or_else(|| "never told".to_owned(), ToString::to_string);
        let text = format!("{}: {came}", evidence.thing);
        Self::Seen { kind: Sight::Deployment, text, detail: String::new(), refused: false }
    }

    /// The end of a fleet's deployment, a step that is counted from 1.
    #[must_use]
    pub fn deployed(outcome: &Outcome, (step, action): (usize, String), took: Duration) -> Self {
        let devices = devices(outcome);
        let good = devices.iter().filter(|device| device.verdict == Came::Passed).count();
        let came = format!("{good} of {} devices as expected", devices.len());
        Self::StepEnded { step, action, came, as_expected: good == devices.len(), milliseconds: milliseconds(took) }
    }

    /// The end of all scenarios.
    #[must_use]
    pub fn ended(outcomes: &[Outcome], code: u8, took: Duration) -> Self {
        let mut counts = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(Came::of(&outcome.verdict)).or_default() += 1;
        }
        Self::Ended { counts, code, milliseconds: milliseconds(took) }
    }

    /// How a scenario came out that ran with these versions.
    #[must_use]
    pub fn judged(outcome: &Outcome, versions: BTreeMap<String, String>) -> Self {
        let verdict = Came::of(&outcome.verdict);
        let (bundle, file) = (outcome.bundle(), file(&outcome.scenario));
        let again = match (&bundle, &file) {
            _ if matches!(verdict, Came::Passed | Came::Skipped) => None,
            (Some(bundle), _) => Some(reproduce(bundle)),
            (None, Some(file)) => Some(format!("greenproof run {}", argument(file))),
            (None, None) => is_reference(&outcome.scenario).then(|| "greenproof run".to_owned()),
        };
        Self::Judged(Box::new(Judged {
            verdict,
            why: outcome.verdict.why().unwrap_or_default().to_owned(),
            findings: outcome.verdict.findings().iter().map(|finding| Found::of(&outcome.scenario, finding)).collect(),
            devices: devices(outcome),
            leaks: leaks::lines(outcome),
            evidence: outcome.folder.as_deref().map(shown),
            bundle: bundle.as_deref().map(shown),
            again,
            file,
            versions,
            output: if matches!(verdict, Came::Failed | Came::Flaky) { output(outcome) } else { String::new() },
            milliseconds: milliseconds(outcome.took),
            attempts: Attempt::all(outcome),
        }))
    }
}

impl Attempt {
    /// The attempts at a scenario that was run again.
    fn all(outcome: &Outcome) -> Vec<Self> {
        if outcome.again.is_empty() {
            return Vec::new();
        }
        let first = outcome.verdict.first();
        let again = outcome.again.iter().map(|again| (again, &again.verdict));
        [(outcome, first)].into_iter().chain(again).map(|(outcome, verdict)| Self::of(outcome, verdict)).collect()
    }

    fn of(outcome: &Outcome, verdict: &Verdict) -> Self {
        Self {
            verdict: Came::of(verdict),
            why: verdict.why().unwrap_or_default().to_owned(),
            findings: verdict.findings().iter().map(|finding| Found::of(&outcome.scenario, finding)).collect(),
            evidence: outcome.folder.as_deref().map(shown),
            milliseconds: milliseconds(outcome.took),
        }
    }
}

impl Found {
    fn of(scenario: &Scenario, finding: &Finding) -> Self {
        let place = place::of(scenario, finding);
        let Finding { kind, expected, seen } = finding.clone();
        let (file, line) = place.map_or((None, None), |(path, line)| (Some(shown(path)), Some(line)));
        Self { kind, expected, seen, file, line }
    }
}

/// The devices of a fleet.
fn devices(outcome: &Outcome) -> Vec<Device> {
    let Some(evidence) = &outcome.evidence else { return Vec::new() };
    let device = |device: fleet::Device<'_>| Device {
        thing: device.thing.to_owned(),
        verdict: Came::of(&device.verdict),
        status: device.status.to_owned(),
        faults: device.faults,
    };
    fleet::devices(&outcome.scenario, evidence).into_iter().map(device).collect()
}

/// How much of what components printed is told of a failed run, in bytes.
const OUTPUT: usize = 32 * 1024;

/// The end of what the components printed.
fn output(outcome: &Outcome) -> String {
    let own = outcome.evidence.iter().flat_map(|evidence| &evidence.component_logs);
    let own = own.map(|(name, log)| format!("== {name}.log\n{log}\n"));
    // Of a fleet, what those printed that came out otherwise than expected.
    let devices = outcome
        .evidence
        .iter()
        .flat_map(|evidence| fleet::devices(&outcome.scenario, evidence).into_iter().zip(&evidence.devices));
    let bad = devices.filter(|(device, _)| !matches!(device.verdict, Verdict::Passed));
    let theirs = bad.flat_map(|(device, evidence)| {
        evidence.component_logs.iter().map(move |(name, log)| format!("== {} {name}.log\n{log}\n", device.thing))
    });
    let all: String = own.chain(theirs).collect();
    let from = all.ceil_char_boundary(all.len().saturating_sub(OUTPUT));
    // A line of which only the end is left says nothing.
    let from = if from == 0 { 0 } else { all[from..].find('\n').map_or(all.len(), |end| from + end + 1) };
    all[from..].to_owned()
}

/// The scenario's file; the built-in scenario has none.
fn file(scenario: &Scenario) -> Option<String> {
    let path = &scenario.sources.first()?.path;
    // What we unpacked into a temporary folder is gone afterwards.
    let own = |rest: &Path| rest.iter().next().is_some_and(|first| first.to_string_lossy().starts_with("greenproof-"));
    let lasts = !path.strip_prefix(std::env::temp_dir()).is_ok_and(own);
    lasts.then(|| shown(path))
}

/// Whether it is the built-in scenario.
fn is_reference(scenario: &Scenario) -> bool {
    scenario.sources.first().is_some_and(|source| embedded::is_reference(&source.path))
}

/// The command that makes a failed run happen again.
pub(crate) fn reproduce(bundle: &Path) -> String {
    format!("greenproof reproduce {}", argument(&shown(bundle)))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A text as one word of a shell.
pub(in crate::report) fn argument(text: &str) -> String {
    // No path holds a zero byte.
    shlex::try_quote(text).unwrap_or_default().into_owned()
}

/// A duration in whole milliseconds.
fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

impl Came {
    /// The way in which a verdict says that it came out.
    pub(crate) const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed { .. } => Self::Failed,
            Verdict::Unsupported { .. } => Self::Unsupported,
            Verdict::Skipped { .. } => Self::Skipped,
            Verdict::Broken { .. } => Self::Broken,
            Verdict::Flaky { .. } => Self::Flaky,
        }
    }
}
