//! `Principal` and `NotPrincipal`.

use super::{
    super::{
        Kind,
        error::{Check, Fault},
        principals::Who,
    },
    Findings,
};
use crate::json::Node;

pub(super) fn check(node: &Node, kind: Kind, findings: &mut Findings) {
    let found = ["Principal", "NotPrincipal"].iter().find_map(|key| node.get(key).map(|value| (*key, value)));
    let wanted = matches!(kind, Kind::Resource | Kind::Vpce | Kind::Trust | Kind::Rcp);
    match found {
        None if wanted => findings.add(node.place, Fault::refused("`Principal` is missing")),
        None => {}
        Some((_, value)) if !wanted => {
            let iam = "Policy document should not specify a principal.";
            findings.add(value.place, Fault::said(Check::Principal, "the policy of a principal can't name one", iam));
        }
        Some(("Principal", value)) if kind == Kind::Rcp && value.text() == Some("*") => {}
        Some((_, value)) if kind == Kind::Rcp => {
            findings.add(value.place, Fault::refused("the `Principal` of a resource control policy must be `*`"));
        }
        Some((key, value)) if kind == Kind::Trust && key == "NotPrincipal" => {
            findings.add(value.place, Fault::refused("a trust policy can't have `NotPrincipal`"));
        }
        Some((key, value)) => kinds(key, value, findings),
    }
}

fn kinds(key: &str, value: &Node, findings: &mut Findings) {
    if value.text() == Some("*") {
        return;
    }
    let members = value.object().unwrap_or_default();
    if members.is_empty() {
        findings.add(value.place, Fault::refused(format!("`{key}` must be `*` or name principals by their type")));
    }
    findings.object(value, &format!("`{key}`"), None);
    for member in members {
        let kind = member.key.as_str();
        if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind) {
            findings.add(member.place, Fault::refused(format!("`{kind}` is no type of principal")));
            continue;
        }
        if member.value.listed().is_empty() {
            findings.add(member.place, Fault::refused(format!("`{kind}` names nobody")));
        }
        for item in member.value.listed() {
            if !item.text().is_some_and(|text| is_principal(kind, text)) {
                let iam = format!("Invalid principal in policy: \"{kind}\":{item}");
                let detail = format!("`{item}` is no principal of the type `{kind}`");
                findings.add(item.place, Fault::said(Check::Other, detail, iam));
            }
        }
    }
}

fn is_principal(kind: &str, text: &str) -> bool {
    let unique_id = text.len() >= 16 && text.starts_with('A') && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match kind {
        "AWS" => unique_id || Who::aws(text) != Who::Nobody,
        "Service" => text.contains('.') && !text.contains(['*', '?', ':', '/', ' ']),
        _ => !text.is_empty() && !text.contains(['*', '?']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;
    use serde_json::{Value, json};

    fn fault(kind: Kind, key: &str, principal: &Value) -> String {
        let mut statement = json!({"Effect": "Deny", "Action": "sts:AssumeRole", key: principal});
        if kind != Kind::Trust {
            statement["Resource"] = json!("*");
        }
        let policy = json!({"Version": "2012-10-17", "Statement": statement});
        Document::parse_as(&policy, kind).map_or_else(|error| error.to_string(), |_| "none".to_owned())
    }

    #[test]
    fn each_kind_of_policy_has_its_own_rule() {
        let (all, nothing) = (json!("*"), json!({}));
        for kind in [Kind::Resource, Kind::Vpce, Kind::Trust, Kind::Rcp] {
            assert_eq!(fault(kind, "Sid", &json!("")), "statement 0: `Principal` is missing", "{kind:?}");
            assert_eq!(fault(kind, "Principal", &all), "none", "{kind:?}");
        }
        for kind in [Kind::Inline, Kind::Managed, Kind::Boundary, Kind::Session, Kind::Scp, Kind::Iot] {
            assert_eq!(fault(kind, "Sid", &json!("")), "none", "{kind:?}");
            assert!(fault(kind, "Principal", &all).contains("Policy document should not specify a principal."));
        }
        let one = json!({"AWS": "111122223333"});
        assert_eq!(fault(Kind::Resource, "NotPrincipal", &one), "none");
        assert_eq!(fault(Kind::Trust, "Principal", &one), "none");
        assert!(fault(Kind::Trust, "NotPrincipal", &one).ends_with("a trust policy can't have `NotPrincipal`"));
        assert!(fault(Kind::Rcp, "Principal", &one).ends_with("policy must be `*`"));
        assert!(fault(Kind::Resource, "Principal", &nothing).contains("must be `*` or name principals"));
        assert!(fault(Kind::Resource, "Principal", &json!({"Aws": "*"})).ends_with("`Aws` is no type of principal"));
        assert!(fault(Kind::Resource, "Principal", &json!({"AWS": []})).ends_with("`AWS` names nobody"));
        assert!(
            fault(Kind::Resource, "Principal", &json!({"AWS": [7]})).contains("Invalid principal in policy: \"AWS\":7")
        );
    }

    #[test]
    fn each_type_of_principal_has_its_own_form() {
        for (kind, text) in [
            ("AWS", "AIDAJQABLZS4A3QD"),
            ("AWS", "arn:aws:iam::111122223333:role/a"),
            ("AWS", "*"),
            ("Service", "credentials.iot.amazonaws.com"),
            ("Federated", "cognito-identity.amazonaws.com"),
            ("CanonicalUser", "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"),
        ] {
            assert!(is_principal(kind, text), "{kind} {text}");
        }
        for (kind, text) in [
            ("AWS", "AIDAJQABLZS4A3Q"),
            ("AWS", "BIDAJQABLZS4A3QD"),
            ("AWS", "AIDAJQABLZS4A3Q-"),
            ("AWS", "credentials.iot.amazonaws.com"),
            ("Service", "AIDAJQABLZS4A3QD"),
            ("Service", "iot"),
            ("Service", "*.amazonaws.com"),
            ("Service", "arn:aws:iam::1:a.b"),
            ("Service", "*"),
            ("Federated", ""),
            ("Federated", "cognito*"),
        ] {
            assert!(!is_principal(kind, text), "{kind} {text}");
        }
    }
}
