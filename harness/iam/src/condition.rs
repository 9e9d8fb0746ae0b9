//! The `Condition` block of a statement.

mod operator;
mod value;

pub(crate) use operator::{Family, Operator};
pub(crate) use value::{Network, truth};

use crate::{
    json::{Member, Node},
    pattern::{ArnPattern, Pattern, Reading},
    request::{Asked, Context, Scalar, Values},
};
use operator::Quantifier;
use std::cmp::Ordering;
use value::{date, number};

/// One operator with one key. All conditions of a statement must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// The operator as the policy spells it.
    pub(crate) name: String,
    /// The key as the policy spells it.
    pub(crate) key: String,
    /// The values as the policy has them.
    pub(crate) wanted: Vec<String>,
    lower_key: String,
    /// Absent if AWS knows no such operator: then it never holds.
    operator: Option<Operator>,
    tests: Vec<Test>,
}

/// One value of the policy, compiled for its operator.
#[derive(Clone, Debug)]
enum Test {
    Text(Pattern),
    AnyCase(Pattern),
    Arn(ArnPattern),
    Number(f64, &'static [Ordering]),
    Date(i128, &'static [Ordering]),
    Truth(bool),
    /// A truth value that a variable may stand for.
    TruthText(Pattern),
    Network(Network),
    Exact(String),
    /// Whether the key has to be absent.
    Absent(bool),
    /// A value that can't be compared: nothing equals it.
    Never,
}

/// Compiles the whole block; what IAM would refuse never holds.
pub(crate) fn compile(block: &Node, variables: bool) -> Vec<Condition> {
    let never = |name: &str| {
        vec![Condition::compile(name, "", &Node { place: None, json: crate::json::Json::Null }, variables)]
    };
    let keys = |operator: &Member| match operator.value.object() {
        Some(keys) => {
            keys.iter().map(|member| Condition::compile(&operator.key, &member.key, &member.value, variables)).collect()
        }
        None => never(&operator.key),
    };
    match block.object() {
        Some(operators) => operators.iter().flat_map(keys).collect(),
        None => never("?"),
    }
}

impl Condition {
    fn compile(name: &str, key: &str, values: &Node, variables: bool) -> Self {
        let operator = Operator::parse(name).filter(|_| !key.is_empty());
        let wanted: Vec<String> =
            values.listed().iter().map(|node| node.scalar().unwrap_or_else(|| node.to_string())).collect();
        let test = |node: &Node| {
            let text = node.scalar()?;
            Test::compile(operator?.family, &text, variables)
        };
        let tests = values.listed().iter().map(|node| test(node).unwrap_or(Test::Never)).collect();
        Self {
            name: name.to_owned(),
            key: key.to_owned(),
            lower_key: key.to_ascii_lowercase(),
            wanted,
            operator,
            tests,
        }
    }

    /// The values of the request's key; `None` if it is absent.
    pub(crate) fn seen<'r>(&self, context: &'r Context) -> Option<&'r [Scalar]> {
        context.get(&self.lower_key).map(Values::as_slice)
    }

    /// Whether the request satisfies the condition.
    pub(crate) fn holds(&self, asked: &Asked<'_>) -> bool {
        let Some(Operator { quantifier, if_exists, negated, family }) = self.operator else { return false };
        let values = self.seen(asked.context).unwrap_or_default();
        if family == Family::Null {
            return self.tests.iter().any(|test| matches!(test, Test::Absent(absent) if *absent == values.is_empty()));
        }
        // An empty text is the "null data set" for which ForAllValues is true.
        let missing = values.is_empty()
            || quantifier == Quantifier::ForAllValues && matches!(values, [one] if one.text.is_empty());
        if missing {
            return match quantifier {
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => if_exists,
                Quantifier::Plain => if_exists || negated,
            };
        }
        let hit = |value: &Scalar| self.tests.iter().any(|test| test.matches(value, asked.context));
        match quantifier {
            Quantifier::ForAllValues => values.iter().all(|value| hit(value) != negated),
            Quantifier::ForAnyValue => values.iter().any(|value| hit(value) != negated),
            Quantifier::Plain => values.iter().any(hit) != negated,
        }
    }
}

impl Test {
    fn compile(family: Family, text: &str, variables: bool) -> Option<Self> {
        let pattern = |wildcards| Pattern::parse(text, Reading { variables, wildcards });
        match family {
            Family::Text { wildcards } => Some(Self::Text(pattern(wildcards))),
            Family::AnyCase => Some(Self::AnyCase(pattern(false))),
            Family::Arn => Some(Self::Arn(ArnPattern::value(text, variables))),
            Family::Null => truth(text).map(Self::Absent),
            Family::Number(relations) => number(text).map(|number| Self::Number(number, relations)),
            Family::Date(relations) => date(text).map(|date| Self::Date(date, relations)),
            Family::Truth => Some(truth(text).map_or_else(|| Self::TruthText(pattern(false)), Self::Truth)),
            Family::Network => Network::parse(text).map(Self::Network),
            Family::Binary => Some(Self::Exact(text.to_owned())),
        }
    }

    fn matches(&self, scalar: &Scalar, context: &Context) -> bool {
        let value = scalar.text.as_str();
        match self {
            Self::Text(pattern) => pattern.matches(value, context),
            Self::AnyCase(pattern) => pattern.equals_ignoring_case(value, context),
            Self::Arn(pattern) => pattern.matches_value(value, context),
            Self::Number(ours, relations) => number(value)
                .and_then(|theirs| theirs.partial_cmp(ours))
                .is_some_and(|ordering| relations.contains(&ordering)),
            Self::Date(ours, relations) => date(value).is_some_and(|theirs| relations.contains(&theirs.cmp(ours))),
            Self::Truth(ours) => truth(value) == Some(*ours),
            Self::TruthText(pattern) => truth(value).is_some() && pattern.equals_ignoring_case(value, context),
            Self::Network(network) => scalar.address.is_some_and(|address| network.contains(address)),
            Self::Exact(text) => text == value,
            Self::Absent(_) | Self::Never => false,
        }
    }
}
