//! The policy document: its grammar, and what of it is understood.
//!
//! One parser reads every kind of policy: statements without `Principal` are those of identity and IoT policies,
//! statements with it those of trust and resource policies. A trust policy is one that names no resource.

mod fault;
mod statement;

pub(crate) use fault::Fault;
pub(crate) use statement::{Effect, Statement};

use serde_json::Value;
use std::collections::BTreeSet;

/// A parsed policy, ready to be asked.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

/// Why a document can't be used: AWS would refuse it, or this crate can't decide it as AWS does.
///
/// The text names the statement (from 0) and what is wrong with it, and says in brackets what IAM says, where known.
#[derive(Debug, thiserror::Error)]
#[error("{}{fault}", place(*statement))]
pub struct Error {
    statement: Option<usize>,
    fault: Fault,
}

fn place(statement: Option<usize>) -> String {
    statement.map(|index| format!("statement {index}: ")).unwrap_or_default()
}

impl Document {
    /// Reads an identity, IoT, trust or resource policy.
    ///
    /// # Errors
    /// If AWS would refuse the document, or if it holds something that this crate can't decide as AWS does.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let whole = |fault| Error { statement: None, fault };
        let (list, variables) = outline(value).map_err(whole)?;
        let mut sids = BTreeSet::new();
        let mut statements: Vec<Statement> = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let at = |fault| Error { statement: Some(index), fault };
            let statement = Statement::parse(value, variables).map_err(at)?;
            if let Some(sid) = statement.sid.clone().filter(|sid| !sids.insert(sid.clone())) {
                return Err(at(Fault::said(
                    format!("`Sid` `{sid}` occurs twice"),
                    "Statement IDs (SID) in a single policy must be unique.",
                )));
            }
            if statements.first().is_some_and(|first| first.principal.is_some() != statement.principal.is_some()) {
                return Err(at(Fault::said(
                    "`Principal` must be in every statement or in none",
                    "Policy document should not specify a principal.",
                )));
            }
            statements.push(statement);
        }
        Ok(Self { statements })
    }
}

/// The statements, and whether `${…}` is a variable in them.
fn outline(value: &Value) -> Result<(&[Value], bool), Fault> {
    let object = value.as_object().ok_or_else(|| Fault::syntax("a policy must be an object"))?;
    if let Some(key) = object.keys().find(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return Err(Fault::syntax(format!("`{key}` is no element of a policy")));
    }
    let variables = match object.get("Version").map(Value::as_str) {
        Some(Some("2012-10-17")) => true,
        None | Some(Some("2008-10-17")) => false,
        _ => return Err(Fault::syntax("`Version` must be `2012-10-17` or `2008-10-17`")),
    };
    match object.get("Statement") {
        Some(Value::Array(list)) if !list.is_empty() => Ok((list, variables)),
        Some(one @ Value::Object(_)) => Ok((std::slice::from_ref(one), variables)),
        _ => Err(Fault::syntax("`Statement` must be a statement or a list of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `[iam-11]`
    #[test]
    fn an_error_names_the_place_the_fault_and_what_iam_says() {
        let good = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let bad = json!({"Effect": "allow", "Action": "s3:*", "Resource": "*"});
        let error = Document::parse(&json!({"Version": "2012-10-17", "Statement": [good, bad]})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "statement 1: `Effect` is `allow`, neither `Allow` nor `Deny` (IAM says: The policy failed legacy parsing)"
        );
    }
}
