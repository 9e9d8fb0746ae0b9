//! Policies and roles out of a CloudFormation template, JSON or YAML.

mod intrinsic;
mod layout;
mod physical;
mod tree;

use super::{
    Error,
    source::{Found, Given, Role, Source, Written},
};
use iam::{Kind, Position};
use intrinsic::{Scope, Unresolved};
use tree::{Content, Node};

/// The types that hold a policy, the property that it is, and what it is for.
const POLICIES: [(&str, &str, Kind); 8] = [
    ("AWS::IAM::ManagedPolicy", "PolicyDocument", Kind::Managed),
    ("AWS::IAM::Policy", "PolicyDocument", Kind::Inline),
    ("AWS::IAM::RolePolicy", "PolicyDocument", Kind::Inline),
    ("AWS::IoT::Policy", "PolicyDocument", Kind::Iot),
    ("AWS::S3::BucketPolicy", "PolicyDocument", Kind::Resource),
    ("AWS::SecretsManager::ResourcePolicy", "ResourcePolicy", Kind::Resource),
    ("AWS::KMS::Key", "KeyPolicy", Kind::Resource),
    ("AWS::Organizations::Policy", "Content", Kind::Scp),
];

const ROLE: &str = "AWS::IAM::Role";

/// Reads what the source means.
pub(super) fn read(source: &Source, text: &str, given: &Given) -> Result<Found, Error> {
    let file = source.file.display().to_string();
    let root = Node::read(text).map_err(|error| {
        Error::new(format!("{file}:{}", error.place), error.message, "name a policy, template or plan")
    })?;
    let Some(resources) = root.get("Resources") else {
        let hint =
            "a policy has `Statement`, a template `Resources`, a plan of `terraform show -json` `planned_values`";
        return Err(Error::new(file, "it is neither a policy nor a template nor a plan", hint));
    };
    let held = resources.members().iter().filter_map(|resource| {
        let of = type_of(&resource.value);
        (of == ROLE || POLICIES.iter().any(|(known, ..)| *known == of)).then(|| (resource.key.as_str(), of.to_owned()))
    });
    let names: Vec<_> = held.collect();
    let name = source.choose(&names, "template")?;
    let template = Template { source, file, resources, scope: Scope::new(&root, &given.parameters), given };
    let resource = resources.get(name).expect("the name was chosen from the resources");
    if !template.is_made(resource)? {
        let message = format!("the stack has no `{name}`: its condition does not hold");
        return Err(Error::new(format!("{}:{}", template.file, resource.place), message, "give other parameters"));
    }
    match type_of(resource) {
        ROLE => template.role(name, resource).map(Found::Role),
        _ => template.policy(name, resource).map(Found::Policy),
    }
}

fn type_of(resource: &Node) -> &str {
    resource.get("Type").and_then(Node::text).unwrap_or_default()
}

fn property<'n>(resource: &'n Node, name: &str) -> Option<&'n Node> {
    resource.get("Properties")?.get(name)
}

struct Template<'t> {
    source: &'t Source,
    file: String,
    resources: &'t Node,
    scope: Scope<'t>,
    given: &'t Given,
}

impl Template<'_> {
    /// The policy that a resource is.
    fn policy(&self, id: &str, resource: &Node) -> Result<Written, Error> {
        let (_, field, kind) = POLICIES
            .into_iter()
            .find(|(known, ..)| *known == type_of(resource))
            .expect("only resources that are policies are asked");
        let kind = match property(resource, "Type").and_then(Node::text) {
            Some("RESOURCE_CONTROL_POLICY") => Kind::Rcp,
            _ => kind,
        };
        let document = property(resource, field);
        let document = document.ok_or_else(|| self.error(resource.place, format!("`{id}` has no `{field}`")))?;
        let name = ["ManagedPolicyName", "PolicyName", "Name"].iter().find_map(|name| property(resource, name));
        let name = name.map_or(Ok(id.to_owned()), |name| self.text(name))?;
        self.written(name, id, document, kind)
    }

    fn role(&self, id: &str, resource: &Node) -> Result<Role, Error> {
        let property = |name| property(resource, name);
        let mut role =
            Role { name: property("RoleName").map_or(Ok(id.to_owned()), |name| self.text(name))?, ..Role::default() };
        if let Some(trust) = property("AssumeRolePolicyDocument") {
            role.trust = Some(self.written("trust".into(), id, trust, Kind::Trust)?);
        }
        for inline in self.items(property("Policies"))? {
            let (Some(name), Some(document)) = (inline.get("PolicyName"), inline.get("PolicyDocument")) else {
                return Err(self.error(inline.place, "an inline policy has `PolicyName` and `PolicyDocument`"));
            };
            role.policies.push(self.written(self.text(name)?, id, document, Kind::Inline)?);
        }
        for managed in self.items(property("ManagedPolicyArns"))? {
            role.policies.push(self.managed(managed)?);
        }
        for (other, attached) in self.attached(id, &role.name)? {
            role.policies.push(self.policy(other, attached)?);
        }
        if let Some(boundary) = property("PermissionsBoundary") {
            role.boundary = Some(self.managed(boundary)?);
        }
        Ok(role)
    }

    /// The template's policies that name the role themselves.
    fn attached(&self, id: &str, name: &str) -> Result<Vec<(&str, &Node)>, Error> {
        let mut attached = Vec::new();
        for resource in self.resources.members() {
            if !POLICIES.iter().any(|(known, ..)| *known == type_of(&resource.value))
                || !self.is_made(&resource.value)?
            {
                continue;
            }
            let roles = self.items(property(&resource.value, "Roles"))?;
            let roles = roles
                .into_iter()
                .chain(property(&resource.value, "RoleName").filter(|_| type_of(&resource.value) != ROLE));
            for role in roles {
                // A reference to another resource may have no name before it is deployed, and is another role anyway.
                let elsewhere = || self.resources.members().iter().any(|other| refers_to(role, &other.key));
                if refers_to(role, id) || (!elsewhere() && self.text(role)? == name) {
                    attached.push((resource.key.as_str(), &resource.value));
                }
            }
        }
        Ok(attached)
    }

    /// A managed policy by its ARN: one of the template's own, or one that the user gives.
    fn managed(&self, arn: &Node) -> Result<Written, Error> {
        let own = self.resources.members().iter().find(|resource| refers_to(arn, &resource.key));
        if let Some(own) = own.filter(|own| type_of(&own.value) == "AWS::IAM::ManagedPolicy") {
            if !self.is_made(&own.value)? {
                let message = format!("the stack has no `{}`: its condition does not hold", own.key);
                return Err(self.error(arn.place, message));
            }
            return self.policy(&own.key, &own.value);
        }
        self.given.managed(&self.text(arn)?, &format!("{}:{}", self.file, arn.place))
    }

    /// Whether the stack has the resource: its condition holds, if it has one.
    fn is_made(&self, resource: &Node) -> Result<bool, Error> {
        let Some(condition) = resource.get("Condition") else { return Ok(true) };
        let Some(name) = condition.text() else {
            return Err(self.error(condition.place, "the condition of a resource is a name"));
        };
        self.scope.holds_named(name, condition.place).map_err(|unresolved| self.unresolved(unresolved))
    }

    /// The items of a list that has to be written out.
    fn items<'n>(&self, list: Option<&'n Node>) -> Result<Vec<&'n Node>, Error> {
        match list.map(|list| (list, &list.content)) {
            None => Ok(Vec::new()),
            Some((_, Content::List(items))) => Ok(items.iter().collect()),
            Some((node, _)) => Err(self.error(node.place, "this list has to be written out")),
        }
    }

    fn text(&self, node: &Node) -> Result<String, Error> {
        self.scope.text(node).map_err(|unresolved| self.unresolved(unresolved))
    }

    fn written(&self, name: String, id: &str, document: &Node, kind: Kind) -> Result<Written, Error> {
        let resolved = self.scope.resolve(document).map_err(|unresolved| self.unresolved(unresolved))?;
        let resolved = resolved.filter(|document| matches!(document.content, Content::Map(_)));
        let resolved = resolved.ok_or_else(|| self.error(document.place, "a policy document is an object"))?;
        let origin = self.source.file.display().to_string();
        let name = if name.is_empty() { id.to_owned() } else { name };
        Ok(Written { name, origin, text: layout::text(&resolved), kind: Some(kind) })
    }

    fn error(&self, place: Position, message: impl Into<String>) -> Error {
        Error::new(format!("{}:{place}", self.file), message, "correct the template")
    }

    fn unresolved(&self, Unresolved { place, message, hint }: Unresolved) -> Error {
        Error::new(format!("{}:{place}", self.file), message, hint)
    }
}

/// Whether a value names this resource: `Ref ID`, or one of its attributes.
fn refers_to(value: &Node, id: &str) -> bool {
    let Some(member) = value.only() else { return false };
    let first = member.value.text().or_else(|| member.value.list()?.first()?.text());
    match member.key.as_str() {
        "Ref" => first == Some(id),
        "Fn::GetAtt" => first.is_some_and(|first| first.split('.').next() == Some(id)),
        "Fn::Sub" => first == Some(&format!("${{{id}}}")),
        _ => false,
    }
}
