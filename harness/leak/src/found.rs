//! What was found, where, and who can read it there. It shows no secret, so it may be stored and sent.

use crate::{
    advice,
    form::Encoding,
    readers::{Access, Names, Readers},
    stream::Hit,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Place {
    /// A process's arguments.
    Arguments {
        /// The program's name.
        program: String,
    },
    /// A process's environment.
    Environment {
        /// The program's name.
        program: String,
        /// The variable.
        variable: String,
    },
    /// A file's content.
    File {
        /// Its path.
        path: String,
        /// The names within, from the outermost archive inwards; empty for a file that is none.
        inside: Vec<String>,
        /// From 1.
        line: u64,
    },
    /// The name of a file.
    Name {
        /// The path without the secret.
        path: String,
    },
    /// A file that has no name any more but is still open.
    Deleted {
        /// The path that it had.
        path: String,
        /// The program that has it open.
        program: String,
    },
    /// A document that is sent or stored in the cloud.
    Document {
        /// What it is, such as `deployment document`.
        of: String,
        /// The path in it, such as `/components/x`.
        pointer: String,
    },
    /// A log.
    Log {
        /// Whose.
        of: String,
        /// From 1.
        line: u64,
    },
    /// Bytes without files, such as a disk's image.
    Bytes {
        /// What they are.
        of: String,
        /// From 0.
        offset: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments { program } => write!(f, "arguments of {program}"),
            Self::Environment { program, variable } => write!(f, "environment of {program}, variable {variable}"),
            Self::File { path, inside, line } => {
                write!(f, "file {path}")?;
                inside.iter().try_for_each(|name| write!(f, ", in it {name}"))?;
                write!(f, ", line {line}")
            }
            Self::Name { path } => write!(f, "name of file {path}"),
            Self::Deleted { path, program } => write!(f, "deleted file {path}, open in {program}"),
            Self::Document { of, pointer } => write!(f, "{of}, {pointer}"),
            Self::Log { of, line } => write!(f, "log of {of}, line {line}"),
            Self::Bytes { of, offset } => write!(f, "{of}, byte {offset}"),
        }
    }
}

impl Place {
    /// What to do about a secret there.
    #[must_use]
    pub fn close(&self) -> String {
        advice::close(self)
    }

    /// The same place without what differs each time: two hits there are one leak.
    #[must_use]
    pub fn spot(&self) -> String {
        match self {
            Self::File { path, inside, .. } => [std::slice::from_ref(path), inside].concat().join(" in "),
            Self::Log { of, .. } => format!("log of {of}"),
            other => other.to_string(),
        }
    }
}

/// A secret where it must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The name of the secret.
    pub secret: String,
    /// How it was written.
    pub encoding: Encoding,
    /// Whether all of it is there; else a part that tells.
    pub whole: bool,
    /// Whether line ends or a log's frames stand between its pieces.
    pub split: bool,
    /// Where.
    pub place: Place,
    /// Who can read it there, such as `every local user`; empty where nobody can tell.
    pub readers: String,
    /// The file's mode, such as `0644`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The file's owner, such as `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The line without secrets, shortened.
    pub excerpt: String,
    /// What to do about it.
    pub close: String,
}

impl Found {
    /// A hit of a secret at a place; who can read it there is not known yet.
    #[must_use]
    pub(crate) fn new(secret: String, hit: Hit, place: Place) -> Self {
        Self {
            secret,
            encoding: hit.encoding,
            whole: hit.whole,
            split: hit.split,
            close: place.close(),
            place,
            readers: String::new(),
            mode: None,
            owner: None,
            excerpt: hit.excerpt,
        }
    }

    /// Who can read it, and what says so.
    pub(crate) fn guard(&mut self, access: Access, readers: Readers, names: &Names) {
        self.readers = readers.text(names);
        self.mode = Some(access.mode_text());
        self.owner = Some(access.owner_text(names));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_reports_say_them() {
        let file = |path: &str, inside: &[&str], line| Place::File {
            path: path.into(),
            inside: inside.iter().map(|&name| name.to_owned()).collect(),
            line,
        };
        for (place, text) in [
            (Place::Arguments { program: "git-remote-https".into() }, "arguments of git-remote-https"),
            (
                Place::Environment { program: "pip3".into(), variable: "SUDO_COMMAND".into() },
                "environment of pip3, variable SUDO_COMMAND",
            ),
            (file("/tmp/x/.git/config", &[], 7), "file /tmp/x/.git/config, line 7"),
            (file("/tmp/p.zip", &[".git/config"], 3), "file /tmp/p.zip, in it .git/config, line 3"),
            (
                Place::Deleted { path: "/tmp/x".into(), program: "python3".into() },
                "deleted file /tmp/x, open in python3",
            ),
            (
                Place::Document { of: "deployment document".into(), pointer: "/components/a".into() },
                "deployment document, /components/a",
            ),
            (Place::Log { of: "aws".into(), line: 3 }, "log of aws, line 3"),
            (Place::Bytes { of: "disk.img".into(), offset: 4096 }, "disk.img, byte 4096"),
        ] {
            assert_eq!(place.to_string(), text);
            let json = serde_json::to_string(&place).unwrap();
            assert_eq!(serde_json::from_str::<Place>(&json).unwrap(), place, "{json}");
        }
        assert_eq!(file("/a", &["b"], 1).spot(), file("/a", &["b"], 9).spot());
        assert_ne!(file("/a", &["b"], 1).spot(), file("/a", &[], 1).spot());
    }
}
