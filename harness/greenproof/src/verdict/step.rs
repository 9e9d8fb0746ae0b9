//! The judgement of one step.

use super::{Finding, Kind};
use crate::{
    evidence::{
        Output, Progress, StepSeen,
        log::{self, Span},
    },
    scenario::{
        Line, Step, Stream,
        step::{ABSENT, Expect, LogLine},
    },
};

/// A log file by its name without `.log`.
type Logs<'a> = &'a dyn Fn(&str) -> String;

/// What of a step was not as expected; the placeholders of its texts are filled in.
pub(crate) fn step(step: &Step, seen: &StepSeen, logs: Logs<'_>) -> Vec<Finding> {
    let expect = &step.expect;
    let mut findings = deployment(expect, seen.deployment.as_ref());
    findings.extend(expect.components.iter().filter_map(|(name, state)| component(name, state, seen, logs)));
    findings.extend(expect.states.iter().filter_map(|(name, states)| taken(name, states, seen, logs)));
    findings.extend(expect.logs.iter().filter_map(|line| logged(line, seen, logs)));
    findings.extend(expect.lines.iter().filter_map(|line| printed(line, seen, logs)));
    findings.extend(seen.output.iter().flat_map(|output| command(expect, output)));
    findings.extend(recovered(expect, seen));
    findings
}

fn finding(kind: Kind, expected: impl Into<String>, seen: impl Into<String>) -> Finding {
    Finding { kind, expected: expected.into(), seen: seen.into() }
}

fn deployment(expect: &Expect, seen: Option<&Progress>) -> Vec<Finding> {
    let Expect { deployment, detailed, stack, types, cause, .. } = expect;
    let list = |list: &[String]| format!("[{}]", list.join(", "));
    let nothing = Progress::default();
    let progress = seen.unwrap_or(&nothing);
    let told = seen.map_or_else(|| "it has no status".to_owned(), ToString::to_string);
    let differences = [
        deployment.as_ref().filter(|status| **status != progress.status).map(|status| format!("ends {status}")),
        detailed.as_ref().filter(|status| **status != progress.detailed).map(|status| format!("ends {status}")),
        stack.as_ref().filter(|stack| **stack != progress.stack).map(|s| format!("has the error stack {}", list(s))),
        types.as_ref().filter(|types| **types != progress.types).map(|t| format!("has the error types {}", list(t))),
        cause.as_ref().filter(|cause| !progress.cause.contains(*cause)).map(|c| format!("fails with `{c}`")),
    ];
    let differences = differences.into_iter().flatten();
    differences.map(|expected| finding(Kind::Deployment, format!("the deployment {expected}"), told.clone())).collect()
}

fn component(name: &str, expected: &str, seen: &StepSeen, logs: Logs<'_>) -> Option<Finding> {
    let present = seen.present.iter().any(|present| present == name);
    let state = seen.states.get(name).map_or("not reported by the device", String::as_str);
    if expected == ABSENT {
        let expected = format!("the device no longer has `{name}`");
        return present.then(|| finding(Kind::Component, expected, state));
    }
    (state != expected).then(|| {
        finding(Kind::Component, format!("`{name}` ends {expected}"), with_last_output(&logs(name), seen.span(), state))
    })
}

/// A state with the last line of error output, which usually tells why.
pub(super) fn with_last_output(log: &str, span: Span, state: &str) -> String {
    let errors = log::printed(log, span).filter(|line| line.stream != Some(Stream::Stdout));
    match errors.last() {
        Some(line) if line.stream.is_none() => format!("{state}; the last line of its {}: `{}`", line.step, line.text),
        Some(line) => format!("{state}; the last line of its {} on stderr: `{}`", line.step, line.text),
        None => state.to_owned(),
    }
}

fn taken(name: &str, expected: &[String], seen: &StepSeen, logs: Logs<'_>) -> Option<Finding> {
    let log = logs("greengrass");
    let changes = log::changes(&log, seen.span()).filter(|change| change.component == name);
    let states: Vec<_> = changes.map(|change| change.to).collect();
    let shown = |states: &[String]| if states.is_empty() { "none".to_owned() } else { states.join(", ") };
    let expected_text = || format!("`{name}` takes the states {}", shown(expected));
    (states != expected).then(|| finding(Kind::State, expected_text(), shown(&states)))
}

fn logged(line: &LogLine, seen: &StepSeen, logs: Logs<'_>) -> Option<Finding> {
    let log = logs(&line.file);
    // What a script is to do is no proof that it did.
    let own_text = |written: &str| !line.has.contains("shell-runner-start") && log::is_start(written);
    let has = |written: &&str| written.contains(line.has.as_str()) && !own_text(written);
    let times = log::written(&log, seen.span()).filter(has).count();
    if line.times.map_or(times > 0, |expected| times == expected) {
        return None;
    }
    let often = line.times.map_or_else(String::new, |times| format!("{times} times "));
    let last =
        log::written(&log, seen.span()).last().map_or_else(String::new, |last| format!("; the last line: {last}"));
    let expected = format!("{}.log has {often}`{}`", line.file, line.has);
    Some(finding(Kind::Log, expected, format!("it is there {times} times{last}")))
}

fn printed(line: &Line, seen: &StepSeen, logs: Logs<'_>) -> Option<Finding> {
    let log = logs(&line.component);
    let of_step: Vec<_> = log::printed(&log, seen.span()).filter(|printed| printed.comes_from(line)).collect();
    if of_step.iter().any(|printed| printed.is(line)) {
        return None;
    }
    let expected = format!("the {} of `{}` prints the line `{}`", line.step, line.component, line.equals);
    let seen = match of_step.last() {
        Some(last) => format!("{} other lines, the last `{}`", of_step.len(), last.text),
        None => "it printed nothing".into(),
    };
    Some(finding(Kind::Line, expected, seen))
}

fn recovered(expect: &Expect, seen: &StepSeen) -> Option<Finding> {
    let limit = expect.recovers_within?;
    let told = match seen.recovery {
        Some(seconds) if seconds <= limit => return None,
        Some(seconds) => format!("it recovered after {seconds:.0} s"),
        None => "it did not recover".to_owned(),
    };
    Some(finding(Kind::Recovery, format!("the device recovers within {limit} s of its time"), told))
}

fn command(expect: &Expect, output: &Output) -> Vec<Finding> {
    let Output { exit, stdout, stderr } = output;
    let all = || format!("exit code {exit}, stdout `{}`, stderr `{}`", stdout.trim_end(), stderr.trim_end());
    let expected_exit = expect.exit.unwrap_or(0);
    let exit = (*exit != expected_exit).then(|| format!("the command exits with {expected_exit}"));
    let prints = expect.prints.as_ref().filter(|lines| !stdout.lines().eq(lines.iter()));
    let prints = prints.map(|lines| format!("the command prints the lines `{}`", lines.join("`, `")));
    let unsaid = expect.says.iter().filter(|text| !stdout.contains(*text) && !stderr.contains(*text));
    let unsaid = unsaid.map(|text| format!("the command says `{text}`"));
    let expected = exit.into_iter().chain(prints).chain(unsaid);
    expected.map(|expected| finding(Kind::Command, expected, all())).collect()
}

#[cfg(test)]
mod tests;
