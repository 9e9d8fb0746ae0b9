//! What AWS and GitHub answer to a Greengrass core device.
//!
//! One program in two roles, each in its own container on the environment's private network:
//! [`aws`] is every `*.amazonaws.com` host, [`github`] is the internet side (git over HTTPS and the package index).
//! Both are told what exists by [`world`] and say what they saw as [`event`]s; both take orders while they run
//! ([`control`]): `aws` to deploy and to cancel, each to let things go wrong ([`fault`]). What they hand out is [`minted`] ahead. Neither knows the harness or the core: the
//! wire is the only interface. [`policies`] decides a recorded call again.

pub mod aws;
mod certificates;
pub mod clock;
pub mod control;
pub mod event;
pub mod fault;
mod faults;
pub mod fleet;
pub mod github;
pub mod minted;
pub mod policies;
pub mod world;

use std::pin::Pin;

/// The life of a part, boxed so that its code is made with this crate and not with the program that awaits it.
pub type Part<E> = Pin<Box<dyn Future<Output = Result<(), E>>>>;
