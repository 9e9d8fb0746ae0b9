//! What a person brings from a device: logs, configuration, recipe, policies, job. Each file is known by what it says.

use crate::{
    bundle::signature::{self, Deployed, Known, Signature},
    component::Component,
    evidence::log::{self, Span},
    explain::Explainer,
    failure::Library,
    gzip,
};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// All that was brought.
#[derive(Debug, Default)]
pub struct Brought {
    /// `greengrass.log`.
    pub core_log: String,
    /// Component logs by component.
    pub logs: BTreeMap<String, String>,
    /// Recipes: the file, and its text.
    pub recipes: Vec<(PathBuf, String)>,
    /// IAM policies of the token exchange role.
    pub role_policies: Vec<PathBuf>,
    /// IoT policies of the device's certificate.
    pub thing_policies: Vec<PathBuf>,
    /// How the deployment ended, by the details of its job.
    pub job: Option<Deployed>,
    /// What the configuration and the logs name.
    pub names: Names,
    /// What each file was taken for, in order.
    pub told: Vec<(String, String)>,
    /// Files that nothing is known of, which may be artifacts: by name.
    pub others: BTreeMap<String, PathBuf>,
}

/// The world that a device's files name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The region.
    pub region: Option<String>,
    /// The thing.
    pub thing: Option<String>,
    /// The role alias.
    pub alias: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The token exchange role.
    pub role: Option<String>,
}

/// What a file is.
enum Kind {
    Recipe(String),
    Config(Value),
    RolePolicy,
    ThingPolicy,
    Job(Deployed),
    Log,
}

impl Brought {
    /// Reads all files below a folder.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut brought = Self::default();
        for file in crate::explain::logs(folder)? {
            let bytes = content(&file)?;
            let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
            let kind = std::str::from_utf8(&bytes).ok().and_then(kind_of);
            let text = String::from_utf8_lossy(&bytes);
            let told = brought.take(kind.or_else(|| is_log(&text).then_some(Kind::Log)), file, &text);
            brought.told.push((name, told));
        }
        brought.names.of_logs(std::iter::once(&brought.core_log).chain(brought.logs.values()));
        Ok(brought)
    }

    fn take(&mut self, kind: Option<Kind>, file: PathBuf, text: &str) -> String {
        match kind {
            Some(Kind::Recipe(name)) => {
                self.recipes.push((file, text.to_owned()));
                format!("recipe of `{name}`")
            }
            Some(Kind::Config(config)) => {
                self.names.of_config(&config);
                "the core's configuration".into()
            }
            Some(Kind::RolePolicy) => {
                self.role_policies.push(file);
                "policy of the token exchange role".into()
            }
            Some(Kind::ThingPolicy) => {
                self.thing_policies.push(file);
                "IoT policy of the certificate".into()
            }
            Some(Kind::Job(ended)) => {
                self.job = Some(ended);
                "job status details".into()
            }
            Some(Kind::Log) => {
                let Some(component) = component_of(text) else {
                    self.core_log.push_str(text);
                    return "log of the nucleus".into();
                };
                self.logs.entry(component.clone()).or_default().push_str(text);
                format!("log of `{component}`")
            }
            None => {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.others.insert(name, file);
                "nothing that is known; an artifact, if a recipe names it".into()
            }
        }
    }

    /// Whether it tells how something failed.
    #[must_use]
    pub fn tells(&self) -> bool {
        !self.core_log.is_empty() || !self.logs.is_empty() || self.job.is_some()
    }

    /// What would help and was not brought.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let lacks = [
            (self.core_log.is_empty(), "greengrass.log"),
            (self.logs.is_empty(), "the component's log"),
            (self.recipes.is_empty(), "the component's recipe"),
            (self.names.thing.is_none(), "config/effectiveConfig.yaml"),
            (self.role_policies.is_empty(), "the token exchange role's policies"),
            (self.thing_policies.is_empty(), "the certificate's IoT policies"),
        ];
        lacks.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what).collect()
    }

    /// By what the failure on the device is known again.
    #[must_use]
    pub fn signature(&self) -> Signature {
        let Names { thing, account, .. } = self.names.clone();
        let known = Known::of(
            [(account, "account"), (thing, "thing")].into_iter().filter_map(|(value, name)| Some((value?, name))),
        );
        let mut components = signature::wrong(&self.core_log, &self.logs, &known);
        if self.core_log.is_empty() {
            // Without the nucleus's log nothing says which went wrong; those that complained may have.
            let complained = self.logs.iter().filter(|(_, log)| log.contains("shell-runner-error") || has_errors(log));
            components = complained.map(|(name, log)| (name.clone(), signature::Wrong::of(log, &known))).collect();
        }
        Signature {
            // Who brings no log says nothing of the failure.
            failure: (!self.core_log.is_empty() || !self.logs.is_empty())
                .then(|| explained(&self.core_log, &self.logs))
                .flatten(),
            deployment: self.job.clone().or_else(|| of_log(&self.core_log)),
            components,
            ..Signature::default()
        }
    }
}

fn has_errors(log: &str) -> bool {
    log::printed(log, Span::ALWAYS).any(|line| line.stream == Some(crate::scenario::Stream::Stderr))
}

/// The failure of the library that a device's logs show best.
pub(crate) fn explained(core_log: &str, logs: &BTreeMap<String, String>) -> Option<String> {
    let files =
        std::iter::once(("greengrass", core_log)).chain(logs.iter().map(|(name, log)| (name.as_str(), log.as_str())));
    // By its name alone a component such as `A-1` would be a part of a rotated log.
    let files = files.map(|(name, log)| (format!("{name}.log"), Cursor::new(log.as_bytes()))).collect();
    let explanation = Explainer::of(Library::embedded()).together("device", files).ok()?;
    Some(explanation.failures.into_iter().next().map_or_else(|| "unknown".to_owned(), |named| named.id))
}

/// Whether a failure says why something went wrong, and not only what came of it.
pub(crate) fn explains(id: &str) -> bool {
    Library::embedded().get(id).is_some_and(|failure| !failure.consequence)
}

/// How the last deployment ended, by the nucleus's log.
fn of_log(core_log: &str) -> Option<Deployed> {
    static DETAILED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"detailed-deployment-status[=\W]+([A-Z_]+)").expect("the pattern is one"));
    static STACK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"deployment-error-stack=\[([A-Z0-9_, ]*)\]").expect("the pattern is one"));
    let last = DETAILED.captures_iter(core_log).last()?[1].to_owned();
    let stack = STACK.captures_iter(core_log).last().map(|found| found[1].to_owned()).unwrap_or_default();
    let status = if last.starts_with("SUCCESS") {
        "SUCCEEDED"
    } else if last == "REJECTED" {
        "REJECTED"
    } else {
        "FAILED"
    };
    Some(Deployed {
        status: status.into(),
        detailed: last,
        stack: stack.split(", ").filter(|code| !code.is_empty()).map(str::to_owned).collect(),
        types: Vec::new(),
    })
}

/// What a file holds, packed or not.
fn content(file: &Path) -> io::Result<Vec<u8>> {
    let (mut reader, packed) = gzip::unpacked(BufReader::new(File::open(file)?))?;
    let mut bytes = Vec::new();
    match reader.read_to_end(&mut bytes) {
        // What is there of a packed file that was cut counts.
        Err(error) if !packed => Err(error),
        _ => Ok(bytes),
    }
}

/// What a text is, unless it is a log.
fn kind_of(text: &str) -> Option<Kind> {
    let first = text.trim_start().lines().next().unwrap_or_default();
    if is_entry(first) {
        return None;
    }
    let value: Value = serde_yaml_ng::from_str(text).ok()?;
    let fields = value.as_object()?;
    let has = |name: &str| fields.keys().any(|key| key.eq_ignore_ascii_case(name));
    if has("ComponentName") && has("ComponentVersion") {
        let name = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case("ComponentName"));
        return Some(Kind::Recipe(name.and_then(|(_, name)| name.as_str()).unwrap_or_default().to_owned()));
    }
    if has("services") && (has("system") || fields["services"].get("aws.greengrass.Nucleus").is_some()) {
        return Some(Kind::Config(value));
    }
    if has("Statement") {
        return policy(&value);
    }
    job(&value).map(Kind::Job)
}

/// A policy is of IoT if it speaks of nothing else.
fn policy(value: &Value) -> Option<Kind> {
    let listed = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    let statements = listed(&value["Statement"]);
    if statements.iter().any(|statement| statement.get("Principal").is_some()) {
        return None;
    }
    let actions: Vec<_> = statements.iter().flat_map(|statement| listed(&statement["Action"])).collect();
    let of_iot = |action: &Value| {
        action.as_str().is_some_and(|action| action.starts_with("iot:") || action.starts_with("greengrass:"))
    };
    Some(if !actions.is_empty() && actions.iter().all(of_iot) { Kind::ThingPolicy } else { Kind::RolePolicy })
}

/// The details of a job's status, wherever they stand in a document.
fn job(value: &Value) -> Option<Deployed> {
    fn find(value: &Value) -> Option<(&Value, &str)> {
        if value.get("detailed-deployment-status").is_some() {
            return Some((value, ""));
        }
        match value {
            Value::Object(fields) => {
                let status = value["status"].as_str().unwrap_or_default();
                fields
                    .values()
                    .filter_map(find)
                    .next_back()
                    .map(|(found, of)| (found, if of.is_empty() { status } else { of }))
            }
            Value::Array(items) => items.iter().filter_map(find).next_back(),
            _ => None,
        }
    }
    let (details, status) = find(value)?;
    let list = |name: &str| match &details[name] {
        Value::String(text) => serde_json::from_str::<Vec<String>>(text).unwrap_or_default(),
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    Some(Deployed {
        status: status.to_owned(),
        detailed: details["detailed-deployment-status"].as_str().unwrap_or_default().to_owned(),
        stack: list("deployment-error-stack"),
        types: list("deployment-error-types"),
    })
}

/// Whether a line is an entry of a nucleus's log, in text or JSON.
fn is_entry(line: &str) -> bool {
    log::time_of(line).is_some()
}

fn is_log(text: &str) -> bool {
    text.lines().take(200).any(is_entry)
}

/// The component whose log this is: the one that its scripts' lines name; nothing for the nucleus's.
fn component_of(text: &str) -> Option<String> {
    static LOGGER: LazyLock<Regex> = LazyLock::new(|| {
        let text = r#"^\S+ \[[A-Z]+\] \([^)]*\) ([\w.-]+): |"loggerName":"([\w.-]+)""#;
        Regex::new(text).expect("the pattern is one")
    });
    let mut loggers: BTreeMap<&str, usize> = BTreeMap::new();
    for found in text.lines().filter_map(|line| LOGGER.captures(line)) {
        let logger = found.get(1).or(found.get(2)).map_or("", |logger| logger.as_str());
        *loggers.entry(logger).or_default() += 1;
    }
    let (logger, _) = loggers.into_iter().max_by_key(|(_, count)| *count)?;
    (!logger.starts_with("com.aws.greengrass.")).then(|| logger.to_owned())
}

impl Names {
    fn of_config(&mut self, config: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let nucleus = &config["services"]["aws.greengrass.Nucleus"]["configuration"];
        self.thing = text(&config["system"]["thingName"]);
        self.region = text(&nucleus["awsRegion"]);
        self.alias = text(&nucleus["iotRoleAlias"]);
    }

    /// What ARNs in logs name, where the configuration does not.
    fn of_logs<'a>(&mut self, logs: impl Iterator<Item = &'a String>) {
        static ROLE: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"arn:aws[\w-]*:sts::(\d{12}):assumed-role/([\w+=,.@-]+)/").expect("the pattern is one")
        });
        static ARN: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"arn:aws[\w-]*:(?:iot|greengrass|secretsmanager):([a-z0-9-]+):(\d{12}):")
                .expect("the pattern is one")
        });
        for log in logs {
            if let Some(found) = ROLE.captures(log) {
                self.account.get_or_insert_with(|| found[1].to_owned());
                self.role.get_or_insert_with(|| found[2].to_owned());
            }
            if let Some(found) = ARN.captures(log) {
                self.region.get_or_insert_with(|| found[1].to_owned());
                self.account.get_or_insert_with(|| found[2].to_owned());
            }
        }
    }
}

/// The components of the brought recipes, without artifacts.
pub(crate) fn component(text: &str) -> Result<Component, String> {
    Component::parse(text.to_owned(), &BTreeMap::new()).map_err(|error| error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_known_by_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            (
                "a",
                "2026-11-28T10:00:00.000Z [INFO] (Copier) com.example.A: stderr. x. {scriptName=services.com.example.A.lifecycle.Install, serviceName=com.example.A, currentState=NEW}\n",
            ),
            ("b", "2026-11-28T10:00:00.000Z [INFO] (main) com.aws.greengrass.lifecyclemanager.Kernel: x. {}\n"),
            ("c", "---\nRecipeFormatVersion: '2020-01-25'\nComponentName: com.example.A\nComponentVersion: 1.0.0\n"),
            (
                "d",
                "---\nsystem:\n  thingName: T\nservices:\n  aws.greengrass.Nucleus:\n    configuration:\n      awsRegion: eu-west-1\n      iotRoleAlias: A\n",
            ),
            (
                "e",
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}]}"#,
            ),
            ("f", r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}}"#),
            (
                "g",
                r#"{"execution":{"status":"FAILED","statusDetails":{"detailsMap":{"detailed-deployment-status":"FAILED_NO_STATE_CHANGE","deployment-error-stack":"[\"A\",\"B\"]"}}}}"#,
            ),
            ("h", "something else"),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let brought = Brought::of(folder.path()).unwrap();
        let told: Vec<_> = brought.told.iter().map(|(_, told)| told.as_str()).collect();
        let expected = [
            "log of `com.example.A`",
            "log of the nucleus",
            "recipe of `com.example.A`",
            "the core's configuration",
            "policy of the token exchange role",
            "IoT policy of the certificate",
            "job status details",
            "nothing that is known; an artifact, if a recipe names it",
        ];
        assert_eq!(told, expected);
        assert_eq!((brought.names.thing.as_deref(), brought.names.region.as_deref()), (Some("T"), Some("eu-west-1")));
        let job = brought.job.as_ref().unwrap();
        assert_eq!(
            (job.status.as_str(), job.stack.as_slice()),
            ("FAILED", ["A".to_owned(), "B".to_owned()].as_slice())
        );
        assert!(brought.missing().is_empty() && brought.others.contains_key("h"));
    }

    #[test]
    fn arns_in_logs_name_account_and_role() {
        let mut names = Names::default();
        let log = "User: arn:aws:sts::123456789012:assumed-role/R/S is not authorized".to_owned();
        names.of_logs([&log].into_iter());
        assert_eq!((names.account.as_deref(), names.role.as_deref()), (Some("123456789012"), Some("R")));
    }
}
