//! What can be made to go wrong on purpose, and how it is written.
//!
//! A fault is one line of text, in scenario files and on the command line alike: its name, then parameters.
//!
//! | name | what happens |
//! |---|---|
//! | `provider.STATUS` | the credentials provider answers that status |
//! | `data-plane.STATUS`, `data-plane.OPERATION.STATUS` | the Greengrass data plane does, for all or one operation |
//! | `s3.STATUS`, `s3.OPERATION.STATUS` | S3 does |
//! | `….slow` in place of a status | it answers as ever, but late |
//! | `mqtt.cut` | every MQTT connection breaks off, once |
//! | `mqtt.refuse` | new MQTT connections are refused |
//!
//! `times=N` ends a fault after so many strikes, otherwise it lasts until it is ended by its name; `delay=SECONDS` is how
//! long an answer takes; `body=TEXT`, always last, is a body instead of AWS's own.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// A fault with its parameters, such as `s3.GetObject.503 times=2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// After how many strikes it is over.
    pub times: Option<u32>,
    /// How long an answer takes.
    pub delay: Duration,
    /// The body that is answered.
    pub body: Option<String>,
}

/// What goes wrong; its text is the fault's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A service answers wrongly or late.
    Http {
        /// Which.
        service: Service,
        /// The one operation of it; all without.
        operation: Option<String>,
        /// The status that is answered; without, the right answer comes late.
        status: Option<u16>,
    },
    /// Every MQTT connection breaks off.
    Cut,
    /// New MQTT connections are refused.
    Refuse,
}

/// A service that can be made to answer wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The IoT credentials provider.
    Provider,
    /// The Greengrass data plane.
    DataPlane,
    /// S3.
    S3,
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
}

impl Service {
    const ALL: [Self; 3] = [Self::Provider, Self::DataPlane, Self::S3];

    const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::DataPlane => "data-plane",
            Self::S3 => "s3",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { service, operation, status } => {
                write!(f, "{}.", service.name())?;
                if let Some(operation) = operation {
                    write!(f, "{operation}.")?;
                }
                match status {
                    Some(status) => write!(f, "{status}"),
                    None => f.write_str("slow"),
                }
            }
            Self::Cut => f.write_str("mqtt.cut"),
            Self::Refuse => f.write_str("mqtt.refuse"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
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

fn read(text: &str) -> Result<Fault, String> {
    let (head, body) = match text.split_once(" body=") {
        Some((head, body)) => (head, Some(body.to_owned())),
        None => (text, None),
    };
    let mut words = head.split_ascii_whitespace();
    let kind = kind(words.next().unwrap_or_default())?;
    let mut fault = Fault { kind, times: None, delay: Duration::ZERO, body };
    for word in words {
        match word.split_once('=') {
            Some(("times", number)) => fault.times = Some(times(number)?),
            Some(("delay", seconds)) => fault.delay = delay(seconds)?,
            _ => return Err(format!("`{word}` is no parameter; use `times=N`, `delay=SECONDS` or `body=TEXT`")),
        }
    }
    let answers = matches!(fault.kind, Kind::Http { status: Some(_), .. });
    if fault.body.is_some() && !answers {
        return Err("only a status has a body".to_owned());
    }
    match &fault.kind {
        Kind::Http { status: None, .. } if fault.delay.is_zero() => Err("say how slow: `delay=SECONDS`".to_owned()),
        Kind::Http { status: Some(200), .. } if fault.body.is_none() => {
            Err("status 200 is only wrong with a `body=`".to_owned())
        }
        Kind::Cut if fault.times.is_some() => Err("it happens once".to_owned()),
        Kind::Cut | Kind::Refuse if !fault.delay.is_zero() => Err("it takes no time".to_owned()),
        _ => Ok(fault),
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        kind(name).map_err(|why| Error { text: name.to_owned(), why })
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    match name {
        "mqtt.cut" => return Ok(Kind::Cut),
        "mqtt.refuse" => return Ok(Kind::Refuse),
        _ => {}
    }
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let Some(service) = Service::ALL.into_iter().find(|service| service.name() == first) else {
        return Err(
            "its name begins with `provider.`, `data-plane.`, `s3.`, or is `mqtt.cut` or `mqtt.refuse`".to_owned()
        );
    };
    let (operation, effect) = match rest.split_once('.') {
        Some((operation, effect)) => (Some(operation.to_owned()), effect),
        None => (None, rest),
    };
    let plain = |name: &String| !name.is_empty() && name.chars().all(char::is_alphanumeric);
    if !operation.as_ref().is_none_or(plain) || (operation.is_some() && service == Service::Provider) {
        return Err(format!("`{}` has no such operation", service.name()));
    }
    let status = match effect {
        "slow" => None,
        status => Some(
            status
                .parse()
                .ok()
                .filter(|status| *status == 200 || (400..600).contains(status))
                .ok_or_else(|| format!("`{status}` is no status: use 200, 400 to 599, or `slow`"))?,
        ),
    };
    Ok(Kind::Http { service, operation, status })
}

fn times(number: &str) -> Result<u32, String> {
    number.parse().ok().filter(|times| *times > 0).ok_or_else(|| format!("`times={number}` is no number above 0"))
}

fn delay(seconds: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = seconds.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "`delay=` is a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_it_is_read() {
        for text in [
            "provider.403",
            "provider.500 times=2 delay=1.5 body={\"message\": \"a b\"}",
            "provider.slow delay=3",
            "data-plane.503 times=1",
            "data-plane.ResolveComponentCandidates.429",
            "s3.GetObject.503 times=2",
            "mqtt.cut",
            "mqtt.refuse times=3",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
            assert_eq!(fault.name(), text.split(' ').next().unwrap());
            let json = serde_json::to_value(&fault).unwrap();
            assert_eq!((&json, &serde_json::from_value::<Fault>(json.clone()).unwrap()), (&text.into(), &fault));
        }
    }

    #[test]
    fn what_is_no_fault_is_told_why() {
        for (text, why) in [
            ("", "its name begins with"),
            ("disk.full", "its name begins with"),
            ("provider", "`` is no status"),
            ("provider.302", "`302` is no status"),
            ("provider.Get.403", "`provider` has no such operation"),
            ("s3..403", "`s3` has no such operation"),
            ("s3.slow", "say how slow"),
            ("s3.200", "only wrong with a `body=`"),
            ("s3.503 times=0", "no number above 0"),
            ("s3.503 delay=-1", "a number of seconds"),
            ("s3.503 often", "`often` is no parameter"),
            ("mqtt.cut times=2", "it happens once"),
            ("mqtt.refuse delay=1", "it takes no time"),
            ("s3.slow delay=1 body=x", "only a status has a body"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no fault: ")) && error.contains(why), "{error}");
        }
    }
}
