//! One trial for each scenario file: the happy ones pass, and their twins fail for exactly the stated reasons.

use greenproof::{Environment, Plan, Scenario, Verdict, judge};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use tests::{block_on, fixture, stage};

/// Of the patience that a person has, what a trial has that waits for nothing to happen.
const IMPATIENCE: f64 = 0.07;

fn main() {
    let arguments = Arguments::from_args();
    let mut files = Vec::new();
    collect(&fixture("scenarios"), &mut files);
    files.sort();
    let trials = files.into_iter().map(|file| Trial::test(name(&file), move || trial(&file))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("the fixtures are there") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

fn name(file: &Path) -> String {
    let name = file.strip_prefix(fixture("scenarios")).unwrap_or(file).with_extension("");
    name.to_string_lossy().replace('/', "::")
}

fn trial(file: &Path) -> Result<(), Failed> {
    let scenario = Scenario::load(file)?;
    let waits = scenario.must_fail.iter().flat_map(|fails| &fails.says).any(|says| says.contains("still waiting"));
    let (verdict, evidence) = block_on(async {
        let stage = stage(if waits { IMPATIENCE } else { 1.0 }).await;
        let environment = Environment::raise(&stage, Plan::of(scenario.clone())?).await?;
        let evidence = environment.deploy(stage.patience()).await;
        environment.remove().await?;
        Ok::<_, Failed>((judge(&scenario, &evidence), evidence))
    })?;
    let differences = match (&scenario.must_fail, &verdict) {
        (None, Verdict::Passed) => Vec::new(),
        (None, other) => vec![format!("{other:#?}")],
        (Some(fails), _) => fails.differences(&verdict, &evidence),
    };
    if !differences.is_empty() {
        return Err(format!("{}\n{}", differences.join("\n"), logs(&evidence)).into());
    }
    scenario.fidelity.iter().for_each(|id| fidelity::name(id));
    Ok(())
}

/// The logs, which tell most when a trial fails.
fn logs(evidence: &greenproof::Evidence) -> String {
    let components = evidence.component_logs.iter().flat_map(|(name, log)| ["== ", name, ".log\n", log]);
    components.chain(["== greengrass.log\n", &evidence.core_log]).collect()
}
