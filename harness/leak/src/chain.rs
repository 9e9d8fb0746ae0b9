//! One reading of a stream: the automaton's state, where in the source it is, and what is still being compared.

use crate::{
    finder::Finder,
    form::{Encoding, Form},
    normal::{Edit, Sink},
};
use aho_corasick::{Anchored, automaton::Automaton, automaton::StateID};
use std::collections::VecDeque;

/// How many places where something was taken away are remembered.
const EDITS: usize = 256;
/// How many hits are remembered, so that a later part of the same secret is no hit of its own.
const RECENT: usize = 16;

/// A secret that stands in the source.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) form: usize,
    /// Of its first telling byte, in the source.
    pub(crate) start: u64,
    /// Just after its last byte, in the source.
    pub(crate) end: u64,
    /// From 1, of its first byte.
    pub(crate) line: u64,
    pub(crate) whole: bool,
    /// What was taken away within.
    pub(crate) within: Within,
}

/// What was taken away between the first and the last byte of a match.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Within {
    edits: [bool; 4],
    /// Whether there is a letter that only base64 for URLs has.
    pub(crate) safe: bool,
}

impl Within {
    /// Whether something was taken away for this reason.
    pub(crate) const fn has(self, edit: Edit) -> bool {
        self.edits[edit as usize]
    }

    const fn add(&mut self, edit: Edit) {
        self.edits[edit as usize] = true;
    }
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    /// Before which byte that is left.
    before: u64,
    count: u64,
    lines: u64,
    edit: Edit,
}

/// A match whose end has not been seen.
#[derive(Debug)]
struct Pending {
    found: Match,
    /// Which byte of the form is next.
    next: usize,
    /// The first byte that is left, by number.
    from: u64,
}

/// A reading of a stream.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    finder: &'a Finder,
    state: StateID,
    /// How many bytes are left and taken.
    left: u64,
    /// How many bytes are gone.
    gone: u64,
    /// How many line ends were seen.
    lines: u64,
    edits: VecDeque<Gone>,
    pending: Vec<Pending>,
    /// Canary, and the byte just after it.
    recent: VecDeque<(usize, u64)>,
    /// What was found and not yet taken.
    pub(crate) found: Vec<Match>,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(finder: &'a Finder) -> Self {
        Self {
            finder,
            state: finder.start(),
            left: 0,
            gone: 0,
            lines: 0,
            edits: VecDeque::new(),
            pending: Vec::new(),
            recent: VecDeque::new(),
            found: Vec::new(),
        }
    }

    /// What comes has nothing to do with what was.
    pub(crate) fn cut(&mut self) {
        self.finish();
        self.state = self.finder.start();
        self.edits.clear();
    }

    /// There is no more: what is still being compared is all that there is of it.
    pub(crate) fn finish(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            self.settle(pending);
        }
    }

    /// Where in the source the next byte is.
    pub(crate) fn position(&self) -> u64 {
        self.left + self.gone
    }

    /// Where in the source a byte that is left stands, and in which line.
    fn place(&self, byte: u64) -> (u64, u64) {
        let later = self.edits.iter().rev().take_while(|gone| gone.before > byte);
        let (gone, lines) = later.fold((0, 0), |(count, lines), gone| (count + gone.count, lines + gone.lines));
        (byte + self.gone - gone, self.lines - lines + 1)
    }

    /// An anchor ends at this byte of a run that begins at `self.left`.
    fn anchored(&mut self, index: usize, run: &[u8], end: usize) {
        let finder = self.finder;
        let anchor = &finder.anchors()[index];
        let form = &finder.forms()[anchor.form];
        let last = self.left + end as u64;
        let from = last - anchor.bytes.len() as u64;
        let known = self.recent.iter().any(|(canary, end)| *canary == form.canary && from < *end)
            || self.pending.iter().any(|pending| finder.forms()[pending.found.form].canary == form.canary);
        if known {
            return;
        }
        let (start, line) = self.place(from);
        let mut within = Within { safe: anchor.bytes.iter().any(|byte| b"-_".contains(byte)), ..Within::default() };
        self.edits.iter().rev().take_while(|gone| gone.before > from).for_each(|gone| within.add(gone.edit));
        let found = Match { form: anchor.form, start, end: 0, line, whole: false, within };
        let next = if anchor.first { anchor.bytes.len() } else { form.bytes.len() };
        let mut pending = Pending { found, next, from };
        if anchor.first && pending.goes_on(form, &run[end..]) {
            self.pending.push(pending);
        } else {
            let length = pending.length(anchor.bytes.len(), anchor.first);
            pending.found.whole = anchor.first && pending.next == form.bytes.len();
            self.done(pending, from + length);
        }
    }

    fn settle(&mut self, mut pending: Pending) {
        pending.found.whole = pending.next == self.finder.forms()[pending.found.form].bytes.len();
        let end = pending.from + pending.next as u64;
        self.done(pending, end);
    }

    fn done(&mut self, pending: Pending, end: u64) {
        let canary = self.finder.forms()[pending.found.form].canary;
        let mut found = pending.found;
        found.end = self.place(end - 1).0 + 1;
        self.found.push(found);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((canary, end));
    }
}

impl Pending {
    /// Compares what follows; whether it may go on after it.
    fn goes_on(&mut self, form: &Form, bytes: &[u8]) -> bool {
        let common = form.common(self.next, bytes);
        if form.encoding == Encoding::Base64 {
            self.found.within.safe |= bytes[..common].iter().any(|byte| b"-_".contains(byte));
        }
        self.next += common;
        common == bytes.len() && self.next < form.bytes.len()
    }

    fn length(&self, anchor: usize, first: bool) -> u64 {
        (if first { self.next } else { anchor }) as u64
    }
}

impl Sink for Chain<'_> {
    fn plain(&mut self, bytes: &[u8]) {
        for mut pending in std::mem::take(&mut self.pending) {
            // What was taken away before these bytes is within, if the first of them is the secret's.
            let finder = self.finder;
            let form = &finder.forms()[pending.found.form];
            let before = pending.next;
            let goes_on = pending.goes_on(form, bytes);
            if pending.next > before {
                let since = pending.from + before as u64;
                let edits = self.edits.iter().rev().take_while(|gone| gone.before >= since);
                edits.for_each(|gone| pending.found.within.add(gone.edit));
            }
            if goes_on {
                self.pending.push(pending);
            } else {
                self.settle(pending);
            }
        }
        let automaton = self.finder.automaton();
        let mut state = self.state;
        for (index, byte) in bytes.iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                for which in 0..automaton.match_len(state) {
                    self.anchored(automaton.match_pattern(state, which).as_usize(), bytes, index + 1);
                }
            }
        }
        self.state = state;
        self.left += bytes.len() as u64;
    }

    fn gone(&mut self, count: u32, lines: u32, edit: Edit) {
        let (count, lines) = (u64::from(count), u64::from(lines));
        self.gone += count;
        self.lines += lines;
        match self.edits.back_mut() {
            Some(last) if last.before == self.left && last.edit == edit => {
                last.count += count;
                last.lines += lines;
            }
            _ => {
                if self.edits.len() == EDITS {
                    self.edits.pop_front();
                }
                self.edits.push_back(Gone { before: self.left, count, lines, edit });
            }
        }
    }
}

impl Chain<'_> {
    /// Lines pass that are not read, and end what was.
    pub(crate) fn skip(&mut self, bytes: u64, lines: u64) {
        self.gone += bytes;
        self.lines += lines;
    }

    /// Whether what begins here in the source is still being compared.
    pub(crate) fn compares(&self, start: u64) -> bool {
        self.pending.iter().any(|pending| pending.found.start == start)
    }
}
