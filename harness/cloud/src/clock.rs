//! The one place of this crate that reads the clock.

use std::sync::atomic::{AtomicI64, Ordering};
use time::{Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// The current time.
#[must_use]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The current time as RFC 3339 with milliseconds.
///
/// # Panics
/// Never: the format fits every date.
#[must_use]
pub fn timestamp() -> String {
    now().format(&MILLISECONDS).expect("the format fits every date")
}

/// A time as RFC 3339 with whole seconds, the form of AWS's `expiration`.
///
/// # Panics
/// Never: the format fits every date.
#[must_use]
pub fn seconds(time: OffsetDateTime) -> String {
    time.format(&SECONDS).expect("the format fits every date")
}

/// A clock that may be ahead of the time or behind it.
#[derive(Debug, Default)]
pub struct Clock(AtomicI64);

impl Clock {
    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        now().saturating_add(self.ahead())
    }

    /// How far it is ahead.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        Duration::seconds(self.0.load(Ordering::Acquire))
    }

    /// Lets it be so many seconds ahead, or behind if fewer than none.
    pub fn shift(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Release);
    }
}
