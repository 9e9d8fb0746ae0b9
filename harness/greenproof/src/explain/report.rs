//! An explanation for a person, and for a program.

use super::{Certainty, Explanation, Line, Named, Verdict};
use crate::failure::{Failure, Library};
use serde_json::{Value, json};
use std::fmt::Write;

/// One line of JSON about a file: `{"file":…,"verdict":…,"failures":[{"id":…,"confidence":…,"evidence":[…]}]}`.
#[must_use]
pub fn json(explanation: &Explanation) -> String {
    let evidence = |lines: &[Line]| -> Vec<Value> {
        lines.iter().map(|line| json!({ "line": line.number, "text": line.text })).collect()
    };
    let failures = explanation.failures.iter().map(|named| {
        let confidence = (named.confidence * 100.0).round() / 100.0;
        json!({ "id": named.id, "confidence": confidence, "evidence": evidence(&named.evidence) })
    });
    let verdict = match explanation.verdict {
        Verdict::Known => "known",
        Verdict::Unknown => "unknown",
        Verdict::Healthy => "healthy",
    };
    json!({ "file": explanation.file, "verdict": verdict, "failures": failures.collect::<Vec<_>>() }).to_string()
}

/// An explanation as a person reads it.
#[must_use]
pub fn human(library: &Library, explanation: &Explanation) -> String {
    let mut text = String::new();
    let file = &explanation.file;
    match explanation.verdict {
        Verdict::Healthy => line(&mut text, &format!("{file}: nothing in it shows a failure")),
        Verdict::Unknown => unknown(library, explanation, &mut text),
        Verdict::Known => {
            let count = explanation.failures.len();
            line(&mut text, &format!("{file}: {count} known failure{}", if count == 1 { "" } else { "s" }));
            explanation.failures.iter().for_each(|named| known(library, file, named, &mut text));
        }
    }
    for (id, at) in &explanation.overcome {
        if !explanation.failures.iter().any(|named| named.id == *id) {
            line(&mut text, &format!("  overcome: {id}, {} ({})", title(library, id), place(file, at)));
        }
    }
    text
}

/// What the library says of a failure.
#[must_use]
pub fn shown(failure: &Failure) -> String {
    let mut text = format!("{}  {}\n", failure.id, failure.title);
    advice(failure, &mut text);
    line(&mut text, &format!("    source:    {}", failure.source));
    text
}

/// The same as one line of JSON.
#[must_use]
pub fn shown_json(failure: &Failure) -> String {
    let Failure { id, title, cause, fix, source, scenario, cannot, .. } = failure;
    let known = json!({
        "id": id, "title": title, "cause": cause, "fix": fix, "source": source, "scenario": scenario, "cannot": cannot,
    });
    format!("{known}\n")
}

/// The library, a line a failure.
#[must_use]
pub fn library(library: &Library) -> String {
    let mut text = String::new();
    for failure in library.failures() {
        let mark = if failure.reproduction().is_some() { ' ' } else { '-' };
        line(&mut text, &format!("{} {mark} {}", failure.id, failure.title));
    }
    text + "Those with - can't be made to happen here; `greenproof explain FNN` says why.\n"
}

fn known(library: &Library, file: &str, named: &Named, text: &mut String) {
    let sure = match Certainty::of(named.confidence) {
        Certainty::Sure => "sure",
        Certainty::Likely => "likely",
        Certainty::Possible => "possible",
    };
    line(text, &format!("  {}  {} ({sure}, {:.0} %)", named.id, title(library, &named.id), named.confidence * 100.0));
    evidence(file, &named.evidence, text);
    if let Some(failure) = library.get(&named.id) {
        advice(failure, text);
    }
}

fn advice(failure: &Failure, text: &mut String) {
    line(text, &format!("    cause:     {}", failure.cause));
    line(text, &format!("    fix:       {}", failure.fix));
    let reproduce = match (failure.reproduction(), &failure.cannot) {
        (Some(_), _) => format!("greenproof reproduce {}", failure.id),
        (None, Some(why)) => format!("not here: {why}"),
        (None, None) => "not here yet".to_owned(),
    };
    line(text, &format!("    reproduce: {reproduce}"));
}

fn unknown(library: &Library, explanation: &Explanation, text: &mut String) {
    line(text, &format!("{}: something failed, and it is none of the known failures", explanation.file));
    let last = explanation.trouble.len().saturating_sub(super::EVIDENCE);
    evidence(&explanation.file, &explanation.trouble[last..], text);
    if let Some(nearest) = &explanation.nearest {
        line(text, &format!("    nearest:   {}, {}", nearest.id, title(library, &nearest.id)));
        line(text, &format!("    missing:   {}", nearest.missing));
    }
}

fn evidence(file: &str, lines: &[Line], text: &mut String) {
    for at in lines {
        line(text, &format!("    {}: {}", place(file, at), at.text));
    }
}

/// Where a line stands, with the file's name if it is not the one that is spoken of.
fn place(file: &str, at: &Line) -> String {
    if at.file == file { format!("line {}", at.number) } else { format!("{}:{}", at.file, at.number) }
}

fn title<'l>(library: &'l Library, id: &str) -> &'l str {
    library.get(id).map_or("", |failure| &failure.title)
}

fn line(text: &mut String, content: &str) {
    _ = writeln!(text, "{content}");
}
