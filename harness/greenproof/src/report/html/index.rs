//! The matrix of several runs: `index.html` beside their folders, a row for each scenario and a cell for each core. It is
//! made of what was told alone, so runs of several machines have one, too.

use super::{
    NAME,
    embed::{self, Frame},
    reference, seconds,
};
use crate::{
    core::Core,
    report::{Event, Judged, Told},
};
use askama::Template;
use std::{collections::BTreeMap, io, path::Path};

/// Writes the matrix of the runs that were told to their end, in their order, into the folder that has theirs.
///
/// # Errors
/// When the file can't be written.
pub fn write(events: &[Event], root: &Path) -> io::Result<()> {
    std::fs::write(root.join("index.html"), page(events, root))
}

/// What was told of a run.
#[derive(Default)]
struct Run<'a> {
    name: &'a str,
    summary: &'a str,
    /// How many steps it has.
    steps: usize,
    /// How many were begun.
    begun: usize,
    judged: Option<&'a Judged>,
}

/// The runs that were told to their end.
fn runs(events: &[Event]) -> Vec<Run<'_>> {
    let mut all: BTreeMap<&str, (usize, Run<'_>)> = BTreeMap::new();
    for event in events {
        let Some(name) = event.scenario.as_deref() else { continue };
        let place = all.len();
        let (_, run) = all.entry(name).or_insert_with(|| (place, Run { name, ..Run::default() }));
        match &event.told {
            Told::Begun { summary, steps, .. } => (run.summary, run.steps) = (summary, steps.len()),
            Told::StepBegun { step, .. } | Told::StepEnded { step, .. } => run.begun = run.begun.max(*step),
            Told::Judged(judged) => run.judged = Some(judged),
            _ => {}
        }
    }
    let mut all: Vec<_> = all.into_values().filter(|(_, run)| run.judged.is_some()).collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, run)| run).collect()
}

impl Run<'_> {
    fn core(&self) -> Option<Core> {
        self.judged?.versions.get("core")?.parse().ok()
    }
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

fn page(events: &[Event], root: &Path) -> String {
    let runs = runs(events);
    let mut cores: Vec<_> = runs.iter().filter_map(Run::core).collect();
    cores.sort_unstable();
    cores.dedup();
    let several = cores.len() > 1;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for run in &runs {
        let core = run.core().unwrap_or_default();
        // A scenario that is run on several cores has the core in its name.
        let base = if several { run.name.strip_suffix(&format!("-{core}")).unwrap_or(run.name) } else { run.name };
        let column = cores.iter().position(|it| *it == core).unwrap_or_default();
        let there = rows.iter().position(|row| several && row.name == base && row.cells[column].is_none());
        let index = there.unwrap_or_else(|| {
            let cells = (0..cores.len().max(1)).map(|_| None).collect();
            rows.push(Row { name: base.to_owned(), summary: run.summary, cells });
            rows.len() - 1
        });
        rows[index].cells[column] = run.judged.map(|judged| Cell::of(run, judged, root));
    }
    let words = ["failed", "flaky", "broken", "unsupported", "skipped", "passed"];
    let judged = || runs.iter().filter_map(|run| run.judged);
    let count = |name| judged().filter(|judged| judged.verdict.word() == name).count();
    let matrix = Matrix {
        frame: Frame::of_a_matrix(),
        verdicts: words.into_iter().map(|name| (name, count(name))).filter(|(_, count)| *count > 0).collect(),
        cores: if several { cores.iter().map(|core| core.name()).collect() } else { Vec::new() },
        rows,
        runs: runs.len(),
        took: time(judged().map(|judged| judged.milliseconds).sum()),
    };
    embed::visible(matrix.render().expect("writing into a text never fails"))
}

fn time(milliseconds: u64) -> String {
    seconds(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

impl<'a> Cell<'a> {
    fn of(run: &Run<'a>, judged: &'a Judged, root: &Path) -> Self {
        let first = judged.findings.first().map(|finding| format!("{}: {}", finding.kind, finding.expected));
        let more = match judged.findings.len() {
            0 | 1 => String::new(),
            all => format!(", and {} more", all - 1),
        };
        let why = Some(&judged.why).filter(|why| !why.is_empty()).cloned();
        let report = judged.evidence.as_deref().map(|folder| Path::new(folder).join(NAME));
        let report = report.filter(|report| report.is_file());
        Self {
            name: run.name,
            word: judged.verdict.word(),
            took: time(judged.milliseconds),
            href: report.and_then(|report| Some(link(report.strip_prefix(root).ok()?))),
            says: first.map(|first| first + &more).or(why).unwrap_or_default(),
            steps: steps(run, judged),
        }
    }
}

/// A path as it stands in a link.
fn link(path: &Path) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    utf8_percent_encode(&path.to_string_lossy(), PATH).to_string()
}

fn steps(run: &Run<'_>, judged: &Judged) -> Vec<Step> {
    let step = |index| {
        let of_step = |kind, expected: &str| reference::step_stated(kind, expected, run.steps) == Some(index);
        if judged.findings.iter().any(|found| of_step(found.kind, &found.expected)) {
            Step { mark: "✗", word: "not as expected" }
        } else if index < run.begun {
            Step { mark: "✓", word: "as expected" }
        } else {
            Step { mark: "·", word: "not begun" }
        }
    };
    (0..run.steps).map(step).collect()
}

#[cfg(test)]
mod tests;
