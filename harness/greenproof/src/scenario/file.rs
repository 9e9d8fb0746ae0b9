//! The TOML form of a scenario: layers, relative paths, and errors that point at the line.
//!
//! A file with `base` starts from another scenario and states only what differs: tables are merged field by field,
//! lists and maps that it states replace the base's.

use super::{Aws, Call, Device, Error, Expect, GitHub, Line, MustFail, Package, Repository, Role, Scenario, Token};
use crate::component::Component;
use iam::Document;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};
use toml::Spanned;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    base: Option<Spanned<PathBuf>>,
    summary: Option<String>,
    #[serde(default)]
    fidelity: Vec<String>,
    #[serde(default)]
    device: DeviceTable,
    #[serde(default)]
    aws: AwsTable,
    #[serde(default)]
    github: GitHubTable,
    component: Option<Vec<ComponentTable>>,
    deployment: Option<BTreeMap<String, String>>,
    #[serde(default)]
    expect: ExpectTable,
    must_fail: Option<MustFail>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DeviceTable {
    core: Option<Spanned<String>>,
    thing: Option<String>,
    pep668: Option<bool>,
    trust_ca: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AwsTable {
    account: Option<Spanned<String>>,
    region: Option<String>,
    #[serde(default)]
    role: RoleTable,
    thing_policies: Option<Vec<Spanned<PathBuf>>>,
    secrets: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    name: Option<String>,
    trust: Option<Spanned<PathBuf>>,
    policies: Option<Vec<Spanned<PathBuf>>>,
    alias: Option<String>,
    alias_exists: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct GitHubTable {
    repositories: Option<BTreeMap<String, RepositoryTable>>,
    tokens: Option<BTreeMap<String, TokenTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryTable {
    source: Spanned<PathBuf>,
    #[serde(default = "yes")]
    private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenTable {
    login: String,
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default = "yes")]
    contents: bool,
    #[serde(default = "yes")]
    known: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentTable {
    recipe: Spanned<PathBuf>,
    #[serde(default)]
    artifacts: BTreeMap<String, Spanned<PathBuf>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ExpectTable {
    deployment: Option<String>,
    components: Option<BTreeMap<String, String>>,
    line: Option<Vec<Line>>,
    call: Option<Vec<Call>>,
    package: Option<Vec<Package>>,
}

const fn yes() -> bool {
    true
}

/// One parsed file with what its errors need.
struct Layer<'a> {
    path: &'a Path,
    text: String,
}

pub(super) fn load(path: &Path) -> Result<Scenario, Error> {
    let layer = Layer::read(path)?;
    let file: File = layer.parse()?;
    let mut scenario = match &file.base {
        Some(base) => {
            let mut scenario = load(&layer.existing(base)?)?;
            scenario.must_fail = None;
            scenario
        }
        None => Scenario::bare(),
    };
    scenario.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    layer.apply(file, &mut scenario)?;
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
        Ok(Layer { path, text })
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
        path.canonicalize().map_err(|error| {
            self.error(
                Some(named.span()),
                format!("`{}`: {error}", named.get_ref().display()),
                format!("paths are relative to the scenario's own folder, `{}`", folder.display()),
            )
        })
    }

    /// The policy documents that this file names, by file name.
    fn policies(&self, named: &[Spanned<PathBuf>]) -> Result<BTreeMap<String, Value>, Error> {
        named.iter().map(|path| self.policy(path)).collect()
    }

    fn policy(&self, named: &Spanned<PathBuf>) -> Result<(String, Value), Error> {
        let path = self.existing(named)?;
        let text = std::fs::read_to_string(&path).map_err(|error| {
            self.error(Some(named.span()), format!("`{}`: {error}", path.display()), "name a readable file")
        })?;
        let document: Value = serde_json::from_str(&text).map_err(|error| Error {
            place: format!("{}:{}:{}", path.display(), error.line(), error.column()),
            message: format!("not valid JSON: {error}"),
            hint: "a policy is one JSON document as IAM takes it".into(),
        })?;
        Document::parse(&document).map_err(|error| Error {
            place: path.display().to_string(),
            message: format!("not a valid policy: {error}"),
            hint: "correct the policy; IAM would refuse it, or greenproof can't decide it".into(),
        })?;
        Ok((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), document))
    }

    fn apply(&self, file: File, scenario: &mut Scenario) -> Result<(), Error> {
        set(&mut scenario.summary, file.summary);
        scenario.fidelity = file.fidelity;
        self.apply_device(file.device, &mut scenario.device)?;
        self.apply_aws(file.aws, &mut scenario.aws)?;
        self.apply_github(file.github, &mut scenario.github)?;
        if let Some(tables) = file.component {
            scenario.components = tables.iter().map(|table| self.component(table)).collect::<Result<_, _>>()?;
        }
        set(&mut scenario.deployment, file.deployment);
        let ExpectTable { deployment, components, line, call, package } = file.expect;
        set(&mut scenario.expect.deployment, deployment);
        set(&mut scenario.expect.components, components);
        set(&mut scenario.expect.lines, line);
        set(&mut scenario.expect.calls, call);
        set(&mut scenario.expect.packages, package);
        scenario.must_fail = file.must_fail;
        Ok(())
    }

    fn apply_device(&self, table: DeviceTable, device: &mut Device) -> Result<(), Error> {
        if let Some(core) = table.core
            && core.get_ref() != "emulated"
        {
            let message = format!("the core `{}` is not known", core.get_ref());
            return Err(self.error(Some(core.span()), message, "use `emulated`"));
        }
        device.thing = table.thing.or(device.thing.take());
        set(&mut device.pep668, table.pep668);
        set(&mut device.trust_ca, table.trust_ca);
        Ok(())
    }

    fn apply_aws(&self, table: AwsTable, aws: &mut Aws) -> Result<(), Error> {
        if let Some(account) = table.account {
            if account.get_ref().len() != 12 || !account.get_ref().bytes().all(|byte| byte.is_ascii_digit()) {
                let message = format!("`{}` is no AWS account", account.get_ref());
                return Err(self.error(Some(account.span()), message, "an account has 12 digits, in quotes"));
            }
            aws.account = Some(account.into_inner());
        }
        set(&mut aws.region, table.region);
        set(&mut aws.role.name, table.role.name);
        set(&mut aws.role.alias, table.role.alias);
        set(&mut aws.role.alias_exists, table.role.alias_exists);
        if let Some(trust) = &table.role.trust {
            aws.role.trust = self.policy(trust)?.1;
        }
        if let Some(policies) = &table.role.policies {
            aws.role.policies = self.policies(policies)?;
        }
        if let Some(policies) = &table.thing_policies {
            aws.thing_policies = self.policies(policies)?;
        }
        if let Some(secrets) = table.secrets {
            aws.secrets = secrets.into_iter().map(|(name, value)| (name, value.into_inner())).collect();
        }
        Ok(())
    }

    fn apply_github(&self, table: GitHubTable, github: &mut GitHub) -> Result<(), Error> {
        if let Some(repositories) = table.repositories {
            github.repositories = repositories
                .into_iter()
                .map(|(name, RepositoryTable { source, private })| {
                    Ok((name, Repository { source: self.existing(&source)?, private }))
                })
                .collect::<Result<_, Error>>()?;
        }
        if let Some(tokens) = table.tokens {
            github.tokens = tokens
                .into_iter()
                .map(|(name, TokenTable { login, repositories, contents, known })| {
                    (name, Token { login, repositories, contents, known })
                })
                .collect();
        }
        Ok(())
    }

    fn component(&self, table: &ComponentTable) -> Result<Component, Error> {
        let artifacts = table
            .artifacts
            .iter()
            .map(|(name, source)| Ok((name.clone(), self.existing(source)?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let recipe = self.existing(&table.recipe)?;
        Component::load(&recipe, &artifacts).map_err(|error| {
            let place = error.location.map_or_else(
                || recipe.display().to_string(),
                |(line, column)| format!("{}:{line}:{column}", recipe.display()),
            );
            Error { place, message: error.message, hint: error.hint }
        })
    }

    /// What only the whole scenario can get wrong.
    fn check(&self, scenario: &Scenario) -> Result<(), Error> {
        let missing = |what: &str, hint: &str| Err(self.error(None, format!("{what} is missing"), hint));
        if scenario.deployment.is_empty() {
            return missing("`[deployment]`", "name at least one component and its version");
        }
        if scenario.aws.region.is_empty() {
            return missing("`aws.region`", "state the region that the recipe and the policies name");
        }
        if scenario.expect.deployment.is_empty() {
            return missing("`expect.deployment`", "state the job's final status, such as \"SUCCEEDED\"");
        }
        for (name, version) in &scenario.deployment {
            let known = scenario.components.iter().any(|component| component.is(name, version));
            if !known && !name.starts_with("aws.greengrass.") {
                let message = format!("the deployment names `{name}` {version}, which no `[[component]]` is");
                return Err(self.error(self.find(name), message, "add its recipe, or correct the name or version"));
            }
        }
        for (secret, value) in &scenario.aws.secrets {
            for token in crate::mint::placeholders(value) {
                if !scenario.github.tokens.contains_key(token) {
                    let message = format!("secret `{secret}` names the token `{token}`, which does not exist");
                    return Err(self.error(self.find(secret), message, "add it under `[github.tokens]`"));
                }
            }
        }
        Ok(())
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
            summary: String::new(),
            fidelity: Vec::new(),
            device: Device { thing: None, pep668: false, trust_ca: true },
            aws: Aws {
                account: None,
                region: String::new(),
                role: Role {
                    name: "GreengrassV2TokenExchangeRole".into(),
                    trust: serde_json::from_str(include_str!("../../../../fixtures/policies/trust.json"))
                        .expect("the fixture is valid JSON"),
                    policies: BTreeMap::new(),
                    alias: "GreengrassV2TokenExchangeRoleAlias".into(),
                    alias_exists: true,
                },
                thing_policies: BTreeMap::new(),
                secrets: BTreeMap::new(),
            },
            github: GitHub::default(),
            components: Vec::new(),
            deployment: BTreeMap::new(),
            expect: Expect::default(),
            must_fail: None,
        }
    }
}

#[cfg(test)]
mod tests;
