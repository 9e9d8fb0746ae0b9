//! One trial for a file below `fixtures/conformance`, named `AREA::CASE`: the emulated core does what the real one does, as
//! the file has it from the reference. The gate runs so many of them that each promise is proven; one that is named runs
//! whichever it is.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use tests::{block_on, conformance_cases, conformance_gate, conforms};

fn main() {
    let arguments = Arguments::from_args();
    let cases = if arguments.filter.is_some() { conformance_cases() } else { conformance_gate() };
    let trials = cases.into_iter().map(|(name, file)| Trial::test(name, move || trial(&file))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(file: &Path) -> Result<(), Failed> {
    let scenario = block_on(conforms(file))?;
    scenario.fidelity.iter().for_each(|id| fidelity::name(id));
    Ok(())
}
