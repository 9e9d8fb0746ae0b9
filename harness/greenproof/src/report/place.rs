//! Where the expectation stands that a finding is about.
//!
//! A finding says its expectation in words, which hold the values that the file states; the place is that of the value
//! among the fields that make such findings.

use crate::{
    scenario::{Scenario, Source},
    verdict::{Finding, Kind},
};
use std::{borrow::Cow, path::Path};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The file and the line, counted from 1; the first line where the expectation is none that is stated.
pub(super) fn of<'a>(scenario: &'a Scenario, finding: &Finding) -> Option<(&'a Path, usize)> {
    let sources = &scenario.sources;
    let found = sources
        .iter()
        .filter_map(|source| line(source, scenario.steps.len(), finding).map(|(line, sure)| (source, line, sure)));
    let found: Vec<_> = found.collect();
    let best = found.iter().find(|(_, _, sure)| *sure).or(found.first());
    match best {
        Some((source, line, _)) => Some((&source.path, *line)),
        None => Some((&sources.first()?.path, 1)),
    }
}

/// The fields whose values make findings of a kind.
const fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Deployment | Kind::Step => &["deployment", "detailed", "stack", "types", "cause", "deploy", "until"],
        Kind::Component => &["components", "component"],
        Kind::State => &["states"],
        Kind::Log => &["log"],
        Kind::Command => &["exit", "prints", "says", "run", "cli"],
        Kind::Line => &["line"],
        Kind::Call => &["call"],
        Kind::Package => &["package"],
        Kind::Recovery => &["recovers_within"],
        Kind::Leak => &["leaks"],
        Kind::Soft => &["soft"],
        Kind::Fleet => &["succeeded", "failed", "rejected", "canceled", "timed_out"],
        Kind::Outside | Kind::Index => &[],
    }
}

/// The line in one file, and whether the finding says what stands there.
fn line(source: &Source, steps: usize, finding: &Finding) -> Option<(usize, bool)> {
    let file = DeTable::parse(&source.text).ok()?.into_inner();
    let fields = fields(finding.kind);
    let (number, said) = step(&finding.expected).map_or((None, finding.expected.as_str()), |(n, said)| (Some(n), said));
    let mut stated = Vec::new();
    for (name, value) in file.iter().filter(|(name, _)| ["leaks", "aws"].contains(&name.get_ref().as_ref())) {
        collect(name, value, fields, false, &[], &mut stated);
    }
    let of_file = file.get("step").and_then(|steps| steps.get_ref().as_array());
    let of_step = of_file.and_then(|of_file| {
        // Faults that a run begins with are steps before those of the file.
        let before = steps.saturating_sub(of_file.len());
        of_file.get(number.unwrap_or(steps).checked_sub(before + 1)?)
    });
    let of_run = file.get("expect").filter(|_| number.is_none() || of_file.is_none());
    for value in of_step.into_iter().chain(of_run).chain(file.get("fleet")) {
        all(value, fields, false, &[], &mut stated);
    }
    // What a finding says last is what was to be seen; what it says before tells of what.
    let end = |text: &str| said.rfind(text).filter(|_| !text.is_empty()).map(|start| start + text.len());
    let told = |stated: &Stated| {
        let of: usize = stated.of.iter().filter(|of| end(of).is_some()).map(String::len).sum();
        end(&stated.text).map(|end| (end, stated.text.len(), of))
    };
    let best = stated.iter().max_by_key(|stated| told(stated))?;
    let sure = told(best).is_some();
    let at = if sure { best.at } else { stated.iter().map(|stated| stated.at).min()? };
    Some((source.text[..at].matches('\n').count() + 1, sure))
}

/// A value that a file states.
struct Stated {
    /// Where.
    at: usize,
    text: String,
    /// The key or the values beside it that say what it is of.
    of: Vec<String>,
}

/// The number of the step that a finding says it is of.
fn step(expected: &str) -> Option<(usize, &str)> {
    let (number, rest) = expected.strip_prefix("step ")?.split_once(": ")?;
    Some((number.parse().ok()?, rest))
}

/// Every value within; of tables only what stands below one of the fields.
fn all(value: &Spanned<DeValue<'_>>, fields: &[&str], below: bool, of: &[String], stated: &mut Vec<Stated>) {
    let text = match value.get_ref() {
        DeValue::Table(table) => {
            let beside: Vec<_> =
                table.values().filter_map(|value| Some(value.get_ref().as_str()?.to_owned())).collect();
            for (name, value) in table {
                collect(name, value, fields, below, &beside, stated);
            }
            return;
        }
        DeValue::Array(items) => {
            items.iter().for_each(|item| all(item, fields, below, of, stated));
            return;
        }
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        other => other.type_str().to_owned(),
    };
    if below {
        stated.push(Stated { at: value.span().start, text, of: of.to_vec() });
    }
}

fn collect(
    name: &Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    fields: &[&str],
    below: bool,
    beside: &[String],
    stated: &mut Vec<Stated>,
) {
    let (at, name) = (name.span().start, name.get_ref().to_string());
    let below = below || fields.contains(&name.as_str());
    // A component is named by a key, and has a dot in its name.
    if name.contains('.') {
        if below {
            stated.push(Stated { at, text: name.clone(), of: Vec::new() });
        }
        all(value, fields, below, &[name], stated);
    } else {
        all(value, fields, below, beside, stated);
    }
}

#[cfg(test)]
mod tests;
