//! Keeps secrets out of everything that is stored or shown.
//!
//! A [`Redactor`] knows the run's secrets and replaces each, in every form that tools print it in, by `***`: the usual forms
//! of all secrets are looked for in one pass, rarer ones, and those that a log has in pieces, as [`leak`] finds them. For what
//! leaves the machine, a [`Scrubber`] takes pieces of them away, too.
//! [`masked`] knows none, and goes by their shape.

mod search;
mod shape;

pub use shape::masked;

use base64::{Engine, engine::general_purpose::STANDARD};
use leak::{Canary, Finder, Kind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use search::Search;
use serde_json::Value;
use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, OnceLock},
};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// How many characters of a secret are a piece of it.
const PIECE: usize = 5;
/// How long a secret is at least whose base64 is looked for within other base64, such as that of `USER:SECRET`, and which is
/// a leak where it stands.
pub(crate) const TELLING: usize = 8;
/// How long a secret is at least to be masked: fewer characters stand anywhere, in times, states and numbers.
const SHORTEST: usize = 6;

/// The secrets of one run.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Each with its usual forms.
    secrets: Vec<(Canary, Vec<String>)>,
    /// What single secrets are made of, such as the texts of a JSON document.
    parts: Vec<String>,
    /// All forms at once, made when they are first looked for.
    search: Arc<OnceLock<Search>>,
    /// What finds rarer forms, made when it is first needed.
    finder: Arc<OnceLock<Finder>>,
}

/// A secret that stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it was added as.
    pub secret: String,
    /// In what form.
    pub encoding: String,
    /// In which line it begins, from 1.
    pub line: usize,
    /// That line without secrets.
    pub text: String,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.secrets.iter().map(|(secret, _)| &secret.name)).finish()
    }
}

impl Redactor {
    /// Adds a secret; `what` names it in reports, such as ``token `mypat` ``. One of fewer than six characters is ignored.
    #[must_use]
    pub fn with(self, what: impl Into<String>, secret: &str) -> Self {
        let mut with = self.with_whole(what, secret);
        if !secret.trim().is_empty() {
            with.parts.extend(parts(secret));
        }
        with
    }

    /// Adds a secret of which pieces tell nothing.
    #[must_use]
    pub fn with_whole(mut self, what: impl Into<String>, secret: &str) -> Self {
        if secret.trim().len() >= SHORTEST {
            (self.search, self.finder) = (Arc::default(), Arc::default());
            self.secrets.push((Canary::new(what, secret, Kind::Lasting), forms(secret)));
            self.secrets.sort_by_key(|(_, forms)| std::cmp::Reverse(forms[0].len()));
        }
        self
    }

    /// The text without secrets. What a log has in pieces becomes one line.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        if text.len() < SHORTEST {
            return text.to_owned();
        }
        let clean = without_spans(text, self.search().spans(text));
        if clean.len() < TELLING {
            return clean;
        }
        let hits = self.finder().hits(clean.as_bytes());
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
        let mut spans: Vec<_> = hits.iter().map(|hit| at(hit.offset)..at(hit.end)).collect();
        spans.sort_by_key(|span| (span.start, span.end));
        without_spans(&clean, spans)
    }

    /// A JSON value without secrets: its texts and names; numbers and the like stay, so that it is as it was for who reads it.
    #[must_use]
    pub fn json(&self, value: Value) -> Value {
        each_text(value, &|text| self.apply(text))
    }

    fn search(&self) -> &Search {
        self.search.get_or_init(|| Search::of(self.secrets.iter().map(|(_, forms)| forms.as_slice())))
    }

    fn finder(&self) -> &Finder {
        self.finder.get_or_init(|| Finder::new(self.secrets.iter().map(|(secret, _)| secret.clone()).collect()))
    }

    /// The secrets of eight characters or more that stand in a text, in the order of its lines.
    #[must_use]
    pub fn leaks(&self, text: &str) -> Vec<Sighting> {
        let mut found: Vec<Sighting> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let secrets = self.search().found(text).into_iter().map(|index| &self.secrets[index].0);
            for secret in secrets.filter(|secret| secret.text.len() >= TELLING) {
                let (secret, encoding) = (secret.name.clone(), "raw".to_owned());
                found.push(Sighting { secret, encoding, line, text: self.apply(text) });
            }
        }
        for hit in self.finder().hits(text.as_bytes()).into_iter().filter(|hit| hit.whole) {
            let (secret, line) = (&self.secrets[hit.canary].0.name, usize::try_from(hit.line).unwrap_or_default());
            if found.iter().any(|other| other.secret == *secret && other.line == line) {
                continue;
            }
            let split = if hit.split { ", split over lines" } else { "" };
            let encoding = format!("{}{split}", hit.encoding);
            found.push(Sighting { secret: secret.clone(), encoding, line, text: hit.excerpt });
        }
        found.sort_by_key(|sighting| sighting.line);
        found
    }

    /// What also takes pieces of secrets away.
    #[must_use]
    pub fn scrubber(&self) -> Scrubber<'_> {
        let encoded = self.parts.iter().filter(|part| part.len() >= TELLING).flat_map(|part| within_base64(part));
        let urls = self.parts.iter().map(|part| in_url(part));
        let pieces = self.parts.iter().cloned().chain(encoded).chain(urls).flat_map(|part| pieces(&part)).collect();
        Scrubber { redactor: self, spread: self.parts.iter().filter_map(|part| spread(part)).collect(), pieces }
    }
}

/// Takes secrets and pieces of them out of what leaves the machine, wherever they stand: split over lines, with something
/// between the letters, or in base64. It may take away more than that.
#[derive(Debug)]
pub struct Scrubber<'a> {
    redactor: &'a Redactor,
    spread: Vec<Regex>,
    pieces: HashSet<String>,
}

impl Scrubber<'_> {
    /// A text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let text = self.redactor.apply(text);
        let text = self.spread.iter().fold(text, |text, spread| spread.replace_all(&text, MASK).into_owned());
        without(&text, &self.pieces)
    }

    /// A JSON value without secrets; it keeps its form.
    #[must_use]
    pub fn json(&self, value: &Value) -> Value {
        each_text(value.clone(), &|text| self.text(text))
    }
}

/// A JSON value with its texts and names made clean; it keeps its form.
fn each_text(value: Value, clean: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(items) => items.into_iter().map(|item| each_text(item, clean)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (clean(&name), each_text(value, clean))).collect()
        }
        other => other,
    }
}

/// The forms that tools usually give a secret.
fn forms(secret: &str) -> Vec<String> {
    let quoted = serde_json::to_string(secret).unwrap_or_default();
    let mut forms =
        vec![secret.to_owned(), STANDARD.encode(secret), quoted.trim_matches('"').to_owned(), in_url(secret)];
    if secret.len() >= TELLING {
        forms.extend(within_base64(secret));
    }
    // The longest form first, so that a form within another can't leave a tail behind.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

/// A text in which each of these spans, in order, is masked.
fn without_spans(text: &str, spans: impl IntoIterator<Item = Range<usize>>) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for masked in spans {
        // What overlaps is one, and a mask that was there stays whole.
        let Some(before) = text.get(end..masked.start) else { continue };
        clean.push_str(before);
        clean.push_str(MASK);
        end = masked.end;
    }
    clean + text.get(end..).unwrap_or_default()
}

/// A text as it stands in a URL.
fn in_url(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// What the base64 of any text has that has this text in it: three, by where it begins.
fn within_base64(text: &str) -> impl Iterator<Item = String> {
    (0..3).map(|before| {
        let encoded = STANDARD.encode([&vec![0; before], text.as_bytes()].concat());
        // The letters at both ends are made of other bytes, too.
        let whole = (before + text.len()) * 8 / 6;
        encoded[(before * 8).div_ceil(6)..whole].to_owned()
    })
}

/// What a secret is made of: the texts of JSON, the lines of a key, or all of it.
fn parts(secret: &str) -> Vec<String> {
    fn leaves(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
            Value::Object(fields) => fields.values().for_each(|item| leaves(item, into)),
            _ => {}
        }
    }
    let mut parts = Vec::new();
    match serde_json::from_str::<Value>(secret) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => leaves(&value, &mut parts),
        _ => parts.extend(secret.lines().filter(|line| !line.starts_with("-----")).map(|line| line.trim().to_owned())),
    }
    parts
}

/// Every piece of a secret that is long enough to be one.
fn pieces(part: &str) -> Vec<String> {
    let letters: Vec<char> = part.chars().collect();
    let telling = |piece: &&[char]| {
        let plain = piece.iter().filter(|letter| letter.is_alphanumeric()).count();
        plain + 1 >= PIECE && piece.iter().all(|letter| is_of_a_token(*letter))
    };
    letters.windows(PIECE).filter(telling).map(|piece| piece.iter().collect()).collect()
}

fn is_of_a_token(letter: char) -> bool {
    letter.is_alphanumeric() || "_-+/=%".contains(letter)
}

/// A text without these pieces; what follows one another is one.
fn without(text: &str, pieces: &HashSet<String>) -> String {
    if pieces.is_empty() {
        return text.to_owned();
    }
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let end_of = |index: usize| letters.get(index).map_or(text.len(), |(start, _)| *start);
    let mut masked = vec![false; letters.len()];
    for index in 0..(letters.len() + 1).saturating_sub(PIECE) {
        if pieces.contains(&text[letters[index].0..end_of(index + PIECE)]) {
            masked[index..index + PIECE].fill(true);
        }
    }
    let mut clean = String::with_capacity(text.len());
    for (index, (_, letter)) in letters.iter().enumerate() {
        if !masked[index] {
            clean.push(*letter);
        } else if index == 0 || !masked[index - 1] {
            clean.push_str(MASK);
        }
    }
    clean
}

/// Finds a secret with up to three other characters after each of its own; none for one that is short or very long.
fn spread(part: &str) -> Option<Regex> {
    if !(TELLING..=1024).contains(&part.len()) {
        return None;
    }
    let letters: Vec<_> = part.chars().map(|letter| regex::escape(&letter.to_string())).collect();
    Regex::new(&letters.join(r#"[\n\r\t ,.;:'"|\\-]{0,3}"#)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ456789";

    fn names(redactor: &Redactor, text: &str) -> Vec<String> {
        redactor.leaks(text).into_iter().map(|sighting| sighting.secret).collect()
    }

    /// What a component's log has of what a script prints.
    fn logged(printed: &str) -> String {
        let frame = |line: &str| {
            format!(
                "2026-01-01T00:00:00.000Z [INFO] (Copier) com.example.A: stdout. {line}. \
                 {{scriptName=services.com.example.A.lifecycle.Run, serviceName=com.example.A, currentState=RUNNING}}\n"
            )
        };
        printed.lines().map(frame).collect()
    }

    #[test]
    fn masks_rare_forms_and_what_a_log_has_in_pieces() {
        fidelity::fidelity!("verdict-3");
        let session = format!("ghs_12345_{}", "0aB1cD2eF3gH4iJ5".repeat(30));
        let key = "wJalr/XUtnFEMI+K7MDENG/bPxRfiCYzEXAMPLEQ";
        let redactor = Redactor::default().with("token", TOKEN).with_whole("session", &session).with("key", key);
        let header = STANDARD.encode(format!("x-access-token:{session}"));
        let wrapped: Vec<_> = header.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect();
        for (name, text) in [
            ("token", hex::encode(TOKEN)),
            ("token", TOKEN.chars().rev().collect()),
            ("key", in_url(key).replace("%2F", "/")),
            ("key", in_url(key).replace("%2B", "%2b").replace("%2F", "%2f")),
            ("session", wrapped.join("\n")),
        ] {
            let log = logged(&text);
            assert_eq!(names(&redactor, &log), [name], "{log}");
            let clean = redactor.apply(&log);
            assert!(clean.contains(MASK) && names(&redactor, &clean).is_empty(), "{clean}");
            assert!(clean.lines().all(|line| line.ends_with("currentState=RUNNING}")), "{clean}");
        }
    }

    #[test]
    fn a_short_secret_masks_no_times_and_is_no_leak() {
        fidelity::fidelity!("verdict-3");
        let redactor = ["443", "true", "hunter7"].iter().fold(Redactor::default(), |all, it| all.with(*it, it));
        let text = "2026-01-01T00:00:00.443Z executor-terminated=true hunter7";
        assert_eq!(redactor.apply(text), text.replace("hunter7", MASK));
        assert!(redactor.leaks(text).is_empty());
        let event = serde_json::json!({ "letThrough": true, "status": 443, "text": ["hunter7"] });
        let clean = serde_json::json!({ "letThrough": true, "status": 443, "text": ["***"] });
        assert_eq!(redactor.json(event), clean);
    }

    #[test]
    fn masks_every_form_and_names_the_secret() {
        let redactor = Redactor::default().with("token `mypat`", "ghp_abc\"1");
        let text = "raw ghp_abc\"1, json ghp_abc\\\"1, base64 Z2hwX2FiYyIx, url ghp_abc%221";
        assert_eq!(redactor.apply(text), "raw ***, json ***, base64 ***, url ***");
        assert_eq!(names(&redactor, "x ghp_abc\"1 y"), ["token `mypat`"]);
        assert!(redactor.leaks("ghp_abc").is_empty());
    }

    #[test]
    fn base64_of_more_than_the_secret_is_a_leak() {
        let redactor = Redactor::default().with("token", TOKEN);
        for user in ["", "x", "ab", "x-access-token"] {
            let header = STANDARD.encode(format!("{user}:{TOKEN}\n"));
            assert_eq!(names(&redactor, &header), ["token"], "{user}");
            let rest = redactor.apply(&header);
            assert!(rest.contains(MASK) && rest.len() < MASK.len() + STANDARD.encode(user).len() + 8, "{rest}");
        }
    }

    #[test]
    fn an_empty_secret_masks_nothing() {
        assert_eq!(Redactor::default().with("nothing", "").apply("text"), "text");
    }

    #[test]
    fn no_piece_of_a_secret_is_left() {
        let json = format!("{{\"mypat\": \"{TOKEN}\", \"other\": \"Pa%ss-word 77\"}}");
        let redactor = Redactor::default().with("secret", &json);
        let (half, other) = TOKEN.split_at(20);
        let spaced: String = TOKEN.chars().flat_map(|letter| [letter, ' ']).collect();
        let text =
            format!("first {half} line\nsecond {other} line\n{spaced}\n{}\nPa%ss-\nPa%25ss-", STANDARD.encode(half));
        let scrubbed = redactor.scrubber().text(&text);
        assert_eq!(scrubbed.lines().take(3).collect::<Vec<_>>(), ["first *** line", "second *** line", "*** "]);
        for length in 6..TOKEN.len() {
            let found = (0..TOKEN.len() - length).find(|start| scrubbed.contains(&TOKEN[*start..start + length]));
            assert_eq!(found, None, "{scrubbed}");
        }
        assert!(!scrubbed.contains(&STANDARD.encode(half)[4..12]) && !scrubbed.contains("Pa%"), "{scrubbed}");
        assert_eq!(redactor.scrubber().text("mypat and other words stay"), "mypat and other words stay");
    }

    #[test]
    fn json_stays_json() {
        let redactor = Redactor::default().with("number", "1234567890");
        let value = serde_json::json!({"text": "is 1234567890", "n": [1, {"x": "12345"}]});
        let expected = serde_json::json!({"text": "is ***", "n": [1, {"x": "***"}]});
        assert_eq!(redactor.scrubber().json(&value), expected);
    }
}
