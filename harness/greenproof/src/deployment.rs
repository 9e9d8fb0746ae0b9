//! One deployment, followed until it has settled.

use crate::{
    environment::Environment,
    evidence::{self, Ending, Evidence, Installed, Timing, log},
    wait,
};
use cloud::event::{Event, What};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A deployment under way in an environment.
#[derive(Debug)]
pub struct Deployment<'a> {
    environment: &'a Environment,
    began: Instant,
}

/// States that a component does not leave by itself.
const FINAL: [&str; 2] = ["FINISHED", "BROKEN"];

impl<'a> Deployment<'a> {
    pub(crate) fn new(environment: &'a Environment) -> Self {
        Self { environment, began: Instant::now() }
    }

    /// Waits until the job is terminal and its components have settled: FINISHED, BROKEN, or RUNNING with every
    /// awaited line seen.
    pub async fn settle(&self, patience: Duration) -> Ending {
        let deadline = Instant::now() + patience;
        let journal = &self.environment.journal;
        let status = tokio::select! {
            status = journal.wait(patience, terminal_status) => status,
            what = self.environment.died() => return self.unsupported().await.unwrap_or(Ending::Died { what }),
        };
        let Some(status) = status else {
            let stuck = self.stuck("the deployment's job to end").await;
            return self.unsupported().await.unwrap_or(stuck);
        };
        if status == "SUCCEEDED" {
            let left = deadline.saturating_duration_since(Instant::now());
            let settled = wait::until(left, async || self.settled().await.then_some(())).await;
            if settled.is_none() {
                return self.stuck("its components to settle").await;
            }
        }
        self.unsupported().await.unwrap_or(Ending::Settled)
    }

    /// Whether every component of the scenario has come to rest: in a state that it does not leave by itself, or
    /// RUNNING with every awaited line printed, unless the scenario expects it to end in another state.
    async fn settled(&self) -> bool {
        let scenario = &self.environment.plan.scenario;
        let states = evidence::reported_states(&self.environment.journal.events());
        let names = scenario.deployment.keys().filter(|name| !name.starts_with("aws.greengrass."));
        let mut running = Vec::new();
        for name in names {
            let expected = scenario.expect.components.get(name).map(String::as_str);
            match states.get(name).map(String::as_str) {
                Some(state) if FINAL.contains(&state) => {}
                Some("RUNNING") if expected.is_none_or(|state| state == "RUNNING") => running.push(name),
                _ => return false,
            }
        }
        running.is_empty() || self.printed_by(&running).await
    }

    /// Whether these components have printed every line that is awaited of them.
    async fn printed_by(&self, components: &[&String]) -> bool {
        let logs = self.environment.logs().await;
        let awaited = self.environment.plan.scenario.expect.lines.iter();
        awaited.filter(|line| components.contains(&&line.component)).all(|line| {
            let log = logs.get(&format!("{}.log", line.component)).map_or("", String::as_str);
            log::printed(log).any(|printed| printed.comes_from(line) && printed.text == line.equals)
        })
    }

    async fn stuck(&self, waiting_for: &str) -> Ending {
        let events = self.environment.journal.events();
        let status = evidence::job(&events).map_or_else(String::new, |(status, _)| format!(", now {status}"));
        let logs = self.environment.logs().await;
        let core_log = logs.get("greengrass.log").map_or("", String::as_str);
        let last_seen = self
            .environment
            .journal
            .last_trouble()
            .or_else(|| log::troubles(core_log, 1).pop().map(str::to_owned))
            .unwrap_or_else(|| "no error anywhere".into());
        Ending::Stuck {
            waiting_for: format!("{waiting_for}{status}"),
            last_seen: self.environment.plan.redactor.apply(&last_seen),
            seconds: self.began.elapsed().as_secs(),
        }
    }

    async fn unsupported(&self) -> Option<Ending> {
        let logs = self.environment.logs().await;
        let what = log::unsupported(logs.get("greengrass.log")?)?;
        Some(Ending::Unsupported { what: what.to_owned() })
    }

    /// Gathers what was seen. Facts about packages are asked of the device as the component's user.
    pub async fn finish(self, ending: Ending, mut timings: Vec<Timing>) -> Evidence {
        let environment = self.environment;
        let plan = &environment.plan;
        let began = Instant::now();
        let (packages, mut logs) = tokio::join!(self.packages(), environment.logs());
        timings.push(Timing::new("evidence", began.elapsed()));
        let mut leaks: Vec<_> =
            logs.iter().flat_map(|(name, text)| evidence::leaks(&plan.redactor, name, text)).collect();
        leaks.sort_by(|a, b| a.place.cmp(&b.place));
        for text in logs.values_mut() {
            *text = plan.redactor.apply(text);
        }
        let core_log = logs.remove("greengrass.log").unwrap_or_default();
        let component_logs =
            logs.into_iter().filter_map(|(name, text)| Some((name.strip_suffix(".log")?.to_owned(), text))).collect();
        let events = evidence::redacted(&plan.redactor, &environment.journal.events());
        Evidence {
            scenario: plan.scenario.name.clone(),
            environment: plan.environment.clone(),
            account: plan.account.clone(),
            thing: plan.thing.clone(),
            certificate: plan.certificate_id.clone(),
            began: deployment_began(&events),
            ending,
            events,
            core_log,
            component_logs,
            packages,
            heads: plan.repositories.iter().map(|(name, bare)| (name.clone(), bare.head.clone())).collect(),
            leaks,
            timings,
        }
    }

    /// What `pip3 show` reports to the component's user for each package that the scenario expects.
    async fn packages(&self) -> BTreeMap<String, Installed> {
        const SHOW: &str = r#"shown=$(pip3 show "$0" 2>/dev/null) || exit 0
printf '%s\n' "$shown"
location=$(printf '%s\n' "$shown" | sed -n 's/^Location: //p')
for file in "$location"/*.dist-info/direct_url.json; do
  case "$file" in "$location/$1"-*) printf 'direct_url: '; cat "$file";; esac
done"#;
        let mut packages = BTreeMap::new();
        for package in &self.environment.plan.scenario.expect.packages {
            let folder = package.name.replace('-', "_");
            let shown = self.environment.by_hand(&["sh", "-c", SHOW, &package.name, &folder]).await;
            packages.insert(package.name.clone(), shown.map(|output| installed(&output.stdout)).unwrap_or_default());
        }
        packages
    }
}

/// The status of the job, once no other can follow.
fn terminal_status(events: &[Event]) -> Option<String> {
    let (status, _) = evidence::job(events)?;
    ["SUCCEEDED", "FAILED", "REJECTED", "CANCELED", "TIMED_OUT"].contains(&status).then(|| status.to_owned())
}

/// When the device took the job.
fn deployment_began(events: &[Event]) -> String {
    let taken = events.iter().find(|event| matches!(&event.what, What::Job { status, .. } if status == "IN_PROGRESS"));
    taken.or(events.first()).map(|event| event.time.clone()).unwrap_or_default()
}

/// Reads `pip3 show` and the `direct_url.json` behind it.
fn installed(text: &str) -> Installed {
    let fields: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let commit = fields
        .get("direct_url")
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        .and_then(|url| url["vcs_info"]["commit_id"].as_str().map(str::to_owned));
    Installed { fields: fields.into_iter().filter(|(name, _)| name != "direct_url").collect(), commit }
}
