//! A scenario with all that it names, put where it needs nothing else.

use super::{archive::Files, secret};
use crate::{
    evidence,
    plan::{self, Bare},
    redact::Redactor,
    report::{self, html},
    scenario::{Origin, Scenario, Source},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Adds the scenario's files below `scenario/`; gives the name of the first there.
pub(super) fn scenario(scenario: &Scenario, files: &mut Files) -> io::Result<String> {
    let stated = super::stated(scenario);
    let mut packing = Packing { scenario, places: BTreeMap::new(), stated: &stated, but: None };
    let names: Vec<_> = scenario.sources.iter().enumerate().map(|(index, source)| name(index, source)).collect();
    for (source, name) in scenario.sources.iter().zip(&names) {
        packing.places.insert(canonical(&source.path), name.clone());
    }
    for (source, name) in scenario.sources.iter().zip(&names) {
        let text = rewritten(source, &stated, |path| packing.place(path, files))?;
        files.add(&format!("scenario/{name}"), text);
    }
    Ok(names.into_iter().next().unwrap_or_default())
}

/// What each layer of a scenario states, its own first; in place of what it names stands the digest of that.
pub(super) fn layers(scenario: &Scenario, but: &BTreeSet<PathBuf>) -> io::Result<Vec<toml::Table>> {
    let stated = super::stated(scenario);
    let packing = Packing { scenario, places: BTreeMap::new(), stated: &stated, but: Some(but) };
    let layer = |source: &Source| {
        let text = rewritten(source, &stated, |path| packing.digest(path))?;
        toml::from_str(&text).map_err(io::Error::other)
    };
    scenario.sources.iter().map(layer).collect()
}

/// Where the scenario's own files are in the folders that it names, relative to each.
pub(super) fn own(scenario: &Scenario) -> BTreeSet<PathBuf> {
    let named = scenario.sources.iter().flat_map(|source| &source.named).map(|(_, path)| canonical(path));
    let named: Vec<_> = named.filter(|path| path.is_dir()).collect();
    let files = scenario.sources.iter().map(|source| canonical(&source.path));
    let below = |file: PathBuf| {
        let below = named.iter().filter_map(|folder| Some(file.strip_prefix(folder).ok()?.to_owned()));
        below.collect::<Vec<_>>()
    };
    files.flat_map(below).collect()
}

/// The name of a layer: its own, with a number where it is a base, since two may be called the same.
fn name(index: usize, source: &Source) -> String {
    let name = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if index == 0 { name } else { format!("base-{index}-{name}") }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

struct Packing<'a> {
    scenario: &'a Scenario,
    /// What was put where, below `scenario/`.
    places: BTreeMap<PathBuf, String>,
    /// The values that the scenario states for secrets.
    stated: &'a Redactor,
    /// Of a folder, the files that do not count, relative to it; absent where all do.
    but: Option<&'a BTreeSet<PathBuf>>,
}

/// The text of a layer without its secrets, with something else in place of each path.
fn rewritten(
    source: &Source,
    stated: &Redactor,
    mut instead: impl FnMut(&Path) -> io::Result<String>,
) -> io::Result<String> {
    let mut changes = secret::placeholders(&source.text);
    for (range, path) in &source.named {
        changes.insert(range.start, (range.clone(), quoted(&instead(path)?)));
    }
    let (mut text, mut end) = (String::new(), 0);
    for (range, instead) in changes.values() {
        text.push_str(&source.text[end..range.start]);
        text.push_str(instead);
        end = range.end;
    }
    text.push_str(&source.text[end..]);
    Ok(stated.apply(&text))
}

impl Packing<'_> {
    /// What a file or folder that the scenario names comes to: a file's name and all the content. A base is a layer by itself.
    fn digest(&self, path: &Path) -> io::Result<String> {
        if self.scenario.sources.iter().any(|source| canonical(&source.path) == canonical(path)) {
            return Ok(String::new());
        }
        // Git may keep the same commits in other files.
        if self.repository(path).is_some() {
            return plan::references(path).map_err(io::Error::other);
        }
        let name = path.file_name().filter(|_| path.is_file()).unwrap_or_default().to_string_lossy();
        let mut files = Files::default();
        self.add(path, "", &mut files)?;
        Ok(format!("{name} {}", files.digest()).trim().to_owned())
    }

    /// Where a file or folder is put.
    fn place(&mut self, path: &Path, files: &mut Files) -> io::Result<String> {
        if let Some(place) = self.places.get(path) {
            return Ok(place.clone());
        }
        // Its name counts: that of a policy is the policy's, and that of a package says what it is.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("files/{}/{name}", self.places.len());
        self.add(path, &place, files)?;
        self.places.insert(path.to_owned(), place.clone());
        Ok(place)
    }

    fn add(&self, path: &Path, place: &str, files: &mut Files) -> io::Result<()> {
        if let Some(origin) = self.repository(path) {
            return add_repository(origin, place, files);
        }
        let wheels: Vec<_> = self.scenario.index.wheels.iter().filter(|wheel| wheel.parent() == Some(path)).collect();
        if !wheels.is_empty() {
            for wheel in wheels {
                let name = wheel.file_name().unwrap_or_default().to_string_lossy();
                self.add_file(wheel, &format!("{place}/{name}"), files)?;
            }
            return Ok(());
        }
        let projects = self.scenario.components.iter().filter_map(|component| component.project.as_ref());
        if let Some(project) = projects.into_iter().find(|project| project.folder == path) {
            let of_a_run = |file: &Path| file.ancestors().skip(1).any(|folder| is_of_a_run(&path.join(folder)));
            for file in project.files.iter().filter(|file| !of_a_run(file) && !self.leaves_out(file)) {
                self.add_file(&path.join(file), &format!("{place}/{}", file.display()), files)?;
            }
            return Ok(());
        }
        if path.is_dir() { self.add_folder(path, place, files) } else { self.add_file(path, place, files) }
    }

    /// The repository that a path is a checkout of, if it is one.
    fn repository(&self, path: &Path) -> Option<&Origin> {
        let mut origins = self.scenario.github.repositories.values().map(|repository| &repository.origin);
        origins.find(|origin| matches!(origin, Origin::Path(named) if named == path))
    }

    fn leaves_out(&self, file: &Path) -> bool {
        self.but.is_some_and(|but| but.contains(file))
    }

    fn add_folder(&self, folder: &Path, place: &str, files: &mut Files) -> io::Result<()> {
        files.add_folder(&format!("scenario/{place}"));
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let place = format!("{place}/{name}");
            // A folder that becomes a commit may be a checkout itself.
            if name == ".git" || is_of_a_run(&path) || self.leaves_out(Path::new(place.trim_start_matches('/'))) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.add_folder(&path, &place, files)?;
            } else if path.is_file() {
                self.add_file(&path, &place, files)?;
            }
        }
        Ok(())
    }

    fn add_file(&self, path: &Path, place: &str, files: &mut Files) -> io::Result<()> {
        let content = std::fs::read(path)?;
        let content = match String::from_utf8(content) {
            Ok(text) => self.stated.apply(&text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        let executable = path.metadata()?.permissions().mode() & 0o100 != 0;
        files.add_as(&format!("scenario/{place}"), content, executable);
        Ok(())
    }
}

/// Whether a folder is what runs left: of one, of several, or of what was green. It is no part of what a scenario names.
fn is_of_a_run(path: &Path) -> bool {
    path.ends_with(html::GREEN) || [evidence::folder::NAME, report::NAME].iter().any(|name| path.join(name).is_file())
}

/// Adds what is committed of a checkout, as it is served: what is not committed may be secret, and plays no part.
fn add_repository(origin: &Origin, place: &str, files: &mut Files) -> io::Result<()> {
    let bare = Bare::of(origin).map_err(io::Error::other)?;
    for entry in tar::Archive::new(bare.tar.as_slice()).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            io::Read::read_to_end(&mut entry, &mut content)?;
            files.add(&format!("scenario/{place}/{name}"), content);
        }
    }
    // Git takes a folder without it for no repository.
    files.add_folder(&format!("scenario/{place}/refs"));
    Ok(())
}

/// A text as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scenario with a base, both in one folder.
    fn load(folder: &Path, text: &str) -> Scenario {
        std::fs::create_dir_all(folder.join("pkg/.git")).unwrap();
        let files = [
            ("pkg/setup.py", "x"),
            ("pkg/.git/config", "token"),
            ("trust.json", include_str!("../../../../fixtures/policies/trust.json")),
            ("read.json", include_str!("../../../../fixtures/policies/secret-read.json")),
            (
                "base.toml",
                "[aws]\nregion = 'eu-west-1'\n[aws.role]\ntrust = 'trust.json'\n[aws.secrets]\nold = 'OldSecret-123'\n",
            ),
            ("run.toml", text),
        ];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Scenario::load(&folder.join("run.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_scenario_is_whole_without_its_place_and_holds_no_stated_secret() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"
base = "base.toml"   # and the secret NewSecret-4567 in a comment
summary = "one"
aws.secrets.new = { value = "NewSecret-4567", suffix = "AbCdEf" }
aws.role.policies = ["read.json"]
github.repositories."a/b".source = "pkg"
[[component]]
recipe_text = """
ComponentName: A
ComponentVersion: 1.0.0
# NewSecret-4567
"""
[deployment]
A = "1.0.0"
[expect]
deployment = "SUCCEEDED"
"#;
        let scenario = load(folder.path(), text);
        let into = tempfile::tempdir().unwrap();
        let file = crate::bundle::write_scenario(&scenario, &into.path().join("x")).unwrap();
        let before = layers(&scenario, &BTreeSet::new()).unwrap();
        drop(folder);
        let again = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(layers(&again, &BTreeSet::new()).unwrap(), before, "what is packed says the same");
        assert_eq!((again.summary.as_str(), again.aws.region.as_str()), ("one", "eu-west-1"));
        assert_eq!(again.aws.role.policies.keys().collect::<Vec<_>>(), ["read"], "a policy keeps its name");
        assert_eq!(again.aws.secrets["new"].value, "{minted:AaaAaaaaa}-{minted:0000}");
        assert_eq!(again.aws.secrets["new"].suffix.as_deref(), Some("AbCdEf"));
        let mut all = String::new();
        let mut folders = vec![into.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap().flatten() {
                assert_ne!(entry.file_name(), ".git");
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    all += &std::fs::read_to_string(entry.path()).unwrap();
                }
            }
        }
        assert!(all.contains("setup") || all.contains('x'));
        assert!(!all.contains("NewSecret") && !all.contains("OldSecret"), "{all}");
    }
}
