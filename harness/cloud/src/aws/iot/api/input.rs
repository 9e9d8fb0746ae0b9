//! What a call brings, checked by the constraints of the service model, and refused in the words in which AWS's own
//! validation does.

use super::super::super::rest::Fault;
use super::{super::super::rest::Call, invalid};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Display};
use time::OffsetDateTime;

/// The form of a name: which characters it has, as the model's pattern and as a rule, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pattern: &'static str,
    plain: fn(char) -> bool,
    longest: usize,
}

/// Names of things and groups.
pub(super) const NAME: Form =
    Form { pattern: "[a-zA-Z0-9:_-]+", plain: |c| c.is_ascii_alphanumeric() || ":_-".contains(c), longest: 128 };

/// Names of policies.
pub(super) const POLICY: Form =
    Form { pattern: "[\\w+=,.@-]+", plain: |c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c), longest: 128 };

/// Names of role aliases.
pub(super) const ALIAS: Form =
    Form { pattern: "[\\w=,@-]+", plain: |c| c.is_ascii_alphanumeric() || "_=,@-".contains(c), longest: 128 };

/// Ids of jobs.
pub(super) const JOB: Form =
    Form { pattern: "[a-zA-Z0-9_-]+", plain: |c| c.is_ascii_alphanumeric() || "_-".contains(c), longest: 64 };

/// Ids of certificates, which are 64 long.
pub(super) const CERTIFICATE: Form =
    Form { pattern: "(0x)?[a-fA-F0-9]+", plain: |c| c.is_ascii_hexdigit(), longest: 64 };

/// Numbers of policy versions.
pub(super) const VERSION: Form = Form { pattern: "[0-9]+", plain: |c| c.is_ascii_digit(), longest: 128 };

/// Names of attributes.
const ATTRIBUTE: Form = Form {
    pattern: "[a-zA-Z0-9_.,@/:#-]+",
    plain: |c| c.is_ascii_alphanumeric() || "_.,@/:#-".contains(c),
    longest: 128,
};

/// Values of attributes.
const ATTRIBUTE_VALUE: Form = Form {
    pattern: "[a-zA-Z0-9_.,@/:#=\\[\\]-]*",
    plain: |c| c.is_ascii_alphanumeric() || "_.,@/:#=[]-".contains(c),
    longest: 800,
};

/// A label of the path, in its form.
pub(super) fn label<'c>(call: &'c Call, name: &str, form: Form) -> Result<&'c str, Fault> {
    checked(name, call.label(name), form)
}

/// A text of the body that has to be there.
pub(super) fn text<'c>(call: &'c Call, name: &str) -> Result<&'c str, Fault> {
    call.text(name).ok_or_else(|| violated(name, "null", "Member must not be null"))
}

/// A name in the body, in its form, if it is there.
pub(super) fn optional<'c>(call: &'c Call, name: &str, form: Form) -> Result<Option<&'c str>, Fault> {
    call.text(name).map(|value| checked(name, value, form)).transpose()
}

/// A header that has to be there.
pub(super) fn header<'c>(call: &'c Call, header: &str, name: &str) -> Result<&'c str, Fault> {
    let value = call.header(header);
    if value.is_empty() { Err(violated(name, "null", "Member must not be null")) } else { Ok(value) }
}

/// A value in its form.
pub(super) fn checked<'v>(name: &str, value: &'v str, form: Form) -> Result<&'v str, Fault> {
    let quoted = format!("'{value}'");
    if value.is_empty() {
        return Err(violated(name, quoted, "Member must have length greater than or equal to 1"));
    }
    if value.chars().count() > form.longest {
        let rule = format!("Member must have length less than or equal to {}", form.longest);
        return Err(violated(name, quoted, &rule));
    }
    if !value.chars().all(form.plain) {
        let rule = format!("Member must satisfy regular expression pattern: {}", form.pattern);
        return Err(violated(name, quoted, &rule));
    }
    Ok(value)
}

/// A number of the query within bounds, if it is there.
pub(super) fn number(call: &Call, name: &str, least: usize, most: usize) -> Result<Option<usize>, Fault> {
    let Some(value) = call.query(name) else { return Ok(None) };
    let number: usize =
        value.parse().map_err(|_| Fault::new(400, "SerializationException", "NUMBER_VALUE can not be converted"))?;
    bounded(name, number, least, most).map(Some)
}

/// A number within bounds.
pub(super) fn bounded(name: &str, number: usize, least: usize, most: usize) -> Result<usize, Fault> {
    if number < least {
        let rule = format!("Member must have value greater than or equal to {least}");
        return Err(violated(name, format!("'{number}'"), &rule));
    }
    if number > most {
        let rule = format!("Member must have value less than or equal to {most}");
        return Err(violated(name, format!("'{number}'"), &rule));
    }
    Ok(number)
}

/// A truth value of the query; false if it is absent.
pub(super) fn flag(call: &Call, name: &str) -> bool {
    call.query(name) == Some("true")
}

/// Attributes of a thing or group at a place of the body; absent if there are none.
pub(super) fn attributes(payload: &Value) -> Result<Option<BTreeMap<String, String>>, Fault> {
    let Some(attributes) = payload["attributes"].as_object() else { return Ok(None) };
    let mut read = BTreeMap::new();
    for (name, value) in attributes {
        let at = "attributePayload.attributes";
        let value = value.as_str().unwrap_or_default();
        checked(at, name, ATTRIBUTE)?;
        if !value.is_empty() {
            checked(at, value, ATTRIBUTE_VALUE)?;
        }
        read.insert(name.clone(), value.to_owned());
    }
    Ok(Some(read))
}

/// A refusal of a value that breaks a rule of the model.
pub(super) fn violated(name: &str, value: impl Display, rule: &str) -> Fault {
    invalid(format!("1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: {rule}"))
}

/// A time as rest-json has it: seconds since 1970.
pub(super) fn seconds(time: OffsetDateTime) -> Value {
    time.unix_timestamp().into()
}
