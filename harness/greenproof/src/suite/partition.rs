//! A part of a selection, for a machine of several: after the convention of cargo-nextest.

use sha2::{Digest, Sha256};
use std::{fmt, num::NonZeroUsize, str::FromStr};

/// Which part of how many, and by what scenarios are told apart. The parts of one kind and number are disjoint, and together
/// they are everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    by: By,
    /// Which, from 1.
    part: usize,
    of: NonZeroUsize,
}

/// By what scenarios are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Its place in the selection, going round; the parts are as equal as can be.
    Slice,
    /// The same: `count` of nextest begins anew with each test binary, and here there is one selection.
    Count,
    /// Its name: it stays in its part whatever comes or goes beside it.
    Hash,
}

impl By {
    const ALL: [(&'static str, Self); 3] = [("slice", Self::Slice), ("count", Self::Count), ("hash", Self::Hash)];

    const fn word(self) -> &'static str {
        match self {
            Self::Slice => "slice",
            Self::Count => "count",
            Self::Hash => "hash",
        }
    }
}

impl Partition {
    /// Whether the scenario of this name, in this place from 0 of the whole selection, is in this part.
    #[must_use]
    pub fn has(&self, index: usize, name: &str) -> bool {
        let number = match self.by {
            By::Slice | By::Count => index,
            By::Hash => hashed(name, self.of),
        };
        number % self.of + 1 == self.part
    }
}

/// A number below `of` that depends on the name alone.
fn hashed(name: &str, of: NonZeroUsize) -> usize {
    let digest = Sha256::digest(name.as_bytes());
    let first = digest.first_chunk().expect("a digest is longer than that");
    // The remainder is smaller than a number that is one of this machine.
    usize::try_from(u64::from_be_bytes(*first) % of.get() as u64).unwrap_or_default()
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const HINT: &str = "use slice:K/N, count:K/N or hash:K/N with K from 1 to N, such as slice:1/3";
        let parsed = || {
            let (by, rest) = text.split_once(':')?;
            let (part, of) = rest.split_once('/')?;
            let (_, by) = By::ALL.into_iter().find(|(word, _)| *word == by)?;
            let (part, of): (usize, NonZeroUsize) = (part.parse().ok()?, of.parse().ok()?);
            (1..=of.get()).contains(&part).then_some(Self { by, part, of })
        };
        parsed().ok_or_else(|| HINT.to_owned())
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.by.word(), self.part, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Partition {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_disjoint_and_together_everything() {
        fidelity::fidelity!("partition-1");
        let names: Vec<_> = (0..40).map(|number| format!("scenario-{number}")).collect();
        for of in (1..=12).chain([39, 40, 41]) {
            for by in ["slice", "count", "hash"] {
                let parts: Vec<_> = (1..=of).map(|number| part(&format!("{by}:{number}/{of}"))).collect();
                for (index, name) in names.iter().enumerate() {
                    let has = parts.iter().filter(|part| part.has(index, name)).count();
                    assert_eq!(has, 1, "{name} of {by}:?/{of}");
                }
                let sizes = parts.iter().map(|part| (0..40).filter(|index| part.has(*index, &names[*index])).count());
                let (least, most) = sizes.fold((40, 0), |(least, most), size| (least.min(size), most.max(size)));
                assert!(by == "hash" || most - least <= 1, "{by}:?/{of} has {least} to {most}");
            }
        }
    }

    #[test]
    fn slices_go_round() {
        let mine: Vec<_> = (0..7).filter(|index| part("slice:2/3").has(*index, "x")).collect();
        assert_eq!(mine, [1, 4]);
    }

    /// These are kept: a change of the hash would move scenarios between the machines of everybody.
    #[test]
    fn a_name_stays_in_its_part() {
        fidelity::fidelity!("partition-2");
        let of = |name: &str| (1..=7).find(|number| part(&format!("hash:{number}/7")).has(0, name)).unwrap();
        for index in [0, 1, 50] {
            assert!(part(&format!("hash:{}/7", of("inline"))).has(index, "inline"), "its place is no matter");
        }
        assert_eq!(["inline", "private-package", "F14-secret-not-permitted", "a", "b"].map(of), [1, 6, 3, 5, 1]);
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in
            ["slice:0/3", "slice:4/3", "slice:1/0", "slice:1", "1/3", "sliced:1/3", "slice:-1/3", "hash:a/b", ""]
        {
            let error = text.parse::<Partition>().unwrap_err();
            assert!(error.starts_with("use slice:K/N"), "{text}: {error}");
        }
        assert_eq!(part("hash:3/3").to_string(), "hash:3/3");
    }
}
