//! A reader whose bytes are searched as they pass.

use crate::{search::Searching, stream::Hit};
use std::{
    cell::Cell,
    io::{self, BufRead, Read},
};

/// How many bytes may still come out of a file's archives.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    pub(super) unpacked: &'a Cell<u64>,
    pub(super) most: u64,
}

impl<'a> Budget<'a> {
    pub(super) fn is_spent(&self) -> bool {
        self.unpacked.get() >= self.most
    }

    /// The same bytes, as long as there may be more.
    pub(super) fn limit<'r>(self, reader: &'r mut dyn Read) -> Limited<'a, 'r> {
        Limited { reader, budget: self }
    }
}

/// Ends when its budget is spent.
pub(super) struct Limited<'a, 'r> {
    reader: &'r mut dyn Read,
    budget: Budget<'a>,
}

impl Read for Limited<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.budget.is_spent() {
            return Ok(0);
        }
        let read = self.reader.read(into)?;
        self.budget.unpacked.set(self.budget.unpacked.get() + read as u64);
        Ok(read)
    }
}

/// A reader whose bytes are searched as they pass.
pub(super) struct Tee<'s, R> {
    reader: R,
    search: Box<dyn Searching + 's>,
    searches: bool,
    hits: Vec<Hit>,
    /// Why the source itself can't be read.
    failed: Option<io::Error>,
}

impl<'s, R: BufRead> Tee<'s, R> {
    pub(super) fn new(reader: R, search: Box<dyn Searching + 's>) -> Self {
        Self { reader, search, searches: true, hits: Vec::new(), failed: None }
    }

    /// Whether what passes is searched from now on.
    pub(super) const fn searches(&mut self, searches: bool) {
        self.searches = searches;
    }

    /// Lets the next bytes pass; whether there may be more.
    pub(super) fn pass(&mut self, hits: &mut Vec<Hit>) -> io::Result<bool> {
        let bytes = loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let length = bytes.len();
        if self.searches {
            self.search.feed(bytes, hits);
        }
        self.reader.consume(length);
        Ok(length > 0)
    }

    pub(super) fn take_hits(&mut self) -> Vec<Hit> {
        std::mem::take(&mut self.hits)
    }

    pub(super) const fn failed(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }

    pub(super) const fn take_failed(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    pub(super) fn finish(self, hits: &mut Vec<Hit>) {
        self.search.finish(hits);
    }

    /// Notes that the source can't be read, which is another matter than bytes that make no sense.
    fn noted(&mut self, error: io::Error) -> io::Error {
        let again = io::Error::new(error.kind(), error.to_string());
        if error.kind() != io::ErrorKind::Interrupted {
            self.failed = Some(error);
        }
        again
    }
}

impl<R: BufRead> Read for Tee<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = match self.reader.read(into) {
            Ok(length) => length,
            Err(error) => return Err(self.noted(error)),
        };
        if self.searches {
            self.search.feed(&into[..length], &mut self.hits);
            self.hits.truncate(super::KEPT);
        }
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Tee<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Asked twice, as the borrow of a failure would last as long as that of the bytes.
        if let Err(error) = self.reader.fill_buf() {
            return Err(self.noted(error));
        }
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if self.searches
            && amount > 0
            && let Ok(bytes) = self.reader.fill_buf()
        {
            let taken = &bytes[..amount.min(bytes.len())];
            self.search.feed(taken, &mut self.hits);
            self.hits.truncate(super::KEPT);
        }
        self.reader.consume(amount);
    }
}
