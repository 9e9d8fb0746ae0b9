//! The plan of a scenario as lines at the bottom of a terminal: what runs, and what waits.

use super::text;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::Duration;

/// How often the time of what runs is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// How much of an action is shown beside what is seen of it.
const ACTION: usize = 24;

/// What of a scenario is not done yet. Without a terminal nothing of it is shown.
#[derive(Debug, Default)]
pub(super) struct Board {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    detail: String,
    bar: ProgressBar,
    runs: bool,
}

impl Board {
    /// The rows of a plan, all waiting.
    pub(super) fn of(lines: Option<&MultiProgress>, stages: &[String], steps: &[String]) -> Self {
        let stages = stages.iter().map(|stage| (stage.clone(), String::new()));
        let steps = steps.iter().enumerate().map(|(index, action)| (text::step(index + 1), action.clone()));
        let row = |(name, detail): (String, String)| {
            let bar = lines.map_or_else(ProgressBar::hidden, |lines| lines.add(ProgressBar::no_length()));
            bar.set_style(style("  · {prefix:<12} {wide_msg} waiting"));
            bar.set_prefix(name.clone());
            bar.set_message(text::cut(&detail, usize::MAX));
            bar.tick();
            Row { name, detail, bar, runs: false }
        };
        Self { rows: stages.chain(steps).map(row).collect() }
    }

    /// One row, which runs.
    pub(super) fn running(lines: Option<&MultiProgress>, name: &str) -> Self {
        let mut board = Self::of(lines, &[name.to_owned()], &[]);
        board.begins(name);
        board
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Something of the plan begins.
    pub(super) fn begins(&mut self, name: &str) {
        let Some(row) = self.rows.iter_mut().find(|row| row.name == name) else { return };
        row.runs = true;
        row.bar.set_style(style("  {spinner} {prefix:<12} {wide_msg} {elapsed:>8}"));
        row.bar.set_prefix(name.to_owned());
        row.bar.reset_elapsed();
        row.bar.enable_steady_tick(TICK);
    }

    /// What is waited for in what runs, or was seen there last.
    pub(super) fn waits(&self, what: &str) {
        if let Some(row) = self.rows.iter().rfind(|row| row.runs) {
            let before =
                if row.detail.is_empty() { String::new() } else { format!("{} · ", text::cut(&row.detail, ACTION)) };
            row.bar.set_message(text::cut(&format!("{before}{what}"), usize::MAX));
        }
    }

    /// Something of the plan is done.
    pub(super) fn ends(&mut self, name: &str) {
        if let Some(index) = self.rows.iter().position(|row| row.name == name) {
            self.rows.remove(index).bar.finish_and_clear();
        }
    }

    /// Takes everything away; gives what was not begun.
    pub(super) fn left(&mut self) -> Vec<(String, String)> {
        let rows = std::mem::take(&mut self.rows).into_iter();
        rows.filter_map(|row| {
            row.bar.finish_and_clear();
            (!row.runs).then_some((row.name, row.detail))
        })
        .collect()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is one")
}
