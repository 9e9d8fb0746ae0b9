//! Secrets in every form at every place, drawn by a seed that the search does not see; and clean inputs, which give no alarm.

use crate::{
    Canary, Finder, Found, Kind, Limits, Patterns, Place, Search, Survey,
    packed::{gzip, zlib},
    plant::{Draw, Form},
};
use std::{
    fs,
    io::{BufReader, Cursor, Read, Write},
    path::Path,
};
use zip::{CompressionMethod, write::SimpleFileOptions};

/// Where a text is put: how, and where it is found again.
type Put = fn(&[u8], &mut Draw) -> (Vec<u8>, &'static str);

const PLACES: [(&str, Put); 10] = [
    ("a file", |text, _| (text.to_vec(), "")),
    ("a log that is packed", |text, _| (gzip(text), "")),
    ("a zip", |text, draw| (zip(text, draw, CompressionMethod::Deflated), ", in it pkg/.git/config")),
    ("a wheel", |text, draw| (zip(text, draw, CompressionMethod::Stored), ", in it pkg/.git/config")),
    ("a tar", |text, draw| (tar("pkg/.git/config", text, draw), ", in it pkg/.git/config")),
    ("a packed tar", |text, draw| (gzip(&tar("pkg/.git/config", text, draw)), ", in it pkg/.git/config")),
    ("a zip in a tar", |text, draw| {
        let inner = zip(text, draw, CompressionMethod::Deflated);
        (tar("dist/p.zip", &inner, draw), ", in it dist/p.zip, in it pkg/.git/config")
    }),
    ("a git object", |text, _| (zlib(&[b"blob 99\0", text].concat()), "")),
    ("a git pack", |text, draw| {
        let other = draw.letters(3000);
        let mut pack = b"PACK\0\0\0\x02\0\0\0\x02".to_vec();
        pack.extend([&[0xb5, 0x01][..], &zlib(other.as_bytes()), &[0x35], &zlib(text), &[7; 20]].concat());
        (pack, ", in it object 2")
    }),
    ("a program", |text, draw| {
        let mut bytes: Vec<u8> = (0..draw.below(200_000)).map(|_| u8::try_from(draw.below(256)).unwrap()).collect();
        bytes.extend([b"\n", text, b"\n\0"].concat());
        (bytes, "")
    }),
];

fn zip(text: &[u8], draw: &mut Draw, method: CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    let filler = draw.letters(5000);
    for (name, bytes) in [("pkg/a.py", filler.as_bytes()), ("pkg/.git/config", text), ("pkg/z", b"z")] {
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tar(name: &str, text: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let filler = draw.letters(5000);
    for (name, bytes) in [("pkg/a.py", filler.as_bytes()), (name, text), ("pkg/z", b"z")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Gives few bytes at a time, as a file that is still written.
struct Slow<'a>(&'a [u8], Draw);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = (1 + self.1.below(5000)).min(into.len()).min(self.0.len());
        into[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn searched(search: &dyn Search, bytes: &[u8], draw: &mut Draw) -> Vec<Found> {
    let mut survey = Survey::new(search, Limits::default());
    let slow = Slow(bytes, Draw::new(draw.below(usize::MAX) as u64));
    survey.file("/tmp/x", None, &mut BufReader::with_capacity(1 + draw.below(9000), slow)).unwrap();
    survey.finish().found
}

/// A token, a fine-grained one, an AWS key, a password, one of a session; among others of the same kind.
fn canaries(draw: &mut Draw) -> Vec<Canary> {
    let mut canaries = Vec::new();
    for number in 0..12 {
        let (short, long) = (draw.letters(36), draw.letters(400));
        let text = match number % 5 {
            0 => format!("ghp_{short}"),
            1 => format!("github_pat_{}", &long[..82]),
            2 => format!("{}/+{}", &short[..20], &short[2..20]),
            3 => format!("pw-{}!", &short[..14]),
            _ => format!("IQoJb3JpZ2luX2Vj{long}"),
        };
        canaries.push(Canary::new(format!("secret {number}"), &text, Kind::Lasting));
    }
    canaries
}

#[test]
fn every_planted_secret_is_found() {
    let mut count = 0;
    for seed in 0..3 {
        let draw = &mut Draw::new(seed);
        let canaries = canaries(draw);
        let finder = Finder::new(canaries.clone());
        for form in Form::ALL {
            for (place, put) in PLACES {
                let canary = &canaries[draw.below(canaries.len())];
                // A public beginning does not count for the twelve characters that tell.
                let hidden =
                    ["IQoJb3JpZ2luX2Vj", "github_pat_"].iter().find(|public| canary.text.starts_with(**public));
                let secret = if form.is_whole() {
                    &canary.text
                } else {
                    hidden.map_or(canary.text.as_str(), |public| &canary.text[public.len()..])
                };
                let words = "some words of a text that has lines\n".repeat(draw.below(3000));
                let text = format!("{words}key = {}\n{}", form.of(secret, draw), &words[words.len() / 2..]);
                let (bytes, inside) = put(text.as_bytes(), draw);
                let found = searched(&finder, &bytes, draw);
                let what = format!("{form:?} of {} in {place}, seed {seed}: {found:?}", canary.name);
                assert_eq!(found.len(), 1, "{what}");
                let found = &found[0];
                assert_eq!(found.secret, canary.name, "{what}");
                assert!(form.is_told_as(found.encoding), "{what}");
                // What follows a beginning may by chance go on as it does.
                let split = found.split == form.is_split() || !form.is_whole();
                assert!(found.whole == form.is_whole() && split, "{what}");
                assert!(found.place.to_string().starts_with(&format!("file /tmp/x{inside}, line ")), "{what}");
                let shown = serde_json::to_string(found).unwrap();
                let pieces = canary.text.as_bytes().windows(12).map(|piece| std::str::from_utf8(piece).unwrap());
                assert!(pieces.skip(16).all(|piece| !shown.contains(piece)), "{what}");
                count += 1;
            }
        }
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn a_secret_of_an_image_is_found_where_it_is() {
    for seed in 0..20 {
        let draw = &mut Draw::new(seed);
        let canaries = canaries(draw);
        let finder = Finder::new(canaries.clone());
        let mut image: Vec<u8> = (0..3_000_000).map(|_| u8::try_from(draw.below(256)).unwrap()).collect();
        let canary = &canaries[draw.below(canaries.len())];
        let at = draw.below(2_900_000);
        image[at..at + canary.text.len()].copy_from_slice(canary.text.as_bytes());
        let mut survey = Survey::new(&finder, Limits::default());
        survey.image("disk", &mut image.as_slice()).unwrap();
        let found = survey.finish().found;
        let [Found { place: Place::Bytes { offset, .. }, secret, .. }] = found.as_slice() else { panic!("{found:?}") };
        let offset = usize::try_from(*offset).unwrap();
        assert!(*secret == canary.name && (at..at + 20).contains(&offset), "{at}: {found:?}");
    }
}

#[test]
fn clean_inputs_give_no_alarm() {
    let draw = &mut Draw::new(99);
    let finder = Finder::new((0..10).flat_map(|_| canaries(draw)).collect());
    let mut count = 0;
    let mut clean = |name: &str, bytes: &[u8]| {
        for search in [&finder as &dyn Search, &Patterns] {
            let mut survey = Survey::new(search, Limits::default());
            survey.file(name, None, &mut &*bytes).unwrap();
            assert_eq!(survey.finish().found, [], "{name}");
        }
        count += 1;
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for folder in ["logs/healthy", "packages/wheels", "components", "components/twins", "policies"] {
        for entry in fs::read_dir(fixtures.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                clean(&path.display().to_string(), &fs::read(&path).unwrap());
            }
        }
    }
    let random: Vec<u8> = (0..24_000_000).map(|_| u8::try_from(draw.below(256)).unwrap()).collect();
    clean("random bytes", &random);
    clean("random letters", draw.letters(8_000_000).as_bytes());
    clean("random hexadecimal digits", hex::encode(&random[..4_000_000]).as_bytes());
    for other in 0..10 {
        let others = canaries(&mut Draw::new(1000 + other));
        let finder_of_others = Finder::new(others.clone());
        let text: String =
            others.iter().map(|canary| Form::Basic.of(&canary.text, draw) + " " + &canary.text + "\n").collect();
        assert!(finder.hits(text.as_bytes()).is_empty(), "secrets of others are none of ours");
        assert!(finder_of_others.hits(text.as_bytes()).len() >= others.len());
    }
    assert!(count >= 50, "{count} inputs");
}

/// Pieces of secrets, of what tools put between them, and of nothing.
fn mixed(canaries: &[Canary], draw: &mut Draw) -> String {
    let mut text = String::new();
    for _ in 0..draw.below(60) {
        let secret = &canaries[draw.below(canaries.len())].text;
        let from = draw.below(secret.len());
        match draw.below(12) {
            0 => text += secret,
            1 => text += &secret[..from],
            2 => text += &secret[from..],
            3 => text += &Form::ALL[draw.below(Form::ALL.len())].of(secret, draw),
            4 => text += "\nNov 23 21:09:15 host a[1]: ",
            5 => text += ". {serviceName=a}\n2026-11-28T10:00:00Z [INFO] (Copier) a.B: stdout. ",
            6 => text += ["\n", "\r\n", "\r", "\\\n  ", "\\n", "%0A"][draw.below(6)],
            7 => text += ["%", "%4", "%25", "%2541", "\\", "\\\\", "n", "r"][draw.below(8)],
            8 => text += &["{\"log\":\"", &secret[..from], "\\n\"}\n"].concat(),
            9 => text += &" ".repeat(draw.below(40)),
            10 => text += &draw.letters(from),
            _ => text += " ",
        }
    }
    text
}

#[test]
fn pieces_of_a_stream_are_one_stream() {
    let draw = &mut Draw::new(5);
    let canaries = canaries(draw);
    let finder = Finder::new(canaries.clone());
    let mut found = 0;
    for _ in 0..2000 {
        let text = mixed(&canaries, draw);
        let told = |hit: &crate::Hit| (hit.offset, hit.canary, hit.end, hit.line, hit.whole);
        let mut whole: Vec<_> = finder.hits(text.as_bytes()).iter().map(told).collect();
        let mut hits = Vec::new();
        let mut stream = finder.stream();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at((1 + draw.below(70)).min(rest.len()));
            stream.feed(piece, &mut |hit| hits.push(told(&hit)));
            rest = more;
        }
        stream.finish(&mut |hit| hits.push(told(&hit)));
        whole.sort_unstable();
        hits.sort_unstable();
        assert_eq!(hits, whole, "{text:?}");
        found += whole.len();
        for hit in finder.hits(text.as_bytes()) {
            assert!(hit.end <= text.len() as u64 && hit.offset < hit.end, "{hit:?} in {text:?}");
        }
    }
    assert!(found > 1000, "{found}");
}

#[test]
fn no_bytes_break_the_opener() {
    let draw = &mut Draw::new(6);
    let finder = Finder::new(canaries(draw));
    for (place, put) in PLACES {
        let (whole, _) = put("some text\n".repeat(300).as_bytes(), draw);
        for _ in 0..300 {
            let mut bytes = whole[..whole.len().min(30_000)].to_vec();
            for _ in 0..=draw.below(6) {
                let at = draw.below(bytes.len().min(2000));
                bytes[at] = u8::try_from(draw.below(256)).unwrap();
            }
            bytes.truncate(bytes.len() - draw.below(bytes.len() / 2));
            let mut survey = Survey::new(&finder, Limits { unpacked: 1 << 20, ..Limits::default() });
            survey.file(place, None, &mut bytes.as_slice()).unwrap();
            // A damaged disk is an error, which is no panic.
            _ = survey.disk(&mut bytes.as_slice());
            assert_eq!(survey.finish().found, [], "{place}");
        }
    }
}
