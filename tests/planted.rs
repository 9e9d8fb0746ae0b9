//! Secrets planted on a device on purpose: encoding, place and time follow from a seed, and each must be found.
//!
//! The encodings are written here anew, so that a form that the search does not know can't be missing from both.

use crate::{fixture, random};
use anyhow::{Result, ensure};
use greenproof::{Environment, Evidence, Plan, Scenario, Stage, evidence::Leak, scenario::leaks::Pattern};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What plants them, in Python, on the device.
const PLANT: &str = include_str!("planted/plant.py");
/// Where the programs stand that are planted secrets' processes.
const FOLDER: &str = "/opt/planted";
/// What a byte of a secret is masked with on its way to the device.
const MASK: u8 = 0xA5;

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Raw,
    Quoted,
    Url,
    EveryByteInUrl,
    Base64,
    Base64Url,
    Base64OfUser,
    WrappedBase64,
    Hex,
    UpperHex,
    Reversed,
    Split,
    Beginning,
}

impl Form {
    const ALL: [Self; 13] = [
        Self::Raw,
        Self::Quoted,
        Self::Url,
        Self::EveryByteInUrl,
        Self::Base64,
        Self::Base64Url,
        Self::Base64OfUser,
        Self::WrappedBase64,
        Self::Hex,
        Self::UpperHex,
        Self::Reversed,
        Self::Split,
        Self::Beginning,
    ];

    /// The secret in this form; `number` chooses what the form leaves open.
    fn write(self, secret: &str, number: u64) -> String {
        const USERS: [&str; 6] = ["", "x", "me", "git", "user", "x-access-token"];
        let chosen = usize::try_from(number % 1000).unwrap_or_default();
        let quoted = || Value::from(secret).to_string().trim_matches('"').to_owned();
        let all = |format: fn(u8) -> String| secret.bytes().map(format).collect::<String>();
        match self {
            Self::Raw => secret.to_owned(),
            Self::Quoted => quoted(),
            Self::Url => all(|byte| {
                let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            }),
            Self::EveryByteInUrl => all(|byte| format!("%{byte:02x}")),
            Self::Base64 => base64(secret.as_bytes(), "+/", true),
            Self::Base64Url => base64(secret.as_bytes(), "-_", false),
            Self::Base64OfUser => base64(format!("{}:{secret}", USERS[chosen % 6]).as_bytes(), "+/", true),
            Self::WrappedBase64 => {
                let text = base64(format!("{}:{secret}", USERS[chosen % 6]).as_bytes(), "+/", true);
                in_lines(&text, 10 + chosen % 30)
            }
            Self::Hex => all(|byte| format!("{byte:02x}")),
            Self::UpperHex => all(|byte| format!("{byte:02X}")),
            Self::Reversed => secret.chars().rev().collect(),
            Self::Split => in_lines(secret, 6 + chosen % 24),
            Self::Beginning => format!("{}...", &secret[..12 + chosen % 12]),
        }
    }
}

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Arguments,
    Environment,
    File,
    Appended,
    Renamed,
    Zip,
    Tar,
    Nested,
    Gzip,
    Object,
    Dump,
    Deleted,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Arguments,
        Self::Environment,
        Self::File,
        Self::Appended,
        Self::Renamed,
        Self::Zip,
        Self::Tar,
        Self::Nested,
        Self::Gzip,
        Self::Object,
        Self::Dump,
        Self::Deleted,
    ];
    /// Folders that files are planted in.
    const FOLDERS: [&str; 9] = [
        "/tmp",
        "/var/tmp",
        "/home/ggc_user",
        "/home/ggc_user/.cache/pip/http",
        "/greengrass/v2/work/com.example.Planted",
        "/greengrass/v2/logs",
        "/var/log",
        "/etc",
        "/dev/shm",
    ];

    /// The file of a plant, if it is one.
    fn path(self, index: usize, number: u64) -> Option<String> {
        let folder = Self::FOLDERS[usize::try_from(number % 9).unwrap_or_default()];
        let name = match self {
            Self::Arguments | Self::Environment => return None,
            Self::File | Self::Appended | Self::Renamed => format!("planted-{index}.txt"),
            Self::Zip => format!("planted_{index}-1.0-py3-none-any.whl"),
            Self::Tar | Self::Nested => format!("planted-{index}.tar.gz"),
            Self::Gzip => format!("planted-{index}.log.gz"),
            Self::Object => format!("planted-{index}/.git/objects/ab/{:038x}", index + 1),
            Self::Dump => format!("planted-{index}/core"),
            Self::Deleted => format!("planted-{index}.tmp"),
        };
        Some(format!("{folder}/{name}"))
    }

    /// Where the search must say that it is; the line may be any.
    fn place(self, index: usize, path: &str) -> String {
        match self {
            Self::Arguments => format!("arguments of planted-{index}"),
            Self::Environment => format!("environment of planted-{index}, variable PLANTED"),
            Self::Zip | Self::Tar => format!("file {path}, in it a/settings.txt"),
            Self::Nested => format!("file {path}, in it b/inner.zip, in it a/settings.txt"),
            Self::Gzip | Self::Object => format!("file {path}*"),
            Self::Deleted => format!("deleted file {path}, open in python3*"),
            _ => format!("file {path}"),
        }
    }
}

/// A secret in its place.
#[derive(Clone, Debug)]
struct Plant {
    /// What the search calls it.
    secret: String,
    form: Form,
    kind: Kind,
    /// Where it must be found.
    place: String,
    /// How long it is there, in milliseconds; 0 for to the end.
    lasts: u64,
    /// What the device's program is told of it.
    order: Value,
}

/// The plants of a seed: each form and each kind of place occurs, and the rest is drawn.
#[derive(Debug)]
pub struct Plants(Vec<Plant>);

impl Plants {
    /// How many there are.
    pub const COUNT: usize = 78;

    /// Draws them for a plan's secrets.
    ///
    /// # Panics
    /// When the plan is not that of [`scenario`].
    #[must_use]
    pub fn draw(seed: u64, plan: &Plan) -> Self {
        let token =
            |name: &str| (format!("token `{name}`"), plan.token(name).expect("a token of the world").to_owned());
        let password = plan.scenario.aws.secrets["Password"].value.clone();
        let secrets = [token("first"), token("second"), ("secret `Password`".to_owned(), password)];
        Self((0..Self::COUNT).map(|index| Self::one(seed, index, &secrets)).collect())
    }

    fn one(seed: u64, index: usize, secrets: &[(String, String)]) -> Plant {
        let first = u64::try_from(index).unwrap_or_default() * 100;
        let mut drawn = first;
        let mut draw = |below: usize| {
            drawn += 1;
            usize::try_from(random(seed, drawn) % u64::try_from(below).unwrap_or(1)).unwrap_or_default()
        };
        let kind = if index < Kind::ALL.len() { Kind::ALL[index] } else { Kind::ALL[draw(Kind::ALL.len())] };
        let form = if index < Form::ALL.len() { Form::ALL[index] } else { Form::ALL[draw(Form::ALL.len())] };
        let (name, secret) = &secrets[draw(secrets.len())];
        let path = kind.path(index, random(seed, first + 50)).unwrap_or_default();
        // What has no name any more is looked at when everything has ended.
        // That every process of 20 ms is seen is claimed of 99 in 100; here each must be.
        let least = if matches!(kind, Kind::Arguments | Kind::Environment) { 100 } else { 20 };
        let lasts = if kind == Kind::Deleted || draw(3) == 0 { 0 } else { least + draw(400) };
        let content = form.write(secret, random(seed, first + 51));
        let masked = content.bytes().fold(String::new(), |mut masked, byte| {
            _ = write!(masked, "{:02x}", byte ^ MASK);
            masked
        });
        let order = json!({
            "kind": format!("{kind:?}").to_lowercase(), "name": format!("planted-{index}"), "path": path,
            "content": masked, "lines": draw(200), "mode": if draw(2) == 0 { 0o644 } else { 0o600 },
            "at": draw(1500), "lasts": lasts,
        });
        let lasts = u64::try_from(lasts).unwrap_or_default();
        Plant { secret: name.clone(), form, kind, place: kind.place(index, &path), lasts, order }
    }

    /// Puts them on the device, and waits until all of them were there.
    ///
    /// # Errors
    /// When the device can't do it.
    pub async fn plant(&self, environment: &Environment) -> Result<()> {
        let orders = Value::from(self.0.iter().map(|plant| plant.order.clone()).collect::<Vec<_>>()).to_string();
        let told = environment.as_root(&["python3", "-c", PLANT, FOLDER, &orders]).await?;
        ensure!(
            told.stdout.trim() == format!("planted {}", self.0.len()),
            "not planted: {} {}",
            told.stdout,
            told.stderr
        );
        Ok(())
    }

    /// What the search has missed, a line each.
    #[must_use]
    pub fn missed(&self, leaks: &[Leak]) -> Vec<String> {
        let is_found = |plant: &&Plant| {
            let pattern = Pattern {
                place: plant.place.clone(),
                secret: Some(format!("{}*", plant.secret)),
                stays: (plant.kind != Kind::Arguments && plant.kind != Kind::Environment).then_some(plant.lasts == 0),
                ..Pattern::default()
            };
            leaks.iter().any(|leak| pattern.fits(leak))
        };
        let missed = self.0.iter().filter(|plant| !is_found(plant));
        missed
            .map(|Plant { secret, form, place, lasts, .. }| format!("{secret} as {form:?} for {lasts} ms: {place}"))
            .collect()
    }
}

/// The scenario of the device that secrets are planted on.
///
/// # Errors
/// When it can't be read.
pub fn scenario() -> Result<Scenario> {
    Ok(Scenario::load(&fixture("planted/world.toml"))?)
}

/// Raises a device, plants the secrets of a seed and gives what was seen.
///
/// # Errors
/// When the world can't be raised or removed, or nothing can be planted.
pub async fn run(stage: &Stage, seed: u64) -> Result<(Plants, Evidence)> {
    let environment = Box::pin(Environment::raise(stage, Plan::of(scenario()?)?)).await?;
    let plants = Plants::draw(seed, &environment.plan);
    plants.plant(&environment).await?;
    let evidence = Box::pin(environment.deploy(stage.patience())).await;
    environment.remove().await?;
    Ok((plants, evidence))
}

/// A text in lines of so many letters.
fn in_lines(text: &str, width: usize) -> String {
    text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
}

/// Base64 with these two last letters of its alphabet.
fn base64(bytes: &[u8], last: &str, padded: bool) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(last.chars()).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value = chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        for letter in 0..4 {
            match (letter <= chunk.len(), padded) {
                (true, _) => text.push(alphabet[value >> (18 - 6 * letter) & 63]),
                (false, true) => text.push('='),
                (false, false) => {}
            }
        }
    }
    text
}
