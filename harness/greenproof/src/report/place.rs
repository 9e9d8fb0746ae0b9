//! Where the expectation stands that a finding is about.
//!
//! A finding says its expectation in words, which hold the values that the file states; the place is that of the value
//! among the fields that make such findings.

use crate::{
    scenario::{Scenario, Source},
    verdict::{Finding, Kind},
};
use std::path::Path;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The file and the line, counted from 1; the first line where the expectation is none that is stated.
pub(super) fn of<'a>(scenario: &'a Scenario, finding: &Finding) -> Option<(&'a Path, usize)> {
    let sources = &scenario.sources;
    let found = sources.iter().filter_map(|source| line(source, finding).map(|(line, sure)| (source, line, sure)));
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
        Kind::Outside | Kind::Index => &[],
    }
}

/// The line in one file, and whether the finding says what stands there.
fn line(source: &Source, finding: &Finding) -> Option<(usize, bool)> {
    let file = DeTable::parse(&source.text).ok()?.into_inner();
    let expected = match step(&finding.expected) {
        None => vec![file.get("expect")?],
        Some((number, _)) => match file.get("step").and_then(|steps| steps.get_ref().as_array()) {
            Some(steps) => vec![steps.get(number - 1)?],
            None => vec![file.get("expect")?],
        },
    };
    let mut stated = Vec::new();
    let top = file.iter().filter(|(name, _)| ["leaks", "aws"].contains(&name.get_ref().as_ref()));
    for (name, value) in top {
        collect(name, value, fields(finding.kind), false, &mut stated);
    }
    for value in expected {
        all(value, fields(finding.kind), false, &mut stated);
    }
    let says = |value: &str| value.len() > 1 && finding.expected.contains(value);
    let best = stated.iter().max_by_key(|(_, text)| if says(text) { text.len() } else { 0 })?;
    let sure = says(&best.1);
    let first = stated.first()?;
    let (at, _) = if sure { best } else { first };
    Some((source.text[..*at].matches('\n').count() + 1, sure))
}

/// The number of the step that a finding says it is of.
fn step(expected: &str) -> Option<(usize, &str)> {
    let (number, rest) = expected.strip_prefix("step ")?.split_once(": ")?;
    Some((number.parse().ok()?, rest))
}

/// Every value within, with the place of it; of tables only what stands below one of the fields.
fn all(value: &Spanned<DeValue<'_>>, fields: &[&str], below: bool, stated: &mut Vec<(usize, String)>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(name, value)| collect(name, value, fields, below, stated)),
        DeValue::Array(items) => items.iter().for_each(|item| all(item, fields, below, stated)),
        DeValue::String(text) if below => stated.push((value.span().start, text.to_string())),
        DeValue::Integer(number) if below => stated.push((value.span().start, number.to_string())),
        other if below => stated.push((value.span().start, other.type_str().to_owned())),
        _ => {}
    }
}

fn collect(
    name: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    fields: &[&str],
    below: bool,
    stated: &mut Vec<(usize, String)>,
) {
    let below = below || fields.contains(&name.get_ref().as_ref());
    if below && value.get_ref().is_table() {
        stated.push((name.span().start, name.get_ref().to_string()));
    }
    all(value, fields, below, stated);
}
