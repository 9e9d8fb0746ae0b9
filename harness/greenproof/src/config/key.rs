//! Each thing that can be configured: its names, its form, and what it means.

use super::{Error, Given, Origin, Value};
use std::{collections::BTreeMap, path::Path};

/// A thing that can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Where evidence folders go.
    Evidence,
    /// Where a `JUnit` report goes.
    Junit,
    /// How many scenarios run at once.
    Jobs,
    /// What every wait is multiplied by.
    Patience,
    /// When the terminal gets colour.
    Color,
    /// Whether missing host tools are installed.
    InstallMissing,
    /// Where locks and leases live.
    Cache,
    /// The user's own `LocalStack`.
    LocalstackImage,
    /// Where Debian's packages come from.
    DebianMirror,
    /// Whom image builds trust.
    CaBundle,
    /// The user's nucleus lite.
    Lite,
    /// The user's classic nucleus.
    Classic,
    /// What containers run.
    Program,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Path,
    /// The path of a package, or the name of an image.
    Nucleus,
    Factor,
    /// A whole number of at least 1.
    Count,
    Truth,
    Choice(&'static [&'static str]),
}

impl Form {
    /// What to write.
    pub(super) fn hint(self) -> String {
        match self {
            Self::Text | Self::Nucleus => "use a text in quotes".to_owned(),
            Self::Path => "use a path in quotes".to_owned(),
            Self::Factor => "use a number above 0, such as 2".to_owned(),
            Self::Count => "use a whole number above 0, such as 2".to_owned(),
            Self::Truth => "use true or false".to_owned(),
            Self::Choice(choices) => format!("use one of {}", choices.join(", ")),
        }
    }

    /// The value that a text stands for, in its one spelling; nothing if it stands for none.
    pub(super) fn parse(self, text: &str) -> Option<String> {
        let good = match self {
            Self::Text | Self::Path | Self::Nucleus => !text.is_empty(),
            Self::Factor => text.parse().is_ok_and(|factor: f64| factor.is_finite() && factor > 0.0),
            Self::Count => text.parse::<std::num::NonZeroUsize>().is_ok(),
            Self::Choice(choices) => choices.contains(&text),
            Self::Truth => {
                return match text {
                    "true" | "1" => Some("true".to_owned()),
                    "false" | "0" => Some("false".to_owned()),
                    _ => None,
                };
            }
        };
        good.then(|| text.to_owned())
    }
}

impl Key {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Evidence,
        Self::Junit,
        Self::Jobs,
        Self::Patience,
        Self::Color,
        Self::InstallMissing,
        Self::Cache,
        Self::LocalstackImage,
        Self::DebianMirror,
        Self::CaBundle,
        Self::Lite,
        Self::Classic,
        Self::Program,
    ];

    /// Its name in a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Junit => "junit",
            Self::Jobs => "jobs",
            Self::Patience => "patience",
            Self::Color => "color",
            Self::InstallMissing => "install_missing",
            Self::Cache => "cache",
            Self::LocalstackImage => "localstack_image",
            Self::DebianMirror => "debian_mirror",
            Self::CaBundle => "ca_bundle",
            Self::Lite => "lite",
            Self::Classic => "classic",
            Self::Program => "program",
        }
    }

    /// The variables that say it, what counts most first.
    #[must_use]
    pub const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Evidence => &["GREENPROOF_EVIDENCE"],
            Self::Junit => &["GREENPROOF_JUNIT"],
            Self::Jobs => &["GREENPROOF_JOBS"],
            Self::Patience => &["GREENPROOF_PATIENCE"],
            Self::Color => &["GREENPROOF_COLOR", "NO_COLOR"],
            Self::InstallMissing => &["GREENPROOF_INSTALL_MISSING"],
            Self::Cache => &["GREENPROOF_CACHE"],
            Self::LocalstackImage => &["GREENPROOF_LOCALSTACK_IMAGE"],
            Self::DebianMirror => &["GREENPROOF_DEBIAN_MIRROR"],
            Self::CaBundle => &["GREENPROOF_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE"],
            Self::Lite => &["GREENPROOF_LITE"],
            Self::Classic => &["GREENPROOF_CLASSIC"],
            Self::Program => &["GREENPROOF_PROGRAM"],
        }
    }

    /// The flag that goes before all of it.
    #[must_use]
    pub const fn flag(self) -> Option<&'static str> {
        match self {
            Self::Evidence => Some("--evidence"),
            Self::Junit => Some("--junit"),
            Self::Jobs => Some("--jobs"),
            Self::Patience => Some("--patience"),
            Self::Color => Some("--color"),
            Self::InstallMissing => Some("--install-missing"),
            _ => None,
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Evidence => "Where evidence folders go, one a scenario.",
            Self::Junit => "Write a JUnit XML report of each run to this file.",
            Self::Jobs => "How many scenarios run at once; without it, as many as cores and memory allow.",
            Self::Patience => "Wait longer (or shorter) for everything, by this factor.",
            Self::Color => "When the terminal gets colour: auto, always or never.",
            Self::InstallMissing => "Install host tools that are missing (debootstrap) instead of naming them.",
            Self::Cache => "Where locks, leases and temporary files live.",
            Self::LocalstackImage => "A LocalStack image of your own instead of the one that is made.",
            Self::DebianMirror => "Where Debian's packages come from; base images are then made and not pulled.",
            Self::CaBundle => "Certificates that image builds trust besides the public ones, in one PEM file.",
            Self::Lite => "Your nucleus lite: the path of its .deb, or an image that has it.",
            Self::Classic => "Your classic nucleus: the path of its .zip, or an image that has it.",
            Self::Program => "The static greenproof that containers run; no file can say it.",
        }
    }

    pub(super) const fn form(self) -> Form {
        match self {
            Self::Evidence | Self::Junit | Self::Cache | Self::CaBundle | Self::Program => Form::Path,
            Self::Patience => Form::Factor,
            Self::Jobs => Form::Count,
            Self::Color => Form::Choice(&["auto", "always", "never"]),
            Self::InstallMissing => Form::Truth,
            Self::LocalstackImage | Self::DebianMirror => Form::Text,
            Self::Lite | Self::Classic => Form::Nucleus,
        }
    }

    /// Whether a file may say it. What becomes a program with rights over the machine's processes may not come out of any
    /// folder that a person happens to stand in.
    pub(super) const fn is_of_files(self) -> bool {
        !matches!(self, Self::Program)
    }

    /// What counts where nobody says anything.
    pub(super) fn default(self, given: &Given) -> Option<String> {
        let folder = |name: &str| given.variables.get(name).filter(|value| !value.is_empty());
        let below = |folder: &String, rest: &str| Path::new(folder).join(rest).display().to_string();
        match self {
            Self::Evidence => Some("greenproof-evidence".to_owned()),
            Self::Patience => Some("1".to_owned()),
            Self::Color => Some("auto".to_owned()),
            Self::InstallMissing => Some("false".to_owned()),
            Self::Cache => (folder("XDG_CACHE_HOME").map(|cache| below(cache, "greenproof")))
                .or_else(|| folder("HOME").map(|home| below(home, ".cache/greenproof"))),
            Self::Program => Some(given.program.display().to_string()),
            _ => None,
        }
    }

    /// What variables say; one that is empty says nothing.
    pub(super) fn of_variables(self, variables: &BTreeMap<String, String>) -> Result<Option<Value>, Error> {
        let said = |name: &&&'static str| variables.get(**name).is_some_and(|text| !text.is_empty());
        let Some(name) = self.variables().iter().find(said).copied() else { return Ok(None) };
        // Whatever this one says, it says no: https://no-color.org
        let text = if name == "NO_COLOR" { "never" } else { &variables[name] };
        let parsed = self.form().parse(text).ok_or_else(|| Error {
            place: name.to_owned(),
            message: format!("`{text}` can't be"),
            hint: self.form().hint(),
        })?;
        Ok(Some(Value { text: Some(parsed), origin: Origin::Variable(name) }))
    }

    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

/// What is spelled most like a name, if anything is spelled like it.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let rated = names.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = rated.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

/// Variables that look like ours and are not.
pub(super) fn unknown(variables: &BTreeMap<String, String>) -> Vec<(String, Option<&'static str>)> {
    let known = || Key::ALL.into_iter().flat_map(|key| key.variables().iter().copied());
    let ours = variables.keys().filter(|name| name.starts_with("GREENPROOF_"));
    let unknown = ours.filter(|name| !known().any(|known| known == *name));
    unknown.map(|name| (name.clone(), nearest(name, known()))).collect()
}
