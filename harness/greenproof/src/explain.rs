//! What a device's log says is wrong: which failures of the library it shows, by which lines and how surely.
//!
//! A log is read once, from its beginning to its end, in memory that does not grow with it. What was overcome later (a
//! retry that worked, a component that runs, a deployment that succeeded) counts no more. Where something failed and no
//! failure of the library is shown, the verdict is [`Verdict::Unknown`]: it does not guess.
//!
//! ```
//! use greenproof::{explain::{Verdict, explain}, failure::Library};
//!
//! let log = "fatal: Remote branch v9.9.9 not found in upstream origin\n";
//! let explanation = explain(Library::embedded(), "install.log", log.as_bytes()).unwrap();
//! assert_eq!((explanation.verdict, explanation.failures[0].id.as_str()), (Verdict::Known, "F52"));
//! ```

mod files;
mod frame;
mod marks;
mod nearest;
mod reading;
mod report;
mod source;
mod vocabulary;

pub use files::logs;
pub use report::{human, json, library as listed, shown, shown_json};

use crate::{failure::Library, redact};
use reading::{Kept, Reading, Tally};
use regex::Regex;
use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::LazyLock,
};
use vocabulary::{Meaning, Vocabulary};

/// How sure a failure must be to be named.
const NAMED: f64 = 0.5;
/// How many lines of evidence a failure has at most.
const EVIDENCE: usize = 6;

/// What a file was found to say.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The file's name.
    pub file: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// The failures that it shows, the best first.
    pub failures: Vec<Named>,
    /// For an unknown failure, what shows that something failed.
    pub trouble: Vec<Line>,
    /// For an unknown failure, the failure of the library that is nearest.
    pub nearest: Option<Nearest>,
    /// The failures that were overcome, each with the line that had shown it.
    pub overcome: Vec<(String, Line)>,
}

/// What a log comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It shows failures of the library.
    Known,
    /// It shows that something failed, and none of the library.
    Unknown,
    /// Nothing in it failed, or all of it was overcome.
    Healthy,
}

/// A failure of the library that a log shows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Named {
    /// Its id.
    pub id: String,
    /// How sure that is, up to 1.
    pub confidence: f64,
    /// The lines that show it.
    pub evidence: Vec<Line>,
    /// The number of the first one in its log, whose parts are counted on.
    first: u64,
}

/// A line of a log, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The file's name.
    pub file: String,
    /// Its number, from 1.
    pub number: u64,
    /// Its text.
    pub text: String,
}

/// The failure that an unknown one is nearest to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Nearest {
    /// Its id.
    pub id: String,
    /// What the log lacks of it.
    pub missing: String,
}

/// Reads a log.
///
/// # Errors
/// When it can't be read.
pub fn explain(library: &Library, name: &str, reader: impl Read) -> io::Result<Explanation> {
    Explainer::of(library).explain(name, reader)
}

/// A library that is ready to be looked for, in as many logs as there are.
#[derive(Debug)]
pub struct Explainer<'l> {
    library: &'l Library,
    vocabulary: Vocabulary,
}

impl<'l> Explainer<'l> {
    /// For a library.
    #[must_use]
    pub fn of(library: &'l Library) -> Self {
        Self { library, vocabulary: Vocabulary::of(library) }
    }

    /// Reads a log.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn explain(&self, name: &str, reader: impl Read) -> io::Result<Explanation> {
        let reading = self.read([(name.to_owned(), reader)])?;
        let seen = reading.seen();
        Ok(self.explanation(name, &reading, &seen))
    }

    /// Reads the files of one device and run, in order of time: what is shown by several of them together counts too, and
    /// the parts of a rotated log are one.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn together(&self, name: &str, files: Vec<(String, impl Read)>) -> io::Result<Explanation> {
        let mut logs: Vec<Vec<(String, _)>> = Vec::new();
        for file in files {
            match logs.last_mut() {
                Some(log) if files::of_one_log(&log[0].0, &file.0) => log.push(file),
                _ => logs.push(vec![file]),
            }
        }
        let readings: Vec<_> = logs.into_iter().map(|log| self.read(log)).collect::<Result<_, _>>()?;
        let mut seen = vec![false; self.vocabulary.len()];
        for reading in &readings {
            seen.iter_mut().zip(reading.seen()).for_each(|(all, here)| *all |= here);
        }
        let of_each = readings.iter().map(|reading| self.explanation(name, reading, &seen));
        Ok(self.joined(name, of_each.collect()))
    }

    /// Reads a log, which may be in several files.
    fn read(&self, files: impl IntoIterator<Item = (String, impl Read)>) -> io::Result<Reading<'_>> {
        let mut reading = Reading::new(&self.vocabulary);
        for (file, reader) in files {
            reading.begin(file);
            source::pieces(reader, self.vocabulary.longest(), |piece| reading.take(&piece))?;
        }
        reading.end();
        Ok(reading)
    }

    fn explanation(&self, file: &str, reading: &Reading<'_>, seen: &[bool]) -> Explanation {
        let mut found: BTreeMap<usize, Found> = BTreeMap::new();
        let mut trouble: Vec<Kept> = Vec::new();
        for (watched, tally) in reading.standing() {
            match watched.meaning {
                Meaning::Failure(failure) if watched.with.iter().all(|text| seen[*text]) => {
                    found.entry(failure).or_default().add(watched.sure, tally);
                }
                Meaning::Failure(_) => {}
                _ => trouble.extend(tally.lines.iter().cloned()),
            }
        }
        let named = found
            .into_iter()
            .map(|(failure, found)| (failure, found.named(reading, &self.library.failures()[failure].id)));
        let failures = self.ranked(named.filter(|(_, named)| named.confidence >= NAMED).collect());
        trouble.sort_by_key(|line| line.number);
        let trouble: Vec<Line> = trouble.iter().map(|line| Line::of(reading, line)).collect();
        let verdict = match (failures.is_empty(), trouble.is_empty()) {
            (false, _) => Verdict::Known,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Healthy,
        };
        let unknown = verdict == Verdict::Unknown;
        let nearest =
            if unknown { nearest::nearest(self.library, &self.vocabulary, reading, seen, &trouble) } else { None };
        let over = reading.overcome.iter();
        let overcome =
            over.map(|(failure, line)| (self.library.failures()[*failure].id.clone(), Line::of(reading, line)));
        let overcome = overcome.collect();
        Explanation { file: file.into(), verdict, failures, trouble, nearest, overcome }
    }

    /// The best first: a cause before what it leads to, what is sure before what is likely, then what came first; and the
    /// better answer before the one that it is better than.
    fn ranked(&self, mut failures: Vec<(usize, Named)>) -> Vec<Named> {
        let library = self.library.failures();
        failures.sort_by_key(|(failure, named)| {
            (library[*failure].consequence, Certainty::of(named.confidence), named.first)
        });
        let mut ranked: Vec<(usize, Named)> = Vec::new();
        for (failure, named) in failures {
            let worse = |(other, _): &(usize, Named)| library[failure].before.contains(&library[*other].id);
            let place = ranked.iter().position(worse).unwrap_or(ranked.len());
            ranked.insert(place, (failure, named));
        }
        ranked.into_iter().map(|(_, named)| named).collect()
    }

    fn joined(&self, name: &str, of_each: Vec<Explanation>) -> Explanation {
        let verdicts = [Verdict::Known, Verdict::Unknown];
        let verdict = verdicts.into_iter().find(|verdict| of_each.iter().any(|of| of.verdict == *verdict));
        let mut failures: BTreeMap<usize, Named> = BTreeMap::new();
        let mut joined = Explanation {
            file: name.into(),
            verdict: verdict.unwrap_or(Verdict::Healthy),
            failures: Vec::new(),
            trouble: Vec::new(),
            nearest: None,
            overcome: Vec::new(),
        };
        for explanation in of_each {
            for named in explanation.failures {
                let place =
                    self.library.failures().iter().position(|failure| failure.id == named.id).unwrap_or_default();
                match failures.entry(place) {
                    std::collections::btree_map::Entry::Vacant(entry) => _ = entry.insert(named),
                    std::collections::btree_map::Entry::Occupied(mut entry) => {
                        let before = entry.get_mut();
                        before.confidence = both(before.confidence, named.confidence);
                        before.evidence.extend(named.evidence);
                    }
                }
            }
            joined.trouble.extend(explanation.trouble);
            joined.nearest = joined.nearest.or(explanation.nearest);
            joined.overcome.extend(explanation.overcome);
        }
        joined.failures = self.ranked(failures.into_iter().collect());
        joined
    }
}

/// How sure a confidence is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    Sure,
    Likely,
    Possible,
}

impl Certainty {
    pub(crate) fn of(confidence: f64) -> Self {
        match confidence {
            _ if confidence >= 0.85 => Self::Sure,
            _ if confidence >= 0.65 => Self::Likely,
            _ => Self::Possible,
        }
    }
}

/// What shows a failure.
#[derive(Default)]
struct Found {
    confidence: f64,
    lines: Vec<Kept>,
}

impl Found {
    fn add(&mut self, sure: f64, tally: &Tally) {
        self.confidence = both(self.confidence, sure);
        self.lines.extend(tally.lines.iter().cloned());
    }

    fn named(mut self, reading: &Reading<'_>, id: &str) -> Named {
        self.lines.sort_by_key(|line| line.number);
        self.lines.dedup_by_key(|line| line.number);
        let evidence = self.lines.iter().take(EVIDENCE).map(|line| Line::of(reading, line)).collect();
        let first = self.lines.first().map_or(u64::MAX, |line| line.number);
        Named { id: id.into(), confidence: self.confidence, evidence, first }
    }
}

/// How sure two signs make together.
fn both(one: f64, other: f64) -> f64 {
    (1.0 - (1.0 - one) * (1.0 - other)).min(0.99)
}

impl Line {
    fn of(reading: &Reading<'_>, line: &Kept) -> Self {
        // Colours and what else a terminal would obey.
        static CONTROL: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\u{80}-\u{9f}]").expect("the pattern is valid")
        });
        let text = String::from_utf8_lossy(&line.text);
        let text = CONTROL.replace_all(text.trim(), "");
        let (file, number) = reading.place(line.number);
        Self { file: file.into(), number, text: redact::masked(&text).into_owned() }
    }
}

#[cfg(test)]
mod tests;
