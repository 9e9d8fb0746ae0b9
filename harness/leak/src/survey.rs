//! A survey of files: a tar of a disk, a folder, a disk's image, a log, processes. Gathers what is found, once for each
//! secret and place, and says at the end who can read it.

mod disk;
mod folder;

use crate::{
    counted::Counted,
    found::{Found, Place},
    open::{Limits, Told, open},
    readers::{Access, Names},
    search::Search,
    stream::Hit,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead},
};

/// How many places are told at most.
const PLACES: usize = 10_000;
/// How many files that were not opened are named for each reason.
const EXAMPLES: usize = 3;

/// What a survey came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// Each secret at each place once.
    pub found: Vec<Found>,
    /// What was not searched, or not all of it: reason, number of files, some of them.
    pub unopened: Vec<(String, u64, Vec<String>)>,
    /// Which of the files in which something was found came with a package of the system.
    pub packaged: BTreeSet<String>,
    /// How many files were searched.
    pub files: u64,
    /// How many bytes were read.
    pub bytes: u64,
}

struct Raw {
    hit: Hit,
    place: Place,
    access: Option<Access>,
}

/// A survey that goes on.
pub struct Survey<'a> {
    search: &'a dyn Search,
    limits: Limits,
    names: Names,
    folders: BTreeMap<String, Access>,
    /// Hashes of the paths that came with packages, as there are many.
    packaged: HashSet<u64>,
    raw: BTreeMap<(usize, String), Raw>,
    unopened: BTreeMap<String, (u64, Vec<String>)>,
    files: u64,
    bytes: u64,
}

impl std::fmt::Debug for Survey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Survey({} files, {} found)", self.files, self.raw.len())
    }
}

impl<'a> Survey<'a> {
    /// Begins; archives are opened within the limits.
    #[must_use]
    pub fn new(search: &'a dyn Search, limits: Limits) -> Self {
        Self {
            search,
            limits,
            names: Names::default(),
            folders: BTreeMap::new(),
            packaged: HashSet::new(),
            raw: BTreeMap::new(),
            unopened: BTreeMap::new(),
            files: 0,
            bytes: 0,
        }
    }

    /// Takes the names of users and groups from the texts of `/etc/passwd` and `/etc/group`.
    pub fn know(&mut self, passwd: &str, group: &str) {
        self.names = Names::read(passwd, group);
    }

    /// Searches a file that stands alone, such as a log, and opens it if it is an archive.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn file(&mut self, path: &str, access: Option<Access>, reader: &mut dyn BufRead) -> io::Result<()> {
        let place = |line, inside: &[String]| Place::File { path: path.to_owned(), inside: inside.to_vec(), line };
        self.searched(path, access, reader, &|hit, inside| place(hit.line, inside))
    }

    /// Searches a log that is no file, and opens it if it is packed.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn log(&mut self, of: &str, reader: &mut dyn BufRead) -> io::Result<()> {
        let place = |hit: &Hit, inside: &[String]| match inside {
            [] => Place::Log { of: of.to_owned(), line: hit.line },
            _ => Place::File { path: of.to_owned(), inside: inside.to_vec(), line: hit.line },
        };
        self.searched(of, None, reader, &place)
    }

    /// Notes a file that can't be searched, and why.
    pub fn unsearched(&mut self, path: &str, why: String) {
        unopened(&mut self.unopened, why, path.to_owned());
    }

    /// Searches bytes without files, such as a disk's image; nothing is opened in it.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn image(&mut self, name: &str, reader: &mut dyn BufRead) -> io::Result<()> {
        let (mut search, mut hits) = (self.search.begin(), Vec::new());
        self.files += 1;
        let place = |hit: &Hit| Place::Bytes { of: name.to_owned(), offset: hit.offset };
        loop {
            let piece = reader.fill_buf()?;
            let length = piece.len();
            if length == 0 {
                break;
            }
            search.feed(piece, &mut hits);
            reader.consume(length);
            self.bytes += length as u64;
            hits.drain(..).for_each(|hit| keep(&mut self.raw, place(&hit), hit, None));
        }
        search.finish(&mut hits);
        hits.drain(..).for_each(|hit| keep(&mut self.raw, place(&hit), hit, None));
        Ok(())
    }

    /// Searches a text that stands somewhere else than in a file, such as a process's arguments, which this access guards.
    /// A [`Place::Name`] without a path gets what may be shown of it.
    pub fn text(&mut self, place: &Place, text: &[u8], access: Option<Access>) {
        for hit in self.search.all(text) {
            let place = match place {
                Place::Name { path } if path.is_empty() => Place::Name { path: hit.excerpt.clone() },
                other => other.clone(),
            };
            keep(&mut self.raw, place, hit, access);
        }
    }

    /// What was found, with who can read it, and what was not opened.
    #[must_use]
    pub fn finish(self) -> Surveyed {
        let found: Vec<_> = self.raw.values().map(|raw| self.found(raw)).collect();
        let paths = found.iter().filter_map(|found| match &found.place {
            Place::File { path, .. } => Some(path.clone()),
            _ => None,
        });
        let packaged = paths.filter(|path| self.packaged.contains(&hashed(path.as_bytes()))).collect();
        let unopened = self.unopened.into_iter().map(|(why, (count, some))| (why, count, some)).collect();
        Surveyed { found, unopened, packaged, files: self.files, bytes: self.bytes }
    }

    fn found(&self, raw: &Raw) -> Found {
        let path = match &raw.place {
            Place::File { path, .. } | Place::Name { path } => path.as_str(),
            _ => "",
        };
        let secret = self.search.name(raw.hit.canary).to_owned();
        let mut found = Found::new(secret, raw.hit.clone(), raw.place.clone());
        if let Some(access) = raw.access {
            found.guard(access, access.readers(&self.above(path), &self.names), &self.names);
        }
        found
    }

    /// Notes what came with a package: Debian's list of its files.
    fn package(&mut self, list: &[u8]) {
        self.packaged.extend(list.split(|byte| *byte == b'\n').map(hashed));
    }

    /// The folders above a file, as far as they are known.
    fn above(&self, path: &str) -> Vec<Access> {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at.max(1)]);
        folders.filter_map(|folder| self.folders.get(folder).copied()).collect()
    }

    fn searched(
        &mut self,
        path: &str,
        access: Option<Access>,
        reader: &mut dyn BufRead,
        place: &dyn Fn(&Hit, &[String]) -> Place,
    ) -> io::Result<()> {
        let Self { search, limits, raw, unopened: closed, bytes, .. } = self;
        let mut counted = Counted { reader, bytes };
        let mut told = |told: Told<'_>| match told {
            Told::Hit(hit, inside) => keep(raw, place(&hit, inside), hit, access),
            Told::Name(hit, inside) => keep(raw, Place::Name { path: joined(path, inside) }, hit, access),
            Told::Unopened(why, inside) => unopened(closed, why, joined(path, inside)),
        };
        self.files += 1;
        open(*search, &mut counted, *limits, &mut told)
    }
}

fn hashed(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// Whether a path is that of Debian's list of a package's files.
fn is_list(path: &str) -> bool {
    path.starts_with("/var/lib/dpkg/info/") && path.rsplit_once('.').is_some_and(|(_, kind)| kind == "list")
}

fn joined(path: &str, inside: &[String]) -> String {
    inside.iter().fold(path.to_owned(), |path, name| path + ", in it " + name)
}

fn unopened(closed: &mut BTreeMap<String, (u64, Vec<String>)>, why: String, path: String) {
    let (count, some) = closed.entry(why).or_default();
    *count += 1;
    if some.len() < EXAMPLES {
        some.push(path);
    }
}

/// The first at a place is kept, unless a later one is whole and it is not.
fn keep(raw: &mut BTreeMap<(usize, String), Raw>, place: Place, hit: Hit, access: Option<Access>) {
    let (key, room) = ((hit.canary, place.spot()), raw.len() < PLACES);
    match raw.get_mut(&key) {
        Some(kept) if kept.hit.whole || !hit.whole => {}
        Some(kept) => (kept.hit, kept.place) = (hit, place),
        None if room => {
            raw.insert(key, Raw { hit, place, access });
        }
        None => {}
    }
}

#[cfg(test)]
mod tests;
