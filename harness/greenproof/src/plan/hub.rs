//! What the `github` container is told and given.

use super::{Addresses, Error, Plan, artifact};
use cloud::{
    fault::Role,
    world::{self, App, DeployKey, Hub, Installation, PrivateIndex, Sensitive, Token},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use time::OffsetDateTime;

/// A package's file, by its name.
type File = (String, Vec<u8>);

impl Plan {
    /// What the `github` container is told.
    ///
    /// # Errors
    /// When its certificate can't be issued.
    pub fn hub(&self, at: Addresses) -> Result<Hub, Error> {
        let private = self.scenario.index.private.as_ref().map(|index| index.host.as_str());
        let hosts: Vec<_> = ["github.com", "api.github.com", world::INDEX_HOST].into_iter().chain(private).collect();
        let server =
            self.issuer.server(&hosts).map_err(|error| Error::new("issuing the certificate of github.com", error))?;
        let repositories = &self.scenario.github.repositories;
        let host_key = self.credentials.host_key.as_ref();
        Ok(Hub {
            environment: self.environment.clone(),
            address: at.github,
            certificate: server.certificate,
            key: Sensitive(server.key),
            repositories: repositories
                .iter()
                .map(|(name, repository)| world::Repository { name: name.clone(), private: repository.private })
                .collect(),
            tokens: self.personal_tokens(OffsetDateTime::now_utc()),
            apps: self.apps(),
            deploy_keys: self.deploy_keys(),
            host_key: host_key.map(|key| key.private.clone()).unwrap_or_default(),
            host_key_public: host_key.map(|key| key.public.clone()).unwrap_or_default(),
            indexes: self.private_indexes(),
            authority: self.authority(),
            faults: self.opening_faults(Role::Github),
            seed: self.seed.clone(),
        })
    }

    fn personal_tokens(&self, start: OffsetDateTime) -> Vec<Token> {
        let known = self.scenario.github.tokens.iter().filter(|(_, token)| token.known);
        let token = |(name, stated): (&String, &crate::scenario::Token)| Token {
            name: name.clone(),
            value: self.credentials.tokens[name].clone(),
            kind: stated.kind,
            login: stated.login.clone(),
            repositories: stated.repositories.clone(),
            permissions: stated.permissions.clone(),
            expires: stated.expires.map(|seconds| start.unix_timestamp().saturating_add(seconds)),
        };
        known.map(token).collect()
    }

    fn apps(&self) -> Vec<App> {
        let app = |(name, stated): (&String, &crate::scenario::App)| {
            let minted = &self.credentials.apps[name];
            App {
                name: name.clone(),
                id: minted.id,
                client_id: minted.client_id.clone(),
                key: minted.key.public.clone(),
                tokens: stated.tokens,
                installation: Installation {
                    id: minted.installation,
                    owner: stated.owner.clone(),
                    repositories: stated.repositories.clone(),
                    permissions: stated.permissions.clone(),
                },
            }
        };
        self.scenario.github.apps.iter().map(app).collect()
    }

    fn deploy_keys(&self) -> Vec<DeployKey> {
        let known = self.scenario.github.deploy_keys.iter().filter(|(_, key)| key.known);
        let key = |(name, stated): (&String, &crate::scenario::DeployKey)| DeployKey {
            name: name.clone(),
            key: self.credentials.deploy_keys[name].public.clone(),
            repository: stated.repository.clone(),
            write: stated.write,
        };
        known.map(key).collect()
    }

    fn private_indexes(&self) -> Vec<PrivateIndex> {
        let both = self.scenario.index.private.iter().zip(&self.credentials.index_password);
        let index = |(stated, password): (&crate::scenario::PrivateIndex, &Sensitive)| PrivateIndex {
            host: stated.host.clone(),
            users: BTreeMap::from([(stated.user.clone(), password.clone())]),
        };
        both.map(index).collect()
    }

    /// The files of Python packages that the scenario adds to the index as they are.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn packages(&self) -> Result<Vec<File>, Error> {
        self.scenario.index.wheels.iter().map(read).collect()
    }

    /// The files of Python packages that the private index alone has.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn private_packages(&self) -> Result<Vec<File>, Error> {
        let Some(index) = &self.scenario.index.private else { return Ok(Vec::new()) };
        let archive =
            |(name, folder): (&String, &PathBuf)| Ok((format!("{name}.zip"), artifact::source_archive(folder, name)?));
        index.wheels.iter().map(read).chain(index.sources.iter().map(archive)).collect()
    }
}

fn read(path: impl AsRef<Path>) -> Result<File, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| Error::new(format!("reading `{}`", path.display()), error))?;
    Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes))
}
