//! How long a disk of 2 GiB takes, as a tar and as an image, and what memory it takes: `just bench-leak`. Fails when one takes
//! 20 s or memory grows with the disk.

use leak::{Canary, Finder, Kind, Limits, Survey, Surveyed};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    fs,
    io::{self, BufReader, Read, Write},
    time::{Duration, Instant},
};

const SIZE: u64 = 2 << 30;
const MOST: Duration = Duration::from_secs(20);
/// How much memory may grow, in KiB.
const GROWTH: u64 = 32 * 1024;
const TOKEN: &str = "ghp_Zq0123456789abcdefghijABCDEFGHIJ4567";

fn main() {
    let finder = Finder::new(canaries());
    let block = block();
    for (what, survey) in [("tar", tar as fn(&Finder, &[u8]) -> Surveyed), ("image", image)] {
        // The first look pays for what is made once.
        let before = memory();
        let began = Instant::now();
        let surveyed = survey(&finder, &block);
        let took = began.elapsed();
        let grown = memory().saturating_sub(before);
        let speed = u128::from(surveyed.bytes) / took.as_micros().max(1);
        tell(&format!(
            "{what}: {} MiB, {} files in {took:.1?}, {speed} MB/s, memory grew by {grown} KiB, {} found",
            surveyed.bytes >> 20,
            surveyed.files,
            surveyed.found.len()
        ));
        assert!(took < MOST, "a {what} of 2 GiB took {took:?}");
        assert!(grown < GROWTH, "memory grew by {grown} KiB");
        assert_eq!(surveyed.found.len(), 1);
    }
}

fn tell(line: &str) {
    writeln!(io::stdout(), "{line}").expect("somebody listens");
}

/// As many as a run has: tokens, keys, and 64 minted sessions.
fn canaries() -> Vec<Canary> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut text = |length: usize| -> String {
        (0..length)
            .map(|_| {
                char::from(b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"[random.random_range(0..59)])
            })
            .collect()
    };
    let mut canaries = vec![Canary::new("token", TOKEN, Kind::Lasting)];
    for number in 0..64 {
        canaries.push(Canary::new(format!("key {number}"), &text(40), Kind::Session));
        let session = format!("IQoJb3JpZ2luX2Vj{}", text(400));
        canaries.push(Canary::new(format!("session {number}"), &session, Kind::Session));
        canaries.push(Canary::new(format!("app {number}"), &format!("ghs_12345_{}", text(500)), Kind::Session));
    }
    canaries
}

/// What disks have: programs, texts, packed files, nothing.
fn block() -> Vec<u8> {
    let mut random = SmallRng::seed_from_u64(2);
    let mut block = Vec::new();
    for part in 0..64 {
        match part % 4 {
            0 => block.extend((0..64 * 1024).map(|_| random.random::<u8>())),
            1 => (0..900).for_each(|line| {
                let line = format!("    line {line} of a text, as documentation has it: {}\n", random.random::<u32>());
                block.extend(line.bytes());
            }),
            2 => block.extend(
                (0..48 * 1024).map(|_| b"abcdefghijklmnopqrstuvwxyzABCDEFGH+/0123"[random.random_range(0..40)]),
            ),
            _ => block.extend([0; 16 * 1024]),
        }
    }
    block
}

fn tar(finder: &Finder, block: &[u8]) -> Surveyed {
    let mut survey = Survey::new(finder, Limits::default());
    survey
        .disk(&mut Tar { block, rest: SIZE, header: Vec::new(), content: 0, at: 0, number: 0 })
        .expect("it can be read");
    survey.finish()
}

fn image(finder: &Finder, block: &[u8]) -> Surveyed {
    let mut survey = Survey::new(finder, Limits::default());
    let secret = format!("GITHUB_TOKEN={TOKEN}\n");
    let image = Endless { block, at: 0 }.take(SIZE - 1024).chain(secret.as_bytes());
    survey.image("disk.img", &mut BufReader::with_capacity(256 * 1024, image)).expect("it can be read");
    survey.finish()
}

/// A block again and again.
struct Endless<'a> {
    block: &'a [u8],
    at: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.block[self.at..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.at = (self.at + length) % self.block.len();
        Ok(length)
    }
}

/// A tar that is made as it is read: small files and some of many MiB.
struct Tar<'a> {
    block: &'a [u8],
    rest: u64,
    header: Vec<u8>,
    content: u64,
    at: usize,
    number: u64,
}

impl Tar<'_> {
    fn next(&mut self) {
        let length = if self.number.is_multiple_of(500) { 16 << 20 } else { 1000 + self.number * 37 % 90_000 };
        let length = length.div_ceil(512) * 512;
        let secret = self.number == 700;
        let mut header = tar::Header::new_gnu();
        header.set_path(format!("usr/lib/part{}/file{}", self.number % 97, self.number)).expect("the name is short");
        header.set_size(length + if secret { 512 } else { 0 });
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        self.header = header.as_bytes().to_vec();
        if secret {
            let mut text = format!("GITHUB_TOKEN={TOKEN}\n").into_bytes();
            text.resize(512, b'.');
            self.header.extend(text);
        }
        self.content = length;
        self.number += 1;
        self.rest = self.rest.saturating_sub(length + 512);
    }
}

impl Read for Tar<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.header.is_empty() && self.content == 0 && self.rest > 0 {
            self.next();
        }
        if !self.header.is_empty() {
            let length = self.header.len().min(into.len());
            into[..length].copy_from_slice(&self.header[..length]);
            self.header.drain(..length);
            return Ok(length);
        }
        let most = usize::try_from(self.content).unwrap_or(usize::MAX);
        let rest = &self.block[self.at..];
        let length = rest.len().min(into.len()).min(most);
        into[..length].copy_from_slice(&rest[..length]);
        self.at = (self.at + length) % self.block.len();
        self.content -= length as u64;
        Ok(length)
    }
}

/// How much memory this process has taken at most, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel says it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
