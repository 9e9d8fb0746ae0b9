//! The `Condition` block of a statement.

use crate::{
    document::Fault,
    evaluate::Context,
    pattern::{ArnPattern, Case, Pattern, Reading},
    value::{Network, date, number, truth},
};
use serde_json::Value;
use std::{cmp::Ordering, net::IpAddr};

/// One operator with one key. All conditions of a statement must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    key: String,
    quantifier: Quantifier,
    if_exists: bool,
    negated: bool,
    tests: Vec<Test>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Plain,
    ForAllValues,
    ForAnyValue,
}

/// One value of the policy, compiled for its operator.
#[derive(Clone, Debug)]
enum Test {
    Text(Pattern, Case),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text { wildcards: bool, case: Case },
    Arn,
    Number(&'static [Ordering]),
    Date(&'static [Ordering]),
    Truth,
    Network,
    Binary,
    Null,
}

/// Reads the whole block.
pub(crate) fn parse(block: &Value, variables: bool) -> Result<Vec<Condition>, Fault> {
    let mut conditions = Vec::new();
    for (operator, keys) in block.as_object().ok_or(Fault::Condition)? {
        for (key, values) in keys.as_object().ok_or(Fault::Condition)? {
            conditions.push(Condition::parse(operator, key, values, variables)?);
        }
    }
    Ok(conditions)
}

impl Condition {
    fn parse(operator: &str, key: &str, values: &Value, variables: bool) -> Result<Self, Fault> {
        let (quantifier, rest) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            _ => (Quantifier::Plain, operator),
        };
        let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let unknown = || Fault::Operator(operator.to_owned());
        let (family, negated) = family(name).ok_or_else(unknown)?;
        if family == Family::Null && (if_exists || quantifier != Quantifier::Plain) {
            return Err(unknown());
        }
        let list = values.as_array().map_or_else(|| std::slice::from_ref(values), Vec::as_slice);
        let tests = list
            .iter()
            .map(|value| compile(family, value, variables, negated))
            .collect::<Option<Vec<_>>>()
            .filter(|tests| !tests.is_empty())
            .ok_or_else(|| Fault::Value { operator: operator.to_owned(), key: key.to_owned() })?;
        Ok(Self { key: key.to_ascii_lowercase(), quantifier, if_exists, negated, tests })
    }

    /// Whether the request satisfies the condition.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let values = context.get(&self.key).map_or(&[][..], Vec::as_slice);
        if let [Test::Absent(absent), ..] = self.tests.as_slice() {
            return values.is_empty() == *absent;
        }
        // An empty text is the "null data set" for which ForAllValues is true.
        let missing = values.is_empty() || self.quantifier == Quantifier::ForAllValues && values == [""];
        if missing {
            return match self.quantifier {
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => self.if_exists,
                Quantifier::Plain => self.if_exists || self.negated,
            };
        }
        let hit = |value: &String| self.tests.iter().any(|test| test.matches(value, context));
        match self.quantifier {
            Quantifier::ForAllValues => values.iter().all(|value| hit(value) != self.negated),
            Quantifier::ForAnyValue => values.iter().any(|value| hit(value) != self.negated),
            Quantifier::Plain => values.iter().any(hit) != self.negated,
        }
    }
}

/// The operator's family and whether it is an inverted one.
fn family(name: &str) -> Option<(Family, bool)> {
    use Ordering::{Equal, Greater, Less};
    let text = |wildcards, case| Family::Text { wildcards, case };
    Some(match name {
        "StringEquals" => (text(false, Case::Counts), false),
        "StringNotEquals" => (text(false, Case::Counts), true),
        "StringEqualsIgnoreCase" => (text(false, Case::Ignored), false),
        "StringNotEqualsIgnoreCase" => (text(false, Case::Ignored), true),
        "StringLike" => (text(true, Case::Counts), false),
        "StringNotLike" => (text(true, Case::Counts), true),
        "ArnEquals" | "ArnLike" => (Family::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Family::Arn, true),
        "Bool" => (Family::Truth, false),
        "IpAddress" => (Family::Network, false),
        "NotIpAddress" => (Family::Network, true),
        "BinaryEquals" => (Family::Binary, false),
        "Null" => (Family::Null, false),
        _ => {
            let (make, relation): (fn(_) -> Family, &str) = match name.strip_prefix("Numeric") {
                Some(relation) => (Family::Number, relation),
                None => (Family::Date, name.strip_prefix("Date")?),
            };
            match relation {
                "Equals" => (make(&[Equal]), false),
                "NotEquals" => (make(&[Equal]), true),
                "LessThan" => (make(&[Less]), false),
                "LessThanEquals" => (make(&[Less, Equal]), false),
                "GreaterThan" => (make(&[Greater]), false),
                "GreaterThanEquals" => (make(&[Greater, Equal]), false),
                _ => return None,
            }
        }
    })
}

/// Compiles one value; `None` where no source says what AWS would do with it.
fn compile(family: Family, value: &Value, variables: bool, negated: bool) -> Option<Test> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    let test = match family {
        Family::Text { wildcards, case } => {
            return Pattern::parse(&text, Reading { variables, wildcards }).map(|pattern| Test::Text(pattern, case));
        }
        Family::Arn => return ArnPattern::parse(&text, variables).filter(ArnPattern::is_complete).map(Test::Arn),
        Family::Null => return truth(&text).map(Test::Absent),
        _ if text.contains("${") => return None,
        Family::Number(relations) => number(&text).map(|number| Test::Number(number, relations)),
        Family::Date(relations) => date(&text).map(|date| Test::Date(date, relations)),
        Family::Truth => truth(&text).map(Test::Truth),
        Family::Network => Network::parse(&text).map(Test::Network),
        Family::Binary => Some(Test::Exact(text)),
    };
    test.or_else(|| (!negated).then_some(Test::Never))
}

impl Test {
    fn matches(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text(pattern, case) => pattern.matches(value, context, *case),
            Self::Arn(pattern) => pattern.matches(value, context),
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
