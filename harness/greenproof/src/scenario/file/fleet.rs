//! `[fleet]`: how many devices, how the job goes about them, and which of them have faults.

use super::{Layer, set, table};
use crate::{
    core::Core,
    fault::Fault,
    scenario::{
        Error, Except, Fleet, Scenario,
        fleet::{GROUP, MOST},
        step::{Action, Deploy, Target},
    },
};
use cloud::world::JobConfiguration;
use std::{collections::BTreeSet, ops::Range};
use toml::{Spanned, Value};

const TABLE: &str = "[fleet]";

impl Layer<'_> {
    /// `[fleet]` laid over what there was.
    pub(super) fn fleet(&self, table: table::Fleet, before: Option<Fleet>) -> Result<Fleet, Error> {
        let bare = || Fleet {
            devices: 0,
            group: GROUP.to_owned(),
            job: JobConfiguration::default(),
            except: Vec::new(),
            expect: [].into(),
        };
        let mut fleet = before.unwrap_or_else(bare);
        if let Some(devices) = table.devices {
            if !(1..=MOST).contains(devices.get_ref()) {
                let message = format!("a fleet of {} devices", devices.get_ref());
                return Err(self.error(Some(devices.span()), message, format!("use a number from 1 to {MOST}")));
            }
            fleet.devices = devices.into_inner();
        }
        if let Some(group) = table.group {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
            if group.get_ref().is_empty() || group.get_ref().len() > 128 || !group.get_ref().chars().all(plain) {
                let message = format!("`{}` is no name of a thing group", group.get_ref());
                return Err(self.error(Some(group.span()), message, "use 1 to 128 letters, digits, `:`, `_` and `-`"));
            }
            fleet.group = group.into_inner();
        }
        let stated = [
            table.job_executions_rollout_config.as_ref().map(Spanned::span),
            table.abort_config.as_ref().map(Spanned::span),
            table.timeout_config.as_ref().map(Spanned::span),
        ];
        let JobConfiguration { job_executions_rollout_config, abort_config, timeout_config } = &mut fleet.job;
        set(job_executions_rollout_config, table.job_executions_rollout_config.map(|it| Some(it.into_inner())));
        set(abort_config, table.abort_config.map(|it| Some(it.into_inner())));
        set(timeout_config, table.timeout_config.map(|it| Some(it.into_inner())));
        self.check_job(&fleet.job, stated)?;
        if let Some(except) = table.except {
            fleet.except = Vec::new();
            for table in except {
                let next = self.except(table, &fleet)?;
                fleet.except.push(next);
            }
        }
        if let Some(table::Counts { succeeded, failed, rejected, canceled, timed_out }) = table.expect {
            let counts = [
                ("SUCCEEDED", succeeded),
                ("FAILED", failed),
                ("REJECTED", rejected),
                ("CANCELED", canceled),
                ("TIMED_OUT", timed_out),
            ];
            fleet.expect = counts.into_iter().filter_map(|(status, count)| Some((status, count?))).collect();
        }
        Ok(fleet)
    }

    /// Holds the job's numbers against what AWS takes.
    fn check_job(
        &self,
        job: &JobConfiguration,
        [rollout, abort, timeout]: [Option<Range<usize>>; 3],
    ) -> Result<(), Error> {
        let Some(excess) = job.excesses().into_iter().next() else { return Ok(()) };
        let span = if excess.at.starts_with("job") {
            rollout
        } else if excess.at.starts_with("abort") {
            abort
        } else {
            timeout
        };
        let name = excess.at.rsplit('.').next().map(snake).unwrap_or_default();
        let message = format!("`{name}` is {}", excess.value);
        Err(self.error(span, message, format!("use a number {}, as AWS does", excess.bound)))
    }

    /// A `[[fleet.except]]`.
    fn except(&self, table: table::Except, fleet: &Fleet) -> Result<Except, Error> {
        let taken: BTreeSet<usize> = fleet.except.iter().flat_map(|except| except.devices.iter().copied()).collect();
        let devices = self.numbers(&table.devices, fleet.devices, &taken)?;
        let mut faults = Vec::new();
        for text in table.faults.iter().flatten() {
            let fault: Fault = self.fault(text)?;
            if fault.cloud().is_some() {
                let message = format!("`{fault}` goes wrong in the cloud, for all devices");
                let hint = "state a fault that begins with `device.`, `disk.` or `net.`, or put it into the scenario's own `faults`";
                return Err(self.error(Some(text.span()), message, hint));
            }
            faults.push(fault);
        }
        let at = table.expect.span();
        let expect = self.expect(table.expect.into_inner(), &Action::Deploy(Deploy::default()))?;
        if expect.deployment.is_none() {
            let hint = "state how the deployment ends there, such as `deployment = \"FAILED\"`";
            return Err(self.error(Some(at), "`expect.deployment` of these devices is missing", hint));
        }
        Ok(Except { devices, faults, expect })
    }

    /// The devices that a number or a list of numbers stands for: the first so many that no table before has taken.
    fn numbers(&self, value: &Spanned<Value>, all: usize, taken: &BTreeSet<usize>) -> Result<BTreeSet<usize>, Error> {
        let wrong = |message: String| {
            let hint =
                format!("state how many devices, or their numbers from 1 to {all} in a list, each in one table alone");
            Err(self.error(Some(value.span()), message, hint))
        };
        let number = |value: &Value| value.as_integer().and_then(|number| usize::try_from(number).ok());
        match value.get_ref() {
            Value::Array(listed) => {
                let mut devices = BTreeSet::new();
                for value in listed {
                    match number(value) {
                        Some(number) if (1..=all).contains(&number) && !taken.contains(&number) => {
                            devices.insert(number);
                        }
                        _ => return wrong(format!("{value} is no device of the fleet, or one of another table")),
                    }
                }
                if devices.is_empty() { wrong("no device is listed".to_owned()) } else { Ok(devices) }
            }
            value => {
                let free = (1..=all).filter(|number| !taken.contains(number));
                match number(value).filter(|count| *count > 0 && *count <= all - taken.len()) {
                    Some(count) => Ok(free.take(count).collect()),
                    None => wrong(format!("{value} devices, of {} that are left", all - taken.len())),
                }
            }
        }
    }

    /// What a scenario with a fleet can't have.
    pub(super) fn check_fleet(&self, scenario: &Scenario) -> Result<(), Error> {
        let Some(fleet) = &scenario.fleet else { return Ok(()) };
        let refuse = |message: &str, hint: &str| Err(self.error(self.find(TABLE), message, hint));
        if fleet.devices == 0 {
            return refuse("`fleet.devices` is missing", "state how many devices there are");
        }
        let numbers = fleet.except.iter().flat_map(|except| &except.devices);
        if let Some(number) = numbers.max().filter(|number| **number > fleet.devices) {
            let message = format!("device {number} of `[[fleet.except]]` is none of {}", fleet.devices);
            return refuse(&message, "state `[[fleet.except]]` anew where `fleet.devices` is smaller than in the base");
        }
        if scenario.device.core != Core::Emulated {
            return refuse("a fleet is of emulated cores", "leave `device.core` out");
        }
        if scenario.leaks.is_some() {
            return refuse(
                "no fleet is watched for leaks",
                "leave `leaks` out, or `[fleet]`: one device shows the same",
            );
        }
        let after = &scenario.steps[scenario.opening()..];
        let deploys = match after {
            [step] => step.action.deploy(),
            _ => None,
        };
        if deploys.is_none_or(|deploy| deploy.target != Target::OwnGroup || deploy.until.is_some()) {
            return refuse("a fleet has one deployment, to its group, and no other step", "state it as `[deployment]`");
        }
        let total: usize = fleet.expect.values().sum();
        if total > fleet.devices {
            let message = format!("`fleet.expect` counts {total} devices, and there are {}", fleet.devices);
            return refuse(&message, "correct the numbers");
        }
        Ok(())
    }
}

/// A name of the API as scenario files write it.
fn snake(name: &str) -> String {
    let lower = |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
    name.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Step;

    const HEAD: &str = "[aws]\nregion = \"eu-west-1\"\n[[component]]\nrecipe_text = '''\nComponentName: A\nComponentVersion: 1.0.0\n'''\n\
        [deployment]\nA = \"1.0.0\"\n[expect]\ndeployment = \"SUCCEEDED\"\n";

    fn scenario(more: &str) -> Result<Scenario, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.toml");
        std::fs::write(&path, format!("{HEAD}{more}")).unwrap();
        Scenario::load(&path)
    }

    const FLEET: &str = r#"
[fleet]
devices = 12
job_executions_rollout_config = { maximum_per_minute = 60 }
timeout_config.in_progress_timeout_in_minutes = 5
[[fleet.abort_config.criteria_list]]
failure_type = "FAILED"
action = "CANCEL"
min_number_of_executed_things = 2
threshold_percentage = 12.5
[[fleet.except]]
devices = [2, 4]
faults = ["disk.full path=/tmp size=64K"]
expect.deployment = "FAILED"
[[fleet.except]]
devices = 2
expect = { deployment = "CANCELED" }
[fleet.expect]
succeeded = 8
failed = 2
canceled = 2
"#;

    #[test]
    fn a_fleet_is_one_scenario_for_each_device() {
        fidelity::fidelity!("fleet-1");
        let scenario = scenario(FLEET).unwrap_or_else(|error| panic!("{error}\n{}", error.hint));
        let fleet = scenario.fleet.as_ref().unwrap();
        assert_eq!((fleet.devices, fleet.group.as_str(), fleet.thing("core", 7).as_str()), (12, "fleet", "core-07"));
        assert_eq!(fleet.expect, [("SUCCEEDED", 8), ("FAILED", 2), ("CANCELED", 2)].into());
        let criteria = &fleet.job.abort_config.as_ref().unwrap().criteria_list[0];
        assert!((criteria.threshold_percentage - 12.5).abs() < f64::EPSILON);
        let shown = |number| {
            let member = scenario.member(number);
            let faults: Vec<_> = member.steps.iter().filter_map(Step::fault).map(ToString::to_string).collect();
            (faults.join(","), member.steps.last().unwrap().expect.deployment.clone().unwrap())
        };
        let full = ("disk.full path=/tmp size=64K".to_owned(), "FAILED".to_owned());
        let (canceled, sound) = ((String::new(), "CANCELED".to_owned()), (String::new(), "SUCCEEDED".to_owned()));
        // A count takes the first that are left.
        let all: Vec<_> = (1..=5).map(shown).collect();
        assert_eq!(all, [canceled.clone(), full.clone(), canceled, full, sound]);
    }

    #[test]
    fn what_no_fleet_can_have_is_refused_with_its_line_and_what_to_do() {
        fidelity::fidelity!("fleet-2");
        let line = HEAD.matches('\n').count();
        for (more, at, says) in [
            ("[fleet]\ndevices = 0", 2, "a fleet of 0 devices"),
            ("[fleet]\ndevices = 251", 2, "a fleet of 251 devices"),
            ("[fleet]\ngroup = \"a\"", 1, "`fleet.devices` is missing"),
            ("[fleet]\ndevices = 2\ngroup = \"a b\"", 3, "`a b` is no name of a thing group"),
            (
                "[fleet]\ndevices = 2\njob_executions_rollout_config.maximum_per_minute = 1001",
                3,
                "`maximum_per_minute` is 1001",
            ),
            ("[fleet]\ndevices = 2\nrollout = 1", 3, "unknown field `rollout`"),
            (
                "[fleet]\ndevices = 2\n[[fleet.except]]\ndevices = 3\nexpect.deployment = \"FAILED\"",
                4,
                "3 devices, of 2 that are left",
            ),
            (
                "[fleet]\ndevices = 2\n[[fleet.except]]\ndevices = [3]\nexpect.deployment = \"FAILED\"",
                4,
                "3 is no device of the fleet",
            ),
            (
                "[fleet]\ndevices = 2\n[[fleet.except]]\ndevices = 1\nfaults = [\"provider.403\"]\nexpect.deployment = \"FAILED\"",
                5,
                "`provider.403` goes wrong in the cloud, for all devices",
            ),
            (
                "[fleet]\ndevices = 2\n[[fleet.except]]\ndevices = 1\nexpect = {}",
                5,
                "`expect.deployment` of these devices is missing",
            ),
            ("[fleet]\ndevices = 2\nexpect.failed = 3", 1, "`fleet.expect` counts 3 devices, and there are 2"),
            ("[fleet]\ndevices = 2\n[device]\ncore = \"lite\"", 1, "a fleet is of emulated cores"),
        ] {
            let error = scenario(more).expect_err(more);
            assert!(error.message.contains(says) && !error.hint.is_empty(), "{error}");
            assert!(error.place.contains(&format!("case.toml:{}:", line + at)), "{error} ({more})");
        }
        let leaks = format!("leaks = \"none\"\n{HEAD}[fleet]\ndevices = 2\n");
        let steps = "[aws]\nregion = \"eu-west-1\"\n[fleet]\ndevices = 2\n[[step]]\nrun = [\"id\"]\n";
        for (text, says) in [(leaks.as_str(), "no fleet is watched for leaks"), (steps, "a fleet has one deployment")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("case.toml");
            std::fs::write(&path, text).unwrap();
            let error = Scenario::load(&path).expect_err(says);
            assert!(error.message.contains(says), "{error}");
        }
    }
}
