//! What a terminal shows, as lines of text.

use super::Look;
use crate::report::{Came, Found, Judged};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const OURS: Style = AnsiColor::Magenta.on_default().bold();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// The columns of what a line is about.
const NAME: usize = 12;
/// The columns of a time.
const TIME: usize = 8;

/// Writes lines that look so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) look: Look,
}

/// What a step is called.
pub(super) fn step(number: usize) -> String {
    format!("step {number}")
}

/// What a part of a selection is.
pub(super) fn part(part: &str, here: usize, all: usize) -> String {
    format!("part {part}: {here} of {all} scenario{}", if all == 1 { "" } else { "s" })
}

impl Text {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.look.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(super) fn begun(&self, name: &str, summary: &str) -> String {
        format!("{}: {summary}", self.paint(STRONG, name))
    }

    /// What is seen while something goes on.
    pub(super) fn aside(&self, text: &str) -> String {
        format!("    {} {text}", self.paint(FAINT, "·"))
    }

    /// A stage or step that is done.
    pub(super) fn done(&self, good: bool, what: &str, detail: &str, milliseconds: u64) -> String {
        let mark = if good { self.paint(GOOD, "✓") } else { self.paint(BAD, "✗") };
        let room = self.room();
        format!("  {mark} {what:<NAME$} {:<room$} {:>TIME$}", cut(detail, room), seconds(milliseconds))
    }

    /// What was done in a step and what came of it; the latter is shown whole.
    pub(super) fn step(&self, number: usize, told: (&str, &str), as_expected: bool, milliseconds: u64) -> String {
        let (action, came) = told;
        let came = if came.is_empty() { String::new() } else { format!(": {came}") };
        let action = cut(action, self.room().saturating_sub(came.chars().count()));
        self.done(as_expected, &step(number), &format!("{action}{came}"), milliseconds)
    }

    pub(super) fn not_reached(&self, what: &str, detail: &str) -> String {
        const NOT_REACHED: &str = "not reached";
        let room = self.room().saturating_sub(NOT_REACHED.len() - TIME);
        let text = format!("  - {what:<NAME$} {:<room$} {NOT_REACHED}", cut(detail, room));
        self.paint(FAINT, &text)
    }

    /// The columns that are left for the detail of a line.
    fn room(&self) -> usize {
        self.look.width.saturating_sub(2 + 1 + 1 + NAME + 1 + 1 + TIME).max(8)
    }

    /// A verdict, and what there is to know of it: what matters most comes last.
    pub(super) fn judged(&self, name: &str, judged: &Judged) -> Vec<String> {
        let took = seconds(judged.milliseconds);
        let (word, why) = (self.word(judged.verdict), &judged.why);
        let mut lines = vec![match judged.verdict {
            Came::Passed => format!("{word} {name} in {took}"),
            Came::Failed => {
                let count = judged.findings.len();
                format!("{word} {name} in {took}, {count} finding{}", if count == 1 { "" } else { "s" })
            }
            Came::Skipped | Came::Unsupported | Came::Broken | Came::Flaky => format!("{word} {name}: {why}"),
        }];
        if judged.verdict == Came::Broken {
            let whose = "  this is greenproof's fault or its environment's; it says nothing about the component";
            lines.push(whose.to_owned());
        }
        lines.extend(judged.counted().map(|told| format!("  {told}")));
        if judged.verdict == Came::Failed && !judged.attempts.is_empty() {
            lines.push(format!("  it was run {} times and never passed", judged.attempts.len()));
        }
        lines.extend(judged.leaks.iter().map(|told| format!("  {told}")));
        // The first is the nearest to the cause: it stands last.
        lines.extend(judged.findings.iter().rev().flat_map(|finding| self.finding(finding)));
        lines.extend(judged.evidence.iter().map(|folder| format!("  evidence: {folder}")));
        lines.extend(judged.again.iter().map(|again| format!("  again: {again}")));
        lines
    }

    fn word(&self, verdict: Came) -> String {
        match verdict {
            Came::Passed => self.paint(GOOD.bold(), "PASSED"),
            Came::Failed => self.paint(BAD.bold(), "FAILED"),
            Came::Skipped => self.paint(ODD, "SKIPPED"),
            Came::Unsupported => self.paint(ODD, "UNSUPPORTED"),
            Came::Broken => self.paint(OURS, "BROKEN"),
            Came::Flaky => self.paint(ODD, "FLAKY"),
        }
    }

    fn finding(&self, finding: &Found) -> Vec<String> {
        let mut lines = vec![
            format!("  {} {}", self.paint(BAD, "✗"), self.paint(STRONG, &finding.kind.to_string())),
            format!("      expected: {}", finding.expected),
            format!("      seen:     {}", finding.seen),
        ];
        if let (Some(file), Some(line)) = (&finding.file, finding.line) {
            lines.push(format!("      stated:   {file}:{line}"));
        }
        lines
    }

    /// The end of several scenarios: how many came out how, and each again that did not pass, in short.
    pub(super) fn summary(
        &self,
        counts: &BTreeMap<Came, usize>,
        milliseconds: u64,
        bad: &[(String, Judged)],
    ) -> Vec<String> {
        let all: usize = counts.values().sum();
        let parts: Vec<_> = counts.iter().map(|(came, count)| format!("{count} {came}")).collect();
        let mut lines =
            vec![String::new(), format!("{all} scenarios in {}: {}", seconds(milliseconds), parts.join(", "))];
        for (name, judged) in bad {
            let first = Judged {
                findings: judged.findings.iter().take(1).cloned().collect(),
                devices: Vec::new(),
                leaks: Vec::new(),
                ..judged.clone()
            };
            let mut again = self.judged(name, &first).into_iter();
            let more = judged.findings.len().saturating_sub(1);
            let head = again.next().unwrap_or_default();
            lines.push(match more {
                _ if judged.verdict != Came::Failed => head,
                0 => format!("{} {name}", self.word(judged.verdict)),
                more => format!("{} {name}, {more} more above", self.word(judged.verdict)),
            });
            lines.extend(again);
        }
        lines
    }
}

/// Milliseconds as seconds with one decimal.
pub(in crate::report) fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// The first line of a text, cut to a length.
pub(super) fn cut(text: &str, length: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first == text && text.chars().count() <= length {
        return text.to_owned();
    }
    first.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}
