//! Holds the tests that ran against those that there are: `ran LIST.json OPTIONAL.toml JUNIT.xml…`.
//!
//! Fails when a test of the list (`cargo nextest list --message-format json`) did not run, but for those that
//! `OPTIONAL.toml` names with what they need. Tells which tests took longest.

use anyhow::{Context, Result, ensure};
use fidelity::junit::{self, Case};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
};

/// How many tests are told as the slowest.
const SLOWEST: usize = 10;

/// `cargo nextest list`, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct List {
    rust_suites: BTreeMap<String, Suite>,
}

#[derive(Deserialize)]
struct Suite {
    testcases: BTreeMap<String, serde_json::Value>,
}

/// The tests that may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Optional {
    /// What a test needs that not every machine has, by the test's name.
    #[serde(default)]
    optional: BTreeMap<String, String>,
}

fn main() -> Result<()> {
    let mut paths = std::env::args().skip(1);
    let usage = "usage: ran LIST.json OPTIONAL.toml JUNIT.xml…";
    let (list, optional) = (paths.next().context(usage)?, paths.next().context(usage)?);
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("reading `{path}`"));
    let there: List = serde_json::from_str(&read(&list)?).with_context(|| format!("`{list}` is no list of tests"))?;
    let optional: Optional = toml::from_str(&read(&optional)?).with_context(|| format!("reading `{optional}`"))?;
    let mut ran = junit::cases(paths)?;
    let skipped = skipped(&there, &ran, &optional);
    ran.sort_by_key(|case| std::cmp::Reverse(case.took));
    let mut out = std::io::stdout().lock();
    for case in ran.iter().take(SLOWEST) {
        writeln!(out, "{:>7.1} s {}", case.took.as_secs_f64(), case.name)?;
    }
    for test in &skipped {
        writeln!(out, "skipped: {test}")?;
    }
    writeln!(out, "tests {}, skipped {}", ran.len(), skipped.len())?;
    ensure!(skipped.is_empty(), "a test was skipped that is not optional");
    Ok(())
}

/// The tests that did not run and had to.
fn skipped(list: &List, ran: &[Case], optional: &Optional) -> Vec<String> {
    let ran: BTreeSet<_> = ran.iter().map(|case| case.name.as_str()).collect();
    let there = list.rust_suites.iter();
    let there = there.flat_map(|(suite, tests)| tests.testcases.keys().map(move |test| format!("{suite} {test}")));
    there.filter(|test| !ran.contains(test.as_str()) && !optional.optional.contains_key(test)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_did_not_run_is_skipped_unless_it_is_optional() {
        let list = r#"{"rust-suites": {"tests::stories": {"testcases": {
            "runs": {"ignored": false}, "ignored": {"ignored": true}, "optional": {"ignored": true}
        }}}}"#;
        let list = serde_json::from_str(list).expect("a list");
        let optional: Optional =
            toml::from_str("[optional]\n\"tests::stories optional\" = \"a real core\"\n").expect("optional tests");
        let ran = [Case { name: "tests::stories runs".into(), passed: true, ..Case::default() }];
        assert_eq!(skipped(&list, &ran, &optional), ["tests::stories ignored"]);
        assert_eq!(skipped(&list, &ran, &Optional::default()), ["tests::stories ignored", "tests::stories optional"]);
    }
}
