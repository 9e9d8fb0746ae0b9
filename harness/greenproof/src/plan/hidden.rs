//! Every secret of a run, from the start.
//!
//! What is handed out while the run goes on comes from a seed ([`cloud::minted`]), so the first of each kind stand here
//! too. The redactor masks these, and who searches for leaks searches for these.

use super::{Plan, account};
use crate::redact::{Redactor, TELLING};
use cloud::{
    minted::{AHEAD, Seed, TokenForm},
    world::Secret,
};
use leak::{Canary, Kind};

/// What the device's own key is called.
pub const DEVICE_KEY: &str = "the device's private key";

/// What the lasting secrets of a run are called.
pub(super) fn names(plan: &Plan) -> Vec<String> {
    plan.lasting().into_iter().map(|secret| secret.name).collect()
}

impl Plan {
    /// What is searched for: the secrets of the run, and of documents the texts in them.
    #[must_use]
    pub fn canaries(&self) -> Vec<Canary> {
        self.hidden().iter().flat_map(|secret| Canary::of_value(&secret.name, &secret.text, secret.kind)).collect()
    }

    /// Every secret of the run: what lasts, then what is handed out for a session, the first of each kind.
    fn hidden(&self) -> Vec<Canary> {
        let mut all = self.lasting();
        all.extend(self.sessions());
        all
    }

    fn lasting(&self) -> Vec<Canary> {
        let lasting = |name: String, text: &str| Canary::new(name, text, Kind::Lasting);
        let mut all = vec![
            lasting(DEVICE_KEY.to_owned(), &self.identity.key),
            lasting("the private CA's key".to_owned(), &self.issuer.key()),
        ];
        all.extend(
            self.others.iter().map(|other| lasting(format!("the private key of {}", other.thing), &other.identity.key)),
        );
        all.extend(self.credentials.secret().map(|(name, text)| lasting(name, text)));
        if let Some(operator) = &self.operator {
            all.push(lasting("the operator's secret key".to_owned(), &operator.secret_access_key.0));
        }
        let secrets = account::secrets(&self.scenario.aws, &self.credentials);
        all.extend(secrets.iter().flat_map(of_secret));
        let rotations = self.scenario.rotations();
        all.extend(rotations.flat_map(|(name, value)| of_text(&format!("secret `{name}` as it is rotated"), value)));
        all
    }

    fn sessions(&self) -> Vec<Canary> {
        let Some(seed) = self.seed.as_ref().map(|seed| Seed::of(&seed.0)) else { return Vec::new() };
        // Each device of a fleet asks for its own.
        let ahead = AHEAD + 2 * self.others.len() as u64;
        (0..ahead).flat_map(|n| self.nth(&seed, n)).chain(self.rotated(&seed)).collect()
    }

    /// What a rotation gives in place of the secrets, of documents the texts in them.
    fn rotated(&self, seed: &Seed) -> Vec<Canary> {
        let secrets = account::secrets(&self.scenario.aws, &self.credentials);
        let values = secrets.iter().flat_map(|secret| {
            let name = format!("secret `{}` after a rotation", secret.name);
            Canary::of_value(&name, &seed.rotated(&secret.name, &secret.value.0), Kind::Session)
        });
        values.filter(|canary| canary.text.len() >= TELLING).collect()
    }

    /// What is handed out for the n-th time.
    fn nth(&self, seed: &Seed, n: u64) -> Vec<Canary> {
        let number = n + 1;
        let keys = seed.session(n);
        let mut all = vec![
            Canary::new(format!("secret key of AWS session {number}"), &keys.secret.0, Kind::Session),
            Canary::new(format!("token of AWS session {number}"), &keys.token.0, Kind::Session),
        ];
        for (name, app) in &self.credentials.apps {
            for form in [TokenForm::Long, TokenForm::Short] {
                let token = seed.installation_token(app.id, n, form);
                all.push(Canary::new(
                    format!("installation token {number} of the App `{name}`"),
                    &token,
                    Kind::Session,
                ));
            }
        }
        all
    }

    /// What masks them all.
    pub(super) fn secrets(&self) -> Redactor {
        self.hidden().iter().fold(Redactor::default(), |redactor, secret| match secret.kind {
            Kind::Lasting => redactor.with(&secret.name, &secret.text),
            Kind::Session => redactor.with_whole(&secret.name, &secret.text),
        })
    }
}

/// What is hidden of a secret: its value, and of a document the texts whose names say that they are secret. A host, a port or
/// a user's name beside them may be printed.
pub(super) fn of_secret(secret: &Secret) -> Vec<Canary> {
    of_text(&format!("secret `{}`", secret.name), &secret.value.0)
}

fn of_text(name: &str, value: &str) -> Vec<Canary> {
    const SECRET: [&str; 8] = ["password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "private"];
    const ENDS: [&str; 2] = ["key", "pat"];
    let is_secret = |text: &Canary| {
        let path = text.name[name.len()..].to_lowercase();
        SECRET.iter().any(|word| path.contains(word)) || ENDS.iter().any(|end| path.ends_with(end))
    };
    let texts = Canary::of_value(name, value, Kind::Lasting).into_iter().filter(is_secret);
    std::iter::once(Canary::new(name, value, Kind::Lasting)).chain(texts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn the_plan_knows_and_masks_what_will_be_handed_out() {
        fidelity::fidelity!("minted-1", "minted-2");
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios");
        let plan = Plan::of(Scenario::load(&scenarios.join("private-package.toml")).unwrap()).unwrap();
        let at = crate::plan::Addresses { aws: [10, 0, 0, 2].into(), github: [10, 0, 0, 3].into() };
        let seed = plan.world("http://localhost", at).seed.unwrap();
        let last = Seed::of(&seed.0).session(AHEAD - 1);
        let text = format!("{} and {}", last.secret.0, last.token.0);
        assert_eq!(plan.redactor.apply(&text), "*** and ***");
        let [secret] = &account::secrets(&plan.scenario.aws, &plan.credentials)[..] else {
            panic!("it has one secret")
        };
        let rotated: serde_json::Value =
            serde_json::from_str(&Seed::of(&seed.0).rotated(&secret.name, &secret.value.0)).unwrap();
        let rotated = rotated["mypat"].as_str().unwrap();
        assert_eq!(plan.redactor.apply(rotated), "***");
        let known = plan.hidden();
        let of = |kind| known.iter().filter(move |secret| secret.kind == kind).count();
        let of_rotation = known.iter().filter(|secret| secret.text == rotated).count();
        assert_eq!(of_rotation, 1);
        assert_eq!((of(Kind::Session), known.iter().filter(|secret| secret.text == last.token.0).count()), (129, 1));
        assert!(of(Kind::Lasting) >= 4, "{known:?}");
        assert!(!format!("{known:?}").contains(&last.token.0));
    }

    #[test]
    fn of_a_document_what_its_names_call_secret_is_hidden() {
        fidelity::fidelity!("verdict-3");
        let value =
            r#"{"username": "app-user-name", "password": "p4ssw0rd-p4ssw0rd", "mypat": "ghp_x", "path": "/a/b"}"#;
        let secret = serde_json::from_value(serde_json::json!({ "name": "db", "value": value })).unwrap();
        let hidden: Vec<_> = of_secret(&secret).into_iter().map(|hidden| hidden.name).collect();
        assert_eq!(hidden, ["secret `db`", "secret `db`, password", "secret `db`, mypat"]);
    }
}
