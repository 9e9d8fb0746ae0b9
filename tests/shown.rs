//! What is stored and shown of a run is searched for every secret of it, in every form: the evidence folder, the bundle, the
//! JUnit document, what was told while it ran, what our own programs wrote in their containers, and their arguments.

use anyhow::{Context, Result};
use greenproof::{
    Evidence, Plan, judge,
    report::{self, Outcome, Record, Telling},
    run,
};
use leak::{Finder, Limits};
use std::{
    collections::BTreeSet,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Where a run's secrets stand in what is kept and shown of it, a line each; none, if all is well.
///
/// # Errors
/// When something can't be written or read back.
pub fn secrets(
    plan: &Plan,
    evidence: &Evidence,
    telling: &Telling<'_>,
    outputs: &[(&str, Vec<String>)],
    patience: Duration,
) -> Result<Vec<String>> {
    let finder = finder(plan);
    let mut found = Vec::new();
    let verdict = judge(&plan.scenario, evidence);
    let kept = tempfile::tempdir()?;
    let outcome = Outcome {
        scenario: plan.scenario.clone(),
        verdict,
        evidence: Some(evidence.clone()),
        folder: None,
        took: Duration::ZERO,
        again: Vec::new(),
    };
    let outcome = run::store(outcome, plan, kept.path(), patience, telling);
    let folder = outcome.folder.as_deref().context("the evidence is written")?;
    for file in files(folder)? {
        found.extend(in_file(&finder, &file)?);
    }
    let told = Record::read(&folder.join(report::NAME)).map_err(anyhow::Error::msg)?;
    let said = told.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>().join("\n");
    let told_of = |leak: &&greenproof::evidence::Leak| {
        leak.place.starts_with("deployment document") || leak.place.starts_with("log of ")
    };
    let known: Vec<_> = evidence.leaks.iter().filter(told_of).map(|leak| leak.secret.as_str()).collect();
    // What its own scripts are given is the component's matter.
    let ours = arguments().filter(|line| line.contains("greenproof")).collect::<Vec<_>>().join("\n");
    let texts = [("the JUnit document", report::junit(&told)?), ("what was told", said), ("arguments of ours", ours)];
    let outputs = outputs.iter().map(|(of, lines)| (*of, lines.join("\n")));
    for (of, text) in texts.into_iter().chain(outputs) {
        let hits = finder.hits(text.as_bytes()).into_iter();
        let hits = hits.map(|hit| (finder.canaries()[hit.canary].name.as_str(), hit));
        // What a deployment holds, the clouds pass on; the run's own findings tell of it.
        let hits = hits.filter(|(name, _)| !known.contains(name));
        found.extend(
            hits.map(|(name, hit)| format!("{of}, line {}: {name}, {}: {}", hit.line, hit.encoding, hit.excerpt)),
        );
    }
    Ok(found)
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(self::files(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

/// What finds a run's secrets.
fn finder(plan: &Plan) -> Finder {
    Finder::new(plan.canaries())
}

/// The secrets in a file, and in what is packed in it.
fn in_file(finder: &Finder, path: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut tell = |told: leak::Told<'_>| {
        if let leak::Told::Hit(hit, inside) | leak::Told::Name(hit, inside) = told {
            let (file, name) = (path.file_name().unwrap_or_default().display(), &finder.canaries()[hit.canary].name);
            found.push(format!("{file} {inside:?}, line {}: {name}, {}: {}", hit.line, hit.encoding, hit.excerpt));
        }
    };
    leak::open(finder, &mut BufReader::new(File::open(path)?), Limits::default(), &mut tell)?;
    Ok(found)
}

/// Adds the arguments of all processes of the machine, each as one line, again and again until it is told to stop.
///
/// # Panics
/// When another holder of `seen` has panicked.
pub fn arguments_until(stop: &AtomicBool, seen: &Mutex<BTreeSet<String>>) {
    while !stop.load(Ordering::Relaxed) {
        let now: Vec<_> = arguments().collect();
        seen.lock().expect("nobody panics").extend(now);
    }
}

/// The arguments of all processes of the machine now; of one that ends meanwhile there are none.
fn arguments() -> impl Iterator<Item = String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let read = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = read.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    lines.filter(|line| !line.is_empty())
}

/// A secret that is shown must be found, or nothing is proven by finding none.
///
/// # Panics
/// When it is not.
pub fn finds(plan: &Plan) {
    let finder = finder(plan);
    for canary in plan.canaries() {
        let hits = finder.hits(format!("x {} y", canary.text).as_bytes());
        assert!(!hits.is_empty() || canary.text.len() < leak::SHORTEST, "{} is not found", canary.name);
    }
}
