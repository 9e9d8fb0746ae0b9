//! Trials with processes of this machine; only its root is told of them.

use super::*;
use crate::{Kind, Place};
use std::{os::unix::process::CommandExt, process::Command};

const TRIALS: usize = 100;

/// A secret of each trial of a test, which may see the processes of the other one.
fn canaries(sampled: bool) -> Vec<Canary> {
    let first = if sampled { TRIALS } else { 0 };
    let text = |number: usize| format!("{:016x}", ((first + number) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..TRIALS).map(|number| Canary::new(format!("trial {number}"), &text(number), Kind::Lasting)).collect()
}

fn watcher(sampled: bool) -> Watcher {
    // Every process is in some control group.
    Watcher::start(Watch { container: String::new(), since: now(), canaries: canaries(sampled), sampled })
}

/// A process that has a secret in its arguments or its environment for so many seconds.
fn hold(canary: &Canary, seconds: &str, in_arguments: bool) {
    let mut command = Command::new("sleep");
    command.arg(seconds);
    if in_arguments {
        command.arg0(&canary.text);
    } else {
        command.env("HELD", &canary.text);
    }
    assert!(command.status().unwrap().success());
}

/// What was seen of each secret.
fn caught(said: Vec<Said>) -> (Vec<Sighting>, Summary) {
    let (mut leaks, mut summary) = (Vec::new(), None);
    for said in said {
        match said {
            Said::Leak(sighting) => leaks.push(*sighting),
            Said::Searched(told) => summary = Some(*told),
            other => panic!("{other:?}"),
        }
    }
    (leaks, summary.unwrap())
}

#[test]
fn a_secret_in_arguments_or_environment_for_20_ms_is_caught() {
    let watcher = watcher(false);
    if !matches!(watcher.watching, Said::Watching { sampled: None, .. }) {
        eprintln!("skipped: {:?}", watcher.watching);
        return;
    }
    let canaries = canaries(false);
    for (number, canary) in canaries.iter().enumerate() {
        hold(canary, "0.02", number % 2 == 0);
    }
    let (leaks, summary) = caught(watcher.search());
    let of = |canary: &&Canary| leaks.iter().any(|leak| leak.found.secret == canary.name);
    let count = canaries.iter().filter(of).count();
    eprintln!("caught {count} of {TRIALS}; {} processes, {} missed", summary.processes, summary.processes_missed);
    assert!(count * 100 >= TRIALS * 99, "{count}");
    // The first may have come before the watcher had looked at all that there was.
    let of = |even: bool| {
        // Other processes of the machine may have other secrets.
        let number = |leak: &Sighting| leak.found.secret.strip_prefix("trial ")?.parse::<usize>().ok();
        let is = move |leak: &&Sighting| number(leak).is_some_and(|number| number.is_multiple_of(2) == even);
        leaks.iter().filter(is).max_by_key(|leak| leak.milliseconds)
    };
    let (first, second) = (of(true).unwrap(), of(false).unwrap());
    assert!(matches!(&first.found.place, Place::Arguments { program } if program == "sleep"), "{first:?}");
    assert_eq!((first.found.readers.as_str(), first.stays), ("every local user", false));
    assert!(first.milliseconds >= 5, "{first:?}");
    assert_eq!(second.found.place.to_string(), "environment of sleep, variable HELD");
    assert!(!format!("{leaks:?}").contains(&canaries[0].text), "no secret is told");
}

#[test]
fn where_the_kernel_does_not_tell_a_secret_that_stays_is_seen_again_and_again() {
    let watcher = watcher(true);
    assert!(matches!(&watcher.watching, Said::Watching { sampled: Some(why), .. } if why == "asked for"));
    let canaries = canaries(true);
    hold(&canaries[0], "5", true);
    let (leaks, _) = caught(watcher.search());
    assert_eq!(leaks.iter().filter(|leak| leak.found.secret == "trial 0").count(), 1, "{leaks:?}");
}
