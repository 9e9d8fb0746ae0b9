use super::*;

const BASE: &str = "[aws]\nregion = 'eu-west-1'\n[expect]\ndeployment = 'SUCCEEDED'\n[[expect.call]]\naction = 's3:GetObject'\nallowed = 2\n";

const TEXT: &str = "leaks = 'none'
[expect]
deployment = 'SUCCEEDED'
detailed = 'SUCCESSFUL'
[expect.components]
A = 'RUNNING'
B = 'FINISHED'
[[expect.line]]
component = 'A'
step = 'Run'
equals = 's3: Amazon S3'
[[expect.line]]
component = 'B'
step = 'Run'
equals = 'other'
[[expect.package]]
name = 'pack'
version = '1.0.0'
[expect.states]
[expect.component]
'com.example.D' = 'RUNNING'
'com.example.E' = 'RUNNING'
";

const STEPS: &str = "[[step]]
[step.deploy]
A = '1.0.0'
[step.expect]
deployment = 'SUCCEEDED'
[[step]]
run = ['true']
[step.expect]
exit = 3
says = ['hello']
";

fn place(texts: &[&str], steps: usize, kind: Kind, expected: &str) -> (String, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
    let mut scenario = Scenario::load(&path).unwrap();
    let source = |(index, text): (usize, &&str)| Source {
        path: format!("{index}.toml").into(),
        text: (*text).to_owned(),
        named: Vec::new(),
    };
    scenario.steps = vec![scenario.steps[0].clone(); steps];
    scenario.sources = texts.iter().enumerate().map(source).collect();
    let finding = Finding { kind, expected: expected.to_owned(), seen: String::new() };
    let (file, line) = of(&scenario, &finding).unwrap();
    (file.display().to_string(), line)
}

#[test]
fn the_line_is_that_of_the_value_that_was_not_seen() {
    let cases = [
        (Kind::Deployment, "the deployment ends SUCCEEDED", 3),
        (Kind::Deployment, "the deployment ends SUCCESSFUL", 4),
        (Kind::Component, "`B` ends FINISHED", 7),
        (Kind::Component, "`com.example.D` ends RUNNING", 21),
        (Kind::Line, "the Run of `A` prints the line `s3: Amazon S3`", 11),
        (Kind::Line, "the Run of `B` prints the line `other`", 15),
        (Kind::Package, "package `pack` is installed", 17),
        (Kind::Leak, "no secret is left where somebody else can read it", 1),
        (Kind::Outside, "nothing is asked of the world outside the scenario", 1),
    ];
    for (kind, expected, line) in cases {
        assert_eq!(place(&[TEXT], 1, kind, expected), ("0.toml".to_owned(), line), "{expected}");
    }
}

#[test]
fn a_step_has_expectations_of_its_own() {
    let cases = [
        (Kind::Deployment, "step 1: the deployment ends SUCCEEDED", 5),
        (Kind::Command, "step 2: the command exits with 3", 9),
        (Kind::Command, "step 2: the command says `hello`", 10),
    ];
    for (kind, expected, line) in cases {
        assert_eq!(place(&[STEPS], 2, kind, expected), ("0.toml".to_owned(), line), "{expected}");
    }
}

#[test]
fn faults_that_a_run_begins_with_are_steps_before() {
    let expected = "step 4: the command says `hello`";
    assert_eq!(place(&[STEPS], 4, Kind::Command, expected), ("0.toml".to_owned(), 10));
}

#[test]
fn what_the_base_expects_stands_there() {
    let expected = "2 allowed s3:GetObject by the device's role session";
    assert_eq!(place(&["base = 'x'\n", BASE], 1, Kind::Call, expected), ("1.toml".to_owned(), 6));
}
