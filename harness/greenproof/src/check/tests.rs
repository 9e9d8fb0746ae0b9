use super::*;

const HEAD: &str = "RecipeFormatVersion: '2020-01-25'\nComponentName: com.example.A\nComponentVersion: 1.0.0\n";

/// A recipe that nobody has anything against.
const GOOD: &str = r#"RecipeFormatVersion: "2020-01-25"
ComponentName: com.example.A
ComponentVersion: 1.0.0
ComponentConfiguration:
  DefaultConfiguration: {port: "80", list: [a, {"b/c": x}]}
ComponentDependencies:
  aws.greengrass.TokenExchangeService: {VersionRequirement: ^2.0.0}
Manifests:
  - Platform: {os: linux, runtime: "*"}
    Artifacts:
      - {Uri: s3://bucket/app.zip, Unarchive: ZIP, Permission: {Execute: OWNER}}
    Lifecycle:
      Setenv: {MODE: fast}
      install:
        Timeout: 900
        Script: |
          set -e
          aws s3 ls
          pip3 install requests==2.32.0
      run:
        Script: "{artifacts:decompressedPath}/app/start --port {configuration:/port} {configuration:/list/1/b~1c}"
"#;

/// The rules that a recipe breaks, each with where.
fn broken(text: &str) -> Vec<(&'static str, usize, usize)> {
    check(text).remarks.iter().map(|remark| (remark.rule, remark.place.line, remark.place.column)).collect()
}

/// Whether a recipe breaks a rule.
fn breaks(rule: &str, text: &str) -> bool {
    broken(text).iter().any(|(broken, ..)| *broken == rule)
}

/// A recipe with this script as its step `run`.
fn script(script: &str) -> String {
    let script = serde_json::Value::from(script);
    format!(
        "{HEAD}Manifests: [{{Platform: {{os: linux, runtime: '*'}}, Artifacts: [], Lifecycle: {{run: {{Script: {script}}}}}}}]"
    )
}

#[test]
fn a_good_recipe_has_no_remark() {
    fidelity::fidelity!("check-1");
    let verdict = check(GOOD);
    assert_eq!(verdict.remarks, []);
    assert_eq!(verdict.manifests, BTreeMap::from([("aarch64", 1), ("amd64", 1), ("arm", 1)]));
    assert!(human("r.yaml", &verdict).contains("takes manifest 1 on aarch64, manifest 1 on amd64"));
    assert_eq!(json("r.yaml", &verdict)["lite"]["accepts"], true);
    let json: serde_json::Value = serde_yaml_ng::from_str(GOOD).unwrap();
    assert_eq!(check(&serde_json::to_string_pretty(&json).unwrap()).remarks, []);
    let tabs = serde_json::to_string_pretty(&json).unwrap().replace("  ", "\t");
    assert_eq!(check(&tabs).remarks, []);
}

/// Each rule with a change that makes the good recipe break it, and the line and column that are told.
const CHANGES: &[(&str, &str, &str, (usize, usize))] = &[
    ("syntax", "Manifests:", "Manifests: [", (9, 3)),
    ("model", "ComponentVersion: 1.0.0", "ComponentVersion: 1.0", (3, 19)),
    ("model", "2020-01-25", "2020-01-26", (1, 1)),
    ("model", "^2.0.0", "two", (7, 61)),
    ("no-match", "os: linux", "os: windows", (8, 1)),
    ("artifact-uri", "s3://bucket/app.zip", "https://x/app.zip", (11, 15)),
    ("artifact-uri", "s3://bucket/app.zip", "s3://app.zip", (11, 15)),
    ("artifact-uri", "s3://bucket/app.zip", "'docker:alpine'", (11, 15)),
    ("missing-script", "      run:\n        Script", "      run:\n        Doc", (20, 7)),
    ("skipif", "Timeout: 900", "SkipIf: command jq", (15, 17)),
    ("timeout", "Timeout: 900", "Timeout: 15m", (15, 18)),
    ("pointer", "{configuration:/port}", "{configuration:port}", (21, 64)),
    ("unknown-key", "    Artifacts:", "    Artefacts: []\n    Artifacts:", (10, 5)),
    ("unknown-key", "Timeout: 900", "TimeOuts: 900", (15, 9)),
    ("unknown-key", "      install:", "      instal:", (14, 7)),
    ("alias", "{MODE: fast}", "{MODE: &m fast, OTHER: *m}", (13, 38)),
    ("plain-scalar", "{MODE: fast}", "{MODE: yes}", (13, 22)),
    ("duplicate-key", "      Setenv: {MODE: fast}", "      Setenv: {MODE: fast, mode: slow}", (13, 28)),
    (
        "unreachable-manifest",
        "  - Platform: {os: linux, runtime: \"*\"}",
        "  - {Platform: {runtime: '*', os: '*'}, Artifacts: []}\n  - Platform: {os: linux, runtime: \"*\"}",
        (10, 5),
    ),
    ("platform-key", "os: linux", "Os: linux", (9, 16)),
    ("platform-value", "os: linux", "os: '!windows'", (9, 20)),
    ("unused-lifecycle", "Manifests:", "Lifecycle: {all: {run: x}}\nManifests:", (8, 1)),
    ("startup-and-run", "      run:\n", "      startup: {Script: x}\n      run:\n", (21, 7)),
    ("unset-variable", "/port}", "/Port}", (21, 64)),
    ("unknown-variable", "{artifacts:decompressedPath}", "{artifacts:decompressedpath}", (21, 18)),
    ("foreign-variable", "{configuration:/port}", "{com.example.B:work:path}", (21, 64)),
    ("not-a-variable", "{configuration:/port}", "${PORT:-80}", (21, 65)),
    ("setenv-shell", "{MODE: fast}", "{MODE: $HOME}", (13, 22)),
    ("not-executable", ", Permission: {Execute: OWNER}", "", (21, 18)),
    ("nothing-unpacked", "Unarchive: ZIP", "Unarchive: NONE", (21, 18)),
    ("unpinned-package", "requests==2.32.0", "requests", (19, 24)),
    ("secret-in-url", "requests==2.32.0", "git+https://${T}@github.com/a/b@c", (19, 28)),
    ("literal-secret", "aws s3 ls", "export T=ghp_0123456789abcdef0123", (18, 20)),
    ("sudo", "aws s3 ls", "sudo aws s3 ls", (18, 11)),
    ("hidden-failure", "          set -e\n", "", (17, 11)),
    ("default-timeout", "        Timeout: 900\n", "", (18, 11)),
    ("no-token-exchange", "aws.greengrass.TokenExchangeService", "com.example.B", (18, 11)),
    ("unused-artifact", "{artifacts:decompressedPath}/app/start", "start", (11, 15)),
    (
        "lite-type",
        "ComponentVersion: 1.0.0\n",
        "ComponentVersion: 1.0.0\nComponentType: aws.greengrass.plugin\n",
        (4, 16),
    ),
    ("lite-key-case", "      run:", "      Run:", (20, 7)),
    ("lite-key-case", "Manifests:", "manifests:", (8, 1)),
    ("lite-key-case", "{Uri:", "{URI:", (11, 10)),
    ("lite-key-case", "Timeout: 900", "timeout: 900", (15, 9)),
    ("lite-platform", ", runtime: \"*\"", "", (9, 5)),
    ("lite-platform", "os: linux", "os: /linux|darwin/", (9, 5)),
    ("lite-step", "      run:\n", "      shutdown: x\n      run:\n", (20, 7)),
    ("lite-skipif", "Timeout: 900", "Timeout: 900\n        SkipIf: onpath jq", (16, 9)),
    ("lite-brace", "{configuration:/port}", "${PORT}", (21, 65)),
    ("lite-brace", "aws s3 ls", "f() { aws s3 ls; }", (18, 15)),
    ("lite-setenv", "{MODE: fast}", "{MODE: very fast}", (13, 22)),
    ("lite-yaml-text", "port: \"80\"", "port: 80", (5, 32)),
];

#[test]
fn each_change_of_the_good_recipe_breaks_its_rule() {
    fidelity::fidelity!("check-1", "check-2");
    let mut missed = Vec::new();
    for (rule, from, to, place) in CHANGES {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{rule}");
        let found = broken(&text);
        if !found.contains(&(*rule, place.0, place.1)) {
            missed.push(format!("{rule} at {place:?}: {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn rules_that_need_another_recipe() {
    fidelity::fidelity!("check-1", "check-2");
    let with = |rest: &str| format!("{HEAD}{rest}");
    assert!(breaks("no-manifest", HEAD));
    assert!(!breaks("no-manifest", &with("Manifests: [{}]")));
    for (skip_if, bad) in [("onpath jq", false), ("!exists ~root/x", false), ("command jq", true), ("onpath", true)] {
        let text = with(&format!("Manifests: [{{Lifecycle: {{install: {{Script: x, SkipIf: '{skip_if}'}}}}}}]"));
        assert_eq!(breaks("skipif", &text), bad, "{skip_if}");
    }
    let selectors = with("Manifests: [{Selections: [one]}]\nLifecycle: {run: {one: {Script: x}, Timeout: 5}}");
    assert!(breaks("beside-selectors", &selectors));
    assert!(breaks("lite-selector", &selectors));
    assert!(!breaks("beside-selectors", &selectors.replace(", Timeout: 5", "")));
    assert!(breaks("cloud-size", &script(&"x".repeat(16_000))));
    assert!(breaks("lite-size", &script(&"x".repeat(9_000))));
    assert!(!breaks("lite-size", &script(&"x".repeat(7_000))));
    assert!(breaks("lite-artifacts", &script("x").replace("Artifacts: [], ", "")));
}

#[test]
fn packages_and_failures_are_told_apart() {
    fidelity::fidelity!("check-2");
    for (text, bad) in [
        ("pip3 install requests", true),
        ("python3 -m pip install --upgrade pip wheel==0.45", true),
        ("pip install git+https://github.com/a/b.git", true),
        ("pip install git+https://github.com/a/b.git@v1", false),
        ("pip3 install -r {artifacts:path}/requirements.txt", false),
        ("pip3 install {artifacts:path}/x.whl", false),
        ("pip3 install 'a>=1,<2' --user", false),
        ("pip3 install .", false),
    ] {
        assert_eq!(breaks("unpinned-package", &script(text)), bad, "{text}");
    }
    for (text, bad) in [
        ("make\nrun", true),
        ("TOKEN=`aws x`\npip install y", true),
        ("set -eu\nmake\nrun", false),
        ("make &&\nrun", false),
        ("if x; then\n  y\nfi", false),
        ("# what it does\nrun", false),
        ("export A=1\nrun", false),
        ("a \\\n  --b", false),
    ] {
        assert_eq!(breaks("hidden-failure", &script(text)), bad, "{text}");
    }
}

#[test]
fn hostile_recipes_are_only_remarked() {
    for text in [
        "",
        "[",
        "{}",
        "[]",
        "- - -",
        "a: *b",
        "\u{0}",
        "{\"a\": 1",
        "Manifests: [1, null, []]",
        "Lifecycle: 5",
        "%YAML 9",
    ] {
        assert!(check(text).has(Level::Error), "{text}");
    }
    assert!(check(&"[".repeat(100_000)).has(Level::Error));
    assert!(!check(&script(&"é{ü{".repeat(1000))).has(Level::Error));
}
