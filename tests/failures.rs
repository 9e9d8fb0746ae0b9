//! One trial for each failure of the library that can be made to happen here: it happens as stated, and `explain` names it
//! first by what the run leaves.
//! Those of the folder `more`, and those of which another trial shows the same run, are left to `soak failures`.

use libtest_mimic::{Arguments, Trial};
use tests::{as_stated_and_explained, block_on, fixture, scenario_files};

/// Failures, and the scenario or failure whose trial shows nearly the same run.
const SHOWN: [(&str, &str); 22] = [
    ("F03", "twins::certificate-without-role-alias"),
    ("F04", "twins::role-alias-missing"),
    ("F06", "F05-role-not-assumable"),
    ("F07", "faults::provider"),
    ("F08", "faults::provider"),
    ("F09", "recovery"),
    ("F14", "policies::secret-wrong-account"),
    ("F15", "policies::secret-wrong-account"),
    ("F16", "policies::scp-denies"),
    ("F17", "faults::key"),
    ("F18", "faults::secret"),
    ("F19", "faults::secret"),
    ("F24", "twins::externally-managed"),
    ("F31", "faults::tools"),
    ("F35", "faults::disk"),
    ("F38", "twins::wrong-token"),
    ("F39", "twins::token-of-another-repository"),
    ("F40", "twins::token-of-another-repository"),
    ("F46", "rotation::revoked"),
    ("F47", "twins::wrong-token-as-password"),
    ("F49", "faults::dns"),
    ("F51", "faults::tls"),
];

/// Whether a trial of the gate shows it already.
fn is_shown(name: &str) -> bool {
    SHOWN.iter().any(|(failure, _)| name.starts_with(failure))
}

fn main() {
    let arguments = Arguments::from_args();
    let files = scenario_files(&fixture("failures"));
    let scenarios = scenario_files(&fixture("scenarios"));
    for (failure, shown) in SHOWN {
        let is_there = files.iter().chain(&scenarios).any(|(name, _)| name == shown);
        assert!(is_there, "`{failure}` is left out for `{shown}`, which is no trial");
    }
    let trials = files
        .into_iter()
        .filter(|(name, file)| !name.starts_with("more::") && !is_shown(name) && tests::is_scenario(file))
        .map(|(name, file)| {
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
