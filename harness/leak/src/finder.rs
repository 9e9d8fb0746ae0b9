//! What is searched.

use crate::{
    anchors::{Anchors, FIRST},
    canary::{Canary, TELLING},
    excerpt,
    form::{Form, Forms},
    stream::{Hit, Stream},
};
use std::fmt;

/// How many bytes two secrets begin with alike when that is no chance.
const ALIKE: usize = 4;

/// Knows canaries in all their forms.
pub struct Finder {
    canaries: Vec<Canary>,
    unsearched: Vec<usize>,
    forms: Vec<Form>,
    anchors: Anchors,
}

/// Says nothing of the secrets.
impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.canaries.iter().map(|canary| &canary.name)).finish()
    }
}

impl Finder {
    /// A finder of these secrets. Of two with the same text the first gives the name.
    #[must_use]
    pub fn new(canaries: Vec<Canary>) -> Self {
        let (mut forms, mut unsearched) = (Forms::default(), Vec::new());
        let alike = alike(&canaries);
        for (index, canary) in canaries.iter().enumerate() {
            let again = canaries[..index].iter().any(|other| other.text == canary.text);
            if !again && !forms.add(index, &canary.text, canary.public(alike[index])) {
                unsearched.push(index);
            }
        }
        let Forms { forms, mut anchors } = forms;
        anchors.retain(|anchor| anchor.bytes.len() >= FIRST);
        Self { canaries, unsearched, forms, anchors: Anchors::new(anchors) }
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

    pub(crate) const fn anchors(&self) -> &Anchors {
        &self.anchors
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
