//! The reader for a person.
//!
//! On a terminal the plan of the scenario under way stands below what was said, step by step, as long as it runs; what
//! is done moves up ([`board`]). Elsewhere it is quiet and plain: one line a thing, no control codes. What a person has
//! to know of a failure comes last, so that it stands above the prompt.

mod board;
mod text;

#[cfg(test)]
mod tests;

use super::{Came, Event, Judged, Reader, Sight, Told};
use board::Board;
use indicatif::MultiProgress;
use std::{
    collections::HashSet,
    fmt,
    io::Write,
    sync::{Mutex, PoisonError},
};
use text::Text;

pub(super) use text::seconds;

/// How a terminal looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether it has colours.
    pub colour: bool,
    /// Whether each call is shown.
    pub verbose: bool,
    /// How many columns it has.
    pub width: usize,
}

impl Look {
    /// Where nothing is known of a terminal.
    pub const PLAIN: Self = Self { colour: false, verbose: false, width: 80 };
}

/// Writes for a person, usually to standard error, so that standard output stays free for machines.
pub struct Terminal {
    look: Look,
    text: Text,
    out: Out,
    state: Mutex<State>,
}

/// Where it writes.
enum Out {
    /// Line by line.
    Plain(Mutex<Box<dyn Write + Send>>),
    /// Above the board.
    Live(MultiProgress),
}

#[derive(Default)]
struct State {
    /// The image whose builder spoke last.
    building: String,
    board: Board,
    /// What was seen of this scenario so far.
    seen: HashSet<String>,
    /// The scenarios so far that came out in a way that a person has to know of again at the end.
    bad: Vec<(String, Judged)>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("look", &self.look).finish_non_exhaustive()
    }
}

impl Terminal {
    /// A reader that writes line by line.
    #[must_use]
    pub fn plain(look: Look, out: Box<dyn Write + Send>) -> Self {
        Self::new(look, Out::Plain(Mutex::new(out)))
    }

    /// A reader that shows what goes on as long as it does.
    #[must_use]
    pub fn live(look: Look, lines: MultiProgress) -> Self {
        Self::new(look, Out::Live(lines))
    }

    fn new(look: Look, out: Out) -> Self {
        Self { look, text: Text { look }, out, state: Mutex::default() }
    }

    fn say(&self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            // Nobody is left to tell where it is closed; the exit code still does.
            _ = match &self.out {
                Out::Plain(out) => writeln!(out.lock().unwrap_or_else(PoisonError::into_inner), "{line}"),
                Out::Live(lines) => lines.println(line),
            };
        }
    }

    /// The lines at the bottom, if there are any.
    fn lines(&self) -> Option<&MultiProgress> {
        match &self.out {
            Out::Live(lines) => Some(lines),
            Out::Plain(_) => None,
        }
    }

    fn building(&self, state: &mut State, image: &str, output: &str) {
        if state.building != image {
            self.say([format!("building image {image} (once)")]);
            image.clone_into(&mut state.building);
        }
        if let Some(lines) = self.lines() {
            if state.board.is_empty() {
                state.board = Board::running(Some(lines), "images");
            }
            state.board.waits(&format!("{image}: {output}"));
        } else if output.starts_with("Step ") {
            self.say([format!("  {output}")]);
        }
    }

    fn waiting(&self, state: &mut State, what: &str) {
        match self.lines() {
            Some(_) => state.board.waits(&format!("waiting for {what}")),
            None => self.say([self.text.aside(&format!("waiting for {what}"))]),
        }
    }

    /// All that is seen is worth a line when it is asked for; otherwise what was refused is, once.
    fn seen(&self, state: &mut State, kind: Sight, told: (&str, &str), refused: bool) {
        let (text, detail) = told;
        state.board.waits(text);
        if self.look.verbose {
            self.say([self.text.aside(&if detail.is_empty() { text.to_owned() } else { format!("{text}  {detail}") })]);
        } else if refused && kind != Sight::Deployment && state.seen.insert(text.to_owned()) {
            self.say([self.text.aside(text)]);
        }
    }

    fn judged(&self, state: &mut State, name: &str, judged: &Judged) {
        let left = state.board.left();
        if !matches!(judged.verdict, Came::Passed | Came::Skipped) {
            self.say(left.iter().map(|(what, detail)| self.text.not_reached(what, detail)));
            state.bad.push((name.to_owned(), judged.clone()));
        }
        self.say(self.text.judged(name, judged));
    }
}

impl Reader for Terminal {
    fn take(&self, event: &Event) {
        let name = event.scenario.as_deref().unwrap_or_default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        match &event.told {
            Told::Stream { .. } | Told::Unknown => {}
            Told::Chosen { scenarios, partition, here } => {
                let part = partition.iter().map(|part| text::part(part, *here, scenarios.len()));
                self.say(part);
            }
            Told::Building { image, line } => self.building(state, image, line),
            Told::Waiting { what } => self.waiting(state, what),
            Told::Note { text } => self.say(text.lines().map(str::to_owned)),
            Told::Begun { summary, stages, steps, .. } => {
                state.board.left();
                state.seen.clear();
                self.say([self.text.begun(name, summary)]);
                state.board = Board::of(self.lines(), stages, steps);
            }
            // An environment that only comes up has no plan.
            Told::StageBegun { stage } if state.board.is_empty() => state.board = Board::running(self.lines(), stage),
            Told::StageBegun { stage } => state.board.begins(stage),
            Told::StageEnded { stage, detail, milliseconds } => {
                state.board.ends(stage);
                self.say([self.text.done(true, stage, detail, *milliseconds)]);
            }
            Told::StepBegun { step, .. } => state.board.begins(&text::step(*step)),
            Told::Seen { kind, text, detail, refused } => self.seen(state, *kind, (text, detail), *refused),
            Told::StepEnded { step, action, came, as_expected, milliseconds } => {
                state.board.ends(&text::step(*step));
                self.say([self.text.step(*step, (action, came), *as_expected, *milliseconds)]);
            }
            Told::Judged(judged) => self.judged(state, name, judged),
            Told::Stopped { .. } => _ = state.board.left(),
            Told::Ended { counts, milliseconds, .. } => {
                if counts.values().sum::<usize>() > 1 {
                    self.say(self.text.summary(counts, *milliseconds, &state.bad));
                }
            }
        }
    }
}
