//! What the watcher beside a device catches, and what it costs.

use anyhow::{Context, Result};
use greenproof::{Environment, Plan, Scenario, scenario::account::Secret};
use tests::{block_on, fixture, random, stage};

const TRIALS: u64 = 100;

/// Holds the secret of each trial for 20 ms, in turn in arguments and in an environment. The device makes the secrets
/// itself of the seed, so that they stand nowhere else.
const HOLD: &str = "
import subprocess, sys
def secret(seed, round):
    mask = (1 << 64) - 1
    value = (seed + (round + 1) * 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return '%016x' % (value ^ (value >> 31))
for trial in range(int(sys.argv[2])):
    held = secret(int(sys.argv[1]), trial)
    if trial % 2:
        subprocess.run(['sleep', '0.02'], env={'HELD': held}, check=True)
    else:
        subprocess.run([held, '0.02'], executable='/bin/sleep', check=True)
";

#[test]
fn alone_a_secret_that_is_held_for_20_ms_is_caught_at_under_5_percent_of_a_processor() -> Result<()> {
    block_on(async {
        let mut scenario = Scenario::load(&fixture("scenarios/leaks/held.toml"))?;
        let seed = u64::from(std::process::id());
        for trial in 0..TRIALS {
            let value = format!("{:016x}", random(seed, trial));
            scenario.aws.secrets.insert(format!("trial-{trial}"), Secret { value, ..Secret::default() });
        }
        let stage = stage(1.0).await;
        let environment = Box::pin(Environment::raise(&stage, Plan::of(scenario)?)).await?;
        let (seed, trials) = (seed.to_string(), TRIALS.to_string());
        let held = environment.by_hand(&["python3", "-c", HOLD, &seed, &trials]).await?;
        anyhow::ensure!(held.exit_code == 0, "{}", held.stderr);
        let evidence = Box::pin(environment.deploy(stage.patience())).await;
        environment.remove().await?;
        let search = evidence.search.context("the device was watched")?;
        anyhow::ensure!(search.incomplete.is_empty(), "{search:#?}");
        let caught = |trial: &u64| {
            let (secret, odd) = (format!("secret `trial-{trial}`"), trial % 2 == 1);
            let place = if odd { "environment of sleep, variable HELD" } else { "arguments of sleep" };
            evidence.leaks.iter().any(|leak| leak.secret == secret && leak.place == place && !leak.stays)
        };
        let (caught, missed): (Vec<_>, Vec<_>) = (0..TRIALS).partition(caught);
        let percent = search.worked * 100 / search.ran.max(1);
        println!(
            "caught {} of {TRIALS}; {} ms of a processor in {} ms: {percent} %",
            caught.len(),
            search.worked,
            search.ran
        );
        anyhow::ensure!(missed.len() * 100 <= caught.len() + missed.len(), "missed: {missed:?}\n{:#?}", evidence.leaks);
        anyhow::ensure!(percent < 5, "{search:#?}");
        Ok(())
    })
}
