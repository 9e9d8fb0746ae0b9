//! The TOML form of a scenario: layers, relative paths, and errors that point at the line.
//!
//! A file with `base` starts from another scenario and states only what differs: tables are merged field by field,
//! lists and maps that it states replace the base's.

mod account;
mod device;
mod fleet;
mod github;
mod names;
mod own;
mod step;
mod table;
mod tags;

use super::{
    Device, Error, Expect, GitHub, Index, Scenario, Source, Timing,
    step::{Action, Deploy, Expect as Seen, Step},
};
use crate::{
    component::{self, Component},
    core::Core,
    docker::Own,
    fault::Fault,
    gdk::{self, Project},
};
use cloud::{fault::Role, world::PUBLIC_ADDRESS};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};
use toml::Spanned;

/// How a value begins that a person has to fill in.
pub(crate) const UNFILLED: &str = "\"FILL IN: ";

/// One parsed file with what its errors need.
struct Layer<'a> {
    path: &'a Path,
    text: String,
    /// What it was found to name so far, and where.
    named: RefCell<Vec<(Range<usize>, PathBuf)>>,
}

/// A scenario whose layers are being laid: its short form is not a step yet.
struct Draft {
    scenario: Scenario,
    /// `[deployment]`, the components of the one deployment.
    deployment: Option<Deploy>,
    /// What `[expect]` says of that deployment.
    seen: Seen,
    /// What goes wrong from the beginning.
    faults: Vec<Fault>,
}

pub(super) fn load(path: &Path) -> Result<Scenario, Error> {
    let layer = Layer::read(path)?;
    let Draft { mut scenario, deployment, seen, faults } = layer.draft()?;
    if let Some(deploy) = deployment {
        scenario.steps = vec![layer.short_step(deploy, seen)?];
    }
    layer.choose_versions(&mut scenario)?;
    scenario.begin_with(&faults);
    scenario.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    layer.check(&scenario)?;
    Ok(scenario)
}

impl Layer<'_> {
    fn read(path: &Path) -> Result<Layer<'_>, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error {
            place: path.display().to_string(),
            message: format!("can't read the scenario: {error}"),
            hint: "name a scenario file, or none to run the reference scenario".into(),
        })?;
        Ok(Layer { path, text, named: RefCell::default() })
    }

    /// This file laid over its base.
    fn draft(&self) -> Result<Draft, Error> {
        self.check_filled_in()?;
        let file: table::File = self.parse()?;
        let mut draft = match &file.base {
            Some(base) => Layer::read(&self.existing(base)?)?.draft()?,
            None => Draft { scenario: Scenario::bare(), deployment: None, seen: Seen::default(), faults: Vec::new() },
        };
        self.apply(file, &mut draft)?;
        let (path, text) = (self.path.to_owned(), self.text.clone());
        draft.scenario.sources.insert(0, Source { path, text, named: self.named.take() });
        Ok(draft)
    }

    /// What `greenproof init` could not know says so itself.
    fn check_filled_in(&self) -> Result<(), Error> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            if let Some(at) = line.find(UNFILLED).filter(|_| !line.trim_start().starts_with('#')) {
                let wanted = line[at + UNFILLED.len()..].split('"').next().unwrap_or_default();
                let (from, to) = (start + at, start + at + UNFILLED.len() + wanted.len());
                let hint = format!("put it in place of `{}{wanted}`", &UNFILLED[1..]);
                return Err(self.error(Some(from..to), format!("this is yet to be filled in: {wanted}"), hint));
            }
            start += line.len();
        }
        Ok(())
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        toml::from_str(&self.text).map_err(|error| {
            let message = error.message().replace('\n', ", ");
            let hint = if message.contains("unknown field") {
                "correct the name, or remove the line"
            } else {
                "correct the line; docs/SCENARIOS.md lists every field with an example"
            };
            self.error(error.span(), message, hint)
        })
    }

    /// An error at a byte range of this file.
    fn error(&self, span: Option<Range<usize>>, message: impl Into<String>, hint: impl Into<String>) -> Error {
        let place = match span {
            Some(span) => {
                let before = &self.text[..span.start.min(self.text.len())];
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                format!("{}:{line}:{column}", self.path.display())
            }
            None => self.path.display().to_string(),
        };
        Error { place, message: message.into(), hint: hint.into() }
    }

    /// The absolute path of a file or folder that this file names.
    fn existing(&self, named: &Spanned<PathBuf>) -> Result<PathBuf, Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let path = folder.join(named.get_ref());
        let path = path.canonicalize().map_err(|error| {
            self.error(
                Some(named.span()),
                format!("`{}`: {error}", named.get_ref().display()),
                format!("paths are relative to the scenario's own folder, `{}`", folder.display()),
            )
        })?;
        self.named.borrow_mut().push((named.span(), path.clone()));
        Ok(path)
    }

    fn apply(&self, file: table::File, draft: &mut Draft) -> Result<(), Error> {
        let scenario = &mut draft.scenario;
        set(&mut scenario.summary, file.summary);
        if let Some(tags) = &file.tags {
            scenario.tags = self.tagged(tags)?;
        }
        scenario.fidelity = file.fidelity;
        self.apply_device(file.device, &mut scenario.device)?;
        if let Some(table) = file.fleet {
            scenario.fleet = Some(self.fleet(table, scenario.fleet.take())?);
        }
        self.apply_aws(file.aws, &mut scenario.aws)?;
        self.apply_github(file.github, &mut scenario.github)?;
        self.apply_index(&file.index, &mut scenario.index)?;
        if let Some(tables) = file.component {
            scenario.components = {
                let account = scenario.aws.account.as_deref();
                tables.iter().map(|table| self.component(table, account)).collect::<Result<_, _>>()?
            };
        }
        if let Some(faults) = &file.faults {
            draft.faults = faults.iter().map(|fault| self.fault(fault)).collect::<Result<_, _>>()?;
        }
        let mut expect = file.expect;
        set(&mut scenario.expect.calls, expect.call.take());
        set(&mut scenario.expect.packages, expect.package.take());
        scenario.leaks = file.leaks.or(scenario.leaks.take());
        scenario.must_fail = file.must_fail;
        if let Some(components) = file.deployment {
            if file.step.is_some() {
                let hint = "state the deployment as a `[[step]]` with `[step.deploy]`";
                return Err(self.error(self.find("[deployment]"), "`[deployment]` beside `[[step]]`", hint));
            }
            scenario.steps.clear();
            draft.deployment = Some(Deploy { components: self.wanted(components)?, ..Deploy::default() });
        }
        if let Some(steps) = file.step {
            (draft.deployment, draft.seen) = (None, Seen::default());
            scenario.steps = self.steps(steps)?;
        }
        if !draft.scenario.steps.is_empty() && expect.is_of_a_step() {
            let hint = "move it into the `[step.expect]` of the step; only `call` and `package` are of the whole run";
            return Err(self.error(self.find("[expect]"), "`[expect]` beside `[[step]]`", hint));
        }
        self.can_be_seen(&expect, &Action::Deploy(Deploy::default()))?;
        self.layer_expect(expect, &mut draft.seen)
    }

    fn component(&self, table: &table::Component, account: Option<&str>) -> Result<Component, Error> {
        let artifacts = table
            .artifacts
            .iter()
            .map(|(name, source)| Ok((name.clone(), self.existing(source)?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        match (&table.gdk, &table.recipe, &table.recipe_text) {
            (Some(folder), None, None) => Project::read(&self.existing(folder)?)?.component(account, &artifacts),
            (None, Some(recipe), None) => {
                let recipe = self.existing(recipe)?;
                Component::load(&recipe, &artifacts).map_err(|error| gdk::located(&recipe, error))
            }
            (None, None, Some(text)) => {
                let parsed = Component::parse(text.get_ref().clone(), &artifacts);
                parsed.map_err(|component::Error { location, message, hint }| {
                    let within = location.map(|(line, _)| self.within(text, line));
                    self.error(within.or(Some(text.span())), message, hint)
                })
            }
            _ => {
                let hint = "state `gdk = \"FOLDER\"`, `recipe = \"FILE\"`, or the recipe itself as `recipe_text`";
                Err(self.error(self.find("[[component]]"), "a component has one recipe", hint))
            }
        }
    }

    /// The place of a line of a text that this file holds; the first line of a long text comes after its quotes.
    fn within(&self, text: &Spanned<String>, line: usize) -> Range<usize> {
        let start = text.span().start;
        let newlines = self.text[start..].match_indices('\n').map(|(index, _)| start + index + 1);
        let start = newlines.take(line).last().unwrap_or(start);
        start..start
    }

    /// Puts the version of the only `[[component]]` of its name where a deployment says `*`.
    fn choose_versions(&self, scenario: &mut Scenario) -> Result<(), Error> {
        let Scenario { steps, components, .. } = scenario;
        for deploy in steps.iter_mut().filter_map(|step| step.action.deploy_mut()) {
            for (name, wanted) in deploy.components.iter_mut().filter(|(_, wanted)| wanted.version == "*") {
                let known: Vec<_> = components.iter().filter(|component| component.name == *name).collect();
                let [component] = known.as_slice() else {
                    let message = format!("the version `*` of `{name}`, of which {} `[[component]]` are", known.len());
                    return Err(self.error(
                        self.find(name),
                        message,
                        "state the version, or exactly one `[[component]]`",
                    ));
                };
                wanted.version.clone_from(&component.version);
            }
        }
        Ok(())
    }

    /// What only the whole scenario can get wrong.
    fn check(&self, scenario: &Scenario) -> Result<(), Error> {
        let missing = |what: &str, hint: &str| Err(self.error(None, format!("{what} is missing"), hint));
        let deploys = || scenario.steps.iter().filter_map(|step| step.action.deploy());
        if scenario.steps.is_empty()
            || deploys().any(|deploy| deploy.components.is_empty() && scenario.steps.len() == 1)
        {
            return missing("`[deployment]`", "name at least one component and its version, or state a `[[step]]`");
        }
        for (index, step) in scenario.steps.iter().enumerate() {
            if let Action::FaultEnd(name) = &step.action
                && !scenario.steps[..index].iter().filter_map(Step::fault).any(|fault| fault.name() == *name)
            {
                let message = format!("no earlier step begins the fault `{name}`");
                return Err(self.error(
                    self.find("fault_end"),
                    message,
                    "name the fault as it began, without parameters",
                ));
            }
        }
        self.check_reach(scenario)?;
        self.check_fleet(scenario)?;
        if scenario.aws.region.is_empty() {
            return missing("`aws.region`", "state the region that the recipe and the policies name");
        }
        for (name, wanted) in deploys().flat_map(|deploy| &deploy.components) {
            let version = &wanted.version;
            let known = scenario.components.iter().any(|component| component.is(name, version));
            if !known && !name.starts_with("aws.greengrass.") {
                let message = format!("the deployment names `{name}` {version}, which no `[[component]]` is");
                return Err(self.error(self.find(name), message, "add its recipe, or correct the name or version"));
            }
        }
        self.check_names(scenario)?;
        self.check_faults(scenario)?;
        self.check_github(scenario)?;
        self.check_account(scenario)
    }

    /// Who can't be reached has nothing to give, and nothing that goes wrong.
    fn check_reach(&self, scenario: &Scenario) -> Result<(), Error> {
        let (github, index) = (&scenario.github, &scenario.index);
        if github.reachable {
            return Ok(());
        }
        let mut faults = scenario.steps.iter().filter_map(|step| step.fault()?.cloud());
        let what = if !github.repositories.is_empty() || !github.tokens.is_empty() {
            "repositories or tokens"
        } else if index.requirements.is_some() || !index.wheels.is_empty() {
            "packages in the index"
        } else if faults.any(|fault| fault.kind.roles() == [Role::Github]) {
            "a fault of GitHub or of the index"
        } else {
            return Ok(());
        };
        let message = format!("GitHub can't be reached, and yet the scenario has {what}");
        Err(self.error(self.find("reachable"), message, "leave `github.reachable` out, or what needs it"))
    }

    /// The first place in this file where a text stands.
    fn find(&self, text: &str) -> Option<Range<usize>> {
        self.text.find(text).map(|start| start..start + text.len())
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl Scenario {
    fn bare() -> Self {
        Self {
            name: String::new(),
            sources: Vec::new(),
            summary: String::new(),
            tags: Vec::new(),
            fidelity: Vec::new(),
            device: Device {
                core: Core::default(),
                own: Own::default(),
                thing: None,
                pep668: false,
                trust_ca: true,
                public_address: PUBLIC_ADDRESS,
                clock: 1.0,
                timing: Timing::default(),
                cli: false,
                nucleus: Value::Object(serde_json::Map::new()),
            },
            fleet: None,
            aws: account::bare(),
            github: GitHub::default(),
            index: Index::default(),
            components: Vec::new(),
            steps: Vec::new(),
            expect: Expect::default(),
            leaks: None,
            must_fail: None,
        }
    }
}

#[cfg(test)]
mod tests;
