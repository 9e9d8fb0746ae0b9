//! Whether a run did what a scenario says: a verdict on something else than what was done would mean nothing.

use super::{Error, filled};
use crate::{bundle, evidence::Evidence, redact::MASK, scenario::Scenario};
use std::{io, path::Path};
use toml::{Table, Value};

const HINT: &str = "only expectations can be judged anew; run the scenario if it does something else";

/// What a file says for a reader alone, or expects; of all else a run is made.
const BESIDE: [&str; 9] =
    ["base", "summary", "reference", "tags", "fidelity", "failure", "expect", "leaks", "must_fail"];

/// Whether the run carried out the scenario's steps, as they are told.
pub(super) fn steps(scenario: &Scenario, evidence: &Evidence) -> Result<(), Error> {
    for (index, seen) in evidence.steps.iter().enumerate() {
        if index >= scenario.steps.len() {
            let (done, has) = (evidence.steps.len(), scenario.steps.len());
            return Err(Error::new(format!("the run carried out {done} steps, and the scenario has {has}"), HINT));
        }
        let action = filled(scenario, index, evidence).action.to_string();
        if action != seen.action && !seen.action.contains(MASK) {
            let number = index + 1;
            let message = format!("step {number} of the run was `{}`, and the scenario says `{action}`", seen.action);
            return Err(Error::new(message, HINT));
        }
    }
    Ok(())
}

/// Of a package that pip was not asked for nothing is known.
pub(super) fn packages(scenario: &Scenario, evidence: &Evidence) -> Result<(), Error> {
    let asked = |name: &str| evidence.devices.iter().chain([evidence]).any(|one| one.packages.contains_key(name));
    let Some(package) = scenario.expect.packages.iter().find(|package| !asked(&package.name)) else { return Ok(()) };
    let message = format!("the run did not look for the package `{}`", package.name);
    Err(Error::new(message, "run the scenario, which then looks for it"))
}

/// Whether the scenario in a file has the world and the steps of the one that ran, down to the content of each file that
/// it names. Layers that only expect something else may lie over it.
pub(super) fn world(ran: &Scenario, other: &Scenario, file: &Path) -> Result<(), Error> {
    let of = |(layers, scenario): (io::Result<Vec<Table>>, &Scenario)| {
        let layers = layers.map_err(|error| {
            let path = scenario.sources.first().map_or(file, |source| &source.path);
            Error::new(format!("reading what `{}` names: {error}", path.display()), "name files that can be read")
        })?;
        let (mut top, mut rest) = (Table::new(), Vec::new());
        for layer in layers {
            let left = below(without_expectations(layer), &mut top);
            if !left.is_empty() {
                rest.push(left);
            }
        }
        rest.insert(0, top);
        Ok(rest)
    };
    let [layers, others] = bundle::layers(ran, other);
    let as_value = |layers: Vec<Table>| Value::Array(layers.into_iter().map(Value::Table).collect());
    let Some(key) = difference(&as_value(of((layers, ran))?), &as_value(of((others, other))?)) else { return Ok(()) };
    let what = if key.is_empty() { "other layers".to_owned() } else { format!("another `{key}`") };
    Err(Error::new(format!("`{}` says {what} than the run had", file.display()), HINT))
}

/// What a layer says of the run alone.
fn without_expectations(mut layer: Table) -> Table {
    layer.retain(|key, _| !BESIDE.contains(&key));
    let fleet = layer.get_mut("fleet").and_then(Value::as_table_mut);
    let except = fleet.into_iter().filter_map(|fleet| {
        fleet.remove("expect");
        fleet.get_mut("except")?.as_array_mut()
    });
    let except: Vec<_> = except.flatten().collect();
    for each in except.into_iter().filter_map(Value::as_table_mut) {
        each.remove("expect");
    }
    let steps = layer.get_mut("step").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten().filter_map(Value::as_table_mut) {
        step.remove("expect");
    }
    layer
}

/// A layer without what a layer replaces as a whole, such as the steps: of that the first one counts, which goes to the top.
fn below(mut layer: Table, top: &mut Table) -> Table {
    const WHOLE: [&str; 4] = ["step", "deployment", "component", "faults"];
    // Each takes the other's place.
    let happens = top.contains_key("step") || top.contains_key("deployment");
    for key in WHOLE {
        let covered = top.contains_key(key) || (happens && ["step", "deployment"].contains(&key));
        if let Some(value) = layer.remove(key).filter(|_| !covered) {
            top.insert(key.to_owned(), value);
        }
    }
    if let Some(fleet) = layer.get_mut("fleet").and_then(Value::as_table_mut) {
        if let Some(except) = fleet.remove("except") {
            top.entry("fleet.except").or_insert(except);
        }
        if fleet.is_empty() {
            layer.remove("fleet");
        }
    }
    layer
}

/// Where two values differ first: keys divided by dots, none where they differ as wholes.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &str, within: String| if within.is_empty() { key.to_owned() } else { format!("{key}.{within}") };
    match (one, other) {
        (Value::Table(one), Value::Table(other)) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            keys.into_iter().find_map(|key| match (one.get(key), other.get(key)) {
                (Some(one), Some(other)) => difference(one, other).map(|within| below(key, within)),
                _ => Some(key.clone()),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).find_map(|(one, other)| difference(one, other))
        }
        _ => (one != other).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::git;
    use std::fs;

    const ROLE: &str = "[aws]\nregion = 'eu-west-1'\n[aws.role]\ntrust = 'trust.json'\npolicies = ['read.json']\n";
    const STEP: &str = "[[step]]\n[step.deploy.components]\nA = '1.0.0'\n[step.expect]\ndeployment = 'SUCCEEDED'\n";

    /// A folder with what the scenarios of these tests name.
    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("pkg")).unwrap();
        for (name, text) in [
            ("pkg/setup.py", "x"),
            ("trust.json", include_str!("../../../../fixtures/policies/trust.json")),
            ("read.json", include_str!("../../../../fixtures/policies/secret-read.json")),
            ("a.yaml", "ComponentName: A\nComponentVersion: 1.0.0\n"),
        ] {
            fs::write(place.path().join(name), text).unwrap();
        }
        let repository = place.path().join("repo");
        git(place.path(), &["init", "--quiet", "--initial-branch", "main", "repo"]);
        git(&repository, &["commit", "--quiet", "--allow-empty", "--message", "one"]);
        git(&repository, &["tag", "v1"]);
        place
    }

    fn load(place: &Path, name: &str, text: &str) -> Scenario {
        fs::write(place.join(name), text).unwrap();
        Scenario::load(&place.join(name)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The scenario as a run stores it; gone with the folder.
    fn stored(scenario: &Scenario) -> (tempfile::TempDir, Scenario) {
        let folder = tempfile::tempdir().unwrap();
        let file = bundle::write_scenario(scenario, &folder.path().join("scenario")).unwrap();
        (folder, Scenario::load(&file).unwrap_or_else(|error| panic!("{error}")))
    }

    fn told(ran: &Scenario, other: &Scenario) -> Option<String> {
        world(ran, other, Path::new("FILE")).err().map(|error| error.message)
    }

    /// A scenario with all that it can name.
    fn whole(rest: &str) -> String {
        let world = "[aws.secrets]\na = '{\"user\": \"Bob\", \"pin\": 4213, \"key\": \"a\\nB\"}'\n\
            [github.repositories]\n'o/source'.source = 'pkg'\n'o/path'.path = 'repo'\n'o/all'.source = '.'\n\
            [[component]]\nrecipe = 'a.yaml'\n";
        format!("{rest}{ROLE}{world}")
    }

    const DEPLOYED: &str = "[deployment]\nA = '1.0.0'\n[expect]\ndeployment = 'SUCCEEDED'\n";

    #[test]
    fn what_ran_is_the_same_wherever_it_stands_and_whatever_is_expected() {
        fidelity::fidelity!("judge-2");
        let place = place();
        let ran = load(place.path(), "run.toml", &whole(DEPLOYED));
        let (_folder, kept) = stored(&ran);
        assert_eq!(told(&kept, &ran), None);
        // The file itself is in a folder that it names, and so is what runs leave there, before and after a scenario is packed.
        let evidence = place.path().join("greenproof-evidence");
        let leave = |files: [&str; 3]| {
            for file in files {
                fs::create_dir_all(evidence.join(file).parent().unwrap()).unwrap();
                fs::write(evidence.join(file), "{}").unwrap();
            }
        };
        leave(["run/evidence.json", "run/run.jsonl", ".green/run.json"]);
        let (_later, kept_later) = stored(&ran);
        leave(["run/manifest.json", "run.jsonl", "index.html"]);
        let other = DEPLOYED.replace("SUCCEEDED", "FAILED");
        for kept in [&kept, &kept_later] {
            assert_eq!(told(kept, &load(place.path(), "run.toml", &whole(&other))), None);
        }
        let like_it = place.path().join("pkg/more/run.toml");
        fs::create_dir(like_it.parent().unwrap()).unwrap();
        fs::write(&like_it, "x").unwrap();
        let source = told(&kept, &ran).expect("it is called like the scenario, and is another file");
        assert_eq!(source.split('`').nth(3), Some("github.repositories.o/all.source"));
        fs::remove_dir_all(like_it.parent().unwrap()).unwrap();
        fs::rename(place.path().join("pkg"), place.path().join("moved")).unwrap();
        let moved = whole(&other).replace("'pkg'", "'moved'");
        assert_eq!(
            told(&kept, &load(place.path(), "run.toml", &moved)).as_deref(),
            Some("`FILE` says another `github.repositories.o/all.source` than the run had"),
            "the name of a folder plays no part, but where it is in another does"
        );
    }

    #[test]
    fn a_layer_over_what_ran_may_expect_something_else() {
        fidelity::fidelity!("judge-2");
        let place = place();
        let world = format!("{ROLE}[[component]]\nrecipe = 'a.yaml'\n");
        let fleet = "[fleet]\ndevices = 3\n[[fleet.except]]\ndevices = [1]\nfaults = ['net.cut']\n[fleet.except.expect]\ndeployment = 'FAILED'\n";
        let restated = fleet.replace("[fleet]\ndevices = 3\n", "").replace("FAILED", "SUCCEEDED");
        let cases = [
            (world.clone() + STEP, STEP.replace("SUCCEEDED", "FAILED"), None),
            (
                world.clone() + STEP,
                STEP.replace("'1.0.0'", "{ version = '1.0.0', merge = { a = 1 } }"),
                Some("step.deploy.components.A"),
            ),
            (world.clone() + DEPLOYED, "[expect]\ndeployment = 'FAILED'\n".to_owned(), None),
            (world.clone() + DEPLOYED + fleet, "[fleet.expect]\nsucceeded = 3\n".to_owned(), None),
            (world.clone() + DEPLOYED + fleet, restated.clone(), None),
            (
                world.clone() + DEPLOYED + fleet,
                restated.replace("net.cut", "net.cut host=github.com"),
                Some("fleet.except.faults"),
            ),
            (world.clone() + DEPLOYED, "[aws.role]\nduration = 900\n".to_owned(), Some("")),
        ];
        for (ran, over, differs) in cases {
            let ran = load(place.path(), "run.toml", &ran);
            let (_folder, kept) = stored(&ran);
            let over = load(place.path(), "over.toml", &format!("base = 'run.toml'\nsummary = 'x'\n{over}"));
            let expected = differs.map(|key| match key {
                "" => "`FILE` says other layers than the run had".to_owned(),
                key => format!("`FILE` says another `{key}` than the run had"),
            });
            assert_eq!(told(&kept, &over), expected, "{:?}", over.sources[0].text);
        }
    }

    #[test]
    fn what_a_file_names_counts_by_its_content() {
        fidelity::fidelity!("judge-5");
        let place = place();
        let ran = load(place.path(), "run.toml", &whole(DEPLOYED).replace("'o/all'.source = '.'\n", ""));
        let (_folder, kept) = stored(&ran);
        let changes = |change: &dyn Fn(), back: &dyn Fn()| {
            assert_eq!(told(&kept, &ran), None);
            change();
            let told = told(&kept, &ran).expect("it is another world");
            back();
            told.split('`').nth(3).unwrap().to_owned()
        };
        let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
        let repository = place.path().join("repo");
        let read = include_str!("../../../../fixtures/policies/secret-read.json");
        assert_eq!(changes(&|| write("read.json", "{}"), &|| write("read.json", read)), "aws.role.policies");
        assert_eq!(
            changes(&|| write("pkg/setup.py", "y"), &|| write("pkg/setup.py", "x")),
            "github.repositories.o/source.source"
        );
        let tag = |of: &str| drop(git(&repository, &["tag", "--force", "v1", of]));
        let moved = || {
            git(&repository, &["commit", "--quiet", "--allow-empty", "--message", "two"]);
            tag("HEAD");
            git(&repository, &["reset", "--quiet", "--soft", "HEAD~"]);
        };
        assert_eq!(changes(&moved, &|| tag("HEAD")), "github.repositories.o/path.path");
        let branch = |name: &str| drop(git(&repository, &["branch", "--quiet", "--move", name]));
        assert_eq!(changes(&|| branch("trunk"), &|| branch("main")), "github.repositories.o/path.path");
    }
}
