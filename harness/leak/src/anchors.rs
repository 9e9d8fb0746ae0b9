//! Finds where an anchor may begin, in far less than a step a byte: of each anchor's first eight bytes all five runs of four
//! are known, so one of them stands at every place in five.

use crate::form::Anchor;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// How many first bytes of an anchor are known; none is shorter.
pub(crate) const FIRST: usize = 8;
/// How many bytes are looked at.
const RUN: usize = 4;
/// At every so manyth place.
pub(crate) const STRIDE: usize = FIRST - RUN + 1;

/// What many anchors begin with.
pub(crate) struct Anchors {
    all: Vec<Anchor>,
    /// One bit for each hash of a run.
    runs: Vec<u64>,
    shift: u32,
    /// By first bytes, the anchors that begin so.
    firsts: HashMap<u64, Vec<usize>, BuildHasherDefault<Mixed>>,
    longest: usize,
}

impl Anchors {
    pub(crate) fn new(all: Vec<Anchor>) -> Self {
        let bits = (all.len() * STRIDE * 64).next_power_of_two().ilog2().clamp(15, 22);
        let shift = 32 - bits;
        let (mut runs, mut firsts) = (vec![0_u64; 1 << (bits - 6)], HashMap::<_, Vec<_>, _>::default());
        for (index, anchor) in all.iter().enumerate() {
            for run in anchor.bytes[..FIRST].windows(RUN) {
                let bit = hashed(run, shift);
                runs[bit / 64] |= 1 << (bit % 64);
            }
            firsts.entry(first(&anchor.bytes)).or_default().push(index);
        }
        let longest = all.iter().map(|anchor| anchor.bytes.len()).max().unwrap_or(FIRST);
        Self { all, runs, shift, firsts, longest }
    }

    pub(crate) fn get(&self, index: usize) -> &Anchor {
        &self.all[index]
    }

    /// The length of the longest.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// From this place on, the next place of every fifth at which part of an anchor may stand; or the first that is `end` or
    /// later.
    pub(crate) fn next(&self, text: &[u8], from: usize, end: usize) -> usize {
        let mut at = from;
        while at < end {
            let bit = hashed(&text[at..at + RUN], self.shift);
            if self.runs[bit / 64] >> (bit % 64) & 1 != 0 {
                break;
            }
            at += STRIDE;
        }
        at
    }

    /// The anchors that stand at this place.
    pub(crate) fn at<'a>(&'a self, text: &'a [u8], at: usize) -> impl Iterator<Item = usize> + 'a {
        let known = (text.len() >= at + FIRST).then(|| self.firsts.get(&first(&text[at..]))).flatten();
        let all = known.map(Vec::as_slice).unwrap_or_default().iter().copied();
        all.filter(move |index| text[at..].starts_with(&self.all[*index].bytes))
    }
}

fn hashed(run: &[u8], shift: u32) -> usize {
    let run = u32::from_le_bytes([run[0], run[1], run[2], run[3]]);
    (run.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

fn first(bytes: &[u8]) -> u64 {
    bytes[..FIRST].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Mixes a number: keys come from secrets, not from an enemy.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
