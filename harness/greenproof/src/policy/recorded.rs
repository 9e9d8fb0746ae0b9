//! What a run asked IAM and IoT for, in the order in which it asked: the calls that an evidence folder holds.

use super::Error;
use crate::evidence::{Evidence, folder, recovery};
use cloud::event::{Decision, Event, What};
use std::path::Path;

/// One request that was decided.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number in the run, from 1.
    pub number: usize,
    /// When, RFC 3339.
    pub time: String,
    /// The request, and how it came out.
    pub decision: Decision,
    /// The text that the component saw, if the answer was an error.
    pub message: Option<String>,
}

/// Reads an evidence folder, or its `evidence.json`.
///
/// # Errors
/// When it can't be read or is none.
pub fn evidence(path: &Path) -> Result<Evidence, Error> {
    let file = if path.is_dir() { path.join(folder::NAME) } else { path.to_owned() };
    let place = file.display().to_string();
    let hint = "name the evidence folder of a run, such as greenproof-evidence/SCENARIO";
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Error::new(&place, format!("can't read the evidence: {error}"), hint))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::new(&place, format!("this is no evidence of this version: {error}"), hint))
}

/// Everything that a run asked for.
#[must_use]
pub fn asked(evidence: &Evidence) -> Vec<Asked> {
    let all = evidence.events.iter().flat_map(|event| {
        let message = message(event);
        recovery::decisions(&event.what).map(move |decision| (event.time.clone(), decision.clone(), message.clone()))
    });
    let numbered = all.enumerate();
    numbered.map(|(index, (time, decision, message))| Asked { number: index + 1, time, decision, message }).collect()
}

fn message(event: &Event) -> Option<String> {
    match &event.what {
        What::Api(call) => call.error_message.clone().or_else(|| call.error_code.clone()),
        What::Credentials { message, .. } => message.clone(),
        _ => None,
    }
}

/// The request of a number (`3`) or of an action (`s3:GetObject`), the first of several.
///
/// # Errors
/// When there is none; the hint lists all.
pub fn choose<'a>(asked: &'a [Asked], wanted: Option<&str>, place: &str) -> Result<&'a Asked, Error> {
    let is = |wanted: &str, one: &Asked| {
        one.number.to_string() == wanted || one.decision.action.eq_ignore_ascii_case(wanted)
    };
    let all = || asked.iter().filter(|one| wanted.is_some_and(|wanted| is(wanted, one)));
    let found = all().find(|one| one.decision.was_made()).or_else(|| all().next());
    if let Some(Asked { number, decision, .. }) = found.filter(|one| !one.decision.was_made()) {
        let message = format!("no policy was asked for call {number}, {}: it was {}", decision.action, decision.word());
        return Err(Error::new(place, message, "choose a call that was decided"));
    }
    found.ok_or_else(|| {
        let message = match wanted {
            Some(wanted) => format!("the run asked for no `{wanted}`"),
            None => "which call is meant".to_owned(),
        };
        let lines = asked.iter().map(|Asked { number, decision, .. }| {
            format!("\n    {number:>3} {:7} {} on {}", decision.word(), decision.action, decision.resource)
        });
        let hint = if asked.is_empty() {
            "run the scenario again: its evidence has no decision that can be made again".to_owned()
        } else {
            format!("pass `--call NUMBER` or `--call ACTION`:{}", lines.collect::<Vec<_>>().concat())
        };
        Error::new(place, message, hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud::event::Outcome;

    #[test]
    fn a_call_that_no_policy_was_asked_for_is_not_decided_now() {
        fidelity::fidelity!("gate-24");
        let asked = |number, outcome| {
            let decision = Decision { outcome, ..Decision::asked("p", "s3:GetObject", "*") };
            Asked { number, time: String::new(), decision, message: None }
        };
        let all = [asked(1, Outcome::Undecided), asked(2, Outcome::Allowed)];
        assert_eq!(choose(&all, Some("S3:getobject"), "run").unwrap().number, 2);
        let error = choose(&all, Some("1"), "run").unwrap_err().to_string();
        assert!(error.contains("no policy was asked for call 1, s3:GetObject: it was undecided"), "{error}");
        let error = choose(&all[..1], Some("s3:GetObject"), "run").unwrap_err().to_string();
        assert!(error.contains("no policy was asked for call 1"), "{error}");
    }
}
