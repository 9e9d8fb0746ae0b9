//! Looks for all forms of all secrets in one pass over a text.
//!
//! An automaton knows how each form begins; where one does, the rest is compared. So it stays small however many secrets
//! there are and however long they are.

use aho_corasick::AhoCorasick;
use std::{collections::BTreeSet, ops::Range};

/// How many bytes of a form the automaton knows.
const BEGINNING: usize = 16;

/// The forms of some secrets.
#[derive(Clone, Debug)]
pub(super) struct Search {
    beginnings: AhoCorasick,
    /// The index of the secret and the whole form, by the automaton's number.
    forms: Vec<(usize, String)>,
}

impl Search {
    /// The forms of each secret.
    pub(super) fn of<'a>(secrets: impl Iterator<Item = &'a [String]>) -> Self {
        let forms: Vec<_> = secrets
            .enumerate()
            .flat_map(|(index, forms)| {
                forms.iter().filter(|form| !form.is_empty()).map(move |form| (index, form.clone()))
            })
            .collect();
        let beginnings = forms.iter().map(|(_, form)| &form.as_bytes()[..form.len().min(BEGINNING)]);
        let beginnings = AhoCorasick::new(beginnings).expect("so few bytes fit into an automaton");
        Self { beginnings, forms }
    }

    /// The secrets that stand in a text, by their index.
    pub(super) fn found(&self, text: &str) -> BTreeSet<usize> {
        self.all(text).map(|(index, _)| index).collect()
    }

    /// Where secrets stand in a text, in order; what overlaps is one.
    pub(super) fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let mut all: Vec<_> = self.all(text).map(|(_, span)| span).collect();
        all.sort_by_key(|span| span.start);
        let mut spans: Vec<Range<usize>> = Vec::with_capacity(all.len());
        for span in all {
            match spans.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => spans.push(span),
            }
        }
        spans
    }

    fn all<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (usize, Range<usize>)> + 'a {
        self.beginnings.find_overlapping_iter(text).filter_map(move |beginning| {
            let (index, form) = &self.forms[beginning.pattern().as_usize()];
            let start = beginning.start();
            text.as_bytes()[start..].starts_with(form.as_bytes()).then(|| (*index, start..start + form.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(secrets: &[&[&str]]) -> Search {
        let secrets: Vec<Vec<String>> =
            secrets.iter().map(|forms| forms.iter().map(|&form| form.to_owned()).collect()).collect();
        Search::of(secrets.iter().map(Vec::as_slice))
    }

    #[test]
    fn what_only_begins_as_a_secret_is_none() {
        let long = "0123456789abcdefghij";
        let search = search(&[&[long], &["0123456789abcdefXXXX"]]);
        assert_eq!(search.spans(&format!("x{long}y")).as_slice(), std::slice::from_ref(&(1..21)));
        assert_eq!(search.found("0123456789abcdefXXXX"), BTreeSet::from([1]));
        assert!(search.spans("0123456789abcdefghi").is_empty());
    }

    #[test]
    fn what_overlaps_is_one_and_what_touches_is_not() {
        let search = search(&[&["abcd", "cdef"], &["ghi", ""]]);
        assert_eq!(search.spans("abcdef").as_slice(), std::slice::from_ref(&(0..6)));
        assert_eq!(search.spans("abcdghi"), [0..4, 4..7]);
        assert!(search.spans("").is_empty());
    }
}
