//! What can be made to go wrong on purpose in a run, as one line of text: `NAME PARAMETERS`.
//!
//! The same text stands in scenario files (`fault = "…"`), on the command line (`--fault '…'`) and where a kept
//! environment is told (`greenproof fault '…'`). What begins with `device.`, `disk.` or `net.` happens to the device
//! ([`Device`]); anything else is the cloud's ([`cloud::fault`]).
//!
//! ```
//! let fault: greenproof::fault::Fault = "disk.full path=/tmp size=4M".parse()?;
//! assert_eq!(fault.name().to_string(), "disk.full");
//! # Ok::<(), greenproof::fault::Error>(())
//! ```

mod device;

pub use device::{Device, Missing};

use std::{fmt, str::FromStr};

/// Something that goes wrong, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// In what answers for AWS, GitHub or the package index.
    Cloud(cloud::fault::Fault),
    /// On the device or in its network.
    Device(Device),
}

/// By what a fault is ended: its text without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    text: String,
    of_device: bool,
}

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    /// What to write instead.
    pub hint: &'static str,
}

const CLOUDS_HINT: &str =
    "such as `provider.403`, `s3.GetObject.503 times=2` or `mqtt.cut`; a fault ends by its name alone";
const DEVICES_HINT: &str = "such as `device.no-git`, `disk.full path=/tmp size=4M` or `net.cut host=github.com`; \
a fault ends by its name alone";

impl Fault {
    /// By what it is ended.
    #[must_use]
    pub fn name(&self) -> Name {
        match self {
            Self::Cloud(fault) => Name { text: fault.name(), of_device: false },
            Self::Device(fault) => Name { text: fault.name().to_owned(), of_device: true },
        }
    }

    /// Fills in the placeholders of what it answers.
    pub(crate) fn fill(&mut self, filled: impl Fn(&str) -> String) {
        if let Self::Cloud(fault) = self {
            fault.body = fault.body.take().map(|body| filled(&body));
        }
    }

    /// The cloud's fault that it is.
    #[must_use]
    pub const fn cloud(&self) -> Option<&cloud::fault::Fault> {
        if let Self::Cloud(fault) = self { Some(fault) } else { None }
    }

    /// The device's fault that it is.
    #[must_use]
    pub const fn device(&self) -> Option<&Device> {
        if let Self::Device(fault) = self { Some(fault) } else { None }
    }

    /// Why it can't begin any more once the device runs; absent if it can.
    #[must_use]
    pub fn only_from_the_start(&self) -> Option<String> {
        let mounts = self.device().and_then(Device::mount).is_some();
        mounts.then(|| format!("`{}` is there from the device's start or not at all", self.name()))
    }
}

impl Name {
    /// Whether it is a fault of the device.
    #[must_use]
    pub const fn of_device(&self) -> bool {
        self.of_device
    }
}

fn is_devices(text: &str) -> bool {
    ["device.", "disk.", "net."].iter().any(|family| text.starts_with(family))
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_devices(text) {
            let read = device::read(text).map(Self::Device);
            return read.map_err(|why| Error { message: format!("`{text}` is no fault: {why}"), hint: DEVICES_HINT });
        }
        let read = text.parse().map(Self::Cloud);
        read.map_err(|error: cloud::fault::Error| Error { message: error.to_string(), hint: CLOUDS_HINT })
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_devices(text) {
            let known = device::NAMES.contains(&text).then(|| Self { text: text.to_owned(), of_device: true });
            let message = format!("`{text}` is no fault: the device's are {}", device::NAMES.join(", "));
            return known.ok_or(Error { message, hint: DEVICES_HINT });
        }
        let read = text.parse().map(|kind: cloud::fault::Kind| Self { text: kind.to_string(), of_device: false });
        read.map_err(|error: cloud::fault::Error| Error { message: error.to_string(), hint: CLOUDS_HINT })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud(fault) => fault.fmt(f),
            Self::Device(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_it_is_read() {
        for text in [
            "device.no-sudo",
            "device.externally-managed",
            "device.noexec path=/tmp",
            "device.read-only path=/var/tmp",
            "device.memory limit=64M",
            "device.clock shift=-86400",
            "disk.full path=/greengrass size=24M",
            "net.cut",
            "net.cut host=github.com",
            "net.reset host=api.github.com",
            "net.loss percent=30",
            "net.rate bytes=4096",
            "net.delay seconds=0.25",
            "provider.403 times=2",
        ] {
            let fault: Fault = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(fault.to_string(), text);
            let name = text.split(' ').next().unwrap_or_default();
            let parsed: Name = name.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((fault.name().to_string().as_str(), fault.name()), (name, parsed));
            assert_eq!(fault.name().of_device(), !text.starts_with("provider"));
        }
    }

    #[test]
    fn what_is_no_fault_is_told_why() {
        for (text, why) in [
            ("device.nothing", "the device's are device.no-sudo, "),
            ("device.no-git path=/tmp", "`path=/tmp` is none of its parameters"),
            ("device.noexec", "say `path=`"),
            ("device.noexec path=/etc", "`/etc` is none of /tmp, /var/tmp, /home"),
            ("device.read-only path=/home", "`/home` is none of /tmp, /var/tmp"),
            ("disk.full path=/tmp", "say `size=`"),
            ("disk.full path=/tmp size=big", "`big` is no size"),
            ("disk.full path=/tmp size=0", "`0` is no size"),
            ("device.memory limit=1M", "`1M` is less than 6M"),
            ("device.clock shift=soon", "`soon` is no whole number of seconds"),
            ("net.reset", "say `host=`"),
            ("net.cut host=git hub", "`hub` is none of its parameters"),
            ("net.cut host=a\"b", "is no host name"),
            ("net.loss percent=101", "`101` is no number above 0 and up to 100"),
            ("net.loss percent=1 percent=2", "`percent=` stands twice"),
            ("net.rate bytes=-1", "`-1` is no size"),
            ("net.delay seconds=0", "`0` is no number above 0"),
            ("s3.99", "`99` is no status"),
        ] {
            let error = text.parse::<Fault>().expect_err(text);
            let told = error.to_string();
            assert!(told.starts_with(&format!("`{text}` is no fault: ")) && told.contains(why), "{told}");
            assert!(!error.hint.is_empty());
        }
        assert!("net.cut host=a".parse::<Name>().is_err() && "device.x".parse::<Name>().is_err());
    }

    #[test]
    fn what_is_mounted_is_there_from_the_start() {
        let why = |text: &str| text.parse::<Fault>().expect(text).only_from_the_start();
        assert!(why("device.noexec path=/tmp").is_some_and(|why| why.contains("`device.noexec`")));
        assert!(why("disk.full path=/home size=1M").is_some());
        assert_eq!((why("net.cut"), why("device.memory limit=64M"), why("mqtt.cut")), (None, None, None));
    }
}
