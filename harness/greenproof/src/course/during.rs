//! Which step of which component something happened in, by who did it and by the time.

use crate::{
    core::Core,
    evidence::{
        StepSeen,
        log::{self, Millis},
    },
};
use leak::watch::Ancestor;
use std::collections::BTreeMap;

/// The scripts of a run, and the steps of its scenario.
#[derive(Debug)]
pub(super) struct During {
    /// The folder that has a folder of each component.
    work: String,
    /// When each script was started: component, lifecycle step, time.
    started: Vec<(String, String, Millis)>,
    steps: Vec<(String, log::Span)>,
}

impl During {
    /// From the logs of the components and what was seen of the steps.
    pub(super) fn of(core: Core, logs: &BTreeMap<String, String>, steps: &[StepSeen]) -> Self {
        let mut started: Vec<_> = logs.iter().flat_map(|(component, log)| log::scripts(component, log)).collect();
        started.sort_by_key(|(_, _, time)| *time);
        let steps = steps.iter().map(|step| (step.action.clone(), step.span())).collect();
        Self { work: format!("{}/work/", core.root()), started, steps }
    }

    /// What a process, by those above it, did at a time; or what went on then.
    pub(super) fn at(&self, line: &[Ancestor], time: Millis) -> String {
        let component = line.iter().find_map(|ancestor| {
            let rest = ancestor.folder.strip_prefix(&self.work)?;
            Some(rest.split('/').next().unwrap_or_default())
        });
        let before = || self.started.iter().rev().filter(|(_, _, started)| *started <= time);
        match component {
            Some(component) => {
                // A script's log may begin a little after the script.
                let first = || self.started.iter().find(|(name, _, _)| name == component);
                let step = before().find(|(name, _, _)| name == component).or_else(first);
                step.map_or_else(|| component.to_owned(), |(_, step, _)| format!("{step} of {component}"))
            }
            None if line.is_empty() => {
                before().next().map_or_else(|| self.step(time), |(component, step, _)| format!("{step} of {component}"))
            }
            None => self.step(time),
        }
    }

    /// The step of the scenario that was carried out at a time.
    fn step(&self, time: Millis) -> String {
        let of = |(_, step): &&(String, log::Span)| step.from <= time && time <= step.to;
        self.steps.iter().rev().find(of).map(|(action, _)| action.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_did_it_and_when_say_which_step_it_was() {
        let entry = |time: &str, component: &str, step: &str| {
            format!(
                "2026-01-01T00:00:{time}Z [INFO] (pool-2-thread-3) {component}: shell-runner-start. {{scriptName=services.\
                 {component}.lifecycle.{step}.Script, serviceName={component}, currentState=NEW, command=[\"x\"]}}\n"
            )
        };
        let logs = BTreeMap::from([
            ("a.A".to_owned(), entry("01", "a.A", "Install") + &entry("05", "a.A", "Run")),
            ("b.B".to_owned(), entry("03", "b.B", "install")),
        ]);
        let during = During::of(Core::Emulated, &logs, &[]);
        let at = |second: &str| log::millis_of(&format!("2026-01-01T00:00:{second}Z")).unwrap();
        let line = |folders: &[&str]| {
            let of = |folder: &&str| Ancestor { name: String::new(), folder: (*folder).to_owned() };
            folders.iter().map(of).collect::<Vec<_>>()
        };
        let in_a = line(&["/tmp/pip-x", "/greengrass/v2/work/a.A"]);
        assert_eq!(during.at(&in_a, at("04")), "Install of a.A");
        assert_eq!(during.at(&in_a, at("05.1")), "Run of a.A");
        assert_eq!(during.at(&[], at("04")), "install of b.B");
        assert_eq!(during.at(&line(&["/root"]), at("04")), "");
    }
}
