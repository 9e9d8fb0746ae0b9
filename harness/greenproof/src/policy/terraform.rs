//! Policies and roles out of a Terraform plan or state as `terraform show -json` prints it.
//!
//! What Terraform knows only after apply is an error that names the address. A plan does not say the ARN of a policy
//! that it will create, so attachments are followed by the configuration's references.

use super::{
    Error,
    source::{Found, Given, Role, Source, Written},
};
use iam::Kind;
use serde_json::Value;

/// The types that hold a policy, and what it is for.
const POLICIES: [(&str, Kind); 7] = [
    ("aws_iam_policy", Kind::Managed),
    ("aws_iam_role_policy", Kind::Inline),
    ("aws_iot_policy", Kind::Iot),
    ("aws_s3_bucket_policy", Kind::Resource),
    ("aws_secretsmanager_secret_policy", Kind::Resource),
    ("aws_kms_key", Kind::Resource),
    ("aws_kms_key_policy", Kind::Resource),
];

const ROLE: &str = "aws_iam_role";

/// Whether a document is a plan or a state.
pub(super) fn is_plan(document: &Value) -> bool {
    document.get("planned_values").is_some() || document.pointer("/values/root_module").is_some()
}

/// Reads what the source means.
pub(super) fn read(source: &Source, document: &Value, given: &Given) -> Result<Found, Error> {
    let root = document.get("planned_values").or_else(|| document.get("values")).and_then(|all| all.get("root_module"));
    let mut resources = Vec::new();
    collect(root.unwrap_or(&Value::Null), &mut resources);
    let plan = Plan { file: source.file.display().to_string(), document, resources, given };
    let held = plan.resources.iter().filter(|resource| {
        let of = text(resource, "type");
        of == ROLE || POLICIES.iter().any(|(known, _)| *known == of)
    });
    let names: Vec<_> = held.map(|resource| (text(resource, "address"), text(resource, "type").to_owned())).collect();
    let address = source.choose(&names, "plan")?;
    let resource = plan.at(address).expect("the address was chosen from the resources");
    match text(resource, "type") {
        ROLE => plan.role(resource).map(Found::Role),
        _ => plan.policy(resource).map(Found::Policy),
    }
}

/// All resources of a module and its child modules; data sources are no policies of ours.
fn collect<'d>(module: &'d Value, resources: &mut Vec<&'d Value>) {
    let list = |key: &str| module[key].as_array().into_iter().flatten();
    resources.extend(list("resources").filter(|resource| text(resource, "mode") != "data"));
    list("child_modules").for_each(|child| collect(child, resources));
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

struct Plan<'d> {
    file: String,
    document: &'d Value,
    resources: Vec<&'d Value>,
    given: &'d Given,
}

impl<'d> Plan<'d> {
    fn at(&self, address: &str) -> Option<&'d Value> {
        self.resources.iter().copied().find(|resource| text(resource, "address") == address)
    }

    fn policy(&self, resource: &Value) -> Result<Written, Error> {
        let kind = POLICIES.iter().find(|(known, _)| *known == text(resource, "type")).map(|(_, kind)| *kind);
        let name = resource["values"]["name"].as_str().unwrap_or_else(|| text(resource, "address"));
        self.written(resource, name, "policy", kind)
    }

    fn role(&self, resource: &Value) -> Result<Role, Error> {
        let values = &resource["values"];
        let name = values["name"].as_str().unwrap_or_else(|| text(resource, "address")).to_owned();
        let address = text(resource, "address");
        let mut role = Role {
            trust: Some(self.written(resource, "trust", "assume_role_policy", Some(Kind::Trust))?),
            name,
            ..Role::default()
        };
        if self.is_unknown(address, "inline_policy") {
            return Err(self.unknown(address, "inline_policy"));
        }
        for inline in values["inline_policy"].as_array().into_iter().flatten() {
            // A role without inline policies may have an empty block.
            if let Some(policy) = inline["policy"].as_str().filter(|policy| !policy.is_empty()) {
                role.policies.push(self.text_policy(address, text(inline, "name"), policy, Kind::Inline));
            }
        }
        if self.is_unknown(address, "managed_policy_arns") && self.references(address, "managed_policy_arns").is_some()
        {
            role.policies.extend(self.by_references(address, "managed_policy_arns")?);
        }
        for arn in values["managed_policy_arns"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            role.policies.push(self.managed(arn, address)?);
        }
        role.policies.extend(self.attached(resource, &role.name)?);
        role.boundary = match values["permissions_boundary"].as_str().filter(|arn| !arn.is_empty()) {
            Some(arn) => Some(self.managed(arn, address)?),
            None if self.is_unknown(address, "permissions_boundary") => {
                self.by_references(address, "permissions_boundary")?.pop()
            }
            None => None,
        };
        Ok(role)
    }

    /// The plan's policies that name the role themselves.
    fn attached(&self, role: &Value, name: &str) -> Result<Vec<Written>, Error> {
        let mut attached = Vec::new();
        for other in &self.resources {
            let (address, values) = (text(other, "address"), &other["values"]);
            let of = text(other, "type");
            if !matches!(of, "aws_iam_role_policy" | "aws_iam_role_policy_attachment" | "aws_iam_policy_attachment") {
                continue;
            }
            let field = if of == "aws_iam_policy_attachment" { "roles" } else { "role" };
            let known = match &values[field] {
                Value::String(known) => known == name,
                Value::Array(known) => known.iter().any(|known| known == name),
                _ => self.referred(address, field)?.iter().any(|other| text(other, "address") == text(role, "address")),
            };
            if !known {
                continue;
            }
            match (of, values["policy_arn"].as_str()) {
                ("aws_iam_role_policy", _) => attached.push(self.policy(other)?),
                (_, Some(arn)) => attached.push(self.managed(arn, address)?),
                (_, None) => attached.extend(self.by_references(address, "policy_arn")?),
            }
        }
        Ok(attached)
    }

    /// The policies that a field will have the ARNs of.
    fn by_references(&self, address: &str, field: &str) -> Result<Vec<Written>, Error> {
        let referred = self.referred(address, field)?;
        if referred.is_empty() || referred.iter().any(|other| text(other, "type") != "aws_iam_policy") {
            return Err(self.unknown(address, field));
        }
        referred.into_iter().map(|policy| self.policy(policy)).collect()
    }

    /// A managed policy by its ARN: one that the plan knows, or one that the user gives.
    fn managed(&self, arn: &str, address: &str) -> Result<Written, Error> {
        let own = self.resources.iter().find(|resource| resource["values"]["arn"] == arn);
        match own {
            Some(own) => self.policy(own),
            None => self.given.managed(arn, &format!("{}#{address}", self.file)),
        }
    }

    /// A policy that is a field of a resource.
    fn written(&self, resource: &Value, name: &str, field: &str, kind: Option<Kind>) -> Result<Written, Error> {
        let address = text(resource, "address");
        match resource["values"][field].as_str() {
            Some(policy) => Ok(Written { kind, ..self.text_policy(address, name, policy, Kind::Inline) }),
            None => Err(self.unknown(address, field)),
        }
    }

    fn text_policy(&self, address: &str, name: &str, policy: &str, kind: Kind) -> Written {
        let origin = format!("{}#{address}", self.file);
        Written { name: name.to_owned(), origin, text: policy.to_owned(), kind: Some(kind) }
    }

    /// Whether a field is known only after apply.
    fn is_unknown(&self, address: &str, field: &str) -> bool {
        let changes = self.document["resource_changes"].as_array().into_iter().flatten();
        let mut of = changes.filter(|change| text(change, "address") == address);
        of.any(|change| is_true(&change["change"]["after_unknown"][field]))
    }

    fn unknown(&self, address: &str, field: &str) -> Error {
        let because = self.references(address, field).map(|references| references.join("`, `"));
        let because = because.map_or_else(String::new, |because| format!("; it depends on `{because}`"));
        let message = if self.is_unknown(address, field) {
            format!("`{field}` is known only after apply{because}")
        } else {
            format!("it has no `{field}`{because}")
        };
        let hint = "plan again once what it depends on exists, use its name instead, or give the policy as a JSON file";
        Error::new(format!("{}#{address}", self.file), message, hint)
    }

    /// What a field refers to in the configuration; absent where the plan has no such expression.
    fn references(&self, address: &str, field: &str) -> Option<Vec<&'d str>> {
        let (module, own) = split(address);
        let mut configuration = &self.document["configuration"]["root_module"];
        for name in &module {
            configuration = &configuration["module_calls"][*name]["module"];
        }
        let resources = configuration["resources"].as_array()?;
        let resource = resources.iter().find(|resource| text(resource, "address") == without_index(own))?;
        let references = resource["expressions"][field]["references"].as_array()?;
        Some(references.iter().filter_map(Value::as_str).collect())
    }

    /// The resources that a field refers to, in the same module.
    fn referred(&self, address: &str, field: &str) -> Result<Vec<&'d Value>, Error> {
        let own = split(address).1;
        let module = address.strip_suffix(own).unwrap_or_default();
        let mut referred: Vec<&Value> = Vec::new();
        for reference in self.references(address, field).unwrap_or_default() {
            let named = |resource: &&&Value| {
                let address = text(resource, "address");
                let own = address.strip_prefix(module).unwrap_or_default();
                reference == own || (!own.contains("module.") && reference == without_index(own))
            };
            let found: Vec<_> = self.resources.iter().filter(named).copied().collect();
            if found.len() > 1 {
                let message = format!("`{field}` refers to `{reference}`, which has {} instances", found.len());
                let hint = "name the policies themselves instead of the role";
                return Err(Error::new(format!("{}#{address}", self.file), message, hint));
            }
            referred.extend(found);
        }
        referred.dedup_by_key(|resource| text(resource, "address"));
        Ok(referred)
    }
}

/// Whether anything in a mark of `after_unknown` is true.
fn is_true(mark: &Value) -> bool {
    match mark {
        Value::Bool(truth) => *truth,
        Value::Array(marks) => marks.iter().any(is_true),
        Value::Object(marks) => marks.values().any(is_true),
        _ => false,
    }
}

/// An address as the names of its modules, without their indices, and the resource's own address.
fn split(address: &str) -> (Vec<&str>, &str) {
    let mut modules = Vec::new();
    let mut rest = address;
    while let Some(module) = rest.strip_prefix("module.") {
        let end = end_of_step(module);
        modules.push(without_index(&module[..end]));
        rest = module[end..].strip_prefix('.').unwrap_or_default();
    }
    (modules, rest)
}

/// Where a step of an address ends; an index in quotes may hold dots.
fn end_of_step(text: &str) -> usize {
    let mut quoted = false;
    for (index, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => return index,
            _ => {}
        }
    }
    text.len()
}

fn without_index(address: &str) -> &str {
    address.split('[').next().unwrap_or(address)
}
