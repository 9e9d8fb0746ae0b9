//! `greenproof doctor`: a machine in, what it lacks and how to mend it out.

use super::{answer, command::Failure, config, interrupt::interruptible};
use clap::Args;
use greenproof::{
    doctor::{self, Machine},
    exit,
};

const EXAMPLES: &str = "Examples:
  greenproof doctor
  greenproof doctor --json | jq '.checks[] | select(.state != \"good\")'";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Says whether a run can be made here; 3 if not.
pub(crate) async fn doctor(arguments: Doctor) -> Result<u8, Failure> {
    let machine = Machine { options: config::options()?, temporary: std::env::temp_dir() };
    let look = async { Ok::<_, Failure>(doctor::examine(&machine).await) };
    let examination = interruptible(Box::pin(look)).await?;
    if arguments.json {
        answer::json(&examination)?;
    } else {
        answer::print(&examination.to_string())?;
    }
    Ok(if examination.ready { exit::PASSED } else { exit::ENVIRONMENT })
}
