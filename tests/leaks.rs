//! The leak gate, end to end: whatever is planted on a device is found, where it stands. The scenarios of `ways` and `leaks` are trials
//! of `scenarios.rs`.

use anyhow::Result;
use tests::{block_on, logs, planted, shown, stage};

/// Secrets in every form and every kind of place, drawn anew in each run: the gate can't know them.
#[test]
fn every_secret_that_is_planted_is_found_in_its_place() -> Result<()> {
    let seed = u64::from(std::process::id()) << 32 | u64::from(std::time::UNIX_EPOCH.elapsed()?.subsec_nanos());
    block_on(async {
        let (plants, evidence) = planted::run(&stage(1.0).await, seed).await?;
        let missed = plants.missed(&evidence.leaks);
        let told: Vec<_> = evidence.leaks.iter().map(|leak| format!("{}: {}", leak.secret, leak.told())).collect();
        anyhow::ensure!(
            missed.is_empty(),
            "{} of {} were missed with seed {seed}:\n{}\nfound:\n{}\n{:#?}\n{}",
            missed.len(),
            planted::Plants::COUNT,
            missed.join("\n"),
            told.join("\n"),
            evidence.search,
            logs(&evidence)
        );
        Ok(())
    })
}

/// The search of what is shown is no empty one.
#[test]
fn what_is_shown_is_searched_for_every_secret_of_a_run() -> Result<()> {
    shown::finds(&greenproof::Plan::of(planted::scenario()?)?);
    Ok(())
}
