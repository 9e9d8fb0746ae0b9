//! Proves that an AWS IoT Greengrass V2 component installs and runs on a core device, on one machine and without AWS.
//!
//! The pipeline, each stage owning its noun and handing the next a finished value:
//! [`Scenario`] → [`Plan`] → [`Environment`] → [`Course`] → [`Evidence`] → [`Verdict`] → [`report`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use greenproof::{Environment, Options, Plan, Scenario, Stage, judge, report::Silent};
//!
//! let scenario = Scenario::load("fixtures/scenarios/private-package.toml".as_ref())?;   // declare
//! let stage = Stage::set(Options::from_environment()?, &Silent).await?;
//! let environment = Environment::raise(&stage, Plan::of(scenario)?).await?;             // raise
//! let evidence = environment.deploy(stage.patience()).await;                            // deploy
//! let verdict = judge(&environment.plan.scenario, &evidence);                           // expect
//! environment.remove().await?;
//! # Ok(()) }
//! ```

pub mod audit;
pub mod bench;
pub mod bundle;
pub mod check;
pub mod component;
pub mod config;
pub mod core;
pub mod course;
pub mod docker;
pub mod doctor;
pub mod embedded;
pub mod environment;
pub mod evidence;
pub mod exit;
pub mod explain;
pub mod failure;
pub mod fault;
mod gzip;
pub mod journal;
pub mod kept;
pub mod mint;
mod placeholder;
pub mod plan;
pub mod policy;
pub mod redact;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod scenario;
pub mod stage;
pub mod suite;
pub mod verdict;

pub use course::Course;
pub use environment::Environment;
pub use evidence::Evidence;
pub use plan::Plan;
pub use scenario::Scenario;
pub use stage::{Options, Stage};
pub use verdict::{Verdict, judge};
