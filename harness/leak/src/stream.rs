//! Searches bytes that come piece by piece, with constant memory.

use crate::{
    chain::{Chain, Match},
    excerpt::Context,
    finder::Finder,
    form::Encoding,
    frame,
    normal::{Edit, Normal, Sink},
};

/// How long a log's line may be whose words are joined with those of the next.
const LINE: usize = 64 * 1024;

/// How many bytes are taken at once.
const PIECE: usize = 64 * 1024;

/// A secret, or the beginning of one, in what was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Which secret: an index into [`Finder::canaries`].
    pub canary: usize,
    /// How it was written.
    pub encoding: Encoding,
    /// Where its first telling byte stands, from 0; a public beginning such as `ghp_` stands before it.
    pub offset: u64,
    /// Just after its last byte.
    pub end: u64,
    /// In which line, from 1.
    pub line: u64,
    /// Whether all of it is there; else it is a part that tells.
    pub whole: bool,
    /// Whether line ends, or a log's frames, stand between its pieces.
    pub split: bool,
    /// The line without secrets, shortened.
    pub excerpt: String,
}

/// A search through bytes that come piece by piece.
#[derive(Debug)]
pub struct Stream<'a> {
    finder: &'a Finder,
    normal: Normal,
    chain: Chain<'a>,
    framed: Framed<'a>,
    context: Context,
    /// Beginnings of secrets that may go on in a log's next line.
    held: Vec<Match>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(finder: &'a Finder) -> Self {
        Self {
            finder,
            normal: Normal::default(),
            chain: Chain::new(finder),
            framed: Framed::new(finder),
            context: Context::default(),
            held: Vec::new(),
        }
    }

    /// Searches the next bytes.
    pub fn feed(&mut self, bytes: &[u8], hit: &mut impl FnMut(Hit)) {
        for piece in bytes.chunks(PIECE) {
            self.normal.feed(piece, &mut self.chain);
            self.chain.search(false);
            self.framed.feed(piece);
            self.tell(piece, false, hit);
            self.context.passed(piece);
        }
    }

    /// There are no more bytes.
    pub fn finish(mut self, hit: &mut impl FnMut(Hit)) {
        self.normal.finish(&mut self.chain);
        self.chain.finish();
        self.framed.finish();
        self.tell(&[], true, hit);
    }

    fn tell(&mut self, bytes: &[u8], last: bool, hit: &mut impl FnMut(Hit)) {
        if self.chain.found.is_empty() && self.framed.chain.found.is_empty() && self.held.is_empty() {
            return;
        }
        let joined: Vec<Match> =
            self.framed.chain.found.drain(..).filter(|found| found.within.has(Edit::Frame)).collect();
        self.held.append(&mut self.chain.found);
        let (mut told, mut held) = (Vec::new(), Vec::new());
        for found in self.held.drain(..) {
            if joined.iter().any(|other| other.start == found.start) {
                continue;
            }
            if found.whole || last || !self.framed.may_join(&found) {
                told.push(found);
            } else {
                held.push(found);
            }
        }
        self.held = held;
        for found in told.into_iter().chain(joined) {
            hit(self.hit(&found, bytes));
        }
    }

    fn hit(&self, found: &Match, bytes: &[u8]) -> Hit {
        let form = &self.finder.forms()[found.form];
        let within = found.within;
        let encoding = match form.encoding {
            Encoding::Raw if within.has(Edit::Percent) => Encoding::Url,
            Encoding::Raw if within.has(Edit::Escape) => Encoding::Escaped,
            Encoding::Base64 if within.safe => Encoding::Base64Url,
            other => other,
        };
        Hit {
            canary: form.canary,
            encoding,
            offset: found.start,
            end: found.end,
            line: found.line,
            whole: found.whole,
            split: within.has(Edit::Line) || within.has(Edit::Frame),
            excerpt: self.context.excerpt(self.finder, bytes, found.start..found.end),
        }
    }
}

/// The same stream, read as a log: only the words of its lines.
#[derive(Debug)]
struct Framed<'a> {
    normal: Normal,
    chain: Chain<'a>,
    line: Vec<u8>,
    /// How much of the line has come.
    length: u64,
    /// Whether the line is none of a log.
    other: bool,
    /// What passed since the last line of a log: bytes and lines.
    passed: (u64, u64),
}

impl<'a> Framed<'a> {
    fn new(finder: &'a Finder) -> Self {
        let (normal, chain) = (Normal::default(), Chain::new(finder));
        Self { normal, chain, line: Vec::new(), length: 0, other: false, passed: (0, 0) }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let (piece, more) = rest.split_at(end);
            rest = more;
            self.other |= (self.length == 0 && !frame::may_begin(piece[0])) || self.line.len() + piece.len() > LINE;
            self.length += piece.len() as u64;
            if self.other {
                self.line.clear();
            } else {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                self.line_end(1);
            }
        }
        self.chain.search(false);
    }

    fn finish(&mut self) {
        self.line_end(0);
        self.chain.finish();
    }

    fn line_end(&mut self, lines: u32) {
        let line = std::mem::take(&mut self.line);
        let words = if self.other { None } else { frame::words(&line) };
        if let Some(words) = words {
            if self.passed != (0, 0) {
                self.chain.skip(self.passed.0, self.passed.1);
                self.passed = (0, 0);
            }
            let (before, after) = (words.start, line.len() - words.end);
            self.chain.gone(u32::try_from(before).unwrap_or(u32::MAX), 0, Edit::Frame);
            self.normal.feed(&line[words], &mut self.chain);
            self.normal.finish(&mut self.chain);
            self.chain.gone(u32::try_from(after).unwrap_or(u32::MAX), lines, Edit::Frame);
        } else {
            if self.passed == (0, 0) {
                self.chain.cut();
            }
            self.passed = (self.passed.0 + self.length, self.passed.1 + u64::from(lines));
        }
        self.line = line;
        self.line.clear();
        self.length = 0;
        self.other = false;
    }

    /// Whether the beginning of a secret may turn out to go on.
    fn may_join(&self, found: &Match) -> bool {
        let read = self.chain.searched() + self.passed.0;
        (found.start >= read && !self.other) || self.chain.compares(found.start)
    }
}
