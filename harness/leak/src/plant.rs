//! Writes a secret in every form that is found: for tests, which draw form and surroundings by a seed.
//!
//! The text is printable ASCII and line ends, so that a shell can write it; a secret without quotes makes none.

use crate::Encoding;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

/// A form that a secret is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// As it is.
    Raw,
    /// With some characters as `%41`.
    Url,
    /// With some characters behind a backslash.
    Escaped,
    /// Base64 of it alone.
    Base64,
    /// Base64 of `user:secret`, with a user of any length.
    Basic,
    /// The same in the alphabet for URLs.
    BasicUrl,
    /// The same on lines of some length.
    Wrapped,
    /// Hexadecimal digits, lower case.
    Hex,
    /// Hexadecimal digits, upper case.
    HexUpper,
    /// Backwards.
    Reversed,
    /// On several lines.
    Lines,
    /// On several lines of a core's log.
    Log,
    /// Its first 12 characters or more.
    Truncated,
    /// The same, in base64.
    TruncatedBase64,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Raw,
        Self::Url,
        Self::Escaped,
        Self::Base64,
        Self::Basic,
        Self::BasicUrl,
        Self::Wrapped,
        Self::Hex,
        Self::HexUpper,
        Self::Reversed,
        Self::Lines,
        Self::Log,
        Self::Truncated,
        Self::TruncatedBase64,
    ];

    /// Whether all of the secret is there.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        !matches!(self, Self::Truncated | Self::TruncatedBase64)
    }

    /// Whether line ends stand between its pieces.
    #[must_use]
    pub const fn is_split(self) -> bool {
        matches!(self, Self::Wrapped | Self::Lines | Self::Log)
    }

    /// The encoding that a hit names.
    #[must_use]
    pub fn is_told_as(self, encoding: Encoding) -> bool {
        match self {
            Self::Raw | Self::Log | Self::Truncated => encoding == Encoding::Raw,
            Self::Lines => matches!(encoding, Encoding::Raw | Encoding::Escaped),
            Self::Url => encoding == Encoding::Url,
            Self::Escaped => encoding == Encoding::Escaped,
            Self::Base64 | Self::Basic | Self::BasicUrl | Self::Wrapped | Self::TruncatedBase64 => {
                matches!(encoding, Encoding::Base64 | Encoding::Base64Url)
            }
            Self::Hex | Self::HexUpper => encoding == Encoding::Hex,
            Self::Reversed => encoding == Encoding::Reversed,
        }
    }

    /// The secret in this form; what may differ is drawn.
    #[must_use]
    pub fn of(self, secret: &str, draw: &mut Draw) -> String {
        let user = "x-access-token"[..draw.below(15)].to_owned();
        let basic = format!("{user}:{secret}");
        // Two pieces at least.
        let half = secret.len() / 2;
        let cut = &secret[..12 + draw.below(secret.len().saturating_sub(12).max(1))];
        match self {
            Self::Raw => secret.to_owned(),
            Self::Url => altered(secret, draw, |letter| format!("%{:02X}", letter as u32)),
            Self::Escaped => {
                altered(
                    secret,
                    draw,
                    |letter| if "nr".contains(letter) { letter.into() } else { format!("\\{letter}") },
                )
            }
            Self::Base64 => STANDARD.encode(secret),
            Self::Basic => STANDARD.encode(basic),
            Self::BasicUrl => URL_SAFE.encode(basic),
            Self::Wrapped => pieces(&STANDARD.encode(basic), 6 + draw.below(20), "\n"),
            Self::Hex => hex::encode(secret),
            Self::HexUpper => hex::encode_upper(secret),
            Self::Reversed => secret.chars().rev().collect(),
            Self::Lines => {
                pieces(secret, (5 + draw.below(15)).min(half), ["\n", "\r\n", "\n    ", "\\\n"][draw.below(4)])
            }
            Self::Log => log(secret, (6 + draw.below(15)).min(half)),
            Self::Truncated => cut.to_owned(),
            Self::TruncatedBase64 => STANDARD.encode(cut),
        }
    }
}

/// Draws numbers: the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Begins with a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below a bound that is above 0.
    ///
    /// # Panics
    /// When the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or_default()
    }

    /// So many letters and digits.
    pub fn letters(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        (0..length).map(|_| char::from(LETTERS[self.below(62)])).collect()
    }
}

/// Some of its letters, and one of the first twelve, in another way.
fn altered(secret: &str, draw: &mut Draw, other: impl Fn(char) -> String) -> String {
    let sure = 5 + draw.below(6);
    let letters = secret.chars().enumerate();
    letters
        .map(|(index, letter)| if index == sure || draw.below(4) == 0 { other(letter) } else { letter.into() })
        .collect()
}

fn pieces(text: &str, width: usize, between: &str) -> String {
    let pieces: Vec<_> = text.as_bytes().chunks(width).map(|piece| String::from_utf8_lossy(piece)).collect();
    pieces.join(between)
}

fn log(secret: &str, width: usize) -> String {
    let line = |piece: &[u8]| {
        let piece = String::from_utf8_lossy(piece);
        format!(
            "2026-11-28T10:00:00.000Z [INFO] (Copier) com.example.A: stdout. {piece}. {{scriptName=services.com.example.A.lifecycle.Run, serviceName=com.example.A, currentState=RUNNING}}\n"
        )
    };
    "\n".to_owned() + &secret.as_bytes().chunks(width).map(line).collect::<String>()
}
