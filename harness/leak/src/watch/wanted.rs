//! What is searched for: the canaries that were given, and the tokens that are learned while processes run.

use crate::{Canary, Finder, Hit, Kind};
use std::sync::{Arc, PoisonError, RwLock};

/// The name of the tokens that are learned.
pub const LEARNED: &str = "the token of the token exchange service";

/// The variables by which a core gives a component its token.
const TEACHING: [&str; 2] = ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "SVCUID"];
/// How many tokens are learned at most: each start of a component has its own.
const MOST: usize = 1024;

/// Finds what was given and what was learned.
#[derive(Debug)]
pub(crate) struct Wanted {
    given: Finder,
    learned: RwLock<Arc<Finder>>,
}

/// A secret that was found.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) secret: String,
    pub(crate) hit: Hit,
}

impl Wanted {
    pub(crate) fn new(canaries: Vec<Canary>) -> Self {
        Self { given: Finder::new(canaries), learned: RwLock::new(Arc::new(Finder::new(Vec::new()))) }
    }

    /// What is too short to be searched for.
    pub(crate) fn unsearched(&self) -> Vec<String> {
        self.given.unsearched().map(|canary| canary.name.clone()).collect()
    }

    /// The finders that there are now.
    pub(crate) fn finders(&self) -> (&Finder, Arc<Finder>) {
        (&self.given, self.learned.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// All that is in these bytes.
    pub(crate) fn matches(&self, bytes: &[u8]) -> Vec<Match> {
        let (given, learned) = self.finders();
        let of = |finder: &Finder| {
            let hits = finder.hits(bytes).into_iter();
            hits.map(|hit| Match { secret: finder.canaries()[hit.canary].name.clone(), hit }).collect::<Vec<_>>()
        };
        let mut matches = of(given);
        matches.extend(of(&learned));
        matches
    }

    /// A text without secrets.
    pub(crate) fn masked(&self, text: &str) -> String {
        // A finder masks what only looks like a secret, too, such as the random name of a folder.
        if self.matches(text.as_bytes()).is_empty() {
            return text.to_owned();
        }
        let (given, learned) = self.finders();
        learned.masked(&given.masked(text))
    }

    /// Learns a token from an environment, if it holds one that is new.
    pub(crate) fn learn(&self, environment: &[u8]) {
        let tokens = environment.split(|byte| *byte == 0).filter_map(|entry| {
            let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
            (TEACHING.contains(&name) && !value.is_empty()).then_some(value)
        });
        for token in tokens {
            let known = |finder: &Finder| finder.canaries().iter().any(|canary| canary.text == token);
            let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
            if !known(&learned) && !known(&self.given) && learned.canaries().len() < MOST {
                let mut canaries = learned.canaries().to_vec();
                canaries.push(Canary::new(LEARNED, token, Kind::Session));
                *learned = Arc::new(Finder::new(canaries));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_components_token_is_learned_from_its_environment() {
        let search = Wanted::new(vec![Canary::new("token `a`", "ghp_0123456789abcdefghij", Kind::Lasting)]);
        let text = b"curl -H Authorization: 4XQZT7LAM0PE9YHB";
        assert!(search.matches(text).is_empty());
        search.learn(b"PATH=/bin\0SVCUID=4XQZT7LAM0PE9YHB\0");
        search.learn(b"AWS_CONTAINER_AUTHORIZATION_TOKEN=4XQZT7LAM0PE9YHB\0SVCUID=\0");
        assert_eq!(search.finders().1.canaries().len(), 1);
        let found = search.matches(text);
        assert_eq!((found.len(), found[0].secret.as_str()), (1, LEARNED));
        assert_eq!(search.masked("a ghp_0123456789abcdefghij b"), "a *** b");
        assert_eq!(search.masked("/tmp/pip-req-build-0a1b2c3d/.git"), "/tmp/pip-req-build-0a1b2c3d/.git");
    }
}
