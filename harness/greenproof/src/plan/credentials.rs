//! What is minted for GitHub and the package indexes: tokens, keys of Apps, deploy keys, passwords.

mod key;

use super::Error;
use crate::{
    mint,
    placeholder::{self, Kind, Placeholder},
    scenario::Scenario,
};
use cloud::world::{Sensitive, TokenKind};
pub(super) use key::{AppKey, SshKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The credentials of one run, by the names that the scenario gives them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) tokens: BTreeMap<String, Sensitive>,
    pub(super) apps: BTreeMap<String, App>,
    pub(super) deploy_keys: BTreeMap<String, SshKey>,
    /// By which `github.com` is known over SSH.
    pub(super) host_key: Option<SshKey>,
    pub(super) index_password: Option<Sensitive>,
}

/// Who a GitHub App is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) client_id: String,
    pub(super) installation: u64,
    pub(super) key: AppKey,
}

impl Credentials {
    /// New ones for a scenario.
    pub(super) fn of(scenario: &Scenario) -> Result<Self, Error> {
        let github = &scenario.github;
        let token = |kind| match kind {
            TokenKind::Classic => mint::token(),
            TokenKind::FineGrained => mint::fine_grained_token(),
        };
        let tokens = github.tokens.iter().map(|(name, it)| (name.clone(), Sensitive(token(it.kind))));
        let app = |(name, it): (&String, &crate::scenario::App)| {
            let key =
                AppKey::new().map_err(|error| Error::new(format!("making the key of the App `{name}`"), error))?;
            let (id, installation) = (it.id.unwrap_or_else(mint::app_id), it.installation.unwrap_or_else(mint::app_id));
            let client_id = it.client_id.clone().unwrap_or_else(mint::client_id);
            Ok((name.clone(), App { id, client_id, installation, key }))
        };
        let ssh =
            |name: &str| SshKey::new(name).map_err(|error| Error::new(format!("making the SSH key `{name}`"), error));
        let deploy_keys = github.deploy_keys.keys().map(|name| Ok((name.clone(), ssh(name)?)));
        Ok(Self {
            tokens: tokens.collect(),
            apps: github.apps.iter().map(app).collect::<Result<_, Error>>()?,
            deploy_keys: deploy_keys.collect::<Result<_, Error>>()?,
            host_key: Some(ssh("github.com")?),
            index_password: scenario.index.private.as_ref().map(|_| Sensitive(mint::password())),
        })
    }

    /// The text with all placeholders filled in.
    pub(super) fn filled(&self, text: &str) -> String {
        placeholder::filled(text, |placeholder| self.value(placeholder))
    }

    fn value(&self, Placeholder { kind, name, .. }: Placeholder<'_>) -> Option<String> {
        let app = || self.apps.get(name);
        Some(match kind {
            Kind::Token => self.tokens.get(name)?.0.clone(),
            Kind::AppKey => app()?.key.private.0.clone(),
            Kind::AppId => app()?.id.to_string(),
            Kind::ClientId => app()?.client_id.clone(),
            Kind::InstallationId => app()?.installation.to_string(),
            Kind::DeployKey => self.deploy_keys.get(name)?.private.0.clone(),
            Kind::IndexPassword => self.index_password.as_ref()?.0.clone(),
        })
    }

    /// Every one of them that is secret, and what it is.
    pub(super) fn secret(&self) -> impl Iterator<Item = (String, &str)> {
        let tokens = self.tokens.iter().map(|(name, it)| (format!("token `{name}`"), it.0.as_str()));
        let apps = self.apps.iter().map(|(name, it)| (format!("key of the App `{name}`"), it.key.private.0.as_str()));
        let deploy = self.deploy_keys.iter();
        let deploy = deploy.map(|(name, it)| (format!("deploy key `{name}`"), it.private.0.as_str()));
        let host = self.host_key.iter().map(|it| ("the SSH key of github.com".to_owned(), it.private.0.as_str()));
        let index = self.index_password.iter().map(|it| ("password of the private index".to_owned(), it.0.as_str()));
        tokens.chain(apps).chain(deploy).chain(host).chain(index)
    }
}
