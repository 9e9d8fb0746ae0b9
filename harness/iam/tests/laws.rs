//! Laws that hold for any policies and any request, tried on many that a seeded generator makes.

use fidelity::fidelity;
use iam::{Document, Outcome, Policies, Policy, Principal, Request, decide, explain};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 1500;

/// A small generator: the same seed gives the same worlds everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % sides
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }

    fn text(&mut self, letters: &[char], most: usize) -> String {
        (0..self.roll(most + 1)).map(|_| letters[self.roll(letters.len())]).collect()
    }

    fn statement(&mut self, effect: Option<&str>, principal: bool) -> Value {
        let mut statement = json!({});
        statement["Effect"] = self.pick(&["Allow", "Allow", "Allow", "Deny"]).into();
        if let Some(effect) = effect {
            statement["Effect"] = effect.into();
        }
        let action = self.pick(&["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:?utObject", "kms:Decrypt"]);
        statement[self.pick(&["Action", "Action", "NotAction"])] = action.into();
        let resource = self.pick(&["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::c"]);
        statement[self.pick(&["Resource", "Resource", "NotResource"])] = resource.into();
        if principal {
            let who = self.pick(&["*", "111122223333", SESSION, "arn:aws:iam::111122223333:role/p/R", USER]);
            statement[self.pick(&["Principal", "Principal", "NotPrincipal"])] = json!({"AWS": who});
        }
        if self.roll(3) == 0 {
            let set = self.pick(&["", "ForAllValues:", "ForAnyValue:"]);
            let name = self.pick(&["StringEquals", "StringNotLike", "IpAddress", "NumericLessThan", "Null", "ArnLike"]);
            let key = self.pick(&["aws:username", "aws:SourceIp", "aws:TagKeys", "aws:none"]);
            let value = self.pick(&["eva", "e*", "10.0.0.0/8", "7", "true", "${aws:username}"]);
            statement["Condition"] = json!({format!("{set}{name}"): {key: value}});
        }
        statement
    }

    fn policy(&mut self, principal: bool) -> Vec<Value> {
        (0..=self.roll(3)).map(|_| self.statement(None, principal)).collect()
    }

    fn world(&mut self) -> World {
        let mut layer = |principal: bool, often: usize| {
            let there = self.roll(often) == 0;
            there.then(|| self.policy(principal))
        };
        World {
            identity: layer(false, 1).unwrap_or_default(),
            resource: layer(true, 2),
            boundary: layer(false, 6),
            session: layer(false, 6),
            scp: layer(false, 6),
            rcp: layer(true, 8),
            vpce: layer(true, 8),
        }
    }

    fn request(&mut self) -> Request {
        let resource = self.pick(&["arn:aws:s3:::b/eva", "arn:aws:s3:::b/k", "arn:aws:s3:::c", "*", KEY]);
        let action = self.pick(&["s3:GetObject", "s3:PutObject", "kms:Decrypt"]);
        let request =
            Request::new(action, resource).by(Principal::parse(self.pick(&[SESSION, USER, "iot.amazonaws.com"])));
        let request = request.owned_by(self.pick(&["111122223333", "111122223333", "444455556666"]));
        let request =
            request.with("aws:SourceIp", self.pick(&["10.1.2.3", "192.0.2.1"])).with_list("aws:TagKeys", ["eva", "x"]);
        if self.roll(2) == 0 { request.with("aws:username", self.pick(&["eva", "k"])) } else { request }
    }
}

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/R/s";
const USER: &str = "arn:aws:iam::111122223333:user/eva";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1";

/// The statements of each layer.
#[derive(Clone, Debug)]
struct World {
    identity: Vec<Value>,
    resource: Option<Vec<Value>>,
    boundary: Option<Vec<Value>>,
    session: Option<Vec<Value>>,
    scp: Option<Vec<Value>>,
    rcp: Option<Vec<Value>>,
    vpce: Option<Vec<Value>>,
}

impl World {
    /// Each layer that there is, and whether its statements name principals.
    fn layers(&mut self) -> Vec<(&mut Vec<Value>, bool)> {
        let Self { identity, resource, boundary, session, scp, rcp, vpce } = self;
        let limits = [(boundary, false), (session, false), (scp, false), (resource, true), (rcp, true), (vpce, true)];
        let limits = limits.into_iter().filter_map(|(layer, principal)| layer.as_mut().map(|layer| (layer, principal)));
        std::iter::once((identity, false)).chain(limits).collect()
    }

    fn policies(&self) -> Policies {
        let policy = |statements: &Vec<Value>| {
            Policy::new("p", Document::unchecked(&json!({"Version": "2012-10-17", "Statement": statements})))
        };
        let list = |layer: &Option<Vec<Value>>| layer.iter().map(policy).collect::<Vec<_>>();
        let levels = |layer: &Option<Vec<Value>>| layer.iter().map(|level| vec![policy(level)]).collect();
        Policies {
            identity: vec![policy(&self.identity)],
            resource: self.resource.as_ref().map(policy),
            boundary: self.boundary.as_ref().map(policy),
            session: list(&self.session),
            scp: levels(&self.scp),
            rcp: levels(&self.rcp),
            vpce: list(&self.vpce),
        }
    }

    fn decide(&self, request: &Request) -> Outcome {
        decide(&self.policies(), request).outcome
    }
}

#[test]
fn the_order_of_statements_is_irrelevant() {
    fidelity!("iam-1");
    let mut seen = [0; 3];
    for seed in 0..ROUNDS {
        let mut dice = Dice(seed);
        let (world, request) = (dice.world(), dice.request());
        let mut turned = world.clone();
        turned.layers().into_iter().for_each(|(layer, _)| layer.reverse());
        let outcome = world.decide(&request);
        assert_eq!(outcome, turned.decide(&request), "{world:?} {request:?}");
        seen[outcome as usize] += 1;
    }
    assert!(seen.iter().all(|times| *times > ROUNDS / 20), "the generator is one-sided: {seen:?}");
}

#[test]
fn a_further_deny_never_allows_and_a_further_allow_never_denies() {
    fidelity!("iam-1");
    let mut changed = [0; 2];
    for seed in 0..ROUNDS {
        let mut dice = Dice(seed);
        let (world, request) = (dice.world(), dice.request());
        let before = world.decide(&request);
        for (round, effect) in ["Deny", "Allow"].into_iter().enumerate() {
            let mut other = world.clone();
            let mut layers = other.layers();
            let at = dice.roll(layers.len());
            let (layer, principal) = &mut layers[at];
            layer.push(dice.statement(Some(effect), *principal));
            let after = other.decide(&request);
            let fits = match (effect, before) {
                (_, Outcome::ExplicitlyDenied) => after == Outcome::ExplicitlyDenied,
                ("Deny", Outcome::ImplicitlyDenied) => after != Outcome::Allowed,
                ("Allow", Outcome::Allowed) => after == Outcome::Allowed,
                ("Allow", Outcome::ImplicitlyDenied) => after != Outcome::ExplicitlyDenied,
                _ => true,
            };
            assert!(fits, "{before:?} became {after:?} by one more {effect}: {other:?} {request:?}");
            changed[round] += u64::from(before != after);
        }
    }
    assert!(changed.iter().all(|times| *times > ROUNDS / 100), "the generator changes too little: {changed:?}");
}

#[test]
fn reasons_fit_the_decision() {
    fidelity!("iam-20");
    for seed in 0..ROUNDS {
        let mut dice = Dice(seed);
        let (world, request) = (dice.world(), dice.request());
        let policies = world.policies();
        let (decision, explanation) = (decide(&policies, &request), explain(&policies, &request));
        assert_eq!(decision, explanation.decision);
        assert_eq!(decision.outcome == Outcome::ExplicitlyDenied, !explanation.denied_in().is_empty());
        assert!(decision.statement.is_none_or(|statement| explanation.deciding().contains(&statement)));
        assert_eq!(decision.layer.is_none(), decision.is_allowed());
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let statement = json!({"Effect": "Allow", "Action": "a:b", "Resource": "*",
        "Condition": {"StringLike": {"a:key": pattern}}});
    let document = Document::unchecked(&json!({"Statement": statement}));
    let policies = Policies { identity: vec![Policy::new("p", document)], ..Policies::default() };
    let asking = Principal::parse("arn:aws:iam::1:user/u");
    decide(&policies, &Request::new("a:b", "*").by(asking).with("a:key", text)).is_allowed()
}

/// The definition of a wildcard match, by dynamic programming.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let mut row: Vec<bool> = (0..=text.len()).map(|end| end == 0).collect();
    for wanted in pattern {
        let mut next = vec![*wanted == '*' && row[0]];
        for (at, character) in text.iter().enumerate() {
            next.push(if *wanted == '*' {
                row[at + 1] || next[at]
            } else {
                row[at] && ['?', *character].contains(wanted)
            });
        }
        row = next;
    }
    row[text.len()]
}

#[test]
fn wildcards_match_as_they_are_defined() {
    fidelity!("iam-2");
    let mut dice = Dice(7);
    let mut matched = 0;
    for _ in 0..6000 {
        let (pattern, text) = (dice.text(&['a', 'b', '*', '?', 'ü'], 8), dice.text(&['a', 'b', 'ü'], 8));
        let wanted = matches(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
        assert_eq!(like(&pattern, &text), wanted, "{pattern} {text}");
        matched += u64::from(wanted);
        assert!(like(&text, &text) && like(&format!("*{text}"), &format!("{pattern}{text}")));
        assert!(like(&format!("{text}*"), &format!("{text}{pattern}")) && like("*", &text));
    }
    assert!(matched > 500, "too few match: {matched}");
}

/// A pattern that tries again for each star would need years for these.
#[test]
fn no_pattern_takes_long() {
    fidelity!("iam-23");
    let long = "a".repeat(6 * 1024);
    let patterns = [
        "*a".repeat(3000) + "b",
        "*a".repeat(3000) + "*b*",
        "*".repeat(6 * 1024) + "b",
        "*?".repeat(3000) + "b",
        "a?".repeat(1500) + "*" + &"a?".repeat(1500) + "b",
        "*".to_owned() + &"a".repeat(3000) + "b*",
        "*".to_owned() + &"a?".repeat(1500) + "b*",
        "*a*?a?*".repeat(900) + "b",
    ];
    for pattern in patterns {
        let started = Instant::now();
        assert!(!like(&pattern, &long));
        assert!(started.elapsed() < Duration::from_secs(20), "{} took {:?}", &pattern[..20], started.elapsed());
    }
}
