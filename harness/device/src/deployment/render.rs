//! The sections of the configuration that a deployment asks for.

use super::{Deployer, document::Document, groups::Roots, resolve::Component};
use crate::{
    config::{NUCLEUS, VERSION},
    configuration::{Node, is_built_in, now},
    failure::Failure,
    interpolate::{BadPointer, Subject},
    log::Line,
    tree,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const RESOLVER: &str = "com.aws.greengrass.componentmanager.KernelConfigResolver";

/// The configuration's new sections by service, and the time that they count from.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) of: BTreeMap<String, Value>,
    time: i64,
}

impl Deployer {
    /// Renders the section of every component, of the nucleus and of `main`.
    pub(super) fn render(
        &self,
        document: &Document,
        roots: &Roots,
        components: &BTreeMap<String, Component>,
    ) -> Result<Sections, Failure> {
        let time = self.merge_time(document);
        let subject = |(name, component): (&String, &Component)| {
            let configuration = self.configuration(document, name, &component.recipe.defaults, time)?;
            let version = component.recipe.version.to_string();
            Ok((name.clone(), Subject { name: name.clone(), version, configuration }))
        };
        let mut subjects: BTreeMap<String, Subject> = components.iter().map(subject).collect::<Result<_, Failure>>()?;
        let mut of = BTreeMap::new();
        let nucleus = self.configuration(document, NUCLEUS, &json!({}), time)?;
        if document.roots.contains_key(NUCLEUS) {
            of.insert(NUCLEUS.into(), json!({"configuration": nucleus}));
        }
        subjects.insert(NUCLEUS.into(), nucleus_subject(&nucleus));
        let configurations = tree::text(&nucleus, "interpolateComponentConfiguration");
        let configurations = configurations.is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        for (name, interpolated) in self.interpolated(subjects, components, configurations)? {
            let recipe = &components[&name].recipe;
            let kind = |hard| if hard { "HARD" } else { "SOFT" };
            let dependencies = recipe.dependencies.iter().map(|on| format!("{}:{}", on.name, kind(on.hard)));
            let mut section = json!({
                "componentType": recipe.kind.rsplit('.').next().unwrap_or_default().to_ascii_uppercase(),
                "configuration": interpolated.configuration,
                "dependencies": dependencies.collect::<Vec<_>>(),
                "lifecycle": interpolated.lifecycle,
                "version": recipe.version.to_string(),
            });
            if let Some(run_with) = self.run_with(document, &name) {
                section["runWith"] = run_with;
            }
            if let Some(previous) = self.previous_version(&name, &recipe.version.to_string()) {
                section["previousVersion"] = previous.into();
            }
            of.insert(name, section);
        }
        let names: BTreeSet<&String> = roots.values().flat_map(BTreeMap::keys).collect();
        let main: Vec<String> = names.into_iter().map(|name| format!("{name}:HARD")).collect();
        of.insert("main".into(), json!({"dependencies": main}));
        Ok(Sections { of, time })
    }

    /// The time of this deployment's values: when it was made, or now if the nucleus is configured so.
    fn merge_time(&self, document: &Document) -> i64 {
        const KEY: &str = "deploymentConfigurationTimeSource";
        let asked = document.roots.get(NUCLEUS).and_then(|root| root.merge.as_ref()).and_then(|merge| merge.get(KEY));
        let source = match asked {
            Some(source) => source.as_str().map(str::to_owned),
            None => {
                self.kernel.config.configuration.read(|tree| tree.text(&["services", NUCLEUS, "configuration", KEY]))
            }
        };
        if source.as_deref() == Some("deploymentProcessingTime") { now() } else { document.created }
    }

    /// The configuration of now, reset, filled with the recipe's defaults and merged as the document asks.
    fn configuration(&self, document: &Document, name: &str, defaults: &Value, time: i64) -> Result<Value, Failure> {
        let kept = |tree: &Node| tree.find(&["services", name, "configuration"]).cloned();
        let mut configuration = self.kernel.config.configuration.read(kept).unwrap_or_else(Node::empty);
        let root = document.roots.get(name);
        for pointer in root.into_iter().flat_map(|root| &root.reset) {
            BadPointer::check(pointer).map_err(|error| Failure::new(error.to_string(), &[]).unforeseen())?;
            if !configuration.reset(&[], pointer) {
                let text = "Failed to reset because provided pointer for reset points to an element of array.";
                self.kernel.logs.nucleus(&Line::error(RESOLVER).message(text).with("jsonPointer", pointer));
            }
            if pointer.is_empty() {
                break;
            }
        }
        configuration.fill(&[], defaults);
        if let Some(merge) = root.and_then(|root| root.merge.as_ref()) {
            configuration.merge(&[], merge, time);
        }
        Ok(configuration.plain())
    }

    /// The version before the current one, whose files stay too. One that is deployed again takes that place itself.
    fn previous_version(&self, name: &str, new: &str) -> Option<String> {
        let known = |key| self.kernel.config.configuration.read(|tree| tree.text(&["services", name, key]));
        let current = known("version")?;
        (current != new || known("previousVersion").is_some()).then_some(current)
    }

    /// The `runWith` section: the one of now, changed as the document asks.
    fn run_with(&self, document: &Document, name: &str) -> Option<Value> {
        let kept = self.kernel.config.configuration.read(|tree| tree.get(&["services", name, "runWith"]));
        let asked = document.roots.get(name).and_then(|root| root.run_with.as_ref());
        let mut run_with = kept.clone().and_then(|kept| kept.as_object().cloned()).unwrap_or_default();
        if let Some(asked) = asked.and_then(Value::as_object) {
            change_run_with(&mut run_with, asked);
        }
        (!run_with.is_empty() || kept.is_some()).then_some(Value::Object(run_with))
    }
}

/// The nucleus as components see it that depend on it: its configuration with the defaults of its own recipe
/// (`conf/recipe.yaml`).
fn nucleus_subject(configuration: &Value) -> Subject {
    let mut tree = Node::empty();
    tree.merge(&[], configuration, now());
    tree.fill(
        &[],
        &json!({
            "awsRegion": "", "iotRoleAlias": "", "iotDataEndpoint": "", "iotCredEndpoint": "",
            "greengrassDataPlanePort": 8443, "deploymentPollingFrequencySeconds": 15,
            "componentStoreMaxSizeBytes": 10_000_000_000_u64,
            "mqtt": {}, "networkProxy": {}, "platformOverride": {}, "runWithDefault": {},
        }),
    );
    Subject { name: NUCLEUS.into(), version: VERSION.into(), configuration: tree.plain() }
}

/// A user that isn't mentioned is the default one again, and resource limits that aren't are lifted.
fn change_run_with(run_with: &mut Map<String, Value>, asked: &Map<String, Value>) {
    run_with.shift_remove("posixUser");
    if let Some(user) = asked.get("posixUser").and_then(Value::as_str).filter(|user| !user.is_empty()) {
        run_with.insert("posixUser".into(), user.into());
    }
    run_with.shift_remove("systemResourceLimits");
    if let Some(limits) = asked.get("systemResourceLimits").filter(|limits| !limits.is_null()) {
        run_with.insert("systemResourceLimits".into(), limits.clone());
    }
}

impl Sections {
    /// The components among the services.
    pub(super) fn components(&self) -> impl Iterator<Item = &String> {
        self.of.keys().filter(|name| !is_built_in(name))
    }

    /// Puts the sections into the configuration.
    pub(super) fn apply(&self, tree: &mut Node) {
        for (name, section) in &self.of {
            let Some(section) = section.as_object() else { continue };
            let spared = |key: &str| key.starts_with('_') || key.eq_ignore_ascii_case("runtime");
            let known = tree.find(&["services", name]).map(Node::entries).unwrap_or_default();
            let known: Vec<String> = known.iter().map(|(key, _)| key.clone()).collect();
            for key in known.iter().filter(|key| !is_built_in(name) && !spared(key) && !section.contains_key(*key)) {
                tree.remove(&["services", name, key]);
            }
            for (key, value) in section {
                let time = if key == "configuration" { self.time } else { now() };
                tree.replace(&["services", name, key], value, time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::{Artifacts, s3::S3},
        credentials::Provider,
        dataplane::DataPlane,
        jobs::Jobs,
        platform::Attributes,
        queue::{Kind, Queue},
        recipe::Recipe,
        rig::Rig,
        shadow::Shadow,
        status::Keeper,
    };

    fn deployer(rig: &Rig) -> Deployer {
        let kernel = &rig.kernel;
        let (store, logs, clock) = (kernel.store.clone(), kernel.logs.clone(), kernel.config.clock);
        let queue = Queue::new(logs.clone());
        let jobs = Jobs::new(kernel.clone(), rig.mqtt.clone(), queue.clone());
        let shadow = Shadow::new(kernel.clone(), rig.mqtt.clone(), queue);
        let client = Provider::plain_client();
        let data_plane = DataPlane::plain("http://nowhere", client.clone());
        let s3 = S3 { client, provider: kernel.provider.clone(), region: kernel.config.region.clone(), base: None };
        let keeper = Keeper::new(kernel.clone(), jobs, shadow);
        Deployer::new(kernel.clone(), keeper, data_plane, Artifacts { s3, store, logs, clock })
    }

    fn component(name: &str, on: &Value, run: &str) -> (String, Component) {
        let recipe = json!({"RecipeFormatVersion": "2020-01-25", "ComponentName": name, "ComponentVersion": "1.0.0",
            "ComponentDependencies": on, "Manifests": [{"Lifecycle": {"Run": run}}]});
        let recipe = Recipe::read(&recipe).unwrap();
        let selected = recipe.select(&Attributes::new()).unwrap();
        (name.into(), Component { recipe, selected })
    }

    #[tokio::test]
    async fn the_nucleus_is_a_dependency_as_any_other() {
        fidelity::fidelity!("core-interpolation-7");
        let rig = Rig::new();
        let deployer = deployer(&rig);
        let run = ["configuration:/awsRegion", "configuration:/greengrassDataPlanePort", "configuration:/mqtt"];
        let run = run.map(|rest| format!("{{{NUCLEUS}:{rest}}}")).join(" ");
        let on = json!({(NUCLEUS): {"VersionRequirement": "^2.0.0"}});
        let components = [component("a.Needs", &on, &run), component("a.Stranger", &json!({}), &run)].into();
        let rendered = |request: Value| {
            let document = Document::read(Kind::Local, &request, &Node::empty()).unwrap();
            let mut of = deployer.render(&document, &Roots::new(), &components).unwrap().of;
            ["a.Needs", "a.Stranger"].map(|name| of.remove(name).unwrap()["lifecycle"]["Run"].clone())
        };
        assert_eq!(rendered(json!({"requestId": "r"})), ["eu-west-1 8443 {}", run.as_str()]);
        // What the deployment itself makes of it counts.
        let update = json!({(NUCLEUS): {"MERGE": {"mqtt": {"port": 443}}}});
        let request =
            json!({"requestId": "r", "componentsToMerge": {(NUCLEUS): VERSION}, "configurationUpdate": update});
        assert_eq!(rendered(request), ["eu-west-1 8443 {\"port\":443}", run.as_str()]);
    }

    #[tokio::test]
    async fn two_spellings_of_a_key_are_one_node_in_hash_order() {
        fidelity::fidelity!("core-config-5");
        let rig = Rig::new();
        let deployer = deployer(&rig);
        let setenv = |setenv: Value| {
            let recipe = json!({"RecipeFormatVersion": "2020-01-25", "ComponentName": "a.B", "ComponentVersion": "1.0.0",
                "Manifests": [{"Lifecycle": {"Setenv": setenv}}]});
            let recipe = Recipe::read(&recipe).unwrap();
            let selected = recipe.select(&Attributes::new()).unwrap();
            let components = [("a.B".to_owned(), Component { recipe, selected })].into();
            let document = Document::read(Kind::Local, &json!({"requestId": "r"}), &Node::empty()).unwrap();
            let mut tree = Node::empty();
            deployer.render(&document, &Roots::new(), &components).unwrap().apply(&mut tree);
            tree.get(&["services", "a.B", "lifecycle", "Setenv"]).unwrap()
        };
        // `http_proxy` is in bucket 1 and `HTTP_PROXY` in bucket 12, however the recipe has them.
        assert_eq!(setenv(json!({"HTTP_PROXY": "upper", "http_proxy": "lower"})), json!({"http_proxy": "upper"}));
        assert_eq!(setenv(json!({"http_proxy": "lower", "HTTP_PROXY": "upper"})), json!({"http_proxy": "upper"}));
        // `Path` and `PATH` are in one bucket, so that the recipe's order counts.
        assert_eq!(setenv(json!({"Path": 1, "PATH": 2})), json!({"Path": 2}));
        assert_eq!(setenv(json!({"PATH": 2, "Path": 1})), json!({"PATH": 1}));
    }

    #[test]
    fn run_with_is_what_was_asked_last() {
        fidelity::fidelity!("core-deploy-9");
        let mut run_with = json!({"posixUser": "a", "systemResourceLimits": {"cpus": 1}}).as_object().cloned().unwrap();
        let mut change = |asked: Value| {
            change_run_with(&mut run_with, asked.as_object().unwrap());
            Value::Object(run_with.clone())
        };
        let limits = json!({"systemResourceLimits": {"cpus": 2}});
        assert_eq!(change(limits.clone()), limits);
        assert_eq!(change(json!({"posixUser": "b:c"})), json!({"posixUser": "b:c"}));
        assert_eq!(change(json!({})), json!({}));
        assert_eq!(change(json!({"posixUser": null})), json!({}));
    }

    #[test]
    fn sections_replace_what_was_there_but_newer_values() {
        fidelity::fidelity!("core-config-2");
        let mut tree = Node::empty();
        let old = json!({"version": "1.0.0", "runWith": {"posixUser": "a"}, "lifecycle": {"install": "i", "run": "r"},
            "runtime": {"kept": 1}});
        tree.merge(&["services", "x"], &old, 5);
        tree.merge(&["services", "x", "configuration"], &json!({"newer": 1, "older": 1, "gone": 1}), 30);
        tree.merge(&["services", "x", "configuration", "older"], &json!(1), 10);
        tree.put(&["services", "x", "configuration", "older"], Node::Leaf { value: json!(1), modified: 10 });
        let section = json!({"version": "2.0.0", "lifecycle": {"run": "s"}, "configuration": {"newer": 2, "older": 2}});
        let sections = Sections { of: BTreeMap::from([("x".to_owned(), section)]), time: 20 };
        sections.apply(&mut tree);
        let expected = json!({"version": "2.0.0", "lifecycle": {"run": "s"}, "runtime": {"kept": 1},
            "configuration": {"newer": 1, "older": 2}});
        assert_eq!(tree.get(&["services", "x"]), Some(expected));
    }
}
