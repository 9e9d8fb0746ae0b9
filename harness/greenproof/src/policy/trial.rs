//! Runs a scenario with a candidate policy, and without it, and says what changed.

use super::{
    Error,
    change::{self, Came, Change, Side},
    slot::{Candidate, Slot},
};
use crate::{
    evidence::Evidence,
    mint,
    report::{Outcome, Reader},
    run,
    scenario::Scenario,
    stage::{self, Stage},
    verdict::Verdict,
};
use std::path::Path;

/// What is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The new policy.
    pub new: Candidate,
    /// The policy before; absent for the scenario's own.
    pub old: Option<Candidate>,
    /// What it replaces; absent for what fits.
    pub slot: Option<Slot>,
}

/// Why a trial has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A policy, scenario or record can't be used.
    #[error(transparent)]
    Usage(#[from] Error),
    /// A world can't be raised.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// A run says nothing about the component.
    #[error("{0}")]
    Fault(String),
}

impl Trial {
    /// Decides a record again, without Docker.
    ///
    /// # Errors
    /// When a policy can't be used, or the record was not made with the policies before.
    pub fn again(&self, scenario: Scenario, record: &Evidence) -> Result<Change, Failure> {
        if scenario.aws.account.as_ref().is_some_and(|stated| *stated != record.account) {
            let message = format!("the record is of another account, `{}`", record.account);
            return Err(Error::new(&scenario.name, message, "name the scenario that was recorded").into());
        }
        let scenario = change::with_key_ids(scenario, Some(record));
        let (slot, before, after) = self.sides(&scenario, &record.account)?;
        Ok(change::compare(&before, &after, record, slot)?)
    }

    /// Looks for what can't be used, before anything runs.
    ///
    /// # Errors
    /// When a policy can't be used.
    pub fn check(&self, scenario: &Scenario) -> Result<(), Error> {
        let account = scenario.aws.account.clone().unwrap_or_else(mint::account);
        self.sides(scenario, &account).map(drop)
    }

    /// Runs the scenario before and after.
    ///
    /// # Errors
    /// When a policy can't be used, a world can't be raised, or a run says nothing about the component.
    pub async fn run(
        &self,
        stage: &Stage,
        scenario: Scenario,
        evidence: &Path,
        reader: &dyn Reader,
    ) -> Result<Change, Failure> {
        let scenario = change::with_key_ids(scenario, None);
        let account = || scenario.aws.account.clone().unwrap_or_else(mint::account);
        let (first, second) = (account(), account());
        let (slot, before, after) = self.sides(&scenario, &first)?;
        let (_, old, new) = self.sides(&scenario, &second)?;
        let (came_before, record) = one(stage, &before, &first, "before", evidence, reader).await?;
        let (came_after, seen) = one(stage, &new, &second, "after", evidence, reader).await?;
        // What was just decided must come out the same again.
        let compared = change::compare(&before, &after, &record, slot);
        let mut change = compared.map_err(|error| Failure::Fault(error.to_string()))?;
        change.seen(&old, &new, &seen);
        (change.before, change.after) = (Some(came_before), Some(came_after));
        Ok(change)
    }

    /// The scenario with the policy before and with the new one, in an account.
    fn sides(&self, scenario: &Scenario, account: &str) -> Result<(Slot, Side, Side), Error> {
        let region = &scenario.aws.region;
        let new = self.new.read(account, region)?;
        let slot = self.slot.clone().map_or_else(|| Slot::fitting(scenario, &new), Ok)?;
        let before = match &self.old {
            Some(old) => slot.put(scenario, old.read(account, region)?)?,
            None => scenario.clone(),
        };
        let after = slot.put(&before, new)?;
        Ok((slot, Side::of(before, account)?, Side::of(after, account)?))
    }
}

/// Runs one side.
async fn one(
    stage: &Stage,
    side: &Side,
    account: &str,
    when: &str,
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<(Came, Evidence), Failure> {
    let mut scenario = change::in_account(side.scenario.clone(), account);
    scenario.name = format!("{}.{when}", scenario.name);
    let outcome = Box::pin(run::run(stage, scenario, evidence, reader)).await?;
    settled(outcome)
}

/// How a run came out, with its evidence.
pub(super) fn settled(outcome: Outcome) -> Result<(Came, Evidence), Failure> {
    let findings = match &outcome.verdict {
        Verdict::Passed => Vec::new(),
        Verdict::Failed { findings } => {
            findings.iter().map(|finding| format!("{}; seen: {}", finding.expected, finding.seen)).collect()
        }
        // Nothing is run again here, so nothing is flaky.
        Verdict::Unsupported { what }
        | Verdict::Skipped { why: what }
        | Verdict::Broken { what }
        | Verdict::Flaky { why: what, .. } => {
            return Err(Failure::Fault(what.clone()));
        }
    };
    let seen = outcome.evidence.ok_or_else(|| Failure::Fault("the run has no evidence".into()))?;
    Ok((Came { passed: findings.is_empty(), findings }, seen))
}
