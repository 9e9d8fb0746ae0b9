//! Which nucleus a device runs, and what differs between them for whoever looks at the device.
//!
//! The emulated core is greenproof's own. Nucleus lite and the classic nucleus are the real programs: the user gives a
//! package or an image, since greenproof carries neither.

pub mod compare;
pub(crate) mod journald;

use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// The nucleus that a device runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Core {
    /// The emulated one, in the behaviour of the classic nucleus.
    #[default]
    Emulated,
    /// Nucleus lite, unmodified.
    Lite,
    /// The classic nucleus, unmodified.
    Classic,
}

impl Core {
    /// Every core.
    pub const ALL: [Self; 3] = [Self::Emulated, Self::Lite, Self::Classic];

    /// Its name, as scenarios and options spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Lite => "lite",
            Self::Classic => "classic",
        }
    }

    /// The user and group that components run as.
    #[must_use]
    pub const fn user(self) -> &'static str {
        match self {
            Self::Emulated | Self::Classic => "ggc_user:ggc_group",
            Self::Lite => "gg_component:gg_component",
        }
    }

    /// That user's home.
    #[must_use]
    pub const fn home(self) -> &'static str {
        match self {
            Self::Emulated | Self::Classic => "/home/ggc_user",
            Self::Lite => "/home/gg_component",
        }
    }

    /// Its root folder.
    #[must_use]
    pub const fn root(self) -> &'static str {
        match self {
            Self::Emulated | Self::Classic => "/greengrass/v2",
            Self::Lite => "/var/lib/greengrass",
        }
    }

    /// Why nothing can be run on it here when nobody gave it.
    #[must_use]
    pub const fn missing(self) -> &'static str {
        match self {
            Self::Emulated => "",
            Self::Lite => {
                "no nucleus lite is given: set GREENPROOF_LITE to its Debian package or to an image that has it"
            }
            Self::Classic => {
                "no classic nucleus is given: set GREENPROOF_CLASSIC to its zip or to an image that has it"
            }
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no core has.
#[derive(Debug, thiserror::Error)]
#[error("the core `{0}` is not known; use `emulated`, `lite` or `classic`")]
pub struct Unknown(String);

impl FromStr for Core {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|core| core.name() == name).ok_or_else(|| Unknown(name.to_owned()))
    }
}

/// Where a real nucleus comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its package: nucleus lite's `.deb`, or the classic nucleus's `.zip`.
    Package(PathBuf),
    /// An image that has it installed.
    Image(String),
}

impl Source {
    /// What a user gave: the path of a package, or the name of an image.
    #[must_use]
    pub fn of(given: &str) -> Self {
        let package = [".deb", ".zip"].iter().any(|end| given.ends_with(end)) || given.starts_with(['/', '.']);
        if package { Self::Package(given.into()) } else { Self::Image(given.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_told_from_an_image() {
        assert_eq!(Source::of("aws-greengrass-lite.deb"), Source::Package("aws-greengrass-lite.deb".into()));
        assert_eq!(Source::of("./nucleus"), Source::Package("./nucleus".into()));
        assert_eq!(Source::of("example/lite:2.6"), Source::Image("example/lite:2.6".into()));
    }

    #[test]
    fn cores_are_named_as_they_are_written() {
        for core in Core::ALL {
            assert_eq!(core.name().parse::<Core>().unwrap(), core);
        }
        let unknown = "Lite".parse::<Core>().unwrap_err().to_string();
        assert_eq!(unknown, "the core `Lite` is not known; use `emulated`, `lite` or `classic`");
    }
}
