//! Searches a file's content and what is packed in it.

use super::wanted::{Match, Wanted};
use crate::{Finder, Hit, Limits, Search, Searching, Told, counted::Counted, open};
use std::{
    io::{self, BufReader, Read},
    sync::Arc,
};

/// What was found in a file: each with the names within archives that lead to it.
pub(crate) type Matches = Vec<(Match, Vec<String>)>;

/// How far archives are opened while files live.
const LIMITS: Limits = Limits { depth: 4, unpacked: 1 << 30 };

/// Searches what a reader gives; also says how many bytes that were.
///
/// # Errors
/// When it can't be read.
pub(crate) fn search(wanted: &Wanted, reader: &mut dyn Read) -> io::Result<(Matches, u64)> {
    let (given, learned) = wanted.finders();
    let both = Both { given, learned };
    let (mut matches, mut bytes) = (Vec::new(), 0);
    let mut counted = Counted { reader: &mut BufReader::with_capacity(64 * 1024, reader), bytes: &mut bytes };
    open(&both, &mut counted, LIMITS, &mut |told| match told {
        Told::Hit(hit, inside) | Told::Name(hit, inside) => {
            matches.push((Match { secret: both.name(hit.canary).to_owned(), hit }, inside.to_vec()));
        }
        Told::Unopened(..) => {}
    })?;
    Ok((matches, bytes))
}

/// What was given and what was learned, numbered one after the other.
struct Both<'a> {
    given: &'a Finder,
    learned: Arc<Finder>,
}

impl Search for Both<'_> {
    fn name(&self, secret: usize) -> &str {
        let given = self.given.canaries();
        given.get(secret).map_or_else(|| self.learned.name(secret - given.len()), |canary| &canary.name)
    }

    fn begin(&self) -> Box<dyn Searching + '_> {
        let learned = (!self.learned.canaries().is_empty()).then(|| self.learned.begin());
        Box::new(Twice { given: self.given.begin(), learned, count: self.given.canaries().len() })
    }
}

struct Twice<'a> {
    given: Box<dyn Searching + 'a>,
    learned: Option<Box<dyn Searching + 'a>>,
    /// How many there are of what was given.
    count: usize,
}

impl Searching for Twice<'_> {
    fn feed(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) {
        self.given.feed(bytes, hits);
        if let Some(learned) = &mut self.learned {
            let before = hits.len();
            learned.feed(bytes, hits);
            renumber(&mut hits[before..], self.count);
        }
    }

    fn finish(self: Box<Self>, hits: &mut Vec<Hit>) {
        self.given.finish(hits);
        if let Some(learned) = self.learned {
            let before = hits.len();
            learned.finish(hits);
            renumber(&mut hits[before..], self.count);
        }
    }
}

fn renumber(hits: &mut [Hit], by: usize) {
    for hit in hits {
        hit.canary += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Canary, Kind};
    use std::io::Write;

    #[test]
    fn what_was_given_and_what_was_learned_is_found_in_an_archive() {
        let wanted = Wanted::new(vec![Canary::new("token `a`", "ghp_0123456789abcdefghij", Kind::Lasting)]);
        wanted.learn(b"SVCUID=4XQZT7LAM0PE9YHB\0");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"4XQZT7LAM0PE9YHB and ghp_0123456789abcdefghij").unwrap();
        let packed = packed.finish().unwrap();
        let (matches, bytes) = search(&wanted, &mut packed.as_slice()).unwrap();
        let mut names: Vec<_> = matches.iter().map(|(found, _)| found.secret.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, [super::super::LEARNED, "token `a`"]);
        assert_eq!(bytes, packed.len() as u64);
    }
}
