//! Whether there is room for another artifact.

use super::job::Job;
use crate::{failure::Failure, step::coerce, tree};
use nix::sys::statvfs::statvfs;
use serde_json::Value;
use std::{fs, io, path::Path};

/// How much of the disk must be usable.
pub(super) const LEAST: u64 = 20 * 1024 * 1024;
/// `componentStoreMaxSizeBytes` where the nucleus's configuration has none.
const DEFAULT_MAXIMUM: u64 = 10_000_000_000;

/// How large the component store may become: a fraction is cut off, and what is no number means nothing at all
/// (`Coerce.toLong`).
pub(super) fn maximum(nucleus: &Value) -> u64 {
    let bytes = match tree::get(nucleus, "componentStoreMaxSizeBytes") {
        None | Some(Value::Null) => return DEFAULT_MAXIMUM,
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(other) => coerce::integer(other),
    };
    bytes.try_into().unwrap_or_default()
}

/// # Errors
/// If the disk is nearly full.
pub(super) fn check_disk(job: &Job<'_>, packages: &Path) -> Result<(), Failure> {
    let usable = usable(packages).map_err(|error| {
        let text = format!("Failed to get usable disk space for directory: {}", packages.display());
        Failure::new(text, &["COMPONENT_PACKAGE_LOADING_ERROR", "IO_ERROR"]).because(error.to_string())
    })?;
    match disk_trouble(usable) {
        Some(trouble) => Err(too_large(job, trouble)),
        None => Ok(()),
    }
}

/// # Errors
/// If the store would become too large with `needed` more bytes.
pub(super) fn check_store(job: &Job<'_>, packages: &Path, needed: u64, maximum: u64) -> Result<(), Failure> {
    let existing = content(packages).map_err(|error| {
        let codes = ["COMPONENT_PACKAGE_LOADING_ERROR", "IO_ERROR", "IO_FILE_ATTRIBUTE_ERROR"];
        Failure::new("Failed to access package store", &codes).because(error.to_string())
    })?;
    match store_trouble(existing, needed, maximum) {
        Some(trouble) => Err(too_large(job, trouble)),
        None => Ok(()),
    }
}

/// Bytes that may still be written.
pub(super) fn usable(folder: &Path) -> io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn disk_trouble(usable: u64) -> Option<String> {
    let text = || format!("Disk space critical: {usable} bytes usable, {LEAST} bytes minimum allowed");
    (usable < LEAST).then(text)
}

fn store_trouble(existing: u64, needed: u64, maximum: u64) -> Option<String> {
    let text = || {
        format!(
            "Component store size limit reached: {existing} bytes existing, {needed} bytes needed, {maximum} bytes \
             maximum allowed total"
        )
    };
    (existing.saturating_add(needed) > maximum).then(text)
}

fn too_large(job: &Job<'_>, trouble: String) -> Failure {
    let line = crate::log::Line::error(super::LOGGER).message("Size limit reached");
    job.logs.nucleus(&line.cause(trouble.clone()));
    Failure::new(trouble, &["ARTIFACT_DOWNLOAD_ERROR", "DISK_SPACE_CRITICAL"])
}

/// The size of all files below a folder.
fn content(folder: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            size += content(&entry.path())?;
        } else if let Ok(file) = fs::metadata(entry.path())
            && file.is_file()
        {
            size += file.len();
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_told_in_the_nucleus_s_words() {
        fidelity::fidelity!("core-artifact-6");
        assert_eq!(disk_trouble(LEAST), None);
        let text = "Disk space critical: 20971519 bytes usable, 20971520 bytes minimum allowed";
        assert_eq!(disk_trouble(LEAST - 1).as_deref(), Some(text));
        assert_eq!(store_trouble(5, 5, 10), None);
        let text =
            "Component store size limit reached: 5 bytes existing, 6 bytes needed, 10 bytes maximum allowed total";
        assert_eq!(store_trouble(5, 6, 10).as_deref(), Some(text));
    }

    #[test]
    fn the_limit_of_the_store_is_a_whole_number() {
        fidelity::fidelity!("core-artifact-6", "core-config-4");
        for (configured, expected) in [
            (json!(5), 5),
            (json!(5.9), 5),
            (json!("5"), 5),
            (json!(10_000_000_000.0), 10_000_000_000),
            (json!("5.9"), 0),
            (json!("much"), 0),
            (json!(-1), 0),
            (json!(null), 10_000_000_000),
        ] {
            assert_eq!(maximum(&json!({"componentStoreMaxSizeBytes": configured})), expected, "{configured}");
        }
        assert_eq!(maximum(&json!({})), 10_000_000_000);
    }

    #[test]
    fn the_store_s_content_is_that_of_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), "12345").unwrap();
        fs::write(folder.path().join("d"), "1").unwrap();
        assert_eq!(content(folder.path()).unwrap(), 6);
        assert!(usable(folder.path()).unwrap() > 0);
    }
}
