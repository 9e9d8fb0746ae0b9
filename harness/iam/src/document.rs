//! The policy document: what AWS takes as one, and what it says.
//!
//! Two steps that know nothing of each other: [`validate`] refuses what AWS would refuse, for the kind of policy it is;
//! compiling takes whatever it gets, and what makes no sense matches nothing.

mod bucket;
mod error;
mod principals;
mod statement;
mod validate;

pub use error::Error;
pub(crate) use principals::Grant;
pub use statement::Effect;
pub(crate) use statement::Statement;

use crate::json::{Node, Position};
use error::Fault;
use serde_json::Value;

/// What a policy is for. AWS takes different documents for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A managed policy of a user, group or role (`iam:CreatePolicy`).
    Managed,
    /// An inline policy of a user, group or role, where the older `Version` is taken too.
    Inline,
    /// A permissions boundary.
    Boundary,
    /// A session policy.
    Session,
    /// A service control policy.
    Scp,
    /// A resource control policy.
    Rcp,
    /// The policy of a resource, such as a bucket, a secret or a key.
    Resource,
    /// The policy of a VPC endpoint.
    Vpce,
    /// The trust policy of a role.
    Trust,
    /// A policy of AWS IoT, attached to a certificate.
    Iot,
}

/// A compiled policy, ready to be asked.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

impl Document {
    /// Reads the text of a policy of a kind.
    ///
    /// # Errors
    /// If AWS would refuse the document; with line and column.
    pub fn read(text: &str, kind: Kind) -> Result<Self, Error> {
        let node = Node::read(text).map_err(|error| broken(&error))?;
        validate::check(&node, kind)?;
        Ok(Self::compile(&node))
    }

    /// Reads the text of the policy of an S3 bucket.
    ///
    /// # Errors
    /// If S3 would refuse it for a bucket of this name; with line and column.
    pub fn read_of_bucket(text: &str, bucket: &str) -> Result<Self, Error> {
        let node = Node::read(text).map_err(|error| broken(&error))?;
        validate::check(&node, Kind::Resource)?;
        bucket::check(&node, bucket)?;
        Ok(Self::compile(&node))
    }

    /// Takes an identity, IoT, trust or resource policy; which of these it is is told from its statements.
    ///
    /// # Errors
    /// If AWS would refuse the document.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let node = Node::from(value);
        validate::check(&node, validate::guess(&node))?;
        Ok(Self::compile(&node))
    }

    /// Takes a policy of a kind.
    ///
    /// # Errors
    /// If AWS would refuse the document.
    pub fn parse_as(value: &Value, kind: Kind) -> Result<Self, Error> {
        let node = Node::from(value);
        validate::check(&node, kind)?;
        Ok(Self::compile(&node))
    }

    /// Takes a policy as it is, without asking whether AWS would. What AWS would refuse matches nothing.
    #[must_use]
    pub fn unchecked(value: &Value) -> Self {
        Self::compile(&Node::from(value))
    }

    fn compile(node: &Node) -> Self {
        let variables = node.get("Version").and_then(Node::text) == Some("2012-10-17");
        let statements = node.get("Statement").map(Node::listed).unwrap_or_default();
        Self { statements: statements.iter().map(|node| Statement::compile(node, variables)).collect() }
    }
}

/// The error of a text that is no JSON.
fn broken(error: &serde_json::Error) -> Error {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let place = Position { line: number(error.line()), column: number(error.column()) };
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    Error { place: Some(place), statement: None, fault: Fault::syntax(format!("no JSON: {what}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_names_the_place_the_fault_and_what_iam_says() {
        let good = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let bad = json!({"Effect": "allow", "Action": "s3:*", "Resource": "*"});
        let error = Document::parse(&json!({"Version": "2012-10-17", "Statement": [good, bad]})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "statement 1: `Effect` is `allow`, neither `Allow` nor `Deny` (IAM says: The policy failed legacy parsing)"
        );
        assert_eq!(error.position(), None);
    }

    #[test]
    fn a_text_gives_line_and_column() {
        let text = "{\"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\",\n  \"Action\": [\"s3:Get*\", \"s3\"], \"Resource\": \"*\"}}";
        let error = Document::read(text, Kind::Managed).unwrap_err();
        assert_eq!(error.position().unwrap().to_string(), "3:25");
        let error = Document::read(text.split("low").next().unwrap(), Kind::Managed).unwrap_err();
        assert_eq!(error.to_string(), "2:28: no JSON: EOF while parsing a string (IAM says: Syntax errors in policy.)");
        let document = Document::read(&text.replace("\"s3\"", "\"s3:List*\""), Kind::Managed).unwrap();
        assert_eq!(document.statements[0].place.unwrap().to_string(), "2:15");
    }
}
