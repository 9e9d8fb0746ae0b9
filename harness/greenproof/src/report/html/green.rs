//! The last green run of a scenario, and what is different in this one.
//!
//! The evidence folder of a scenario is made anew by each run, so what is needed of the last green one is kept beside the
//! folders, in `.green/SCENARIO.json`: how often each request was decided and how, the states of components, what scripts
//! printed and how long steps took. Whatever changes from run to run is replaced by what it is before it is kept.

use crate::{
    bundle::signature::Known,
    core::Core,
    evidence::{
        Evidence,
        log::{self, Span},
        recovery,
    },
    scenario::Stream,
};
use cloud::event::{Event, What};
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// The version of the format; another one is not read.
const FORMAT: u32 = 1;
/// How many lines of a script are kept, and how long each may be.
const LINES: usize = 1000;
const LONGEST: usize = 400;
/// How much slower or faster a step is that counts as different: by this factor, and by this many milliseconds.
const FACTOR: i64 = 2;
const LEAST: i64 = 2000;
/// How long two scripts' outputs are compared before what is left counts as different.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is kept of a green run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Green {
    format: u32,
    /// The version of greenproof that ran it.
    pub(super) greenproof: String,
    /// When it began, RFC 3339.
    pub(super) began: String,
    core: Core,
    /// How often each request was allowed and denied: `ACTION on RESOURCE`.
    calls: BTreeMap<String, Count>,
    /// The states that each component took.
    states: BTreeMap<String, Vec<String>>,
    /// What each script printed to each stream: `COMPONENT STEP STREAM`.
    lines: BTreeMap<String, Vec<String>>,
    /// How many milliseconds each step took.
    steps: Vec<(String, i64)>,
}

/// How often something was allowed and denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    allowed: usize,
    denied: usize,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.allowed, self.denied) {
            (0, 0) => f.write_str("not asked"),
            (allowed, 0) => write!(f, "allowed {allowed}×"),
            (0, denied) => write!(f, "denied {denied}×"),
            (allowed, denied) => write!(f, "allowed {allowed}×, denied {denied}×"),
        }
    }
}

impl Green {
    /// What would be kept of a run.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let known = Known::of_run(evidence);
        let mut states: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for change in log::changes(&evidence.core_log, Span::ALWAYS) {
            states.entry(change.component).or_default().push(change.to);
        }
        let steps = evidence.steps.iter().map(|step| {
            let span = step.span();
            (known.stable(&step.action), span.to.saturating_sub(span.from))
        });
        Self {
            format: FORMAT,
            greenproof: env!("CARGO_PKG_VERSION").into(),
            began: evidence.steps.first().map(|step| step.began.clone()).unwrap_or_default(),
            core: evidence.core,
            calls: calls(&evidence.events, &known),
            states,
            lines: lines(evidence, &known),
            steps: steps.collect(),
        }
    }

    /// Where it is kept.
    pub(super) fn file(evidence: &Path, scenario: &str) -> PathBuf {
        evidence.join(super::GREEN).join(format!("{scenario}.json"))
    }

    /// What is kept of the last green run, if it is of this version.
    pub(super) fn read(file: &Path) -> Option<Self> {
        let green: Self = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        (green.format == FORMAT).then_some(green)
    }

    /// Keeps it: the file is whole at every instant.
    pub(super) fn keep(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(file);
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&serde_json::to_vec(self)?)?;
        new.persist(file)?;
        Ok(())
    }
}

/// Calls to AWS are counted; other requests depend on how long a device runs, so of them it counts that they were made.
fn calls(events: &[Event], known: &Known) -> BTreeMap<String, Count> {
    let mut calls: BTreeMap<String, Count> = BTreeMap::new();
    for event in events {
        let counted = matches!(event.what, What::Api(_));
        for decision in recovery::decisions(&event.what).filter(|decision| decision.was_made()) {
            let name = known.stable(&format!("{} on {}", decision.action, decision.resource));
            let count = calls.entry(name).or_default();
            let which = if decision.is_allowed() { &mut count.allowed } else { &mut count.denied };
            *which = if counted { *which + 1 } else { 1 };
        }
    }
    calls
}

/// Two streams of a script race, so each is kept by itself.
fn lines(evidence: &Evidence, known: &Known) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for printed in evidence.component_logs.values().flat_map(|log| log::printed(log, Span::ALWAYS)) {
        let stream = match printed.stream {
            Some(Stream::Stdout) => "stdout",
            Some(Stream::Stderr) => "stderr",
            None => "output",
        };
        let of = lines.entry(format!("{} {} {stream}", printed.component, printed.step)).or_default();
        if of.len() < LINES {
            of.push(known.stable(&printed.text.chars().take(LONGEST).collect::<String>()));
        }
    }
    lines
}

/// Something that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) what: String,
    pub(super) green: String,
    pub(super) now: String,
}

/// What a script printed otherwise: lines that are gone (`-`), new (`+`) or around them (` `).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) of: String,
    pub(super) lines: Vec<(char, String)>,
}

/// How long a step took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Took {
    pub(super) step: String,
    pub(super) green: Option<i64>,
    pub(super) now: Option<i64>,
    /// Whether that is different enough to be told.
    pub(super) differs: bool,
}

impl Took {
    /// How long it took in the green run.
    pub(super) fn before(&self) -> String {
        told(self.green)
    }

    /// How long it took in this one.
    pub(super) fn after(&self) -> String {
        told(self.now)
    }
}

fn told(milliseconds: Option<i64>) -> String {
    milliseconds.map_or_else(|| "not there".to_owned(), super::seconds)
}

/// What is different from the last green run.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    /// When that one began, and which greenproof ran it.
    pub(super) began: String,
    pub(super) greenproof: String,
    pub(super) calls: Vec<Entry>,
    pub(super) states: Vec<Entry>,
    pub(super) printed: Vec<Printed>,
    pub(super) steps: Vec<Took>,
}

impl Difference {
    /// Holds a run against the last green one.
    pub(super) fn of(green: &Green, now: &Green) -> Self {
        let shown = |states: &Vec<String>| if states.is_empty() { "none".to_owned() } else { states.join(" → ") };
        let mut states = entries(&green.states, &now.states, shown);
        if green.core != now.core {
            let entry = |core: Core| core.to_string();
            states.insert(0, Entry { what: "core".into(), green: entry(green.core), now: entry(now.core) });
        }
        Self {
            began: green.began.clone(),
            greenproof: green.greenproof.clone(),
            calls: entries(&green.calls, &now.calls, ToString::to_string),
            states,
            printed: printed(&green.lines, &now.lines),
            steps: took(&green.steps, &now.steps),
        }
    }

    /// What is told as a table of both, each with its title.
    pub(super) fn tables(&self) -> Vec<(&'static str, &[Entry])> {
        vec![("Requests", &self.calls), ("States of components", &self.states)]
    }

    /// Whether nothing is different.
    pub(super) fn is_none(&self) -> bool {
        let steps = self.steps.iter().any(|took| took.differs);
        self.calls.is_empty() && self.states.is_empty() && self.printed.is_empty() && !steps
    }
}

fn entries<T: Default + PartialEq>(
    green: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    shown: impl Fn(&T) -> String,
) -> Vec<Entry> {
    let nothing = T::default();
    let names: BTreeSet<_> = green.keys().chain(now.keys()).collect();
    let both = names.into_iter().map(|name| (name, green.get(name), now.get(name)));
    let both = both.map(|(name, green, now)| (name, green.unwrap_or(&nothing), now.unwrap_or(&nothing)));
    let different = both.filter(|(_, green, now)| green != now);
    different.map(|(name, green, now)| Entry { what: name.clone(), green: shown(green), now: shown(now) }).collect()
}

fn printed(green: &BTreeMap<String, Vec<String>>, now: &BTreeMap<String, Vec<String>>) -> Vec<Printed> {
    const AROUND: usize = 2;
    let nothing = Vec::new();
    let names: BTreeSet<_> = green.keys().chain(now.keys()).collect();
    let mut all = Vec::new();
    for name in names {
        let (green, now) = (green.get(name).unwrap_or(&nothing), now.get(name).unwrap_or(&nothing));
        if green == now {
            continue;
        }
        let of: [Vec<&str>; 2] = [green, now].map(|lines| lines.iter().map(String::as_str).collect());
        let difference = TextDiff::configure().timeout(PATIENCE).diff_slices(&of[0], &of[1]);
        let mut lines = Vec::new();
        for (index, group) in difference.grouped_ops(AROUND).iter().enumerate() {
            if index > 0 {
                lines.push((' ', "…".to_owned()));
            }
            for change in group.iter().flat_map(|op| difference.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                lines.push((sign, change.value().to_owned()));
            }
        }
        all.push(Printed { of: name.clone(), lines });
    }
    all
}

fn took(green: &[(String, i64)], now: &[(String, i64)]) -> Vec<Took> {
    let took = |index: usize| {
        let (green, now) = (green.get(index), now.get(index));
        let step = now.or(green).map(|(action, _)| action.clone()).unwrap_or_default();
        let same = green.is_none() || now.is_none() || green.map(|it| &it.0) == now.map(|it| &it.0);
        let (green, now) = (green.map(|it| it.1), now.map(|it| it.1));
        let differs = match (green, now) {
            (Some(green), Some(now)) => {
                (green - now).abs() >= LEAST
                    && (green >= now.saturating_mul(FACTOR) || now >= green.saturating_mul(FACTOR))
            }
            _ => true,
        };
        Took { step, green, now, differs: differs || !same }
    };
    (0..green.len().max(now.len())).map(took).collect()
}

#[cfg(test)]
mod tests;
