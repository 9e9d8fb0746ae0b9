//! Layers: what a file takes over from its base, and what it replaces.

use super::*;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios").join(path)
}

#[test]
fn a_twin_states_only_what_differs() {
    let base = load(&fixture("private-package.toml")).expect("the reference is valid");
    let twin = load(&fixture("twins/role-without-object.toml")).expect("the twin is valid");
    assert_eq!(twin.name, "role-without-object");
    assert_eq!(base.aws.role.policies.len(), 3);
    let policies: Vec<_> = twin.aws.role.policies.keys().collect();
    assert_eq!(policies, ["secret-read", "token-exchange"], "a stated list replaces the base's");
    assert_eq!(twin.aws.role.name, base.aws.role.name, "a table merges field by field");
    assert_eq!(twin.expect.lines.len(), base.expect.lines.len());
    assert!(base.must_fail.is_none() && twin.must_fail.is_some());
}

#[test]
fn every_scenario_of_ours_is_valid_and_every_twin_says_how_it_fails() {
    for folder in ["", "twins"] {
        for entry in fixture(folder).read_dir().expect("the folder is there") {
            let path = entry.expect("a folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let scenario = load(&path).unwrap_or_else(|error| panic!("{error}\n{}", error.hint));
                assert!(!scenario.summary.is_empty(), "{} has a summary", scenario.name);
                assert_eq!(scenario.must_fail.is_some(), folder == "twins", "{}", scenario.name);
            }
        }
    }
}

#[test]
fn a_place_is_counted_from_one() {
    let layer = Layer { path: Path::new("a.toml"), text: "one\ntwo".into() };
    assert_eq!(layer.error(Some(5..6), "x", "y").place, "a.toml:2:2");
    assert_eq!(layer.error(None, "x", "y").to_string(), "a.toml: x");
}
