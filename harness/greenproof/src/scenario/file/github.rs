//! What GitHub holds, and what has a name on it.

use super::{Error, Layer, set, table};
use crate::{
    fault::Fault,
    placeholder,
    scenario::{App, DeployKey, GitHub, PrivateIndex, Scenario, Token},
};
use cloud::world::{Level, Permissions};
use toml::Spanned;

/// The user of a private index whose scenario names none.
const USER: &str = "device";

impl Layer<'_> {
    pub(super) fn apply_github(&self, table: table::GitHub, github: &mut GitHub) -> Result<(), Error> {
        set(&mut github.reachable, table.reachable);
        if let Some(repositories) = table.repositories {
            github.repositories = repositories
                .into_iter()
                .map(|(name, table)| Ok((name.get_ref().clone(), self.repository(&name, &table)?)))
                .collect::<Result<_, Error>>()?;
        }
        if let Some(tokens) = table.tokens {
            github.tokens = tokens.into_iter().map(|(name, table)| (name, token(table))).collect();
        }
        if let Some(apps) = table.apps {
            let apps = apps.into_iter().map(|(name, table)| (name.into_inner(), app(table, github)));
            github.apps = apps.collect();
        }
        if let Some(keys) = table.deploy_keys {
            let key = |table: table::DeployKey| DeployKey {
                repository: table.repository.into_inner(),
                write: table.write,
                known: table.known,
            };
            github.deploy_keys = keys.into_iter().map(|(name, table)| (name.into_inner(), key(table))).collect();
        }
        Ok(())
    }

    pub(super) fn private_index(&self, table: &table::PrivateIndex) -> Result<PrivateIndex, Error> {
        let host = table.host.get_ref();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        if !host.contains('.') || !host.bytes().all(plain) {
            let message = format!("`{host}` is no host name");
            return Err(self.error(Some(table.host.span()), message, "use one such as `pypi.example.com`"));
        }
        let sources = table.sources.iter().map(|(name, folder)| Ok((name.clone(), self.existing(folder)?)));
        Ok(PrivateIndex {
            host: host.clone(),
            user: table.user.clone().unwrap_or_else(|| USER.to_owned()),
            wheels: table.wheels.as_ref().map(|folder| self.wheels(folder)).transpose()?.unwrap_or_default(),
            sources: sources.collect::<Result<_, Error>>()?,
        })
    }

    /// What only the whole scenario can get wrong.
    pub(super) fn check_github(&self, scenario: &Scenario) -> Result<(), Error> {
        let github = &scenario.github;
        // The name stands on a command line, and a slug has no other letters.
        let plain = |name: &&String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if let Some(name) = github.apps.keys().chain(github.deploy_keys.keys()).find(|name| !plain(name)) {
            let message = format!("`{name}` is no name of an App or a deploy key");
            return Err(self.error(self.find(name), message, "use letters, digits, `-` and `_`"));
        }
        let of_apps = github.apps.iter().flat_map(|(name, app)| app.repositories.iter().map(move |it| (name, it)));
        let of_keys = github.deploy_keys.iter().map(|(name, key)| (name, &key.repository));
        for (name, repository) in of_apps.chain(of_keys) {
            if !github.repositories.contains_key(repository) {
                let message = format!("`{name}` names the repository `{repository}`, which does not exist");
                return Err(self.error(self.find(repository), message, "add it under `[github.repositories]`"));
            }
        }
        let bodies = scenario.steps.iter().filter_map(|step| step.fault().and_then(Fault::cloud)?.body.as_deref());
        for body in bodies {
            self.check_placeholders(body, ("a fault", body), scenario)?;
        }
        Ok(())
    }

    /// Whether what the placeholders of a text name is there; an error names whose text it is, and finds it.
    pub(super) fn check_placeholders(
        &self,
        text: &str,
        (whose, place): (&str, &str),
        scenario: &Scenario,
    ) -> Result<(), Error> {
        use placeholder::Kind;
        let github = &scenario.github;
        let unknown = placeholder::all(text).find(|it| match it.kind {
            Kind::Token => !github.tokens.contains_key(it.name),
            Kind::AppKey | Kind::AppId | Kind::ClientId | Kind::InstallationId => !github.apps.contains_key(it.name),
            Kind::DeployKey => !github.deploy_keys.contains_key(it.name),
            Kind::IndexPassword => scenario.index.private.is_none(),
        });
        let Some(placeholder::Placeholder { kind, name, .. }) = unknown else { return Ok(()) };
        let what = kind.what();
        let named = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        let message = format!("{whose} names the {what}{named}, which does not exist");
        Err(self.error(self.find(place), message, format!("add it under `[{}]`", kind.table())))
    }
}

fn token(table: table::Token) -> Token {
    let table::Token { login, kind, repositories, permissions, contents, expires, known } = table;
    let usual = || if contents { reading() } else { permission("metadata", Level::Read) };
    Token { login, kind, repositories, permissions: permissions.unwrap_or_else(usual), expires, known }
}

fn app(table: table::App, github: &GitHub) -> App {
    let table::App { id, client_id, installation, owner, repositories, permissions, tokens } = table;
    let of_owner = |name: &&String| name.split_once('/').is_some_and(|(of, _)| of.eq_ignore_ascii_case(&owner));
    let all = || github.repositories.keys().filter(of_owner).cloned().collect();
    let stated = |named: Vec<Spanned<String>>| named.into_iter().map(Spanned::into_inner).collect();
    let repositories = repositories.map_or_else(all, stated);
    let permissions = permissions.unwrap_or_else(reading);
    App { id, client_id, installation, owner, repositories, permissions, tokens }
}

/// What it takes to clone.
fn reading() -> Permissions {
    let mut reading = permission("metadata", Level::Read);
    reading.extend(permission("contents", Level::Read));
    reading
}

fn permission(name: &str, level: Level) -> Permissions {
    Permissions::from([(name.to_owned(), level)])
}
