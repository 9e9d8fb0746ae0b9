//! Version requirements in npm's grammar, with the canonical spelling that the nucleus sends and prints.

use semver::{Prerelease, Version};
use std::fmt;

/// A parsed requirement: any of the alternatives, all comparators of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    alternatives: Vec<Vec<Comparator>>,
}

/// A requirement that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("version requirement `{0}` can't be read")]
pub(crate) struct Unreadable(String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparator {
    operator: Operator,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A version of which trailing parts may be missing or `x`.
struct Partial {
    numbers: Vec<u64>,
    pre: Prerelease,
}

impl Requirement {
    /// Reads a requirement.
    ///
    /// # Errors
    /// If a part of it is no version.
    pub(crate) fn parse(text: &str) -> Result<Self, Unreadable> {
        let alternatives = text.split("||").map(alternative).collect::<Option<_>>();
        alternatives.map(|alternatives| Self { alternatives }).ok_or_else(|| Unreadable(text.into()))
    }

    /// The requirement that only `version` fulfils.
    pub(crate) fn exactly(version: &Version) -> Self {
        Self { alternatives: vec![vec![Comparator { operator: Operator::Equal, version: version.clone() }]] }
    }

    /// Whether `version` fulfils it.
    pub(crate) fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|comparators| {
            comparators.iter().all(|comparator| comparator.matches(version))
                && (version.pre.is_empty() || comparators.iter().any(|comparator| comparator.admits_pre(version)))
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
    fn matches(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        }
    }

    fn admits_pre(&self, version: &Version) -> bool {
        let triple = |version: &Version| (version.major, version.minor, version.patch);
        !self.version.pre.is_empty() && triple(&self.version) == triple(version)
    }
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::Equal => "=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
        };
        write!(f, "{operator}{}", self.version)
    }
}

fn alternative(text: &str) -> Option<Vec<Comparator>> {
    let text = text.trim();
    if matches!(text, "" | "*" | "x" | "X" | "latest") {
        return Some(vec![at_least(Version::new(0, 0, 0))]);
    }
    if let Some((low, high)) = text.split_once(" - ") {
        let mut comparators = vec![at_least(partial(low.trim())?.floor())];
        comparators.extend(comparator("<=", &partial(high.trim())?)?);
        return Some(comparators);
    }
    let mut comparators = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let length = word.find(|c: char| !"<>=~^".contains(c)).unwrap_or(word.len());
        let (operator, mut version) = word.split_at(length);
        if version.is_empty() {
            version = words.next()?;
        }
        comparators.extend(comparator(operator, &partial(version)?)?);
    }
    Some(comparators)
}

fn comparator(operator: &str, version: &Partial) -> Option<Vec<Comparator>> {
    let floor = version.floor();
    let next = version.next();
    let whole = version.numbers.len() == 3;
    let with = |operator, version| Comparator { operator, version };
    let range = |end: Option<Version>| {
        std::iter::once(at_least(floor.clone())).chain(end.map(|end| with(Operator::Less, end))).collect()
    };
    Some(match operator {
        "" | "=" if whole => vec![with(Operator::Equal, floor)],
        "" | "=" => range(next),
        "~" | "~>" => range(if whole { Some(Version::new(floor.major, floor.minor + 1, 0)) } else { next }),
        "^" => range(version.caret_end()),
        ">=" => vec![at_least(floor)],
        "<" => vec![with(Operator::Less, floor)],
        ">" if whole => vec![with(Operator::Greater, floor)],
        ">" => vec![at_least(next?)],
        "<=" if whole => vec![with(Operator::LessOrEqual, floor)],
        "<=" => vec![with(Operator::Less, next?)],
        _ => return None,
    })
}

fn at_least(version: Version) -> Comparator {
    Comparator { operator: Operator::GreaterOrEqual, version }
}

fn partial(text: &str) -> Option<Partial> {
    let text = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = Version::parse(text) {
        return Some(Partial { numbers: vec![version.major, version.minor, version.patch], pre: version.pre });
    }
    let mut numbers = Vec::new();
    for part in text.split('.') {
        if matches!(part, "x" | "X" | "*") {
            break;
        }
        numbers.push(part.parse().ok()?);
    }
    (numbers.len() < 3).then_some(Partial { numbers, pre: Prerelease::EMPTY })
}

impl Partial {
    fn number(&self, index: usize) -> u64 {
        self.numbers.get(index).copied().unwrap_or(0)
    }

    fn floor(&self) -> Version {
        let mut version = Version::new(self.number(0), self.number(1), self.number(2));
        version.pre = self.pre.clone();
        version
    }

    /// The first version after everything that the partial version stands for.
    fn next(&self) -> Option<Version> {
        match self.numbers.len() {
            0 => None,
            1 => Some(Version::new(self.number(0) + 1, 0, 0)),
            2 => Some(Version::new(self.number(0), self.number(1) + 1, 0)),
            _ => Some(Version::new(self.number(0), self.number(1), self.number(2) + 1)),
        }
    }

    fn caret_end(&self) -> Option<Version> {
        match self.numbers.as_slice() {
            [0, 0, _] | [0, 0] | [0] => self.next(),
            [0, minor, ..] => Some(Version::new(0, minor + 1, 0)),
            [major, ..] => Some(Version::new(major + 1, 0, 0)),
            [] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [core-recipe-2]
    #[test]
    fn canonical_spelling() {
        for (written, rendered) in [
            ("1.0.0", "=1.0.0"),
            ("^1.0.0", ">=1.0.0 <2.0.0"),
            ("^0.2.3", ">=0.2.3 <0.3.0"),
            ("1.0", ">=1.0.0 <1.1.0"),
            ("~1.2.3", ">=1.2.3 <1.3.0"),
            ("*", ">=0.0.0"),
            (">=2.0.0 <3.0.0", ">=2.0.0 <3.0.0"),
            (">= 1.0.0 < 2", ">=1.0.0 <2.0.0"),
            ("1.0.0 - 2.0.0", ">=1.0.0 <=2.0.0"),
            ("1.x || 3.0.0", ">=1.0.0 <2.0.0 || =3.0.0"),
        ] {
            assert_eq!(Requirement::parse(written).unwrap().to_string(), rendered, "{written}");
        }
        assert!(Requirement::parse("one").is_err());
    }

    // [core-recipe-2]
    #[test]
    fn prereleases_need_their_own_comparator() {
        let version = Version::parse("1.1.0-beta").unwrap();
        assert!(!Requirement::parse("^1.0.0").unwrap().matches(&version));
        assert!(Requirement::parse(">=1.1.0-alpha").unwrap().matches(&version));
        assert!(Requirement::parse("^1.0.0").unwrap().matches(&Version::new(1, 9, 0)));
        assert!(!Requirement::parse("^1.0.0").unwrap().matches(&Version::new(2, 0, 0)));
    }
}
