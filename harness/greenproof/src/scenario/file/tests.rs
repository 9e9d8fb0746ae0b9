//! Layers: what a file takes over from its base, and what it replaces.

use super::*;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios").join(path)
}

/// The reference scenario with more in a file of that name, or the error with its hint.
pub(super) fn of_reference(name: &str, more: &str) -> Result<Scenario, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(name);
    let base = fixture("private-package.toml").display().to_string();
    std::fs::write(&file, format!("base = {base:?}\n{more}")).expect("it can be written");
    load(&file).map_err(|error| format!("{error}; {}", error.hint))
}

#[test]
fn a_twin_states_only_what_differs() {
    let base = load(&fixture("private-package.toml")).expect("the reference is valid");
    let twin = load(&fixture("../failures/F20-artifact-not-permitted.toml")).expect("the twin is valid");
    assert_eq!(twin.name, "F20-artifact-not-permitted");
    assert_eq!(base.aws.role.policies.len(), 3);
    let policies: Vec<_> = twin.aws.role.policies.keys().collect();
    assert_eq!(policies, ["secret-read", "token-exchange"], "a stated list replaces the base's");
    assert_eq!(twin.aws.role.name, base.aws.role.name, "a table merges field by field");
    assert_eq!(twin.steps[0].expect.lines.len(), base.steps[0].expect.lines.len());
    assert!(base.must_fail.is_none() && twin.must_fail.is_some());
}

#[test]
fn every_scenario_of_ours_is_valid_and_every_twin_says_how_it_fails() {
    for folder in ["", "twins", "policies"] {
        for entry in fixture(folder).read_dir().expect("the folder is there") {
            let path = entry.expect("a folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let scenario = load(&path).unwrap_or_else(|error| panic!("{error}\n{}", error.hint));
                assert!(!scenario.summary.is_empty(), "{} has a summary", scenario.name);
                assert!(
                    folder == "policies" || scenario.must_fail.is_some() == (folder == "twins"),
                    "{}",
                    scenario.name
                );
            }
        }
    }
}

#[test]
fn every_conformance_case_is_valid_and_says_where_its_values_come_from() {
    let mut cases = 0;
    let folder = fixture("../conformance");
    for area in folder.read_dir().expect("the folder is there").flatten().filter(|entry| entry.path().is_dir()) {
        let files = area.path().read_dir().expect("the folder can be read").flatten().map(|case| case.path());
        for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
            let text = std::fs::read_to_string(&path).expect("a case is a text");
            let scenario = load(&path).unwrap_or_else(|error| panic!("{error}\n{}", error.hint));
            let place = path.display();
            assert!(text.contains("\nreference = \""), "{place} cites the reference");
            assert!(!scenario.summary.is_empty() && !scenario.fidelity.is_empty(), "{place}");
            cases += 1;
        }
    }
    assert!(cases > 0);
}

#[test]
fn a_place_is_counted_from_one() {
    let layer = Layer { path: Path::new("a.toml"), text: "one\ntwo".into(), named: RefCell::default() };
    assert_eq!(layer.error(Some(5..6), "x", "y").place, "a.toml:2:2");
    assert_eq!(layer.error(None, "x", "y").to_string(), "a.toml: x");
}

/// A scenario with a component `A` and these steps, or why it is refused.
fn with_steps(steps: &str) -> Result<Scenario, Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("case.toml");
    let head = "[aws]\nregion = \"eu-west-1\"\n[[component]]\nrecipe_text = '''\nComponentName: A\nComponentVersion: 1.0.0\n'''\n";
    std::fs::write(&path, format!("{head}{steps}")).expect("a temporary file");
    load(&path)
}

#[test]
fn a_step_has_one_action_and_what_it_expects() {
    let steps = r#"
[[step]]
[step.deploy]
target = "group:G"
components.A = { version = "1.0.0", merge = { port = 1 }, reset = ["/x"], user = "u:g" }
failure = "DO_NOTHING"
until = { component = "A", state = "STARTING" }
[step.expect]
components = { A = "absent" }
states.A = ["NEW"]
[[step.expect.log]]
file = "greengrass"
has = "x"
times = 0
[[step]]
run = ["id"]
as = "ggc_user"
expect = { exit = 1, prints = ["a"], says = ["b", "c"] }
[[step]]
cli = ["component", "list"]
expect.says = "one"
[[step]]
cancel = true
[[step]]
kill = "core"
[[step]]
await = { line = { component = "A", step = "Run", equals = "x" } }
"#;
    let scenario = with_steps(steps).unwrap_or_else(|error| panic!("{error}\n{}", error.hint));
    let told: Vec<_> = scenario.steps.iter().map(|step| step.action.to_string()).collect();
    let expected = [
        "deploy A 1.0.0 to group G",
        "run id as ggc_user",
        "greengrass-cli component list",
        "cancel the deployment",
        "kill the core",
        "await the line `x` of `A`'s Run",
    ];
    assert_eq!(told, expected);
    let deploy = scenario.steps[0].action.deploy().expect("it deploys");
    let wanted = &deploy.components["A"];
    assert_eq!((wanted.merge.clone(), wanted.user.as_deref()), (Some(serde_json::json!({"port": 1})), Some("u:g")));
    assert_eq!(scenario.steps[0].expect.logs[0].times, Some(0));
    assert_eq!((scenario.steps[1].expect.exit, scenario.steps[1].expect.says.len()), (Some(1), 2));
    assert_eq!(scenario.steps[2].expect.says, ["one"]);
}

#[test]
fn a_deployment_that_is_seen_to_its_end_has_to_succeed() {
    fidelity::fidelity!("verdict-7");
    let deploy = "[[step]]\n[step.deploy]\ncomponents.A = \"1.0.0\"\n";
    let create = "[[step]]\ncli = [\"deployment\", \"create\", \"--merge\", \"A=1.0.0\"]\n";
    let expected = |steps: &str| with_steps(steps).expect(steps).steps[0].expect.deployment.clone();
    for steps in [deploy.to_owned(), create.to_owned()] {
        assert_eq!(expected(&steps).as_deref(), Some("SUCCEEDED"), "{steps}");
        assert_eq!(expected(&format!("{steps}[step.expect]\ndeployment = \"FAILED\"\n")).as_deref(), Some("FAILED"));
    }
    assert_eq!(expected(&format!("{deploy}[step.expect]\ncause = \"x\"\n")), None);
    assert_eq!(expected(&format!("{deploy}until = {{ log = \"x\" }}\n")), None);
    assert_eq!(expected(&format!("{create}expect.exit = 1\n")), None);
    assert_eq!(expected("[[step]]\ncli = [\"component\", \"list\"]\n"), None);
}

#[test]
fn what_no_deployment_does_is_not_expected_of_one() {
    fidelity::fidelity!("verdict-7");
    for (line, message) in [
        ("exit = 0", "only a command exits, prints and says something"),
        ("prints = [\"x\"]", "only a command exits, prints and says something"),
        ("says = \"x\"", "only a command exits, prints and says something"),
        ("recovers_within = 60", "a device recovers from other policies"),
    ] {
        let text = format!("[deployment]\nA = \"1.0.0\"\n[expect]\ndeployment = \"SUCCEEDED\"\n{line}\n");
        let error = with_steps(&text).expect_err(line).to_string();
        assert!(error.contains("case.toml:12:") && error.contains(message), "{error}");
    }
}

#[test]
fn a_bad_step_is_refused_at_its_place() {
    let deploy = "[[step]]\n[step.deploy]\ncomponents.A = \"1.0.0\"\n";
    let cases = [
        ("[[step]]\nrun = [\"id\"]\ncancel = true\n".to_owned(), ":8:", "a step has exactly one action"),
        ("[[step]]\nrun = []\n".into(), ":9:7", "a command has at least one word"),
        ("[[step]]\nkill = \"all\"\n".into(), ":9:8", "`all` can't be killed"),
        ("[[step]]\nawait = { state = \"NEW\" }\n".into(), ":9:9", "this says not what to wait for"),
        ("[[step]]\nawait = { component = \"A\", state = \"DONE\" }\n".into(), ":9:36", "`DONE` is not known"),
        ("[[step]]\ncancel = true\nas = \"u\"\n".into(), ":10:6", "`as` is for `run`"),
        ("[[step]]\nfault = \"provider.99\"\n".into(), ":9:9", "`provider.99` is no fault: `99` is no status"),
        ("[[step]]\nfault = \"s3.503\"\n[[step]]\nfault_end = \"s3.503 times=1\"\n".into(), ":11:13", "is no fault"),
        (format!("{deploy}[[step]]\nfault_end = \"s3.503\"\n"), ":12:1", "no earlier step begins the fault `s3.503`"),
        ("[[step]]\nfault = \"net.loss\"\n".into(), ":9:9", "`net.loss` is no fault: say `percent=`"),
        (
            format!("{deploy}[[step]]\nfault = \"disk.full path=/tmp size=1M\"\n"),
            ":12:9",
            "`disk.full` is there from the device's start or not at all",
        ),
        (format!("{deploy}target = \"all\"\n"), ":11:10", "the target `all` is not known"),
        (format!("{deploy}failure = \"NONE\"\n"), ":11:11", "the failure handling `NONE` is not known"),
        (format!("{deploy}components.B = 1\n"), ":11:16", "invalid type: integer"),
        (format!("{deploy}[step.expect]\nexit = 1\n"), ":12:8", "only a command exits"),
        (format!("{deploy}[step.expect]\ndeployment = \"GOOD\"\n"), ":12:14", "`GOOD` is not known"),
        (format!("{deploy}[expect]\ndeployment = \"FAILED\"\n"), "", "`[expect]` beside `[[step]]`"),
        (format!("{deploy}[deployment]\nA = \"1.0.0\"\n"), ":11:1", "`[deployment]` beside `[[step]]`"),
        ("[[step]]\n[step.deploy]\ncomponents.B = \"1.0.0\"\n".into(), ":10:12", "which no `[[component]]` is"),
        ("[[component]]\nrecipe_text = '''\na: b\nc: [\n'''\n".into(), ":12:", "not a recipe"),
        ("[[component]]\n".into(), "", "a component has one recipe"),
    ];
    for (steps, place, message) in cases {
        let error = with_steps(&steps).expect_err(&steps);
        let told = error.to_string();
        assert!(told.contains(&format!("case.toml{place}")) && told.contains(message), "{steps}\n{told}");
        assert!(!error.hint.is_empty());
    }
}

#[test]
fn faults_come_before_the_steps_with_what_they_need() {
    let text = r#"faults = ["device.clock shift=60", "s3.503"]
[aws]
region = "eu-west-1"
[[component]]
recipe_text = '''
ComponentName: A
ComponentVersion: 1.0.0
'''
[deployment]
A = "1.0.0"
[expect]
deployment = "FAILED"
"#;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("case.toml");
    std::fs::write(&path, text).expect("a temporary file");
    let mut scenario = load(&path).unwrap_or_else(|error| panic!("{error}"));
    scenario.begin_with(&["net.cut".parse().expect("a fault")]);
    let told: Vec<_> = scenario.steps.iter().map(|step| step.action.to_string()).collect();
    assert_eq!(told, ["fault net.cut", "fault device.clock shift=60", "fault s3.503", "deploy A 1.0.0"]);
    assert_eq!((scenario.opening(), scenario.own().apt), (3, vec!["libfaketime".to_owned()]));
}

#[test]
fn faults_at_the_beginning_are_there_before_the_device() {
    let steps = r#"
[[step]]
fault = "provider.403 times=2"
[[step]]
fault = "mqtt.refuse"
[[step]]
[step.deploy]
components.A = "1.0.0"
[[step]]
fault = "s3.GetObject.503 delay=1.5"
[[step]]
fault_end = "mqtt.refuse"
"#;
    let scenario = with_steps(steps).unwrap_or_else(|error| panic!("{error}\n{}", error.hint));
    let told: Vec<_> = scenario.steps.iter().map(|step| step.action.to_string()).collect();
    let expected = [
        "fault provider.403 times=2",
        "fault mqtt.refuse",
        "deploy A 1.0.0",
        "fault s3.GetObject.503 delay=1.5",
        "end of fault mqtt.refuse",
    ];
    assert_eq!(told, expected);
    let plan = crate::plan::Plan::of(scenario).expect("a plan");
    let (aws, github) = (std::net::Ipv4Addr::LOCALHOST, std::net::Ipv4Addr::LOCALHOST);
    let world = plan.world("", crate::plan::Addresses { aws, github });
    let faults: Vec<_> = world.faults.iter().map(ToString::to_string).collect();
    assert_eq!((faults, world.deployments.len()), (vec!["provider.403 times=2".into(), "mqtt.refuse".into()], 1));
}

#[test]
fn what_is_out_of_reach_has_nothing_to_give() {
    let with = |what: &str| {
        with_steps(&format!("[github]\nreachable = false\n{what}\n[[step]]\n[step.deploy]\ncomponents.A = \"1.0.0\"\n"))
    };
    assert!(!with("").unwrap_or_else(|error| panic!("{error}")).github.reachable);
    let error = with("tokens.mypat = { login = \"x\" }").expect_err("a token of nobody").to_string();
    assert!(error.contains("and yet the scenario has repositories or tokens"), "{error}");
    let error = with("[[step]]\nfault = \"git.503\"").expect_err("a fault of nobody").to_string();
    assert!(error.contains("and yet the scenario has a fault of GitHub or of the index"), "{error}");
    with("[[step]]\nfault = \"dns.timeout host=amazonaws.com\"").unwrap_or_else(|error| panic!("{error}"));
}
