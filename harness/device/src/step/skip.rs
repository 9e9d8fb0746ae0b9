//! `SkipIf`: whether a step is left out.

use regex::Regex;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// What a condition has to look like.
pub(super) const PATTERN: &str = "(exists|onpath) +(.+)";

static CONDITION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^(?:{PATTERN})$")).expect("the pattern is valid"));

/// Where conditions look.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pub(super) root: &'a Path,
    pub(super) home: &'a Path,
    /// The nucleus's own search path.
    pub(super) path: &'a str,
}

impl Places<'_> {
    /// Whether a condition holds.
    ///
    /// # Errors
    /// The condition as the nucleus complains of it, if it isn't written correctly.
    pub(super) fn holds(&self, condition: &str) -> Result<bool, String> {
        let condition = condition.trim_matches(|character| character <= ' ');
        let (negated, condition) = match condition.strip_prefix('!') {
            Some(rest) => (true, rest.trim_matches(|character| character <= ' ')),
            None => (false, condition),
        };
        let parts = CONDITION.captures(condition).ok_or_else(|| condition.to_owned())?;
        let holds = if &parts[1] == "onpath" { self.on_path(&parts[2]) } else { self.expand(&parts[2]).exists() };
        Ok(holds != negated)
    }

    fn on_path(&self, program: &str) -> bool {
        let program = program.strip_prefix("~/").map_or_else(|| program.into(), |rest| self.home.join(rest));
        // An absolute program takes the folder's place.
        self.path.split(':').any(|folder| is_executable(&Path::new(folder).join(&program)))
    }

    fn expand(&self, path: &str) -> PathBuf {
        let places = [
            ("~/", self.home.to_owned()),
            ("~root/", self.root.to_owned()),
            ("~config/", self.root.join("config")),
            ("~packages/", self.root.join("packages")),
        ];
        let expanded = places.iter().find_map(|(prefix, folder)| Some(folder.join(path.strip_prefix(prefix)?)));
        expanded.unwrap_or_else(|| path.into())
    }
}

/// Whether root could execute it; that may be a folder.
fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;

    fn with_places(look: impl Fn(&Places<'_>)) {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["config", "packages", "home", "bin"] {
            fs::create_dir(folder.path().join(sub)).unwrap();
        }
        fs::write(folder.path().join("bin/tool"), "").unwrap();
        fs::set_permissions(folder.path().join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("bin/text"), "").unwrap();
        let path = folder.path().join("bin").display().to_string();
        let home = folder.path().join("home");
        fs::write(home.join("mine"), "").unwrap();
        fs::write(folder.path().join("config/effectiveConfig.yaml"), "").unwrap();
        look(&Places { root: folder.path(), home: &home, path: &path });
    }

    #[test]
    fn conditions_that_hold() {
        fidelity!("core-lifecycle-13");
        with_places(|places| {
            for condition in [
                "onpath tool",
                " onpath   tool ",
                "!onpath text",
                "! onpath nothing",
                "onpath /bin/sh",
                "exists /etc/passwd",
                "!exists /nowhere",
                "exists ~/mine",
                "exists ~root/bin/text",
                "exists ~config/effectiveConfig.yaml",
                "exists ~packages/",
            ] {
                assert_eq!(places.holds(condition), Ok(true), "{condition}");
            }
        });
    }

    #[test]
    fn conditions_that_do_not_hold() {
        fidelity!("core-lifecycle-13");
        with_places(|places| {
            for condition in ["onpath text", "!onpath tool", "exists ~packages/x", "exists /etc/passwd /etc/group"] {
                assert_eq!(places.holds(condition), Ok(false), "{condition}");
            }
        });
    }

    #[test]
    fn conditions_that_are_not_written_correctly() {
        fidelity!("core-lifecycle-13");
        with_places(|places| {
            for condition in ["exists", "exists ", "Exists /etc", "onpath\ttool", "test -f x", "", "!!exists /etc"] {
                assert!(places.holds(condition).is_err(), "{condition}");
            }
            assert_eq!(places.holds(" ! maybe x "), Err("maybe x".into()));
        });
    }
}
