//! What greenproof itself wrote down of a run is searched for the run's secrets: one there is a fault of ours.

use crate::{
    report::{self, Event, Outcome, junit},
    verdict::Verdict,
};
use leak::{Canary, Finder, Hit, Limits, Told};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

/// The outcome, which is broken if its evidence, its bundle or its report holds a secret. Only a scenario that says
/// something of leaks is searched.
pub(crate) fn checked(outcome: Outcome, canaries: impl FnOnce() -> Vec<Canary>) -> Outcome {
    if outcome.scenario.leaks.is_none() {
        return outcome;
    }
    let finder = Finder::new(canaries());
    let mut found = outcome.folder.as_deref().map(|folder| searched(&finder, folder)).unwrap_or_default();
    let judged = Event::now(report::Told::judged(&outcome, BTreeMap::new()));
    if let Ok(report) = junit(&[judged]) {
        found.extend(finder.hits(report.as_bytes()).iter().map(|hit| named(&finder, hit, "the JUnit report")));
    }
    if found.is_empty() {
        return outcome;
    }
    Outcome {
        verdict: Verdict::Broken { what: format!("greenproof wrote a secret down: {}", found.join("; ")) },
        ..outcome
    }
}

/// The secrets in the files of a folder and in its archives.
fn searched(finder: &Finder, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(folder) {
        let shown = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let mut tell = |told: Told<'_>| {
            if let Told::Hit(hit, _) | Told::Name(hit, _) = told {
                found.push(named(finder, &hit, &shown));
            }
        };
        let opened = File::open(&path);
        let searched =
            opened.and_then(|file| leak::open(finder, &mut BufReader::new(file), Limits::default(), &mut tell));
        if let Err(error) = searched {
            found.push(format!("`{shown}` can't be searched: {error}"));
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let within = |entry: fs::DirEntry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] };
    entries.flat_map(within).collect()
}

fn named(finder: &Finder, hit: &Hit, place: &str) -> String {
    format!("{} in {place}, line {}", finder.canaries()[hit.canary].name, hit.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scenario, scenario::Leaks};
    use leak::Kind;
    use std::{io::Write, time::Duration};

    const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ456789";

    fn verdict(folder: &Path, leaks: Option<Leaks>) -> Verdict {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
        let scenario = Scenario { leaks, ..Scenario::load(&path).unwrap() };
        let (verdict, folder) = (Verdict::Passed, Some(folder.to_owned()));
        let outcome = Outcome { scenario, verdict, evidence: None, folder, took: Duration::ZERO, again: Vec::new() };
        checked(outcome, || vec![Canary::new("token `a`", TOKEN, Kind::Lasting)]).verdict
    }

    #[test]
    fn a_secret_in_what_we_wrote_is_a_fault_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("core.log"), "clean").unwrap();
        assert!(matches!(verdict(folder.path(), Some(Leaks::None)), Verdict::Passed));
        let mut bundle = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        bundle.write_all(format!("one\nhttps://x:{TOKEN}@github.com").as_bytes()).unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        fs::write(folder.path().join("more/bundle.tar.gz"), bundle.finish().unwrap()).unwrap();
        assert!(matches!(verdict(folder.path(), None), Verdict::Passed), "nobody asked");
        let Verdict::Broken { what } = verdict(folder.path(), Some(Leaks::NoneAfter)) else { panic!("it is a fault") };
        assert_eq!(what, "greenproof wrote a secret down: token `a` in more/bundle.tar.gz, line 2");
    }
}
