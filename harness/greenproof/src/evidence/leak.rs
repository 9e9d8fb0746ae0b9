//! Secrets found where they must not be, and how the search for them went.

use crate::redact::{Redactor, Sighting};
use serde::{Deserialize, Serialize};

/// A secret in a place where somebody else can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leak {
    /// Which secret, such as ``token `mypat` ``.
    pub secret: String,
    /// In what form: `raw`, `base64` and so on.
    pub encoding: String,
    /// Whether all of it was there; false for the beginning of it.
    pub whole: bool,
    /// Where: `arguments of git`, `environment of pip3, variable SUDO_COMMAND`, `file /tmp/x, line 7` and so on.
    pub place: String,
    /// Who can read it, such as `every local user`.
    pub readers: String,
    /// Whether it was still there at the end.
    pub stays: bool,
    /// When it was seen first, RFC 3339; empty where nobody can tell.
    pub began: String,
    /// How long it was seen; 0 where it was seen once.
    pub milliseconds: u64,
    /// The permissions of the file or of what stands for the process, in octal, such as `0644`.
    pub mode: String,
    /// Who owns it, as `USER:GROUP`, or the process's user.
    pub owner: String,
    /// What put it there, such as `Install of com.example.X`.
    pub during: String,
    /// The line, redacted.
    pub line: String,
    /// How to close it.
    pub close: String,
}

impl Leak {
    /// All that is known of it but its secret, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let mut parts = vec![self.place.clone()];
        let mut part = |before: &str, text: &str, after: &str| {
            if !text.is_empty() {
                parts.push(format!("{before}{text}{after}"));
            }
        };
        part("readable by ", &self.readers, "");
        part("mode ", &self.mode, "");
        part("owner ", &self.owner, "");
        part("", &self.encoding, if self.whole { "" } else { " of its beginning" });
        part("during ", &self.during, "");
        part("from ", &self.began, "");
        let seen = if self.milliseconds == 0 { String::new() } else { format!("for {} ms", self.milliseconds) };
        part("", &seen, "");
        part("", if self.stays { "still there at the end" } else { "gone at the end" }, "");
        part("`", &self.line, "`");
        part("to close it: ", &self.close, "");
        parts.join("; ")
    }
}

/// How the search for leaks went in a run whose scenario asks for more than a look at the logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// How processes were watched.
    pub processes: Processes,
    /// What may have been missed although it should have been seen; then nothing that was not found is proven.
    pub incomplete: Vec<String>,
    /// What a reader should know of what was searched.
    pub notes: Vec<String>,
    /// How long the watcher ran, in milliseconds.
    #[serde(default)]
    pub ran: u64,
    /// How much of a processor it took meanwhile, in milliseconds.
    #[serde(default)]
    pub worked: u64,
}

/// How processes were watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Processes {
    /// The kernel told of each one.
    #[default]
    Told,
    /// They were looked for again and again.
    Sampled,
}

/// The secrets in a log, each once in a line.
#[must_use]
pub fn leaks(redactor: &Redactor, place: &str, text: &str) -> Vec<Leak> {
    let leak = |sighting: Sighting| Leak {
        secret: sighting.secret,
        encoding: sighting.encoding,
        whole: true,
        stays: true,
        place: format!("{place}:{}", sighting.line),
        line: sighting.text,
        ..Leak::default()
    };
    redactor.leaks(text).into_iter().map(leak).collect()
}
