//! `greenproof fault`: trouble in an environment that stands.

use super::{
    command::Failure,
    kept::{Named, engine},
};
use clap::Args;
use greenproof::{
    exit, fault,
    kept::{self, trouble},
};

#[derive(Args)]
pub(crate) struct Trouble {
    #[command(flatten)]
    named: Named,
    /// End the fault of this name instead.
    #[arg(long, value_name = "FAULT", conflicts_with = "fault")]
    end: Option<fault::Name>,
    /// The fault, such as `s3.GetObject.503 times=2` or `net.cut host=github.com`.
    #[arg(required_unless_present = "end")]
    fault: Option<fault::Fault>,
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
    Ok(exit::PASSED)
}
