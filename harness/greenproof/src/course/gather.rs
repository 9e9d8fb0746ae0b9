//! The evidence of a run, gathered when its last step is done.

use super::leaks;
use crate::{
    docker::Begun,
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
    // The engine starts nothing in a container while it reads files from it.
    let asked = ask_for_packages(environment).await;
    let (packages, mut logs) = tokio::join!(told(environment, asked), environment.whole_logs());
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
/// the same metadata, without pip, which takes a second to start, and without Python's own reader, which takes longer to load than all the
/// rest; only what is no single `.dist-info` folder is left to that.
async fn ask_for_packages(environment: &Environment) -> Vec<(String, Option<Begun>)> {
    const SHOW: &str = r#"pip=$(command -v pip3) && read -r first < "$pip" || exit 0
case $first in '#!'*python*) ;; *) first='#!python3';; esac
exec ${first#??} -c '
import os, sys
def plain(name): return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)
name, found = sys.argv[1], []
for place in (place or "." for place in sys.path):
    if found or not os.path.isdir(place): continue
    found = [place + "/" + entry for entry in os.listdir(place) if entry.endswith(("-info", ".egg", ".egg-link"))
             and plain(entry.split("-")[0].removesuffix(".egg")) == plain(name)]
if len(found) == 1 and os.path.isfile(found[0] + "/METADATA"):
    place, fields = os.path.dirname(found[0]), {}
    for line in open(found[0] + "/METADATA", encoding="utf-8"):
        if not line.strip(): break
        key, colon, value = line.partition(":")
        if line[0].isspace(): fields[last] += " " + line
        else: last = key if key not in fields else ""; fields[last] = value
    url = found[0] + "/direct_url.json"
    url = open(url, encoding="utf-8").read() if os.path.isfile(url) else ""
else:
    import importlib.metadata
    try: found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError: sys.exit()
    place, fields, url = found.locate_file(""), found.metadata, found.read_text("direct_url.json") or ""
for name in "Name", "Version", "Summary", "Home-page", "Author", "Author-email", "License":
    print(name + ": " + " ".join((fields.get(name) or "").split()))
print("Location: " + str(place))
print("direct_url: " + " ".join(url.split()))
' "$0""#;
    let asked = environment.plan.scenario.expect.packages.iter().map(|package| async {
        (package.name.clone(), environment.begin_by_hand(&["sh", "-c", SHOW, &package.name]).await.ok())
    });
    join_all(asked).await
}

/// What was answered of each package.
async fn told(environment: &Environment, asked: Vec<(String, Option<Begun>)>) -> BTreeMap<String, Installed> {
    let shown = asked.into_iter().map(|(name, begun)| async {
        let shown = match begun {
            Some(begun) => environment.engine.finish(begun).await.ok(),
            None => None,
        };
        (name, shown.map(|output| installed(&output.stdout)).unwrap_or_default())
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
