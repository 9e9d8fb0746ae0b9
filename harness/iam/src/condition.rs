//! The `Condition` block of a statement.

mod operator;
mod value;

use crate::{
    document::Fault,
    evaluate::Context,
    pattern::{ArnPattern, Pattern, Reading, segments},
};
use operator::{Family, Operator, Quantifier};
use serde_json::Value;
use std::{cmp::Ordering, net::IpAddr};
use value::{Network, date, number, truth};

/// One operator with one key. All conditions of a statement must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    key: String,
    operator: Operator,
    tests: Vec<Test>,
}

/// One value of the policy, compiled for its operator.
#[derive(Clone, Debug)]
enum Test {
    Text(Pattern),
    Arn(ArnPattern),
    Number(f64, &'static [Ordering]),
    Date(i128, &'static [Ordering]),
    Truth(bool),
    Network(Network),
    Exact(String),
    /// Whether the key has to be absent.
    Absent(bool),
    /// A value that is none of the operator's type: AWS's documentation says that it matches nothing.
    Never,
}

/// Reads the whole block.
pub(crate) fn parse(block: &Value, variables: bool) -> Result<Vec<Condition>, Fault> {
    let object = |value: &Value, what: &str| {
        value.as_object().cloned().ok_or_else(|| Fault::syntax(format!("{what} must be an object")))
    };
    let mut conditions = Vec::new();
    for (name, keys) in object(block, "`Condition`")? {
        for (key, values) in object(&keys, &format!("condition operator `{name}`"))? {
            conditions.push(Condition::parse(&name, &key, &values, variables)?);
        }
    }
    Ok(conditions)
}

impl Condition {
    fn parse(name: &str, key: &str, values: &Value, variables: bool) -> Result<Self, Fault> {
        let operator = Operator::parse(name).ok_or_else(|| unknown(name))?;
        if !key.contains(':') {
            let iam = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
            return Err(Fault::said(format!("condition key `{key}` names no service"), iam));
        }
        let list = values.as_array().map_or_else(|| std::slice::from_ref(values), Vec::as_slice);
        if list.is_empty() {
            let detail = format!("`{key}` under `{name}` has no value, for which AWS documents no meaning");
            return Err(Fault::undecided(detail));
        }
        let compile = |value| {
            let text = scalar(value).ok_or_else(|| {
                Fault::syntax(format!("value `{value}` of `{key}` under `{name}` is no text, number or truth value"))
            })?;
            Test::compile(operator, &text, variables).map_err(|refusal| refusal.fault(&text, key, name))
        };
        let tests = list.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { key: key.to_ascii_lowercase(), operator, tests })
    }

    /// Whether the request satisfies the condition.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let values = context.get(&self.key).map_or(&[][..], Vec::as_slice);
        let Operator { quantifier, if_exists, negated, family } = self.operator;
        if family == Family::Null {
            return self.tests.iter().any(|test| matches!(test, Test::Absent(absent) if *absent == values.is_empty()));
        }
        // An empty text is the "null data set" for which ForAllValues is true.
        let missing = values.is_empty() || quantifier == Quantifier::ForAllValues && values == [""];
        if missing {
            return match quantifier {
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => if_exists,
                Quantifier::Plain => if_exists || negated,
            };
        }
        let hit = |value: &String| self.tests.iter().any(|test| test.matches(value, context));
        match quantifier {
            Quantifier::ForAllValues => values.iter().all(|value| hit(value) != negated),
            Quantifier::ForAnyValue => values.iter().any(|value| hit(value) != negated),
            Quantifier::Plain => values.iter().any(hit) != negated,
        }
    }
}

/// IAM refuses what is no operator at all; what it makes of other spellings of its own is not documented.
fn unknown(name: &str) -> Fault {
    let detail = format!("condition operator `{name}` is not known");
    let lower = name.to_ascii_lowercase();
    let akin = ["string", "numeric", "date", "bool", "binary", "ip", "notip", "arn", "null", "forall", "forany"];
    if akin.iter().any(|start| lower.starts_with(start)) { Fault::undecided(detail) } else { Fault::syntax(detail) }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Why a value is refused.
enum Refusal {
    /// IAM refuses it, with a known text.
    Legacy,
    /// IAM refuses it, or nobody says what it does with it.
    Undecided(&'static str),
}

impl Refusal {
    fn date(text: &str) -> Self {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            Self::Undecided("is no day, no time with a zone and no number of seconds")
        } else {
            Self::Legacy
        }
    }

    fn fault(&self, text: &str, key: &str, operator: &str) -> Fault {
        let place = format!("value `{text}` of `{key}` under `{operator}`");
        match self {
            Self::Legacy => Fault::said(format!("{place} is no date"), "The policy failed legacy parsing"),
            Self::Undecided(why) => Fault::undecided(format!("{place} {why}")),
        }
    }
}

impl Test {
    fn compile(operator: Operator, text: &str, variables: bool) -> Result<Self, Refusal> {
        // The documentation speaks of a value of the wrong type, but not of its negation.
        let or_never = |test: Option<Self>| {
            let refusal = Refusal::Undecided("is none of the operator's type, and no source says what its negation is");
            if operator.negated { test.ok_or(refusal) } else { Ok(test.unwrap_or(Self::Never)) }
        };
        match operator.family {
            Family::Text { wildcards, case } => Pattern::parse(text, Reading { variables, wildcards, case })
                .map(Self::Text)
                .ok_or(Refusal::Undecided("holds a `${` that opens no documented variable")),
            Family::Arn => compile_arn(text, variables),
            _ if text.contains("${") => Err(Refusal::Undecided("holds a `${`, which this operator doesn't take")),
            Family::Null => truth(text).map(Self::Absent).ok_or(Refusal::Undecided("is neither `true` nor `false`")),
            Family::Number(relations) => or_never(number(text).map(|number| Self::Number(number, relations))),
            Family::Date(relations) => date(text).map(|date| Self::Date(date, relations)).ok_or(Refusal::date(text)),
            Family::Truth => or_never(truth(text).map(Self::Truth)),
            Family::Network => {
                Network::parse(text).map(Self::Network).ok_or(Refusal::Undecided("is no address and no range"))
            }
            Family::Binary => Ok(Self::Exact(text.to_owned())),
        }
    }

    fn matches(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(value, context),
            Self::Arn(pattern) => pattern.matches(segments(value).as_ref(), context),
            Self::Number(ours, relations) => number(value)
                .and_then(|theirs| theirs.partial_cmp(ours))
                .is_some_and(|ordering| relations.contains(&ordering)),
            Self::Date(ours, relations) => date(value).is_some_and(|theirs| relations.contains(&theirs.cmp(ours))),
            Self::Truth(ours) => truth(value) == Some(*ours),
            Self::Network(network) => value.parse::<IpAddr>().is_ok_and(|address| network.contains(address)),
            Self::Exact(text) => text == value,
            Self::Absent(_) | Self::Never => false,
        }
    }
}

fn compile_arn(text: &str, variables: bool) -> Result<Test, Refusal> {
    let parts = segments(text).ok_or(Refusal::Undecided("is no ARN of six segments"))?;
    if variables && parts[..5].iter().any(|part| part.contains("${")) {
        return Err(Refusal::Undecided("has a variable before the fifth colon, for which AWS documents no meaning"));
    }
    ArnPattern::parse(text, variables)
        .map(Test::Arn)
        .ok_or(Refusal::Undecided("holds a `${` that opens no documented variable"))
}
