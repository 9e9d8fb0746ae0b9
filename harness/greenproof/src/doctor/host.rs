//! This machine's disks and files.

use super::{Check, size};
use crate::{core::Source, stage::Options};
use std::path::Path;

/// What a run leaves in Docker's folder, and what images take while they are made.
const RUN: u64 = 512 << 20;
const IMAGES: u64 = 4 << 30;
/// What a run writes to the temporary folder.
const TEMPORARY: u64 = 64 << 20;
/// What making a base takes.
const CACHE: u64 = 512 << 20;

/// Free bytes for us on the disk of a folder.
fn free(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The disk of Docker's folder; nothing where that is on another machine.
pub(super) fn storage(root: &Path, images: bool) -> Option<Check> {
    let free = free(root).ok()?;
    let needed = if images { RUN } else { IMAGES };
    let seen = format!("{} free in {}", size(free), root.display());
    Some(if free >= needed {
        Check::good("docker's disk", seen)
    } else {
        let what = if images { "a run takes" } else { "images that are to be made take" };
        Check::missing("docker's disk", format!("{seen}; {what} {}", size(needed)), "docker system prune")
    })
}

pub(super) fn temporary(folder: &Path) -> Check {
    let fix = "export TMPDIR=/var/tmp";
    writable("temporary", folder, TEMPORARY, fix)
}

/// Locks, leases, and what bases are made in.
pub(super) fn cache(folder: &Path) -> Check {
    let fix = "export GREENPROOF_CACHE=/var/tmp/greenproof";
    if let Err(error) = std::fs::create_dir_all(folder) {
        return Check::missing("cache", format!("can't make {}: {error}", folder.display()), fix);
    }
    writable("cache", folder, CACHE, fix)
}

fn writable(name: &'static str, folder: &Path, needed: u64, fix: &str) -> Check {
    let shown = folder.display();
    if let Err(error) = tempfile::tempfile_in(folder) {
        return Check::missing(name, format!("can't write to {shown}: {error}"), fix);
    }
    match free(folder) {
        Ok(free) if free >= needed => Check::good(name, format!("{} free in {shown}", size(free))),
        Ok(free) => Check::missing(name, format!("{} free in {shown}; it takes {}", size(free), size(needed)), fix),
        Err(error) => Check::missing(name, format!("can't look at {shown}: {error}"), fix),
    }
}

/// The real nuclei that the user says there are.
pub(super) fn nuclei(options: &Options) -> impl Iterator<Item = Check> {
    let given = [("lite", &options.lite), ("classic", &options.classic)];
    given.into_iter().filter_map(|(name, source)| {
        Some(match source.as_ref()? {
            Source::Image(image) => Check::good(name, format!("image {image}")),
            Source::Package(package) if package.is_file() => Check::good(name, package.display().to_string()),
            Source::Package(package) => {
                let fix = format!("export GREENPROOF_{}=PATH of its package", name.to_uppercase());
                Check::missing(name, format!("there is no {}", package.display()), fix)
            }
        })
    })
}
