//! How the job of a deployment to a thing group goes about it: `iotJobConfiguration` of `CreateDeployment`.
//!
//! Members and ranges are those of the Greengrass V2 API Reference: `DeploymentIoTJobConfiguration`,
//! `IoTJobExecutionsRolloutConfig`, `IoTJobExponentialRolloutRate`, `IoTJobRateIncreaseCriteria`, `IoTJobAbortCriteria`
//! and `IoTJobTimeoutConfig`. Each name is also read as it is written in a scenario file, in snake case.

use serde::{Deserialize, Serialize};

/// The most things that a job tells in a minute by any rate that is stated.
pub const MAXIMUM_PER_MINUTE: u32 = 1000;

/// How a job is rolled out, given up and timed out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobConfiguration {
    /// How fast things are told of it.
    #[serde(default, alias = "job_executions_rollout_config", skip_serializing_if = "Option::is_none")]
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// When it is given up.
    #[serde(default, alias = "abort_config", skip_serializing_if = "Option::is_none")]
    pub abort_config: Option<AbortConfig>,
    /// How long a thing may take.
    #[serde(default, alias = "timeout_config", skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<TimeoutConfig>,
}

/// How fast things are told of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutConfig {
    /// A rate that grows.
    #[serde(default, alias = "exponential_rate", skip_serializing_if = "Option::is_none")]
    pub exponential_rate: Option<ExponentialRate>,
    /// The most things that are told in a minute.
    #[serde(default, alias = "maximum_per_minute", skip_serializing_if = "Option::is_none")]
    pub maximum_per_minute: Option<u32>,
}

/// A rate that grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExponentialRate {
    /// How many things are told in the first minute.
    #[serde(alias = "base_rate_per_minute")]
    pub base_rate_per_minute: u32,
    /// What the rate is multiplied by.
    #[serde(alias = "increment_factor")]
    pub increment_factor: f64,
    /// When it is.
    #[serde(alias = "rate_increase_criteria")]
    pub rate_increase_criteria: RateIncreaseCriteria,
}

/// When a rate grows: each time that so many things more were told, or succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateIncreaseCriteria {
    /// Things that were told.
    #[serde(default, alias = "number_of_notified_things", skip_serializing_if = "Option::is_none")]
    pub number_of_notified_things: Option<u32>,
    /// Things that succeeded.
    #[serde(default, alias = "number_of_succeeded_things", skip_serializing_if = "Option::is_none")]
    pub number_of_succeeded_things: Option<u32>,
}

/// When a job is given up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbortConfig {
    /// Any of these is enough.
    #[serde(alias = "criteria_list")]
    pub criteria_list: Vec<AbortCriteria>,
}

/// Enough failures to give a job up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbortCriteria {
    /// What counts as a failure.
    #[serde(alias = "failure_type")]
    pub failure_type: FailureType,
    /// What is done then.
    pub action: AbortAction,
    /// How many things must have been told of the job before it is given up.
    #[serde(alias = "min_number_of_executed_things")]
    pub min_number_of_executed_things: u32,
    /// The share of failures from which it is given up, in percent.
    #[serde(alias = "threshold_percentage")]
    pub threshold_percentage: f64,
}

/// What counts as a failure of a job's execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureType {
    /// The thing failed.
    Failed,
    /// The thing would not begin.
    Rejected,
    /// The thing took too long.
    TimedOut,
    /// Any of them.
    All,
}

/// What is done with a job that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AbortAction {
    /// It is cancelled: what is queued is taken back, what is in progress goes on.
    Cancel,
}

/// How long a thing may take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeoutConfig {
    /// Minutes in progress, from 1 to 10080.
    #[serde(default, alias = "in_progress_timeout_in_minutes", skip_serializing_if = "Option::is_none")]
    pub in_progress_timeout_in_minutes: Option<u32>,
}

/// A number that the service's model does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Where, in the names of the API, such as `abortConfig.criteriaList.1.member.thresholdPercentage`.
    pub at: String,
    /// The number.
    pub value: String,
    /// What it must be, such as `less than or equal to 1000`.
    pub bound: String,
}

impl JobConfiguration {
    /// Every number that is outside the model's range.
    #[must_use]
    pub fn excesses(&self) -> Vec<Excess> {
        let mut numbers: Vec<(String, f64, f64, f64)> = Vec::new();
        let most = f64::from(MAXIMUM_PER_MINUTE);
        if let Some(rollout) = &self.job_executions_rollout_config {
            let at = |name: &str| format!("jobExecutionsRolloutConfig.{name}");
            numbers.extend(rollout.maximum_per_minute.map(|it| (at("maximumPerMinute"), it.into(), 1.0, most)));
            if let Some(rate) = &rollout.exponential_rate {
                let at = |name: &str| at(&format!("exponentialRate.{name}"));
                numbers.push((at("baseRatePerMinute"), rate.base_rate_per_minute.into(), 1.0, most));
                numbers.push((at("incrementFactor"), rate.increment_factor, 1.0, 5.0));
                let RateIncreaseCriteria { number_of_notified_things, number_of_succeeded_things } =
                    rate.rate_increase_criteria;
                let criteria = [
                    ("numberOfNotifiedThings", number_of_notified_things),
                    ("numberOfSucceededThings", number_of_succeeded_things),
                ];
                let stated = criteria.into_iter().filter_map(|(name, count)| Some((name, count?)));
                numbers.extend(stated.map(|(name, count)| {
                    (at(&format!("rateIncreaseCriteria.{name}")), count.into(), 1.0, f64::INFINITY)
                }));
            }
        }
        for (index, criteria) in self.abort_config.iter().flat_map(|abort| &abort.criteria_list).enumerate() {
            let at = |name: &str| format!("abortConfig.criteriaList.{}.member.{name}", index + 1);
            let least = criteria.min_number_of_executed_things;
            numbers.push((at("minNumberOfExecutedThings"), least.into(), 1.0, f64::INFINITY));
            numbers.push((at("thresholdPercentage"), criteria.threshold_percentage, f64::NEG_INFINITY, 100.0));
        }
        let minutes = self.timeout_config.as_ref().and_then(|timeout| timeout.in_progress_timeout_in_minutes);
        numbers.extend(
            minutes.map(|it| ("timeoutConfig.inProgressTimeoutInMinutes".to_owned(), it.into(), 1.0, 10_080.0)),
        );
        numbers.into_iter().filter_map(|(at, value, least, most)| Excess::of(at, value, least, most)).collect()
    }
}

impl Excess {
    fn of(at: String, value: f64, least: f64, most: f64) -> Option<Self> {
        let bound = if value < least {
            format!("greater than or equal to {least}")
        } else if value > most {
            format!("less than or equal to {most}")
        } else {
            return None;
        };
        Some(Self { at, value: value.to_string(), bound })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_names_of_the_api_and_those_of_a_scenario_file_say_the_same() {
        let api = json!({
            "jobExecutionsRolloutConfig": {"maximumPerMinute": 50, "exponentialRate": {
                "baseRatePerMinute": 5, "incrementFactor": 2.0, "rateIncreaseCriteria": {"numberOfSucceededThings": 10},
            }},
            "abortConfig": {"criteriaList": [{
                "failureType": "TIMED_OUT", "action": "CANCEL", "minNumberOfExecutedThings": 2, "thresholdPercentage": 10.5,
            }]},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 7},
        });
        let file = json!({
            "job_executions_rollout_config": {"maximum_per_minute": 50, "exponential_rate": {
                "base_rate_per_minute": 5, "increment_factor": 2, "rate_increase_criteria": {"number_of_succeeded_things": 10},
            }},
            "abort_config": {"criteria_list": [{
                "failure_type": "TIMED_OUT", "action": "CANCEL", "min_number_of_executed_things": 2,
                "threshold_percentage": 10.5,
            }]},
            "timeout_config": {"in_progress_timeout_in_minutes": 7},
        });
        let read = |value| serde_json::from_value::<JobConfiguration>(value).unwrap();
        assert_eq!(read(api.clone()), read(file));
        assert_eq!(serde_json::to_value(read(api.clone())).unwrap(), api);
        assert_eq!(read(api).excesses(), []);
    }

    #[test]
    fn each_number_outside_its_range_is_named() {
        let configuration: JobConfiguration = serde_json::from_value(json!({
            "jobExecutionsRolloutConfig": {"maximumPerMinute": 1001, "exponentialRate": {
                "baseRatePerMinute": 0, "incrementFactor": 5.5, "rateIncreaseCriteria": {"numberOfNotifiedThings": 0},
            }},
            "abortConfig": {"criteriaList": [{
                "failureType": "ALL", "action": "CANCEL", "minNumberOfExecutedThings": 0, "thresholdPercentage": 101,
            }]},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 0},
        }))
        .unwrap();
        let told: Vec<_> =
            configuration.excesses().iter().map(|it| format!("{} {} {}", it.at, it.value, it.bound)).collect();
        assert_eq!(
            told,
            [
                "jobExecutionsRolloutConfig.maximumPerMinute 1001 less than or equal to 1000",
                "jobExecutionsRolloutConfig.exponentialRate.baseRatePerMinute 0 greater than or equal to 1",
                "jobExecutionsRolloutConfig.exponentialRate.incrementFactor 5.5 less than or equal to 5",
                "jobExecutionsRolloutConfig.exponentialRate.rateIncreaseCriteria.numberOfNotifiedThings 0 greater than \
                 or equal to 1",
                "abortConfig.criteriaList.1.member.minNumberOfExecutedThings 0 greater than or equal to 1",
                "abortConfig.criteriaList.1.member.thresholdPercentage 101 less than or equal to 100",
                "timeoutConfig.inProgressTimeoutInMinutes 0 greater than or equal to 1",
            ]
        );
    }
}
