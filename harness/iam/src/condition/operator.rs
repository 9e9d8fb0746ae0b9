//! The names of the condition operators.

use crate::pattern::Case;
use std::cmp::Ordering::{self, Equal, Greater, Less};

/// A condition operator, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    pub(super) quantifier: Quantifier,
    pub(super) family: Family,
    /// Whether it is an inverted one, such as `StringNotEquals`.
    pub(super) negated: bool,
    /// Whether it ends in `IfExists`.
    pub(super) if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Plain,
    ForAllValues,
    ForAnyValue,
}

/// What the values are and how they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Text { wildcards: bool, case: Case },
    Arn,
    Number(&'static [Ordering]),
    Date(&'static [Ordering]),
    Truth,
    Network,
    Binary,
    Null,
}

impl Operator {
    /// Reads an operator as AWS spells it; in another letter case it is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (quantifier, rest) = match text.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            _ => (Quantifier::Plain, text),
        };
        let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (family, negated) = family(name)?;
        let bare = quantifier == Quantifier::Plain && !if_exists;
        (bare || family != Family::Null).then_some(Self { quantifier, family, negated, if_exists })
    }
}

/// The operator's family and whether it is an inverted one.
fn family(name: &str) -> Option<(Family, bool)> {
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
