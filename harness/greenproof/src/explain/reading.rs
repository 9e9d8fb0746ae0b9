//! One log as it is read: what in it stands and what was overcome.
//!
//! Memory does not grow with the log: of each sign and each writer the first lines and the last are kept.

use super::{
    frame::{Kind, Writer},
    source::Piece,
    vocabulary::{Meaning, Text, Use, Vocabulary, Watched},
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many lines away something is near by.
const NEAR: u64 = 60;
/// How much of a line is kept.
const KEPT: usize = 400;
/// How many lines of a sign are kept from its first on, besides its last.
const SAMPLES: usize = 3;
/// How many writers are told apart; the others are taken for one.
const WRITERS: usize = 1000;
/// After so many lines of one sign with nothing between them that changes a state, its writer is taken for granted.
const STEADY: u32 = 64;

/// What stands before a message that is a list of bytes, as the journal has it where it is no plain text.
pub(super) const LIST: &str = "\"MESSAGE\":[";

/// A writer by its number; the core, or nobody in particular, is none.
type Scope = Option<u32>;

/// A line that is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) text: Vec<u8>,
}

/// The lines that show a sign, of one writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// The first lines, and the last.
    pub(super) lines: Vec<Kept>,
    /// Whether their writer went on, which does not last if it fails again.
    quiet: bool,
}

/// A line that may be a sign, as long as what is near it is not known.
struct Open {
    sign: usize,
    scope: Scope,
    line: Kept,
    near: bool,
    blocked: bool,
}

/// A log that is being read.
pub(super) struct Reading<'v> {
    vocabulary: &'v Vocabulary,
    /// The files that it is in, each with the number of its first line.
    files: Vec<(u64, String)>,
    kind: Option<Kind>,
    /// The number of the line that is read next; it goes on from one file to the next.
    next: u64,
    writers: HashMap<Vec<u8>, u32>,
    /// The last line in which each text stood; 0 for never.
    seen: Vec<u64>,
    open: VecDeque<Open>,
    tallies: BTreeMap<(usize, Scope), Tally>,
    /// By sign, how many lines of one writer followed on each other.
    steady: Vec<(u32, Scope)>,
    /// By place in the library, the first line that showed what was overcome.
    pub(super) overcome: BTreeMap<usize, Kept>,
    /// By sign, a line that would be it but for what is near.
    missed: BTreeMap<usize, Kept>,
}

impl<'v> Reading<'v> {
    pub(super) fn new(vocabulary: &'v Vocabulary) -> Self {
        Self {
            vocabulary,
            files: Vec::new(),
            kind: None,
            next: 1,
            writers: HashMap::new(),
            seen: vec![0; vocabulary.len()],
            open: VecDeque::new(),
            tallies: BTreeMap::new(),
            steady: vec![(0, None); vocabulary.signs.len()],
            overcome: BTreeMap::new(),
            missed: BTreeMap::new(),
        }
    }

    /// Goes on in another file.
    pub(super) fn begin(&mut self, file: String) {
        self.files.push((self.next, file));
    }

    /// The file and its line that a number stands for.
    pub(super) fn place(&self, number: u64) -> (&str, u64) {
        let last = self.files.partition_point(|(first, _)| *first <= number).saturating_sub(1);
        self.files.get(last).map_or(("", number), |(first, file)| (file, number - first + 1))
    }

    /// A line for a person: its number, and its file where there are several.
    pub(super) fn told(&self, number: u64) -> String {
        match (self.place(number), self.files.len()) {
            ((_, number), 0 | 1) => format!("line {number}"),
            ((file, number), _) => format!("line {number} of `{file}`"),
        }
    }

    /// Reads on.
    pub(super) fn take(&mut self, piece: &Piece<'_>) {
        let bytes = piece.bytes;
        self.kind.get_or_insert_with(|| Kind::of(&bytes[..bytes.len().min(64 * 1024)]));
        let mut line = Span { start: 0, end: 0 };
        let mut texts: Vec<Text> = Vec::new();
        let vocabulary = self.vocabulary;
        for (text, at) in vocabulary.find(bytes) {
            if at >= line.end {
                self.line(bytes, line, &texts);
                texts.clear();
                self.next += newlines(&bytes[line.start..at]);
                line = Span::around(bytes, at);
            }
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        self.line(bytes, line, &texts);
        self.next += newlines(&bytes[line.start..]);
        if !piece.open && !bytes.ends_with(b"\n") {
            self.next += 1;
        }
    }

    /// Ends the log.
    pub(super) fn end(&mut self) {
        self.settle(u64::MAX);
    }

    fn line(&mut self, bytes: &[u8], span: Span, texts: &[Text]) {
        if texts.is_empty() {
            return;
        }
        let line = &bytes[span.start..span.end];
        if let Some(message) = as_bytes(line) {
            let mut inner: Vec<Text> = self.vocabulary.find(&message).map(|(text, _)| text).collect();
            inner.extend(texts);
            inner.sort_unstable();
            inner.dedup();
            let mut whole = line.to_vec();
            whole.extend(b" ");
            whole.extend(message);
            return self.judge(&whole, &bytes[..span.start], &inner);
        }
        self.judge(line, &bytes[..span.start], texts);
    }

    /// Judges a line by the texts in it; `before` is what stands before it, as far as it is held.
    fn judge(&mut self, line: &[u8], before: &[u8], texts: &[Text]) {
        let number = self.next;
        self.settle(number);
        for &text in texts {
            self.seen[text] = number;
            self.beside(text);
        }
        let vocabulary = self.vocabulary;
        let uses = texts.iter().flat_map(|&text| vocabulary.uses(text));
        let mut signs: Vec<usize> = Vec::new();
        let mut scope = None;
        for used in uses {
            match *used {
                Use::Until(sign) => {
                    if self.shown(sign) {
                        let scope = *scope.get_or_insert_with(|| self.scope(line, before));
                        self.overcome(|index, of| index == sign && (of == scope || of.is_none() || scope.is_none()));
                    }
                }
                Use::Line(sign) if !signs.contains(&sign) && self.is(sign, line) => signs.push(sign),
                Use::Line(_) | Use::Beside => {}
            }
        }
        // Marks come before failures in the vocabulary, and noise before all.
        signs.sort_unstable();
        let noise = signs.first().is_some_and(|&sign| vocabulary.signs[sign].meaning == Meaning::Noise);
        for sign in signs {
            let scope = match self.steady[sign] {
                (count, scope) if count > STEADY => scope,
                _ => *scope.get_or_insert_with(|| self.scope(line, before)),
            };
            self.found(sign, scope, line, noise);
        }
    }

    fn is(&self, sign: usize, line: &[u8]) -> bool {
        let watched = &self.vocabulary.signs[sign];
        watched.is_of(self.kind.unwrap_or_default()) && watched.is(line)
    }

    fn found(&mut self, sign: usize, scope: Scope, line: &[u8], noise: bool) {
        let meaning = self.vocabulary.signs[sign].meaning;
        let changes = |this: &mut Self| this.steady.fill((0, None));
        match meaning {
            Meaning::Noise => return,
            Meaning::Complaint | Meaning::Trouble if noise => return,
            Meaning::Success => {
                let vocabulary = self.vocabulary;
                let complains = |sign: usize| vocabulary.signs[sign].meaning == Meaning::Complaint;
                return self.overcome(|sign, of| of == scope && complains(sign));
            }
            Meaning::Succeeded => {
                changes(self);
                return self.overcome(|_, _| true);
            }
            Meaning::Up => {
                changes(self);
                return self.quiet(true, |of| of == scope);
            }
            Meaning::Down => {
                changes(self);
                self.quiet(false, |of| of == scope);
            }
            Meaning::Failed => {
                changes(self);
                self.quiet(false, |_| true);
            }
            Meaning::Failure(_) | Meaning::Complaint | Meaning::Trouble => {}
        }
        let (count, of) = self.steady[sign];
        self.steady[sign] = if of == scope { (count + 1, scope) } else { (1, scope) };
        self.open(sign, scope, line);
    }

    fn open(&mut self, sign: usize, scope: Scope, line: &[u8]) {
        let watched = &self.vocabulary.signs[sign];
        let close = |text: &Text| self.seen[*text] > 0 && self.seen[*text] + NEAR >= self.next;
        let near = watched.near.is_empty() || watched.near.iter().any(close);
        let blocked = watched.unless.iter().any(close);
        let line = Kept { number: self.next, text: kept(line, &watched.says) };
        if near && !blocked && watched.unless.is_empty() {
            return self.stands(sign, scope, line);
        }
        self.open.push_back(Open { sign, scope, line, near, blocked });
    }

    /// What a text says of the lines that are near it.
    fn beside(&mut self, text: Text) {
        if self.open.is_empty() || !self.vocabulary.uses(text).contains(&Use::Beside) {
            return;
        }
        for open in &mut self.open {
            let watched = &self.vocabulary.signs[open.sign];
            open.near |= watched.near.contains(&text);
            open.blocked |= watched.unless.contains(&text);
        }
    }

    /// Decides on the lines that nothing is near any more from this line on.
    fn settle(&mut self, number: u64) {
        while let Some(open) = self.open.pop_front_if(|open| open.line.number.saturating_add(NEAR) < number) {
            if open.near && !open.blocked {
                self.stands(open.sign, open.scope, open.line);
            } else {
                self.missed.entry(open.sign).or_insert(open.line);
            }
        }
    }

    fn stands(&mut self, sign: usize, scope: Scope, line: Kept) {
        let tally = self.tallies.entry((sign, scope)).or_default();
        if tally.quiet {
            *tally = Tally::default();
        }
        let full = tally.lines.len() > SAMPLES;
        match tally.lines.last_mut() {
            Some(last) if last.number == line.number => {}
            Some(last) if full => *last = line,
            _ => tally.lines.push(line),
        }
    }

    fn shown(&self, sign: usize) -> bool {
        if self.open.is_empty() && self.tallies.is_empty() {
            return false;
        }
        self.open.iter().any(|open| open.sign == sign)
            || self.tallies.range((sign, None)..).next().is_some_and(|((index, _), _)| *index == sign)
    }

    /// Forgets the lines of these signs and writers: what they show was overcome.
    fn overcome(&mut self, which: impl Fn(usize, Scope) -> bool) {
        let mut over = Vec::new();
        self.open.retain(|open| {
            let gone = which(open.sign, open.scope);
            if gone && open.near && !open.blocked {
                over.push((open.sign, open.line.clone()));
            }
            !gone
        });
        self.tallies.retain(|(sign, scope), tally| {
            let gone = which(*sign, *scope);
            if gone && let Some(line) = tally.lines.first() {
                over.push((*sign, line.clone()));
            }
            !gone
        });
        for (sign, line) in over {
            if let Meaning::Failure(failure) = self.vocabulary.signs[sign].meaning {
                self.overcome.entry(failure).or_insert(line);
            }
        }
    }

    /// A writer goes on, or what it had gone on after happens again.
    fn quiet(&mut self, quiet: bool, whose: impl Fn(Scope) -> bool) {
        if quiet {
            let all = u64::MAX;
            let (mine, others): (VecDeque<_>, VecDeque<_>) = self.open.drain(..).partition(|open| whose(open.scope));
            self.open = mine;
            self.settle(all);
            self.open = others;
        }
        for ((_, scope), tally) in &mut self.tallies {
            if whose(*scope) {
                tally.quiet = quiet;
            }
        }
    }

    /// Who wrote a line: it says so, or a line before it does.
    fn scope(&mut self, line: &[u8], before: &[u8]) -> Scope {
        const BACK: usize = 40;
        let mut writer = Writer::of(line);
        let mut earlier = before.rsplit(|byte| *byte == b'\n').skip(1).take(BACK);
        while writer == Writer::Unsaid {
            let line = earlier.next()?;
            writer = Writer::of(&line[..line.len().min(4 * KEPT)]);
        }
        let Writer::Named(name) = writer else { return None };
        if let Some(number) = self.writers.get(name) {
            return Some(*number);
        }
        let number = u32::try_from(self.writers.len()).unwrap_or(u32::MAX);
        if self.writers.len() < WRITERS {
            self.writers.insert(name.to_vec(), number);
        }
        Some(number)
    }

    /// The texts that stand in it.
    pub(super) fn seen(&self) -> Vec<bool> {
        self.seen.iter().map(|line| *line > 0).collect()
    }

    /// What stands at its end: each sign with its lines.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&'v Watched, &Tally)> {
        let vocabulary = self.vocabulary;
        let standing = self.tallies.iter().filter(|(_, tally)| !tally.quiet);
        standing.map(move |((sign, _), tally)| (&vocabulary.signs[*sign], tally))
    }

    /// What would stand but for what is near it, or is not.
    pub(super) fn missed(&self) -> impl Iterator<Item = (&'v Watched, &Kept)> {
        let vocabulary = self.vocabulary;
        self.missed.iter().map(move |(sign, line)| (&vocabulary.signs[*sign], line))
    }
}

/// A part of a piece.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// The line around a place, without its end.
    fn around(bytes: &[u8], at: usize) -> Self {
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline);
        Self { start, end }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// What is kept of a line: what stands around the text that was looked for.
fn kept(line: &[u8], around: &str) -> Vec<u8> {
    if line.len() <= KEPT {
        return line.to_vec();
    }
    let at = memchr::memmem::find(line, around.as_bytes()).unwrap_or_default();
    let start = if at + around.len() < KEPT { 0 } else { at - KEPT / 4 };
    line[start..line.len().min(start + KEPT)].to_vec()
}

/// The message of a line of the journal's JSON that has it as a list of bytes.
fn as_bytes(line: &[u8]) -> Option<Vec<u8>> {
    let start = memchr::memmem::find(&line[..line.len().min(64 * 1024)], LIST.as_bytes())? + LIST.len() - 1;
    let end = start + memchr::memchr(b']', &line[start..])?;
    let list: Vec<Value> = serde_json::from_slice(&line[start..=end]).ok()?;
    list.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
}
