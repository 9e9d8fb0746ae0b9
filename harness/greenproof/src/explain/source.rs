//! The bytes of a log in pieces of whole lines, whatever its size: unpacked if it was packed.

use crate::gzip;
use std::io::{self, BufReader, Read};

/// How much is held at a time.
const PIECE: usize = 256 * 1024;

/// Hands out the whole lines of a log, many at a time. What is no end of a line in a piece's length is handed out in parts,
/// of which each begins with the end of the one before, so that no text is torn.
pub(super) fn pieces(reader: impl Read, overlap: usize, mut take: impl FnMut(Piece<'_>)) -> io::Result<()> {
    let (reader, packed) = gzip::unpacked(BufReader::with_capacity(PIECE, reader))?;
    cut(reader, packed, overlap, &mut take)
}

/// Some of a log's bytes.
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether the last line goes on in the next piece.
    pub(super) open: bool,
}

fn cut(mut reader: impl Read, packed: bool, overlap: usize, take: &mut impl FnMut(Piece<'_>)) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut held = 0;
    loop {
        let ended = match fill(&mut reader, &mut buffer, &mut held) {
            Ok(ended) => ended,
            // A packed log that was cut off says what it says until there.
            Err(_) if packed => true,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..held];
        if ended {
            if held > 0 {
                take(Piece { bytes, open: false });
            }
            return Ok(());
        }
        let kept = if let Some(end) = memchr::memrchr(b'\n', bytes) {
            take(Piece { bytes: &bytes[..=end], open: false });
            end + 1..held
        } else {
            take(Piece { bytes, open: true });
            held - overlap.min(held / 2)..held
        };
        held = kept.len();
        buffer.copy_within(kept, 0);
    }
}

/// Fills the buffer; whether the log ended.
fn fill(reader: &mut impl Read, buffer: &mut [u8], held: &mut usize) -> io::Result<bool> {
    while *held < buffer.len() {
        match reader.read(&mut buffer[*held..]) {
            Ok(0) => return Ok(true),
            Ok(read) => *held += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(usize, bool)> {
        let mut seen = Vec::new();
        pieces(bytes, 10, |piece| seen.push((piece.bytes.len(), piece.open))).unwrap();
        seen
    }

    #[test]
    fn lines_are_whole_and_what_is_no_line_overlaps() {
        assert_eq!(all(b""), []);
        assert_eq!(all(b"one\ntwo"), [(7, false)]);
        let lines = vec![b'x'; 99].into_iter().chain([b'\n']).collect::<Vec<_>>().repeat(4000);
        let whole = PIECE / 100 * 100;
        assert_eq!(all(&lines), [(whole, false), (400_000 - whole, false)]);
        let endless = vec![b'x'; PIECE + 5];
        assert_eq!(all(&endless), [(PIECE, true), (15, false)]);
    }
}
