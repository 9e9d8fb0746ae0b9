//! `greenproof fault`: trouble in an environment that stands.

use super::{
    answer,
    command::Failure,
    kept::{Named, engine},
};
use clap::Args;
use greenproof::{
    exit, fault,
    kept::{self, trouble},
    scenario::{Scenario, Unknown},
};
use serde_json::{Value, json};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trouble {
    #[command(flatten)]
    named: Named,
    /// End the fault of this name instead.
    #[arg(long, value_name = "FAULT", conflicts_with = "fault")]
    end: Option<fault::Name>,
    /// The fault, such as `s3.GetObject.503 times=2` or `net.cut host=github.com`.
    #[arg(required_unless_present = "end")]
    fault: Option<fault::Fault>,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  greenproof fault 's3.GetObject.503 times=2'
  greenproof fault 'net.cut host=github.com'
  greenproof fault --end net.cut";

/// Puts faults before everything else that happens in a scenario.
pub(crate) fn begin_with(scenario: &mut Scenario, faults: &[fault::Fault]) -> Result<(), Failure> {
    scenario.begin_with(faults);
    match scenario.unknown_of_faults() {
        Some(Unknown { message, hint, .. }) => {
            Err(Failure::new(exit::USAGE, format!("{}: {message}", scenario.name), hint))
        }
        None => Ok(()),
    }
}

pub(crate) async fn fault(arguments: Trouble) -> Result<u8, Failure> {
    let engine = engine().await?;
    let standing = kept::standing(&engine, arguments.named.name.as_deref()).await?;
    if let Some(fault) = &arguments.fault {
        trouble::begin(&engine, &standing, fault).await?;
    }
    if let Some(name) = &arguments.end {
        trouble::end(&engine, &standing, name).await?;
    }
    if arguments.json {
        let text = |fault: Option<String>| fault.map_or(Value::Null, Value::String);
        answer::json(&json!({
            "environment": standing.kept.name,
            "begun": text(arguments.fault.as_ref().map(ToString::to_string)),
            "ended": text(arguments.end.as_ref().map(ToString::to_string)),
        }))?;
    }
    Ok(exit::PASSED)
}
