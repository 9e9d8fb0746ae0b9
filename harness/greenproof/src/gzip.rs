//! Files that may be packed, as a device packs its logs.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, Read};

/// What a reader gives, unpacked if it is gzip; and whether it was.
///
/// # Errors
/// When its beginning can't be read.
pub(crate) fn unpacked<'a>(mut reader: impl BufRead + 'a) -> io::Result<(Box<dyn Read + 'a>, bool)> {
    let packed = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok((if packed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) }, packed))
}
