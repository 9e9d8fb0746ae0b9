//! The names of the condition operators.

use std::cmp::Ordering::{self, Equal, Greater, Less};

/// A condition operator, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    pub(super) quantifier: Quantifier,
    pub(crate) family: Family,
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
pub(crate) enum Family {
    Text { wildcards: bool },
    AnyCase,
    Arn,
    Number(&'static [Ordering]),
    Date(&'static [Ordering]),
    Truth,
    Network,
    Binary,
    Null,
}

impl Operator {
    /// Reads an operator in any letter case. `IfExists` and the set operators don't go with `Null`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (quantifier, rest) = match lower.split_once(':') {
            Some(("forallvalues", rest)) => (Quantifier::ForAllValues, rest),
            Some(("foranyvalue", rest)) => (Quantifier::ForAnyValue, rest),
            _ => (Quantifier::Plain, lower.as_str()),
        };
        let (name, if_exists) = rest.strip_suffix("ifexists").map_or((rest, false), |name| (name, true));
        let (family, negated) = family(name)?;
        let bare = quantifier == Quantifier::Plain && !if_exists;
        (bare || family != Family::Null).then_some(Self { quantifier, family, negated, if_exists })
    }

    /// Whether the operator is spelled as AWS spells it.
    pub(crate) fn is_spelled(text: &str) -> bool {
        let rest = text.strip_prefix("ForAllValues:").or_else(|| text.strip_prefix("ForAnyValue:")).unwrap_or(text);
        NAMES.contains(&rest.strip_suffix("IfExists").unwrap_or(rest))
    }
}

/// The operators as AWS spells them.
const NAMES: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

/// The operator's family and whether it is an inverted one.
fn family(name: &str) -> Option<(Family, bool)> {
    Some(match name {
        "stringequals" => (Family::Text { wildcards: false }, false),
        "stringnotequals" => (Family::Text { wildcards: false }, true),
        "stringequalsignorecase" => (Family::AnyCase, false),
        "stringnotequalsignorecase" => (Family::AnyCase, true),
        "stringlike" => (Family::Text { wildcards: true }, false),
        "stringnotlike" => (Family::Text { wildcards: true }, true),
        "arnequals" | "arnlike" => (Family::Arn, false),
        "arnnotequals" | "arnnotlike" => (Family::Arn, true),
        "bool" => (Family::Truth, false),
        "ipaddress" => (Family::Network, false),
        "notipaddress" => (Family::Network, true),
        "binaryequals" => (Family::Binary, false),
        "null" => (Family::Null, false),
        _ => {
            let (make, relation): (fn(_) -> Family, &str) = match name.strip_prefix("numeric") {
                Some(relation) => (Family::Number, relation),
                None => (Family::Date, name.strip_prefix("date")?),
            };
            match relation {
                "equals" => (make(&[Equal]), false),
                "notequals" => (make(&[Equal]), true),
                "lessthan" => (make(&[Less]), false),
                "lessthanequals" => (make(&[Less, Equal]), false),
                "greaterthan" => (make(&[Greater]), false),
                "greaterthanequals" => (make(&[Greater, Equal]), false),
                _ => return None,
            }
        }
    })
}
