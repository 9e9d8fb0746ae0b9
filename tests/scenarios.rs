//! One trial for each scenario file: the happy ones pass, and their twins fail for exactly the stated reasons.

use greenproof::{Scenario, Verdict, judge};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use tests::{block_on, fixture, logs, run, scenario_files};

/// Of the patience that a person has, what a trial has that waits for nothing to happen.
const IMPATIENCE: f64 = 0.07;

fn main() {
    let arguments = Arguments::from_args();
    let files = scenario_files(&fixture("scenarios")).into_iter();
    let trials = files.map(|(name, file)| Trial::test(name, move || trial(&file))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(file: &Path) -> Result<(), Failed> {
    let scenario = Scenario::load(file)?;
    let waits = scenario.must_fail.iter().flat_map(|fails| &fails.says).any(|says| says.contains("still waiting"));
    let evidence = block_on(run(&scenario, if waits { IMPATIENCE } else { 1.0 }))?;
    let verdict = judge(&scenario, &evidence);
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
