//! The conditions under which a device's failure is to happen again, and the scenario that has them.
//!
//! A scenario is built on that of the failure which explains the logs, else on the reference scenario. Each condition
//! can be left out by itself, which is how [`super::shrink`] finds those that matter.

use super::brought::{Brought, Names, component};
use crate::{
    failure::{Failure, Library},
    scenario::{self, Action, Scenario},
    scratch::Scratch,
};
use regex::Regex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::PathBuf,
};

/// The reference scenario, below the library's folder.
const REFERENCE: &str = "scenarios/private-package.toml";

/// One condition. They are left out in this order: what the library adds before what is the person's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The rest of the world that the failure's scenario has, instead of the reference scenario's.
    World,
    /// The names of the device's world: account, region, thing, role, alias.
    Names,
    /// The certificate's IoT policies that were brought.
    ThingPolicies,
    /// The brought recipe, instead of the library's own.
    Recipe,
    /// The role's policies that were brought.
    RolePolicies,
    /// A fault, as text.
    Fault(String),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "the fault `{fault}`"),
            Self::ThingPolicies => f.write_str("the certificate's IoT policies"),
            Self::RolePolicies => f.write_str("the role's policies"),
            Self::Names => f.write_str("the device's names: account, region, thing, role"),
            Self::Recipe => f.write_str("the brought recipe"),
            Self::World => f.write_str("the world of the library's scenario: policies, secrets, device"),
        }
    }
}

/// Why no scenario can be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be written.
    #[error("building the scenario: {0}")]
    Io(#[from] io::Error),
    /// What was built is no scenario.
    #[error("building the scenario: {0}")]
    Scenario(#[from] scenario::Error),
}

/// Where scenarios are built: with the library, and with what was brought.
#[derive(Debug)]
pub struct Site<'a> {
    brought: &'a Brought,
    /// The scenario of the failure, below the library's folder.
    own: Option<PathBuf>,
    folder: Scratch,
    /// What was done for want of something that was not brought.
    pub notes: Vec<String>,
}

impl<'a> Site<'a> {
    /// A site for what was brought, and the failure that explains it.
    ///
    /// # Errors
    /// When the library can't be written.
    pub fn new(brought: &'a Brought, failure: Option<&Failure>) -> Result<Self, Error> {
        let folder = Scratch::new("reproduce")?;
        Library::embedded().write(folder.path())?;
        let own = failure.and_then(Failure::reproduction).map(|path| folder.path().join(path));
        let mut site = Self { brought, own, folder, notes: Vec::new() };
        site.note()?;
        Ok(site)
    }

    /// All conditions that there are.
    ///
    /// # Errors
    /// When the failure's scenario can't be read.
    pub fn all(&self) -> Result<BTreeSet<Condition>, Error> {
        let mut all = BTreeSet::new();
        if let Some(own) = &self.own {
            all.insert(Condition::World);
            let scenario = Scenario::load(own)?;
            let faults = scenario.steps[..scenario.opening()].iter().filter_map(|step| match &step.action {
                Action::Fault(fault) => Some(Condition::Fault(fault.to_string())),
                _ => None,
            });
            all.extend(faults);
        }
        let brought = self.brought;
        let is_there = [
            (!brought.recipes.is_empty(), Condition::Recipe),
            (!brought.role_policies.is_empty(), Condition::RolePolicies),
            (!brought.thing_policies.is_empty(), Condition::ThingPolicies),
            (brought.names != Names::default(), Condition::Names),
        ];
        all.extend(is_there.into_iter().filter(|(is_there, _)| *is_there).map(|(_, condition)| condition));
        Ok(all)
    }

    /// The scenario that has these conditions.
    ///
    /// # Errors
    /// When it can't be written, or is none.
    pub fn scenario(&self, name: &str, conditions: &BTreeSet<Condition>) -> Result<Scenario, Error> {
        let base = match &self.own {
            Some(own) if conditions.contains(&Condition::World) => own.clone(),
            _ => self.folder.path().join(REFERENCE),
        };
        let under = Scenario::load(&base)?;
        let mut file = json!({ "base": base, "summary": "a device's failure" });
        if conditions.contains(&Condition::Names) {
            self.brought.names.lay(&mut file);
        }
        let policies = |files: &[PathBuf]| self.named_apart(files);
        if conditions.contains(&Condition::RolePolicies) {
            file["aws"]["role"]["policies"] = json!(policies(&self.brought.role_policies)?);
        }
        if conditions.contains(&Condition::ThingPolicies) {
            file["aws"]["thing_policies"] = json!(policies(&self.brought.thing_policies)?);
        }
        let mut wanted = of_base(&under);
        if conditions.contains(&Condition::Recipe) {
            wanted.retain(|name, _| name.starts_with("aws.greengrass."));
            self.lay_recipes(&mut file, &mut wanted, &under, conditions)?;
        }
        let faults = conditions.iter().filter_map(|condition| match condition {
            Condition::Fault(fault) => Some(fault.clone()),
            _ => None,
        });
        file["faults"] = json!(faults.collect::<Vec<_>>());
        let deploy = json!({ "components": wanted });
        file["step"] = json!([{ "deploy": deploy, "expect": { "deployment": "SUCCEEDED" } }]);
        file["expect"] = json!({ "call": [], "package": [] });
        let path = self.folder.path().join(format!("{name}.toml"));
        let text = toml::to_string_pretty(&file).map_err(io::Error::other)?;
        std::fs::write(&path, text)?;
        Ok(Scenario::load(&path)?)
    }

    /// The brought components, with all that their recipes name and the world lacks.
    fn lay_recipes(
        &self,
        file: &mut Value,
        wanted: &mut BTreeMap<String, Value>,
        under: &Scenario,
        conditions: &BTreeSet<Condition>,
    ) -> Result<(), Error> {
        let mut tables = Vec::new();
        for (path, text) in &self.brought.recipes {
            let Ok(recipe) = component(text) else { continue };
            let mut artifacts = BTreeMap::new();
            for name in artifact_names(text) {
                let source = self.brought.others.get(&name).cloned();
                artifacts.insert(name.clone(), source.map_or_else(|| self.empty(&name), Ok)?);
            }
            tables.push(json!({ "recipe": path.canonicalize()?, "artifacts": artifacts }));
            wanted.insert(recipe.name, recipe.version.into());
        }
        file["component"] = tables.into();
        let all: String = self.brought.recipes.iter().map(|(_, text)| text.as_str()).collect();
        let mut secrets: BTreeMap<String, Value> = BTreeMap::new();
        for name in found(&all, r#"--secret-id[ =]+["']?([\w/+=.@-]+)"#) {
            if !under.aws.secrets.contains_key(&name) {
                secrets.insert(name, secret_of(&all).into());
            }
        }
        // The world of a failure says which secrets there are, and may be about one that is missing.
        if !secrets.is_empty() && !conditions.contains(&Condition::World) {
            file["aws"]["secrets"] = json!(secrets);
        }
        let mut repositories = BTreeMap::new();
        for name in repository_names(&all) {
            if !under.github.repositories.contains_key(&name) {
                repositories.insert(name.clone(), json!({ "source": self.package(&name)? }));
            }
        }
        if !repositories.is_empty() {
            let names: Vec<_> = repositories.keys().cloned().collect();
            file["github"]["repositories"] = json!(repositories);
            let tokens = under.github.tokens.iter().map(|(name, token)| {
                let sees = if token.repositories.is_empty() { Vec::new() } else { names.clone() };
                (
                    name.clone(),
                    json!({
                        "login": token.login,
                        "repositories": sees,
                        "kind": token.kind,
                        "permissions": token.permissions,
                        "known": token.known,
                    }),
                )
            });
            file["github"]["tokens"] = tokens.collect::<serde_json::Map<_, _>>().into();
        }
        if !conditions.contains(&Condition::RolePolicies) && self.own.is_none() {
            let buckets = found(&all, r"s3://([\w.-]+)/");
            let mut policies = self.defaults();
            if !buckets.is_empty() {
                policies.push(self.allowing(
                    "brought-artifacts",
                    "s3:GetObject",
                    &buckets.iter().map(|name| format!("arn:aws:s3:::{name}/*")).collect::<Vec<_>>(),
                )?);
            }
            file["aws"]["role"]["policies"] = json!(policies);
        }
        Ok(())
    }

    /// The policies of the reference scenario's role.
    fn defaults(&self) -> Vec<PathBuf> {
        let names = ["token-exchange", "artifact-read", "secret-read"];
        names.map(|name| self.folder.path().join(format!("policies/{name}.json"))).into()
    }

    fn allowing(&self, name: &str, action: &str, resources: &[String]) -> Result<PathBuf, Error> {
        let statement = json!({ "Effect": "Allow", "Action": action, "Resource": resources });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        let path = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&path, policy.to_string())?;
        Ok(path)
    }

    /// An artifact that was not brought: an empty file, or an empty folder to zip.
    fn empty(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.folder.path().join("artifacts").join(name);
        if name.to_ascii_lowercase().rsplit('.').next() == Some("zip") {
            std::fs::create_dir_all(&path)?;
        } else {
            std::fs::create_dir_all(path.parent().unwrap_or(self.folder.path()))?;
            std::fs::write(&path, "")?;
        }
        Ok(path)
    }

    /// A package in place of a repository that was not brought.
    fn package(&self, repository: &str) -> Result<PathBuf, Error> {
        let name = repository.rsplit('/').next().unwrap_or_default();
        let module: String = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
        let folder = self.folder.path().join("packages").join(repository);
        std::fs::create_dir_all(folder.join(&module))?;
        std::fs::write(folder.join(&module).join("__init__.py"), "")?;
        let setup =
            format!("from setuptools import setup\nsetup(name={name:?}, version=\"0.0.1\", packages=[{module:?}])\n");
        std::fs::write(folder.join("setup.py"), setup)?;
        Ok(folder)
    }

    /// Copies of files under names of their own, since a policy is called as its file.
    fn named_apart(&self, files: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
        let copy = |(index, file): (usize, &PathBuf)| {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let to = self.folder.path().join(format!("brought-{index}-{stem}.json"));
            std::fs::copy(file, &to)?;
            Ok(to)
        };
        files.iter().enumerate().map(copy).collect()
    }

    /// Says what is made in place of what was not brought.
    fn note(&mut self) -> Result<(), Error> {
        let there = Scenario::load(&self.folder.path().join(REFERENCE))?.github.repositories;
        for (path, text) in &self.brought.recipes {
            if let Err(why) = component(text) {
                self.notes.push(format!("`{}` is left out: {why}", path.display()));
            }
            let absent = artifact_names(text).into_iter().filter(|name| !self.brought.others.contains_key(name));
            self.notes.extend(
                absent.map(|name| format!("the artifact `{name}` was not brought: an empty one stands for it")),
            );
            for repository in repository_names(text).iter().filter(|name| !there.contains_key(*name)) {
                self.notes
                    .push(format!("the repository `{repository}` was not brought: an empty package stands for it"));
            }
        }
        if !self.brought.recipes.is_empty() {
            self.notes.push("the components' configuration is their recipes' default".into());
        }
        Ok(())
    }
}

impl Names {
    fn lay(&self, file: &mut Value) {
        let Self { region, thing, alias, account, role } = self;
        let mut set = |[table, within, key]: [&str; 3], value: &Option<String>| {
            let Some(value) = value else { return };
            let table = &mut file[table];
            let table = if within.is_empty() { table } else { &mut table[within] };
            table[key] = json!(value);
        };
        set(["device", "", "thing"], thing);
        set(["aws", "", "region"], region);
        set(["aws", "", "account"], account);
        set(["aws", "role", "name"], role);
        set(["aws", "role", "alias"], alias);
    }
}

/// What the first deployment of a scenario brings.
fn of_base(scenario: &Scenario) -> BTreeMap<String, Value> {
    let first = scenario.steps.iter().find_map(|step| step.action.deploy());
    let components = first.map(|deploy| &deploy.components).into_iter().flatten();
    let wanted = components.map(|(name, wanted)| {
        let mut table = json!({ "version": wanted.version });
        if let Some(merge) = &wanted.merge {
            table["merge"] = merge.clone();
        }
        if let Some(user) = &wanted.user {
            table["user"] = json!(user);
        }
        (name.clone(), table)
    });
    wanted.collect()
}

/// The file names of a recipe's artifacts.
fn artifact_names(recipe: &str) -> BTreeSet<String> {
    let uris = found(recipe, r#"(?i)\buri["']?\s*:\s*["']?((?:s3://|greengrass:)[^\s"',}]+)"#);
    uris.iter().filter_map(|uri| uri.rsplit(['/', ':']).next()).map(str::to_owned).collect()
}

/// The repositories that a recipe fetches from GitHub, `OWNER/NAME`.
fn repository_names(recipe: &str) -> BTreeSet<String> {
    found(recipe, r"github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git|[@#\s\x22']|$)")
}

/// What the first group of a pattern finds in a text.
fn found(text: &str, pattern: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("the pattern is one");
    pattern.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect()
}

/// A secret in the form that a script takes it apart in: JSON if it asks jq or Python for a field, else the token alone.
fn secret_of(recipe: &str) -> String {
    let fields = found(recipe, r#"jq [^|\n]*?'?\.\[?"?(\w+)"?\]?"#);
    match fields.into_iter().next() {
        Some(field) => format!("{{\"{field}\":\"{{token:mypat}}\"}}"),
        None if recipe.contains("jq ") => "{\"token\":\"{token:mypat}\"}".to_owned(),
        None => "{token:mypat}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "---\nRecipeFormatVersion: '2020-01-25'\nComponentName: com.example.A\nComponentVersion: 1.2.3\nManifests:\n  - Platform: {os: linux}\n    Artifacts:\n      - URI: s3://my-bucket/a/b.zip\n    Lifecycle:\n      Install: |\n        aws secretsmanager get-secret-value --secret-id other --query SecretString | jq -r '.pat'\n        pip3 install git+https://x@github.com/me/tool.git\n";

    #[test]
    fn what_a_recipe_names_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.yaml");
        std::fs::write(&path, RECIPE).unwrap();
        let brought = Brought { recipes: vec![(path, RECIPE.into())], ..Brought::default() };
        let site = Site::new(&brought, None).unwrap();
        let all = site.all().unwrap();
        assert_eq!(all, [Condition::Recipe].into());
        let scenario = site.scenario("brought", &all).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.aws.secrets["other"].value, "{\"pat\":\"{token:mypat}\"}");
        assert!(scenario.github.repositories.contains_key("me/tool"));
        assert_eq!(scenario.github.tokens["mypat"].repositories, ["me/tool"]);
        assert!(scenario.components.iter().any(|component| component.is("com.example.A", "1.2.3")));
        assert_eq!(site.notes.len(), 3, "{:?}", site.notes);
    }

    #[test]
    fn without_the_recipe_it_is_the_librarys() {
        let brought = Brought {
            names: Names { thing: Some("T".into()), region: Some("eu-west-1".into()), ..Names::default() },
            ..Brought::default()
        };
        let site = Site::new(&brought, Library::embedded().get("F14")).unwrap();
        let scenario = site.scenario("brought", &site.all().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((scenario.device.thing.as_deref(), scenario.aws.region.as_str()), (Some("T"), "eu-west-1"));
        assert!(scenario.steps[0].action.deploy().unwrap().components.contains_key("com.example.GithubCustomPack"));
    }

    #[test]
    fn artifacts_are_named_by_their_uris() {
        assert_eq!(
            artifact_names("{\"URI\": \"s3://b/k/x.py\", \"Uri\":\"greengrass:y.zip\"}"),
            ["x.py".to_owned(), "y.zip".to_owned()].into()
        );
    }
}
