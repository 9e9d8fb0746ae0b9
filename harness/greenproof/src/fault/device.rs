//! The device's own faults: what they are and how they are written. How they happen is the environment's.
//!
//! | name | what happens |
//! |---|---|
//! | `device.no-sudo`, `-pip`, `-git`, `-jq`, `-aws` | the program is not installed |
//! | `device.no-home` | the home of the components' user does not exist |
//! | `device.sudoers` | root may become any user, but of no group: `ALL=(ALL)` |
//! | `device.externally-managed` | Python carries Debian's marker of PEP 668 |
//! | `device.noexec path=`, `device.read-only path=` | a folder is mounted so |
//! | `device.memory limit=` | the device has no more memory than that |
//! | `device.clock shift=` | the clock of its programs, but not the core's, is wrong by so many seconds |
//! | `disk.full path= size=` | a folder is a disk of that size |
//! | `net.cut [host=]` | what is sent over the network, or to open a TLS connection to that host, is lost |
//! | `net.reset host=` | TLS connections to that host are reset |
//! | `net.loss percent=` | so much of what arrives is lost |
//! | `net.rate bytes=` | the network carries so many bytes a second each way |
//! | `net.delay seconds=` | what is sent is late; only where the kernel has netem |

use std::{collections::BTreeMap, fmt};

/// A fault of the device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Device {
    /// Something that devices have is not there.
    No(Missing),
    /// The rule for root in `/etc/sudoers` names no group.
    Sudoers,
    /// Python carries the marker of an externally managed environment.
    ExternallyManaged,
    /// A folder is mounted so that nothing in it can be executed.
    Noexec(String),
    /// A folder can't be written to.
    ReadOnly(String),
    /// So many bytes of memory.
    Memory(Size),
    /// The programs' clock is wrong by so many seconds.
    Clock(i64),
    /// A folder is a disk of a size.
    Full {
        /// The folder.
        path: String,
        /// The disk's size.
        size: Size,
    },
    /// What is sent is lost: all of it, or what opens a TLS connection to a host.
    Cut(Option<String>),
    /// TLS connections to a host are reset.
    Reset(String),
    /// So many per cent of what arrives is lost.
    Loss(f64),
    /// So many bytes a second, each way.
    Rate(Size),
    /// What is sent is so many seconds late.
    Delay(f64),
}

/// What a device may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `sudo`.
    Sudo,
    /// pip, the program and the module.
    Pip,
    /// `git`.
    Git,
    /// `jq`.
    Jq,
    /// The AWS CLI.
    Aws,
    /// The home of the components' user.
    Home,
}

/// A number of bytes, as it is written: `512K`, `24M`, `1G`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    text: String,
    bytes: u64,
}

/// Every name.
pub(super) const NAMES: [&str; 18] = [
    "device.no-sudo",
    "device.no-pip",
    "device.no-git",
    "device.no-jq",
    "device.no-aws",
    "device.no-home",
    "device.sudoers",
    "device.externally-managed",
    "device.noexec",
    "device.read-only",
    "device.memory",
    "device.clock",
    "disk.full",
    "net.cut",
    "net.reset",
    "net.loss",
    "net.rate",
    "net.delay",
];

/// What a container engine gives a container at least.
const LEAST_MEMORY: u64 = 6 << 20;

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Missing {
    const fn name(self) -> &'static str {
        match self {
            Self::Sudo => "device.no-sudo",
            Self::Pip => "device.no-pip",
            Self::Git => "device.no-git",
            Self::Jq => "device.no-jq",
            Self::Aws => "device.no-aws",
            Self::Home => "device.no-home",
        }
    }
}

impl Device {
    /// By what it is ended.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::No(missing) => missing.name(),
            Self::Sudoers => "device.sudoers",
            Self::ExternallyManaged => "device.externally-managed",
            Self::Noexec(_) => "device.noexec",
            Self::ReadOnly(_) => "device.read-only",
            Self::Memory(_) => "device.memory",
            Self::Clock(_) => "device.clock",
            Self::Full { .. } => "disk.full",
            Self::Cut(_) => "net.cut",
            Self::Reset(_) => "net.reset",
            Self::Loss(_) => "net.loss",
            Self::Rate(_) => "net.rate",
            Self::Delay(_) => "net.delay",
        }
    }

    /// The folder that something is mounted on, and the mount's options.
    #[must_use]
    pub fn mount(&self) -> Option<(&str, String)> {
        match self {
            Self::Noexec(path) => Some((path, "noexec".to_owned())),
            Self::ReadOnly(path) => Some((path, "ro,exec".to_owned())),
            Self::Full { path, size } => Some((path, format!("exec,size={}", size.bytes))),
            _ => None,
        }
    }

    /// The most memory that the device may take.
    #[must_use]
    pub const fn memory(&self) -> Option<u64> {
        if let Self::Memory(limit) = self { Some(limit.bytes) } else { None }
    }

    /// Its parameters as the device's own script takes them: plain numbers.
    pub(crate) fn parameters(&self) -> String {
        match self {
            Self::Loss(percent) => format!("probability={}", percent / 100.0),
            Self::Rate(size) => format!("bytes={}", size.bytes),
            other => other.to_string().split_off(other.name().len()).trim_start().to_owned(),
        }
    }

    /// The Debian package that the device has to have for it.
    #[must_use]
    pub const fn package(&self) -> Option<&'static str> {
        if matches!(self, Self::Clock(_)) { Some("libfaketime") } else { None }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::No(_) | Self::Sudoers | Self::ExternallyManaged | Self::Cut(None) => Ok(()),
            Self::Noexec(path) | Self::ReadOnly(path) => write!(f, " path={path}"),
            Self::Memory(limit) => write!(f, " limit={limit}"),
            Self::Clock(shift) => write!(f, " shift={shift}"),
            Self::Full { path, size } => write!(f, " path={path} size={size}"),
            Self::Cut(Some(host)) | Self::Reset(host) => write!(f, " host={host}"),
            Self::Loss(percent) => write!(f, " percent={percent}"),
            Self::Rate(bytes) => write!(f, " bytes={bytes}"),
            Self::Delay(seconds) => write!(f, " seconds={seconds}"),
        }
    }
}

/// Reads a fault of the device; the error says why it is none.
pub(super) fn read(text: &str) -> Result<Device, String> {
    let mut words = text.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let mut given = Parameters::of(words)?;
    let fault = fault(name, &mut given)?;
    given.end()?;
    Ok(fault)
}

fn fault(name: &str, given: &mut Parameters<'_>) -> Result<Device, String> {
    use Missing::{Aws, Git, Home, Jq, Pip, Sudo};
    if let Some(missing) = [Sudo, Pip, Git, Jq, Aws, Home].into_iter().find(|missing| missing.name() == name) {
        return Ok(Device::No(missing));
    }
    Ok(match name {
        "device.sudoers" => Device::Sudoers,
        "device.externally-managed" => Device::ExternallyManaged,
        "device.noexec" => Device::Noexec(path(given.need("path")?, &["/tmp", "/var/tmp", "/home"])?),
        "device.read-only" => Device::ReadOnly(path(given.need("path")?, &["/tmp", "/var/tmp"])?),
        "device.memory" => Device::Memory(memory(given.need("limit")?)?),
        "device.clock" => Device::Clock(shift(given.need("shift")?)?),
        "disk.full" => Device::Full {
            path: path(given.need("path")?, &["/tmp", "/var/tmp", "/home", "/greengrass"])?,
            size: size(given.need("size")?)?,
        },
        "net.cut" => Device::Cut(given.take("host").map(host).transpose()?),
        "net.reset" => Device::Reset(host(given.need("host")?)?),
        "net.loss" => Device::Loss(number(given.need("percent")?, 100.0)?),
        "net.rate" => Device::Rate(size(given.need("bytes")?)?),
        "net.delay" => Device::Delay(number(given.need("seconds")?, 3600.0)?),
        _ => return Err(format!("the device's are {}", NAMES.join(", "))),
    })
}

/// The `KEY=VALUE` words after a name.
struct Parameters<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Parameters<'a> {
    fn of(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if given.insert(key, value).is_some() {
                return Err(format!("`{key}=` stands twice"));
            }
        }
        Ok(Self(given))
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        self.0.remove(key)
    }

    fn need(&mut self, key: &str) -> Result<&'a str, String> {
        self.take(key).filter(|value| !value.is_empty()).ok_or_else(|| format!("say `{key}=`"))
    }

    fn end(self) -> Result<(), String> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((key, "")) => Err(format!("`{key}` is none of its parameters")),
            Some((key, value)) => Err(format!("`{key}={value}` is none of its parameters")),
        }
    }
}

fn path(text: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is none of {}", known.join(", "))) }
}

fn size(text: &str) -> Result<Size, String> {
    let (digits, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let unit: Option<u64> = match unit {
        "" => Some(1),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.zip(digits.parse().ok()).and_then(|(unit, number): (u64, u64)| number.checked_mul(unit));
    match bytes {
        // The engine's own numbers have a sign.
        Some(bytes @ 1..=0x7FFF_FFFF_FFFF_FFFF) => Ok(Size { text: text.to_owned(), bytes }),
        _ => Err(format!("`{text}` is no size: a number of bytes, or such as 512K, 24M, 1G")),
    }
}

fn memory(text: &str) -> Result<Size, String> {
    let limit = size(text)?;
    if limit.bytes < LEAST_MEMORY { Err(format!("`{text}` is less than 6M")) } else { Ok(limit) }
}

fn shift(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is no whole number of seconds"))
}

fn host(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let fits = (1..=253).contains(&text.len()) && text.bytes().all(plain);
    if fits { Ok(text.to_ascii_lowercase()) } else { Err(format!("`{text}` is no host name")) }
}

fn number(text: &str, most: f64) -> Result<f64, String> {
    let fits = |number: &f64| *number > 0.0 && *number <= most;
    text.parse().ok().filter(fits).ok_or_else(|| format!("`{text}` is no number above 0 and up to {most}"))
}
