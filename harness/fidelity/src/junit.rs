//! The tests that ran, as their JUnit files have them.

use anyhow::{Context, Result};
use quick_junit::{Report, TestCaseStatus};
use std::{fs, time::Duration};

/// A test that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The test binary and the test's own name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// What it printed to standard output.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

/// Reads JUnit files.
///
/// # Errors
/// When one is missing or is no JUnit file.
pub fn cases(paths: impl IntoIterator<Item = String>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in paths {
        let report = fs::read_to_string(&path).with_context(|| format!("reading `{path}`: run its tests first"))?;
        let report = Report::deserialize_from_str(&report).with_context(|| format!("`{path}` is no JUnit file"))?;
        for suite in &report.test_suites {
            cases.extend(suite.test_cases.iter().map(|case| Case {
                name: format!("{} {}", suite.name.as_str(), case.name.as_str()),
                passed: matches!(case.status, TestCaseStatus::Success { .. }),
                output: case.system_out.as_ref().map_or_else(String::new, |text| text.as_str().to_owned()),
                took: case.time.unwrap_or_default(),
            }));
        }
    }
    Ok(cases)
}
