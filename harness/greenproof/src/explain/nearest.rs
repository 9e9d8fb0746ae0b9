//! Which failure of the library an unknown one is nearest to.

use super::{
    Line, Nearest,
    reading::Reading,
    vocabulary::{Meaning, Vocabulary, Watched},
};
use crate::failure::Library;
use std::collections::BTreeSet;

/// How much of a sign's words a log must have to be near it at all.
const NEAR: f64 = 0.3;

/// What is nearest: a failure of which a part of a sign is there, or else the one whose words are most in the lines that
/// tell of the trouble.
pub(super) fn nearest(
    library: &Library,
    vocabulary: &Vocabulary,
    reading: &Reading<'_>,
    seen: &[bool],
    trouble: &[Line],
) -> Option<Nearest> {
    let near = |failure: usize, missing: String| Nearest { id: library.failures()[failure].id.clone(), missing };
    for (watched, _) in reading.standing() {
        if let (Meaning::Failure(failure), Some(text)) =
            (watched.meaning, watched.with.iter().find(|text| !seen[**text]))
        {
            return Some(near(failure, format!("a line with `{}`", vocabulary.text(*text))));
        }
    }
    for (watched, line) in reading.missed() {
        if let Meaning::Failure(failure) = watched.meaning {
            return Some(near(failure, lacks(vocabulary, watched, &reading.told(line.number))));
        }
    }
    let words = trouble.iter().flat_map(|line| words(&line.text)).collect::<BTreeSet<_>>();
    let share = |text: &str| {
        let own: BTreeSet<_> = self::words(text).collect();
        #[expect(clippy::cast_precision_loss, reason = "a sign has few words")]
        let share = own.intersection(&words).count() as f64 / own.len().max(2) as f64;
        share
    };
    let signs = library.failures().iter().enumerate().flat_map(|(index, failure)| {
        failure.signs.iter().flat_map(move |sign| sign.has.iter().map(move |text| (index, text)))
    });
    let best = signs.map(|(failure, text)| (share(text), failure, text)).filter(|(share, ..)| *share >= NEAR);
    let best = best.max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.cmp(&one.1)))?;
    Some(near(best.1, format!("a line with `{}`", best.2)))
}

fn lacks(vocabulary: &Vocabulary, watched: &Watched, line: &str) -> String {
    let texts: Vec<_> = watched.near.iter().map(|text| format!("`{}`", vocabulary.text(*text))).collect();
    if texts.is_empty() {
        format!("{line} would show it, but what stands near it speaks of something else")
    } else {
        format!("near {line}, a line with {}", texts.join(" or "))
    }
}

/// The words of a text that say something.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    const EMPTY: [&str; 14] = [
        "the",
        "and",
        "for",
        "from",
        "with",
        "not",
        "was",
        "error",
        "failed",
        "exception",
        "line",
        "file",
        "com",
        "could",
    ];
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.len() > 2 && !word.chars().all(|letter| letter.is_ascii_digit()))
        .map(str::to_lowercase)
        .filter(|word| !EMPTY.contains(&word.as_str()))
}
