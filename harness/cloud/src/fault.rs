//! What can be made to go wrong on purpose, and how it is written.
//!
//! A fault is one line of text, in scenario files and on the command line alike: its name, then parameters.
//!
//! | name | what happens |
//! |---|---|
//! | `SERVICE.STATUS`, `SERVICE.OPERATION.STATUS` | the [`Service`] answers that status, for all or one operation |
//! | `….slow`, `….hang`, `….reset`, `….throttled`, `….wrong-body` in place of a status | another [`Effect`] |
//! | anything else, such as `mqtt.cut` or `dns.nxdomain` | a [`Special`] one |
//!
//! `times=N` ends a fault after so many strikes, otherwise it lasts until it is ended by its name; `delay=SECONDS` is how
//! long an answer takes; `body=TEXT`, always last, is a body instead of AWS's own. Special faults have parameters of their
//! own: what they are about (`host=NAME`, `secret=NAME`, …) and how much (`life=SECONDS`, `shift=SECONDS`).

mod kind;
mod special;
#[cfg(test)]
mod tests;

pub use kind::{Effect, Kind, Role, Service};
pub use special::Special;

use serde::{Deserialize, Serialize};
use special::{Need, Takes};
use std::{fmt, str::FromStr, time::Duration};

/// A fault with its parameters, such as `s3.GetObject.503 times=2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// The one thing that it is about, such as a host; without, it is about all.
    pub about: Option<String>,
    /// How much, in seconds.
    pub amount: Option<i64>,
    /// After how many strikes it is over.
    pub times: Option<u32>,
    /// How long an answer takes.
    pub delay: Duration,
    /// The body that is answered.
    pub body: Option<String>,
}

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault: {why}")]
pub struct Error {
    text: String,
    why: String,
}

impl Fault {
    /// By what it is ended, such as `s3.GetObject.503`.
    #[must_use]
    pub fn name(&self) -> String {
        self.kind.to_string()
    }

    /// Whether it is about a name, such as a secret's.
    #[must_use]
    pub fn is_about(&self, name: &str) -> bool {
        self.about.as_deref().is_none_or(|about| about == name)
    }

    /// Whether it is about a host: the one that it names, and all below it.
    #[must_use]
    pub fn is_about_host(&self, host: &str) -> bool {
        self.about.as_deref().is_none_or(|about| {
            host.strip_suffix(about).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        let takes = self.kind.takes();
        if let (Some(about), Some((word, _))) = (&self.about, takes.about) {
            write!(f, " {word}={about}")?;
        }
        if let (Some(amount), Some(word)) = (self.amount, takes.amount) {
            write!(f, " {word}={amount}")?;
        }
        if let Some(times) = self.times {
            write!(f, " times={times}")?;
        }
        if !self.delay.is_zero() {
            write!(f, " delay={}", self.delay.as_secs_f64())?;
        }
        if let Some(body) = &self.body {
            write!(f, " body={body}")?;
        }
        Ok(())
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

impl TryFrom<String> for Fault {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).map_err(|why| Error { text: text.to_owned(), why })
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::read(name).map_err(|why| Error { text: name.to_owned(), why })
    }
}

fn read(text: &str) -> Result<Fault, String> {
    let (head, body) = match text.split_once(" body=") {
        Some((head, body)) => (head, Some(body.to_owned())),
        None => (text, None),
    };
    let mut words = head.split_ascii_whitespace();
    let kind = Kind::read(words.next().unwrap_or_default())?;
    let takes = kind.takes();
    let mut fault = Fault { kind, about: None, amount: None, times: None, delay: Duration::ZERO, body };
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "times" => fault.times = Some(times(value, &takes)?),
            "delay" => fault.delay = delay(value, &takes)?,
            _ if takes.about.is_some_and(|(about, _)| about == name) && !value.is_empty() => {
                fault.about = Some(value.to_owned());
            }
            _ if takes.amount == Some(name) => fault.amount = Some(amount(name, value)?),
            _ => return Err(format!("`{word}` is no parameter; use {}", parameters(&takes))),
        }
    }
    complete(fault, &takes)
}

/// The fault, if it has all that it needs and nothing that it can't have.
fn complete(fault: Fault, takes: &Takes) -> Result<Fault, String> {
    if let (Some((word, Need::Must)), None) = (takes.about, &fault.about) {
        return Err(format!("say which: `{word}=NAME`"));
    }
    if let (Some(word), None) = (takes.amount, fault.amount) {
        return Err(format!("say how much: `{word}=SECONDS`"));
    }
    if fault.body.is_some() && !takes.body {
        return Err("only a status has a body".to_owned());
    }
    match fault.kind {
        Kind::Http { effect: Effect::Slow, .. } if fault.delay.is_zero() => {
            Err("say how slow: `delay=SECONDS`".to_owned())
        }
        Kind::Http { effect: Effect::Status(200), .. } if fault.body.is_none() => {
            Err("status 200 is only wrong with a `body=`".to_owned())
        }
        _ => Ok(fault),
    }
}

/// The parameters that a fault may have, for a person.
fn parameters(takes: &Takes) -> String {
    let about = takes.about.map(|(word, _)| format!("`{word}=NAME`"));
    let amount = takes.amount.map(|word| format!("`{word}=SECONDS`"));
    let rest = [(takes.times, "`times=N`"), (takes.delay, "`delay=SECONDS`"), (takes.body, "`body=TEXT`")];
    let rest = rest.into_iter().filter(|(has, _)| *has).map(|(_, shown)| shown.to_owned());
    let all: Vec<_> = about.into_iter().chain(amount).chain(rest).collect();
    match all.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}

fn times(number: &str, takes: &Takes) -> Result<u32, String> {
    if !takes.times {
        return Err("it happens once, or lasts until it is ended".to_owned());
    }
    number.parse().ok().filter(|times| *times > 0).ok_or_else(|| format!("`times={number}` is no number above 0"))
}

fn delay(seconds: &str, takes: &Takes) -> Result<Duration, String> {
    if !takes.delay {
        return Err("it takes no time".to_owned());
    }
    let seconds: Option<f64> = seconds.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "`delay=` is a number of seconds".to_owned())
}

fn amount(name: &str, seconds: &str) -> Result<i64, String> {
    /// A hundred years: what is further away is no date.
    const MOST: i64 = 100 * 365 * 24 * 3600;
    let within = |seconds: &i64| (-MOST..=MOST).contains(seconds) && (name != "life" || *seconds > 0);
    seconds.parse().ok().filter(within).ok_or_else(|| format!("`{name}={seconds}` is no whole number of seconds"))
}
