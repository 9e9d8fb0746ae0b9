//! A file or folder of this machine, which may be a disk that is mounted there.

use super::Survey;
use crate::{found::Place, readers::Access};
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::{self, File, Metadata},
    io::{self, BufReader, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

/// How many bytes are read at once.
const PIECE: usize = 64 * 1024;
/// How many first bytes tell what a file is.
const HEAD: u64 = 4096;
/// How long a disk's image is at least.
const IMAGE: u64 = 1 << 20;

impl Survey<'_> {
    /// Searches what stands at a path: a folder, a tar of a disk, gzipped or not, an image of one, or any other file.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn path(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return self.folder(path);
        }
        let open = || Ok::<_, io::Error>(BufReader::with_capacity(PIECE, File::open(path)?));
        let metadata = path.metadata()?;
        let head = head(&mut open()?)?;
        if is_tar(&head) {
            return self.disk(&mut open()?);
        }
        if head.starts_with(b"\x1f\x8b") && is_tar(&self::head(&mut MultiGzDecoder::new(open()?)).unwrap_or_default()) {
            return self.disk(&mut BufReader::with_capacity(PIECE, MultiGzDecoder::new(open()?)));
        }
        let shown = path.display().to_string();
        let long = metadata.len() >= IMAGE && head.contains(&0) && !is_packed(&head);
        if long || metadata.file_type().is_block_device() {
            return self.image(&shown, &mut open()?);
        }
        let whole = path.canonicalize()?;
        self.of_this_machine();
        for above in whole.ancestors().skip(1) {
            self.folders.insert(above.display().to_string(), access(&above.metadata()?));
        }
        self.file(&whole.display().to_string(), Some(access(&metadata)), &mut open()?)
    }

    fn of_this_machine(&mut self) {
        let list = |name: &str| fs::read_to_string(name).unwrap_or_default();
        self.know(&list("/etc/passwd"), &list("/etc/group"));
    }

    /// Searches all files below a folder. Links are not followed, and what the kernel makes up (`/proc`, `/sys`, `/dev`) is
    /// left out. A folder with `etc/passwd` is a disk of its own, whose users are taken from there.
    ///
    /// # Errors
    /// When the folder can't be read; a file in it that can't is noted.
    pub fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let root = folder.canonicalize()?;
        let disk = root.join("etc/passwd").is_file() && root.join("etc/group").is_file();
        let base = if disk { root.as_path() } else { Path::new("/") };
        let list = |name: &str| fs::read_to_string(base.join(name)).unwrap_or_default();
        self.know(&list("etc/passwd"), &list("etc/group"));
        // On a disk that is mounted, only its own folders count.
        let shown = |path: &Path| match path.strip_prefix(base) {
            Ok(rest) => Path::new("/").join(rest).display().to_string(),
            Err(_) => path.display().to_string(),
        };
        for above in root.ancestors().take_while(|above| above.starts_with(base)) {
            self.folders.insert(shown(above), access(&above.metadata()?));
        }
        let mut waiting = vec![root.clone()];
        fs::read_dir(&root)?;
        while let Some(folder) = waiting.pop() {
            let mut inside: Vec<PathBuf> = match fs::read_dir(&folder) {
                Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
                Err(error) => {
                    self.unsearched(&shown(&folder), format!("can't be read: {error}"));
                    continue;
                }
            };
            inside.sort();
            for path in inside {
                if let Err(error) = self.entry(&path, &shown(&path), &mut waiting) {
                    self.unsearched(&shown(&path), format!("can't be read: {error}"));
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, shown: &str, waiting: &mut Vec<PathBuf>) -> io::Result<()> {
        let metadata = path.symlink_metadata()?;
        let access = access(&metadata);
        let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        self.text(&Place::Name { path: String::new() }, name, Some(access));
        if metadata.is_dir() {
            self.folders.insert(shown.to_owned(), access);
            if !["/proc", "/sys", "/dev"].iter().any(|made_up| path == Path::new(made_up)) {
                waiting.push(path.to_owned());
            }
        } else if metadata.is_file() {
            if super::is_list(shown) {
                self.package(&fs::read(path)?);
            }
            self.file(shown, Some(access), &mut BufReader::with_capacity(PIECE, File::open(path)?))?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(path)?;
            let place = Place::Name { path: format!("{shown}, a link") };
            self.text(&place, target.as_os_str().as_bytes(), Some(access));
        }
        Ok(())
    }
}

/// The first bytes, which tell what it is.
fn head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Whether it is an archive that is opened, or packed in another way.
fn is_packed(head: &[u8]) -> bool {
    [&b"\x1f\x8b"[..], b"PK\x03\x04", b"PACK"].iter().any(|magic| head.starts_with(magic))
}

fn access(metadata: &Metadata) -> Access {
    Access::new(metadata.mode(), metadata.uid(), metadata.gid())
}
