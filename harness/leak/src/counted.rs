//! Counts what is read.

use std::io::{self, BufRead, Read};

/// A reader that counts.
pub(crate) struct Counted<'a> {
    pub(crate) reader: &'a mut dyn BufRead,
    /// How many bytes were read until now.
    pub(crate) bytes: &'a mut u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(into)?;
        *self.bytes += length as u64;
        Ok(length)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        *self.bytes += amount as u64;
        self.reader.consume(amount);
    }
}
