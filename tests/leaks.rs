//! The leak gate, end to end: whatever is planted on a device is found, where it stands. The scenarios of `ways` and `leaks` are trials
//! of `scenarios.rs`.

use anyhow::Result;
use cloud::control::Control;
use greenproof::{Environment, Plan, Scenario, fault::Fault};
use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tests::{block_on, fixture, logs, planted, shown, stage};

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

/// An order may hold a secret, as that to rotate one does: the command that takes it is seen by every process of the machine,
/// and the order is not.
#[test]
fn an_order_to_a_cloud_is_in_no_arguments() -> Result<()> {
    let rotate = "secretsmanager.rotated secret=GithubPersonalAccessToekn body=rotated-9f4c1b7e2d8a";
    let Fault::Cloud(fault) = rotate.parse::<Fault>()? else { anyhow::bail!("it is the cloud's") };
    let order = Control::Fault(fault);
    block_on(async {
        let mut scenario = Scenario::load(&fixture("scenarios/rotation/rotated.toml"))?;
        scenario.github.reachable = false;
        let environment = Box::pin(Environment::raise(&stage(1.0).await, Plan::of(scenario)?)).await?;
        let (stop, seen) = (AtomicBool::new(false), Mutex::default());
        let takes_it = |arguments: &String| arguments.starts_with("greenproof cloud control");
        let ordered = std::thread::scope(|scope| {
            scope.spawn(|| shown::arguments_until(&stop, &seen));
            let ordered = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    // The command is there for some milliseconds only.
                    for _ in 0..100 {
                        environment.order(&order).await?;
                        if seen.lock().expect("nobody panics").iter().any(takes_it) {
                            break;
                        }
                    }
                    Ok::<_, anyhow::Error>(())
                })
            });
            stop.store(true, Ordering::Relaxed);
            ordered
        });
        environment.remove().await?;
        ordered?;
        let seen: BTreeSet<String> = seen.into_inner().expect("nobody panics");
        anyhow::ensure!(seen.iter().any(takes_it), "the command that takes an order was not seen among {seen:#?}");
        let told: Vec<_> = seen.iter().filter(|arguments| arguments.contains("rotated-9f4c1b7e2d8a")).collect();
        anyhow::ensure!(told.is_empty(), "{told:?}");
        Ok(())
    })
}
