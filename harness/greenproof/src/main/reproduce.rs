//! `greenproof reproduce`: makes a failure happen again.

use super::command::{Failure, colour, interruptible};
use clap::Args;
use greenproof::{Options, Stage, bundle::Bundle, exit, report::Terminal, reproduce};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes: 0 the same failure happened, 1 another one or none, 2 usage, or nothing that can be \
reproduced, 3 environment missing or not raisable, 6 our own fault, 130 interrupted";

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Reproduce {
    /// The bundle of a failed run.
    what: PathBuf,
    /// Install host tools that are missing (debootstrap) instead of naming them.
    #[arg(long)]
    install_missing: bool,
    /// Where the evidence folder goes.
    #[arg(long, value_name = "FOLDER", default_value = "greenproof-evidence")]
    evidence: PathBuf,
    /// Wait longer (or shorter) for everything, by this factor.
    #[arg(long, value_name = "FACTOR", value_parser = super::command::positive)]
    patience: Option<f64>,
}

pub(crate) async fn reproduce(arguments: Reproduce) -> Result<u8, Failure> {
    interruptible(Box::pin(again(arguments))).await
}

async fn again(arguments: Reproduce) -> Result<u8, Failure> {
    let unreadable = |error: greenproof::bundle::Error| {
        Failure::new(exit::USAGE, error.to_string(), "name a file that a failed run has written")
    };
    let bundle = Bundle::open(&arguments.what).map_err(unreadable)?;
    let mut options = Options::from_environment()?;
    options.install_missing = arguments.install_missing;
    options.wait_as_long_as(bundle.manifest.patience);
    options.patience = arguments.patience.unwrap_or(options.patience);
    let reader = Terminal::new(colour());
    let stage = Stage::set(options, &reader).await?;
    let replayed = Box::pin(reproduce::replay(&stage, &bundle, &arguments.evidence, &reader)).await?;
    Ok(if replayed.is_same() { exit::PASSED } else { exit::FINDING })
}
