//! Zip: entry by entry in the order in which they stand, so that the directory at its end is not needed.

use super::{Opener, Source};
use flate2::bufread::DeflateDecoder;
use std::io::{self, Read};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// What stands before an entry.
struct Header {
    encrypted: bool,
    /// Whether its lengths stand behind it.
    lengths_behind: bool,
    method: u16,
    packed: u64,
    name: String,
}

pub(super) fn search(opener: &mut Opener<'_>, source: &mut Source<'_, '_>, depth: usize) -> io::Result<()> {
    let mut lengths_before = false;
    while !opener.budget.is_spent()
        && let Some(header) = next(source, lengths_before)?
    {
        lengths_before = header.lengths_behind;
        if let Some(why) = closed(&header) {
            let name = opener.named(&header.name);
            opener.unopened(format!("{name} in it is not opened: {why}"));
            if header.is_endless() {
                break;
            }
            io::copy(&mut source.by_ref().take(header.packed), &mut io::sink())?;
        } else if header.method == DEFLATED && header.is_endless() {
            opener.entry(&header.name, &mut DeflateDecoder::new(&mut *source), depth)?;
        } else {
            let mut packed = source.by_ref().take(header.packed);
            let result = if header.method == STORED {
                opener.entry(&header.name, &mut packed, depth)
            } else {
                opener.entry(&header.name, &mut DeflateDecoder::new(&mut packed), depth)
            };
            io::copy(&mut packed, &mut io::sink())?;
            result?;
        }
    }
    Ok(())
}

/// Why an entry can't be opened, if so.
fn closed(header: &Header) -> Option<String> {
    match header.method {
        _ if header.encrypted => Some("it is encrypted".to_owned()),
        STORED if header.is_endless() => Some("its length is not known".to_owned()),
        STORED | DEFLATED => None,
        method => Some(format!("it is packed by method {method}")),
    }
}

impl Header {
    /// Whether only its content shows where it ends.
    const fn is_endless(&self) -> bool {
        self.lengths_behind && self.packed == 0
    }
}

/// The next entry's header; nothing where the directory begins. The lengths of the entry before may stand in between.
fn next(source: &mut impl Read, lengths_before: bool) -> io::Result<Option<Header>> {
    let mut head = [0; 30];
    if lengths_before {
        // Checksum and two lengths, with a mark before them or not.
        source.read_exact(&mut head[..12])?;
        if head[..4] == *b"PK\x07\x08" {
            source.read_exact(&mut head[..4])?;
        }
    }
    source.read_exact(&mut head[..4])?;
    if lengths_before && head[..2] != *b"PK" {
        // The lengths were of 8 bytes each.
        source.read_exact(&mut head[..4])?;
        source.read_exact(&mut head[..4])?;
    }
    if head[..4] != *b"PK\x03\x04" {
        return Ok(None);
    }
    source.read_exact(&mut head[4..])?;
    let word = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let long = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut name = vec![0; usize::from(word(26))];
    let mut extra = vec![0; usize::from(word(28))];
    source.read_exact(&mut name)?;
    source.read_exact(&mut extra)?;
    let flags = word(6);
    let packed = if long(18) == u32::MAX { packed_64(&extra).unwrap_or(u64::MAX) } else { long(18).into() };
    Ok(Some(Header {
        encrypted: flags & 1 != 0,
        lengths_behind: flags & 8 != 0,
        method: word(8),
        packed,
        name: String::from_utf8_lossy(&name).into_owned(),
    }))
}

/// The packed length of an entry of 4 GiB and more, from its extra fields.
fn packed_64(extra: &[u8]) -> Option<u64> {
    let mut rest = extra;
    while let [id, high, length, length_high, fields @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*length, *length_high]));
        let field = fields.get(..length)?;
        if [*id, *high] == [1, 0] {
            return Some(u64::from_le_bytes(field.get(8..16)?.try_into().ok()?));
        }
        rest = &fields[length..];
    }
    None
}
