//! One trial for each scenario file: the happy ones pass, and their twins fail for exactly the stated reasons.
//! Those of `more-policies` are left to `soak policies`; those of `lite` run on a real nucleus lite, if `GREENPROOF_LITE`
//! gives one.

use greenproof::Options;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use tests::{as_stated, block_on, fixture, scenario_files};

fn main() {
    let arguments = Arguments::from_args();
    let files = scenario_files(&fixture("scenarios")).into_iter().filter(|(name, _)| !name.starts_with("more-"));
    let lite = Options::from_environment().is_ok_and(|options| options.lite.is_some());
    let trials = files.map(|(name, file)| {
        let is_there = lite || !name.starts_with("lite::");
        Trial::test(name, move || trial(&file)).with_ignored_flag(!is_there)
    });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(file: &Path) -> Result<(), Failed> {
    let scenario = block_on(as_stated(file))?;
    scenario.fidelity.iter().for_each(|id| fidelity::name(id));
    Ok(())
}
