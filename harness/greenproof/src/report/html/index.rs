//! The matrix of several runs: `index.html` beside their folders, a row for each scenario and a cell for each core.

use super::{
    NAME,
    embed::{self, Frame},
    reference, seconds,
};
use crate::report::{Came, Outcome};
use askama::Template;
use std::{io, path::Path};

/// Writes the matrix of these runs, in their order, into the folder that has theirs.
///
/// # Errors
/// When the file can't be written.
pub fn write(outcomes: &[Outcome], root: &Path) -> io::Result<()> {
    std::fs::write(root.join("index.html"), page(outcomes, root))
}

/// What the template shows.
#[derive(Template)]
#[template(path = "matrix.html")]
struct Matrix<'a> {
    frame: &'static Frame,
    /// Each verdict with how often it is there.
    verdicts: Vec<(&'static str, usize)>,
    /// The cores, if there are several.
    cores: Vec<&'static str>,
    rows: Vec<Row<'a>>,
    runs: usize,
    took: String,
}

/// A scenario.
struct Row<'a> {
    name: String,
    summary: &'a str,
    /// A run for each core, or the only one.
    cells: Vec<Option<Cell<'a>>>,
}

/// A run of a scenario.
struct Cell<'a> {
    name: &'a str,
    word: &'static str,
    took: String,
    href: Option<String>,
    /// What is to be known at once: the first finding, or why there is none.
    says: String,
    steps: Vec<Step>,
}

/// How a step came out.
struct Step {
    mark: &'static str,
    word: &'static str,
}

fn page(outcomes: &[Outcome], root: &Path) -> String {
    let mut cores: Vec<_> = outcomes.iter().map(|outcome| outcome.scenario.device.core).collect();
    cores.sort_unstable();
    cores.dedup();
    let several = cores.len() > 1;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for outcome in outcomes {
        let (name, core) = (&outcome.scenario.name, outcome.scenario.device.core);
        // A scenario that is run on several cores has the core in its name.
        let base = if several { name.strip_suffix(&format!("-{core}")).unwrap_or(name) } else { name };
        let column = cores.iter().position(|it| *it == core).unwrap_or_default();
        let there = rows.iter().position(|row| several && row.name == base && row.cells[column].is_none());
        let index = there.unwrap_or_else(|| {
            let cells = cores.iter().map(|_| None).collect();
            rows.push(Row { name: base.to_owned(), summary: &outcome.scenario.summary, cells });
            rows.len() - 1
        });
        rows[index].cells[column] = Some(Cell::of(outcome, root));
    }
    let words = ["failed", "broken", "unsupported", "skipped", "passed"];
    let count = |name| outcomes.iter().filter(|outcome| Came::of(&outcome.verdict).word() == name).count();
    let total: u128 = outcomes.iter().map(|outcome| outcome.took.as_millis()).sum();
    let matrix = Matrix {
        frame: Frame::of_a_matrix(),
        verdicts: words.into_iter().map(|name| (name, count(name))).filter(|(_, count)| *count > 0).collect(),
        cores: if several { cores.iter().map(|core| core.name()).collect() } else { Vec::new() },
        rows,
        runs: outcomes.len(),
        took: seconds(i64::try_from(total).unwrap_or(i64::MAX)),
    };
    embed::visible(matrix.render().expect("writing into a text never fails"))
}

impl<'a> Cell<'a> {
    fn of(outcome: &'a Outcome, root: &Path) -> Self {
        let findings = outcome.verdict.findings();
        let first = findings.first().map(|finding| format!("{}: {}", finding.kind, finding.expected));
        let more = if findings.len() > 1 { format!(", and {} more", findings.len() - 1) } else { String::new() };
        let says = first.map(|first| first + &more).or_else(|| outcome.verdict.why().map(str::to_owned));
        let report = outcome.folder.as_deref().map(|folder| folder.join(NAME)).filter(|report| report.is_file());
        Self {
            name: &outcome.scenario.name,
            word: Came::of(&outcome.verdict).word(),
            took: seconds(i64::try_from(outcome.took.as_millis()).unwrap_or(i64::MAX)),
            href: report.and_then(|report| Some(link(report.strip_prefix(root).ok()?))),
            says: says.unwrap_or_default(),
            steps: steps(outcome),
        }
    }
}

/// A path as it stands in a link.
fn link(path: &Path) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    utf8_percent_encode(&path.to_string_lossy(), PATH).to_string()
}

fn steps(outcome: &Outcome) -> Vec<Step> {
    let all = outcome.scenario.steps.len();
    let begun = outcome.evidence.as_ref().map_or(0, |evidence| evidence.steps.len());
    let step = |index| {
        let of_step = |finding| reference::step_of(finding, all) == Some(index);
        if outcome.verdict.findings().iter().any(of_step) {
            Step { mark: "✗", word: "not as expected" }
        } else if index < begun {
            Step { mark: "✓", word: "as expected" }
        } else {
            Step { mark: "·", word: "not begun" }
        }
    };
    (0..all).map(step).collect()
}

#[cfg(test)]
mod tests;
