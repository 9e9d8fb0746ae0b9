//! One reading of a stream: the bytes that are compared, where in the source they stand, and what is still being compared.

use crate::{
    anchors::STRIDE,
    finder::Finder,
    form::{Encoding, Form},
    normal::{Edit, Sink},
};
use std::collections::VecDeque;

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

/// Something was taken away: before which byte that is left, and how much and how many lines until then.
#[derive(Clone, Copy, Debug)]
struct Gone {
    before: u64,
    total: u64,
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
pub(crate) struct Chain<'a> {
    finder: &'a Finder,
    /// Bytes that are left, and the number of the first.
    text: Vec<u8>,
    first: u64,
    /// Up to where in them was searched.
    at: usize,
    /// How much is gone, and how many lines ended.
    gone: u64,
    lines: u64,
    edits: VecDeque<Gone>,
    pending: Vec<Pending>,
    /// Canary, and the byte just after it.
    recent: VecDeque<(usize, u64)>,
    /// What was found and not yet taken.
    pub(crate) found: Vec<Match>,
}

/// Says nothing of the bytes.
impl std::fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain({} bytes)", self.position())
    }
}

impl<'a> Chain<'a> {
    pub(crate) fn new(finder: &'a Finder) -> Self {
        Self {
            finder,
            text: Vec::new(),
            first: 0,
            at: 0,
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
        self.first += self.text.len() as u64;
        self.text.clear();
        self.at = 0;
        self.edits.clear();
        self.edits.push_back(Gone { before: self.first, total: self.gone, lines: self.lines, edit: Edit::Frame });
    }

    /// Lines pass that are not read, after a cut.
    pub(crate) fn skip(&mut self, bytes: u64, lines: u64) {
        self.gone += bytes;
        self.lines += lines;
        self.edits.clear();
        self.edits.push_back(Gone { before: self.first, total: self.gone, lines: self.lines, edit: Edit::Frame });
    }

    /// There is no more: what is still being compared is all that there is of it.
    pub(crate) fn finish(&mut self) {
        self.search(true);
        for pending in std::mem::take(&mut self.pending) {
            self.settle(pending);
        }
    }

    /// Where in the source the next byte is.
    pub(crate) fn position(&self) -> u64 {
        self.first + self.text.len() as u64 + self.gone
    }

    /// Up to where in the source all was searched.
    pub(crate) fn searched(&self) -> u64 {
        if self.at.saturating_sub(STRIDE) >= self.text.len() {
            return self.position();
        }
        self.place(self.first + self.at.saturating_sub(STRIDE) as u64).0
    }

    /// Whether what begins here in the source is still being compared.
    pub(crate) fn compares(&self, start: u64) -> bool {
        self.pending.iter().any(|pending| pending.found.start == start)
    }

    /// Searches what has come, but for what has to be seen with what follows.
    pub(crate) fn search(&mut self, last: bool) {
        let finder = self.finder;
        let anchors = finder.anchors();
        let mut text = std::mem::take(&mut self.text);
        let room = if last { 4 } else { anchors.longest() + STRIDE };
        let end = (text.len() + 1).saturating_sub(room);
        loop {
            self.at = anchors.next(&text, self.at, end);
            if self.at >= end {
                break;
            }
            for start in self.at.saturating_sub(STRIDE - 1)..=self.at {
                for index in anchors.at(&text, start) {
                    self.anchored(index, &text, start);
                }
            }
            self.at += STRIDE;
        }
        // What an anchor may begin with stays.
        let passed = self.at.saturating_sub(STRIDE).min(text.len());
        text.drain(..passed);
        self.text = text;
        self.first += passed as u64;
        self.at -= passed;
        let old = self.edits.partition_point(|gone| gone.before <= self.first);
        self.edits.drain(..old.saturating_sub(1));
    }

    /// Where in the source a byte that is left stands, and in which line.
    fn place(&self, byte: u64) -> (u64, u64) {
        let before = self.edits.partition_point(|gone| gone.before <= byte);
        let gone = before.checked_sub(1).and_then(|last| self.edits.get(last));
        gone.map_or((byte, 1), |gone| (byte + gone.total, gone.lines + 1))
    }

    /// What was taken away between two bytes that are left.
    fn edits(&self, from: u64, to: u64) -> impl Iterator<Item = Edit> {
        let first = self.edits.partition_point(|gone| gone.before <= from);
        self.edits.range(first..).take_while(move |gone| gone.before < to).map(|gone| gone.edit)
    }

    /// An anchor stands in what has come.
    fn anchored(&mut self, index: usize, text: &[u8], start: usize) {
        let finder = self.finder;
        let anchor = finder.anchors().get(index);
        let form = &finder.forms()[anchor.form];
        let from = self.first + start as u64;
        let known = self.recent.iter().any(|(canary, end)| *canary == form.canary && from < *end)
            || self.pending.iter().any(|pending| finder.forms()[pending.found.form].canary == form.canary);
        if known {
            return;
        }
        let (source, line) = self.place(from);
        let within = Within { safe: anchor.bytes.iter().any(|byte| b"-_".contains(byte)), ..Within::default() };
        let found = Match { form: anchor.form, start: source, end: 0, line, whole: false, within };
        let mut pending = Pending { found, next: anchor.bytes.len(), from };
        if !anchor.first {
            self.done(pending, from + anchor.bytes.len() as u64);
        } else if pending.goes_on(form, &text[start + anchor.bytes.len()..]) {
            self.pending.push(pending);
        } else {
            self.settle(pending);
        }
    }

    fn settle(&mut self, mut pending: Pending) {
        pending.found.whole = pending.next == self.finder.forms()[pending.found.form].bytes.len();
        let end = pending.from + pending.next as u64;
        self.done(pending, end);
    }

    fn done(&mut self, pending: Pending, end: u64) {
        let canary = self.finder.forms()[pending.found.form].canary;
        let Pending { mut found, from, .. } = pending;
        self.edits(from, end).for_each(|edit| found.within.add(edit));
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
}

impl Sink for Chain<'_> {
    fn plain(&mut self, bytes: &[u8]) {
        for mut pending in std::mem::take(&mut self.pending) {
            let form = &self.finder.forms()[pending.found.form];
            let before = pending.next;
            let goes_on = pending.goes_on(form, bytes);
            if pending.next > before {
                // What is no longer remembered at the end of a long secret is noted as it passes.
                let here = self.first + self.text.len() as u64;
                let within = &mut pending.found.within;
                self.edits(pending.from, here + 1).for_each(|edit| within.add(edit));
            }
            if goes_on {
                self.pending.push(pending);
            } else {
                self.settle(pending);
            }
        }
        self.text.extend_from_slice(bytes);
    }

    fn gone(&mut self, count: u32, lines: u32, edit: Edit) {
        self.gone += u64::from(count);
        self.lines += u64::from(lines);
        let now = Gone { before: self.first + self.text.len() as u64, total: self.gone, lines: self.lines, edit };
        match self.edits.back_mut() {
            Some(last) if last.before == now.before && last.edit == edit => *last = now,
            _ => self.edits.push_back(now),
        }
    }
}
