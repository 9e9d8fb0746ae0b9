use super::*;
use serde_json::json;

fn subject(name: &str, configuration: Value) -> Subject {
    Subject { name: name.into(), version: "1.0.0".into(), configuration }
}

/// A component `a.B` with this configuration that depends on `dep`.
struct World {
    own: Subject,
    dependencies: BTreeMap<String, Subject>,
}

impl World {
    fn new(configuration: &Value) -> Self {
        let dep = Subject { version: "2.0.0".into(), ..subject("dep", json!({"k": true, "t": "{work:path}"})) };
        Self {
            own: subject("a.B", crate::tree::sorted(configuration)),
            dependencies: BTreeMap::from([("dep".to_owned(), dep)]),
        }
    }

    fn scope(&self, configuration: bool) -> Scope<'_> {
        Scope { own: &self.own, dependencies: &self.dependencies, root: Path::new("/g"), thing: "T", configuration }
    }

    fn of(&self, text: &str) -> (String, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let value = self.scope(true).interpolate(&json!(text), &mut complaints).unwrap();
        (value.as_str().unwrap().to_owned(), complaints)
    }
}

#[test]
fn every_variable_has_its_value() {
    fidelity::fidelity!("core-interpolation-1");
    let world =
        World::new(&json!({"t": "x y", "n": 5.0, "o": {"b": 1, "a": null}, "l": ["q", {"z": 1}], "": 7, "a/b": "s"}));
    for (script, expected) in [
        ("{configuration:/t} {configuration:/n}", "x y 5.0"),
        ("{configuration:/o}", r#"{"a":null,"b":1}"#),
        ("{configuration:/o/a}", "null"),
        ("{configuration:/l/0}{configuration:/l/1/z}", "q1"),
        ("{configuration:/}", "7"),
        ("{configuration:/a~1b}", "s"),
        ("{artifacts:path}/z", "/g/packages/artifacts/a.B/1.0.0/z"),
        ("{artifacts:decompressedPath}/z", "/g/packages/artifacts-unarchived/a.B/1.0.0/z"),
        ("{work:path} {kernel:rootPath} {iot:thingName}", "/g/work/a.B /g T"),
        ("{dep:configuration:/k}{dep:work:path}", "true/g/work/dep"),
        ("{dep:artifacts:path}", "/g/packages/artifacts/dep/2.0.0"),
        ("{dep:artifacts:decompressedPath}", "/g/packages/artifacts-unarchived/dep/2.0.0"),
        (r#"${X} {print $1} {1..3} {"a":1} f() { :; }"#, r#"${X} {print $1} {1..3} {"a":1} f() { :; }"#),
        ("{artifacts:foo}{work:Path}{dep:work:x}", "{artifacts:foo}{work:Path}{dep:work:x}"),
        ("{{work:path}}", "{/g/work/a.B}"),
        ("ü{iot:thingName}ü", "üTü"),
    ] {
        assert_eq!(world.of(script), (expected.to_owned(), Vec::new()), "{script}");
    }
    assert_eq!(
        world.of("{configuration:}").0,
        r#"{"":7,"a/b":"s","l":["q",{"z":1}],"n":5.0,"o":{"a":null,"b":1},"t":"x y"}"#
    );
}

#[test]
fn a_failed_look_up_stays_and_costs_a_line_each_time() {
    fidelity::fidelity!("core-interpolation-2");
    let world = World::new(&json!({"A": 1}));
    let unknown = |whole: &str, space: &str| Complaint {
        message: "Failed to interpolate because of unrecognized namespace for interpolation.",
        context: vec![("interpolation placeholder", whole.into()), ("namespace", space.into())],
    };
    let missing = |path: &str| Complaint {
        message: "Failed to interpolate configuration due to missing value node at given path",
        context: vec![("Path", path.into())],
    };
    for (script, complaints) in [
        ("{configuration:/no}", vec![missing("/no")]),
        ("{configuration:/a}", vec![missing("/a")]),
        ("{configuration:/A/b} {configuration:/A/b}", vec![missing("/A/b"), missing("/A/b")]),
        ("${VAR:-default}", vec![unknown("{VAR:-default}", "VAR")]),
        ("{a:1} {foo:bar}", vec![unknown("{a:1}", "a"), unknown("{foo:bar}", "foo")]),
        ("{Configuration:/A}", vec![unknown("{Configuration:/A}", "Configuration")]),
        ("{dep:foo:bar}", vec![unknown("{dep:foo:bar}", "foo")]),
        ("{dep:configuration:/no}", vec![missing("/no")]),
    ] {
        assert_eq!(world.of(script), (script.to_owned(), complaints), "{script}");
    }
    let (kept, complaints) = world.of("{other:work:path}");
    assert_eq!(kept, "{other:work:path}");
    let expected = "Failed to interpolate because the target component it's not a direct dependency.";
    assert_eq!(complaints[0].message, expected);
    let context =
        [("interpolation text", "{other:work:path}"), ("target component", "other"), ("main component", "a.B")];
    assert_eq!(complaints[0].context, context.map(|(key, value)| (key, value.to_owned())));
}

#[test]
fn a_pointer_without_its_slash_is_an_error() {
    fidelity::fidelity!("core-interpolation-4");
    let world = World::new(&json!({"A": 1}));
    for script in ["{configuration:A}", "{dep:configuration:k}"] {
        let error = world.scope(true).interpolate(&json!({"Run": [script]}), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("Invalid input: JSON Pointer expression must start with '/': \""));
    }
}

#[test]
fn what_a_value_brings_in_is_replaced_only_where_it_stands_before_its_like() {
    fidelity::fidelity!("core-interpolation-5");
    let world = World::new(
        &json!({"p": "{work:path}/x", "w": "work", "d": "{dep:work:path}", "self": "a{configuration:/self}"}),
    );
    for (script, expected) in [
        ("{configuration:/p}", "{work:path}/x"),
        ("{configuration:/p} {work:path}", "/g/work/a.B/x /g/work/a.B"),
        ("{work:path} {configuration:/p}", "/g/work/a.B {work:path}/x"),
        ("{configuration:/d}", "/g/work/dep"),
        ("{dep:configuration:/t} {work:path}", "{work:path} /g/work/a.B"),
        ("{{configuration:/w}:path} {work:path}", "/g/work/a.B /g/work/a.B"),
        ("{configuration:/self} {configuration:/self}", "aa{configuration:/self} aa{configuration:/self}"),
    ] {
        assert_eq!(world.of(script).0, expected, "{script}");
    }
}

#[test]
fn texts_everywhere_in_a_tree_are_replaced_and_keys_are_not() {
    fidelity::fidelity!("core-interpolation-3");
    let world = World::new(&json!({"t": 9}));
    let tree =
        json!({"{configuration:/t}": {"Timeout": "{configuration:/t}", "l": [["{configuration:/t}", 1, null, true]]}});
    let expected = json!({"{configuration:/t}": {"Timeout": "9", "l": [["9", 1, null, true]]}});
    assert_eq!(world.scope(true).interpolate(&tree, &mut Vec::new()).unwrap(), expected);
}

#[test]
fn configurations_know_no_configuration() {
    fidelity::fidelity!("core-interpolation-6");
    let world = World::new(&json!({}));
    let mut complaints = Vec::new();
    let tree = json!({"a": "{work:path}", "b": "{configuration:/a} {dep:configuration:/k} {dep:iot:thingName}"});
    let interpolated = world.scope(false).interpolate(&tree, &mut complaints).unwrap();
    assert_eq!(interpolated, json!({"a": "/g/work/a.B", "b": "{configuration:/a} {dep:configuration:/k} T"}));
    assert_eq!(complaints.len(), 2);
    assert!(complaints.iter().all(|complaint| complaint.message.contains("unrecognized namespace")));
}

#[test]
fn long_and_hostile_texts_stay_bounded() {
    let world = World::new(
        &json!({"long": "y".repeat(1024 * 1024), "a": "{configuration:/b}{configuration:/b}", "b": "{configuration:/a}{configuration:/a}"}),
    );
    let many = "{iot:thingName}{unknown:x}{".repeat(50_000);
    let (text, complaints) = world.of(&many);
    assert_eq!((text.len(), complaints.len()), (many.len() - 14 * 50_000, 50_000));
    for hostile in ["{configuration:/long}".repeat(40), "{configuration:/a}{configuration:/b}".repeat(1000)] {
        let (text, complaints) = world.of(&hostile);
        assert!(text.len() < 2 * LIMIT, "{}", text.len());
        assert_eq!(complaints.last().unwrap().message, "Stopped to interpolate because the text grows too long");
    }
}
