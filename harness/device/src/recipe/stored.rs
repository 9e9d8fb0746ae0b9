//! A recipe as the nucleus keeps it on disk: read into its model and written again as YAML.

use super::{
    Dependency, Error,
    artifact::{PERMISSION, UNARCHIVE},
    bean::Bean,
    yaml::Node,
};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The known properties of a recipe, in the order and spelling of the model.
pub(super) fn form(bean: &Bean<'_>, kind: &str, dependencies: &[Dependency]) -> Result<Value, Error> {
    let mut map = Map::new();
    map.insert("RecipeFormatVersion".into(), "2020-01-25".into());
    for key in ["ComponentName", "ComponentVersion"] {
        put(&mut map, key, bean.text(key)?);
    }
    map.insert("ComponentType".into(), kind.into());
    for key in ["ComponentDescription", "ComponentPublisher", "ComponentSource"] {
        put(&mut map, key, bean.text(key)?);
    }
    if let Some(configuration) = bean.get("ComponentConfiguration") {
        let mut inner = Map::new();
        let configuration = Bean::of(configuration, "ComponentConfiguration")?;
        put(&mut inner, "DefaultConfiguration", configuration.node("DefaultConfiguration")?.cloned());
        map.insert("ComponentConfiguration".into(), inner.into());
    }
    if bean.map("ComponentDependencies")?.is_some() {
        let dependency = |on: &Dependency| {
            let kind = if on.hard { "HARD" } else { "SOFT" };
            (on.name.clone(), json!({"VersionRequirement": on.requirement, "DependencyType": kind}))
        };
        let dependencies: Map<_, _> = dependencies.iter().map(dependency).collect();
        map.insert("ComponentDependencies".into(), dependencies.into());
    }
    let manifests: Vec<Value> = bean.objects("Manifests")?.iter().map(manifest).collect::<Result<_, _>>()?;
    map.insert("Manifests".into(), manifests.into());
    map.insert("Lifecycle".into(), bean.map("Lifecycle")?.unwrap_or_default().into());
    Ok(map.into())
}

fn manifest(source: &Value) -> Result<Value, Error> {
    let bean = Bean::of(source, "PlatformSpecificManifest")?;
    let mut map = Map::new();
    put(&mut map, "Platform", bean.map("Platform")?);
    put(&mut map, "Name", bean.text("Name")?);
    map.insert("Lifecycle".into(), bean.map("Lifecycle")?.unwrap_or_default().into());
    let artifacts: Vec<Value> = bean.objects("Artifacts")?.iter().map(artifact).collect::<Result<_, _>>()?;
    map.insert("Artifacts".into(), artifacts.into());
    if bean.get("Selections").is_some() {
        map.insert("Selections".into(), bean.list("Selections")?.into());
    }
    Ok(map.into())
}

fn artifact(source: &Value) -> Result<Value, Error> {
    let bean = Bean::of(source, "ComponentArtifact")?;
    let mut map = Map::new();
    for key in ["Uri", "Digest", "Algorithm"] {
        put(&mut map, key, bean.text(key)?);
    }
    map.insert("Unarchive".into(), bean.choice("Unarchive", &UNARCHIVE)?.unwrap_or("NONE").into());
    let empty = json!({});
    let permission = Bean::of(bean.get("Permission").unwrap_or(&empty), "Permission")?;
    let of = |key, default| Ok::<_, Error>(permission.choice(key, &PERMISSION)?.unwrap_or(default));
    map.insert("Permission".into(), json!({"Read": of("Read", "OWNER")?, "Execute": of("Execute", "NONE")?}));
    Ok(map.into())
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.into(), value.into());
    }
}

/// YAML with every value that is a text in double quotes, so that no reader takes one for something else.
pub(super) fn yaml(value: &Value) -> String {
    let mut text = String::from("---\n");
    write(&mut text, value, 0, false);
    text
}

/// Whether a text has no sign that YAML knows.
fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// Writes a value; `inline` where the line has already begun.
fn write(text: &mut String, value: &Value, indent: usize, inline: bool) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                let lead = if inline && index == 0 { "" } else { &margin };
                let plain = Node::parse(key).is_ok_and(|node| node.value() == *key) && is_word(key);
                let key = if plain { key.clone() } else { Value::from(key.as_str()).to_string() };
                _ = write!(text, "{lead}{key}:");
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        text.push('\n');
                        write(text, value, indent + 2, false);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        write(text, value, indent, false);
                    }
                    scalar => _ = writeln!(text, " {scalar}"),
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                let lead = if inline && index == 0 { "" } else { &margin };
                _ = write!(text, "{lead}- ");
                write(text, item, indent + 2, true);
            }
        }
        scalar => _ = writeln!(text, "{scalar}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn what_is_kept_is_the_model() {
        fidelity::fidelity!("core-store-2");
        let text = "
recipeformatversion: '2020-01-25'
componentname: a.B
COMPONENTVERSION: 1.0.0
Unknown: 5
ComponentDependencies: {x: {versionrequirement: ^1.0.0, dependencytype: soft, extra: 1}}
manifests: [{selections: [one], artifacts: [{URI: s3://b/k, unarchive: zip}]}]
lifecycle: {Run: {Script: \"echo 'a'\\n# ü\", n: [1, [], {}, {k: ['yes', '1_0']}], 'yes': 1, 'a b': 2, '1': 3}}
";
        let recipe = Recipe::parse(text.as_bytes()).unwrap();
        let expected = json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": "a.B", "ComponentVersion": "1.0.0",
            "ComponentType": "aws.greengrass.generic",
            "ComponentDependencies": {"x": {"VersionRequirement": ">=1.0.0 <2.0.0", "DependencyType": "SOFT"}},
            "Manifests": [{
                "Lifecycle": {},
                "Artifacts": [{"Uri": "s3://b/k", "Unarchive": "ZIP", "Permission": {"Read": "OWNER", "Execute": "NONE"}}],
                "Selections": ["one"],
            }],
            "Lifecycle": {"Run": {"Script": "echo 'a'\n# ü", "n": [1, [], {}, {"k": ["yes", "1_0"]}], "yes": 1, "a b": 2, "1": 3}},
        });
        assert_eq!(recipe.source, expected);
        let written = recipe.to_yaml();
        assert!(written.starts_with("---\nRecipeFormatVersion: \"2020-01-25\"\nComponentName: \"a.B\"\n"), "{written}");
        assert_eq!(Node::parse(&written).unwrap().value(), expected, "{written}");
        assert_eq!(Recipe::parse(written.as_bytes()).unwrap().source, expected);
    }
}
