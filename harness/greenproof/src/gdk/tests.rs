//! Each expected recipe and list of files is what GDK 1.6.2 made of the same folder, but for `.git`.

use super::*;
use fidelity::fidelity;
use std::{
    fs,
    time::{Duration, SystemTime},
};

const CONFIGURED: &str = r#"{
  "component": {
    "com.example.HelloWorld": {
      "author": "Ann: \"A\"",
      "version": "NEXT_PATCH",
      "build": { "build_system": "zip" },
      "publish": { "bucket": "my-bucket", "region": "eu-west-1" }
    }
  },
  "gdk_version": "1.6.2"
}
"#;

const RECIPE: &str = r#"---
RecipeFormatVersion: "2020-01-25"
ComponentName: "{COMPONENT_NAME}"
ComponentVersion: "{COMPONENT_VERSION}"
ComponentPublisher: '{COMPONENT_AUTHOR}' # é
Manifests:
  - Platform:
      os: all
    Artifacts:
      - URI: "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/HelloWorld.zip"
        Unarchive: ZIP
      - Uri: s3://other/model.bin
    Lifecycle:
      Run: "python3 -u {artifacts:decompressedPath}/HelloWorld/main.py {COMPONENT_NAME}"
"#;

fn put(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A project called `HelloWorld` with what people have beside their sources.
fn project(config: &str, recipe: &str) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("HelloWorld");
    for file in [
        "main.py",
        "src/util.py",
        "src/test_util.py",
        "tests/test_main.py",
        ".git/x/y",
        "src/.h/z",
        ".hidden",
        "src/node_modules/m.js",
        "greenproof-evidence/a/core.log",
    ] {
        put(&folder, file, file);
    }
    put(&folder, CONFIG, config);
    put(&folder, "recipe.yaml", recipe);
    (parent, folder)
}

fn component(folder: &Path) -> Result<Component, Error> {
    Project::read(folder)?.component(Some("123456789012"), &BTreeMap::new())
}

fn refused(config: &str, recipe: &str) -> (String, String, String) {
    let (_parent, folder) = project(config, recipe);
    let error = component(&folder).unwrap_err();
    let place = error.place.strip_prefix(&format!("{}/", folder.display())).unwrap_or(&error.place).to_owned();
    (place, error.message, error.hint)
}

#[test]
fn a_template_is_resolved_where_gdk_does_and_nowhere_else() {
    fidelity!("gdk-1");
    let (_parent, folder) = project(CONFIGURED, RECIPE);
    let component = component(&folder).unwrap_or_else(|error| panic!("{error}"));
    let expected = RECIPE
        .replace("\"{COMPONENT_NAME}\"\n", "\"com.example.HelloWorld\"\n")
        .replace("{COMPONENT_VERSION}", "1.0.0")
        .replace("'{COMPONENT_AUTHOR}'", r#""Ann: \"A\"""#)
        .replace(
            "BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION",
            "my-bucket-eu-west-1-123456789012/com.example.HelloWorld/1.0.0",
        );
    assert_eq!(component.recipe, expected);
    assert_eq!((component.name.as_str(), component.version.as_str()), ("com.example.HelloWorld", "1.0.0"));
    let [object] = component.objects.as_slice() else { panic!("{:?}", component.objects) };
    let files = ["main.py", "src/util.py"].map(PathBuf::from);
    assert_eq!(object.only.as_deref(), Some(files.as_slice()));
}

#[test]
fn a_json_recipe_is_resolved_too() {
    fidelity!("gdk-1");
    let recipe = r#"{"RecipeFormatVersion": "2020-01-25",
        "ComponentName": "{COMPONENT_NAME}", "ComponentVersion": "{COMPONENT_VERSION}", "ComponentPublisher": "x",
        "Manifests": [{"Artifacts": [{"URI": "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/HelloWorld.zip"}]}]}"#;
    let (_parent, folder) = project(CONFIGURED, "");
    fs::rename(folder.join("recipe.yaml"), folder.join("recipe.json")).unwrap();
    fs::write(folder.join("recipe.json"), recipe).unwrap();
    let component = component(&folder).unwrap_or_else(|error| panic!("{error}"));
    let values: Value = serde_json::from_str(&component.recipe).unwrap();
    let uri = "s3://my-bucket-eu-west-1-123456789012/com.example.HelloWorld/1.0.0/HelloWorld.zip";
    assert_eq!(
        (values["Manifests"][0]["Artifacts"][0]["URI"].as_str(), values["ComponentPublisher"].as_str()),
        (Some(uri), Some("Ann: \"A\""))
    );
}

#[test]
fn the_zip_has_what_options_leave() {
    fidelity!("gdk-2");
    let with = |options: &str| CONFIGURED.replace("\"zip\"", &format!("\"zip\", \"options\": {options}"));
    let files = |config: &str| {
        let (_parent, folder) = project(config, RECIPE);
        let project = Project::read(&folder).unwrap();
        (
            project.zip_name(),
            project.zipped().unwrap().iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        )
    };
    let usual = vec!["main.py".to_owned(), "src/util.py".to_owned()];
    assert_eq!(files(CONFIGURED), ("HelloWorld.zip".to_owned(), usual));
    let (name, all) = files(&with(r#"{"zip_name": ""}"#));
    assert_eq!((name.as_str(), all.len()), ("com.example.HelloWorld.zip", 7), "{all:?}");
    let (name, some) = files(&with(r#"{"zip_name": "x", "excludes": ["**/.*", "src/", "*.py"]}"#));
    assert_eq!((name.as_str(), some), ("x.zip", vec!["tests/test_main.py".to_owned()]));
}

#[test]
fn what_gdk_built_is_taken_unless_it_is_stale() {
    fidelity!("gdk-3");
    let (_parent, folder) = project(CONFIGURED, RECIPE);
    let recipe = RECIPE.replace("{COMPONENT_VERSION}", "NEXT_PATCH");
    put(&folder, "greengrass-build/recipes/recipe.yaml", &recipe);
    let error = component(&folder).unwrap_err();
    assert!(error.message.starts_with("GDK publishes nothing whose built recipe is not called"), "{error}");
    assert!(error.place.ends_with("recipe.yaml:3:16"), "{error:?}");
    let recipe = recipe.replace("\"{COMPONENT_NAME}\"\n", "com.example.HelloWorld\n");
    put(&folder, "greengrass-build/recipes/recipe.yaml", &recipe.replace("'{COMPONENT_AUTHOR}'", "somebody"));
    put(&folder, "greengrass-build/artifacts/com.example.HelloWorld/NEXT_PATCH/HelloWorld.zip", "built");
    let built = component(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(built.version, "1.0.0");
    assert!(built.recipe.contains("ComponentPublisher: somebody"), "{}", built.recipe);
    assert!(built.objects[0].only.is_none() && built.objects[0].source.ends_with("NEXT_PATCH/HelloWorld.zip"));
    let published = "ComponentName: com.example.HelloWorld\nComponentVersion: 1.0.7\n";
    put(&folder, "greengrass-build/recipes/com.example.HelloWorld-1.0.7.yaml", published);
    assert_eq!(component(&folder).unwrap().recipe, published, "byte for byte");
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::options().write(true).open(folder.join("src/util.py")).unwrap().set_modified(later).unwrap();
    let error = component(&folder).unwrap_err();
    assert!(error.message.contains("`src/util.py` was changed after the build"), "{error}");
    assert!(error.place.ends_with("gdk-config.json:6:18") && error.hint.contains("gdk component build"), "{error:?}");
}

#[test]
fn what_is_missing_is_told_with_its_line() {
    let without = |text: &str| CONFIGURED.replace(text, "");
    let told = |config: &str, recipe: &str| {
        let (place, message, hint) = refused(config, recipe);
        assert!(!hint.is_empty());
        format!("{place}: {message}")
    };
    assert!(told("{\n  \"component\": {,}\n}", RECIPE).starts_with("gdk-config.json:2:17: no JSON: "));
    assert_eq!(told("{\"component\": {}}", RECIPE), "gdk-config.json:1:2: `component` names no component, or several");
    let of = "of `com.example.HelloWorld` is missing";
    assert_eq!(told(&without(r#""version": "NEXT_PATCH","#), RECIPE), format!("gdk-config.json:3:5: `version` {of}"));
    assert_eq!(told(&without(r#""author": "Ann: \"A\"","#), RECIPE), format!("gdk-config.json:3:5: `author` {of}"));
    assert_eq!(
        told(&without(r#" "build_system": "zip" "#), RECIPE),
        format!("gdk-config.json:3:5: `build.build_system` {of}")
    );
    let bucket = told(&without(r#""bucket": "my-bucket","#), RECIPE);
    assert_eq!(bucket, format!("gdk-config.json:7:7: `publish.bucket` {of}, and its recipe has an artifact"));
    let maven = told(&CONFIGURED.replace("\"zip\"", "\"maven\""), RECIPE);
    assert_eq!(
        maven,
        "gdk-config.json:6:18: `com.example.HelloWorld` is built by `maven`, and greengrass-build is missing"
    );
    let unquoted = told(CONFIGURED, &RECIPE.replace("\"{COMPONENT_NAME}\"\n", "{COMPONENT_NAME}\n"));
    assert_eq!(unquoted, "recipe.yaml:3:16: GDK sets this value, and it is no text in one line");
    let nameless = told(CONFIGURED, &RECIPE.replace("ComponentName: \"{COMPONENT_NAME}\"\n", ""));
    assert_eq!(nameless, "recipe.yaml:2:1: `ComponentName` is missing");
    let other = told(CONFIGURED, &RECIPE.replace("VERSION/HelloWorld.zip", "VERSION/Other.zip"));
    assert_eq!(other, "recipe.yaml:10:14: `Other.zip` is no artifact of the build, which has HelloWorld.zip");
    let (_parent, folder) = project(CONFIGURED, "");
    fs::remove_file(folder.join("recipe.yaml")).unwrap();
    put(&folder, "recipe.json", "{\n  \"ComponentName\": \"x\",\n}");
    let error = component(&folder).unwrap_err();
    assert!(error.place.ends_with("recipe.json:3:1") && error.message.starts_with("no JSON: "), "{error}");
    let (_parent, folder) = project(CONFIGURED, RECIPE);
    let error = Project::read(&folder).unwrap().component(None, &BTreeMap::new()).unwrap_err();
    assert!(error.message.starts_with("the account is not stated"), "{error}");
}

#[test]
fn what_gdks_schema_refuses_or_gdk_writes_otherwise_is_refused() {
    fidelity!("gdk-4");
    let told = |from: &str, to: &str| {
        assert!(RECIPE.contains(from), "{from}");
        let (place, message, _) = refused(CONFIGURED, &RECIPE.replace(from, to));
        format!("{place}: {message}")
    };
    let run = "Run: \"python3 -u";
    for (from, to, expected) in [
        ("Manifests:", "x-common: 1\nManifests:", "recipe.yaml:6:1: GDK refuses `x-common` at the top of a recipe"),
        ("\"2020-01-25\"", "2020-01-25", "recipe.yaml:2:22: GDK writes `2020-01-25` as a date or another number"),
        (
            "RecipeFormatVersion: \"2020-01-25\"\n",
            "",
            "recipe.yaml:2:1: `RecipeFormatVersion` is missing, which GDK wants",
        ),
        (
            "Manifests:",
            "ComponentDependencies: {a.B: {}}\nManifests:",
            "recipe.yaml:6:25: the dependency `a.B` has no text `VersionRequirement`, which GDK wants",
        ),
        ("Platform:\n      os: all", "Platform:", "recipe.yaml:7:13: GDK wants a map as `Platform`"),
        (run, &format!("Setenv: {{A: yes}}\n      {run}"), "recipe.yaml:14:19: GDK writes `yes` as `true`"),
        (run, &format!("Setenv: {{A: 010}}\n      {run}"), "recipe.yaml:14:19: GDK writes `010` as `8`"),
        (
            run,
            &format!("Setenv: {{A: 22:22}}\n      {run}"),
            "recipe.yaml:14:19: GDK writes `22:22` as a date or another number",
        ),
    ] {
        assert_eq!(told(from, to), expected);
    }
    let (_parent, folder) =
        project(CONFIGURED, &RECIPE.replace(run, &format!("Setenv: {{A: 1.50, B: 'yes', C: true}}\n      {run}")));
    component(&folder).unwrap_or_else(|error| panic!("{error}"));
}
