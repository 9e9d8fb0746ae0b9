//! The logs that a person names: files, and folders of them.

use crate::evidence;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The files that a path names: itself, or for a folder all files below it, the older parts of a rotated log first.
///
/// # Errors
/// When a folder can't be read.
pub fn logs(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, &mut files)?;
    } else {
        files.push(path.to_owned());
    }
    files.sort_by_cached_key(|file| (age(file), std::cmp::Reverse(file.clone())));
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // Of an evidence folder of our own, what a device has too: the rest speaks of the cloud, or is what was expected.
    let own = folder.join(evidence::folder::NAME).exists();
    let of_a_device = |path: &Path| path.extension().is_some_and(|end| end == "log") || path.ends_with("job.json");
    let expected = |path: &Path| path.ends_with("scenario");
    for entry in folder.read_dir()? {
        let entry = entry?;
        // A link may lead out of the folder, or around in it.
        let kind = entry.file_type()?;
        if kind.is_dir() && !(own && expected(&entry.path())) {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && (!own || of_a_device(&entry.path())) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether two files are parts of one log.
pub(super) fn of_one_log(one: &str, other: &str) -> bool {
    let log = |file: &str| {
        let (folder, log, ..) = age(Path::new(file));
        (folder, log)
    };
    log(one) == log(other)
}

/// What a file is sorted by: its folder, the log that it is a part of, and its place in it.
fn age(file: &Path) -> (PathBuf, String, bool, String, std::cmp::Reverse<u64>) {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    // `greengrass.log.2`, or `greengrass.log-20261128`.
    if let Some((log, number)) = name.rsplit_once(['.', '-'])
        && let Ok(number) = number.parse::<u64>()
    {
        let (date, count) = if number > 10_000 { (number.to_string(), 0) } else { (String::new(), number) };
        return (folder, stem(log), false, date, std::cmp::Reverse(count));
    }
    // `greengrass_2026_11_28_10_0.log`.
    let stem = stem(name);
    let parts: Vec<_> = stem.rsplitn(6, '_').collect();
    if let [index, hour, day, month, year, log] = parts[..]
        && [index, hour, day, month, year].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let date = format!("{year}{month}{day}{hour}{index:0>6}");
        return (folder, log.to_owned(), false, date, std::cmp::Reverse(0));
    }
    (folder, stem, true, String::new(), std::cmp::Reverse(0))
}

fn stem(log: &str) -> String {
    log.strip_suffix(".log").unwrap_or(log).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_logs_come_in_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let ordered = [
            "a.log.10.gz",
            "a.log.2",
            "a.log.1",
            "a.log",
            "deep/b.log",
            "greengrass_2026_11_28_09_0.log",
            "greengrass_2026_11_28_10_2.log",
            "greengrass_2026_11_28_10_10.log",
            "greengrass.log",
        ];
        for name in ordered.iter().rev() {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let found: Vec<_> = logs(folder.path()).unwrap();
        let found: Vec<_> =
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        let (deep, flat): (Vec<_>, Vec<_>) = ordered.into_iter().partition(|name| name.starts_with("deep"));
        assert_eq!(found, [flat, deep].concat());
        std::fs::write(folder.path().join("evidence.json"), "{}").unwrap();
        std::fs::write(folder.path().join("api-calls.jsonl"), "{}").unwrap();
        for beside in ["scenario", "recipes"] {
            std::fs::create_dir(folder.path().join(beside)).unwrap();
            std::fs::write(folder.path().join(beside).join("a.yaml"), "x").unwrap();
        }
        let found = logs(folder.path()).unwrap();
        assert!(found.iter().all(|path| !path.to_string_lossy().contains("json")), "{found:?}");
        let beside: Vec<_> = found.iter().filter(|path| path.ends_with("a.yaml")).collect();
        assert_eq!(
            beside,
            [&folder.path().join("recipes/a.yaml")],
            "what a person put beside it is read, a scenario is not"
        );
        let single = folder.path().join("a.log");
        assert_eq!(logs(&single).unwrap(), [single]);
    }
}
