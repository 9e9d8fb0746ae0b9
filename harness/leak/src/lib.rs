//! Finds secrets where they must not be: in files, archives, disks, logs, process arguments.
//!
//! A [`Canary`] is a secret that is searched, a [`Finder`] knows all of them in every form that tools give them
//! ([`Encoding`]), and a [`Stream`] searches bytes of any length with constant memory. What was found, where, and who can
//! read it there is a [`Found`], which shows no secret.
//!
//! It knows nothing of Docker, Greengrass or GitHub but what secrets look like and what stands around the lines of a log.
//!
//! ```
//! use leak::{Canary, Finder, Kind};
//!
//! let token = "ghp_0123456789abcdefghijABCDEFGHIJ456789";
//! let finder = Finder::new(vec![Canary::new("token `mypat`", token, Kind::Lasting)]);
//! let text = format!("Cloning https://x:{token}@github.com/o/r");
//! let hits = finder.hits(text.as_bytes());
//! assert_eq!((hits[0].offset, hits[0].whole, hits[0].excerpt.as_str()),
//!     (22, true, "Cloning https://x:***@github.com/o/r"));
//! ```

mod advice;
mod anchors;
mod canary;
mod chain;
mod counted;
mod excerpt;
mod finder;
mod form;
mod found;
mod frame;
mod given;
mod key;
mod normal;
mod open;
#[cfg(test)]
mod packed;
mod pattern;
pub mod plant;
#[cfg(test)]
mod planted;
mod readers;
mod search;
mod stream;
mod survey;
pub mod watch;

pub use canary::{Canary, Kind, SHORTEST};
pub use finder::Finder;
pub use form::Encoding;
pub use found::{Found, Place};
pub use given::{variables, words};
pub use open::{Limits, Told, open};
pub use pattern::Patterns;
pub use readers::{Access, Names, Readers};
pub use search::{Search, Searching};
pub use stream::{Hit, Stream};
pub use survey::{Survey, Surveyed};
