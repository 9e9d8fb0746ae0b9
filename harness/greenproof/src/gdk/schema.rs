//! What GDK refuses of a recipe before it builds or publishes, and what it would write otherwise than its author did.
//!
//! By `gdk/static/recipe_schema.json` of GDK 1.6, which sees names in lower case and values as `PyYAML` reads them.

use super::template::{get, items, offset};
use device::inspect::{Content, Node, Place};
use regex::Regex;
use std::sync::LazyLock;

/// Where something is, what is wrong with it, and what to do.
type Refused = (Place, String, String);

/// The names that a recipe may have at its top.
const TOP: [&str; 11] = [
    "recipeformatversion",
    "componentname",
    "componentdescription",
    "componentpublisher",
    "componentversion",
    "componentconfiguration",
    "componenttype",
    "componentsource",
    "componentdependencies",
    "manifests",
    "lifecycle",
];

/// What `PyYAML` takes for a date or for a number of base 60 where it has no quotes.
static OF_PYYAML: LazyLock<Regex> = LazyLock::new(|| {
    let date = r"\d{4}-\d{1,2}-\d{1,2}([Tt\s].*)?";
    Regex::new(&format!(r"^({date}|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$"))
        .expect("it is a regular expression")
});

/// What GDK's schema refuses.
pub(super) fn refused(root: &Node) -> Option<Refused> {
    let Content::Map(entries) = &root.content else { return None };
    let known = |name: &str| TOP.iter().any(|known| name.eq_ignore_ascii_case(known));
    if let Some((key, _)) = entries.iter().find(|(key, _)| !known(&key.text)) {
        let message = format!("GDK refuses `{}` at the top of a recipe", key.text);
        return Some((key.place, message, "take it out; GDK's schema has no further names there".into()));
    }
    for name in ["RecipeFormatVersion", "Manifests"] {
        if get(root, name).is_none() {
            return Some((root.place, format!("`{name}` is missing, which GDK wants"), format!("add `{name}`")));
        }
    }
    dependency(root).or_else(|| items(get(root, "Manifests")).iter().find_map(manifest))
}

fn dependency(root: &Node) -> Option<Refused> {
    let Content::Map(entries) = &get(root, "ComponentDependencies")?.content else { return None };
    let lacks = |node: &Node| !matches!(get(node, "VersionRequirement"), Some(Node { content: Content::Text(_), .. }));
    let (key, _) = entries.iter().find(|(_, node)| lacks(node))?;
    let message = format!("the dependency `{}` has no text `VersionRequirement`, which GDK wants", key.text);
    Some((key.place, message, "add it, such as `VersionRequirement: \">=1.0.0\"`".into()))
}

fn manifest(manifest: &Node) -> Option<Refused> {
    let is = |name: &str, right: fn(&Content) -> bool| get(manifest, name).filter(|node| !right(&node.content));
    let wrong = is("Artifacts", |it| matches!(it, Content::List(_))).map(|node| ("Artifacts", "list", node));
    let map = |it: &Content| matches!(it, Content::Map(_));
    let wrong = wrong.or_else(|| is("Lifecycle", map).map(|node| ("Lifecycle", "map", node)));
    let (name, kind, node) = wrong.or_else(|| is("Platform", map).map(|node| ("Platform", "map", node)))?;
    Some((node.place, format!("GDK wants a {kind} as `{name}`"), format!("fill it, or take `{name}` out")))
}

/// A value without quotes that `PyYAML`, by which GDK writes the recipe anew, reads as something else than AWS would.
pub(super) fn rewritten(node: &Node, text: &str) -> Option<Refused> {
    match &node.content {
        Content::List(list) => list.iter().find_map(|node| rewritten(node, text)),
        Content::Map(entries) => entries.iter().find_map(|(_, node)| rewritten(node, text)),
        Content::Text(written) => {
            let plain = text[offset(text, node.place)..].starts_with(written.as_str());
            let told = |what: &str| (node.place, format!("GDK writes `{written}` as {what}"), quotes(written));
            (plain && OF_PYYAML.is_match(written)).then(|| told("a date or another number"))
        }
        value => {
            let written = node.reread.as_ref()?;
            let by_aws: serde_json::Value = serde_yaml_ng::from_str(written).ok()?;
            let by_gdk = node.value();
            let same = by_aws == by_gdk || by_aws.as_f64().is_some_and(|number| Some(number) == by_gdk.as_f64());
            let told = || (node.place, format!("GDK writes `{written}` as `{by_gdk}`"), quotes(written));
            (!matches!(value, Content::Null) && !same).then(told)
        }
    }
}

fn quotes(written: &str) -> String {
    format!("put it in quotes, `\"{written}\"`, or write what it is to be")
}
