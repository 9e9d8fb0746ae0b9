//! What the emulated core costs: its memory while it is idle with ten components, and its own time in a deployment.
//!
//! The deployment that is measured brings one component whose scripts do nothing. Its time is from the line that it was
//! received to the line that it is finished, less the time of the scripts, from the line of their start to the next one.
//! Ten components that run come after it, since the core waits for the nucleus's next poll before it believes that they
//! do.

use super::{Row, Times, failed};
use crate::{
    embedded,
    environment::Environment,
    evidence::{Evidence, log},
    plan::Plan,
    report::{Reader, Told},
    scenario::Scenario,
    scratch::Scratch,
    stage::{Error, Stage},
    verdict::{Verdict, judge},
};
use std::{fmt::Write, path::Path, time::Duration};

/// Memory of the core's process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that is resident.
    pub resident: u64,
    /// What of it the core has allocated; the rest is its program's own file.
    pub allocated: u64,
}

/// What the core costs, in the order of the runs.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Idle with ten components.
    pub memory: Vec<Memory>,
    /// In a deployment, beyond what scripts do.
    pub overhead: Times,
}

/// Reads the memory of the core, the one process of the device that has a nucleus's arguments.
const MEMORY: &str = "for status in /proc/[0-9]*/status; do
if tr '\\0' ' ' < ${status%status}cmdline | grep -q '^greenproof device '; then
sed -n 's/^\\(VmRSS\\|RssAnon\\):[^0-9]*\\([0-9]*\\) kB/\\2/p' $status; fi; done";

/// Measures `runs` times on a warm stage.
///
/// # Errors
/// When an environment can't be raised, or the components don't come to run.
pub async fn cost(stage: &Stage, runs: usize, reader: &dyn Reader) -> Result<Cost, Error> {
    let folder = Scratch::new("bench").map_err(|error| failed(&error))?;
    embedded::reference(folder.path()).map_err(|error| failed(&error))?;
    let path = folder.path().join("scenarios/ten-components.toml");
    std::fs::write(&path, ten_components()).map_err(|error| failed(&error))?;
    let mut cost = Cost::default();
    for run in 1..=runs {
        let (memory, overhead) = Box::pin(measured(stage, &path)).await?;
        let note = format!("run {run}: {} KiB resident, {} ms in a deployment", memory.resident, overhead.as_millis());
        reader.tell(Told::note(note));
        cost.memory.push(memory);
        cost.overhead.push(overhead);
    }
    Ok(cost)
}

async fn measured(stage: &Stage, path: &Path) -> Result<(Memory, Duration), Error> {
    let scenario = Scenario::load(path).map_err(|error| failed(&error))?;
    let plan = Plan::of(scenario.clone()).map_err(|error| failed(&error))?;
    let environment = Environment::raise(stage, plan).await?;
    let evidence = environment.deploy(stage.patience()).await;
    environment.remove().await?;
    let verdict = judge(&scenario, &evidence);
    if !matches!(verdict, Verdict::Passed) {
        return Err(failed(&format!("ten components did not come to run: {verdict:?}")));
    }
    let memory = memory(&evidence).ok_or_else(|| failed(&"the core's memory can't be read"))?;
    let overhead = overhead(&evidence).ok_or_else(|| failed(&"the core's log has no deployment"))?;
    Ok((memory, overhead))
}

fn memory(evidence: &Evidence) -> Option<Memory> {
    let mut numbers = evidence.steps.last()?.output.as_ref()?.stdout.lines().map(str::parse);
    Some(Memory { resident: numbers.next()?.ok()?, allocated: numbers.next()?.ok()? })
}

/// From the receipt of the first deployment to its end, less the scripts' own time.
fn overhead(evidence: &Evidence) -> Option<Duration> {
    let span = evidence.steps.first()?.span();
    let core: Vec<_> = log::written(evidence.log("greengrass"), span).collect();
    let of = |text: &str| core.iter().find(|line| line.contains(text)).and_then(|line| log::time_of(line));
    let starts: Vec<_> = log::written(evidence.log("com.example.Once"), span)
        .filter(|line| line.contains(": shell-runner-start. "))
        .filter_map(log::time_of)
        .collect();
    let [install, run] = starts[..] else { return None };
    let finished = of(": Current deployment finished. ")?;
    // The deployment may end while its script still runs.
    let scripts = of("newState=INSTALLED}")? - install + of(": Run script exited. ")?.min(finished) - run;
    let took = finished - of(": Received deployment in the queue. ")?;
    u64::try_from(took - scripts).ok().map(Duration::from_millis)
}

/// A component whose scripts do nothing, then ten that run, and a look at the core.
fn ten_components() -> String {
    let mut text = String::from(
        "summary = \"one component, then ten more that run\"\n[aws]\nregion = \"eu-west-1\"\nthing_policies = \
         [\"../policies/iot-thing.json\", \"../policies/iot-role-alias.json\"]\n",
    );
    let names: Vec<String> = (1..=10).map(|number| format!("com.example.Idle{number}")).collect();
    let idle = names.iter().map(|name| (name.as_str(), "{Run: exec sleep 3600}"));
    for (name, lifecycle) in idle.chain([("com.example.Once", "{Install: \"true\", Run: \"true\"}")]) {
        _ = write!(
            text,
            "[[component]]\nrecipe_text = '''\nRecipeFormatVersion: \"2020-01-25\"\nComponentName: {name}\n\
             ComponentVersion: 1.0.0\nManifests:\n  - Platform: {{os: linux}}\n    Lifecycle: {lifecycle}\n'''\n"
        );
    }
    let wanted = names.iter().map(|name| format!("components.\"{name}\" = \"1.0.0\"\n")).collect::<Vec<_>>().concat();
    let once = "components.\"com.example.Once\" = \"1.0.0\"\n";
    let expect = "[step.expect]\ndeployment = \"SUCCEEDED\"\n";
    let command = toml::Value::Array(["sh", "-c", MEMORY].map(|word| toml::Value::String(word.into())).into());
    _ = write!(
        text,
        "[[step]]\n[step.deploy]\n{once}{expect}components = {{ \"com.example.Once\" = \"FINISHED\" }}\n\
         [[step]]\n[step.deploy]\n{once}{wanted}{expect}[[step]]\nrun = {command}\n"
    );
    text
}

impl Cost {
    /// What a person reads of it.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let spread = |part: fn(&Memory) -> u64| {
            let mut sorted: Vec<_> = self.memory.iter().map(part).collect();
            sorted.sort_unstable();
            let mebibytes = |index: usize| {
                let whole = u32::try_from(sorted.get(index).copied().unwrap_or_default()).unwrap_or(u32::MAX);
                f64::from(whole) / 1024.0
            };
            let last = sorted.len().saturating_sub(1);
            format!(
                "{:.1} MiB ({:.1} to {:.1}, {} runs)",
                mebibytes(sorted.len() / 2),
                mebibytes(0),
                mebibytes(last),
                sorted.len()
            )
        };
        vec![
            Row::told("core, idle with ten components, resident", &spread(|memory| memory.resident)),
            Row::told("of that allocated by itself", &spread(|memory| memory.allocated)),
            Row::alone("core's own time in a deployment", &self.overhead),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_can_be_loaded() {
        let folder = tempfile::tempdir().unwrap();
        embedded::reference(folder.path()).unwrap();
        let path = folder.path().join("scenarios/ten-components.toml");
        std::fs::write(&path, ten_components()).unwrap();
        let scenario = Scenario::load(&path).unwrap();
        assert_eq!((scenario.components.len(), scenario.steps.len()), (11, 3));
    }

    #[test]
    fn the_median_and_the_ends_are_told() {
        let memory = |resident| Memory { resident, allocated: 2048 };
        let cost = Cost {
            memory: vec![memory(10_240), memory(12_288), memory(11_264)],
            overhead: [90, 120, 100].map(Duration::from_millis).into_iter().collect(),
        };
        let told: Vec<_> = cost.rows().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "| core, idle with ten components, resident | 11.0 MiB (10.0 to 12.0, 3 runs) |  |  |",
                "| of that allocated by itself | 2.0 MiB (2.0 to 2.0, 3 runs) |  |  |",
                "| core's own time in a deployment | 0.10 s (0.09 to 0.12, 3 runs) |  |  |",
            ]
        );
    }
}
