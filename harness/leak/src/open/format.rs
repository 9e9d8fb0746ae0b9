//! What a file is, by its first bytes.

use std::fmt;

/// How many first bytes tell.
pub(super) const HEAD: usize = 512;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Gzip,
    Zip,
    Tar,
    Zlib,
    Pack,
    /// Packed in a way that is not opened.
    Closed(&'static str),
}

impl Format {
    pub(super) fn of(head: &[u8]) -> Self {
        const CLOSED: [(&[u8], &str); 8] = [
            (b"\xfd7zXZ\0", "xz"),
            (b"BZh", "bzip2"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (b"Rar!\x1a\x07", "rar"),
            (b"\x04\x22\x4d\x18", "lz4"),
            (b"hsqs", "squashfs"),
            (b"\x5d\0\0\x80\0", "lzma"),
        ];
        if head.starts_with(b"\x1f\x8b\x08") {
            return Self::Gzip;
        }
        if head.starts_with(b"PK\x03\x04") {
            return Self::Zip;
        }
        if head.starts_with(b"PACK\0\0\0\x02") {
            return Self::Pack;
        }
        if head.get(257..262) == Some(b"ustar") {
            return Self::Tar;
        }
        if let [0x78, second, ..] = head
            && (0x7800 + u16::from(*second)).is_multiple_of(31)
            && second & 0x20 == 0
        {
            return Self::Zlib;
        }
        let closed = CLOSED.iter().find(|(magic, _)| head.starts_with(magic));
        closed.map_or(Self::Plain, |(_, name)| Self::Closed(name))
    }

    /// Whether there is nothing to open.
    pub(super) const fn is_plain(self) -> bool {
        matches!(self, Self::Plain | Self::Closed(_))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain file",
            Self::Gzip => "gzip",
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Zlib => "zlib",
            Self::Pack => "git pack",
            Self::Closed(name) => name,
        })
    }
}
