//! What can search a stream: canaries, patterns, or both.

use crate::{
    finder::Finder,
    stream::{Hit, Stream},
};

/// Knows what is searched, by number.
pub trait Search: Sync {
    /// The name of a secret that a [`Hit`] names by number.
    fn name(&self, secret: usize) -> &str;
    /// Begins to search bytes that come piece by piece.
    fn begin(&self) -> Box<dyn Searching + '_>;

    /// All hits in these bytes.
    fn all(&self, bytes: &[u8]) -> Vec<Hit> {
        let (mut search, mut hits) = (self.begin(), Vec::new());
        search.feed(bytes, &mut hits);
        search.finish(&mut hits);
        hits
    }
}

/// A search through bytes that come piece by piece.
pub trait Searching {
    /// Searches the next bytes.
    fn feed(&mut self, bytes: &[u8], hits: &mut Vec<Hit>);
    /// There are no more bytes.
    fn finish(self: Box<Self>, hits: &mut Vec<Hit>);
}

impl Search for Finder {
    fn name(&self, secret: usize) -> &str {
        &self.canaries()[secret].name
    }

    fn begin(&self) -> Box<dyn Searching + '_> {
        Box::new(self.stream())
    }
}

impl Searching for Stream<'_> {
    fn feed(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) {
        Stream::feed(self, bytes, &mut |hit| hits.push(hit));
    }

    fn finish(self: Box<Self>, hits: &mut Vec<Hit>) {
        Stream::finish(*self, &mut |hit| hits.push(hit));
    }
}
