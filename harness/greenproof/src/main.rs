//! The `greenproof` program: the harness on the host.

#[path = "main/answer.rs"]
mod answer;
#[path = "main/audit.rs"]
mod audit;
#[path = "main/check.rs"]
mod check;
#[path = "main/chosen.rs"]
mod chosen;
#[path = "main/command.rs"]
mod command;
#[path = "main/config.rs"]
mod config;
#[path = "main/doctor.rs"]
mod doctor;
#[cfg(test)]
#[path = "main/documents.rs"]
mod documents;
#[path = "main/explain.rs"]
mod explain;
#[path = "main/failure.rs"]
mod failure;
#[path = "main/fault.rs"]
mod fault;
#[cfg(test)]
#[path = "main/help.rs"]
mod help;
#[path = "main/images.rs"]
mod images;
#[path = "main/init.rs"]
mod init;
#[path = "main/interrupt.rs"]
mod interrupt;
#[path = "main/kept.rs"]
mod kept;
#[path = "main/list.rs"]
mod list;
#[path = "main/manual.rs"]
mod manual;
#[path = "main/panic.rs"]
mod panic;
#[path = "main/past.rs"]
mod past;
#[path = "main/policy.rs"]
mod policy;
#[path = "main/reproduce.rs"]
mod reproduce;
#[path = "main/run.rs"]
mod run;
#[path = "main/shown.rs"]
mod shown;

use clap::Parser;
use command::{Arguments, Command};
use failure::Failure;
use futures_util::FutureExt;
use greenproof::exit;
use std::{panic::AssertUnwindSafe, process::ExitCode};

fn main() -> ExitCode {
    panic::discreetly();
    let arguments = Arguments::parse();
    let color = arguments.color.or_else(config::color).unwrap_or_default();
    shown::settle(color, arguments.verbose > 0);
    if let Err(failure) = config::settle(arguments.engine, &arguments.command) {
        return failure.tell();
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(if arguments.verbose > 1 { tracing::Level::DEBUG } else { tracing::Level::WARN })
        .with_target(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(exit::FAULT, format!("can't start the runtime: {error}"), "").tell(),
    };
    // A panic is caught, so that what was raised is removed before the program ends.
    match runtime.block_on(AssertUnwindSafe(dispatch(arguments.command)).catch_unwind()) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failure)) => failure.tell(),
        Err(_) => {
            let swept = runtime.block_on(interrupt::clean_up());
            Failure::new(exit::FAULT, format!("a bug of greenproof ended the run; {swept}"), "").tell()
        }
    }
}

async fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(run) => Box::pin(run::run(run)).await,
        Command::Init(arguments) => init::init(arguments),
        Command::Audit(arguments) => Box::pin(audit::audit(arguments)).await,
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Policy { command } => policy::policy(*command).await,
        Command::Replay(arguments) => past::replay(&arguments),
        Command::Judge(arguments) => past::judge(&arguments),
        Command::Merge(arguments) => past::merge(arguments),
        Command::Reproduce(arguments) => reproduce::reproduce(arguments).await,
        Command::Kept(command) => Box::pin(kept::kept(command)).await,
        Command::List(arguments) => list::list(&arguments),
        Command::Doctor(arguments) => Box::pin(doctor::doctor(arguments)).await,
        Command::Config(arguments) => config::show(&arguments),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man(arguments) => manual::man(&arguments),
        Command::Sweep { all, json } => interrupt::sweep(all, json).await,
        Command::Images { command } => images::images(command).await,
    }
}
