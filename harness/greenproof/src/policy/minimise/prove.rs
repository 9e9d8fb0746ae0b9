//! Proves policies by runs: green with them, red without any of their statements.

use super::{Needs, Policies, Which};
use crate::{
    policy::{
        Error,
        trial::{Failure, settled},
    },
    report::{Reader, Silent, Told},
    run,
    scenario::Scenario,
    stage::{Options, Stage},
    verdict::Verdict,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How many runs go on at a time.
const TOGETHER: usize = 2;

/// The least policies and their proof.
#[derive(Clone, Debug)]
pub struct Least {
    /// The policies.
    pub policies: Policies,
    /// What each removal of a statement of the derived policies did.
    pub removals: Vec<Removal>,
    /// How many actions and resources were found to be needed without a run: without each, a request is denied.
    pub decided: usize,
    /// How many runs it took.
    pub runs: usize,
}

/// A run without a statement.
#[derive(Clone, Debug, Serialize)]
pub struct Removal {
    /// The policy.
    pub policy: Which,
    /// The statement's `Sid`.
    pub sid: String,
    /// The run's first finding; absent if it was green, and the statement is not needed.
    pub red: Option<String>,
}

/// Finds the least policies of a scenario.
///
/// # Errors
/// When the scenario is not green with its own policies, a world can't be raised, or a run says nothing.
pub async fn minimise(
    options: Options,
    scenario: &Scenario,
    sought: &[Which],
    evidence: &Path,
    reader: &dyn Reader,
) -> Result<Least, Failure> {
    let stage = Stage::set(options.clone(), reader).await?;
    let began = Instant::now();
    let outcome = Box::pin(run::run(&stage, scenario.clone(), evidence, reader)).await?;
    let took = began.elapsed();
    let (came, record) = settled(outcome)?;
    if !came.passed {
        let hint = "make it pass first; its own policies are where it starts from";
        return Err(Error::new(&scenario.name, format!("it is not green: {}", came.findings.join("; ")), hint).into());
    }
    let mut policies = Policies::derive(scenario, &record, sought);
    let mut needs = Needs::of(scenario, &record)?;
    let still_denied = needs.denied(&policies)?;
    if let Some(request) = still_denied.first() {
        return Err(Failure::Fault(format!("the derived policies deny {request}, which the run was allowed")));
    }
    let decided = narrow(&mut needs, &mut policies)?;
    // A run that is stuck would be waited for in vain; one of a loaded machine takes some times as long.
    let patience = (took * 2 + Duration::from_secs(10)).as_secs_f64() / 180.0;
    let short = Stage::set(Options { patience: options.patience.min(patience), ..options }, reader).await?;
    let proof = Proof { stage: &short, scenario, evidence, reader };
    let places = policies.places();
    let removals: Vec<Removal> = stream::iter(&places)
        .map(|place| Box::pin(proof.removal(&policies, *place)))
        .buffered(TOGETHER)
        .try_collect()
        .await?;
    let idle: Vec<_> =
        places.iter().zip(&removals).filter(|(_, removal)| removal.red.is_none()).map(|(at, _)| *at).collect();
    let mut runs = removals.len() + 1;
    // Of two that stand in for each other both runs are green, so they go one by one.
    let mut gone = Vec::new();
    for place in idle {
        gone.push(place);
        if gone.len() == 1 {
            continue;
        }
        runs += 1;
        if proof.run(&policies.without(&gone), &format!("least-{}", gone.len())).await?.is_some() {
            gone.pop();
        }
    }
    let policies = policies.without(&gone);
    runs += 1;
    if let Some(finding) = proof.run(&policies, "least").await? {
        return Err(Failure::Fault(format!("the run with the least policies is red: {finding}")));
    }
    Ok(Least { policies, removals, decided, runs })
}

/// Takes away each action and resource without which no request is denied; gives how many stay because one is.
fn narrow(needs: &mut Needs, policies: &mut Policies) -> Result<usize, Error> {
    let mut needed = 0;
    for (which, index) in policies.places() {
        let all: Vec<_> = policies.of(which)[index].narrower().collect();
        for (what, _) in all {
            let mut less = policies.clone();
            let statement = &mut less.of_mut(which)[index];
            statement.actions.remove(&what);
            statement.resources.remove(&what);
            if needs.denied(&less)?.is_empty() {
                *policies = less;
            } else {
                needed += 1;
            }
        }
    }
    Ok(needed)
}

struct Proof<'a> {
    stage: &'a Stage,
    scenario: &'a Scenario,
    evidence: &'a Path,
    reader: &'a dyn Reader,
}

impl Proof<'_> {
    /// Runs without one statement.
    async fn removal(&self, policies: &Policies, place: (Which, usize)) -> Result<Removal, Failure> {
        let sid = policies.of(place.0)[place.1].sid.clone();
        let red = self.run(&policies.without(&[place]), &format!("without-{sid}")).await?;
        let told = red.as_ref().map_or("green: it is not needed", |_| "red");
        self.reader.tell(Told::note(format!("without {sid}: {told}")));
        Ok(Removal { policy: place.0, sid, red })
    }

    /// Runs with these policies; gives the first finding.
    async fn run(&self, policies: &Policies, name: &str) -> Result<Option<String>, Failure> {
        let mut scenario = policies.put(self.scenario);
        scenario.name = format!("{}.{name}", self.scenario.name);
        let outcome = Box::pin(run::run(self.stage, scenario, self.evidence, &Silent)).await?;
        // What is denied may lead to something that is not emulated, which is no green either.
        if let Verdict::Unsupported { what } = outcome.verdict {
            return Ok(Some(what));
        }
        let (came, _) = settled(outcome)?;
        Ok(came.findings.into_iter().next())
    }
}
