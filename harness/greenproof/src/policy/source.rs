//! Where policies come from: a JSON file, a CloudFormation template, or a Terraform plan (`terraform show -json`).
//!
//! A [`Source`] is named `FILE`, or `FILE#NAME` where the file holds several: a template's logical id, a plan's address.
//! Files are parsed only; nothing in them is run. A policy keeps the lines of a template, so that what is said of it by
//! line and column is said of the user's file; a policy out of a plan has the lines of its own text.

use super::{Error, template, terraform};
use iam::{Document, Kind, Policy};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// A file, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// The logical id or address; none where the file holds one policy.
    pub name: Option<String>,
}

/// What the user says of a file beyond the file itself.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Values of a template's parameters, pseudo parameters and resources' attributes, by name.
    pub parameters: BTreeMap<String, String>,
    /// Files of managed policies that a role has by ARN and that its file doesn't hold.
    pub managed: BTreeMap<String, PathBuf>,
}

/// A policy as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What people call it.
    pub name: String,
    /// The file, and what of it, for messages.
    pub origin: String,
    /// The policy, JSON.
    pub text: String,
    /// What it is for, where its file says so.
    pub kind: Option<Kind>,
}

/// A role with all that its file says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its trust policy.
    pub trust: Option<Written>,
    /// Its identity policies, inline and managed.
    pub policies: Vec<Written>,
    /// Its permissions boundary.
    pub boundary: Option<Written>,
}

/// What a source holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A policy.
    Policy(Written),
    /// A role.
    Role(Role),
}

impl Source {
    /// Takes `FILE` or `FILE#NAME`; a file whose own name has a `#` is taken if it is there.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let whole = Self { file: text.into(), name: None };
        match text.split_once('#') {
            Some((file, name)) if !Path::new(text).exists() => Self { file: file.into(), name: Some(name.into()) },
            _ => whole,
        }
    }

    /// Reads what is meant.
    ///
    /// # Errors
    /// When the file can't be read, is none of the known forms, holds several policies, or says something that only a
    /// deployed stack knows; with line and column where there is one.
    pub fn read(&self, given: &Given) -> Result<Found, Error> {
        let file = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file).map_err(|error| {
            Error::new(&file, format!("can't read it: {error}"), "name a policy, template or plan in UTF-8")
        })?;
        let json = serde_json::from_str::<serde_json::Value>(&text);
        match &json {
            Ok(value) if value.get("Statement").is_some() => {
                if let Some(name) = &self.name {
                    let hint = format!("name it `{file}`");
                    return Err(Error::new(&file, format!("it is one policy and holds no `{name}`"), hint));
                }
                let name = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Found::Policy(Written { name, origin: file, text, kind: None }))
            }
            Ok(value) if terraform::is_plan(value) => terraform::read(self, value, given),
            // A broken policy is told as what it most likely is.
            Err(error) if text.trim_start().starts_with('{') && !text.contains("\"Resources\"") => {
                let place = format!("{file}:{}:{}", error.line(), error.column());
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or_default();
                Err(Error::new(place, format!("no JSON: {what}"), "correct the file"))
            }
            _ => template::read(self, &text, given),
        }
    }

    /// Chooses from the names of all that the file holds.
    pub(super) fn choose<'n>(&self, names: &[(&'n str, String)], what: &str) -> Result<&'n str, Error> {
        let file = self.file.display();
        let lines = names.iter().map(|(name, of)| format!("\n    {file}#{name}  ({of})"));
        let listed = || lines.clone().collect::<Vec<_>>().concat();
        match (&self.name, names) {
            (_, []) => Err(Error::new(
                file.to_string(),
                format!("this {what} holds no policy and no role"),
                "name a file with an IAM or IoT policy",
            )),
            (Some(wanted), _) => names.iter().map(|(name, _)| *name).find(|name| name == wanted).ok_or_else(|| {
                let message = format!("this {what} has no policy or role `{wanted}`");
                Error::new(file.to_string(), message, format!("name one of{}", listed()))
            }),
            (None, [(name, _)]) => Ok(name),
            (None, several) => {
                let message = format!("this {what} holds {} policies and roles", several.len());
                Err(Error::new(file.to_string(), message, format!("name one of{}", listed())))
            }
        }
    }
}

/// Shows it as the user named it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, "#{name}"))
    }
}

impl Given {
    /// The policy of an ARN that a role names and its file doesn't hold.
    pub(super) fn managed(&self, arn: &str, place: &str) -> Result<Written, Error> {
        let Some(file) = self.managed.get(arn) else {
            let message = format!("the role has the managed policy `{arn}`, which this file doesn't hold");
            return Err(Error::new(place, message, format!("pass `--managed {arn}=FILE` with its document")));
        };
        let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        match Source::parse(&file.to_string_lossy()).read(self)? {
            Found::Policy(policy) => Ok(Written { name, ..policy }),
            Found::Role(_) => {
                Err(Error::new(file.display().to_string(), "it is a role", "name the file of a managed policy"))
            }
        }
    }
}

impl Written {
    /// Compiles the policy for a use.
    ///
    /// # Errors
    /// If AWS would refuse it; with the place.
    pub fn compile(&self, kind: Kind) -> Result<Policy, Error> {
        match Document::read(&self.text, kind) {
            Ok(document) => Ok(Policy::new(&self.name, document)),
            Err(error) => {
                // The error's own text begins with the place, which belongs behind the file.
                let text = error.to_string();
                let (place, message) = match error.position() {
                    Some(position) => {
                        let message = text.strip_prefix(&format!("{position}: ")).unwrap_or(&text).to_owned();
                        (format!("{}:{position}", self.origin), message)
                    }
                    None => (self.origin.clone(), text),
                };
                Err(Error::new(place, message, "correct the policy; AWS would refuse it"))
            }
        }
    }
}

impl Found {
    /// The identity policies: the policy itself, or all of the role's.
    #[must_use]
    pub fn identity(self) -> Vec<Written> {
        match self {
            Self::Policy(policy) => vec![policy],
            Self::Role(role) => role.policies,
        }
    }
}

#[cfg(test)]
mod tests;
