use super::*;
use serde_json::json;

const HEAD: &str = "RecipeFormatVersion: '2020-01-25'\nComponentName: a.B\nComponentVersion: 1.0.0\n";

fn device(architecture: &str) -> Attributes {
    Attributes::from([("os".into(), "linux".into()), ("architecture".into(), architecture.into())])
}

fn recipe(rest: &str) -> Recipe {
    Recipe::parse(format!("{HEAD}{rest}").as_bytes()).unwrap()
}

fn refused(text: &str) -> String {
    Recipe::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn selections_pick_from_the_global_lifecycle() {
    fidelity::fidelity!("core-recipe-3");
    let recipe = recipe(
        "
Manifests:
  - {Platform: {os: linux, architecture: amd64}, Selections: [debian, linux]}
  - {Platform: {os: windows}, Selections: [windows]}
  - {}
Lifecycle:
  setenv: {all: {MODE: plain}, debian: {MODE: deb}}
  run: {linux: echo lin, windows: {script: echo win}, all: echo other}
  install: {windows: echo w}
  startup: {linux: {all: {script: nested}}}
  nothing: null
",
    );
    let amd64 = recipe.select(&device("amd64")).unwrap();
    let expected = json!({"setenv": {"MODE": "deb"}, "run": "echo lin", "startup": {"script": "nested"}});
    assert_eq!((amd64.lifecycle, amd64.manifest), (expected, 0));
    let other = recipe.select(&device("arm")).unwrap();
    assert_eq!((other.lifecycle, other.manifest), (json!({"setenv": {"MODE": "plain"}, "run": "echo other"}), 2));
    assert!(other.complaints.is_empty());
}

#[test]
fn a_manifest_s_own_lifecycle_hides_the_global_one() {
    fidelity::fidelity!("core-recipe-3");
    let recipe = recipe(
        "
Manifests:
  - {Platform: {architecture: amd64}, Lifecycle: {Run: own}}
  - {Lifecycle: {}}
Lifecycle: {Run: global, Install: {all: x}}
",
    );
    assert_eq!(recipe.select(&device("amd64")).unwrap().lifecycle, json!({"Run": "own"}));
    assert_eq!(recipe.select(&device("arm")).unwrap().lifecycle, json!({"Run": "global", "Install": "x"}));
}

#[test]
fn keys_beside_selectors_are_dropped_with_an_error() {
    fidelity::fidelity!("core-recipe-5");
    let recipe = recipe("Manifests: [{Selections: [one]}]\nLifecycle: {Run: {one: {Script: x}, Timeout: 5}}");
    let selected = recipe.select(&device("amd64")).unwrap();
    assert_eq!(selected.lifecycle, json!({"Run": {"Script": "x"}}));
    let line = format!("{:?}", selected.complaints);
    for part in ["Error", "both selector and non-selector keys", "\"[Timeout]\"", "\"{Script=x}\""] {
        assert!(line.contains(part), "{line}");
    }
    let recipe =
        super::tests::recipe("Manifests: [{Selections: [one]}, {Selections: [two]}]\nLifecycle: {two: {Run: x}}");
    let selected = recipe.select(&device("amd64")).unwrap();
    assert_eq!(selected.lifecycle, json!({}));
    assert!(format!("{:?}", selected.complaints).contains("Non-empty lifecycle section ignored"));
}

#[test]
fn names_of_properties_and_enumerations_have_any_case_and_others_are_ignored() {
    fidelity::fidelity!("core-recipe-6");
    let text = "
recipeFORMATversion: 2020-01-25
COMPONENTNAME: a.B
componentversion: 1.2.3-rc.1+x
componentTYPE: AWS.Greengrass.Generic
componentconfiguration: {DEFAULTconfiguration: {Key: 1, key: 2}, other: 1}
componentdependencies: {Dep: {VERSIONrequirement: 1.x, dependencytype: Soft}}
Parameters: {x: 1}
manifests: [{PLATFORM: {os: linux}, name: n, artifacts: [{URI: s3://b/k.zip, unarchive: zip}], unknown: {}}]
";
    let recipe = Recipe::parse(text.as_bytes()).unwrap();
    assert_eq!((recipe.name.as_str(), recipe.version.to_string().as_str()), ("a.B", "1.2.3-rc.1+x"));
    assert_eq!(recipe.kind, "aws.greengrass.generic");
    assert_eq!(recipe.defaults, json!({"Key": 1, "key": 2}));
    assert_eq!((recipe.dependencies[0].requirement.as_str(), recipe.dependencies[0].hard), (">=1.0.0 <2.0.0", false));
    assert!(recipe.select(&device("amd64")).unwrap().artifacts[0].unzip);
    let same = Recipe::parse(&serde_json::to_vec(&recipe.source).unwrap()).unwrap();
    assert_eq!(same.source, recipe.source);
}

#[test]
fn a_null_entry_is_absent_and_a_null_item_stays() {
    fidelity::fidelity!("core-recipe-9");
    let recipe = recipe(
        "
ComponentConfiguration: {DefaultConfiguration: {gone: null, kept: {deep: null}}}
ComponentDependencies: {com.example.None: null, com.example.One: {VersionRequirement: ^1.0.0}}
Manifests:
  - Platform: {os: linux, architecture: null, unheard: null}
    Lifecycle:
      Run: {Script: null}
      Install: {Script: x, Timeout: null, SkipIf: null, Setenv: {A: null, B: [null, {C: null}]}}
      recover: null
  - {}
Lifecycle: {Run: {all: null, linux: x}, Bootstrap: null}
",
    );
    let expected = json!({"Run": {}, "Install": {"Script": "x", "Setenv": {"B": [null, {}]}}});
    assert_eq!(recipe.select(&device("amd64")).unwrap().lifecycle, expected);
    assert_eq!(recipe.source["Lifecycle"], json!({"Run": {"linux": "x"}}));
    assert_eq!(recipe.source["Manifests"][0]["Platform"], json!({"os": "linux"}));
    let dependencies: Vec<&str> = recipe.dependencies.iter().map(|on| on.name.as_str()).collect();
    assert_eq!(dependencies, ["com.example.One"]);
    // Defaults are a tree of the JSON library, which writes its nulls.
    let defaults = json!({"gone": null, "kept": {"deep": null}});
    assert_eq!(
        (&recipe.defaults, &recipe.source["ComponentConfiguration"]["DefaultConfiguration"]),
        (&defaults, &defaults)
    );
    // What is on disk says the same.
    assert_eq!(Recipe::parse(recipe.to_yaml().as_bytes()).unwrap().source, recipe.source);
}

#[test]
fn a_text_that_says_null_is_no_null() {
    fidelity::fidelity!("core-recipe-9");
    let recipe = recipe("Manifests: [{Lifecycle: {Run: {Script: 'null', Timeout: '', Setenv: {A: '~'}}}}]");
    let expected = json!({"Run": {"Script": "null", "Timeout": "", "Setenv": {"A": "~"}}});
    assert_eq!(recipe.select(&device("amd64")).unwrap().lifecycle, expected);
}

#[test]
fn what_the_model_does_not_allow_is_no_recipe() {
    fidelity::fidelity!("core-recipe-7");
    for (text, reason) in [
        ("ComponentName: a\nComponentVersion: 1.0.0", "RecipeFormatVersion is marked non-null but is null"),
        ("RecipeFormatVersion: 2020-01-26\nComponentName: a\nComponentVersion: 1.0.0", "`2020-01-26` is not one of"),
        ("RecipeFormatVersion: 2020-01-25\nComponentVersion: 1.0.0", "Component name is null"),
        ("RecipeFormatVersion: 2020-01-25\nComponentName: ''\nComponentVersion: 1.0.0", "Component name is empty"),
        ("RecipeFormatVersion: 2020-01-25\nComponentName: a/b\nComponentVersion: 1.0.0", "could only include"),
        ("RecipeFormatVersion: 2020-01-25\nComponentName: a", "Component version is null"),
        ("RecipeFormatVersion: 2020-01-25\nComponentName: a\nComponentVersion: 1.0", "Invalid version: 1.0"),
        ("RecipeFormatVersion: 2020-01-25\nComponentName: a\nComponentVersion: 1.0.1000000", "can't exceed 6 digits"),
        ("- 1", "ComponentRecipe is not a map"),
        ("a: [", "did not find expected node content"),
        ("", "end-of-input"),
    ] {
        let message = refused(text);
        assert!(message.starts_with("Failed to parse recipe file content to contract model. "), "{message}");
        assert!(message.contains(reason), "{text}: {message}");
    }
    for (rest, reason) in [
        ("Manifests: [null]", "Manifests contains one or more null element(s)"),
        ("Manifests: {}", "Manifests is not a list"),
        ("Manifests: [1]", "PlatformSpecificManifest is not a map"),
        ("Manifests: [{Artifacts: [null]}]", "Artifacts contains one or more null element(s)"),
        ("Manifests: [{Platform: {os: [linux]}}]", "Platform.os is not a string"),
        ("Manifests: [{Selections: linux}]", "Selections is not a list"),
        ("Manifests: [{Lifecycle: run}]", "Lifecycle is not a map"),
        ("Lifecycle: []", "Lifecycle is not a map"),
        ("ComponentType: aws.greengrass.other", "`aws.greengrass.other` is not one of"),
        ("ComponentDependencies: {x: {}}", "VersionRequirement is marked non-null but is null"),
        ("ComponentDependencies: {x: {VersionRequirement: one}}", "Invalid requirement: one"),
        ("ComponentDependencies: {x: {VersionRequirement: 1.0.0, DependencyType: MAYBE}}", "`MAYBE` is not one of"),
        ("ComponentConfiguration: {DefaultConfiguration: 5}", "DefaultConfiguration is not a map"),
    ] {
        let message = refused(&format!("{HEAD}{rest}"));
        assert!(message.contains(reason), "{rest}: {message}");
    }
    let long = "a".repeat(129);
    let text = format!("RecipeFormatVersion: 2020-01-25\nComponentName: {long}\nComponentVersion: 1.0.0");
    assert!(refused(&text).contains("length exceeds 128"));
    assert!(Recipe::parse(b"\xff").unwrap_err().to_string().contains("UTF-8"));
    assert!(Recipe::parse_json(b"{\"ComponentName\": \"a.B\",}").is_err(), "a comma too many is YAML's alone");
}

#[test]
fn manifests_are_needed_and_one_must_fit() {
    fidelity::fidelity!("core-recipe-7");
    for rest in ["", "Manifests:", "Manifests: []"] {
        let error = recipe(rest).select(&device("amd64")).unwrap_err();
        assert_eq!(error.to_string(), "Recipe file a.B-1.0.0.yaml is missing manifests");
    }
    let error = recipe("Manifests: [{Platform: {os: windows}}]").select(&device("amd64")).unwrap_err();
    let expected = "Failed to find usable recipe for current platform: {os=linux, architecture=amd64}, \
                    for package: 'a.B-v1.0.0' in the local package store";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn size_alone_refuses_nothing() {
    fidelity::fidelity!("core-recipe-8");
    let script = "echo x\n".repeat(200_000);
    let json = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "a.B", "ComponentVersion": "1.0.0",
        "Manifests": [{"Lifecycle": {"Run": script}}],
    });
    let recipe = Recipe::parse(&serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(recipe.select(&device("amd64")).unwrap().lifecycle["Run"], script.as_str());
    assert_eq!(Recipe::parse(recipe.to_yaml().as_bytes()).unwrap().source, recipe.source);
    let deep = format!("{HEAD}Lifecycle: {}{}", "{a: ".repeat(500), "}".repeat(500));
    assert!(refused(&deep).contains("nesting depth"));
}
