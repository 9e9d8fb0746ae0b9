//! How many scenarios a machine has room for at once.

use crate::{
    mint,
    stage::{Error, Stage},
};
use std::num::NonZeroUsize;

/// What an environment takes of memory, in bytes.
///
/// `docker stats`, asked again and again while `fixtures/scenarios/inline.toml` ran, showed 83 MiB at most: 72 of the device,
/// which has pip install a package from git, 8 of `github` and 2 of `aws`. It is counted twice, since components differ, and
/// a watcher for leaks comes besides. `LocalStack`, which environments share, took 290 MiB.
const ENVIRONMENT: u64 = 160 << 20;

/// What is left for the `LocalStack` that they share and for the machine itself, in bytes.
const SHARED: u64 = 1 << 30;

/// What an engine's machine has room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    cores: u64,
    /// Bytes of memory that were free at the start.
    free: u64,
}

impl Room {
    /// The room on a stage's machine.
    ///
    /// # Errors
    /// When the engine does not say what it has.
    pub(super) async fn of(stage: &Stage) -> Result<Self, Error> {
        let about = stage.engine.about().await?;
        let free = if stage.engine.is_here() {
            free()
        } else {
            let command = ["cat", "/proc/meminfo"];
            available(&stage.engine.ask(&stage.images.device, &command, &mint::name(8)).await?)
        };
        Ok(Self { cores: about.cores, free: free.map_or(about.memory, |free| free.min(about.memory)) })
    }

    /// How many scenarios run at once where nobody says: one a core, as far as there is memory for them.
    pub(super) fn scenarios(self) -> NonZeroUsize {
        let by_memory = self.free.saturating_sub(SHARED) / ENVIRONMENT;
        let fits = usize::try_from(self.cores.min(by_memory)).unwrap_or(usize::MAX);
        NonZeroUsize::new(fits).unwrap_or(NonZeroUsize::MIN)
    }

    /// The bytes that so many scenarios leave; below 0 where they are more than fit.
    pub(super) fn left(self, scenarios: u64) -> i128 {
        i128::from(self.free) - i128::from(scenarios) * i128::from(ENVIRONMENT)
    }
}

/// The memory of this machine that is free, in bytes.
fn free() -> Option<u64> {
    available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// What the kernel says is available, in bytes.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_and_memory_bound_each_other_and_one_always_fits() {
        fidelity::fidelity!("jobs-4");
        let gibibytes = |number: u64| number << 30;
        let fits = |cores, free| Room { cores, free }.scenarios().get();
        assert_eq!(fits(2, gibibytes(16)), 2);
        assert_eq!(fits(64, gibibytes(2)), 6);
        assert_eq!(fits(8, 0), 1);
        assert_eq!(fits(0, gibibytes(16)), 1);
    }

    #[test]
    fn each_scenario_takes_its_part_of_what_was_free() {
        fidelity::fidelity!("engine-4");
        let room = Room { cores: 2, free: 3 * ENVIRONMENT };
        assert_eq!([0, 2, 4].map(|scenarios| room.left(scenarios) / i128::from(ENVIRONMENT)), [3, 1, -1]);
    }

    #[test]
    fn what_is_available_is_read_as_the_kernel_writes_it() {
        assert_eq!(available("MemTotal:       24 kB\nMemAvailable:    1024 kB\n"), Some(1 << 20));
        assert_eq!(available("MemTotal: 24 kB\n"), None);
    }
}
