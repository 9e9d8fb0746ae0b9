//! The reader for a person: one line a stage, every finding with what was expected, and where to look next.

use super::{Outcome, Reader, Told};
use crate::{
    evidence::StepSeen,
    verdict::{Finding, Verdict},
};
use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Writes to standard error, so that standard output stays free for machine-readable reports.
#[derive(Debug)]
pub struct Terminal {
    colour: bool,
    /// The image whose builder spoke last.
    building: Mutex<String>,
}

impl Terminal {
    /// A terminal reader; `colour` as the person asked (`NO_COLOR`), and never into a pipe.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        Self { colour: colour && std::io::stderr().is_terminal(), building: Mutex::default() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn building(&self, image: &str, output: &str) {
        let mut last = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != image {
            line(&format!("building image {image} (once)"));
            image.clone_into(&mut last);
        }
        if output.starts_with("Step ") {
            line(&format!("  {output}"));
        }
    }

    fn done(&self, good: bool, what: &str, detail: &str, took: Duration) {
        let mark = if good { self.paint("32", "✓") } else { self.paint("31", "✗") };
        line(&format!("  {mark} {what:<12} {detail:<58} {:>5.1} s", took.as_secs_f64()));
    }

    /// What was done and what came of it, in one line.
    fn step(&self, index: usize, seen: &StepSeen, as_expected: bool, took: Duration) {
        let deployment = seen.deployment.as_ref().map(|progress| progress.status.clone());
        let exit = seen.output.as_ref().map(|output| format!("exit code {}", output.exit));
        let recovery = seen.recovery.map(|seconds| format!("recovered after {seconds:.0} s of device time"));
        let came = recovery.or(exit).or(deployment).map_or_else(String::new, |came| format!(": {came}"));
        let action = shortened(&seen.action, 58_usize.saturating_sub(came.chars().count()));
        self.done(as_expected, &format!("step {}", index + 1), &format!("{action}{came}"), took);
    }

    fn judged(&self, outcome: &Outcome) {
        let name = &outcome.scenario.name;
        let took = format!("{:.1} s", outcome.took.as_secs_f64());
        match &outcome.verdict {
            Verdict::Passed => line(&format!("{} {name} in {took}", self.paint("1;32", "PASSED"))),
            Verdict::Failed { findings } => {
                let count = findings.len();
                let plural = if count == 1 { "" } else { "s" };
                line(&format!("{} {name} in {took}, {count} finding{plural}", self.paint("1;31", "FAILED")));
                for finding in findings {
                    self.finding(finding);
                }
            }
            Verdict::Skipped { why } => line(&format!("{} {name}: {why}", self.paint("1;33", "SKIPPED"))),
            Verdict::Unsupported { what } => {
                line(&format!("{} {name}: {what}", self.paint("1;33", "UNSUPPORTED")));
            }
            Verdict::Broken { what } => {
                line(&format!("{} {name}: {what}", self.paint("1;35", "BROKEN")));
                line("  this is greenproof's fault or its environment's; it says nothing about the component");
            }
        }
        for told in super::leaks::lines(outcome) {
            line(&format!("  {told}"));
        }
        if let Some(folder) = &outcome.folder {
            line(&format!("  evidence: {}", folder.display()));
        }
        if let Some(bundle) = outcome.bundle() {
            line(&format!("  again: greenproof reproduce {}", bundle.display()));
        }
    }

    fn finding(&self, finding: &Finding) {
        line(&format!("  {} {}", self.paint("31", "✗"), self.paint("1", &finding.kind.to_string())));
        line(&format!("      expected: {}", finding.expected));
        line(&format!("      seen:     {}", finding.seen));
    }
}

impl Reader for Terminal {
    fn told(&self, told: &Told<'_>) {
        match told {
            Told::Building { image, line } => self.building(image, line),
            Told::Note(note) => line(note),
            Told::Begun(scenario) => line(&format!("{}: {}", self.paint("1", &scenario.name), scenario.summary)),
            Told::Seen(what) => line(&format!("    {} {what}", self.paint("2", "·"))),
            Told::Stage { stage, detail, took } => {
                self.done(true, stage, detail, *took);
            }
            Told::Step { index, seen, as_expected, took } => self.step(*index, seen, *as_expected, *took),
            Told::Judged(outcome) => self.judged(outcome),
        }
    }
}

/// The first line of a text, cut to a length.
fn shortened(text: &str, length: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first == text && text.chars().count() <= length {
        return text.to_owned();
    }
    first.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

fn line(text: &str) {
    // A closed standard error leaves nobody to tell; the exit code still does.
    _ = writeln!(std::io::stderr().lock(), "{text}");
}
