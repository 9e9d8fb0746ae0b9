//! The reader for a CI server: a JUnit XML document in the dialect of Jenkins, one suite a scenario. A fleet's has a case
//! for each device beside its own. Attempts at one that was run again are in Surefire's words: `flakyFailure` where a later one passed, `rerunFailure` where none did.

use super::{Attempt, Came, Device, Event, Found, Judged, Told};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::time::Duration;

/// A stream as JUnit XML. Scenarios that are not supported or not run are skipped cases; our own faults are errors.
///
/// # Errors
/// When the document can't be written, which only a text that XML can't hold would cause.
pub fn junit(events: &[Event]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("greenproof");
    // Those that began and are not judged yet: the first is what was under way.
    let (mut begun, mut took) = (Vec::new(), Duration::ZERO);
    for Event { scenario, told, .. } in events {
        let name = scenario.as_deref().unwrap_or("greenproof");
        match told {
            Told::Begun { .. } => begun.push(name),
            Told::Judged(judged) => {
                // What began after it were attempts at it.
                begun.truncate(begun.iter().position(|begun| *begun == name).unwrap_or(begun.len()));
                took += Duration::from_millis(judged.milliseconds);
                report.add_test_suite(judged_suite(name, judged));
            }
            Told::Stopped { error, hint } => {
                let status = not_good(NonSuccessKind::Error, error, &[error, hint].map(String::as_str).join("\n"));
                report.add_test_suite(suite(
                    begun.first().copied().unwrap_or(name),
                    status,
                    Duration::ZERO,
                    String::new(),
                ));
            }
            _ => {}
        }
    }
    report.set_time(took);
    report.to_string()
}

fn judged_suite(name: &str, judged: &Judged) -> TestSuite {
    // What a good run printed is in its evidence.
    let failed = matches!(judged.verdict, Came::Failed | Came::Flaky);
    let out = if failed { xml(&(judged.output.clone() + &judged.leaks.join("\n"))) } else { String::new() };
    let mut suite = suite(name, status(judged), Duration::from_millis(judged.milliseconds), out);
    for device in &judged.devices {
        let mut case = TestCase::new(xml(&device.thing), of_device(judged, device));
        case.set_classname(format!("greenproof.{}", xml(name)));
        suite.add_test_case(case);
    }
    for (name, value) in &judged.versions {
        suite.add_property((name.as_str(), xml(value).as_str()));
    }
    if let Some(file) = &judged.file {
        suite.extra.insert("file".into(), xml(file).into());
    }
    suite
}

/// A text without the two letters that XML lacks and the writer lets through.
fn xml(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}

/// A suite of one case.
fn suite(name: &str, status: TestCaseStatus, took: Duration, out: String) -> TestSuite {
    let mut case = TestCase::new(xml(name), status);
    case.set_classname("greenproof").set_time(took);
    if !out.is_empty() {
        case.set_system_out(out);
    }
    let mut suite = TestSuite::new(xml(name));
    suite.set_time(took).add_test_case(case);
    suite
}

fn status(judged: &Judged) -> TestCaseStatus {
    let mut status = verdict(judged);
    // The first attempt at what never passed is the failure itself.
    let first = usize::from(judged.verdict != Came::Flaky);
    let red = judged.attempts.iter().filter(|attempt| attempt.verdict != Came::Passed);
    status.add_reruns(red.skip(first).map(rerun));
    status
}

fn verdict(judged: &Judged) -> TestCaseStatus {
    match judged.verdict {
        Came::Passed | Came::Flaky => TestCaseStatus::success(),
        Came::Failed => {
            let (message, description) = told(&judged.findings);
            not_good(NonSuccessKind::Failure, &message, &description)
        }
        Came::Unsupported | Came::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(xml(&judged.why));
            status
        }
        Came::Broken => not_good(NonSuccessKind::Error, &judged.why, &judged.why),
    }
}

/// How a device of a fleet came out.
fn of_device(judged: &Judged, device: &Device) -> TestCaseStatus {
    let lines: Vec<_> = judged.of_device(&device.thing).map(Found::told).collect();
    match device.verdict {
        Came::Passed => TestCaseStatus::success(),
        _ => not_good(NonSuccessKind::Failure, lines.first().map_or("", String::as_str), &lines.join("\n")),
    }
}

/// The first finding, and all of them.
fn told(findings: &[Found]) -> (String, String) {
    let lines: Vec<_> = findings.iter().map(Found::told).collect();
    (lines.first().cloned().unwrap_or_default(), lines.join("\n"))
}

/// An attempt that did not pass.
fn rerun(attempt: &Attempt) -> TestRerun {
    let failed = attempt.verdict == Came::Failed;
    let (message, description) =
        if failed { told(&attempt.findings) } else { (attempt.why.clone(), attempt.why.clone()) };
    let mut rerun = TestRerun::new(if failed { NonSuccessKind::Failure } else { NonSuccessKind::Error });
    // The dialect wants a type here, and knows no time.
    rerun.set_type(attempt.verdict.word()).set_message(xml(&message)).set_description(xml(&description));
    rerun
}

fn not_good(kind: NonSuccessKind, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(xml(message)).set_description(xml(description));
    status
}

#[cfg(test)]
mod tests;
