//! One trial for each file below `fixtures/conformance`, named `AREA::CASE`: the emulated core does what the real one
//! does, as the file has it from the reference.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use tests::{block_on, conformance_cases, conforms};

fn main() {
    let arguments = Arguments::from_args();
    let trials = conformance_cases().into_iter().map(|(name, file)| Trial::test(name, move || trial(&file))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(file: &Path) -> Result<(), Failed> {
    let scenario = block_on(conforms(file))?;
    scenario.fidelity.iter().for_each(|id| fidelity::name(id));
    Ok(())
}
