//! The account's policies as they are now: as the world was raised, and as calls to AWS have changed them since.
//!
//! LocalStack holds what was written; a call that changes a policy has it read back before the call is answered, and
//! nothing else pays for that. Roles are put into LocalStack when somebody first asks IAM: its first answer in a new
//! account takes more than 100 ms, and most runs never ask.

use super::{
    roles,
    upstream::{Answer, LocalStack},
};
use crate::{
    control::PolicyChange,
    event::Decision,
    policies::{Account, Decided},
    world::{Bucket, Key, Secret, Sensitive, World},
};
use hyper::Method;
use iam::{Policies, Policy};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// The policies of one account, and where they are kept.
#[derive(Debug)]
pub(super) struct Inventory {
    localstack: LocalStack,
    world: Mutex<World>,
    account: RwLock<Arc<Account>>,
    roles_are_in: OnceCell<()>,
    /// Held from a change of roles or managed policies until it is read back: what is read is many answers of IAM,
    /// between which nothing may change.
    writing: Mutex<()>,
    /// Names of the buckets that there are.
    buckets: std::sync::Mutex<BTreeSet<String>>,
    /// Whether what is denied is let through.
    soft: bool,
}

/// What a call has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Roles or managed policies.
    Roles,
    /// A secret by its name or ARN.
    Secret(String),
    /// A bucket by its name.
    Bucket(String),
    /// A KMS key by its id.
    Key(String),
}

impl Inventory {
    /// The policies that a world states.
    ///
    /// # Errors
    /// If AWS would refuse one; the text names it.
    pub(super) fn new(world: &World, localstack: LocalStack) -> Result<Self, String> {
        let account = RwLock::new(Arc::new(Account::of(world)?));
        Ok(Self {
            localstack,
            world: Mutex::new(lean(world)),
            account,
            roles_are_in: OnceCell::new(),
            writing: Mutex::default(),
            buckets: std::sync::Mutex::new(world.buckets.iter().map(|bucket| bucket.name.clone()).collect()),
            soft: world.soft,
        })
    }

    /// Decides what is asked by the policies of this moment.
    pub(super) fn decide(&self, asked: Decision, session: &[Policy]) -> Decided {
        self.softened(self.account().decide(asked, session))
    }

    /// Decides what a certificate asks by the policies that are attached to it.
    pub(super) fn decide_by(&self, asked: Decision, attached: Vec<Policy>) -> Decision {
        let policies = Policies { identity: attached, ..Policies::default() };
        self.softened(Decided::of(asked, &policies)).decision
    }

    fn softened(&self, mut decided: Decided) -> Decided {
        if self.soft && !decided.decision.is_allowed() {
            decided.decision.let_through = true;
            decided.clause = None;
        }
        decided
    }

    /// The policies of this moment.
    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the environment has a bucket; LocalStack would find other environments' too.
    pub(super) fn has_bucket(&self, name: &str) -> bool {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Takes in that a bucket was created.
    pub(super) fn add_bucket(&self, name: &str) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Takes in that a bucket was deleted.
    pub(super) fn remove_bucket(&self, name: &str) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Puts the roles into LocalStack, once.
    pub(super) async fn ask_iam(&self) -> Result<(), String> {
        let sow = || async { roles::sow(&*self.world.lock().await, &self.localstack).await };
        self.roles_are_in.get_or_try_init(sow).await.copied()
    }

    /// Keeps everybody else from changing roles and managed policies.
    pub(super) async fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Changes policies as the account's owner does.
    ///
    /// # Errors
    /// If there is no such role, AWS would refuse a policy, or LocalStack doesn't take it.
    pub(super) async fn change(&self, change: PolicyChange) -> Result<(), String> {
        let _writing = self.writing().await;
        let mut world = self.world.lock().await;
        let mut changed = world.clone();
        let PolicyChange { role: name, policies, trust, boundary, thing_policies } = change;
        let role = changed.roles.get_mut(&name).ok_or_else(|| format!("there is no role `{name}`"))?;
        role.policies = policies.unwrap_or_else(|| std::mem::take(&mut role.policies));
        role.trust = trust.unwrap_or_else(|| std::mem::take(&mut role.trust));
        role.boundary = boundary.or_else(|| role.boundary.take());
        changed.thing.policies = thing_policies.unwrap_or_else(|| std::mem::take(&mut changed.thing.policies));
        let account = Arc::new(Account::of(&changed)?);
        if self.roles_are_in.initialized() {
            roles::sow(&changed, &self.localstack).await?;
        }
        *world = changed;
        *self.account.write().unwrap_or_else(PoisonError::into_inner) = account;
        Ok(())
    }

    /// Takes the roles out of LocalStack, if they are in.
    pub(super) async fn reap(&self) {
        if self.roles_are_in.initialized() {
            roles::reap(&self.localstack).await;
        }
    }

    /// The world with all that there is by now of what has to be taken out of LocalStack: what scripts made stays behind
    /// no more than what the world began with.
    pub(super) async fn held(&self) -> World {
        let mut held = self.world.lock().await.clone();
        let names = self.buckets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bucket = |name| Bucket { name, objects: BTreeMap::new(), policy: None };
        held.buckets = names.into_iter().map(bucket).collect();
        held
    }

    /// Reads back what has changed.
    ///
    /// # Errors
    /// If LocalStack doesn't tell, or has a policy that AWS would have refused.
    pub(super) async fn reread(&self, change: &Change) -> Result<(), String> {
        let mut world = self.world.lock().await;
        match change {
            Change::Roles => world.roles = roles::read(&self.localstack).await?,
            Change::Secret(id) => self.reread_secrets(&mut world, id).await?,
            Change::Bucket(name) => self.reread_bucket(&mut world, name).await?,
            Change::Key(id) => self.reread_key(&mut world, id).await?,
        }
        let account = Arc::new(Account::of(&world)?);
        *self.account.write().unwrap_or_else(PoisonError::into_inner) = account;
        Ok(())
    }

    /// An id may be an ARN, and a secret that is gone doesn't tell its name: so each is asked.
    async fn reread_secrets(&self, world: &mut World, id: &str) -> Result<(), String> {
        if let Some((name, policy)) = self.secret_policy(&world.region, id).await? {
            world.secrets.retain(|secret| secret.name != name);
            let (value, tags) = (Sensitive::default(), BTreeMap::new());
            world.secrets.push(Secret { name, value, suffix: None, key: None, policy, tags });
        }
        let mut secrets = std::mem::take(&mut world.secrets);
        for secret in &mut secrets {
            let found = self.secret_policy(&world.region, &secret.name).await?;
            secret.policy = found.and_then(|(_, policy)| policy);
        }
        world.secrets = secrets;
        Ok(())
    }

    /// Name and policy of a secret that exists.
    async fn secret_policy(&self, region: &str, id: &str) -> Result<Option<(String, Option<String>)>, String> {
        let input = json!({ "SecretId": id });
        let answer = self.localstack.json(region, "secretsmanager.GetResourcePolicy", &input).await?;
        if String::from_utf8_lossy(&answer.body).contains("ResourceNotFoundException") {
            return Ok(None);
        }
        let body = parsed(answer, "asking Secrets Manager for a resource policy")?;
        let text = |field: &str| body[field].as_str().map(str::to_owned);
        Ok(text("Name").map(|name| (name, text("ResourcePolicy"))))
    }

    async fn reread_bucket(&self, world: &mut World, name: &str) -> Result<(), String> {
        let target = format!("/{name}?policy");
        let answer = self.localstack.s3(&world.region, Method::GET, &target).await?;
        let missing = String::from_utf8_lossy(&answer.body).contains("<Code>NoSuch");
        let policy = if missing {
            None
        } else {
            let answer = answer.done(&format!("asking S3 for the policy of `{name}`"))?;
            Some(String::from_utf8_lossy(&answer.body).into_owned())
        };
        world.buckets.retain(|bucket| bucket.name != name);
        world.buckets.push(Bucket { name: name.to_owned(), objects: BTreeMap::new(), policy });
        Ok(())
    }

    async fn reread_key(&self, world: &mut World, id: &str) -> Result<(), String> {
        let input = json!({ "KeyId": id, "PolicyName": "default" });
        let answer = self.localstack.json(&world.region, "TrentService.GetKeyPolicy", &input).await?;
        let body = parsed(answer, "asking KMS for a key's policy")?;
        let policy = body["Policy"].as_str().unwrap_or_default().to_owned();
        let id = id.rsplit('/').next().unwrap_or(id);
        match world.keys.values_mut().find(|key| key.id == id) {
            Some(key) => key.policy = policy,
            None => drop(world.keys.insert(id.to_owned(), Key { id: id.to_owned(), policy, enabled: true })),
        }
        Ok(())
    }
}

/// A world without what bears on no decision and is large.
fn lean(world: &World) -> World {
    let mut lean = World { components: Vec::new(), deployments: Vec::new(), faults: Vec::new(), ..world.clone() };
    lean.buckets.iter_mut().for_each(|bucket| bucket.objects.clear());
    lean
}

fn parsed(answer: Answer, doing: &str) -> Result<Value, String> {
    let answer = answer.done(doing)?;
    serde_json::from_slice(&answer.body).map_err(|error| format!("{doing}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::iot::tests::{everything, world};

    #[tokio::test]
    async fn what_was_made_meanwhile_is_held_and_what_was_deleted_is_not() {
        let world = world(&everything(), &[]);
        let inventory = Inventory::new(&world, LocalStack::new(&world)).unwrap();
        let names = async || inventory.held().await.buckets.into_iter().map(|bucket| bucket.name).collect::<Vec<_>>();
        assert_eq!(names().await, ["bucket"]);
        inventory.add_bucket("made");
        inventory.remove_bucket("bucket");
        assert_eq!(names().await, ["made"]);
        assert!(inventory.has_bucket("made") && !inventory.has_bucket("bucket"));
    }
}
