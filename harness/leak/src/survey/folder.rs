//! A folder of this machine, which may be a disk that is mounted there.

use super::Survey;
use crate::{found::Place, readers::Access};
use std::{
    fs::{self, File, Metadata},
    io::{self, BufReader},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

const PIECE: usize = 64 * 1024;

impl Survey<'_> {
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
            self.file(shown, Some(access), &mut BufReader::with_capacity(PIECE, File::open(path)?))?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(path)?;
            let place = Place::Name { path: format!("{shown}, a link") };
            self.text(&place, target.as_os_str().as_bytes(), Some(access));
        }
        Ok(())
    }
}

fn access(metadata: &Metadata) -> Access {
    Access::new(metadata.mode(), metadata.uid(), metadata.gid())
}
