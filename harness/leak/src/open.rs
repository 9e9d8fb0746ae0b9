//! Searches a file, and opens what is an archive: zip and wheel, gzip, tar, zlib as in git's objects, git's packs; one in
//! another, too. Memory does not grow with the file: everything is read once, from its beginning.

mod format;
mod pack;
mod tar;
mod tee;
mod zip;

use crate::{search::Search, stream::Hit};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use format::{Format, HEAD};
use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Chain, Cursor, Read},
};
use tee::{Budget, Tee};

/// How many bytes are read at once.
const PIECE: usize = 64 * 1024;
/// How many hits of an archive are kept until what is in it has been searched.
const KEPT: usize = 1000;

/// How far archives are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many archives may stand in one another.
    pub depth: usize,
    /// How many bytes may come out of one file's archives.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 5, unpacked: 4 << 30 }
    }
}

/// What is told of a file.
#[derive(Debug)]
pub enum Told<'a> {
    /// A secret, and the names from the outermost archive inwards to where it stands.
    Hit(Hit, &'a [String]),
    /// A secret in the name of what stands there.
    Name(Hit, &'a [String]),
    /// What stands there was not opened, or not all of it, for this reason.
    Unopened(String, &'a [String]),
}

/// Searches what a reader gives, and what is packed in it.
///
/// # Errors
/// When it can't be read. A damaged archive is told, not an error.
pub fn open(
    search: &dyn Search,
    reader: &mut dyn BufRead,
    limits: Limits,
    told: &mut dyn FnMut(Told<'_>),
) -> io::Result<()> {
    let unpacked = Cell::new(0);
    let budget = Budget { unpacked: &unpacked, most: limits.unpacked };
    Opener { search, limits, budget, told, inside: Vec::new(), known: Vec::new() }.level(reader, 0)
}

/// What is read of one level: its first bytes again, then the rest.
type Source<'s, 'r> = Tee<'s, Chain<Cursor<Vec<u8>>, &'r mut dyn BufRead>>;

struct Opener<'a> {
    search: &'a dyn Search,
    limits: Limits,
    budget: Budget<'a>,
    told: &'a mut dyn FnMut(Told<'_>),
    inside: Vec<String>,
    /// The secrets that were found so far.
    known: Vec<usize>,
}

impl Opener<'_> {
    fn level(&mut self, reader: &mut dyn BufRead, depth: usize) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD);
        reader.take(HEAD as u64).read_to_end(&mut head)?;
        let format = Format::of(&head);
        if let Format::Closed(name) = format {
            self.unopened(format!("{name} is not opened"));
        }
        let mut source = Tee::new(Cursor::new(head).chain(reader), self.search.begin());
        if format.is_plain() {
            return self.plain(source);
        }
        if depth >= self.limits.depth {
            self.unopened(format!("{format} is not opened: it stands in {depth} others"));
            return self.plain(source);
        }
        let known = self.known.len();
        let result = match format {
            Format::Tar => tar::search(self, &mut source, depth),
            Format::Zip => zip::search(self, &mut source, depth),
            Format::Pack => pack::search(self, &mut source, depth),
            Format::Gzip => self.unpacked(&mut MultiGzDecoder::new(&mut source), depth),
            _ => self.unpacked(&mut ZlibDecoder::new(&mut source), depth),
        };
        // Two bytes may look like zlib by chance.
        if let Err(error) = result
            && !(format == Format::Zlib && source.failed().is_none())
        {
            self.unopened(format!("{format} is damaged: {error}"));
        }
        let failed = source.take_failed();
        self.rest(source, known)?;
        failed.map_or(Ok(()), Err)
    }

    /// What comes out of a packed file; its budget may end it.
    fn unpacked(&mut self, reader: &mut dyn Read, depth: usize) -> io::Result<()> {
        let budget = self.budget;
        let mut limited = BufReader::with_capacity(PIECE, budget.limit(reader));
        let result = self.level(&mut limited, depth + 1);
        if budget.is_spent() {
            self.unopened(format!("more than {} bytes come out of it: the rest is not searched", budget.most));
        }
        result
    }

    /// Something that has a name in an archive.
    fn entry(&mut self, name: &str, reader: &mut dyn Read, depth: usize) -> io::Result<()> {
        let shown = self.named(name);
        self.inside.push(shown);
        let result = self.unpacked(reader, depth);
        self.inside.pop();
        result
    }

    /// Searches a name; what may be shown of it.
    fn named(&mut self, name: &str) -> String {
        let Some(hit) = self.search.all(name.as_bytes()).into_iter().next() else { return name.to_owned() };
        let shown = hit.excerpt.clone();
        self.inside.push(shown.clone());
        (self.told)(Told::Name(hit, &self.inside));
        self.inside.pop();
        shown
    }

    fn plain(&mut self, mut source: Source<'_, '_>) -> io::Result<()> {
        let mut hits = Vec::new();
        let result = loop {
            match source.pass(&mut hits) {
                Ok(true) => self.hits(&mut hits),
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        source.finish(&mut hits);
        self.hits(&mut hits);
        result
    }

    /// The rest of an archive, and what its own bytes have that was not found in what came out of it.
    fn rest(&mut self, mut source: Source<'_, '_>, known: usize) -> io::Result<()> {
        let mut hits = source.take_hits();
        source.searches(true);
        while source.pass(&mut hits)? {
            hits.truncate(KEPT);
        }
        source.finish(&mut hits);
        let inside: Vec<usize> = self.known[known..].to_vec();
        hits.retain(|hit| !inside.contains(&hit.canary));
        self.hits(&mut hits);
        Ok(())
    }

    fn hits(&mut self, hits: &mut Vec<Hit>) {
        for hit in hits.drain(..) {
            if self.known.len() < KEPT {
                self.known.push(hit.canary);
            }
            (self.told)(Told::Hit(hit, &self.inside));
        }
    }

    fn unopened(&mut self, why: String) {
        (self.told)(Told::Unopened(why, &self.inside));
    }
}

#[cfg(test)]
mod tests;
