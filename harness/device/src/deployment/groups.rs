//! What the deployment service remembers of earlier deployments: which components each group brought, and its last one.

use super::document::Document;
use crate::{
    configuration::{Node, now},
    step::coerce,
    tree,
};
use semver::Version;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SERVICE: [&str; 2] = ["services", "DeploymentService"];
/// The group of deployments from the command line.
pub(super) const LOCAL: &str = "LOCAL_DEPLOYMENT";

/// Versions of root components by group and name.
pub(super) type Roots = BTreeMap<String, BTreeMap<String, Version>>;

/// Whether membership of the group is the cloud's to say.
fn is_thing_group(group: &str) -> bool {
    group != LOCAL && !group.starts_with("thing/")
}

/// The roots of every group as they are kept.
pub(super) fn roots(tree: &Node) -> Roots {
    let kept = at(tree, "GroupToRootComponents");
    let version = |root: &Value| Version::parse(root["version"].as_str()?).ok();
    let of_group = |roots: &Value| {
        let roots = roots.as_object().into_iter().flatten();
        roots.filter_map(|(name, root)| Some((name.clone(), version(root)?))).collect()
    };
    kept.iter().map(|(group, roots)| (group.clone(), of_group(roots))).collect()
}

/// The roots of all groups once `document` is carried out, by a device in the thing groups `member`.
pub(super) fn union(tree: &Node, document: &Document, member: &BTreeSet<String>) -> Roots {
    let mut roots = roots(tree);
    roots.retain(|group, _| !is_thing_group(group) || member.contains(group));
    let own = document.roots.iter().map(|(name, root)| (name.clone(), root.version.clone())).collect();
    roots.insert(document.group.clone(), own);
    roots
}

/// All of it, as Java prints a map that is sorted by its keys in any letter case.
pub(super) fn shown(tree: &Node) -> String {
    coerce::text(&tree.get(&SERVICE).map_or_else(|| json!({}), |value| tree::sorted(&value)))
}

/// The thing groups that are known from earlier deployments.
pub(super) fn known(tree: &Node) -> BTreeSet<String> {
    roots(tree).into_keys().filter(|group| is_thing_group(group)).collect()
}

/// Keeps what the cloud said about the device's groups, until the deployment is over.
pub(super) fn set_membership(tree: &mut Node, member: &BTreeSet<String>) {
    let names: Map<String, Value> = member.iter().map(|group| (group.clone(), Value::Null)).collect();
    tree.put(&path("GroupMembership"), Node::empty());
    tree.replace(&path("GroupMembership"), &Value::Object(names), now());
}

/// When the group's last deployment was made, and its configuration's ARN.
pub(super) fn last(tree: &Node, group: &str) -> Option<(i64, String)> {
    let kept = at(tree, "GroupToLastDeployment");
    let last = kept.get(group)?;
    Some((last["timestamp"].as_i64()?, last["configArn"].as_str().unwrap_or_default().to_owned()))
}

/// Takes in a deployment that is over: its group's roots, and that groups which the device has left are gone.
pub(super) fn record(tree: &mut Node, document: &Document) {
    let member: BTreeSet<String> = at(tree, "GroupMembership").keys().cloned().collect();
    for topic in ["GroupToRootComponents", "GroupToLastDeployment"] {
        for group in at(tree, topic).keys().filter(|group| is_thing_group(group) && !member.contains(*group)) {
            tree.remove(&[SERVICE[0], SERVICE[1], topic, group]);
        }
    }
    tree.remove(&path("GroupMembership"));
    let arn = if document.arn.is_empty() { &document.id } else { &document.arn };
    let root = |version: &Version| json!({"groupConfigArn": arn, "groupConfigName": document.group, "version": version.to_string()});
    let roots: Map<String, Value> =
        document.roots.iter().map(|(name, wanted)| (name.clone(), root(&wanted.version))).collect();
    let last = json!({"timestamp": document.created, "configArn": document.arn});
    for (topic, value) in [("GroupToRootComponents", Value::Object(roots)), ("GroupToLastDeployment", last)] {
        let path = [SERVICE[0], SERVICE[1], topic, &document.group];
        tree.put(&path, Node::empty());
        tree.replace(&path, &value, now());
    }
    let mut groups: Map<String, Value> = Map::new();
    for (name, arns) in component_arns(tree) {
        groups.insert(name, arns.into_iter().map(|(group, arn)| (arn, group.into())).collect::<Map<_, _>>().into());
    }
    tree.put(&path("ComponentToGroups"), Node::empty());
    tree.replace(&path("ComponentToGroups"), &Value::Object(groups), now());
}

/// The groups of each component, with their configurations' ARNs: those that name it, and those of who needs it.
pub(super) fn component_arns(tree: &Node) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut arns: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (group, roots) in at(tree, "GroupToRootComponents") {
        for (name, root) in roots.as_object().into_iter().flatten() {
            let arn = root["groupConfigArn"].as_str().unwrap_or_default();
            let mut next = vec![name.clone()];
            while let Some(name) = next.pop() {
                let known = arns.entry(name.clone()).or_default().insert(group.clone(), arn.to_owned());
                if known.as_deref() != Some(arn) {
                    next.extend(dependencies(tree, &name));
                }
            }
        }
    }
    arns
}

/// What a component depends on, as the configuration has it.
fn dependencies(tree: &Node, name: &str) -> Vec<String> {
    let dependencies = tree.get(&["services", name, "dependencies"]).unwrap_or_default();
    let texts = dependencies.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(|text| text.split(':').next().unwrap_or_default().to_owned()).collect()
}

fn path(topic: &str) -> [&str; 3] {
    [SERVICE[0], SERVICE[1], topic]
}

fn at(tree: &Node, topic: &str) -> Map<String, Value> {
    tree.get(&path(topic)).and_then(|value| value.as_object().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(group: &str, created: i64, component: &str) -> Document {
        let document = json!({
            "deploymentId": group, "configurationArn": format!("arn:aws:greengrass:r:1:configuration:{group}:1"),
            "creationTimestamp": created, "components": {component: {"version": "1.0.0"}},
        });
        Document::read(crate::queue::Kind::Job, &document, &Node::empty()).unwrap()
    }

    #[test]
    fn groups_that_were_left_go_with_the_next_deployment() {
        fidelity::fidelity!("core-deploy-8");
        let mut tree = Node::empty();
        let member = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        for (group, component) in [("thinggroup/A", "a"), ("thinggroup/B", "b"), ("thing/T", "t")] {
            set_membership(&mut tree, &member(&["thinggroup/A", "thinggroup/B"]));
            record(&mut tree, &document(group, 5, component));
        }
        assert_eq!(roots(&tree).len(), 3);
        let next = document("thinggroup/B", 6, "c");
        let left = member(&["thinggroup/B"]);
        let union = union(&tree, &next, &left);
        assert_eq!(union.keys().collect::<Vec<_>>(), ["thing/T", "thinggroup/B"]);
        assert_eq!(union["thinggroup/B"].keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(roots(&tree).len(), 3, "nothing is changed yet");
        set_membership(&mut tree, &left);
        record(&mut tree, &next);
        assert_eq!(roots(&tree), union);
        assert_eq!(last(&tree, "thinggroup/A"), None);
        assert_eq!(last(&tree, "thinggroup/B").unwrap().0, 6);
        assert_eq!(component_arns(&tree).keys().collect::<Vec<_>>(), ["c", "t"]);
        tree.merge(&["services", "c"], &json!({"dependencies": ["t:HARD", "d:SOFT"]}), 1);
        tree.merge(&["services", "d"], &json!({"dependencies": ["c:HARD"]}), 1);
        let arns = component_arns(&tree);
        assert_eq!(arns["d"].keys().collect::<Vec<_>>(), ["thinggroup/B"]);
        assert_eq!(arns["t"].keys().collect::<Vec<_>>(), ["thing/T", "thinggroup/B"]);
    }
}
