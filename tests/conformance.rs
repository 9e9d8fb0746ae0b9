//! One trial for each file below `fixtures/conformance`, named `AREA::CASE`: the emulated core does what the real one
//! does, as the file has it from the reference.

use greenproof::{Scenario, Verdict, judge};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use tests::{block_on, fixture, logs, run, scenario_files};

/// Of the patience that a person has, what a case has: each takes seconds.
const PATIENCE: f64 = 0.25;

fn main() {
    let arguments = Arguments::from_args();
    // What stands in the folder itself is what cases start from.
    let cases = scenario_files(&fixture("conformance")).into_iter().filter(|(name, _)| name.contains("::"));
    let trials = cases.map(|(name, file)| Trial::test(name, move || trial(&file))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(file: &Path) -> Result<(), Failed> {
    let scenario = Scenario::load(file).map_err(|error| format!("{error}\n  hint: {}", error.hint))?;
    let evidence = block_on(run(&scenario, PATIENCE))?;
    let verdict = judge(&scenario, &evidence);
    if !matches!(verdict, Verdict::Passed) {
        return Err(format!("{verdict:#?}\n{}", logs(&evidence)).into());
    }
    if let Some(fault) = evidence.restarts.iter().find(|restart| restart.is_fault()) {
        return Err(format!("the core ended by itself: {fault:?}\n{}", logs(&evidence)).into());
    }
    scenario.fidelity.iter().for_each(|id| fidelity::name(id));
    Ok(())
}
