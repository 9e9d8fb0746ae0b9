//! `[aws]` of a scenario file: what the account holds.
//!
//! Each policy is held against what AWS takes for its kind, so that a mistake in one is told with AWS's own text.

use super::{Layer, set, table};
use crate::scenario::{
    Error, Scenario,
    account::{Alias, Aws, Bucket, Key, Policy, Role, Secret},
};
use cloud::control::PolicyChange;
use iam::{Document, Kind};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
};
use toml::Spanned;

/// The trust policy of a role that states none.
const TRUST: &str = include_str!("../../../../../fixtures/policies/trust.json");

/// The account of a scenario that states nothing.
pub(super) fn bare() -> Aws {
    Aws {
        account: None,
        region: String::new(),
        soft: false,
        role: bare_role("GreengrassV2TokenExchangeRole"),
        alias: Alias { name: "GreengrassV2TokenExchangeRoleAlias".into(), exists: true, duration: 3600 },
        roles: Vec::new(),
        further_aliases: BTreeMap::new(),
        thing_policies: BTreeMap::new(),
        scps: Vec::new(),
        rcps: Vec::new(),
        keys: BTreeMap::new(),
        secrets: BTreeMap::new(),
        buckets: BTreeMap::new(),
    }
}

fn bare_role(name: &str) -> Role {
    Role {
        name: name.into(),
        path: "/".into(),
        trust: TRUST.into(),
        policies: BTreeMap::new(),
        boundary: None,
        tags: BTreeMap::new(),
        max_session: 3600,
    }
}

impl Layer<'_> {
    /// Lays `[aws]` over an account.
    pub(super) fn apply_aws(&self, table: table::Aws, aws: &mut Aws) -> Result<(), Error> {
        if let Some(account) = &table.account {
            let valid = account.get_ref().len() == 12 && account.get_ref().bytes().all(|byte| byte.is_ascii_digit());
            self.must(valid, account, "AWS account", "an account has 12 digits, in quotes")?;
            aws.account = Some(account.get_ref().clone());
        }
        set(&mut aws.region, table.region);
        set(&mut aws.soft, table.soft);
        self.apply_token_exchange(table.role, aws)?;
        if let Some(roles) = table.roles {
            let aliases = roles.iter().filter_map(|(name, role)| Some((role.alias.clone()?, name.get_ref().clone())));
            aws.further_aliases = aliases.collect();
            aws.roles = roles.into_iter().map(|(name, role)| self.role(&name, &role)).collect::<Result<_, _>>()?;
        }
        set(&mut aws.thing_policies, table.thing_policies.map(|all| self.policies(&all, Kind::Iot)).transpose()?);
        set(&mut aws.scps, table.scps.map(|levels| self.levels(&levels, Kind::Scp)).transpose()?);
        set(&mut aws.rcps, table.rcps.map(|levels| self.levels(&levels, Kind::Rcp)).transpose()?);
        if let Some(keys) = table.keys {
            let keys = keys.into_iter().map(|(name, key)| Ok((name.into_inner(), self.key(&key)?)));
            aws.keys = keys.collect::<Result<_, Error>>()?;
        }
        if let Some(secrets) = table.secrets {
            let secrets = secrets.into_iter().map(|(name, secret)| Ok((name.into_inner(), self.secret(secret)?)));
            aws.secrets = secrets.collect::<Result<_, Error>>()?;
        }
        if let Some(buckets) = table.buckets {
            aws.buckets =
                buckets.into_iter().map(|(name, bucket)| self.bucket(name, &bucket)).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    fn apply_token_exchange(&self, table: table::TokenExchangeRole, aws: &mut Aws) -> Result<(), Error> {
        let table::TokenExchangeRole {
            name,
            path,
            trust,
            policies,
            boundary,
            tags,
            max_session,
            alias,
            alias_exists,
            duration,
        } = table;
        if let Some(name) = name {
            aws.role.name = self.role_name(&name)?;
        }
        self.apply_role(
            &table::Role { path, trust, policies, boundary, tags, max_session, alias: None },
            &mut aws.role,
        )?;
        set(&mut aws.alias.name, alias);
        set(&mut aws.alias.exists, alias_exists);
        if let Some(duration) = duration {
            aws.alias.duration = self.seconds(&duration, 900..=43_200)?;
        }
        Ok(())
    }

    fn role(&self, name: &Spanned<String>, table: &table::Role) -> Result<Role, Error> {
        let mut role = bare_role(&self.role_name(name)?);
        if table.trust.is_none() {
            let message = format!("the role `{}` has no trust policy", name.get_ref());
            return Err(self.error(Some(name.span()), message, "state `trust`, the file of its trust policy"));
        }
        self.apply_role(table, &mut role)?;
        Ok(role)
    }

    fn apply_role(&self, table: &table::Role, role: &mut Role) -> Result<(), Error> {
        if let Some(path) = &table.path {
            let text = path.get_ref();
            let valid = text.starts_with('/') && text.ends_with('/') && text.len() <= 512 && text.is_ascii();
            self.must(valid, path, "path of a role", "a path begins and ends with `/`")?;
            text.clone_into(&mut role.path);
        }
        if let Some(trust) = &table.trust {
            role.trust = self.policy(trust, Kind::Trust)?.text;
        }
        if let Some(policies) = &table.policies {
            role.policies = self.policies(policies, Kind::Inline)?;
        }
        if let Some(boundary) = &table.boundary {
            role.boundary = Some(self.policy(boundary, Kind::Boundary)?);
        }
        if let Some(tags) = &table.tags {
            role.tags = self.tags(tags)?;
        }
        if let Some(seconds) = &table.max_session {
            role.max_session = self.seconds(seconds, 3600..=43_200)?;
        }
        Ok(())
    }

    /// The policies of a step; the role's name is filled in by the whole scenario.
    pub(super) fn policy_change(&self, table: &table::Policy) -> Result<PolicyChange, Error> {
        Ok(PolicyChange {
            role: String::new(),
            policies: table.policies.as_ref().map(|all| self.policies(all, Kind::Inline)).transpose()?,
            trust: table.trust.as_ref().map(|path| Ok(self.policy(path, Kind::Trust)?.text)).transpose()?,
            boundary: table.boundary.as_ref().map(|path| self.policy(path, Kind::Boundary)).transpose()?,
            thing_policies: table.thing_policies.as_ref().map(|all| self.policies(all, Kind::Iot)).transpose()?,
        })
    }

    fn key(&self, table: &table::Key) -> Result<Key, Error> {
        if let Some(id) = &table.id {
            let valid = id.get_ref().len() == 36 && uuid::Uuid::try_parse(id.get_ref()).is_ok();
            self.must(valid, id, "id of a KMS key", "an id is such as `1234abcd-12ab-34cd-56ef-1234567890ab`")?;
        }
        Ok(Key {
            id: table.id.clone().map(Spanned::into_inner),
            policy: self.resource_policy(table.policy.as_ref())?,
            enabled: table.enabled,
        })
    }

    fn secret(&self, table: table::Secret) -> Result<Secret, Error> {
        if let Some(suffix) = &table.suffix {
            let valid =
                suffix.get_ref().len() == 6 && suffix.get_ref().bytes().all(|byte| byte.is_ascii_alphanumeric());
            self.must(valid, suffix, "suffix of a secret", "it is six letters or digits, the end of the secret's ARN")?;
        }
        Ok(Secret {
            value: table.value,
            suffix: table.suffix.map(Spanned::into_inner),
            key: table.key.map(Spanned::into_inner),
            policy: self.resource_policy(table.policy.as_ref())?,
            tags: self.tags(&table.tags)?,
        })
    }

    fn bucket(&self, name: Spanned<String>, table: &table::Bucket) -> Result<(String, Bucket), Error> {
        let text = name.get_ref();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let valid = (3..=63).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '-']);
        self.must(valid, &name, "name of a bucket", "it is 3 to 63 lower-case letters, digits, dots and hyphens")?;
        let objects = table.objects.iter().map(|(key, file)| Ok((key.get_ref().clone(), self.existing(file)?)));
        let objects = objects.collect::<Result<_, Error>>()?;
        let of_bucket = |path| Ok(self.policy_as(path, |text| Document::read_of_bucket(text, name.get_ref()))?.text);
        let policy = table.policy.as_ref().map(of_bucket).transpose()?;
        Ok((name.into_inner(), Bucket { objects, policy }))
    }

    /// Policies of an organisation, level by level, by file name.
    fn levels(&self, levels: &[Spanned<table::Files>], kind: Kind) -> Result<Vec<BTreeMap<String, String>>, Error> {
        let level = |files: &Spanned<table::Files>| {
            if kind == Kind::Scp && files.get_ref().is_empty() {
                let hint = "AWS keeps at least one policy there; one that allows everything is `FullAWSAccess`";
                return Err(self.error(Some(files.span()), "a level without a service control policy", hint));
            }
            self.policies(files.get_ref(), kind)
        };
        levels.iter().map(level).collect()
    }

    /// The texts of the policies that this file names, by file name.
    fn policies(&self, named: &[Spanned<PathBuf>], kind: Kind) -> Result<BTreeMap<String, String>, Error> {
        let mut policies = BTreeMap::new();
        for path in named {
            let Policy { name, text } = self.policy(path, kind)?;
            let message = format!("a second policy is called `{name}`");
            if policies.insert(name, text).is_some() {
                let hint = "a policy is called as its file without `.json`; rename one of them";
                return Err(self.error(Some(path.span()), message, hint));
            }
        }
        Ok(policies)
    }

    fn resource_policy(&self, named: Option<&Spanned<PathBuf>>) -> Result<Option<String>, Error> {
        named.map(|path| Ok(self.policy(path, Kind::Resource)?.text)).transpose()
    }

    /// A policy of a kind; refused if AWS would refuse it.
    fn policy(&self, named: &Spanned<PathBuf>, kind: Kind) -> Result<Policy, Error> {
        self.policy_as(named, |text| Document::read(text, kind))
    }

    /// A policy, refused if it can't be read as what it is for.
    fn policy_as(
        &self,
        named: &Spanned<PathBuf>,
        read: impl FnOnce(&str) -> Result<Document, iam::Error>,
    ) -> Result<Policy, Error> {
        let path = self.existing(named)?;
        let text = std::fs::read_to_string(&path).map_err(|error| {
            self.error(Some(named.span()), format!("`{}`: {error}", path.display()), "name a readable file")
        })?;
        read(&text).map_err(|error| {
            let message = error.to_string();
            let position = error.position().map(|position| position.to_string()).unwrap_or_default();
            let message = message.strip_prefix(&position).unwrap_or(&message).trim_start_matches(": ");
            Error {
                place: format!("{}:{position}", path.display()),
                message: format!("not a valid policy: {message}"),
                hint: "correct the policy: AWS would refuse it too".into(),
            }
        })?;
        Ok(Policy { name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), text })
    }

    fn tags(&self, table: &BTreeMap<Spanned<String>, String>) -> Result<BTreeMap<String, String>, Error> {
        let tag = |(key, value): (&Spanned<String>, &String)| {
            let name = key.get_ref();
            let valid = (1..=128).contains(&name.chars().count())
                && value.chars().count() <= 256
                && !name.to_ascii_lowercase().starts_with("aws:");
            let hint = "a key has 1 to 128 characters and doesn't begin with `aws:`, a value has at most 256";
            self.must(valid, key, "tag", hint)?;
            Ok((name.clone(), value.clone()))
        };
        table.iter().map(tag).collect()
    }

    fn role_name(&self, name: &Spanned<String>) -> Result<String, Error> {
        let text = name.get_ref();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        let valid = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        self.must(valid, name, "name of a role", "it is 1 to 64 letters, digits or `+=,.@_-`, without its path")?;
        Ok(text.clone())
    }

    fn seconds(&self, seconds: &Spanned<u32>, range: RangeInclusive<u32>) -> Result<u32, Error> {
        let hint = format!("use {} to {} seconds", range.start(), range.end());
        self.must(range.contains(seconds.get_ref()), seconds, "duration of a session", &hint)?;
        Ok(*seconds.get_ref())
    }

    fn must<T: ToString>(&self, valid: bool, value: &Spanned<T>, what: &str, hint: &str) -> Result<(), Error> {
        let message = || format!("`{}` is no {what}", value.get_ref().to_string());
        if valid { Ok(()) } else { Err(self.error(Some(value.span()), message(), hint)) }
    }

    /// What only the whole account can get wrong.
    pub(super) fn check_account(&self, scenario: &Scenario) -> Result<(), Error> {
        let aws = &scenario.aws;
        if let Some(role) = aws.roles.iter().find(|role| role.name == aws.role.name) {
            let message = format!("the role `{}` is the token exchange role", role.name);
            return Err(self.error(self.find("[aws.roles."), message, "state it as `[aws.role]`"));
        }
        let ids: Vec<_> = aws.keys.values().filter_map(|key| key.id.as_deref()).collect();
        if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            return Err(self.error(self.find("[aws.keys"), "two keys have the same id", "give each its own"));
        }
        let deployed = scenario.steps.iter().filter_map(|step| step.action.deploy()).flat_map(|it| &it.components);
        for (name, wanted) in deployed {
            let merged = wanted.merge.as_ref().map(ToString::to_string).unwrap_or_default();
            self.check_placeholders(&merged, (&format!("the configuration of `{name}`"), name), scenario)?;
        }
        for (name, secret) in &aws.secrets {
            self.check_placeholders(&secret.value, (&format!("secret `{name}`"), name), scenario)?;
            if let Some(key) = secret.key.as_ref().filter(|key| !aws.keys.contains_key(*key)) {
                let message = format!("secret `{name}` is encrypted with the key `{key}`, which does not exist");
                return Err(self.error(self.find(name), message, "add it under `[aws.keys]`"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
