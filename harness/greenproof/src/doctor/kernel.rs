//! What the kernel that the engine runs on lets a device and its watcher do.

use super::{Check, engine::refused};
use crate::{
    docker::{self, Build, Engine},
    environment::probe::Probe,
    stage::Options,
};

/// A component that starts some programs at once needs so many processes.
const PROCESSES: u64 = 200;

pub(super) async fn checks(engine: &Engine, options: &Options, build: &Build, images: bool) -> Vec<Check> {
    if !images {
        return vec![Check::lacking("kernel", "not tried: images are missing", "greenproof run && greenproof doctor")];
    }
    let tags = match docker::tags(&options.cache, build) {
        Ok(tags) => tags,
        Err(error) => return vec![refused("kernel", &error)],
    };
    match Box::pin(Probe::of(engine, &tags)).await {
        Ok(probe) => told(&probe),
        Err(error) => vec![Check::missing("kernel", error.to_string(), "sudo journalctl -u docker -n 50")],
    }
}

fn told(probe: &Probe) -> Vec<Check> {
    let raw = match &probe.raw {
        None => Check::good("raw addresses", "caught by a rule of iptables"),
        Some(why) => Check::missing(
            "raw addresses",
            format!("not caught: {why}"),
            "sudo modprobe -a iptable_nat xt_addrtype xt_REDIRECT",
        ),
    };
    let watched = |name, why: &Option<String>, good: &str, bad: &str, fix: &str| match why {
        None => Check::good(name, good),
        Some(why) => Check::lacking(name, format!("{bad}: {why}"), fix),
    };
    let processes = watched(
        "leaks: process",
        &probe.processes,
        "the kernel tells of every process",
        "processes are only looked for again and again",
        "take a kernel with CONFIG_PROC_EVENTS, and an engine that grants NET_ADMIN on the host's network",
    );
    let files = watched(
        "leaks: files",
        &probe.files,
        "the kernel tells of every file that is written",
        "files are not watched while they live",
        "take a kernel with CONFIG_FANOTIFY, and an engine that grants SYS_ADMIN",
    );
    let netem = watched(
        "slow networks",
        &probe.netem,
        "the fault net.delay can be had",
        "the fault net.delay can't be had",
        "sudo modprobe sch_netem",
    );
    let limit = match probe.limit {
        Some(limit) if limit < PROCESSES => {
            let seen = format!("a device may have {limit}");
            Check::lacking("processes", seen, "raise the engine's limit of processes for a container")
        }
        Some(limit) => Check::good("processes", format!("a device may have {limit}")),
        None => Check::good("processes", "a device may have any number"),
    };
    // On a device that could not be prepared, the last two were not tried.
    let tried = probe.raw.is_none().then_some([netem, limit]);
    [raw, processes, files].into_iter().chain(tried.into_iter().flatten()).collect()
}
