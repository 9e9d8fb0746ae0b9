//! Version requirements in npm's grammar, as recipes have them and as a nucleus renders them into a resolve request.

use semver::{BuildMetadata, Prerelease, Version};

/// A requirement: alternatives, one of whose sets of bounds a version must keep.
#[derive(Debug)]
pub(super) struct Requirement(Vec<Vec<Bound>>);

/// One end of a range.
#[derive(Debug)]
struct Bound {
    operator: Operator,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
}

/// A version whose last parts may be missing or `x`.
#[derive(Clone, Debug)]
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
}

/// The signs that may stand before a version, each before those that it begins with.
const SIGNS: [&str; 7] = ["<=", ">=", "<", ">", "=", "~", "^"];

impl Requirement {
    /// Reads `=1.0.0`, `>=1.0.0 <2.0.0`, `^1.2`, `~1.2`, `1.x`, `1.0.0 - 2.0.0`, `*`, and alternatives with `||`.
    ///
    /// # Errors
    /// If it is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let alternatives: Option<Vec<_>> = text.split("||").map(|text| alternative(text.trim())).collect();
        alternatives.map(Self).ok_or_else(|| format!("`{text}` is no version requirement"))
    }

    /// Whether a version matches. A pre-release only matches next to a bound that is a pre-release of the same version.
    pub(super) fn matches(&self, version: &Version) -> bool {
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        self.0.iter().any(|bounds| {
            let named = |bound: &Bound| !bound.version.pre.is_empty() && numbers(&bound.version) == numbers(version);
            bounds.iter().all(|bound| bound.keeps(version)) && (version.pre.is_empty() || bounds.iter().any(named))
        })
    }
}

impl Bound {
    fn new(operator: Operator, version: Version) -> Self {
        Self { operator, version }
    }

    fn keeps(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Equal => order.is_eq(),
        }
    }
}

/// The bounds of one alternative.
fn alternative(text: &str) -> Option<Vec<Bound>> {
    if let Some((low, high)) = text.split_once(" - ") {
        let (low, high) = (Partial::parse(low.trim())?, Partial::parse(high.trim())?);
        return Some([at_least(&low), at_most(&high)].into_iter().flatten().collect());
    }
    let mut bounds = Vec::new();
    let mut sign = "";
    for word in text.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            if let Some(found) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                // `~>` is the one pair that there is.
                if !matches!((sign, found), ("", _) | ("~", ">")) {
                    return None;
                }
                sign = if sign.is_empty() { found } else { sign };
                rest = &rest[found.len()..];
            } else {
                let (version, after) = rest.split_at(rest.find(['<', '>', '=', '~', '^']).unwrap_or(rest.len()));
                bounds.extend(comparator(std::mem::take(&mut sign), &Partial::parse(version)?));
                rest = after;
            }
        }
    }
    sign.is_empty().then_some(bounds)
}

fn comparator(sign: &str, version: &Partial) -> Vec<Bound> {
    let whole = version.patch.is_some();
    match sign {
        "<" => vec![Bound::new(Operator::Less, version.low())],
        "<=" => at_most(version).into_iter().collect(),
        ">" if whole => vec![Bound::new(Operator::Greater, version.low())],
        ">" => version.next().map_or_else(nothing, |next| vec![Bound::new(Operator::AtLeast, next)]),
        ">=" => at_least(version).into_iter().collect(),
        "~" => {
            let end = Partial { patch: None, ..version.clone() }.next();
            range(version, end)
        }
        "^" => range(version, version.caret()),
        _ if whole => vec![Bound::new(Operator::Equal, version.low())],
        _ => range(version, version.next()),
    }
}

fn at_least(version: &Partial) -> Option<Bound> {
    version.major.map(|_| Bound::new(Operator::AtLeast, version.low()))
}

fn at_most(version: &Partial) -> Option<Bound> {
    if version.patch.is_some() {
        return Some(Bound::new(Operator::AtMost, version.low()));
    }
    version.next().map(|next| Bound::new(Operator::Less, next))
}

fn range(low: &Partial, end: Option<Version>) -> Vec<Bound> {
    let end = end.map(|end| Bound::new(Operator::Less, end));
    at_least(low).into_iter().chain(end).collect()
}

/// What no version keeps.
fn nothing() -> Vec<Bound> {
    vec![Bound::new(Operator::Less, Version::new(0, 0, 0))]
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(['v', '=']);
        if text == "latest" {
            return Self::parse("*");
        }
        let (text, build) = text.split_once('+').map_or((text, ""), |(text, build)| (text, build));
        BuildMetadata::new(build).ok()?;
        let (core, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = core.split('.');
        let mut part = || match parts.next() {
            None | Some("x" | "X" | "*") => Some(None),
            Some(number) if number.bytes().all(|digit| digit.is_ascii_digit()) => number.parse().ok().map(Some),
            Some(_) => None,
        };
        let (major, minor, patch) = (part()?, part()?, part()?);
        let minor = minor.filter(|_| major.is_some());
        let patch = patch.filter(|_| minor.is_some());
        parts.next().is_none().then_some(Self { major, minor, patch, pre: Prerelease::new(pre).ok()? })
    }

    /// The lowest version that it means.
    fn low(&self) -> Version {
        let [major, minor, patch] = [self.major, self.minor, self.patch].map(Option::unwrap_or_default);
        let pre = if self.patch.is_some() { self.pre.clone() } else { Prerelease::EMPTY };
        Version { pre, ..Version::new(major, minor, patch) }
    }

    /// The lowest version above all that it means; there is none above `*`.
    fn next(&self) -> Option<Version> {
        let major = self.major?;
        Some(match self.minor {
            None => Version::new(major.saturating_add(1), 0, 0),
            Some(minor) => Version::new(major, minor.saturating_add(1), 0),
        })
    }

    /// The lowest version above whose first number that isn't zero is another one.
    fn caret(&self) -> Option<Version> {
        let major = self.major?;
        Some(match (major, self.minor, self.patch) {
            (0, Some(0), Some(patch)) => Version::new(0, 0, patch.saturating_add(1)),
            (0, Some(minor), _) => Version::new(0, minor.saturating_add(1), 0),
            _ => Version::new(major.saturating_add(1), 0, 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_match_as_npm_says() {
        fidelity::fidelity!("iot-20");
        let cases = [
            ("=1.0.0", "1.0.0", true),
            ("1.0.0", "1.0.1", false),
            ("v1.0.0", "1.0.0", true),
            ("=1.0.0", "1.0.0+build", true),
            (">=1.0.0 <2.0.0", "1.9.9", true),
            (">=1.0.0 <2.0.0", "2.0.0", false),
            (">=1.0.0<2.0.0", "1.9.9", true),
            (">= 1.0.0", "3.0.0", true),
            (">= 1.0.0 < 2", "2.0.0", false),
            ("^1.2.3", "1.9.0", true),
            ("^1.2.3", "2.0.0", false),
            ("^1.2.3", "1.2.2", false),
            ("^1", "1.0.0", true),
            ("^0.2.1", "0.3.0", false),
            ("^0.2.1", "0.2.9", true),
            ("^0.0.3", "0.0.4", false),
            ("^0.0", "0.0.9", true),
            ("^0.0", "0.1.0", false),
            ("^0", "0.9.0", true),
            ("^0", "1.0.0", false),
            ("~1.2.3", "1.2.9", true),
            ("~1.2.3", "1.3.0", false),
            ("~1.2", "1.2.0", true),
            ("~1", "1.9.0", true),
            ("~1", "2.0.0", false),
            ("~>1.2", "1.2.5", true),
            ("1.0", "1.0.7", true),
            ("1.0", "1.1.0", false),
            ("1.x", "1.7.0", true),
            ("1.x.x", "2.0.0", false),
            ("1.2.*", "1.2.7", true),
            ("x", "4.0.0", true),
            (">=0.0.0", "0.0.1", true),
            ("*", "9.9.9", true),
            ("", "0.1.0", true),
            ("latest", "0.1.0", true),
            ("=1.0.0 || =2.0.0", "2.0.0", true),
            ("=1.0.0||=2.0.0", "3.0.0", false),
            ("1.0.0 - 2.0.0", "1.5.0", true),
            ("1.0.0 - 2.0.0", "2.0.0", true),
            ("1.0.0 - 2.0.0", "2.0.1", false),
            ("1.0 - 2.1", "2.1.9", true),
            ("1.0 - 2", "3.0.0", false),
            (">1.0", "1.0.5", false),
            (">1.0", "1.1.0", true),
            (">1", "1.9.0", false),
            ("<=1.0", "1.0.9", true),
            ("<=1", "2.0.0", false),
            ("<1.1", "1.0.9", true),
            (">*", "1.0.0", false),
        ];
        for (requirement, version, matches) in cases {
            let parsed = Requirement::parse(requirement).unwrap();
            assert_eq!(parsed.matches(&version.parse().unwrap()), matches, "{requirement} and {version}");
        }
    }

    #[test]
    fn pre_releases_need_a_bound_of_their_own_version() {
        fidelity::fidelity!("iot-20");
        for (requirement, version, matches) in [
            (">=1.0.0", "2.0.0-beta", false),
            (">=2.0.0-alpha", "2.0.0-beta", true),
            (">=2.0.0-alpha", "2.0.1-beta", false),
            ("^1.2.3-beta.2", "1.2.3-beta.4", true),
            ("^1.2.3-beta.2", "1.2.4-beta.2", false),
            ("^1.2.3-beta.2", "1.3.0", true),
            ("^1.0.0", "2.0.0-alpha", false),
            ("~1.2.3-beta", "1.2.3-gamma", true),
            ("=1.0.0-rc", "1.0.0-rc", true),
            ("*", "1.0.0-rc", false),
            (">=1.0.0-rc.2", "1.0.0-rc.10", true),
        ] {
            let parsed = Requirement::parse(requirement).unwrap();
            assert_eq!(parsed.matches(&version.parse().unwrap()), matches, "{requirement} and {version}");
        }
    }

    #[test]
    fn what_is_no_requirement() {
        fidelity::fidelity!("iot-20");
        for text in ["newest", ">=", "1.0.0 <", "1.0.0.0", "1.a", "=>1.0.0", "^^1", "1,2", "1.0.0 -", "- 1", "-1.0.0"] {
            assert!(Requirement::parse(text).is_err(), "{text}");
        }
    }
}
