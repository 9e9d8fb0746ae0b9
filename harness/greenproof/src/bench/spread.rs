//! Measured times, and how they are told.

use std::{fmt, time::Duration};

/// Times of one thing, in the order of the runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Run by run, the sum with others.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| *one + *other).collect())
    }

    /// Each of them, so many times as long.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|time| time.mul_f64(factor)).collect())
    }

    /// The middle one.
    #[must_use]
    pub fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

/// `1.52 s (1.48 to 1.71, 5 runs)`: the median, the ends, and how many there are.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64();
        let (least, most) = (seconds(self.0.iter().min()), seconds(self.0.iter().max()));
        write!(f, "{:.2} s ({least:.2} to {most:.2}, {} runs)", self.median().as_secs_f64(), self.0.len())
    }
}

/// A line of the table: what was measured, its floor, and the ratio of the medians.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    what: String,
    took: String,
    floor: String,
    ratio: String,
}

impl Row {
    /// Something measured against its floor.
    #[must_use]
    pub fn new(what: &str, took: &Times, floor: &str, least: &Times) -> Self {
        let ratio = took.median().as_secs_f64() / least.median().as_secs_f64();
        Self {
            what: what.to_owned(),
            took: took.to_string(),
            floor: format!("{floor}: {least}"),
            ratio: format!("{ratio:.2}"),
        }
    }

    /// Something measured that has no floor.
    #[must_use]
    pub fn alone(what: &str, took: &Times) -> Self {
        Self::told(what, &took.to_string())
    }

    /// Something that is no time.
    #[must_use]
    pub fn told(what: &str, measured: &str) -> Self {
        Self { what: what.to_owned(), took: measured.to_owned(), floor: String::new(), ratio: String::new() }
    }
}

/// A row of a Markdown table: what, median and spread, floor, ratio.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} | {} |", self.what, self.took, self.floor, self.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(milliseconds: &[u64]) -> Times {
        milliseconds.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_row_has_medians_their_ratio_and_the_ends() {
        let row = Row::new("a run", &times(&[3000, 1000, 1500]), "the script", &times(&[1000, 900, 2000]));
        assert_eq!(
            row.to_string(),
            "| a run | 1.50 s (1.00 to 3.00, 3 runs) | the script: 1.00 s (0.90 to 2.00, 3 runs) | 1.50 |"
        );
        assert_eq!(Row::alone("x", &times(&[500])).to_string(), "| x | 0.50 s (0.50 to 0.50, 1 runs) |  |  |");
    }

    #[test]
    fn times_are_added_run_by_run() {
        assert_eq!(times(&[1, 2, 3]).plus(&times(&[10, 20, 30])), times(&[11, 22, 33]));
        assert_eq!(times(&[10, 30]).times(0.5), times(&[5, 15]));
    }
}
