//! The grammar of the command line, and what the library's errors mean there.

pub(crate) use crate::failure::Failure;
use crate::{
    audit::Audit,
    check::Check,
    config::Show,
    doctor::Doctor,
    explain::Explain,
    images::{self, Images},
    init::Init,
    kept::Kept,
    list::List,
    manual::{Completions, Man},
    past::{Judge, Merge, Replay},
    policy::Policy,
    reproduce::Reproduce,
    run::Run,
};
use clap::{ArgAction, ColorChoice, Parser, Subcommand};
use greenproof::{docker, exit, scenario, stage};

/// Prove that a Greengrass V2 component installs and runs on a core device, on this machine and without AWS.
#[derive(Parser)]
#[command(version, about, after_help = AFTER)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Show each call, git request and DNS question; twice, also what greenproof itself does.
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The Docker engine: an address such as `ssh://ci@builder`, or a context's name. Several share the scenarios of `run`.
    #[arg(long, global = true, value_name = "ENGINE")]
    pub(crate) engine: Vec<String>,
    /// When to use colours; `auto`, unless configured, follows `NO_COLOR` and `CLICOLOR_FORCE`.
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
}

const AFTER: &str = "Examples:
  greenproof doctor                             # can a run be made here?
  greenproof run                                # the built-in reference scenario
  greenproof run scenarios/ --junit report.xml
  greenproof up && eval \"$(greenproof env)\"    # an environment that stays, for aws, boto3 and gdk

Answers, and JSON with --json, go to standard output; all that is told besides goes to standard error.

Exit codes:
  0    all passed
  1    a finding
  2    usage or scenario error
  3    environment missing or not raisable
  4    nothing ran
  5    only leaks found
  6    our own fault, or something not emulated
  130  interrupted, and cleaned up";

const SWEEP: &str = "Examples:
  greenproof sweep
  greenproof sweep --all --json";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge them; without any, the built-in reference scenario.
    Run(Run),
    /// List scenarios: name, core, summary, tags, and what each needs.
    List(List),
    /// Say whether this machine can make a run, what it lacks, and how to mend it; exit code 3 if it can't.
    Doctor(Doctor),
    /// Show what is configured, where it was said, and what it means.
    Config(Show),
    /// Write the first scenario of a component, with its policy and a CI job.
    Init(Init),
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
    /// Show a run that is over once more, in any format.
    Replay(Replay),
    /// Judge a run that is over once more, by its own scenario or by one that expects something else; without Docker.
    Judge(Judge),
    /// Put the evidence of parts of one selection together, as if one machine had run it all.
    Merge(Merge),
    #[command(flatten)]
    Kept(Kept),
    /// Move the images that runs need from one machine to another, or through a cache of CI.
    #[command(after_help = images::EXAMPLES)]
    Images {
        /// What to do.
        #[command(subcommand)]
        command: Images,
    },
    /// Remove what dead runs left.
    #[command(after_help = SWEEP)]
    Sweep {
        /// Also what was kept, and stop the shared LocalStack.
        #[arg(long)]
        all: bool,
        /// Print what was removed as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a script that has a shell complete greenproof's commands.
    Completions(Completions),
    /// Print or write manual pages.
    Man(Man),
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
