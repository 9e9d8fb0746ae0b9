//! One trial for each failure of the library that can be made to happen here: it happens as stated, and `explain` names it
//! first by what the run leaves.
//! Those of the folder `more` are left to `soak failures`.

use libtest_mimic::{Arguments, Trial};
use tests::{as_stated_and_explained, block_on, fixture, scenario_files};

fn main() {
    let arguments = Arguments::from_args();
    let files = scenario_files(&fixture("failures")).into_iter();
    let trials =
        files.filter(|(name, file)| !name.starts_with("more::") && tests::is_scenario(file)).map(|(name, file)| {
            Trial::test(name, move || {
                let scenario = block_on(as_stated_and_explained(&file))?;
                fidelity::name("explain-7");
                scenario.fidelity.iter().for_each(|id| fidelity::name(id));
                Ok(())
            })
        });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit();
}
