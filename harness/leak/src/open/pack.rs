//! Git's packs: object by object. Of one that is stored as a difference, the difference is searched.

use super::{Opener, Source};
use flate2::bufread::ZlibDecoder;
use std::io::{self, Read};

pub(super) fn search(opener: &mut Opener<'_>, source: &mut Source<'_, '_>, depth: usize) -> io::Result<()> {
    let mut head = [0; 12];
    source.read_exact(&mut head)?;
    let count = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    for number in 1..=count {
        match kind(source)? {
            1..=4 => {}
            6 => while byte(source)? & 0x80 != 0 {},
            7 => source.read_exact(&mut [0; 20])?,
            other => return Err(io::Error::other(format!("it has an object of kind {other}"))),
        }
        opener.entry(&format!("object {number}"), &mut ZlibDecoder::new(&mut *source), depth)?;
        if opener.budget.is_spent() {
            break;
        }
    }
    Ok(())
}

/// The kind of the next object; its length does not matter, as its end shows.
fn kind(source: &mut impl Read) -> io::Result<u8> {
    let first = byte(source)?;
    let mut more = first;
    while more & 0x80 != 0 {
        more = byte(source)?;
    }
    Ok(first >> 4 & 7)
}

fn byte(source: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    source.read_exact(&mut byte)?;
    Ok(byte[0])
}
