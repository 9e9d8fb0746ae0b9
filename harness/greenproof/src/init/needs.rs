//! What a component needs around it, as far as its scripts and sources say.
//!
//! It reads text and runs nothing, so it sees what is written out: a name that a variable holds is told, not guessed.

use super::{Request, Subject};
use crate::component::{CLI, TOKEN_EXCHANGE_SERVICE, field};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Secrets by name.
    pub(super) secrets: BTreeMap<String, Secret>,
    /// Places where a secret is asked for whose name can't be read.
    pub(super) unknown_secrets: Vec<String>,
    /// Repositories by `OWNER/NAME`.
    pub(super) repositories: BTreeMap<String, Repository>,
    /// A requirements file of the component, relative to its folder.
    pub(super) requirements: Option<PathBuf>,
    /// Packages that scripts name themselves.
    pub(super) packages: Vec<String>,
    /// Components that the deployment brings besides, by name, with a version.
    pub(super) components: BTreeMap<String, String>,
    /// Whether something asks for the device's credentials.
    pub(super) credentials: bool,
    /// The state that the component ends in; a guess where it has a `Run`.
    pub(super) ends: &'static str,
    pub(super) ends_guessed: bool,
    /// What a person should look at.
    pub(super) notes: Vec<String>,
}

/// A secret that the component reads.
#[derive(Debug)]
pub(super) struct Secret {
    /// Where it is asked for.
    pub(super) place: String,
    /// The last six characters of its ARN, if the recipe names it whole.
    pub(super) suffix: Option<String>,
    /// The key of the JSON object that it is; none for a plain text.
    pub(super) key: Option<String>,
    /// Whether it opens the repositories.
    pub(super) opens: bool,
}

/// A repository on GitHub that the component fetches.
#[derive(Debug)]
pub(super) struct Repository {
    /// Where it is asked for.
    pub(super) place: String,
    /// Where its content is, if that is known.
    pub(super) from: Option<PathBuf>,
    /// Whether by SSH.
    pub(super) ssh: bool,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("the pattern is valid"));
    };
}

pattern!(SECRET_ID, r#"--secret-id[\s=]+["']?([^\s"'`)]+)"#);
pattern!(SECRET_OF_SDK, r#"(?:SecretId\s*[=:]|["']SecretId["']\s*:)\s*["']([^"']+)["']"#);
pattern!(SECRET_ARN, r"^arn:[^:]+:secretsmanager:([^:]+):([0-9]{12}):secret:(.+?)(?:-([A-Za-z0-9]{6}))?$");
pattern!(JQ_KEY, r#"jq\s+(?:-\S+\s+)*["']?\.(?:\["?)?([A-Za-z_][A-Za-z0-9_-]*)"#);
pattern!(JQ_ANY, r"jq\s+(?:-\S+\s+)*\W*\.\[\]");
pattern!(JSON_KEY, r#"json\.loads\([^\n]*?\)\s*\[["']([^"']+)["']\]"#);
pattern!(REPOSITORY, r"(git@|ssh://[^\s@]+@)?github\.com[/:]([A-Za-z0-9-]+)/([A-Za-z0-9_.-]+)");
pattern!(FETCHES, r"\bgit\s+(?:-\S+\s+(?:\S+\s+)?)*(?:clone|fetch|ls-remote|pull|submodule|remote)\b|git\+");
pattern!(PIP, r"\b(?:pip[0-9.]*|python[0-9.]*\s+-m\s+pip)\s+install\b([^\n;&|]*)");
pattern!(AWS, r"(?m)(?:^|[\s`(;&|])aws\s+([a-z][a-z0-9-]+)\s+([a-z][a-z0-9-]+)");
pattern!(SDK, r"(?m)^\s*(?:import|from)\s+(?:boto3|botocore)\b|aws-sdk|AWS_CONTAINER_CREDENTIALS_FULL_URI");
pattern!(
    GOES_ON,
    r"while\s+(?:True|1|true|:)|sleep\s+infinity|tail\s+-[fF]|(?:serve|run|loop)_forever|\bapp\.run\(|setInterval\(|\.listen\("
);

impl Needs {
    pub(super) fn of(subject: &Subject, request: &Request) -> Self {
        let mut needs = Self::default();
        let scripts = subject.scripts();
        for script in &scripts {
            needs.secrets_of(subject, script);
            needs.repositories_of(subject, script, request);
            needs.packages_of(subject, script);
            needs.calls_of(subject, script);
        }
        let sources = subject.texts();
        for (file, text) in &sources {
            needs.source(file, text);
        }
        needs.dependencies(subject, request);
        needs.choose_opener();
        needs.end(subject, &scripts, &sources);
        if needs.credentials && !needs.components.contains_key(TOKEN_EXCHANGE_SERVICE) {
            needs.components.insert(TOKEN_EXCHANGE_SERVICE.to_owned(), "2.0.3".to_owned());
            needs.notes.push(format!(
                "it calls AWS and does not depend on {TOKEN_EXCHANGE_SERVICE}: the scenario deploys that besides; better add it to `ComponentDependencies`"
            ));
        }
        needs
    }

    fn secrets_of(&mut self, subject: &Subject, script: &str) {
        for found in SECRET_ID.captures_iter(script) {
            let (name, place) = (&found[1], subject.line(&found[1]));
            let key = || {
                let key = JQ_KEY.captures(script).map(|key| key[1].to_owned());
                key.or_else(|| JQ_ANY.is_match(script).then(|| "token".to_owned()))
            };
            self.secret(name, place, key());
        }
    }

    fn secret(&mut self, name: &str, place: String, key: Option<String>) {
        self.credentials = true;
        if name.contains(['$', '{']) {
            self.unknown_secrets.push(place);
            return;
        }
        let arn = SECRET_ARN.captures(name);
        let suffix = arn.as_ref().and_then(|arn| Some(arn.get(4)?.as_str().to_owned()));
        let name = arn.as_ref().map_or(name, |arn| arn.get(3).map_or(name, |name| name.as_str()));
        self.secrets.entry(name.to_owned()).or_insert(Secret { place, suffix, key, opens: false });
    }

    fn repositories_of(&mut self, subject: &Subject, script: &str, request: &Request) {
        for line in script.lines() {
            for found in REPOSITORY.captures_iter(line) {
                let name = found[3].trim_end_matches('.');
                let name = format!("{}/{}", &found[2], name.strip_suffix(".git").unwrap_or(name));
                let place = subject.line(&found[0]);
                if !FETCHES.is_match(line) {
                    self.notes.push(format!("{place} gets something else than a repository from github.com: no download from there is emulated"));
                    continue;
                }
                let sibling = subject.folder.join("..").join(name.rsplit('/').next().unwrap_or_default());
                let sibling = Some(sibling).filter(|path| path.join(".git").exists());
                let from = request.repositories.get(&name).cloned().or(sibling);
                let ssh = found.get(1).is_some();
                self.repositories.entry(name).or_insert(Repository { place, from, ssh });
            }
        }
    }

    fn packages_of(&mut self, subject: &Subject, script: &str) {
        for found in PIP.captures_iter(script) {
            let mut words = found[1].split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            while let Some(word) = words.next() {
                match word {
                    "-r" | "--requirement" => {
                        if let Some(file) = words.next() {
                            self.requirements_file(subject, file);
                        }
                    }
                    "-c" | "-t" | "-i" | "--target" | "--index-url" | "--extra-index-url" | "--constraint" => {
                        _ = words.next();
                    }
                    _ if word.starts_with('-') || word.contains(['/', '$', '{', '`']) || word == "." => {}
                    package if self.packages.iter().all(|known| known != package) => {
                        self.packages.push(package.to_owned());
                    }
                    _ => {}
                }
            }
        }
    }

    fn requirements_file(&mut self, subject: &Subject, file: &str) {
        let name = file.rsplit('/').next().unwrap_or(file);
        let there = subject.sources.iter().find(|source| source.file_name().is_some_and(|own| own == name));
        match there {
            Some(path) => self.requirements = Some(path.clone()),
            None => self
                .notes
                .push(format!("{} installs from `{file}`, which the component does not have", subject.line(name))),
        }
    }

    fn calls_of(&mut self, subject: &Subject, script: &str) {
        for found in AWS.captures_iter(script) {
            self.credentials = true;
            let (service, operation) = (&found[1], &found[2]);
            if !matches!((service, operation), ("secretsmanager", "get-secret-value") | ("sts", "get-caller-identity"))
            {
                let place = subject.line(&format!("{service} {operation}"));
                self.notes.push(format!("{place} calls `aws {service} {operation}`: allow it in the policy"));
            }
        }
    }

    fn source(&mut self, file: &Path, text: &str) {
        self.credentials |= SDK.is_match(text);
        for found in SECRET_OF_SDK.captures_iter(text) {
            let before = &text[..found.get(0).map_or(0, |found| found.start())];
            let place = format!("{}:{}", file.display(), before.matches('\n').count() + 1);
            self.secret(&found[1], place, JSON_KEY.captures(text).map(|key| key[1].to_owned()));
        }
    }

    /// What the recipe depends on; a component of the user's own has to be given.
    fn dependencies(&mut self, subject: &Subject, _request: &Request) {
        let dependencies = field(&subject.values, "ComponentDependencies").and_then(Value::as_object);
        for name in dependencies.into_iter().flat_map(|map| map.keys()) {
            match name.as_str() {
                TOKEN_EXCHANGE_SERVICE => _ = self.components.insert(name.clone(), "2.0.3".to_owned()),
                "aws.greengrass.Nucleus" | CLI => {}
                _ if name.starts_with("aws.greengrass.") => self.notes.push(format!(
                    "{} depends on `{name}`, which is not emulated: a run that needs it ends as unsupported",
                    subject.line(name)
                )),
                _ => _ = self.components.insert(name.clone(), "*".to_owned()),
            }
        }
    }

    /// Which secret opens the repositories: the only one, or the one whose name says so.
    fn choose_opener(&mut self) {
        if self.repositories.is_empty() {
            return;
        }
        let only = self.secrets.len() == 1;
        for (name, secret) in &mut self.secrets {
            let name = name.to_ascii_lowercase();
            secret.opens = only || ["git", "token", "pat", "deploy"].iter().any(|part| name.contains(part));
        }
    }

    fn end(&mut self, subject: &Subject, scripts: &[String], sources: &BTreeMap<PathBuf, String>) {
        let steps: BTreeSet<_> = subject.steps();
        let goes_on = scripts.iter().chain(sources.values()).any(|text| GOES_ON.is_match(text));
        (self.ends, self.ends_guessed) = if steps.contains("startup") {
            ("RUNNING", false)
        } else {
            (if goes_on { "RUNNING" } else { "FINISHED" }, steps.contains("run"))
        };
        if self.ends == "RUNNING" {
            self.notes.push(
                "it goes on, and RUNNING says only that it was started: expect a line that it prints, see the end of the scenario".to_owned(),
            );
        }
    }
}

impl Subject {
    /// The lifecycles: of each manifest, and the one of all.
    fn lifecycles(&self) -> Vec<&Value> {
        let manifests = field(&self.values, "Manifests").and_then(Value::as_array);
        let manifests = manifests.into_iter().flatten().filter_map(|manifest| field(manifest, "Lifecycle"));
        manifests.chain(field(&self.values, "Lifecycle")).collect()
    }

    /// The texts of the lifecycles, with the values that the recipe's own configuration has in them.
    fn scripts(&self) -> Vec<String> {
        fn texts(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::String(text) => found.push(text.clone()),
                Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
                Value::Object(map) => map.values().for_each(|value| texts(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        self.lifecycles().into_iter().for_each(|lifecycle| texts(lifecycle, &mut found));
        let defaults = field(&self.values, "ComponentConfiguration").and_then(|all| field(all, "DefaultConfiguration"));
        let configured = |captures: &regex::Captures<'_>| match defaults.and_then(|all| all.pointer(&captures[1])) {
            Some(Value::String(text)) => text.clone(),
            _ => captures[0].to_owned(),
        };
        found.iter().map(|text| CONFIGURED.replace_all(text, configured).into_owned()).collect()
    }

    /// The steps of the lifecycles, in lower case.
    fn steps(&self) -> BTreeSet<String> {
        let maps = self.lifecycles().into_iter().filter_map(Value::as_object);
        maps.flat_map(|map| map.keys().map(|key| key.to_ascii_lowercase())).collect()
    }

    /// The sources that are text.
    fn texts(&self) -> BTreeMap<PathBuf, String> {
        let read = |file: &PathBuf| Some((file.clone(), std::fs::read_to_string(self.folder.join(file)).ok()?));
        self.sources.iter().filter_map(read).collect()
    }
}

pattern!(CONFIGURED, r"\{configuration:([^}]+)\}");
