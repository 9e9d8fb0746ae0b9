//! The core is killed in each phase of a deployment, started again, and loses nothing.

use anyhow::Result;
use tests::{
    block_on,
    kills::{Phase, Table, World},
    random, stage,
};

/// Kills that must hit each phase.
const EACH: u32 = 2;

/// The most worlds that it takes: where in a deployment a kill strikes is a matter of time, and a busy machine misses more.
const WORLDS: usize = 3;

#[test]
fn a_killed_core_ends_what_it_began() -> Result<()> {
    block_on(async {
        let stage = stage(1.0).await;
        let mut table = Table::default();
        let mut round = 0;
        for _ in 0..WORLDS {
            if table.of(table.rarest()) >= EACH {
                break;
            }
            let mut world = World::raise(&stage).await?;
            while world.can_go_on() && table.of(table.rarest()) < EACH {
                world.kill(table.rarest(), random(1, round), &mut table).await?;
                round += 1;
            }
            Box::pin(world.remove()).await?;
        }
        for phase in Phase::ALL {
            assert!(table.of(phase) >= EACH, "{phase:?} was hit too rarely:\n{table}");
        }
        Ok(())
    })
}
