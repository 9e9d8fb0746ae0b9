//! Every secret of a run, from the start.
//!
//! What is handed out while the run goes on comes from a seed ([`cloud::minted`]), so the first of each kind stand here
//! too. The redactor masks these, and who searches for leaks searches for these.

use super::{Plan, account};
use crate::redact::Redactor;
use cloud::minted::{AHEAD, Seed, TokenForm};
use std::fmt;

/// A secret of a run.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden {
    /// What it is, such as ``token `mypat` ``.
    pub name: String,
    /// The secret itself.
    pub text: String,
    /// How long it is good for.
    pub life: Life,
}

/// How long a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Until somebody takes it back.
    Lasting,
    /// For some hours at most.
    Session,
}

/// Says what it is and not the secret.
impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hidden").field("name", &self.name).field("life", &self.life).finish_non_exhaustive()
    }
}

impl Hidden {
    fn new(name: impl Into<String>, text: &str, life: Life) -> Self {
        Self { name: name.into(), text: text.to_owned(), life }
    }
}

impl Plan {
    /// Every secret of the run: what lasts, then what is handed out for a session, the first of each kind.
    #[must_use]
    pub fn hidden(&self) -> Vec<Hidden> {
        let mut all = self.lasting();
        all.extend(self.sessions());
        all
    }

    fn lasting(&self) -> Vec<Hidden> {
        let lasting = |name: String, text: &str| Hidden::new(name, text, Life::Lasting);
        let mut all = vec![
            lasting("the device's private key".to_owned(), &self.identity.key),
            lasting("the private CA's key".to_owned(), &self.issuer.key()),
        ];
        all.extend(self.credentials.secret().map(|(name, text)| lasting(name, text)));
        if let Some(operator) = &self.operator {
            all.push(lasting("the operator's secret key".to_owned(), &operator.secret_access_key.0));
        }
        let secrets = account::secrets(&self.scenario.aws, &self.credentials);
        all.extend(secrets.iter().map(|secret| lasting(format!("secret `{}`", secret.name), &secret.value.0)));
        all
    }

    fn sessions(&self) -> Vec<Hidden> {
        let Some(seed) = self.seed.as_ref().map(|seed| Seed::of(&seed.0)) else { return Vec::new() };
        (0..AHEAD).flat_map(|n| self.nth(&seed, n)).collect()
    }

    /// What is handed out for the n-th time.
    fn nth(&self, seed: &Seed, n: u64) -> Vec<Hidden> {
        let number = n + 1;
        let keys = seed.session(n);
        let mut all = vec![
            Hidden::new(format!("secret key of AWS session {number}"), &keys.secret.0, Life::Session),
            Hidden::new(format!("token of AWS session {number}"), &keys.token.0, Life::Session),
        ];
        for (name, app) in &self.credentials.apps {
            for form in [TokenForm::Long, TokenForm::Short] {
                let token = seed.installation_token(app.id, n, form);
                all.push(Hidden::new(
                    format!("installation token {number} of the App `{name}`"),
                    &token,
                    Life::Session,
                ));
            }
        }
        all
    }

    /// What masks them all.
    pub(super) fn secrets(&self) -> Redactor {
        self.hidden().iter().fold(Redactor::default(), |redactor, secret| match secret.life {
            Life::Lasting => redactor.with(&secret.name, &secret.text),
            Life::Session => redactor.with_whole(&secret.name, &secret.text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn the_plan_knows_and_masks_what_will_be_handed_out() {
        fidelity::fidelity!("minted-1");
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios");
        let plan = Plan::of(Scenario::load(&scenarios.join("private-package.toml")).unwrap()).unwrap();
        let at = crate::plan::Addresses { aws: [10, 0, 0, 2].into(), github: [10, 0, 0, 3].into() };
        let seed = plan.world("http://localhost", at).seed.unwrap();
        let last = Seed::of(&seed.0).session(AHEAD - 1);
        let text = format!("{} and {}", last.secret.0, last.token.0);
        assert_eq!(plan.redactor.apply(&text), "*** and ***");
        let known = plan.hidden();
        let of = |life| known.iter().filter(move |secret| secret.life == life).count();
        assert_eq!((of(Life::Session), known.iter().filter(|secret| secret.text == last.token.0).count()), (128, 1));
        assert!(of(Life::Lasting) >= 4, "{known:?}");
        assert!(!format!("{known:?}").contains(&last.token.0));
    }
}
