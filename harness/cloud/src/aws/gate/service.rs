//! What a call needs besides its own action and resource, and the services of the control plane, which ask for more in the
//! caller's name.

use super::{
    Call, Gate, answer,
    operation::{Need, Operation},
    refusal::Refusal,
};
use crate::{
    aws::{rest, upstream::Answer},
    event::Decision,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

impl Gate {
    /// Decides what an operation needs besides, of whose bucket S3 looks first.
    pub(super) async fn besides(&self, call: &mut Call<'_>, allowed: &Decision) -> Result<(), Refusal> {
        let operation = call.operation;
        for need in &operation.besides {
            self.need(call, allowed, need).await?;
        }
        if operation.name == "CopyObject"
            && !call.received.header("x-amz-tagging-directive").eq_ignore_ascii_case("REPLACE")
            && let Some(source) = &operation.source
            && !self.tags_of(&source.arn(), source.version.as_deref()).await.is_empty()
        {
            for need in operation.for_copied_tags() {
                self.need(call, allowed, &need).await?;
            }
        }
        Ok(())
    }

    /// Decides one action that an operation needs besides. Of the call's own condition keys it has those that are meant
    /// for it.
    async fn need(&self, call: &mut Call<'_>, allowed: &Decision, need: &Need) -> Result<(), Refusal> {
        let operation = call.operation;
        let Need { action, resource, shown, keys } = need;
        if let Some(path) = resource.strip_prefix("arn:aws:s3:::").filter(|_| operation.name != "CreateBucket") {
            let bucket = path.split('/').next().unwrap_or(path);
            if !self.inventory.has_bucket(bucket) {
                return Err(Refusal::no_such_bucket(bucket));
            }
        }
        let mut asked = Decision { action: (*action).to_owned(), resource: resource.clone(), ..allowed.clone() };
        asked.context.retain(|key, _| !operation.keys.contains_key(key));
        asked.context.extend(keys.clone());
        let version = keys.get("s3:versionid").and_then(Value::as_str);
        asked.context.extend(self.existing_tags((action, resource), version, call.caller).await);
        let decided = self.further(call, asked);
        if decided.decision.may_go_on() {
            return Ok(());
        }
        Err(Refusal::denied(&Operation { shown: shown.clone(), ..operation.clone() }, &decided))
    }

    /// What a service of the control plane answers, if the caller may also do what it does in the caller's name.
    pub(super) async fn of_service(&self, call: &mut Call<'_>, allowed: &Decision) -> Result<Answer, Refusal> {
        let routed = call.operation.routed.as_ref().ok_or_else(|| Refusal::unknown_operation(call.operation))?;
        let read = &routed.call;
        for (action, resource) in (routed.route.needs)(read) {
            let asked = Decision { action: action.to_owned(), resource, ..allowed.clone() };
            let operation = Operation { shown: Some(asked.resource.clone()), ..call.operation.clone() };
            let decided = self.further(call, asked);
            if !decided.decision.may_go_on() {
                return Err(Refusal::denied(&operation, &decided));
            }
        }
        let seen = Arc::<Mutex<Vec<Decision>>>::default();
        let rights = self.rights(call, allowed, &seen);
        let read = rest::Call { rights, ..read.clone() };
        let answer = routed.service.call(routed.route.name, &read).await;
        call.further.append(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(answer::of_service(routed.route.status, &answer?))
    }

    /// What a service asks of others in the caller's name.
    fn rights(&self, call: &Call<'_>, allowed: &Decision, seen: &Arc<Mutex<Vec<Decision>>>) -> rest::Rights {
        let host = format!("{}.amazonaws.com", call.operation.service);
        let mut asked = allowed
            .clone()
            .with("aws:ViaAWSService", "true")
            .with("aws:CalledVia", json!([host]))
            .with("aws:CalledViaFirst", host.as_str())
            .with("aws:CalledViaLast", host.as_str());
        let own = |key: &str| key.starts_with("aws:RequestTag/") || key.starts_with("aws:ResourceTag/");
        asked.context.retain(|key, _| !own(key) && key != "aws:TagKeys");
        let limits: Vec<_> = call.caller.session.iter().flat_map(|session| &session.limits).cloned().collect();
        let (inventory, seen) = (Arc::clone(&self.inventory), Arc::clone(seen));
        rest::Rights::new(move |action, resource| {
            let asked = Decision { action: action.to_owned(), resource: resource.to_owned(), ..asked.clone() };
            let limits: Vec<_> = limits.iter().map(|limit| limit.policy.clone()).collect();
            let decision = inventory.decide(asked, &limits).decision;
            let may = decision.may_go_on();
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(decision);
            may
        })
    }
}
