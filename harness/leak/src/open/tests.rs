//! Archives of every kind, in one another, damaged and cut.

use super::*;
use crate::{
    Canary, Finder, Kind,
    packed::{gzip, zlib},
};
use ::zip::{CompressionMethod, write::SimpleFileOptions};
use std::io::Write;

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ456789";

fn finder() -> Finder {
    Finder::new(vec![Canary::new("token", TOKEN, Kind::Lasting)])
}

/// What is told of a file, as text.
fn told(bytes: &[u8], limits: Limits) -> Vec<String> {
    let mut all = Vec::new();
    let mut tell = |told: Told<'_>| {
        all.push(match told {
            Told::Hit(hit, inside) => format!("{} line {}", inside.join(" > "), hit.line),
            Told::Name(_, inside) => format!("{} name", inside.join(" > ")),
            Told::Unopened(why, inside) => format!("{} unopened: {why}", inside.join(" > ")),
        });
    };
    open(&finder(), &mut &*bytes, limits, &mut tell).unwrap();
    all
}

fn zip(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// As one who can't go back writes it: lengths behind the entries.
fn zip_streamed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ::zip::ZipWriter::new_stream(Vec::new());
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ::tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn pack(objects: &[&[u8]]) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend(u32::try_from(objects.len()).unwrap().to_be_bytes());
    for (index, object) in objects.iter().enumerate() {
        match index % 3 {
            0 => pack.extend([0xb5, 0x01]),
            1 => pack.extend([0x65, 0x81, 0x01]),
            _ => pack.extend([&[0x75][..], &[7; 20]].concat()),
        }
        pack.extend(zlib(object));
    }
    pack.extend([9; 20]);
    pack
}

fn config() -> Vec<u8> {
    format!("[remote \"origin\"]\n\turl = https://x:{TOKEN}@github.com/o/r\n").into_bytes()
}

#[test]
fn every_archive_is_opened() {
    let config = config();
    let filler = vec![b'x'; 100_000];
    let entries: [(&str, &[u8]); 3] = [("a/filler", &filler), ("p/.git/config", &config), ("z", b"end")];
    for (archive, expected) in [
        (config.clone(), " line 2"),
        (gzip(&config), " line 2"),
        ([gzip(b"one\n"), gzip(&config)].concat(), " line 3"),
        (zlib(&config), " line 2"),
        (zip(&entries, CompressionMethod::Deflated), "p/.git/config line 2"),
        (zip(&entries, CompressionMethod::Stored), "p/.git/config line 2"),
        (zip_streamed(&entries), "p/.git/config line 2"),
        (tar(&entries), "p/.git/config line 2"),
        (pack(&[b"one", &config, &filler]), "object 2 line 2"),
        (pack(&[b"one", &filler, &config]), "object 3 line 2"),
        (gzip(&tar(&entries)), "p/.git/config line 2"),
        (
            tar(&[("w.whl", &zip(&[("inner.tgz", &gzip(&tar(&entries)))], CompressionMethod::Stored))]),
            "w.whl > inner.tgz > p/.git/config line 2",
        ),
    ] {
        assert_eq!(told(&archive, Limits::default()), [expected]);
    }
}

#[test]
fn what_surrounds_the_entries_is_searched() {
    let mut commented = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    commented.start_file("a", SimpleFileOptions::default()).unwrap();
    commented.set_comment(TOKEN).unwrap();
    let commented = commented.finish().unwrap().into_inner();
    assert_eq!(told(&commented, Limits::default()).len(), 1);
    assert_eq!(told(&[gzip(b"x"), TOKEN.as_bytes().to_vec()].concat(), Limits::default()).last().unwrap(), " line 1");
    assert_eq!(told(&[tar(&[("a", b"x")]), TOKEN.as_bytes().to_vec()].concat(), Limits::default()), [" line 1"]);
}

#[test]
fn names_are_searched_and_not_shown() {
    let name = format!("dist/x:{TOKEN}@h/y");
    for archive in [tar(&[(&name, b"x")]), zip(&[(&name, b"x")], CompressionMethod::Stored)] {
        let told = told(&archive, Limits::default());
        assert!(told.iter().any(|text| text.ends_with("dist/x:***@h/y name")), "{told:?}");
        assert!(told.iter().all(|text| !text.contains("0123")), "{told:?}");
    }
}

#[test]
fn what_is_not_opened_is_told() {
    let deep = gzip(&gzip(&gzip(&config())));
    let limits = Limits { depth: 2, ..Limits::default() };
    assert_eq!(told(&deep, limits), [" unopened: gzip is not opened: it stands in 2 others"]);
    let much = gzip(&vec![b'x'; 10_000_000]);
    let limits = Limits { unpacked: 1_000_000, ..Limits::default() };
    assert_eq!(told(&much, limits), [" unopened: more than 1000000 bytes come out of it: the rest is not searched"]);
    let whole = gzip(&vec![b'x'; 10_000]);
    let damaged = told(&whole[..whole.len() / 2], Limits::default());
    assert!(damaged[0].starts_with(" unopened: gzip is damaged: "), "{damaged:?}");
    assert_eq!(told(b"\xfd7zXZ\0 more", Limits::default()), [" unopened: xz is not opened"]);
    let mut encrypted = zip(&[("a", b"abc")], CompressionMethod::Stored);
    encrypted[6] |= 1;
    assert_eq!(told(&encrypted, Limits::default()), [" unopened: a in it is not opened: it is encrypted"]);
}

#[test]
fn a_damaged_archive_is_searched_as_it_is() {
    let stored = zip(&[("a", &config()), ("b", b"more")], CompressionMethod::Stored);
    for cut in 0..stored.len() {
        let told = told(&stored[..cut], Limits::default());
        let there = memchr::memmem::find(&stored[..cut], TOKEN.as_bytes()).is_some();
        assert!(!there || told.iter().any(|text| text.contains("line")), "cut at {cut}: {told:?}");
    }
    // By chance the beginning of zlib, but none.
    let text = [&b"x\x9c"[..], &config()].concat();
    assert_eq!(told(&text, Limits::default()), [" line 2"]);
}

#[test]
fn a_source_that_fails_is_an_error() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let whole = gzip(&vec![b'x'; 1_000_000]);
            let end = whole.len() - 10;
            if self.0 >= end {
                return Err(io::Error::other("gone"));
            }
            let length = into.len().min(end - self.0).min(100);
            into[..length].copy_from_slice(&whole[self.0..self.0 + length]);
            self.0 += length;
            Ok(length)
        }
    }
    let error = open(&finder(), &mut BufReader::new(Failing(0)), Limits::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "gone");
}
