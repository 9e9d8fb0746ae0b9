//! Values that are new in every run: tokens, accounts, names.
//!
//! Nothing here is ever written to a fixture; what is secret goes into the run's [`crate::redact::Redactor`].

use rand::{RngExt, rngs::ThreadRng};

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` lower-case letters and digits, beginning with a letter.
#[must_use]
pub fn name(length: usize) -> String {
    let mut random = rand::rng();
    std::iter::once(pick(&LOWER[..26], &mut random)).chain((1..length).map(|_| pick(LOWER, &mut rand::rng()))).collect()
}

/// A 12-digit AWS account that does not start with zero.
#[must_use]
pub fn account() -> String {
    rand::rng().random_range(100_000_000_000_u64..1_000_000_000_000).to_string()
}

/// A classic personal access token: `ghp_` and 36 letters and digits.
#[must_use]
pub fn token() -> String {
    format!("ghp_{}", alphanumeric(36))
}

/// A fine-grained personal access token: `github_pat_`, 22 letters and digits, and after an underscore 59 more.
#[must_use]
pub fn fine_grained_token() -> String {
    format!("github_pat_{}_{}", alphanumeric(22), alphanumeric(59))
}

/// The id of a GitHub App or of its installation: seven digits that do not start with zero.
#[must_use]
pub fn app_id() -> u64 {
    rand::rng().random_range(1_000_000..10_000_000)
}

/// The client id of a GitHub App: `Iv23li` and 14 letters and digits.
#[must_use]
pub fn client_id() -> String {
    format!("Iv23li{}", alphanumeric(14))
}

/// A password: 32 letters and digits.
#[must_use]
pub fn password() -> String {
    alphanumeric(32)
}

fn alphanumeric(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| pick(ALPHANUMERIC, &mut random)).collect()
}

/// What the credentials of sessions come from: 64 letters and digits.
#[must_use]
pub fn seed() -> String {
    alphanumeric(64)
}

/// The id of a long-term access key: `AKIA` and 16 letters and digits of base 32.
#[must_use]
pub fn access_key_id() -> String {
    let mut random = rand::rng();
    let body: String = (0..16).map(|_| pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", &mut random)).collect();
    format!("AKIA{body}")
}

/// A secret access key: 40 letters and digits.
#[must_use]
pub fn secret_access_key() -> String {
    alphanumeric(40)
}

/// The length of the `{minted:SHAPE}` that a text begins with.
pub(crate) fn first(text: &str) -> Option<usize> {
    let shape = text.strip_prefix(BEGINS)?;
    let end = shape.find(|letter| "{}\"\\\n".contains(letter))?;
    shape[end..].starts_with('}').then_some(BEGINS.len() + end + 1)
}

/// How a shape begins.
const BEGINS: &str = "{minted:";

/// The text with each `{minted:SHAPE}` filled in: `A` stands for an upper-case letter, `a` for a lower-case one, `0` for
/// a digit.
pub(crate) fn filled(text: &str) -> String {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(BEGINS) {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(length) = first(rest) else {
            filled.push_str(BEGINS);
            rest = &rest[BEGINS.len()..];
            continue;
        };
        filled.extend(rest[BEGINS.len()..length - 1].chars().map(of_shape));
        rest = &rest[length..];
    }
    filled + rest
}

fn of_shape(letter: char) -> char {
    match letter {
        'A' => pick(&ALPHANUMERIC[10..36], &mut rand::rng()),
        'a' => pick(&LOWER[..26], &mut rand::rng()),
        '0' => pick(&ALPHANUMERIC[..10], &mut rand::rng()),
        other => other,
    }
}

fn pick(alphabet: &[u8], random: &mut ThreadRng) -> char {
    char::from(alphabet[random.random_range(0..alphabet.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_filled_anew() {
        let shape = "x-{minted:AAAAaaaa0000}-{token:a} {minted:";
        let (one, other) = (filled(shape), filled(shape));
        assert_ne!(one, other);
        let minted = &one[2..14];
        assert!(minted[..4].bytes().all(|byte| byte.is_ascii_uppercase()), "{one}");
        assert!(minted[4..8].bytes().all(|byte| byte.is_ascii_lowercase()), "{one}");
        assert!(minted[8..].bytes().all(|byte| byte.is_ascii_digit()), "{one}");
        assert!(one.ends_with("-{token:a} {minted:"), "{one}");
        assert!(filled("{minted:A 0}").as_bytes()[1] == b' ' && filled("{minted:A 0}").len() == 3);
        assert_eq!(filled(r#"{"a":"{minted:","b":"A0}"}"#), r#"{"a":"{minted:","b":"A0}"}"#);
        assert_eq!((first("{minted:A0}-x"), first("{minted:"), first("-{minted:A}")), (Some(11), None, None));
    }
}
