//! A change as a table for a person.

use super::{Call, Came, Change, Decided};
use cloud::event::Outcome;
use std::fmt::Write;

impl Change {
    /// What breaks first, then each request, then what is allowed without need.
    #[must_use]
    pub fn human(&self) -> String {
        let mut text = format!("{}: {} is replaced\n", self.scenario, self.replaces);
        for (when, came) in [("before", &self.before), ("after", &self.after)] {
            if let Some(came) = came {
                came_out(&mut text, when, came);
            }
        }
        let (changed, same): (Vec<_>, Vec<_>) = self.calls.iter().partition(|call| call.before != call.after);
        if !changed.is_empty() {
            _ = writeln!(text, "\ndecided in another way:");
        }
        for call in changed {
            differently(&mut text, call);
        }
        if !same.is_empty() {
            _ = writeln!(text, "\ndecided the same:");
        }
        for call in same {
            let Call { action, resource, before, .. } = call;
            _ = writeln!(text, "    {action} on {resource}: {}", shown(before));
        }
        self.without_need(&mut text);
        let broken = self.broken().count();
        let calls = if broken == 1 { "1 call".to_owned() } else { format!("{broken} calls") };
        let verdict = match &self.after {
            Some(after) if !after.passed => format!("the component fails under the new policy; {calls} denied"),
            _ if broken == 0 => "no call of the component is denied".to_owned(),
            Some(_) => format!("the component gets along, though {calls} that it made will be denied"),
            None => format!("{calls} of the component will be denied"),
        };
        _ = writeln!(text, "\n{verdict}");
        text
    }

    fn without_need(&self, text: &mut String) {
        for (added, title) in [(true, "newly allowed, and no call needs it"), (false, "no call uses it")] {
            let list: Vec<_> = self.unused.iter().filter(|one| one.added == added).collect();
            if !list.is_empty() {
                _ = writeln!(text, "\n{title}:");
            }
            for one in list {
                _ = writeln!(text, "  {}: {} on {}", one.statement, one.actions.join(" | "), one.resources.join(" | "));
            }
        }
        if !self.wide.is_empty() {
            _ = writeln!(text, "\nwider than what is used:");
        }
        for one in &self.wide {
            _ = writeln!(text, "  {}: {} on {}", one.statement, one.actions.join(" | "), one.resources.join(" | "));
            for used in &one.used {
                _ = writeln!(text, "    used: {used}");
            }
        }
    }
}

fn came_out(text: &mut String, when: &str, came: &Came) {
    let verdict = if came.passed { "PASSED" } else { "FAILED" };
    _ = writeln!(text, "  {when:6}  {verdict}");
    for finding in &came.findings {
        _ = writeln!(text, "          ✗ {finding}");
    }
}

/// A call that is decided in another way.
fn differently(text: &mut String, call: &Call) {
    let mark = match (call.before.outcome, call.after.outcome) {
        _ if call.breaks() => '✗',
        (before, after) if before == after => ' ',
        _ => '+',
    };
    _ = writeln!(text, "  {mark} {} on {}", call.action, call.resource);
    _ = writeln!(text, "      before  {}", shown(&call.before));
    _ = writeln!(text, "      after   {}", shown(&call.after));
    if call.breaks() {
        seen(text, call);
    }
}

/// What was seen of a call that breaks.
fn seen(text: &mut String, call: &Call) {
    let Some(step) = &call.step else {
        let why = if call.made == Some(false) { "not made, since an earlier call broke; " } else { "" };
        _ = writeln!(text, "      {why}decided from the record");
        return;
    };
    _ = writeln!(text, "      breaks  {step}");
    if let Some(message) = &call.message {
        _ = writeln!(text, "      sees    {message}");
    }
}

/// A decision in a few words.
fn shown(decided: &Decided) -> String {
    let by = decided.statement.as_ref().map(|statement| format!(" by {statement}")).unwrap_or_default();
    let layer = decided.layer.as_deref().unwrap_or("no policy");
    match decided.outcome {
        Outcome::Allowed => format!("allowed{by}"),
        Outcome::ImplicitlyDenied => format!("denied: {layer} does not allow it"),
        Outcome::ExplicitlyDenied => format!("denied: {layer}{by}"),
        Outcome::Unauthenticated | Outcome::Undecided => "not known".to_owned(),
    }
}
