//! Proves that an AWS IoT Greengrass V2 component installs and runs on a core device, on one machine and without AWS.
//!
//! The pipeline, each stage owning its noun and handing the next a finished value:
//! [`Scenario`] → [`Plan`] → [`Environment`] → [`Course`] → [`Evidence`] → [`Verdict`] → [`report`].
//!
//! A scenario is loaded from a file, or changed in Rust; a plan has everything resolved. Neither needs Docker:
//!
//! ```
//! use greenproof::{Plan, Scenario, embedded};
//!
//! let folder = tempfile::tempdir()?;
//! let mut scenario = Scenario::load(&embedded::reference(folder.path())?)?;
//! scenario.aws.role.policies.remove("secret-read");
//! scenario.begin_with(&["provider.403".parse()?]);
//!
//! let plan = Plan::of(scenario)?;
//! assert_eq!(plan.scenario.aws.region, "ap-northeast-1");
//! assert_eq!(plan.account.len(), 12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A judgement is a pure function, so what was stored of a run is judged again in no time:
//!
//! ```
//! use greenproof::{Evidence, Scenario, Verdict, embedded, judge};
//!
//! # let folder = tempfile::tempdir()?;
//! # let stored = include_str!("../../../fixtures/evidence/private-package.json");
//! let scenario = Scenario::load(&embedded::reference(folder.path())?)?;
//! let mut evidence: Evidence = serde_json::from_str(stored)?; // `evidence.json` of an evidence folder
//! assert!(matches!(judge(&scenario, &evidence), Verdict::Passed));
//!
//! evidence.packages.clear();
//! let Verdict::Failed { findings } = judge(&scenario, &evidence) else { panic!() };
//! assert_eq!(findings[0].kind.to_string(), "package");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A whole run, with Docker:
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
pub mod gdk;
mod gzip;
pub mod init;
pub mod journal;
pub mod kept;
pub mod merge;
pub mod mint;
pub mod past;
mod placeholder;
pub mod plan;
pub mod policy;
pub mod redact;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod scenario;
pub mod scratch;
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
