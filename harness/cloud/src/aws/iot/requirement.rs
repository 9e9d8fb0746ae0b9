//! Version requirements in npm's grammar, as a nucleus renders them into a resolve request.

use semver::{Version, VersionReq};

/// A requirement: alternatives, one of which a version must match.
#[derive(Debug)]
pub(super) struct Requirement(Vec<VersionReq>);

impl Requirement {
    /// Reads `=1.0.0`, `>=1.0.0 <2.0.0`, `^1.2`, `1.x`, `1.0.0 - 2.0.0`, `*`, and alternatives with `||`.
    ///
    /// # Errors
    /// The text, if it is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let alternatives = text.split("||").map(alternative).collect::<Result<_, _>>();
        alternatives.map(Self).map_err(|error| format!("`{text}` is no version requirement: {error}"))
    }

    /// Whether a version matches. A pre-release only matches a comparator that names a pre-release of the same version.
    pub(super) fn matches(&self, version: &Version) -> bool {
        self.0.iter().any(|requirement| requirement.matches(version))
    }
}

fn alternative(text: &str) -> Result<VersionReq, semver::Error> {
    let text = text.trim();
    if matches!(text, "" | "*" | "latest" | "x" | "X") {
        return VersionReq::parse(">=0.0.0");
    }
    let range = text.split_once(" - ").map(|(low, high)| format!(">={} <={}", low.trim(), high.trim()));
    let text = range.as_deref().unwrap_or(text);
    let mut comparators: Vec<String> = Vec::new();
    let mut operator = String::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word.chars().all(|c| "<>=^~".contains(c)) {
            operator.push_str(word);
        } else {
            comparators.push(comparator(&std::mem::take(&mut operator), word));
        }
    }
    VersionReq::parse(&comparators.join(", "))
}

/// One comparator as Cargo writes it: npm's bare version is exact, and `x` is a wildcard.
fn comparator(operator: &str, word: &str) -> String {
    let start = word.find(|c: char| !"<>=^~".contains(c)).unwrap_or(word.len());
    let (more, version) = word.split_at(start);
    let operator = format!("{operator}{more}");
    let (core, tag) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let known: Vec<_> =
        core.trim_start_matches('v').split('.').take_while(|part| !matches!(*part, "x" | "X" | "*")).collect();
    let operator = if operator.is_empty() { "=" } else { &operator };
    if known.is_empty() { ">=0.0.0".to_owned() } else { format!("{operator}{}{tag}", known.join(".")) }
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
            (">=1.0.0 <2.0.0", "1.9.9", true),
            (">=1.0.0 <2.0.0", "2.0.0", false),
            (">= 1.0.0", "3.0.0", true),
            ("^0.2.1", "0.3.0", false),
            ("~1.2.3", "1.2.9", true),
            ("1.0", "1.0.7", true),
            ("1.0", "1.1.0", false),
            ("1.x", "1.7.0", true),
            (">=0.0.0", "0.0.1", true),
            ("*", "9.9.9", true),
            ("", "0.1.0", true),
            ("=1.0.0 || =2.0.0", "2.0.0", true),
            ("1.0.0 - 2.0.0", "1.5.0", true),
            (">=1.0.0", "2.0.0-beta", false),
            (">=2.0.0-alpha", "2.0.0-beta", true),
        ];
        for (requirement, version, matches) in cases {
            let parsed = Requirement::parse(requirement).unwrap();
            assert_eq!(parsed.matches(&version.parse().unwrap()), matches, "{requirement} and {version}");
        }
        assert!(Requirement::parse("newest").is_err());
    }
}
