//! The evidence of a run, gathered when its last step is done.

use super::leaks;
use crate::{
    environment::Environment,
    evidence::{self, Ending, Evidence, Installed, StepSeen, Timing, log},
};
use futures_util::future::join_all;
use std::{collections::BTreeMap, time::Instant};

/// Gathers what was seen. Facts about packages are asked of the device as the component's user.
pub(super) async fn gather(
    environment: &Environment,
    ending: Ending,
    steps: Vec<StepSeen>,
    mut timings: Vec<Timing>,
) -> Evidence {
    let plan = &environment.plan;
    let began = Instant::now();
    let (packages, mut logs) = tokio::join!(packages(environment), environment.whole_logs());
    timings.push(Timing::new("evidence", began.elapsed()));
    let began = Instant::now();
    for text in logs.values_mut() {
        *text = log::since(text, environment.since).into_owned();
    }
    let mut of_logs: Vec<_> =
        logs.iter().flat_map(|(name, text)| evidence::leaks(&plan.redactor, &format!("{name}.log"), text)).collect();
    of_logs.sort_by(|a, b| a.place.cmp(&b.place));
    let (leaks, search) = leaks::gather(environment, &steps, &logs, of_logs).await;
    if search.is_some() {
        timings.push(Timing::new("leaks", began.elapsed()));
    }
    let core_log = logs.get("greengrass").map_or("", String::as_str);
    // What followed the logs may have missed their last lines.
    let ending = log::unsupported(core_log).map_or(ending, |what| Ending::Unsupported { what });
    for text in logs.values_mut() {
        *text = plan.redactor.apply(text);
    }
    Evidence {
        scenario: plan.scenario.name.clone(),
        environment: plan.environment.clone(),
        account: plan.account.clone(),
        thing: plan.thing.clone(),
        core: plan.scenario.device.core,
        certificate: plan.certificate_id.clone(),
        steps,
        ending,
        restarts: environment.restarts(),
        events: evidence::redacted(&plan.redactor, &environment.events()),
        core_log: logs.remove("greengrass").unwrap_or_default(),
        component_logs: logs,
        packages,
        heads: plan.repositories.iter().map(|(name, bare)| (name.clone(), bare.head.clone())).collect(),
        leaks,
        search,
        timings,
        devices: Vec::new(),
    }
}

/// What `pip3 show` would report to the component's user for each package that the scenario expects: pip's own Python reads
/// the same metadata, without pip, which takes a second to start.
async fn packages(environment: &Environment) -> BTreeMap<String, Installed> {
    const SHOW: &str = r#"pip=$(command -v pip3) && read -r first < "$pip" || exit 0
case $first in '#!'*python*) ;; *) first='#!python3';; esac
exec ${first#??} -c '
import sys, importlib.metadata as metadata
try: found = metadata.distribution(sys.argv[1])
except metadata.PackageNotFoundError: sys.exit()
for name in "Name", "Version", "Summary", "Home-page", "Author", "Author-email", "License":
    print(name + ": " + " ".join(found.metadata.get(name, "").split()))
print("Location: " + str(found.locate_file("")))
print("direct_url: " + " ".join((found.read_text("direct_url.json") or "").split()))
' "$0""#;
    let shown = environment.plan.scenario.expect.packages.iter().map(|package| async {
        let shown = environment.by_hand(&["sh", "-c", SHOW, &package.name]).await;
        (package.name.clone(), shown.map(|output| installed(&output.stdout)).unwrap_or_default())
    });
    join_all(shown).await.into_iter().collect()
}

/// Reads what was printed of a package, and the `direct_url.json` behind it.
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
