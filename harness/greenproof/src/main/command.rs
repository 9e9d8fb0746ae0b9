//! The grammar of the command line, and why a command ends without an outcome.

use crate::{
    audit::Audit,
    check::Check,
    explain::Explain,
    kept::Kept,
    part::{Device, Enter, Role, Surround},
    policy::Policy,
    reproduce::Reproduce,
    run::Run,
};
use clap::{ArgAction, ColorChoice, Parser, Subcommand};
use greenproof::{docker, exit, scenario, stage};

/// Prove that a Greengrass V2 component installs and runs on a core device, on this machine and without AWS.
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Show each call, git request and DNS question; twice, also what greenproof itself does.
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours; `auto` follows `NO_COLOR` and `CLICOLOR_FORCE`.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

const EXIT_CODES: &str = "Exit codes: 0 all passed, 1 a finding, 2 usage or scenario error, 3 environment missing or \
not raisable, 4 nothing ran, 5 only leaks found, 6 our own fault or something not emulated, 130 interrupted";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge them; without any, the built-in reference scenario.
    Run(Run),
    /// Say what a recipe is worth: what the classic nucleus and nucleus lite make of it, and what is bad style.
    Check(Check),
    /// Say what a device's logs show is wrong, why, and what to do about it.
    Explain(Explain),
    /// Say which secrets stand in a kept environment, a container, a disk or a log, and who can read them there.
    Audit(Audit),
    /// Validate IAM and IoT policies before their rollout.
    Policy {
        /// What to do.
        #[command(subcommand)]
        command: Box<Policy>,
    },
    /// Make a failure happen again, and say whether it is the same one.
    Reproduce(Reproduce),
    #[command(flatten)]
    Kept(Kept),
    /// Remove what dead runs left.
    Sweep {
        /// Also what was kept, and stop the shared LocalStack.
        #[arg(long)]
        all: bool,
    },
    /// Measure the reference scenario against the bare script in a plain container, and what the emulated core costs.
    Bench {
        /// How many runs of each.
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Play a part of the cloud (inside its container).
    #[command(hide = true)]
    Cloud {
        /// The part.
        #[command(subcommand)]
        role: Role,
    },
    /// Play the emulated core (inside its container).
    #[command(hide = true)]
    Device(Device),
    /// Prepare a container for a core that is not ours, and become its first program (inside that container).
    #[command(hide = true)]
    Surround(Surround),
    /// Become a program in the place of a component's scripts (inside the device's container).
    #[command(hide = true)]
    Enter(Enter),
    /// Watch a device for leaks (inside the container beside it).
    #[command(hide = true)]
    Watch {
        /// Look for processes again and again although the kernel would tell of them.
        #[arg(long)]
        sampled: bool,
    },
}

impl Arguments {
    /// The arguments of a device, read without the grammar of all other commands: the core would carry its code in
    /// memory as long as it runs.
    pub(crate) fn of_device(words: &[String]) -> Option<Self> {
        #[derive(Parser)]
        struct Lone {
            #[command(flatten)]
            device: Device,
        }
        let words = words.get(1..).filter(|words| words.first().is_some_and(|command| command == "device"))?;
        let command = Command::Device(Lone::parse_from(words).device);
        Some(Self { command, verbose: 0, color: ColorChoice::Auto })
    }
}

/// Why a command ended without an outcome.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl From<stage::Error> for Failure {
    fn from(error: stage::Error) -> Self {
        let code = if error.usage { exit::USAGE } else { exit::ENVIRONMENT };
        Self { code, message: error.to_string(), hint: error.hint().to_owned() }
    }
}

impl From<scenario::Error> for Failure {
    fn from(error: scenario::Error) -> Self {
        Self { code: exit::USAGE, message: error.to_string(), hint: error.hint }
    }
}

impl From<docker::Error> for Failure {
    fn from(error: docker::Error) -> Self {
        stage::Error::from(error).into()
    }
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0).ok_or("use a number above 0".into())
}
