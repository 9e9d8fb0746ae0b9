//! All texts that are looked for, as one automaton, and what each is looked for.

use super::{frame::Kind, marks::Marks};
use crate::failure::{Library, Of, Sign};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::Regex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

/// A text, by its place in the vocabulary.
pub(super) type Text = usize;

/// How much of a text the automaton knows: the more, the larger it is, and the slower.
const BEGINNING: usize = 8;

/// What is looked for.
pub(super) struct Vocabulary {
    /// Finds where texts begin.
    automaton: AhoCorasick,
    /// By the automaton's patterns, the texts that begin so.
    beginnings: Vec<Vec<Text>>,
    /// By text, what it is a part of.
    uses: Vec<Vec<Use>>,
    texts: Vec<String>,
    pub(super) signs: Vec<Watched>,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary")
            .field("texts", &self.texts.len())
            .field("signs", &self.signs.len())
            .finish_non_exhaustive()
    }
}

/// What a text is to a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The line that contains it may be the sign.
    Line(usize),
    /// It shows that the sign was overcome.
    Until(usize),
    /// It stands beside signs.
    Beside,
}

/// A sign that is looked for.
pub(super) struct Watched {
    pub(super) meaning: Meaning,
    /// What its line matches; compiled when it is first asked for.
    matches: Option<(String, OnceLock<Regex>)>,
    pub(super) near: Vec<Text>,
    pub(super) with: Vec<Text>,
    pub(super) unless: Vec<Text>,
    pub(super) sure: f64,
    of: Of,
    /// A text of it, for a reader.
    pub(super) says: String,
}

/// What a sign means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It shows a failure, by its place in the library.
    Failure(usize),
    /// Something failed, whatever it was.
    Trouble,
    /// A program complained: it may have gone on.
    Complaint,
    /// What looks like a complaint and is none.
    Noise,
    /// A program went on.
    Success,
    /// The deployment succeeded.
    Succeeded,
    /// The deployment failed.
    Failed,
    /// The line's component runs or has finished.
    Up,
    /// The line's component has failed.
    Down,
}

impl Vocabulary {
    pub(super) fn of(library: &Library) -> Self {
        let mut building = Building::default();
        for (meaning, sign) in Marks::load().meanings() {
            building.add(meaning, &sign);
        }
        for (index, failure) in library.failures().iter().enumerate() {
            for sign in &failure.signs {
                building.add(Meaning::Failure(index), sign);
            }
        }
        building.place(&[super::reading::LIST.to_owned()], Use::Beside);
        let Building { texts, uses, signs, .. } = building;
        let mut begin: BTreeMap<&[u8], Vec<Text>> = BTreeMap::new();
        for (text, content) in texts.iter().enumerate() {
            begin.entry(&content.as_bytes()[..content.len().min(BEGINNING)]).or_default().push(text);
        }
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(begin.keys());
        let automaton = automaton.expect("some thousand short texts are within its limits");
        let beginnings = begin.into_values().collect();
        Self { automaton, beginnings, uses, texts, signs }
    }

    /// Every text in these bytes, with where it begins, line by line.
    pub(super) fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (Text, usize)> + 'a {
        self.automaton.find_overlapping_iter(bytes).flat_map(move |found| {
            let rest = &bytes[found.start()..];
            let texts = self.beginnings[found.pattern().as_usize()].iter().copied();
            texts.filter(|text| rest.starts_with(self.texts[*text].as_bytes())).map(move |text| (text, found.start()))
        })
    }

    pub(super) fn uses(&self, text: Text) -> &[Use] {
        &self.uses[text]
    }

    pub(super) fn text(&self, text: Text) -> &str {
        &self.texts[text]
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The length of its longest text.
    pub(super) fn longest(&self) -> usize {
        self.texts.iter().map(String::len).max().unwrap_or_default()
    }
}

impl Watched {
    /// Whether a line that has its text is it.
    pub(super) fn is(&self, line: &[u8]) -> bool {
        let Some((pattern, compiled)) = &self.matches else { return true };
        let compile = || Regex::new(pattern).expect("a library's patterns are checked");
        compiled.get_or_init(compile).is_match(line)
    }

    /// Whether it may stand in a file of this kind.
    pub(super) fn is_of(&self, kind: Kind) -> bool {
        matches!((self.of, kind), (Of::Log, Kind::Log) | (Of::Config, Kind::Config) | (Of::Policy, Kind::Policy))
    }
}

/// A vocabulary that grows.
#[derive(Default)]
struct Building {
    places: HashMap<String, Text>,
    texts: Vec<String>,
    uses: Vec<Vec<Use>>,
    signs: Vec<Watched>,
}

impl Building {
    fn add(&mut self, meaning: Meaning, sign: &Sign) {
        let index = self.signs.len();
        self.place(&sign.has, Use::Line(index));
        self.place(&sign.until, Use::Until(index));
        let near = self.place(&sign.near, Use::Beside);
        let with = self.place(&sign.with, Use::Beside);
        let unless = self.place(&sign.unless, Use::Beside);
        let matches = sign.matches.clone().map(|pattern| (pattern, OnceLock::new()));
        let says = sign.has[0].clone();
        self.signs.push(Watched { meaning, matches, near, with, unless, sure: sign.sure, of: sign.of, says });
    }

    fn place(&mut self, texts: &[String], used: Use) -> Vec<Text> {
        let place = |text: &String| {
            let next = self.texts.len();
            let place = *self.places.entry(text.clone()).or_insert(next);
            if place == next {
                self.texts.push(text.clone());
                self.uses.push(Vec::new());
            }
            if !self.uses[place].contains(&used) {
                self.uses[place].push(used);
            }
            place
        };
        texts.iter().map(place).collect()
    }
}
