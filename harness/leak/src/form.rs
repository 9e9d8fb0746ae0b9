//! The forms that tools give a secret.

use crate::{
    canary::{SHORTEST, TELLING},
    key,
    normal::normal,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range};

/// How a secret was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encoding {
    /// As it is.
    Raw,
    /// With backslashes, as in JSON and shell texts.
    Escaped,
    /// With percent signs, as in URLs.
    Url,
    /// Base64, alone or within that of a longer text such as `user:token`.
    Base64,
    /// Base64 of the alphabet for URLs.
    Base64Url,
    /// Hexadecimal digits of either case.
    Hex,
    /// From its end to its beginning.
    Reversed,
    /// The bytes that a key's text stands for.
    Der,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Escaped => "escaped",
            Self::Url => "URL-encoded",
            Self::Base64 => "base64",
            Self::Base64Url => "URL-safe base64",
            Self::Hex => "hex",
            Self::Reversed => "reversed",
            Self::Der => "DER",
        })
    }
}

/// Which letters are the same to a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    /// Each is itself.
    Exact,
    /// Of both alphabets of base64.
    Base64,
    /// Of both cases.
    Hex,
}

/// One form of a canary: what is compared with what stands in a stream.
#[derive(Debug)]
pub(crate) struct Form {
    /// Which canary.
    pub(crate) canary: usize,
    pub(crate) encoding: Encoding,
    letters: Letters,
    /// The form from its first telling byte on.
    pub(crate) bytes: Vec<u8>,
}

impl Form {
    /// How many of these bytes are the form's from a place in it on.
    pub(crate) fn common(&self, from: usize, bytes: &[u8]) -> usize {
        let expected = self.bytes[from..].iter();
        expected.zip(bytes).take_while(|(expected, byte)| self.same(**expected, **byte)).count()
    }

    fn same(&self, expected: u8, byte: u8) -> bool {
        expected == byte
            || match self.letters {
                Letters::Exact => false,
                Letters::Base64 => safe(expected) == byte,
                Letters::Hex => expected == byte.to_ascii_lowercase(),
            }
    }
}

/// What is searched for all forms at once: a part of one.
#[derive(Debug)]
pub(crate) struct Anchor {
    pub(crate) bytes: Vec<u8>,
    /// Which form it is of.
    pub(crate) form: usize,
    /// Whether the form begins with it; else it shows that a later part of it is there.
    pub(crate) first: bool,
}

/// All forms and anchors of a set of canaries.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    pub(crate) forms: Vec<Form>,
    pub(crate) anchors: Vec<Anchor>,
}

impl Forms {
    /// Adds the forms of a canary whose first bytes, up to `public`, tell nothing. Says whether it can be searched.
    pub(crate) fn add(&mut self, canary: usize, text: &str, public: usize) -> bool {
        if let Some(secret) = key::secret(text) {
            let shown = &text.as_bytes()[secret.place];
            self.form(canary, Encoding::Der, &secret.bytes, SHORTEST);
            self.base64(canary, Encoding::Raw, &secret.bytes, SHORTEST);
            self.base64(canary, Encoding::Base64, shown, SHORTEST);
            self.hex(canary, &secret.bytes, SHORTEST);
            self.hex(canary, shown, SHORTEST);
            return true;
        }
        let least = if public == 0 { SHORTEST } else { TELLING };
        let text = text.as_bytes();
        if text.len() < public + least {
            return false;
        }
        let telling = &text[public..];
        self.form(canary, Encoding::Raw, telling, least);
        self.base64(canary, Encoding::Base64, telling, least);
        self.hex(canary, telling, least);
        self.reversed(canary, telling, least);
        true
    }

    /// The bytes as they are.
    fn form(&mut self, canary: usize, encoding: Encoding, telling: &[u8], least: usize) {
        let bytes = normal(telling);
        let form = self.push(canary, encoding, Letters::Exact, bytes.clone());
        for (range, first) in parts(bytes.len(), least) {
            self.anchors.push(Anchor { bytes: bytes[range].to_vec(), form, first });
        }
    }

    /// Base64 at each alignment, in both alphabets.
    fn base64(&mut self, canary: usize, encoding: Encoding, telling: &[u8], least: usize) {
        for before in 0..3 {
            let form = self.push(canary, encoding, Letters::Base64, within_base64(telling, before));
            for (range, first) in parts(telling.len(), least) {
                let bytes = within_base64(&telling[range.clone()], (range.start + before) % 3);
                let safe: Vec<u8> = bytes.iter().map(|byte| safe(*byte)).collect();
                if safe != bytes {
                    self.anchors.push(Anchor { bytes: safe, form, first });
                }
                self.anchors.push(Anchor { bytes, form, first });
            }
        }
    }

    /// Hexadecimal digits of both cases.
    fn hex(&mut self, canary: usize, telling: &[u8], least: usize) {
        let form = self.push(canary, Encoding::Hex, Letters::Hex, hex::encode(telling).into_bytes());
        for (range, first) in parts(telling.len(), least) {
            let bytes = hex::encode(&telling[range]).into_bytes();
            self.anchors.push(Anchor { bytes: bytes.to_ascii_uppercase(), form, first });
            self.anchors.push(Anchor { bytes, form, first });
        }
    }

    /// From the end; also what remains of it when only the beginning was turned.
    fn reversed(&mut self, canary: usize, telling: &[u8], least: usize) {
        let backwards: Vec<u8> = telling.iter().rev().copied().collect();
        let bytes = normal(&backwards);
        let length = bytes.len();
        let form = self.push(canary, Encoding::Reversed, Letters::Exact, bytes.clone());
        self.anchors.push(Anchor { bytes: bytes[..length.min(SHORTEST)].to_vec(), form, first: true });
        if length > SHORTEST {
            self.anchors.push(Anchor { bytes: bytes[length - least..].to_vec(), form, first: false });
        }
    }

    fn push(&mut self, canary: usize, encoding: Encoding, letters: Letters, bytes: Vec<u8>) -> usize {
        self.forms.push(Form { canary, encoding, letters, bytes });
        self.forms.len() - 1
    }
}

/// The parts of a secret that are searched: its first so many bytes, and of a long one what is left when those are masked.
fn parts(length: usize, first: usize) -> impl Iterator<Item = (Range<usize>, bool)> {
    let later = [(length / 2, length > 200), (length.saturating_sub(SHORTEST), length > 48)];
    let later = later.into_iter().filter(|(_, long)| *long).map(|(start, _)| (start..start + SHORTEST, false));
    std::iter::once((0..length.min(first), true)).chain(later)
}

/// A letter of base64 in the alphabet for URLs.
fn safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

/// What the base64 of any text has that has these bytes in it, so many bytes after a multiple of three.
fn within_base64(bytes: &[u8], before: usize) -> Vec<u8> {
    let encoded = STANDARD.encode([&[0, 0][..before], bytes].concat());
    // The letters at both ends are made of other bytes, too.
    let whole = (before + bytes.len()) * 8 / 6;
    encoded.as_bytes()[(before * 8).div_ceil(6)..whole].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_at_each_alignment_is_what_stays() {
        let text = b"0123456789abcdefg";
        for before in 0..3 {
            let form = within_base64(text, before);
            for user in ["", "x", "ab", "abc", "user"] {
                if user.len() % 3 == before {
                    let whole = STANDARD.encode(format!("{user}0123456789abcdefg and more"));
                    assert!(memchr::memmem::find(whole.as_bytes(), &form).is_some(), "{user}");
                }
            }
        }
    }
}
