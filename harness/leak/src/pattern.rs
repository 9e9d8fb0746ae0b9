//! Secrets that nobody told of, known by their shape: GitHub's tokens, AWS's keys, private keys, passwords in URLs and headers.

mod shape;

use crate::{
    excerpt::{around, words},
    form::Encoding,
    search::{Search, Searching},
    stream::Hit,
};
use aho_corasick::AhoCorasick;
use shape::{SHAPES, Shape};
use std::{fmt, ops::Range, sync::LazyLock};

/// How many bytes after its first sign a secret takes at most.
const AHEAD: usize = 8 * 1024;
/// How many bytes before its first sign are looked at.
const BEHIND: usize = 256;
/// How many bytes are taken at once.
const PIECE: usize = 64 * 1024;

/// All signs of all shapes, and the shape of each.
static SIGNS: LazyLock<(AhoCorasick, Vec<usize>)> = LazyLock::new(|| {
    let signs = SHAPES.iter().enumerate().flat_map(|(index, shape)| shape.signs.iter().map(move |sign| (*sign, index)));
    let (signs, shapes): (Vec<_>, Vec<_>) = signs.unzip();
    (AhoCorasick::new(signs).expect("the signs are few"), shapes)
});

/// Knows secrets by their shape. Placeholders such as `***`, `${TOKEN}` and the keys of AWS's documentation are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patterns;

impl Search for Patterns {
    fn name(&self, secret: usize) -> &str {
        SHAPES[secret].name
    }

    fn begin(&self) -> Box<dyn Searching + '_> {
        Box::new(Passing::default())
    }
}

impl Patterns {
    /// All hits in these bytes.
    #[must_use]
    pub fn hits(self, bytes: &[u8]) -> Vec<Hit> {
        let (mut search, mut hits) = (self.begin(), Vec::new());
        search.feed(bytes, &mut hits);
        search.finish(&mut hits);
        hits
    }
}

/// Bytes that pass; what is not yet decided stays.
#[derive(Default)]
struct Passing {
    bytes: Vec<u8>,
    /// Where they begin.
    first: u64,
    /// Up to where in them signs were looked at.
    at: usize,
    /// How many lines ended before them.
    lines: u64,
    /// Just after the last hit.
    told: u64,
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passing({} bytes)", self.first + self.bytes.len() as u64)
    }
}

impl Searching for Passing {
    fn feed(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) {
        for piece in bytes.chunks(PIECE) {
            self.bytes.extend_from_slice(piece);
            if self.bytes.len() > self.at + 2 * AHEAD {
                self.look(self.bytes.len() - AHEAD, hits);
            }
        }
    }

    fn finish(mut self: Box<Self>, hits: &mut Vec<Hit>) {
        self.look(self.bytes.len(), hits);
    }
}

impl Passing {
    fn look(&mut self, end: usize, hits: &mut Vec<Hit>) {
        let mut from = usize::try_from(self.told.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for (shape, secret) in secrets(&self.bytes, self.at, end) {
            if secret.start < from {
                continue;
            }
            from = secret.end;
            hits.push(self.hit(shape, secret));
        }
        self.told = self.told.max(self.first + from as u64);
        let passed = end.saturating_sub(BEHIND);
        self.lines += memchr::memchr_iter(b'\n', &self.bytes[..passed]).count() as u64;
        self.bytes.drain(..passed);
        self.first += passed as u64;
        self.at = end - passed;
    }

    fn hit(&self, shape: usize, secret: Range<usize>) -> Hit {
        let before = &self.bytes[..secret.start];
        let lines = memchr::memchr_iter(b'\n', before).count() as u64;
        Hit {
            canary: shape,
            encoding: if SHAPES[shape].encoded { Encoding::Base64 } else { Encoding::Raw },
            offset: self.first + secret.start as u64,
            end: self.first + secret.end as u64,
            line: self.lines + lines + 1,
            whole: true,
            split: false,
            excerpt: around(before, &self.bytes[secret.end..], &masked),
        }
    }
}

/// The secrets whose signs stand in a part of these bytes, in order; of two in the same place the one of the shape that says
/// more.
fn secrets(bytes: &[u8], from: usize, end: usize) -> Vec<(usize, Range<usize>)> {
    let (signs, shapes) = &*SIGNS;
    // A sign that begins in the part may end after it.
    let part = &bytes[from..bytes.len().min(end + 64)];
    let mut found: Vec<(usize, Range<usize>)> = Vec::new();
    for sign in signs.find_overlapping_iter(part).filter(|sign| from + sign.start() < end) {
        let shape = shapes[sign.pattern().as_usize()];
        let sign = from + sign.start()..from + sign.end();
        let behind = &bytes[sign.start.saturating_sub(BEHIND)..sign.start];
        let ahead = &bytes[sign.start..bytes.len().min(sign.start + AHEAD)];
        if let Some(secret) = SHAPES[shape].secret(behind, ahead) {
            let secret = sign.start + secret.start..sign.start + secret.end;
            if SHAPES[shape].vague && is_known(&bytes[secret.clone()]) {
                continue;
            }
            found.push((shape, secret));
        }
    }
    found.sort_by_key(|(shape, secret)| (secret.start, *shape));
    found.dedup_by(|later, earlier| later.1.start < earlier.1.end);
    found
}

/// Whether a shape that says more stands in it.
fn is_known(secret: &[u8]) -> bool {
    let (signs, shapes) = &*SIGNS;
    signs.find_overlapping_iter(secret).any(|sign| {
        let shape: &Shape = &SHAPES[shapes[sign.pattern().as_usize()]];
        !shape.vague && shape.secret(&secret[..sign.start()], &secret[sign.start()..]).is_some()
    })
}

/// What can be shown of a part of a line.
fn masked(bytes: &[u8]) -> String {
    let (mut clean, mut at) = (String::new(), 0);
    for (_, secret) in secrets(bytes, 0, bytes.len()) {
        if secret.start >= at {
            clean += &words(&bytes[at..secret.start]);
            clean += crate::excerpt::MASK;
            at = secret.end;
        }
    }
    clean + &words(&bytes[at..])
}

#[cfg(test)]
mod tests;
