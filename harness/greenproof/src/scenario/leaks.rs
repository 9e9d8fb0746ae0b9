//! What a scenario says of secrets that others can read: where none may be, and which ones are known and accepted.
//!
//! ```toml
//! leaks = "none"                  # nothing, not even for a moment
//! leaks = "none-after"            # nothing that stays
//! leaks = [{ place = "arguments of *", reason = "pip is given the URL" }]
//! ```

use crate::evidence::Leak;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use std::{fmt, str::FromStr};

/// Which leaks a scenario allows; one that is not allowed is a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaks {
    /// None, at any time.
    None,
    /// None that stay; what is gone at the end is told.
    NoneAfter,
    /// None but these, at any time.
    But(Vec<Accepted>),
}

/// Leaks that are known and accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stated", into = "Stated")]
pub struct Accepted {
    /// Which.
    pub pattern: Pattern,
    /// Why that is acceptable.
    pub reason: String,
}

/// [`Accepted`] as it is written: one table.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    place: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    readers: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stays: Option<bool>,
    reason: String,
}

impl From<Stated> for Accepted {
    fn from(Stated { place, secret, readers, encoding, stays, reason }: Stated) -> Self {
        Self { pattern: Pattern { place, secret, readers, encoding, stays }, reason }
    }
}

impl From<Accepted> for Stated {
    fn from(Accepted { pattern, reason }: Accepted) -> Self {
        let Pattern { place, secret, readers, encoding, stays } = pattern;
        Self { place, secret, readers, encoding, stays, reason }
    }
}

/// Leaks by what is known of them. In texts, `*` stands for anything; what is not stated is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Where, such as `file /tmp/pip-req-build-*/.git/config`; the number of the line may be left out.
    pub place: String,
    /// Which secret, such as ``token `mypat` ``.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Who can read it, such as `every local user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<String>,
    /// In what form, such as `base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Whether it is still there at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<bool>,
}

impl Pattern {
    /// Whether a leak is one of these.
    #[must_use]
    pub fn fits(&self, leak: &Leak) -> bool {
        let says = |stated: &Option<String>, seen: &str| stated.as_deref().is_none_or(|stated| like(stated, seen));
        let place = like(&self.place, &leak.place)
            || leak.place.rsplit_once(", line ").is_some_and(|(place, _)| like(&self.place, place));
        place
            && says(&self.secret, &leak.secret)
            && says(&self.readers, &leak.readers)
            && says(&self.encoding, &leak.encoding)
            && self.stays.is_none_or(|stays| stays == leak.stays)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        for (name, stated) in [("secret", &self.secret), ("readers", &self.readers), ("encoding", &self.encoding)] {
            stated.as_ref().map_or(Ok(()), |stated| write!(f, ", {name} {stated}"))?;
        }
        match self.stays {
            Some(true) => f.write_str(", which stays"),
            Some(false) => f.write_str(", which is gone at the end"),
            None => Ok(()),
        }
    }
}

/// Whether a text is like a pattern, in which `*` stands for anything.
#[must_use]
pub fn like(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

impl FromStr for Leaks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "none-after" => Ok(Self::NoneAfter),
            _ => Err("use `none` or `none-after`".to_owned()),
        }
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::NoneAfter => f.write_str("none-after"),
            Self::But(accepted) => write!(f, "none but {} accepted", accepted.len()),
        }
    }
}

impl Serialize for Leaks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::But(accepted) => accepted.serialize(serializer),
            one => serializer.collect_str(one),
        }
    }
}

impl<'de> Deserialize<'de> for Leaks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Leaks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", \"none-after\", or a list of accepted leaks")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Leaks, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Leaks, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Leaks::But)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in [
            ("arguments of git", "arguments of git"),
            ("arguments of *", "arguments of git"),
            ("*", ""),
            ("file /tmp/*/.git/config", "file /tmp/pip-req-build-x/.git/config"),
            ("*of*, variable *", "environment of pip3, variable SUDO_COMMAND"),
            ("a*a", "aa"),
            ("*line 7", "file /x, line 7"),
        ] {
            assert!(like(pattern, text), "{pattern}");
        }
        for (pattern, text) in [
            ("arguments of git", "arguments of git-remote-https"),
            ("a*a", "a"),
            ("file /tmp/*", "deleted file /tmp/x"),
            ("*x*y", "yx"),
            ("", "a"),
        ] {
            assert!(!like(pattern, text), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_holds_what_it_states_and_the_line_may_be_left_out() {
        let leak = Leak {
            secret: "token `mypat`".into(),
            place: "file /tmp/x/.git/config, line 7".into(),
            readers: "every local user".into(),
            encoding: "raw".into(),
            stays: true,
            ..Leak::default()
        };
        let place = |place: &str| Pattern { place: place.into(), ..Pattern::default() };
        assert!(place("file /tmp/x/.git/config").fits(&leak) && place("file /tmp/*, line 7").fits(&leak));
        assert!(!place("file /tmp/x/.git/config, line 8").fits(&leak));
        let pattern = place("*");
        assert!(Pattern { stays: Some(true), readers: Some("every *".into()), ..pattern.clone() }.fits(&leak));
        assert!(!Pattern { stays: Some(false), ..pattern.clone() }.fits(&leak));
        assert!(!Pattern { readers: Some("root".into()), ..pattern.clone() }.fits(&leak));
        assert!(!Pattern { secret: Some("token `other`".into()), ..pattern.clone() }.fits(&leak));
        assert!(!Pattern { encoding: Some("base64".into()), ..pattern }.fits(&leak));
    }

    #[test]
    fn the_three_forms_are_read_and_written() {
        #[derive(Deserialize, Serialize)]
        struct File {
            leaks: Leaks,
        }
        let read = |text: &str| toml::from_str::<File>(text).map(|file| file.leaks).map_err(|error| error.to_string());
        assert_eq!(read("leaks = 'none'"), Ok(Leaks::None));
        assert_eq!(read("leaks = 'none-after'"), Ok(Leaks::NoneAfter));
        let but = read("leaks = [{ place = 'arguments of *', secret = 'x', reason = 'the URL form' }]").unwrap();
        assert!(matches!(&but, Leaks::But(accepted) if accepted[0].reason == "the URL form"));
        let again: Leaks = serde_json::from_value(serde_json::to_value(&but).unwrap()).unwrap();
        assert_eq!(again, but);
        assert!(read("leaks = 'some'").unwrap_err().contains("\"none-after\""));
        assert!(read("leaks = [{ place = 'x' }]").unwrap_err().contains("reason"));
        assert!(read("leaks = [{ place = 'x', reason = 'y', plcae = 'z' }]").unwrap_err().contains("plcae"));
    }
}
