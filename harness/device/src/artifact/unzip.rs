//! Unpacking of an artifact as the nucleus does it: without the archive's modes and links, and never outside its folder.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use zip::ZipArchive;

/// How many times its own size an archive may unpack to.
const RATIO: u64 = 100;
/// How much any archive may unpack to.
const ALWAYS: u64 = 256 * 1024 * 1024;

/// Why an archive couldn't be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The real nucleus would fill the disk.
    #[error("the archive unpacks to {unpacked} bytes, and at most {allowed} are allowed here")]
    Bomb { unpacked: u64, allowed: u64 },
}

/// Name of the folder that an archive is unpacked into.
pub(super) fn folder_name(file: &str) -> &str {
    match file.rfind('.') {
        Some(dot) if file.find('.') > Some(0) => &file[..dot],
        _ => file,
    }
}

/// Unpacks into `target`; a file that is there with the right size stays. A failure removes the whole folder.
///
/// # Errors
/// If the archive can't be read, leaves its folder, or is larger than `room` or what its own size allows.
pub(super) fn unzip(archive: &Path, target: &Path, room: u64) -> Result<(), Trouble> {
    let result = unpack(archive, target, room);
    if result.is_err() {
        _ = fs::remove_dir_all(target);
    }
    result
}

fn unpack(archive: &Path, target: &Path, room: u64) -> Result<(), Trouble> {
    let file = fs::File::open(archive)?;
    let allowed = allowance(file.metadata()?.len(), room);
    let mut archive = ZipArchive::new(file).map_err(io::Error::other)?;
    let mut unpacked: u64 = 0;
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(io::Error::other)?;
        unpacked = unpacked.saturating_add(entry.size());
        names.push(name(entry.name_raw())?);
    }
    if unpacked > allowed {
        return Err(Trouble::Bomb { unpacked, allowed });
    }
    fs::create_dir_all(target)?;
    let target = fs::canonicalize(target)?;
    for (index, name) in names.iter().enumerate() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let path = inside(&target, name)?;
        if name.ends_with('/') {
            fs::create_dir_all(&path)?;
            continue;
        }
        path.parent().map(fs::create_dir_all).transpose()?;
        let size = entry.size();
        if fs::metadata(&path).is_ok_and(|known| known.len() == size) {
            continue;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        // What the directory of the archive says was checked; more than that is a lie.
        if io::copy(&mut entry.by_ref().take(size), &mut file)? < size || entry.read(&mut [0])? > 0 {
            return Err(io::Error::other(format!("invalid entry size of {name}")).into());
        }
    }
    Ok(())
}

/// An entry's name. Java reads UTF-8, whatever the entry says of its encoding, and refuses all else.
fn name(raw: &[u8]) -> io::Result<String> {
    let malformed = |_| io::Error::other("MALFORMED: an entry's name is no UTF-8");
    std::str::from_utf8(raw).map(str::to_owned).map_err(malformed)
}

/// How much an archive of this size may unpack to.
fn allowance(size: u64, room: u64) -> u64 {
    ALWAYS.max(size.saturating_mul(RATIO)).min(room)
}

/// The place of an entry, links resolved.
fn inside(target: &Path, name: &str) -> io::Result<PathBuf> {
    let outside = || io::Error::other(format!("Entry is outside of the target dir: {name}"));
    if name.contains('\0') {
        return Err(io::Error::other("Invalid file path"));
    }
    let mut steps = Vec::new();
    for step in name.split('/') {
        match step {
            "" | "." => {}
            ".." => _ = steps.pop().ok_or_else(outside)?,
            step => steps.push(step),
        }
    }
    if steps.is_empty() {
        return Err(outside());
    }
    let mut path = target.to_owned();
    for step in steps {
        path.push(step);
        if fs::symlink_metadata(&path).is_ok_and(|file| file.is_symlink()) {
            path = fs::canonicalize(&path).ok().filter(|real| real.starts_with(target)).ok_or_else(outside)?;
        }
    }
    Ok(path)
}

/// Gives files a mode and folders 0755; links are left alone.
///
/// # Errors
/// If a mode can't be set.
pub(super) fn set_modes(path: &Path, mode: u32) -> io::Result<()> {
    let file = fs::symlink_metadata(path)?;
    if file.is_symlink() {
        return Ok(());
    }
    if !file.is_dir() {
        return fs::set_permissions(path, fs::Permissions::from_mode(mode));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    fs::read_dir(path)?.try_for_each(|entry| set_modes(&entry?.path(), mode))
}

#[cfg(test)]
mod tests;
