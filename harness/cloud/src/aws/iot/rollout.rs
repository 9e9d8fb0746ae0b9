//! How a group's job is rolled out, when it is given up, and when a thing has taken too long for it.
//!
//! From the AWS IoT Core Developer Guide, "How job configurations work": a constant rate is the most things that are told
//! in a minute; a growing one starts at `baseRatePerMinute` and is multiplied by `incrementFactor` each time that
//! `numberOfNotifiedThings` or `numberOfSucceededThings` is reached once more. AWS does not say how it spreads a minute's
//! things: here they come at even distances. From the API Reference of `AbortCriteria`: a job is given up when the minimum
//! number of things were told of it and the minimum percentage of failures occurred; that the percentage is of the things
//! that were told is not documented, and taken so.
//!
//! Nothing here reads a clock.

use crate::world::{AbortCriteria, FailureType, JobConfiguration, RateIncreaseCriteria};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

/// How far the rollout of one job has come.
#[derive(Debug)]
pub(super) struct Rollout {
    configuration: JobConfiguration,
    /// When the next thing may be told.
    next: OffsetDateTime,
    told: u32,
}

/// What became of the things that were told of a job, by status.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<&'static str, u32>);

impl Tally {
    /// Counts a thing whose execution has a status.
    pub(super) fn add(&mut self, status: &'static str) {
        *self.0.entry(status).or_default() += 1;
    }

    fn of(&self, status: &str) -> u32 {
        self.0.get(status).copied().unwrap_or_default()
    }

    fn told(&self) -> u32 {
        self.0.values().sum()
    }
}

impl Rollout {
    /// A rollout that begins.
    pub(super) const fn new(configuration: JobConfiguration, began: OffsetDateTime) -> Self {
        Self { configuration, next: began, told: 0 }
    }

    /// Whether another thing may be told now.
    pub(super) fn is_due(&self, now: OffsetDateTime) -> bool {
        self.next <= now
    }

    /// When the next thing may be told.
    pub(super) const fn next(&self) -> OffsetDateTime {
        self.next
    }

    /// Notes that a thing is told now, after what became of others, where that counts.
    pub(super) fn tell(&mut self, now: OffsetDateTime, tally: Option<&Tally>) {
        self.told += 1;
        if let Some(rate) = self.rate(tally.map_or(0, |tally| tally.of("SUCCEEDED"))) {
            self.next = now + Duration::MINUTE / rate;
        }
    }

    /// How many things may be told in a minute; as many as there are where nobody says.
    fn rate(&self, succeeded: u32) -> Option<f64> {
        let rollout = self.configuration.job_executions_rollout_config.as_ref()?;
        let most = rollout.maximum_per_minute.map(f64::from);
        let Some(growing) = &rollout.exponential_rate else { return most };
        let RateIncreaseCriteria { number_of_notified_things, number_of_succeeded_things } =
            growing.rate_increase_criteria;
        let times = |reached: u32, each: Option<u32>| each.and_then(|each| reached.checked_div(each)).unwrap_or(0);
        let increments = times(self.told, number_of_notified_things).max(times(succeeded, number_of_succeeded_things));
        let exponent = i32::try_from(increments).unwrap_or(i32::MAX);
        let rate = f64::from(growing.base_rate_per_minute) * growing.increment_factor.powi(exponent);
        Some(rate.min(most.unwrap_or_else(|| f64::from(crate::world::MAXIMUM_PER_MINUTE))))
    }

    /// Why the job is given up, if it is.
    pub(super) fn given_up(&self, tally: &Tally) -> Option<String> {
        let criteria = self.configuration.abort_config.iter().flat_map(|abort| &abort.criteria_list);
        criteria.into_iter().find_map(|criteria| met(criteria, tally))
    }

    /// Whether there is anything to count for.
    pub(super) fn counts(&self) -> bool {
        let growing = |rollout: &crate::world::RolloutConfig| rollout.exponential_rate.is_some();
        self.configuration.abort_config.is_some()
            || self.configuration.job_executions_rollout_config.as_ref().is_some_and(growing)
    }

    /// When a thing has taken too long that has begun at a time.
    pub(super) fn end_of(&self, started: OffsetDateTime) -> Option<OffsetDateTime> {
        let minutes = self.configuration.timeout_config.as_ref()?.in_progress_timeout_in_minutes?;
        Some(started + Duration::minutes(minutes.into()))
    }
}

fn met(criteria: &AbortCriteria, tally: &Tally) -> Option<String> {
    let (name, failures) = match criteria.failure_type {
        FailureType::Failed => ("FAILED", tally.of("FAILED")),
        FailureType::Rejected => ("REJECTED", tally.of("REJECTED")),
        FailureType::TimedOut => ("TIMED_OUT", tally.of("TIMED_OUT")),
        FailureType::All => ("ALL", ["FAILED", "REJECTED", "TIMED_OUT"].map(|status| tally.of(status)).iter().sum()),
    };
    let told = tally.told();
    let enough = told >= criteria.min_number_of_executed_things && failures > 0;
    let percentage = 100.0 * f64::from(failures) / f64::from(told.max(1));
    (enough && percentage >= criteria.threshold_percentage).then(|| {
        let threshold = criteria.threshold_percentage;
        format!("{failures} of {told} executed things are failures of type {name}, and {threshold} % are enough")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const BEGAN: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn rollout(configuration: Value) -> Rollout {
        Rollout::new(serde_json::from_value(configuration).unwrap(), BEGAN)
    }

    fn tally(statuses: &[(&'static str, u32)]) -> Tally {
        Tally(statuses.iter().copied().collect())
    }

    /// The seconds at which so many things are told, one as soon as it may be, while none or all have succeeded.
    fn told_at(mut rollout: Rollout, count: u32, succeeds: bool) -> Vec<i64> {
        let one = |told| {
            let at = rollout.next();
            let before = tally(&[("SUCCEEDED", if succeeds { told } else { 0 })]);
            rollout.tell(at, Some(&before));
            (at - BEGAN).whole_seconds()
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn no_minute_has_more_things_than_the_constant_rate() {
        fidelity::fidelity!("iot-jobs-1");
        let rollout = rollout(json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 3}}));
        assert_eq!(told_at(rollout, 5, false), [0, 20, 40, 60, 80]);
    }

    #[test]
    fn without_a_rate_all_things_are_told_at_once() {
        fidelity::fidelity!("iot-jobs-1");
        assert_eq!(told_at(rollout(json!({})), 3, false), [0, 0, 0]);
    }

    #[test]
    fn a_growing_rate_is_multiplied_each_time_that_enough_were_told_or_succeeded() {
        fidelity::fidelity!("iot-jobs-2");
        let growing = |criteria: Value, most: u32| {
            rollout(json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": most, "exponentialRate": {
                "baseRatePerMinute": 6, "incrementFactor": 2, "rateIncreaseCriteria": criteria,
            }}}))
        };
        let notified = json!({"numberOfNotifiedThings": 2});
        // 6 a minute, 12 after two, 24 after four.
        assert_eq!(told_at(growing(notified.clone(), 1000), 6, false), [0, 10, 15, 20, 22, 25]);
        assert_eq!(told_at(growing(notified, 12), 6, false), [0, 10, 15, 20, 25, 30]);
        let succeeded = json!({"numberOfSucceededThings": 2});
        assert_eq!(told_at(growing(succeeded.clone(), 1000), 4, false), [0, 10, 20, 30]);
        assert_eq!(told_at(growing(succeeded, 1000), 4, true), [0, 10, 20, 25]);
    }

    #[test]
    fn a_job_is_given_up_at_the_threshold_and_not_before() {
        fidelity::fidelity!("iot-jobs-3");
        let criteria = |kind: &str| {
            rollout(json!({"abortConfig": {"criteriaList": [{
                "failureType": kind, "action": "CANCEL", "minNumberOfExecutedThings": 4, "thresholdPercentage": 25,
            }]}}))
        };
        let failed = criteria("FAILED");
        assert_eq!(failed.given_up(&tally(&[("FAILED", 3)])), None, "too few were told");
        assert_eq!(failed.given_up(&tally(&[("FAILED", 1), ("QUEUED", 4)])), None, "20 % are not enough");
        assert_eq!(failed.given_up(&tally(&[("REJECTED", 4)])), None, "another type");
        let why = failed.given_up(&tally(&[("FAILED", 1), ("IN_PROGRESS", 2), ("SUCCEEDED", 1)])).unwrap();
        assert_eq!(why, "1 of 4 executed things are failures of type FAILED, and 25 % are enough");
        let all = criteria("ALL").given_up(&tally(&[("TIMED_OUT", 1), ("REJECTED", 1), ("QUEUED", 6)]));
        assert!(all.is_some_and(|why| why.starts_with("2 of 8")));
        assert_eq!(rollout(json!({})).given_up(&tally(&[("FAILED", 9)])), None);
    }
}
