//! What is searched, and the one automaton that searches it.

use crate::{
    canary::{Canary, TELLING},
    excerpt,
    form::{Anchor, Form, Forms},
    stream::{Hit, Stream},
};
use aho_corasick::{
    Anchored, MatchKind,
    automaton::{Automaton, StateID},
    dfa::DFA,
};
use std::fmt;

/// How many bytes two secrets begin with alike when that is no chance.
const ALIKE: usize = 4;

/// Knows canaries in all their forms.
pub struct Finder {
    canaries: Vec<Canary>,
    unsearched: Vec<usize>,
    forms: Vec<Form>,
    anchors: Vec<Anchor>,
    automaton: DFA,
}

/// Says nothing of the secrets.
impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.canaries.iter().map(|canary| &canary.name)).finish()
    }
}

impl Finder {
    /// A finder of these secrets. Of two with the same text the first gives the name.
    ///
    /// # Panics
    /// When the secrets are so many that their forms take more than 2 GiB.
    #[must_use]
    pub fn new(canaries: Vec<Canary>) -> Self {
        let (mut forms, mut unsearched) = (Forms::default(), Vec::new());
        let alike = alike(&canaries);
        for (index, canary) in canaries.iter().enumerate() {
            let again = canaries[..index].iter().any(|other| other.text == canary.text);
            if !again && !forms.add(index, &canary.text, canary.public().max(alike[index])) {
                unsearched.push(index);
            }
        }
        let Forms { forms, anchors } = forms;
        // INVARIANT: the order of the anchors is that of the automaton's patterns.
        let automaton = DFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(anchors.iter().map(|anchor| &anchor.bytes))
            .expect("the forms fit into an automaton");
        Self { canaries, unsearched, forms, anchors, automaton }
    }

    /// What is searched, in the order of [`Hit::canary`].
    #[must_use]
    pub fn canaries(&self) -> &[Canary] {
        &self.canaries
    }

    /// The canaries that are too short to be searched.
    pub fn unsearched(&self) -> impl Iterator<Item = &Canary> {
        self.unsearched.iter().map(|index| &self.canaries[*index])
    }

    /// Begins to search bytes that come piece by piece.
    #[must_use]
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// All hits in these bytes.
    #[must_use]
    pub fn hits(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut stream = self.stream();
        stream.feed(bytes, &mut |hit| hits.push(hit));
        stream.finish(&mut |hit| hits.push(hit));
        hits
    }

    /// The text with `***` for each hit in it, whatever its encoding.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        excerpt::masked(self, text.as_bytes())
    }

    pub(crate) fn forms(&self) -> &[Form] {
        &self.forms
    }

    pub(crate) fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    pub(crate) const fn automaton(&self) -> &DFA {
        &self.automaton
    }

    pub(crate) fn start(&self) -> StateID {
        self.automaton.start_state(Anchored::No).expect("it is built to search anywhere")
    }
}

/// For each canary how many bytes it begins with as another does: what many begin with tells nothing.
fn alike(canaries: &[Canary]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..canaries.len()).collect();
    order.sort_by(|one, other| canaries[*one].text.cmp(&canaries[*other].text));
    order.dedup_by(|one, other| canaries[*one].text == canaries[*other].text);
    let mut alike = vec![0; canaries.len()];
    for pair in order.windows(2) {
        let [one, other] = [pair[0], pair[1]].map(|index| canaries[index].text.as_bytes());
        let common = one.iter().zip(other).take_while(|(one, other)| one == other).count();
        for index in pair {
            let telling = common >= ALIKE && common + TELLING <= canaries[*index].text.len();
            alike[*index] = alike[*index].max(if telling { common } else { 0 });
        }
    }
    alike
}

#[cfg(test)]
mod tests;
