//! Version requirements in npm's grammar as the nucleus's library reads them, with the spelling that it sends and prints.
//!
//! The library is laxer than npm in places, which is kept: blanks don't matter, `>=1.0` stays as it is and compares the
//! numbers that it has, and only several comparators together keep pre-releases out.

use semver::Version;
use std::{cmp::Ordering, fmt};

/// A parsed requirement: any of the alternatives, all comparators of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    alternatives: Vec<Vec<Comparator>>,
}

/// A requirement that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("Invalid requirement: {0}")]
pub(crate) struct Unreadable(String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparator {
    operator: &'static str,
    version: Partial,
}

/// A version of which trailing parts may be missing or `x`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Partial {
    /// As written, without `v`.
    text: String,
    major: u32,
    minor: Option<u32>,
    patch: Option<u32>,
    /// The pre-release and build tags with their signs.
    tags: String,
}

/// A piece of a requirement.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Operator(&'static str),
    Hyphen,
    Version(String),
}

impl Requirement {
    /// Reads a requirement.
    ///
    /// # Errors
    /// If a part of it is no version.
    pub(crate) fn parse(text: &str) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable(text.into());
        if text.is_empty() {
            return Ok(Self { alternatives: vec![vec![Comparator::new(">=", Partial::of(0, 0, 0))]] });
        }
        let written = text.replace(' ', "").replace("||", "|");
        let alternatives = written.split('|').map(alternative).collect::<Option<Vec<_>>>();
        alternatives.map(|alternatives| Self { alternatives }).ok_or_else(unreadable)
    }

    /// The requirement that only `version` fulfils, as a deployment has it for its components.
    ///
    /// # Errors
    /// If the version's pre-release begins with a number, which can't be told from a range of versions.
    pub(crate) fn exactly(version: &Version) -> Result<Self, Unreadable> {
        if version.pre.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(Unreadable(version.to_string()));
        }
        Self::parse(&version.to_string())
    }

    /// Whether `version` fulfils it.
    pub(crate) fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|comparators| {
            let pre = comparators.len() > 1 && !version.pre.is_empty();
            comparators.iter().all(|comparator| comparator.matches(version))
                && (!pre || comparators.iter().any(|comparator| comparator.admits_pre(version)))
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alternatives: Vec<String> = self
            .alternatives
            .iter()
            .map(|comparators| comparators.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .collect();
        f.write_str(&alternatives.join(" || "))
    }
}

impl Comparator {
    fn new(operator: &'static str, version: Partial) -> Self {
        Self { operator, version }
    }

    fn matches(&self, version: &Version) -> bool {
        let greater = self.version.order(version).is_lt();
        let equal = self.version.is(version);
        match self.operator {
            "=" => equal,
            "<" => !greater && !equal,
            "<=" => !greater,
            ">" => greater,
            _ => greater || equal,
        }
    }

    fn admits_pre(&self, version: &Version) -> bool {
        let own = (u64::from(self.version.major), self.version.minor.map(u64::from), self.version.patch.map(u64::from));
        !self.version.pre().is_empty() && own == (version.major, Some(version.minor), Some(version.patch))
    }
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.operator, self.version.text)
    }
}

/// The comparators of one alternative.
fn alternative(text: &str) -> Option<Vec<Comparator>> {
    let mut comparators = Vec::new();
    let tokens = versions(&tokens(text));
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        rest = match rest {
            [Token::Version(low), Token::Hyphen, Token::Version(high), rest @ ..] => {
                comparators.extend(between(&Partial::parse(low)?, &Partial::parse(high)?)?);
                rest
            }
            // A version without an operator stands alone or first.
            [Token::Version(version), rest @ ..] if comparators.is_empty() => {
                comparators.extend(bare(version)?);
                rest
            }
            [Token::Operator(operator), Token::Version(version), rest @ ..] => {
                let version = Partial::parse(version)?;
                comparators.extend(match *operator {
                    "~" => tilde(&version)?,
                    "^" => caret(&version)?,
                    operator => vec![Comparator::new(operator, version)],
                });
                rest
            }
            _ => return None,
        };
    }
    (!comparators.is_empty()).then_some(comparators)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    'next: while let Some(first) = rest.chars().next() {
        for operator in ["<=", ">=", "<", ">", "=", "~", "^"] {
            if let Some(after) = rest.strip_prefix(operator) {
                tokens.push(Token::Operator(operator));
                rest = after;
                continue 'next;
            }
        }
        let length = if first == '-' { 1 } else { rest.find(|c| "<>=~^-".contains(c)).unwrap_or(rest.len()) };
        let (word, after) = rest.split_at(length);
        tokens.push(if first == '-' { Token::Hyphen } else { Token::Version(word.into()) });
        rest = after;
    }
    tokens
}

/// Joins what a hyphen parts without being a range: a version and its pre-release.
fn versions(tokens: &[Token]) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::new();
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        if let [Token::Version(core), Token::Hyphen, Token::Version(tag), after @ ..] = rest
            && Partial::parse(tag).is_none()
        {
            joined.push(Token::Version(format!("{core}-{tag}")));
            rest = after;
        } else {
            joined.push(token.clone());
            rest = &rest[1..];
        }
    }
    joined
}

/// A version without an operator.
fn bare(text: &str) -> Option<Vec<Comparator>> {
    if matches!(text, "*" | "latest") {
        return Some(vec![Comparator::new(">=", Partial::of(0, 0, 0))]);
    }
    let version = Partial::parse(text)?;
    if version.minor.is_some() && version.patch.is_some() {
        return Some(vec![Comparator::new("=", version)]);
    }
    tilde(&version)
}

fn tilde(version: &Partial) -> Option<Vec<Comparator>> {
    let end = match version.minor {
        Some(minor) => Partial::of(version.major, minor.checked_add(1)?, 0),
        None => Partial::of(version.major.checked_add(1)?, 0, 0),
    };
    Some(range(version, "<", end))
}

fn caret(version: &Partial) -> Option<Vec<Comparator>> {
    let end = match (version.major, version.minor, version.patch) {
        (0, None, _) => Partial::of(1, 0, 0),
        (0, Some(0), None) => Partial::of(0, 1, 0),
        (0, Some(0), Some(patch)) => Partial::of(0, 0, patch.checked_add(1)?),
        (0, Some(minor), _) => Partial::of(0, minor.checked_add(1)?, 0),
        (major, ..) => Partial::of(major.checked_add(1)?, 0, 0),
    };
    Some(range(version, "<", end))
}

fn between(low: &Partial, high: &Partial) -> Option<Vec<Comparator>> {
    let (operator, end) = match (high.minor, high.patch) {
        (Some(_), Some(_)) => ("<=", high.clone()),
        (Some(minor), None) => ("<", Partial::of(high.major, minor.checked_add(1)?, 0)),
        _ => ("<", Partial::of(high.major.checked_add(1)?, 0, 0)),
    };
    Some(range(low, operator, end))
}

fn range(low: &Partial, operator: &'static str, high: Partial) -> Vec<Comparator> {
    vec![Comparator::new(">=", low.filled()), Comparator::new(operator, high)]
}

impl Partial {
    fn of(major: u32, minor: u32, patch: u32) -> Self {
        let text = format!("{major}.{minor}.{patch}");
        Self { text, major, minor: Some(minor), patch: Some(patch), tags: String::new() }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (core, tags) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
        let number = |part: &str| part.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
        let mut parts = core.split('.');
        let major = number(parts.next()?)?;
        let mut optional = || match parts.next() {
            None | Some("x" | "X" | "*") => Some(None),
            Some(part) => number(part).map(Some),
        };
        let (minor, patch) = (optional()?, optional()?);
        let tagged = !matches!(tags, "+" | "-") && !tags.ends_with('+');
        tagged.then(|| Self { text: text.into(), major, minor, patch, tags: tags.into() })
    }

    /// With zeros for what is missing.
    fn filled(&self) -> Self {
        let filled = Self::of(self.major, self.minor.unwrap_or(0), self.patch.unwrap_or(0));
        Self { text: format!("{}{}", filled.text, self.tags), tags: self.tags.clone(), ..filled }
    }

    fn pre(&self) -> &str {
        let pre = self.tags.split('+').next().unwrap_or_default();
        pre.strip_prefix('-').unwrap_or(pre)
    }

    /// How it compares with a whole version.
    fn order(&self, version: &Version) -> Ordering {
        let own = [self.major, self.minor.unwrap_or(0), self.patch.unwrap_or(0)].map(u64::from);
        let numbers = own.cmp(&[version.major, version.minor, version.patch]);
        numbers.then_with(|| match (self.pre().is_empty(), version.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => pre_order(self.pre(), &version.pre),
        })
    }

    /// Whether it is written like a version, build tags aside.
    fn is(&self, version: &Version) -> bool {
        let own = self.text.split('+').next().unwrap_or_default();
        version.to_string().split('+').next() == Some(own)
    }
}

/// How pre-releases compare: by number where both have one, else as text without regard to case.
fn pre_order(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<i32>(), b.parse::<i32>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.to_lowercase().cmp(&b.to_lowercase()),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_spelling() {
        fidelity::fidelity!("core-recipe-2");
        for (written, rendered) in [
            ("1.0.0", "=1.0.0"),
            ("v1.0.0", "=1.0.0"),
            ("=1.0.0", "=1.0.0"),
            ("^1.0.0", ">=1.0.0 <2.0.0"),
            ("^0.2.3", ">=0.2.3 <0.3.0"),
            ("^0.0.3", ">=0.0.3 <0.0.4"),
            ("^0.0", ">=0.0.0 <0.1.0"),
            ("^0", ">=0.0.0 <1.0.0"),
            ("^1.2.3-beta.1", ">=1.2.3-beta.1 <2.0.0"),
            ("1", ">=1.0.0 <2.0.0"),
            ("1.0", ">=1.0.0 <1.1.0"),
            ("1.x", ">=1.0.0 <2.0.0"),
            ("1.2.*", ">=1.2.0 <1.3.0"),
            ("~1.2.3", ">=1.2.3 <1.3.0"),
            ("~1.2", ">=1.2.0 <1.3.0"),
            ("~1", ">=1.0.0 <2.0.0"),
            ("*", ">=0.0.0"),
            ("", ">=0.0.0"),
            ("latest", ">=0.0.0"),
            (">=2.0.0 <3.0.0", ">=2.0.0 <3.0.0"),
            (">=2.0.0<3.0.0", ">=2.0.0 <3.0.0"),
            (">= 1.0.0 < 2", ">=1.0.0 <2"),
            (">1.0", ">1.0"),
            (">=1.0.0-rc.1", ">=1.0.0-rc.1"),
            ("1.0.0 - 2.0.0", ">=1.0.0 <=2.0.0"),
            ("1.0 - 2.1", ">=1.0.0 <2.2.0"),
            ("1.0.0 - 2", ">=1.0.0 <3.0.0"),
            ("1.x || 3.0.0", ">=1.0.0 <2.0.0 || =3.0.0"),
        ] {
            let requirement = Requirement::parse(written).unwrap();
            assert_eq!(requirement.to_string(), rendered, "{written}");
            assert_eq!(Requirement::parse(rendered).unwrap(), requirement, "{written}");
        }
        for wrong in
            ["one", " ", "x", ">=", "~>1.0", ">=*", "^", "1.0.0 ||", ">=1.0.0-1 <2.0.0", "1.a", "9999999999.0.0"]
        {
            assert!(Requirement::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn prereleases_need_a_comparator_of_their_own_version_where_there_are_several() {
        fidelity::fidelity!("core-recipe-2");
        for (requirement, version, matches) in [
            ("^1.0.0", "1.1.0-beta", false),
            ("^1.0.0", "1.9.0", true),
            ("^1.0.0", "2.0.0", false),
            ("^1.1.0-alpha", "1.1.0-beta", true),
            ("^1.1.0-alpha", "1.2.0-beta", false),
            (">=1.0.0 <2.0.0", "2.0.0-beta", false),
            (">=1.1.0-alpha", "1.1.0-beta", true),
            (">=1.0.0", "1.1.0-beta", true),
            ("*", "0.1.0-beta", true),
            ("=1.0.0-beta", "1.0.0-beta", true),
            ("=1.0.0", "1.0.0-beta", false),
            (">=1.0.0-rc.2", "1.0.0-rc.10", true),
            (">=1.0.0-rc.2", "1.0.0-rc.1", false),
            (">=1.0.0-rc", "1.0.0-RC", false),
            (">1.0", "1.0.5", true),
            ("<=1.0", "1.0.0", true),
            ("=1.0", "1.0.0", false),
            ("1.x || 3.0.0", "3.0.0", true),
            ("1.x || 3.0.0", "2.0.0", false),
        ] {
            let version = Version::parse(version).unwrap();
            assert_eq!(Requirement::parse(requirement).unwrap().matches(&version), matches, "{requirement} {version}");
        }
    }

    #[test]
    fn a_pre_release_that_begins_with_a_number_has_no_exact_requirement() {
        fidelity::fidelity!("core-recipe-2");
        let exactly = |version| Requirement::exactly(&Version::parse(version).unwrap());
        assert_eq!(exactly("1.0.0-rc.1").unwrap().to_string(), "=1.0.0-rc.1");
        assert!(exactly("1.0.0-1").is_err());
    }
}
