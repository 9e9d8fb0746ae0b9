//! The engine itself.

use super::{Check, size};
use crate::docker::{About, Error};
use std::env::consts::ARCH;

/// What LocalStack and a device take together, and what lets them breathe.
const LEAST_MEMORY: u64 = 900 << 20;
const GOOD_MEMORY: u64 = 1900 << 20;

/// An engine that does not answer.
pub(super) fn unreachable(error: &Error, said: Option<&String>) -> Check {
    let seen = error.to_string();
    let fix = match said {
        Some(named) => {
            format!("start the engine at {named}, or take this machine's own: unset DOCKER_HOST DOCKER_CONTEXT")
        }
        None if seen.contains("ermission denied") => "sudo usermod -aG docker \"$USER\" && newgrp docker".to_owned(),
        None => "sudo systemctl start docker   # not installed? see https://docs.docker.com/engine/install".to_owned(),
    };
    Check::missing("docker", seen, fix)
}

/// An engine that answers, and refuses.
pub(super) fn refused(name: &'static str, error: &Error) -> Check {
    Check::missing(name, error.to_string(), "look into the engine's log: sudo journalctl -u docker -n 50")
}

pub(super) fn about(about: &About) -> Vec<Check> {
    let About { version, api, system, storage, cores, memory, .. } = about;
    let seen = format!("{version}, API {api}, {system}, images in {storage}");
    let ours = format!("linux/{ARCH}");
    let engine = if *system == ours {
        Check::good("docker", seen)
    } else {
        let fix = format!("take an engine of {ours}: export DOCKER_HOST=…");
        Check::missing("docker", format!("{seen}: it runs no program of {ours}"), fix)
    };
    let seen = format!("{} for containers", size(*memory));
    let fix = "give Docker's machine 2 GiB or more (Docker Desktop: Settings, Resources)";
    let memory = if *memory < LEAST_MEMORY {
        Check::missing("memory", format!("{seen}; a run takes {}", size(LEAST_MEMORY)), fix)
    } else if *memory < GOOD_MEMORY {
        Check::lacking("memory", format!("{seen}; {} are better", size(GOOD_MEMORY)), fix)
    } else {
        Check::good("memory", seen)
    };
    let cores = match *cores {
        ..2 => {
            let fix = "export GREENPROOF_PATIENCE=2";
            Check::lacking("cores", format!("{cores} for containers: everything takes longer"), fix)
        }
        _ => Check::good("cores", format!("{cores} for containers")),
    };
    vec![engine, cores, memory]
}
