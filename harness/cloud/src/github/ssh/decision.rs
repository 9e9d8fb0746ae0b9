//! Whom GitHub lets in over SSH, and what they may do.

use crate::{
    event::{Credential, What, emit},
    fault::Special,
    faults::Faults,
    github::{access::Service, directory::Directory, faulty},
    world::DeployKey,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What the server asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// Whether a public key is known, such as `ssh-ed25519 AAAA…`.
    Key(String),
    /// What the holder of a deploy key gets.
    Command {
        /// The key's name.
        key: String,
        /// What it wants to run; empty for a shell.
        command: String,
    },
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The key is known by that name.
    Known {
        /// The deploy key's name.
        name: String,
    },
    /// Nobody has that key.
    Unknown,
    /// A program of git is run.
    Run {
        /// The program.
        program: String,
        /// The repository that it serves.
        repository: PathBuf,
        /// The references that nobody shall see.
        hidden: Option<String>,
    },
    /// Nothing is run; the text is GitHub's.
    Refused {
        /// What the client is told.
        text: String,
    },
}

/// What GitHub says to a command that is not git's.
const NO_COMMAND: &str = "  You appear to be using ssh to clone a git:// URL.\n  Make sure your core.gitProxy config option \
                          and the\n  GIT_PROXY_COMMAND environment variable are NOT set.";

impl Question {
    /// Decides and writes it down.
    pub(super) fn answer(&self, directory: &Directory, faults: &Faults, repositories: &Path) -> Answer {
        match self {
            Self::Key(key) => known(key, directory, faults),
            Self::Command { key, command } => {
                let (answer, repository, status) = decide(key, command, directory, faults, repositories);
                tell(directory, command, repository, Credential::DeployKey, status);
                answer
            }
        }
    }
}

fn known(key: &str, directory: &Directory, faults: &Faults) -> Answer {
    let found = directory.hub().deploy_keys.iter().find(|known| known.key == key);
    let found = found.filter(|known| faults.special(Special::DeployKeyRevoked, &known.name).is_none());
    let Some(DeployKey { name, .. }) = found else {
        tell(directory, "", None, Credential::Unknown, 401);
        return Answer::Unknown;
    };
    Answer::Known { name: name.clone() }
}

/// The answer, the repository that it is about, and the status that HTTP has for it.
fn decide(
    key: &str,
    command: &str,
    directory: &Directory,
    faults: &Faults,
    repositories: &Path,
) -> (Answer, Option<String>, u16) {
    let refuse = |text: &str| Answer::Refused { text: text.to_owned() };
    let Some(key) = directory.hub().deploy_keys.iter().find(|known| known.name == key) else {
        return (refuse("ERROR: Repository not found."), None, 404);
    };
    if command.is_empty() {
        let repository = &key.repository;
        let hello =
            format!("Hi {repository}! You've successfully authenticated, but GitHub does not provide shell access.");
        return (refuse(&hello), None, 200);
    }
    let Some((service, name)) = parse(command) else {
        return (refuse(&format!("Invalid command: '{command}'\n{NO_COMMAND}")), None, 400);
    };
    let asked = Some(name.to_owned());
    let found = name.split_once('/').and_then(|(owner, name)| directory.repository(owner, name));
    let own = |it: &&crate::world::Repository| it.name.eq_ignore_ascii_case(&key.repository);
    match found.filter(|it| !it.private || own(it)) {
        None => (refuse("ERROR: Repository not found."), asked, 404),
        Some(it) if service == Service::ReceivePack && !own(&it) => {
            (refuse(&format!("ERROR: Permission to {} denied to deploy key", it.name)), asked, 403)
        }
        Some(_) if service == Service::ReceivePack && !key.write => {
            (refuse("ERROR: The key you are authenticating with has been marked as read only."), asked, 403)
        }
        Some(it) => {
            let program = if service == Service::UploadPack { "git-upload-pack" } else { "git-receive-pack" };
            let repository = repositories.join(format!("{}.git", it.name));
            let run = Answer::Run { program: program.to_owned(), repository, hidden: faulty::hidden(faults) };
            (run, asked, 200)
        }
    }
}

/// Reads `git-upload-pack 'OWNER/NAME.git'`, as git's client writes it.
fn parse(command: &str) -> Option<(Service, &str)> {
    let (program, path) = command.strip_prefix("git ").map_or(command, |_| command).split_once(' ')?;
    let service = Service::parse(program)?;
    let path = path.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let path = path.trim_start_matches('/').trim_end_matches('/');
    Some((service, path.strip_suffix(".git").unwrap_or(path)))
}

fn tell(directory: &Directory, command: &str, repository: Option<String>, credential: Credential, status: u16) {
    emit(What::Git {
        method: "SSH".to_owned(),
        path: directory.redact(command),
        repository: repository.map(|name| directory.redact(&name)),
        credential,
        status,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Hub, Repository};
    use serde_json::json;

    fn directory(faults: &std::sync::Arc<Faults>) -> Directory {
        let mut hub: Hub = serde_json::from_value(json!({
            "environment": "e", "address": "127.0.0.1", "certificate": "", "key": "", "tokens": [],
            "authority": {"certificate": "", "key": ""}, "repositories": [],
            "deploy_keys": [
                {"name": "reader", "key": "ssh-ed25519 AAAA", "repository": "o/r", "write": false},
                {"name": "writer", "key": "ssh-ed25519 BBBB", "repository": "o/r", "write": true},
            ],
        }))
        .unwrap();
        let repository = |name: &str, private| Repository { name: name.to_owned(), private };
        hub.repositories = vec![repository("o/r", true), repository("o/s", true), repository("p/open", false)];
        Directory::new(hub, std::sync::Arc::clone(faults))
    }

    fn text(answer: &Answer) -> &str {
        match answer {
            Answer::Refused { text } => text,
            Answer::Run { program, .. } => program,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn deploy_key_is_for_one_repository() {
        fidelity::fidelity!("github-19");
        let faults = std::sync::Arc::new(Faults::default());
        let directory = directory(&faults);
        let missing = "ERROR: Repository not found.";
        let read_only = "ERROR: The key you are authenticating with has been marked as read only.";
        for (key, command, expected, status) in [
            ("reader", "git-upload-pack 'o/r.git'", "git-upload-pack", 200),
            ("reader", "git-upload-pack '/O/R'", "git-upload-pack", 200),
            ("reader", "git-upload-pack 'p/open.git'", "git-upload-pack", 200),
            ("reader", "git-upload-pack 'o/s.git'", missing, 404),
            ("reader", "git-upload-pack 'o/none.git'", missing, 404),
            ("reader", "git-upload-pack '../r'", missing, 404),
            ("reader", "git-receive-pack 'o/r.git'", read_only, 403),
            ("writer", "git-receive-pack 'o/r.git'", "git-receive-pack", 200),
            ("writer", "git-receive-pack 'p/open.git'", "ERROR: Permission to p/open denied to deploy key", 403),
            ("gone", "git-upload-pack 'o/r.git'", missing, 404),
        ] {
            let (answer, _, answered) = decide(key, command, &directory, &faults, Path::new("/srv/git"));
            assert_eq!((text(&answer), answered), (expected, status), "{key}: {command}");
        }
        let (answer, ..) = decide("reader", "", &directory, &faults, Path::new("/srv/git"));
        let hello = "Hi o/r! You've successfully authenticated, but GitHub does not provide shell access.";
        assert_eq!(text(&answer), hello);
        let (answer, ..) = decide("reader", "ls -l", &directory, &faults, Path::new("/srv/git"));
        assert!(text(&answer).starts_with("Invalid command: 'ls -l'\n"));
    }

    #[test]
    fn unknown_or_revoked_key_lets_nobody_in() {
        fidelity::fidelity!("github-19");
        let faults = std::sync::Arc::new(Faults::default());
        let directory = directory(&faults);
        let ask = |key: &str| Question::Key(key.to_owned()).answer(&directory, &faults, Path::new("/srv/git"));
        assert_eq!(ask("ssh-ed25519 AAAA"), Answer::Known { name: "reader".to_owned() });
        assert_eq!(ask("ssh-ed25519 CCCC"), Answer::Unknown);
        faults.begin("github.deploy-key-revoked key=reader".parse().unwrap());
        assert_eq!(ask("ssh-ed25519 AAAA"), Answer::Unknown);
        assert_eq!(ask("ssh-ed25519 BBBB"), Answer::Known { name: "writer".to_owned() });
    }
}
