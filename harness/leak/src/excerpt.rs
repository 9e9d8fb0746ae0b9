//! A line in which a secret stands, without it.

use crate::{
    chain::{Chain, Match},
    finder::Finder,
    normal::Normal,
};
use std::{fmt, ops::Range};

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";
/// How many bytes of what passed are kept.
const KEPT: usize = 4096;
/// How many bytes are shown before and after a secret.
const SHOWN: usize = 72;
/// How long a word is that may be a secret nobody knows of.
const WORD: usize = 12;

/// The last bytes that passed.
#[derive(Default)]
pub(crate) struct Context {
    kept: Vec<u8>,
    /// How many bytes passed.
    passed: u64,
}

/// Says nothing of the bytes.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} bytes passed)", self.passed)
    }
}

impl Context {
    pub(crate) fn passed(&mut self, bytes: &[u8]) {
        self.passed += bytes.len() as u64;
        let new = &bytes[bytes.len().saturating_sub(KEPT)..];
        let stay = self.kept.len().min(KEPT - new.len());
        self.kept.drain(..self.kept.len() - stay);
        self.kept.extend_from_slice(new);
    }

    /// The line around a secret, of which the last bytes have just come and not yet passed.
    pub(crate) fn excerpt(&self, finder: &Finder, bytes: &[u8], secret: Range<u64>) -> String {
        let first = self.passed - self.kept.len() as u64;
        let (Some(start), Some(end)) = (secret.start.checked_sub(first), secret.end.checked_sub(first)) else {
            return MASK.to_owned();
        };
        let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let part = |range: Range<usize>| -> Vec<u8> {
            let both = self.kept.iter().chain(bytes).skip(range.start);
            both.take(range.len()).copied().collect()
        };
        let (before, after) = (part(start.saturating_sub(SHOWN)..start), part(end..end.saturating_add(SHOWN)));
        around(&before, &after, &|bytes| masked(finder, bytes))
    }
}

/// What is shown of the bytes before and after a secret.
pub(crate) fn around(before: &[u8], after: &[u8], masked: &dyn Fn(&[u8]) -> String) -> String {
    let (before, after) = (&before[before.len().saturating_sub(SHOWN)..], &after[..after.len().min(SHOWN)]);
    let line_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let cut = before.iter().rposition(line_end);
    let mut left = &before[cut.map_or(0, |at| at + 1)..];
    if cut.is_none() && before.len() == SHOWN {
        // What stands at the edge may be the end of a secret.
        left = &left[left.iter().position(|byte| !of_a_word(*byte)).unwrap_or(left.len())..];
    }
    let cut = after.iter().position(line_end);
    let mut right = &after[..cut.unwrap_or(after.len())];
    if cut.is_none() && after.len() == SHOWN {
        right = &right[..right.iter().rposition(|byte| !of_a_word(*byte)).map_or(0, |at| at + 1)];
    }
    // What touches the secret is of it, or of what it is encoded with.
    let left_end = left.iter().rposition(|byte| !of_a_word(*byte)).map_or(0, |at| at + 1);
    let right_start = right.iter().position(|byte| !of_a_word(*byte)).unwrap_or(right.len());
    let [left, right] = [&left[..left_end], &right[right_start..]].map(masked);
    format!("{left}{MASK}{right}")
}

/// A text without what a finder knows, and without words that look like a secret.
pub(crate) fn masked(finder: &Finder, bytes: &[u8]) -> String {
    let mut chain = Chain::new(finder);
    let mut normal = Normal::default();
    normal.feed(bytes, &mut chain);
    normal.finish(&mut chain);
    chain.finish();
    let mut found: Vec<Match> = std::mem::take(&mut chain.found);
    found.sort_by_key(|found| found.start);
    let (mut clean, mut at) = (String::new(), 0);
    for found in found {
        let [start, end] =
            [found.start, found.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len()));
        if start < at {
            continue;
        }
        let word = bytes[at..start].iter().rposition(|byte| !of_a_word(*byte)).map_or(at, |before| at + before + 1);
        clean += &words(&bytes[at..word]);
        clean += MASK;
        at = end + bytes[end..].iter().take_while(|byte| of_a_word(**byte)).count();
    }
    clean + &words(&bytes[at..])
}

/// A text that can be shown, without words that look like a secret.
pub(crate) fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(|letter: char| !letter.is_ascii() || !of_a_word(letter as u8)) {
        let body = word.trim_end_matches(|letter: char| !letter.is_ascii() || !of_a_word(letter as u8));
        let secret = body.len() >= WORD
            && body.bytes().any(|byte| byte.is_ascii_digit())
            // A date has fewer.
            && body.bytes().filter(u8::is_ascii_alphabetic).count() >= 3;
        clean += if secret { MASK } else { body };
        clean.extend(word[body.len()..].chars().map(|letter| if letter.is_control() { ' ' } else { letter }));
    }
    clean
}

const fn of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'%' | b'\\')
}
