//! The reader for the summary of a job: a table of all scenarios and each failure in full, in Markdown, as long as there is
//! room.

use super::{Came, Event, Judged, Told, terminal::seconds};
use std::fmt::Write;

/// How long a summary of a step may be at GitHub, in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// What is kept for the note that something was left out.
const NOTE: usize = 256;

/// A stream as Markdown of at most so many bytes. What has no room is counted.
#[must_use]
pub fn markdown(events: &[Event], limit: usize) -> String {
    let judged: Vec<_> = events.iter().filter_map(Event::judged).collect();
    let mut page = Page { text: String::new(), room: limit.saturating_sub(NOTE) };
    page.add(&heading(&judged));
    let bad = || judged.iter().filter(|(_, judged)| judged.verdict != Came::Passed);
    // What failed is worth more than the list of what did not.
    let left_out = bad().filter(|(name, judged)| !page.add(&failure(name, judged))).count();
    let good: Vec<_> = judged.iter().filter(|(_, judged)| judged.verdict == Came::Passed).collect();
    let rows = good.iter().filter(|(name, judged)| !page.add(&passed(name, judged))).count();
    for event in events {
        if let Told::Stopped { error, hint } = &event.told {
            page.add(&format!("\n**The run stopped.**\n\n{}", block(&format!("{error}\n{hint}"))));
        }
    }
    page.room = limit;
    if left_out + rows > 0 {
        let text = "are in the log: there is no room for more here._";
        page.add(&format!("\n_{left_out} more failures and {rows} more that passed {text}\n"));
    }
    page.text
}

struct Page {
    text: String,
    room: usize,
}

impl Page {
    /// Adds all of a text, or nothing.
    fn add(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() <= self.room;
        if fits {
            self.text.push_str(text);
        }
        fits
    }
}

fn heading(judged: &[(&str, &Judged)]) -> String {
    let count = |came: Came| judged.iter().filter(|(_, judged)| judged.verdict == came).count();
    let all = [Came::Passed, Came::Failed, Came::Flaky, Came::Unsupported, Came::Skipped, Came::Broken];
    let counts = all.into_iter().map(|came| (count(came), came)).filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, came)| format!("{count} {came}")).collect();
    format!("## greenproof: {}\n", if counts.is_empty() { "nothing ran".to_owned() } else { counts.join(", ") })
}

fn passed(name: &str, judged: &Judged) -> String {
    format!("\n- ✅ {} in {}\n", inline(name), seconds(judged.milliseconds))
}

/// How much of a text a failure shows, in characters.
const SHOWN: usize = 2000;

fn failure(name: &str, judged: &Judged) -> String {
    let mark = match judged.verdict {
        Came::Skipped | Came::Unsupported => "⚪",
        Came::Flaky => "⚠️",
        _ => "❌",
    };
    let mut text = format!("\n### {mark} {}: {}\n", inline(name), judged.verdict);
    if !judged.why.is_empty() {
        _ = write!(text, "\n{}", block(&judged.why));
    }
    for finding in &judged.findings {
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!(", stated in {}", inline(&format!("{file}:{line}"))),
            _ => String::new(),
        };
        let told = block(&format!("expected: {}\nseen:     {}", finding.expected, finding.seen));
        _ = write!(text, "\n**{}**{place}\n\n{told}", finding.kind);
    }
    if let Some(evidence) = &judged.evidence {
        _ = write!(text, "\nevidence: {}\n", inline(evidence));
    }
    if let Some(again) = &judged.again {
        _ = write!(text, "\nagain:\n\n{}", block(again));
    }
    text
}

/// A text between fences that it does not hold itself.
fn block(text: &str) -> String {
    let text: String = if text.chars().count() > SHOWN {
        text.chars().take(SHOWN).chain(['…']).collect()
    } else {
        text.trim_end().to_owned()
    };
    let fence = fence(&text, 3);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// A text as code in a line.
fn inline(text: &str) -> String {
    let fence = fence(text, 1);
    format!("{fence} {} {fence}", text.replace(['\n', '\r'], " "))
}

/// More backticks than follow one another in a text, and no fewer than so many.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

#[cfg(test)]
mod tests;
