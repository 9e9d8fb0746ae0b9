//! The secrets that are searched.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many characters a secret has at least to be searched: fewer stand anywhere by chance.
pub const SHORTEST: usize = 12;

/// How many characters after a public beginning tell a secret.
pub(crate) const TELLING: usize = 8;

/// How long a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Until somebody revokes it.
    Lasting,
    /// For some hours at most.
    Session,
}

/// A secret that must not be found.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// What it is called in reports, such as ``token `mypat` ``.
    pub name: String,
    /// The secret itself.
    pub text: String,
    /// How long it is good for.
    pub kind: Kind,
}

/// Says nothing of the secret.
impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canary({}, {:?})", self.name, self.kind)
    }
}

impl Canary {
    /// A secret of this name. Space around it is not part of it.
    #[must_use]
    pub fn new(name: impl Into<String>, text: &str, kind: Kind) -> Self {
        Self { name: name.into(), text: text.trim().to_owned(), kind }
    }

    /// The secrets in a secret's value: of JSON each text in it, called by its path, else the value itself.
    #[must_use]
    pub fn of_value(name: &str, value: &str, kind: Kind) -> Vec<Self> {
        match serde_json::from_str(value) {
            Ok(document @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => {
                let mut leaves = Vec::new();
                gather(name, &document, kind, &mut leaves);
                leaves
            }
            _ => vec![Self::new(name, value, kind)],
        }
    }

    /// How much of its beginning says only what kind of secret it is. `alike` is how much another secret begins with, too: it
    /// shows how much of a JWT's claims is the same in all, which nobody knows of one alone.
    pub(crate) fn public(&self, alike: usize) -> usize {
        let (plain, signed) = public(self.text.as_bytes());
        if alike > plain { alike } else { plain + signed }
    }
}

fn gather(name: &str, value: &serde_json::Value, kind: Kind, leaves: &mut Vec<Canary>) {
    match value {
        serde_json::Value::String(text) => leaves.push(Canary::new(name, text, kind)),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| gather(&format!("{name}, {index}"), item, kind, leaves));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(field, item)| gather(&format!("{name}, {field}"), item, kind, leaves));
        }
        _ => {}
    }
}

/// The length of a secret's public beginning, and of what a JWT after it says to everybody.
fn public(text: &[u8]) -> (usize, usize) {
    const PLAIN: [&[u8]; 9] =
        [b"ghp_", b"gho_", b"ghu_", b"ghr_", b"github_pat_", b"AKIA", b"ASIA", b"IQoJb3JpZ2luX2Vj", b"FwoGZXIvYXdz"];
    if let Some(rest) = text.strip_prefix(b"ghs_") {
        let app = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let app = if app > 0 && rest.get(app) == Some(&b'_') { app + 1 } else { 0 };
        return (4 + app, signed(&rest[app..]));
    }
    let plain = PLAIN.iter().find(|prefix| text.starts_with(prefix));
    plain.map_or_else(|| (0, signed(text)), |prefix| (prefix.len(), 0))
}

/// The length of what a JWT says to everybody: all but its signature.
fn signed(text: &[u8]) -> usize {
    let dots: Vec<usize> = memchr::memchr_iter(b'.', text).collect();
    match dots.as_slice() {
        [_, last] if text.starts_with(b"eyJ") && text.len() >= last + 1 + SHORTEST => last + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_may_know_does_not_tell() {
        let of = |text: &str| Canary::new("x", text, Kind::Lasting).public(0);
        assert_eq!(of("ghp_0123456789abcdef"), 4);
        assert_eq!(of("github_pat_11ABCDEFG0"), 11);
        assert_eq!(of("ghs_0123456789abcdefghij"), 4);
        assert_eq!(of("ghs_12345_0123456789abcdefghij"), 10);
        assert_eq!(of("ghs_12345_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.0123456789abcdef"), 44);
        let jwt = Canary::new("x", "ghs_12345_eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiJhYmNk.0123456789abcdef", Kind::Session);
        assert_eq!(jwt.public(40), 40, "what differs from another of its kind tells");
        assert_eq!(of("wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzzzz"), 0);
    }

    #[test]
    fn a_documents_texts_are_its_secrets() {
        let canaries = Canary::of_value("secret `a`", r#"{"pat": "one", "more": [{"x": "two"}, 3]}"#, Kind::Lasting);
        let names: Vec<_> = canaries.iter().map(|canary| (canary.name.as_str(), canary.text.as_str())).collect();
        assert_eq!(names, [("secret `a`, pat", "one"), ("secret `a`, more, 0, x", "two")]);
        assert_eq!(Canary::of_value("s", "plain\n", Kind::Lasting)[0].text, "plain");
        assert_eq!(Canary::of_value("s", "12345678901234", Kind::Lasting)[0].text, "12345678901234");
    }

    #[test]
    fn nothing_shows_a_secret() {
        assert_eq!(format!("{:?}", Canary::new("token", "ghp_secret", Kind::Session)), "Canary(token, Session)");
    }
}
