//! The one clock of the core: every period that the nucleus waits or measures goes through it.
//!
//! A speed above 1 makes the clock run faster than the world, so that an hour's window passes in seconds. Time stamps of
//! log lines and messages are not its business: they stay real.

use std::{fmt, future::Future, str::FromStr, time::Duration};
use tokio::time::{Instant, error::Elapsed};

/// How many times as fast as the world the clock runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

/// A speed that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no speed of the clock, which is a number from 0.001 to 100000")]
pub struct InvalidSpeed(String);

impl Default for Speed {
    fn default() -> Self {
        Self(1.0)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<f64> for Speed {
    type Error = InvalidSpeed;

    fn try_from(speed: f64) -> Result<Self, InvalidSpeed> {
        if (0.001..=100_000.0).contains(&speed) { Ok(Self(speed)) } else { Err(InvalidSpeed(speed.to_string())) }
    }
}

impl FromStr for Speed {
    type Err = InvalidSpeed;

    fn from_str(text: &str) -> Result<Self, InvalidSpeed> {
        text.parse::<f64>().map_err(|_| InvalidSpeed(text.into()))?.try_into().map_err(|_| InvalidSpeed(text.into()))
    }
}

/// Whether the core waits where the nucleus does only so as to spare resources: for its queue's poll, between messages
/// and between attempts to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// It goes on as soon as it can.
    #[default]
    Prompt,
    /// It waits as the real one.
    Real,
}

/// A timing that isn't known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no timing of the core, which is `prompt` or `real`")]
pub struct InvalidTiming(String);

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt => "prompt",
            Self::Real => "real",
        })
    }
}

impl FromStr for Timing {
    type Err = InvalidTiming;

    fn from_str(text: &str) -> Result<Self, InvalidTiming> {
        match text {
            "prompt" => Ok(Self::Prompt),
            "real" => Ok(Self::Real),
            _ => Err(InvalidTiming(text.into())),
        }
    }
}

/// A clock that runs at some speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    speed: f64,
    timing: Timing,
}

/// A point in a clock's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Instant);

/// Ticks at a steady pace, the first time one period after it was made. Ticks that nobody waited for are left out.
#[derive(Debug)]
pub(crate) struct Ticks(tokio::time::Interval);

impl Default for Clock {
    fn default() -> Self {
        Self::new(Speed::default())
    }
}

impl Clock {
    pub(crate) fn new(speed: Speed) -> Self {
        Self { speed: speed.0, timing: Timing::default() }
    }

    /// The same clock with that timing.
    pub(crate) fn timed(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// Whether the core waits where the nucleus does.
    pub(crate) fn is_real(self) -> bool {
        self.timing == Timing::Real
    }

    /// The present moment.
    #[expect(clippy::unused_self, reason = "a moment belongs to a clock")]
    pub(crate) fn now(self) -> Moment {
        Moment(Instant::now())
    }

    /// The time that has passed since `moment`.
    pub(crate) fn since(self, moment: Moment) -> Duration {
        moment.0.elapsed().mul_f64(self.speed)
    }

    /// The moment after `period` from now.
    pub(crate) fn after(self, period: Duration) -> Moment {
        Moment(Instant::now() + self.real(period))
    }

    /// The moment `period` after another one.
    pub(crate) fn later(self, moment: Moment, period: Duration) -> Moment {
        Moment(moment.0 + self.real(period))
    }

    /// Waits for `period`.
    pub(crate) async fn sleep(self, period: Duration) {
        self.sleep_until(self.after(period)).await;
    }

    /// Waits until `moment`.
    pub(crate) async fn sleep_until(self, moment: Moment) {
        tokio::time::sleep_until(moment.0).await;
    }

    /// Waits for `future`, for at most `period`.
    ///
    /// # Errors
    /// If it takes longer.
    pub(crate) async fn timeout<F: Future>(self, period: Duration, future: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(self.real(period), future).await
    }

    /// Ticks every `period`.
    pub(crate) fn interval(self, period: Duration) -> Ticks {
        let real = self.real(period).max(Duration::from_nanos(1));
        let mut interval = tokio::time::interval_at(Instant::now() + real, real);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        Ticks(interval)
    }

    /// What `period` is in the world's time; one that no clock can hold becomes a year.
    pub(crate) fn real(self, period: Duration) -> Duration {
        const YEAR: Duration = Duration::from_hours(24 * 365);
        Duration::try_from_secs_f64(period.as_secs_f64() / self.speed).map_or(YEAR, |real| real.min(YEAR))
    }
}

impl Ticks {
    /// Waits for the next tick.
    pub(crate) async fn tick(&mut self) {
        self.0.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_positive_number() {
        assert_eq!("60".parse(), Speed::try_from(60.0));
        assert_eq!("0.5".parse::<Speed>().unwrap().to_string(), "0.5");
        for text in ["0", "-1", "NaN", "inf", "1e9", "", "fast"] {
            let error = text.parse::<Speed>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{text}` is no speed")), "{error}");
        }
    }

    #[test]
    fn a_period_is_divided_and_bounded() {
        let clock = Clock::new(Speed(60.0));
        assert_eq!(clock.real(Duration::from_hours(1)), Duration::from_mins(1));
        assert_eq!(clock.real(Duration::MAX), Duration::from_hours(24 * 365));
        assert_eq!(Clock::default().real(Duration::from_millis(7)), Duration::from_millis(7));
    }

    #[tokio::test]
    async fn an_hour_passes_in_a_moment() {
        let clock = Clock::new(Speed(100_000.0));
        let (began, real) = (clock.now(), Instant::now());
        let hour = Duration::from_hours(1);
        assert!(clock.timeout(hour, std::future::pending::<()>()).await.is_err());
        assert!(clock.since(began) >= hour);
        clock.sleep(hour).await;
        clock.interval(hour).tick().await;
        assert!(clock.since(began) >= hour * 3);
        assert!(real.elapsed() < Duration::from_secs(30));
    }
}
