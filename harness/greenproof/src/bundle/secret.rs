//! The values of a scenario's secrets, which a bundle must not hold.
//!
//! In place of each stands its shape, `{minted:SHAPE}`: `A` for an upper-case letter, `a` for a lower-case one, `0` for a
//! digit. A run mints letters and digits for it, so what depends on a secret's form, such as JSON that is used whole or
//! a newline at the end, fails again. `{token:NAME}` stays, and a shape that is stated itself; so do the keys of JSON, its words and
//! its escapes of what is no letter or digit, and what stands before a token's first underscore. Each number of JSON becomes 1.

use super::pack::quoted;
use crate::{mint, placeholder};
use serde_json::Value;
use std::{collections::BTreeMap, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The beginnings of GitHub's tokens, which say what kind each is.
const KINDS: [&str; 6] = ["ghp", "gho", "ghu", "ghs", "ghr", "github_pat"];

/// In place of each number of JSON, which stays JSON by it.
const ONE: &str = "1";

/// What JSON has besides texts and numbers.
const WORDS: [&str; 3] = ["true", "false", "null"];

/// Where the text of a scenario states the value of a secret, and the value.
fn values(text: &str) -> Vec<(Range<usize>, String)> {
    // What can't be read was refused when the scenario was loaded.
    let file = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
    let secrets = file.get("aws").and_then(|aws| aws.get_ref().get("secrets")).and_then(|it| it.get_ref().as_table());
    // A secret is its value alone, or a table that has it.
    let value = |secret: &Spanned<DeValue<'_>>| {
        let value = if secret.get_ref().is_table() { secret.get_ref().get("value")? } else { secret };
        Some((value.span(), value.get_ref().as_str()?.to_owned()))
    };
    secrets.into_iter().flat_map(DeTable::values).filter_map(value).collect()
}

/// What is secret of the values that a text states and telling enough to be searched for in other places: each whole
/// value, and each text of one that is JSON.
pub(super) fn stated(text: &str) -> Vec<String> {
    fn texts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
            Value::Object(fields) => fields.values().for_each(|item| texts(item, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for (_, value) in values(text) {
        if let Ok(value) = serde_json::from_str(&value) {
            texts(&value, &mut all);
        }
        all.push(value);
    }
    all.retain(|value| is_telling(value) && pieces(value).iter().any(Piece::is_secret));
    all
}

/// Whether a value is no word that may stand elsewhere for another reason.
fn is_telling(value: &str) -> bool {
    value.len() >= 16 || (value.len() >= 8 && !value.chars().all(char::is_alphabetic))
}

/// What stands in place of each value, by where it begins.
pub(super) fn placeholders(text: &str) -> BTreeMap<usize, (Range<usize>, String)> {
    let placeholder = |(range, value): (Range<usize>, String)| (range.start, (range, quoted(&shape(&value))));
    values(text).into_iter().map(placeholder).collect()
}

/// The shape of a value.
fn shape(value: &str) -> String {
    let shaped = pieces(value).into_iter().map(|piece| match piece {
        Piece::Plain(text) => text.to_owned(),
        Piece::Number(_) => ONE.to_owned(),
        Piece::Secret(text) => {
            let letter = |letter: char| match letter {
                'A'..='Z' => 'A',
                'a'..='z' => 'a',
                _ => '0',
            };
            format!("{{minted:{}}}", text.chars().map(letter).collect::<String>())
        }
    });
    shaped.collect()
}

#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Plain(&'a str),
    /// A number of JSON.
    Number(&'a str),
    Secret(&'a str),
}

impl Piece<'_> {
    /// Whether it is something else than its shape.
    fn is_secret(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Number(text) => *text != ONE,
            Self::Secret(_) => true,
        }
    }
}

/// A value taken apart into what may be told and what may not: runs of letters and digits. A URL's host may be told.
fn pieces(value: &str) -> Vec<Piece<'_>> {
    let json = serde_json::from_str::<Value>(value).is_ok_and(|value| value.is_object() || value.is_array());
    let mut texts = if json { texts_of(value) } else { Vec::new() }.into_iter().peekable();
    let mut pieces = Vec::new();
    // From where to where the last URL's host stands, and where its authority ends.
    let (mut rest, mut host, mut authority) = (value, None, 0);
    while let Some(first) = rest.chars().next() {
        let at = value.len() - rest.len();
        while texts.next_if(|text| text.end <= at).is_some() {}
        let text = texts.peek().filter(|text| text.contains(&at));
        let run = rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len());
        let (length, piece) = if let Some(placeholder) = placeholder::first(rest) {
            (placeholder.length, Piece::Plain as fn(_) -> _)
        } else if let Some(minted) = mint::first(rest) {
            (minted, Piece::Plain as _)
        } else if text.is_some() && first == '\\' {
            let length = if rest[1..].starts_with('u') { 6 } else { 2 };
            if length == 6 && is_of_a_letter(&rest[2..6]) {
                pieces.push(Piece::Secret("0"));
                rest = &rest[length..];
                continue;
            }
            (length, Piece::Plain as _)
        } else if let Some((_, end)) = host.take_if(|(start, end)| *start == at && start < end) {
            (end - at, Piece::Plain as _)
        } else if rest[run..].starts_with("://") && at >= authority {
            let end = text.map_or(value.len(), |text| text.end);
            let (found, length) = host_of(&value[..end], at + run + 3);
            (host, authority) = (Some(found), at + run + 3 + length);
            (run + 3, Piece::Plain as _)
        } else if let Some(key) = key(rest).filter(|_| json && text.is_none()) {
            (key, Piece::Plain as _)
        } else if json && text.is_none() && WORDS.contains(&&rest[..run]) {
            (run, Piece::Plain as _)
        } else if json && text.is_none() && (first == '-' || run > 0) {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && !"+-.".contains(letter));
            (end.unwrap_or(rest.len()), Piece::Number as _)
        } else if let Some(kind) =
            KINDS.iter().find(|kind| rest.strip_prefix(**kind).is_some_and(|rest| rest.starts_with('_')))
        {
            (kind.len() + 1, Piece::Plain as _)
        } else if run > 0 {
            (run, Piece::Secret as _)
        } else {
            (first.len_utf8(), Piece::Plain as _)
        };
        pieces.push(piece(&rest[..length]));
        rest = &rest[length..];
    }
    pieces
}

/// Where the texts of JSON are, without their quotes.
fn texts_of(json: &str) -> Vec<Range<usize>> {
    let (mut texts, mut begun, mut escaped) = (Vec::new(), None, false);
    for (at, letter) in json.char_indices() {
        match begun {
            None if letter == '"' => begun = Some(at + 1),
            Some(start) if letter == '"' && !escaped => {
                texts.push(start..at);
                begun = None;
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    texts
}

/// Whether what JSON writes by these four hex digits is a letter, a digit, or half of something that may be one.
fn is_of_a_letter(hex: &str) -> bool {
    let code = u32::from_str_radix(hex, 16).ok();
    code.and_then(char::from_u32).is_none_or(char::is_alphanumeric)
}

/// From where to where a URL's host stands, with its port, whose authority begins at a place of a text; and how long the
/// authority is. What could be anything else, such as a part of a password, is no host.
fn host_of(text: &str, start: usize) -> ((usize, usize), usize) {
    let url = &text[start..];
    let ends = |letter: char| "/?#\"\\".contains(letter) || letter.is_whitespace();
    let authority = &url[..url.find(ends).unwrap_or(url.len())];
    let (user, sure) = match authority.rfind('@') {
        // A placeholder is a whole password.
        Some(at) => (at + 1, authority[..at].ends_with('}')),
        None => (0, false),
    };
    if !sure && url[authority.len()..].contains('@') {
        return ((start, start), authority.len());
    }
    let host = &authority[user..];
    let name = host.find(|letter: char| !letter.is_alphanumeric() && !"-_.".contains(letter)).unwrap_or(host.len());
    let port = host[name..].strip_prefix(':').map_or(0, |port| {
        let digits = port.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(port.len());
        let more = port[digits..].starts_with(char::is_alphanumeric);
        if digits > 0 && !more { digits + 1 } else { 0 }
    });
    ((start + user, start + user + name + port), authority.len())
}

/// The length of a JSON key that a text begins with.
fn key(text: &str) -> Option<usize> {
    let mut escaped = false;
    let inner = text.strip_prefix('"')?;
    let end = inner.find(|letter| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    })?;
    let length = end + 2;
    text[length..].trim_start().starts_with(':').then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_keeps_what_a_failure_may_depend_on() {
        let cases = [
            ("{token:mypat}", "{token:mypat}"),
            ("{token:mypat}\n", "{token:mypat}\n"),
            ("{\"mypat\":\"{token:mypat}\"}", "{\"mypat\":\"{token:mypat}\"}"),
            ("{\"user\": \"Bob-7\", \"pin\": 42}", "{\"user\": \"{minted:Aaa}-{minted:0}\", \"pin\": 1}"),
            (
                r#"[true, -4.02e5, "a\nB\u00e9\"c: 1"]"#,
                r#"[true, 1, "{minted:a}\n{minted:A}{minted:0}\"{minted:a}: {minted:0}"]"#,
            ),
            ("ghp_Ab1", "ghp_{minted:Aa0}"),
            ("user:{token:a}@host", "{minted:aaaa}:{token:a}@{minted:aaaa}"),
            ("https://bob:{token:a}@github.com/o/r", "https://{minted:aaa}:{token:a}@github.com/{minted:a}/{minted:a}"),
            ("http://host:80", "http://host:80"),
            ("", ""),
        ];
        for (value, expected) in cases {
            assert_eq!(shape(value), expected);
            assert_eq!(shape(expected), expected, "a shape is its own");
            let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
            assert_eq!(is_json(&mint::filled(expected)), is_json(value), "{expected}");
        }
    }

    #[test]
    fn a_value_is_found_wherever_it_is_stated() {
        let text = "[aws.secrets]\na = 'One2'\nb = { value = \"Three\", suffix = \"AbCdEf\" }\n[aws.secrets.c]\nvalue = '''Four'''\n";
        let found: Vec<_> = placeholders(text).into_values().map(|(range, new)| (&text[range], new)).collect();
        let new = |shape: &str| format!("\"{{minted:{shape}}}\"");
        assert_eq!(found, [("'One2'", new("Aaa0")), ("\"Three\"", new("Aaaaa")), ("'''Four'''", new("Aaaa"))]);
        assert!(stated(text).is_empty(), "what is short may stand elsewhere for another reason");
        let text =
            "[aws.secrets]\na = '{\"user\": \"service\", \"pat\": \"abcdefg8\"}'\nb = '{token:x}'\nc = 'onlyletters'\n";
        assert_eq!(stated(text), ["abcdefg8", "{\"user\": \"service\", \"pat\": \"abcdefg8\"}"]);
        assert_eq!(stated("[aws.secrets]\na = '[48213377, 99120043]'"), ["[48213377, 99120043]"]);
        assert!(stated("[aws.secrets]\na = '[1, 1, 1, 1, 1, 1]'").is_empty(), "it is a shape");
    }
}
