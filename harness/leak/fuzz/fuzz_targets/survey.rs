//! Any bytes as a file, which may be an archive, as a disk's tar, and as a text that a secret may stand in.
#![no_main]

use leak::{Canary, Finder, Kind, Limits, Patterns, Survey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let finder = Finder::new(vec![
        Canary::new("token", "ghp_0123456789abcdefghijABCDEFGHIJ456789", Kind::Lasting),
        Canary::new("password", "Pa%ss/wo+rd&77\"x\\y~Zq=k", Kind::Lasting),
    ]);
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    let mut survey = Survey::new(&finder, limits);
    survey.file("file", None, &mut &*bytes).expect("bytes can be read");
    _ = survey.disk(&mut &*bytes);
    for found in survey.finish().found {
        assert!(!found.excerpt.contains("0123456789ab"), "an excerpt shows a secret");
    }
    for hit in finder.hits(bytes) {
        assert!(hit.offset < hit.end && hit.end <= bytes.len() as u64, "a hit is in the bytes");
    }
    _ = Patterns.hits(bytes);
});
