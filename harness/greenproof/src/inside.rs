//! The `greenproof-inside` program: each part that a container plays. It is apart from `greenproof`, since every container
//! keeps in memory what it starts.

#[path = "main/failure.rs"]
mod failure;
#[path = "main/panic.rs"]
mod panic;
#[path = "inside/part.rs"]
mod part;

use clap::{Parser, Subcommand};
use failure::Failure;
use greenproof::exit;
use std::process::ExitCode;

/// Play a part inside a container of greenproof's.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Play a part of the cloud.
    Cloud {
        /// The part.
        #[command(subcommand)]
        role: part::Role,
    },
    /// Play the emulated core.
    Device(part::Device),
    /// Prepare a container for a core that is not ours, and become its first program.
    Surround(part::Surround),
    /// Become a program in the place of a component's scripts.
    Enter(part::Enter),
    /// Watch a device for leaks, from the container beside it.
    Watch {
        /// Look for processes again and again although the kernel would tell of them.
        #[arg(long)]
        sampled: bool,
    },
}

fn main() -> ExitCode {
    panic::discreetly();
    let words: Vec<String> = std::env::args().collect();
    // The device's own command line has another grammar.
    if let [_, command, arguments @ ..] = words.as_slice()
        && command == "greengrass-cli"
    {
        #[expect(clippy::disallowed_methods, reason = "this is the edge at which configuration is read")]
        let root = std::env::var("GGC_ROOT_PATH").ok();
        return ExitCode::from(device::greengrass_cli(arguments, root));
    }
    let Arguments { part } = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_target(false)
        .init();
    let played = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(play(part)),
        Err(error) => Err(Failure::new(exit::FAULT, format!("can't start the runtime: {error}"), "")),
    };
    match played {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.tell(),
    }
}

async fn play(part: Part) -> Result<u8, Failure> {
    match part {
        Part::Cloud { role } => part::cloud(role).await,
        Part::Device(device) => part::device(device).await,
        Part::Surround(arguments) => part::surround(arguments).await,
        Part::Enter(arguments) => part::enter(&arguments),
        Part::Watch { sampled } => part::watch(sampled).await,
    }
}
