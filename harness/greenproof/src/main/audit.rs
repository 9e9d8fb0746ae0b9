//! `greenproof audit`: disks, containers and logs in, leaks out.

use super::{answer, chosen::scenarios, command::Failure, config};
use clap::Args;
use greenproof::{
    audit::{self, Audited, Secrets, Target},
    exit, kept,
};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "Examples:
  greenproof audit                                            # the kept environment
  greenproof audit container my-device --secrets secrets.json
  greenproof audit disk.tar.gz --json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Audit {
    /// What to audit: `container NAME`, a tar of a disk (gzipped or not), a disk's image, a folder, a log, `-` for standard
    /// input. Without any, the kept environment.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Which kept environment; may be left out when there is only one.
    #[arg(long, conflicts_with = "targets")]
    name: Option<String>,
    /// Search the secrets of this file: a JSON object of names and values, or one a line, as `NAME=VALUE` or alone.
    #[arg(long, value_name = "FILE", conflicts_with = "patterns")]
    secrets: Option<PathBuf>,
    /// Search what looks like a secret: tokens of GitHub, keys of AWS, private keys, passwords in URLs and headers. This is
    /// what happens unless a kept environment says which secrets it has.
    #[arg(long)]
    patterns: bool,
    /// Print one JSON object a target.
    #[arg(long)]
    json: bool,
}

/// Audits each target; 5 if a secret stands in one.
pub(crate) async fn audit(arguments: Audit) -> Result<u8, Failure> {
    let given = arguments.secrets.as_deref().map(given).transpose()?;
    let targets = targets(&arguments.targets)?;
    let mut code = exit::PASSED;
    let mut tell = |audited: &Audited| -> Result<(), Failure> {
        if audited.leaks() {
            code = exit::LEAKS;
        }
        let text = if arguments.json { audit::json(audited) + "\n" } else { audit::human(audited) };
        answer::print(&text)
    };
    if targets.is_empty() {
        let given = given.or_else(|| arguments.patterns.then(Secrets::patterns));
        tell(&of_kept(arguments.name.as_deref(), given).await?)?;
        return Ok(code);
    }
    let secrets = given.unwrap_or_else(Secrets::patterns);
    for target in &targets {
        tell(&of_target(target, &secrets).await?)?;
    }
    Ok(code)
}

async fn of_kept(name: Option<&str>, given: Option<Secrets>) -> Result<Audited, Failure> {
    let engine = config::options()?.connect().await?;
    if name.is_none() && engine.kept().is_empty() {
        let hint = "name a file, a folder or `container NAME`, or raise an environment with `greenproof up`";
        return Err(Failure::new(exit::USAGE, "nothing to audit: no environment stands", hint));
    }
    let standing = kept::standing(&engine, name).await?;
    let secrets = if let Some(given) = given {
        given
    } else {
        let (mut scenarios, _folder) = scenarios(&Vec::from_iter(standing.record.scenario.clone()))?;
        Secrets::of_kept(scenarios.remove(0), &standing)?
    };
    Ok(audit::kept(&engine, &standing, &secrets).await?)
}

async fn of_target(target: &Target, secrets: &Secrets) -> Result<Audited, Failure> {
    let path = match target {
        Target::Container(name) => {
            let engine = config::options()?.connect().await?;
            return Ok(audit::container(&engine, name, secrets).await?);
        }
        Target::Path(path) => Some(path.as_path()),
        Target::Input => None,
    };
    tokio::task::block_in_place(|| audit::path(path, secrets)).map_err(|error| {
        let shown = path.unwrap_or(Path::new("-")).display();
        let hint = "name a tar of a disk, a folder, an image, a log, `-`, or `container NAME`";
        Failure::new(exit::USAGE, format!("can't read `{shown}`: {error}"), hint)
    })
}

fn targets(words: &[String]) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        targets.push(match word.as_str() {
            "container" => Target::Container(words.next().cloned().ok_or_else(|| {
                Failure::new(exit::USAGE, "`container` needs a name", "say `greenproof audit container NAME`")
            })?),
            "-" => Target::Input,
            path => Target::Path(path.into()),
        });
    }
    Ok(targets)
}

fn given(path: &Path) -> Result<Secrets, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        let hint = "write a JSON object of names and values, or one secret a line, of 12 characters or more";
        Failure::new(exit::USAGE, format!("can't take secrets from `{}`: {error}", path.display()), hint)
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Secrets::of_text(&text).map_err(|error| failed(&error))
}
