//! Where a finding shows: the rows, the log lines and the facts that the verdict looked at.
//!
//! The verdict says in words what it judged. What stands in its backquotes is looked for where the verdict looked for it;
//! nothing is pointed at that is not there.

use super::timeline::{Of, Place, Timeline, log_id};
use crate::{
    evidence::{
        Evidence,
        log::{self, Millis, Span},
        recovery,
    },
    scenario::Stream,
    verdict::{Finding, Kind},
};
use cloud::event::What;

/// How many places of one kind are pointed at; the rest is beside them.
const MOST: usize = 12;

/// A place in the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// What is there.
    pub(super) what: String,
    /// Its anchor, such as `core-L12`.
    pub(super) anchor: String,
}

/// The step that a finding is of, from 0; nothing for one of the whole run.
pub(super) fn step_of(finding: &Finding, steps: usize) -> Option<usize> {
    step_stated(finding.kind, &finding.expected, steps)
}

/// The step that a finding of a kind is of, which expected this.
pub(super) fn step_stated(kind: Kind, expected: &str, steps: usize) -> Option<usize> {
    let stated = expected.strip_prefix("step ").and_then(|rest| rest.split(": ").next()?.parse::<usize>().ok());
    let of_a_step = matches!(
        kind,
        Kind::Deployment
            | Kind::Step
            | Kind::Component
            | Kind::State
            | Kind::Log
            | Kind::Command
            | Kind::Line
            | Kind::Recovery
    );
    match stated {
        Some(number) => number.checked_sub(1),
        None if steps == 1 && of_a_step => Some(0),
        None => None,
    }
}

/// Where a finding shows.
pub(super) fn of(finding: &Finding, steps: usize, evidence: &Evidence, timeline: &Timeline) -> Vec<Reference> {
    let step = step_of(finding, steps);
    let span = step.and_then(|step| evidence.steps.get(step)).map_or(Span::ALWAYS, crate::evidence::StepSeen::span);
    let looked = Looked { evidence, timeline, step, span };
    let quoted = quoted(&finding.expected);
    let first = quoted.first().map_or("", String::as_str);
    let mut found = match finding.kind {
        Kind::Deployment => looked.deployment(),
        Kind::Step | Kind::Command => looked.steps(),
        Kind::Component => looked.component(first),
        Kind::State => looked.states(first),
        Kind::Log => looked.logged(&finding.expected),
        Kind::Line => looked.printed(&finding.expected, first),
        Kind::Call => looked.calls(&finding.expected),
        Kind::Package => looked.package(&quoted),
        Kind::Outside => looked.outside(&finding.seen),
        Kind::Index => looked.index(first),
        Kind::Soft => looked.decisions(|decision| {
            let asked = format!("{} on {} was let through", decision.action, decision.resource);
            decision.let_through && finding.seen.starts_with(&asked)
        }),
        Kind::Recovery => looked.refused(),
        Kind::Leak => looked.leak(finding),
        Kind::Fleet => Vec::new(),
    };
    found.truncate(MOST);
    found
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What there is to look at.
struct Looked<'a> {
    evidence: &'a Evidence,
    timeline: &'a Timeline,
    step: Option<usize>,
    span: Span,
}

impl Looked<'_> {
    fn row(&self, of: &Of, what: impl FnOnce(&str) -> String) -> Option<Reference> {
        let row = self.timeline.row(of)?;
        Some(Reference { what: what(&self.timeline.rows[row].title), anchor: format!("row-{row}") })
    }

    /// The rows of events.
    fn rows(&self, is: impl Fn(&What) -> bool) -> Vec<Reference> {
        let events = self.evidence.events.iter().enumerate().filter(|(_, event)| is(&event.what));
        let within = events.filter(|(_, event)| log::millis_of(&event.time).is_none_or(|time| self.span.has(time)));
        let row = |(index, _)| self.row(&Of::Event(index), str::to_owned);
        within.filter_map(row).take(MOST).collect()
    }

    /// The lines of a log that were written in the step, with their numbers.
    fn lines<'t>(&self, text: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
        let (mut last, span) = (Millis::MIN, self.span);
        text.lines().enumerate().filter_map(move |(index, line)| {
            last = log::time_of(line).unwrap_or(last);
            span.has(last).then_some((index + 1, line))
        })
    }

    fn line(file: &str, number: usize) -> Reference {
        let what = format!("{}.log, line {number}", log_id(file));
        Reference { what, anchor: Place::new(file, number).to_string() }
    }

    fn steps(&self) -> Vec<Reference> {
        let last = self.evidence.steps.len().checked_sub(1);
        let step = self.step.into_iter().chain(last).min();
        step.and_then(|step| self.row(&Of::Step(step), str::to_owned)).into_iter().collect()
    }

    /// The statuses of the step's deployment, and the step where it has none.
    fn deployment(&self) -> Vec<Reference> {
        let seen = self.step.and_then(|step| self.evidence.steps.get(step)?.deployment.as_ref());
        let Some(progress) = seen else { return self.steps() };
        let rows = self.rows(
            |what| matches!(what, What::Job { deployment, thing: None, .. } if *deployment == progress.deployment),
        );
        if rows.is_empty() { self.steps() } else { rows }
    }

    fn states(&self, component: &str) -> Vec<Reference> {
        let changes = self
            .lines(&self.evidence.core_log)
            .filter(|(_, line)| log::change_of(line).is_some_and(|change| change.component == component));
        changes.map(|(number, _)| Self::line("greengrass", number)).collect()
    }

    /// Its last state, and the last of its error output.
    fn component(&self, component: &str) -> Vec<Reference> {
        let mut found: Vec<_> = self.states(component).pop().into_iter().collect();
        let errors = self
            .lines(self.evidence.log(component))
            .filter(|(_, line)| log::printed_of(line).is_some_and(|printed| printed.stream != Some(Stream::Stdout)));
        found.extend(errors.last().map(|(number, _)| Self::line(component, number)));
        found
    }

    /// The lines that have the text; where none has, the last of the log.
    fn logged(&self, expected: &str) -> Vec<Reference> {
        let Some((file, rest)) = unnumbered(expected).split_once(".log has ") else { return Vec::new() };
        let has = rest.split_once('`').map_or("", |(_, text)| text.strip_suffix('`').unwrap_or(text));
        let text = self.evidence.log(file);
        let found: Vec<_> = self.lines(text).filter(|(_, line)| line.contains(has)).take(MOST).collect();
        let last = if found.is_empty() { self.lines(text).last() } else { None };
        found.into_iter().chain(last).map(|(number, _)| Self::line(file, number)).collect()
    }

    /// The line that is there although it does not count, and the last line of the script.
    fn printed(&self, expected: &str, component: &str) -> Vec<Reference> {
        let script = unnumbered(expected).strip_prefix("the ").and_then(|rest| rest.split(" of `").next());
        let wanted = expected.split_once(" prints the line `").map_or("", |(_, line)| line.trim_end_matches('`'));
        let log = self.evidence.log(component);
        let printed: Vec<_> =
            self.lines(log).filter_map(|(number, line)| Some((number, log::printed_of(line)?))).collect();
        let mut of_script =
            printed.iter().filter(|(_, line)| script.is_some_and(|it| line.step.eq_ignore_ascii_case(it)));
        let close = printed.iter().filter(|(_, line)| !wanted.is_empty() && line.text.contains(wanted));
        let mut numbers: Vec<_> = close.chain(of_script.next_back()).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| Self::line(component, number)).collect()
    }

    /// The calls of the action; where there is none, nothing shows it.
    fn calls(&self, expected: &str) -> Vec<Reference> {
        let mut words = expected.split(' ').skip_while(|word| *word != "allowed").skip(1);
        let action = words.next().unwrap_or_default();
        self.rows(|what| matches!(what, What::Api(call) if call.decision.action == action))
    }

    fn package(&self, quoted: &[String]) -> Vec<Reference> {
        let known = |name: &&String| self.evidence.packages.contains_key(*name);
        let named = quoted.iter().rev().find(known);
        named
            .map(|name| Reference { what: format!("package {name}"), anchor: format!("package-{name}") })
            .into_iter()
            .collect()
    }

    fn outside(&self, seen: &str) -> Vec<Reference> {
        let asked = quoted(seen);
        let asked = asked.first().map_or("", String::as_str);
        self.rows(|what| match what {
            What::Dns { name, answer: None, .. } => name == asked,
            What::RawAddress { destination } => destination == asked,
            _ => false,
        })
    }

    /// The requests for a project, and the lines in which pip says that there is none.
    fn index(&self, wanted: &str) -> Vec<Reference> {
        let name = |text: &str| text.to_lowercase().replace(['_', '.'], "-");
        let end = wanted.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter));
        let project = &wanted[..end.unwrap_or(wanted.len())];
        let mut found = self.rows(|what| match what {
            What::Index { path, .. } => {
                path.strip_prefix("/simple/").is_some_and(|it| name(it.trim_end_matches('/')) == name(project))
            }
            _ => false,
        });
        for (component, log) in &self.evidence.component_logs {
            let said = format!("No matching distribution found for {wanted}");
            let lines = self.lines(log).filter(|(_, line)| line.contains(&said));
            found.extend(lines.map(|(number, _)| Self::line(component, number)));
        }
        found
    }

    fn decisions(&self, is: impl Fn(&cloud::event::Decision) -> bool) -> Vec<Reference> {
        self.rows(|what| recovery::decisions(what).any(&is))
    }

    /// What was refused in the step.
    fn refused(&self) -> Vec<Reference> {
        let mut found = self.rows(|what| match what {
            What::Credentials { status, .. } => *status != 200,
            _ => recovery::decisions(what).any(|decision| !decision.is_allowed()),
        });
        found.extend(self.steps());
        found
    }

    /// The leak, and its line where it is in a log.
    fn leak(&self, finding: &Finding) -> Vec<Reference> {
        let is = |leak: &&(usize, &crate::evidence::Leak)| {
            finding.expected.starts_with(&leak.1.secret) && finding.seen.starts_with(&leak.1.place)
        };
        let leaks: Vec<_> = self.evidence.leaks.iter().enumerate().collect();
        // Of several leaks in one place the whole text decides.
        let told = leaks.iter().find(|leak| is(leak) && finding.seen == leak.1.told());
        let Some((index, leak)) = told.or_else(|| leaks.iter().find(is)) else { return Vec::new() };
        let mut found = vec![Reference { what: format!("leak {}", index + 1), anchor: format!("leak-{}", index + 1) }];
        found.extend(in_log(self.evidence, &leak.place).map(|place| Self::line(&place.log, place.line)));
        found
    }
}

/// The line of a log that a leak's place names, such as `greengrass.log:12`.
pub(super) fn in_log(evidence: &Evidence, place: &str) -> Option<Place> {
    let (file, number) = place.rsplit_once(':')?;
    let log = file.strip_suffix(".log")?;
    let known = log == "greengrass" || evidence.component_logs.contains_key(log);
    known.then_some(Place::new(log, number.parse().ok()?))
}

/// What was expected, without the step that it is of.
fn unnumbered(expected: &str) -> &str {
    match expected.strip_prefix("step ").and_then(|rest| rest.split_once(": ")) {
        Some((number, rest)) if number.parse::<usize>().is_ok() => rest,
        _ => expected,
    }
}

#[cfg(test)]
mod tests;
