//! Places, modes, owners and readers of what is found in a disk's tar, a folder, an image.

use super::*;
use crate::{Canary, Finder, Kind};
use std::{fs, os::unix::fs::PermissionsExt};

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ456789";

fn finder() -> Finder {
    Finder::new(vec![Canary::new("token", TOKEN, Kind::Lasting)])
}

struct Disk(tar::Builder<Vec<u8>>);

impl Disk {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(mut self, path: &str, kind: tar::EntryType, (mode, uid, gid): (u32, u64, u64), content: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(gid);
        if matches!(kind, tar::EntryType::Link | tar::EntryType::Symlink) {
            header.set_size(0);
            self.0.append_link(&mut header, path, content).unwrap();
        } else {
            header.set_size(content.len() as u64);
            self.0.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        self
    }

    fn folder(self, path: &str, access: (u32, u64, u64)) -> Self {
        self.add(path, tar::EntryType::Directory, access, "")
    }

    fn file(self, path: &str, access: (u32, u64, u64), content: &str) -> Self {
        self.add(path, tar::EntryType::Regular, access, content)
    }

    fn surveyed(self) -> Surveyed {
        let (finder, tar) = (finder(), self.0.into_inner().unwrap());
        let mut survey = Survey::new(&finder, Limits::default());
        survey.disk(&mut tar.as_slice()).unwrap();
        survey.finish()
    }
}

fn shown(surveyed: &Surveyed) -> Vec<String> {
    let text = |found: &Found| {
        let (mode, owner) = (found.mode.clone().unwrap_or_default(), found.owner.clone().unwrap_or_default());
        format!("{} {mode} {owner}: {}", found.place, found.readers)
    };
    let mut all: Vec<_> = surveyed.found.iter().map(text).collect();
    all.sort();
    all
}

#[test]
fn a_disk_shows_who_can_read_what() {
    let line = format!("one\nurl = https://x:{TOKEN}@h\n");
    let disk = Disk::new()
        .folder("etc", (0o755, 0, 0))
        .file("etc/passwd", (0o644, 0, 0), "root:x:0:0::/:\nggc_user:x:998:997::/:\n")
        .file("etc/group", (0o644, 0, 0), "ggc_group:x:997:\n")
        .folder("tmp", (0o1777, 0, 0))
        .folder("tmp/pip-req-build-x", (0o755, 998, 997))
        .file("tmp/pip-req-build-x/.git/config", (0o644, 998, 997), &line)
        .folder("tmp/private", (0o700, 998, 997))
        .file("tmp/private/a", (0o644, 998, 997), &line)
        .folder("greengrass", (0o700, 0, 0))
        .file("greengrass/config.tlog", (0o644, 0, 0), &format!("{TOKEN} {TOKEN}\n{TOKEN}"))
        .add("tmp/hard", tar::EntryType::Link, (0o644, 998, 997), "tmp/pip-req-build-x/.git/config")
        .add("tmp/soft", tar::EntryType::Symlink, (0o777, 0, 0), &format!("/x/{TOKEN}"))
        .file(&format!("tmp/{TOKEN}"), (0o600, 0, 0), "x");
    let surveyed = disk.surveyed();
    assert_eq!(
        shown(&surveyed),
        [
            "file /greengrass/config.tlog, line 1 0644 root:root: root",
            "file /tmp/hard, line 2 0644 ggc_user:ggc_group: every local user",
            "file /tmp/pip-req-build-x/.git/config, line 2 0644 ggc_user:ggc_group: every local user",
            "file /tmp/private/a, line 2 0644 ggc_user:ggc_group: every process of ggc_user",
            "name of file /tmp/*** 0600 root:root: root",
            "name of file /tmp/soft, a link 0777 root:root: every local user",
        ]
    );
    assert!(surveyed.found.iter().all(|found| !serde_json::to_string(found).unwrap().contains("0123")));
    assert_eq!(surveyed.files, 6);
}

#[test]
fn what_came_with_a_package_is_told() {
    let disk = Disk::new()
        .file("usr/share/doc/a", (0o644, 0, 0), TOKEN)
        .file("usr/share/doc/b", (0o644, 0, 0), TOKEN)
        .file("var/lib/dpkg/info/a.list", (0o644, 0, 0), "/.\n/usr/share/doc/a\n");
    let surveyed = disk.surveyed();
    assert_eq!(surveyed.packaged.into_iter().collect::<Vec<_>>(), ["/usr/share/doc/a"]);
    assert_eq!(surveyed.found.len(), 2);
}

#[test]
fn a_clean_disk_has_nothing() {
    let disk = Disk::new().folder("tmp", (0o777, 0, 0)).file("tmp/a", (0o644, 0, 0), "https://x:***@h ghp_ -----BEGIN");
    assert_eq!(disk.surveyed().found, []);
}

#[test]
fn a_folder_is_searched_with_the_folders_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("a")).unwrap();
    fs::write(path("a/open"), TOKEN).unwrap();
    fs::write(path("packed.gz"), b"\x1f\x8b\x08 no gzip").unwrap();
    std::os::unix::fs::symlink(path("a/open"), path("link")).unwrap();
    for (mode, others) in [(0o755, true), (0o700, false)] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let finder = finder();
        let mut survey = Survey::new(&finder, Limits::default());
        survey.folder(folder.path()).unwrap();
        let surveyed = survey.finish();
        let found = &surveyed.found[0];
        assert_eq!(surveyed.found.len(), 1, "a link is not followed: {surveyed:?}");
        assert_eq!(
            found.place.to_string(),
            format!("file {}, line 1", path("a/open").canonicalize().unwrap().display())
        );
        assert_eq!(found.readers == "every local user", others, "{found:?}");
        assert!(surveyed.unopened[0].0.contains("gzip is damaged"), "{:?}", surveyed.unopened);
    }
}

#[test]
fn a_mounted_disk_has_its_own_users() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("etc")).unwrap();
    fs::create_dir_all(path("root")).unwrap();
    let id = std::os::unix::fs::MetadataExt::uid(&folder.path().metadata().unwrap());
    fs::write(path("etc/passwd"), format!("somebody:x:{id}:{id}::/:\n")).unwrap();
    fs::write(path("etc/group"), format!("some:x:{id}:\n")).unwrap();
    fs::write(path("root/.netrc"), format!("machine github.com password {TOKEN}")).unwrap();
    let finder = finder();
    let mut survey = Survey::new(&finder, Limits::default());
    survey.folder(folder.path()).unwrap();
    let surveyed = survey.finish();
    assert_eq!(surveyed.found[0].place.to_string(), "file /root/.netrc, line 1");
    assert_eq!(surveyed.found[0].owner.as_deref(), Some("somebody:some"));
}

#[test]
fn an_image_gives_offsets() {
    let mut image = vec![0_u8; 300_000];
    image[200_000..200_000 + TOKEN.len()].copy_from_slice(TOKEN.as_bytes());
    let finder = finder();
    let mut survey = Survey::new(&finder, Limits::default());
    survey.image("disk.img", &mut std::io::BufReader::new(image.as_slice())).unwrap();
    let surveyed = survey.finish();
    assert_eq!(surveyed.found[0].place.to_string(), "disk.img, byte 200004");
    assert_eq!((surveyed.bytes, surveyed.found[0].readers.as_str()), (300_000, ""));
}

#[test]
fn a_path_is_searched_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().canonicalize().unwrap().join(name);
    let tar = Disk::new().file("tmp/a", (0o640, 0, 4), TOKEN).0.into_inner().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &tar).unwrap();
    let mut image = vec![0_u8; 2 << 20];
    image[1 << 20..(1 << 20) + TOKEN.len()].copy_from_slice(TOKEN.as_bytes());
    fs::write(path("disk.tar"), &tar).unwrap();
    fs::write(path("disk.tgz"), packed.finish().unwrap()).unwrap();
    fs::write(path("disk.img"), &image).unwrap();
    fs::write(path("a.log"), format!("one\n{TOKEN}\n")).unwrap();
    for (name, expected) in [
        ("disk.tar", "file /tmp/a, line 1".to_owned()),
        ("disk.tgz", "file /tmp/a, line 1".to_owned()),
        ("disk.img", format!("{}, byte 1048580", path("disk.img").display())),
        ("a.log", format!("file {}, line 2", path("a.log").display())),
    ] {
        let finder = finder();
        let mut survey = Survey::new(&finder, Limits::default());
        survey.path(&path(name)).unwrap();
        let found = survey.finish().found;
        assert_eq!(found.iter().map(|found| found.place.to_string()).collect::<Vec<_>>(), [expected]);
    }
    assert!(Survey::new(&finder(), Limits::default()).path(&path("none")).is_err());
}
