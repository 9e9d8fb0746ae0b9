use super::*;
use std::{io::Write, os::unix::fs::symlink};
use zip::{ZipWriter, write::SimpleFileOptions};

const ROOM: u64 = u64::MAX;

/// A folder with an archive `p.zip` of these entries, and the folder `p` that it is unpacked into.
struct Case(tempfile::TempDir);

impl Case {
    fn new(entries: &[(&str, &[u8])]) -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        case.pack(entries);
        case
    }

    fn pack(&self, entries: &[(&str, &[u8])]) {
        let mut archive = ZipWriter::new(fs::File::create(self.path("p.zip")).unwrap());
        for (name, content) in entries {
            let options = SimpleFileOptions::default().unix_permissions(0o4777);
            if name.ends_with('/') {
                archive.add_directory(*name, options).unwrap();
            } else {
                archive.start_file(*name, options).unwrap();
                archive.write_all(content).unwrap();
            }
        }
        archive.finish().unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn unzip(&self) -> Result<(), String> {
        unzip(&self.path("p.zip"), &self.path("p"), ROOM).map_err(|error| error.to_string())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("p").join(name)).unwrap()
    }
}

#[test]
fn modes_of_the_archive_are_dropped() {
    fidelity::fidelity!("core-artifact-4");
    let case = Case::new(&[("sub/", b""), ("sub/main.py", b"print()"), ("/abs/x", b"1"), ("a/../b", b"2")]);
    case.unzip().unwrap();
    set_modes(&case.path("p"), 0o440).unwrap();
    let mode = |name: &str| fs::metadata(case.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("p/sub/main.py"), mode("p/sub"), mode("p")), (0o440, 0o755, 0o755));
    assert_eq!((case.read("abs/x"), case.read("b")), ("1".into(), "2".into()));
}

#[test]
fn a_file_of_the_same_size_stays() {
    fidelity::fidelity!("core-artifact-4");
    let case = Case::new(&[("a", b"one"), ("b", b"one")]);
    case.unzip().unwrap();
    case.pack(&[("a", b"two"), ("b", b"three")]);
    case.unzip().unwrap();
    assert_eq!((case.read("a"), case.read("b")), ("one".into(), "three".into()));
}

#[test]
fn what_leaves_the_folder_ends_it_and_the_folder_goes() {
    fidelity::fidelity!("core-artifact-4");
    for name in ["../out.py", "a/../../out.py", "/../out.py", "..", ".", "a/.."] {
        let case = Case::new(&[("good", b"1"), (name, b"2")]);
        assert_eq!(case.unzip().unwrap_err(), format!("Entry is outside of the target dir: {name}"), "{name}");
        assert!(!case.path("out.py").exists());
        assert!(!case.path("p").exists(), "{name}");
    }
}

#[test]
fn links_that_a_component_planted_are_not_followed() {
    fidelity::fidelity!("core-artifact-4");
    for (link, entry) in [("p/sub", "sub/x"), ("p/x", "x")] {
        let case = Case::new(&[(entry, b"evil")]);
        fs::create_dir_all(case.path("p")).unwrap();
        fs::create_dir_all(case.path("away")).unwrap();
        fs::write(case.path("away/x"), "good one").unwrap();
        symlink(case.path(if link == "p/x" { "away/x" } else { "away" }), case.path(link)).unwrap();
        set_modes(&case.path("p"), 0o400).unwrap();
        assert_ne!(fs::metadata(case.path("away/x")).unwrap().permissions().mode() & 0o777, 0o400);
        assert!(case.unzip().unwrap_err().starts_with("Entry is outside"), "{link}");
        assert_eq!(fs::read_to_string(case.path("away/x")).unwrap(), "good one");
    }
    // One that leads nowhere would make a file there.
    let case = Case::new(&[("x", b"evil")]);
    fs::create_dir_all(case.path("p")).unwrap();
    symlink(case.path("new"), case.path("p/x")).unwrap();
    assert!(case.unzip().is_err());
    assert!(!case.path("new").exists());
}

#[test]
fn a_link_in_an_archive_is_a_file_with_its_target() {
    fidelity::fidelity!("core-artifact-4");
    let case = Case::new(&[]);
    let mut archive = ZipWriter::new(fs::File::create(case.path("p.zip")).unwrap());
    archive.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    archive.finish().unwrap();
    case.unzip().unwrap();
    assert!(fs::symlink_metadata(case.path("p/link")).unwrap().is_file());
    assert_eq!(case.read("link"), "/etc/passwd");
}

#[test]
fn a_bomb_is_refused_before_a_byte_is_written() {
    fidelity::fidelity!("core-artifact-7");
    assert_eq!(allowance(1000, u64::MAX), 256 * 1024 * 1024);
    assert_eq!(allowance(10 * 1024 * 1024, u64::MAX), 1000 * 1024 * 1024);
    assert_eq!(allowance(1000, 5), 5);
    let case = Case::new(&[("zeros", &vec![0; 100_000])]);
    let error = unzip(&case.path("p.zip"), &case.path("p"), 99_999).unwrap_err();
    assert_eq!(error.to_string(), "the archive unpacks to 100000 bytes, and at most 99999 are allowed here");
    assert!(!case.path("p").exists());
}

#[test]
fn what_is_no_archive_is_an_error() {
    let case = Case::new(&[]);
    fs::write(case.path("p.zip"), "no zip").unwrap();
    assert!(case.unzip().is_err());
}

#[test]
fn folders_are_named_without_the_last_extension() {
    fidelity::fidelity!("core-artifact-4");
    for (file, folder) in [("a.zip", "a"), ("a.tar.zip", "a.tar"), ("a", "a"), (".zip", ".zip"), (".a.zip", ".a.zip")] {
        assert_eq!(folder_name(file), folder);
    }
}

#[test]
fn names_are_utf_8_whatever_the_entry_says_of_them() {
    fidelity::fidelity!("core-artifact-4");
    // macOS writes UTF-8 and does not say so; Windows writes the code page of its user.
    let named = |name: &[u8]| {
        let case = Case::new(&[("a-nine-by", b"one")]);
        let packed = fs::read(case.path("p.zip")).unwrap();
        let (mut renamed, mut rest) = (Vec::new(), &packed[..]);
        while let Some(at) = rest.windows(9).position(|part| part == b"a-nine-by") {
            renamed.extend_from_slice(&rest[..at]);
            renamed.extend_from_slice(name);
            rest = &rest[at + 9..];
        }
        renamed.extend_from_slice(rest);
        fs::write(case.path("p.zip"), renamed).unwrap();
        case
    };
    let mac = named("データ".as_bytes());
    mac.unzip().unwrap();
    assert_eq!(mac.read("データ"), "one");
    let windows = named(b"\x83f\x81[\x83^.py");
    assert!(windows.unzip().unwrap_err().contains("MALFORMED"));
    assert!(!windows.path("p").exists());
}
