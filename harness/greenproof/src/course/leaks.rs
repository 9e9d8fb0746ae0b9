//! The leaks of a run whose scenario asks for them: what the watcher saw, what the clouds wrote down, and what the logs say.

use super::during::During;
use crate::{
    core::Core,
    environment::{Environment, Watched},
    evidence::{
        Leak, Processes, Search, StepSeen,
        log::{self, Millis},
    },
};
use cloud::event::What;
use leak::{Finder, Place, watch::Sighting};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Who reads what the account keeps and what its services write down.
const READERS_OF_AWS: &str = "AWS readers";

/// All leaks, each spot once, and how the search went; those of logs were found already.
pub(super) async fn gather(
    environment: &Environment,
    steps: &[StepSeen],
    logs: &BTreeMap<String, String>,
    of_logs: Vec<Leak>,
) -> (Vec<Leak>, Option<Search>) {
    if environment.plan.scenario.leaks.is_none() {
        return (of_logs, None);
    }
    let finder = finder(environment);
    let (watched, clouds) = tokio::join!(environment.watched(), clouds(environment));
    let Some(watched) = watched else { return (of_logs, None) };
    let core = environment.plan.scenario.device.core;
    let during = During::of(core, logs, steps);
    let mut leaks: Vec<_> = watched.sightings.iter().map(|sighting| told(environment, &during, sighting)).collect();
    leaks.extend(of_logs.into_iter().map(|leak| in_file(core, leak)));
    if let Ok(finder) = finder.await {
        leaks.extend(in_clouds(environment, &finder, &clouds));
    }
    once(&mut leaks);
    let search = search(watched);
    (leaks, Some(search))
}

/// What finds the run's secrets, made while others work.
fn finder(environment: &Environment) -> tokio::task::JoinHandle<Finder> {
    let canaries = environment.plan.canaries();
    tokio::task::spawn_blocking(move || Finder::new(canaries))
}

/// How the search went, by what the watcher tells.
fn search(watched: Watched) -> Search {
    let mut search = Search::default();
    if let Some(why) = &watched.sampled {
        search.processes = Processes::Sampled;
        search.notes.push(format!("the kernel does not tell of processes: {why}"));
    }
    if let Some(why) = &watched.unwatched {
        search.notes.push(format!("files were searched at the end alone, not while they lived: {why}"));
    }
    search.incomplete.extend(watched.trouble);
    let Some(summary) = watched.summary else {
        if search.incomplete.is_empty() {
            search.incomplete.push("the watcher gave no answer".to_owned());
        }
        return search;
    };
    search.incomplete.extend(summary.incomplete);
    (search.ran, search.worked) = (summary.up, summary.worked);
    let mut note = |count: u64, one: &str, many: &str| match count {
        0 => {}
        1 => search.notes.push(format!("1 {one}")),
        count => search.notes.push(format!("{count} {many}")),
    };
    note(
        summary.processes_missed,
        "process ended before it could be read",
        "processes ended before they could be read",
    );
    note(
        summary.files_missed,
        "file was gone before it could be searched",
        "files were gone before they could be searched",
    );
    note(summary.left_unread, "file could not be read at the end", "files could not be read at the end");
    if !summary.unsearched.is_empty() {
        search.notes.push(format!("too short to be searched for: {}", summary.unsearched.join(", ")));
    }
    search.notes.push(format!(
        "searched {} processes and {} files while they lived, and {} of {} files at the end in {} ms; watching took {} ms \
         of a processor in {:.1} s",
        summary.processes,
        summary.files,
        summary.left_searched,
        summary.left,
        summary.took,
        summary.worked,
        std::time::Duration::from_millis(summary.up).as_secs_f64(),
    ));
    search
}

/// What the watcher saw, as a report says it.
fn told(environment: &Environment, during: &During, sighting: &Sighting) -> Leak {
    let Sighting { found, began, milliseconds, stays, line, .. } = sighting;
    let began = Millis::try_from(*began).unwrap_or_default();
    let split = if found.split { ", split over lines" } else { "" };
    Leak {
        secret: found.secret.clone(),
        encoding: format!("{}{split}", found.encoding),
        whole: found.whole,
        place: found.place.to_string(),
        readers: found.readers.clone(),
        stays: *stays,
        began: log::instant(began),
        milliseconds: *milliseconds,
        mode: found.mode.clone().unwrap_or_default(),
        owner: found.owner.clone().unwrap_or_default(),
        during: during.at(line, began),
        line: environment.plan.redactor.apply(&found.excerpt),
        close: found.close.clone(),
    }
}

/// A log's leak at its place on the device.
fn in_file(core: Core, leak: Leak) -> Leak {
    let (log, line) = leak.place.rsplit_once(':').unwrap_or((&leak.place, "1"));
    let place = match core {
        Core::Lite => format!("journal of {}, line {line}", log.trim_end_matches(".log")),
        Core::Emulated | Core::Classic => format!("file {}/logs/{log}, line {line}", core.root()),
    };
    let close = Place::File { path: log.to_owned(), inside: Vec::new(), line: 1 }.close();
    Leak { readers: "root".into(), place, close, ..leak }
}

/// A place without its line.
fn spot(place: &str) -> &str {
    place.rsplit_once(", line ").map_or(place, |(spot, _)| spot)
}

/// Keeps the first leak of each secret at each spot; of two, the one that says when it began.
fn once(leaks: &mut Vec<Leak>) {
    leaks.sort_by(|a, b| (a.began.is_empty(), &a.began, &a.place).cmp(&(b.began.is_empty(), &b.began, &b.place)));
    let mut seen = HashSet::new();
    leaks.retain(|leak| seen.insert((leak.secret.clone(), spot(&leak.place).to_owned())));
}

/// The raw lines of the clouds, by their parts.
async fn clouds(environment: &Environment) -> Vec<(&'static str, Vec<String>)> {
    let (aws, github) = environment.said_by_clouds().await;
    vec![("aws", aws), ("github", github)]
}

/// Secrets in what the clouds wrote down and in the deployments' documents.
fn in_clouds(environment: &Environment, finder: &Finder, clouds: &[(&'static str, Vec<String>)]) -> Vec<Leak> {
    let leak = |hit: &leak::Hit, place: Place, time: &str| Leak {
        secret: finder.canaries()[hit.canary].name.clone(),
        encoding: hit.encoding.to_string(),
        whole: hit.whole,
        readers: READERS_OF_AWS.into(),
        stays: true,
        began: time.to_owned(),
        line: environment.plan.redactor.apply(&hit.excerpt),
        close: place.close(),
        place: place.to_string(),
        ..Leak::default()
    };
    let mut leaks = Vec::new();
    for (of, lines) in clouds {
        for (index, line) in lines.iter().enumerate() {
            let hits = finder.hits(line.as_bytes());
            if hits.is_empty() {
                continue;
            }
            let event = serde_json::from_str::<cloud::event::Event>(line).ok();
            let time = event.as_ref().map(|event| event.time.clone()).unwrap_or_default();
            if let Some(What::Job { document: Some(document), .. }) = event.map(|event| event.what) {
                let mut found = Vec::new();
                in_document(finder, &document, String::new(), &mut found);
                leaks.extend(found.iter().map(|(hit, pointer)| {
                    leak(hit, Place::Document { of: "deployment document".into(), pointer: pointer.clone() }, &time)
                }));
            } else {
                let place = Place::Log { of: (*of).to_owned(), line: index as u64 + 1 };
                leaks.extend(hits.iter().map(|hit| leak(hit, place.clone(), &time)));
            }
        }
    }
    leaks
}

/// Secrets in a JSON document, each with its place in it.
fn in_document(finder: &Finder, value: &Value, pointer: String, found: &mut Vec<(leak::Hit, String)>) {
    match value {
        Value::String(text) => {
            // A document may stand in another as a text.
            match serde_json::from_str::<Value>(text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => in_document(finder, &inner, pointer, found),
                _ => found.extend(finder.hits(text.as_bytes()).into_iter().map(|hit| (hit, pointer.clone()))),
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                in_document(finder, item, format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                in_document(finder, item, format!("{pointer}/{}", finder.masked(name)), found);
            }
        }
        _ => {}
    }
}
