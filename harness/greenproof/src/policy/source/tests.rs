use super::*;
use serde_json::{Value, json};

fn fixture(name: &str) -> String {
    format!("{}/../../fixtures/policies/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a stack in this account would have.
fn given(more: &[(&str, &str)]) -> Given {
    let known = [("AWS::AccountId", "123456789012"), ("AWS::Region", "eu-west-1"), ("ArtifactBucket", "artifacts")];
    let all = known.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Given { parameters: all.collect(), ..Given::default() }
}

fn role(found: Found) -> Role {
    let Found::Role(role) = found else { panic!("{found:?}") };
    role
}

fn names(role: &Role) -> Vec<&str> {
    role.policies.iter().map(|policy| policy.name.as_str()).collect()
}

fn document(policy: &Written) -> Value {
    serde_json::from_str(&policy.text).unwrap()
}

/// The error of a template's text, without the file.
fn refused(text: &str, name: Option<&str>, given: &Given) -> (String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, text).unwrap();
    let source = Source { file: file.clone(), name: name.map(str::to_owned) };
    let error = source.read(given).unwrap_err();
    let short = |text: &str| text.replace(&*file.to_string_lossy(), "T");
    (short(&error.place), short(&error.message), short(&error.hint))
}

#[test]
fn a_policy_file_is_its_own_text() {
    let source = Source::parse(&fixture("secret-read.json"));
    let Found::Policy(policy) = source.read(&Given::default()).unwrap() else { panic!() };
    assert_eq!(policy.name, "secret-read");
    assert_eq!(policy.text, std::fs::read_to_string(fixture("secret-read.json")).unwrap());
    policy.compile(Kind::Managed).unwrap();
    let error = Source::parse(&format!("{}#other", fixture("secret-read.json"))).read(&Given::default()).unwrap_err();
    assert!(error.message.contains("holds no `other`"), "{error}");
}

#[test]
fn a_role_comes_with_every_policy_of_its_template() {
    let source = Source::parse(&format!("{}#CoreRole", fixture("sources/template.yaml")));
    let role = role(source.read(&given(&[])).unwrap());
    assert_eq!((role.name.as_str(), names(&role)), ("CoreTokenExchange", vec!["artifacts", "read-token", "logs"]));
    let trust = role.trust.clone().unwrap();
    trust.compile(Kind::Trust).unwrap();
    let resources: Vec<_> =
        role.policies.iter().map(|policy| document(policy)["Statement"][0]["Resource"].clone()).collect();
    assert_eq!(
        resources,
        [
            json!(["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/*"]),
            json!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:GithubPersonalAccessToekn-??????"),
            json!("arn:aws:logs:eu-west-1:123456789012:log-group:/greengrass/core:*"),
        ]
    );
    let test = role_of_stage("test");
    assert_eq!(document(&test.policies[1])["Statement"][0]["Resource"], "*");
}

fn role_of_stage(stage: &str) -> Role {
    let source = Source::parse(&format!("{}#CoreRole", fixture("sources/template.yaml")));
    role(source.read(&given(&[("Stage", stage)])).unwrap())
}

#[test]
fn a_statement_is_named_by_its_place_in_the_template() {
    let source = Source::parse(&format!("{}#ReadToken", fixture("sources/template.yaml")));
    let Found::Policy(policy) = source.read(&given(&[])).unwrap() else { panic!() };
    let policies = iam::Policies { identity: vec![policy.compile(Kind::Managed).unwrap()], ..Default::default() };
    let request = iam::Request::new(
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:GithubPersonalAccessToekn-Ab12Cd",
    );
    let decision = iam::decide(&policies, &request.by(iam::Principal::parse("arn:aws:iam::123456789012:role/r")));
    let text = std::fs::read_to_string(&source.file).unwrap();
    let line = text.lines().position(|line| line.contains("- Sid: ReadToken")).unwrap() + 1;
    assert_eq!(decision.statement.unwrap().position.unwrap().to_string(), format!("{line}:13"));
    // A wrong action is told at its line.
    let broken = Written { text: policy.text.replace("secretsmanager:Get", "secretsmanager"), ..policy };
    let error = broken.compile(Kind::Managed).unwrap_err();
    assert_eq!(error.place.rsplit(':').nth(1), Some((line + 2).to_string().as_str()), "{error}");
}

#[test]
fn policy_variables_of_iot_stay() {
    let source = Source::parse(&format!("{}#CorePolicy", fixture("sources/template.yaml")));
    let Found::Policy(policy) = source.read(&given(&[])).unwrap() else { panic!() };
    let client = "arn:aws:iot:eu-west-1:123456789012:client/${iot:Connection.Thing.ThingName}";
    assert_eq!(document(&policy)["Statement"][0]["Resource"], client);
    policy.compile(Kind::Iot).unwrap();
}

#[test]
fn several_policies_are_listed() {
    let source = Source::parse(&fixture("sources/template.yaml"));
    let error = source.read(&given(&[])).unwrap_err();
    assert_eq!(error.message, "this template holds 4 policies and roles");
    assert!(error.hint.contains("template.yaml#CoreRole  (AWS::IAM::Role)\n"), "{}", error.hint);
    let error = Source::parse(&format!("{}#Core", fixture("sources/template.yaml"))).read(&given(&[])).unwrap_err();
    assert_eq!(error.message, "this template has no policy or role `Core`");
}

#[test]
fn what_only_the_stack_knows_is_told_with_its_line() {
    let file = fixture("sources/template.yaml");
    let error = Source::parse(&format!("{file}#CoreRole")).read(&Given::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{file}:35:21: parameter `ArtifactBucket` has no default"));
    assert_eq!(error.hint, "pass `--parameter ArtifactBucket=VALUE`");
    let resource = |value: &str, more: &str| {
        format!(
            "Resources:\n  P:\n    Type: AWS::IAM::Policy\n    Properties:\n      PolicyDocument:\n        Version: 2012-10-17\n        Statement:\n          - {{Effect: Allow, Action: 's3:*', Resource: {value}}}\n{more}"
        )
    };
    let cases = [
        ("!GetAtt Bucket.Arn", "only the deployed stack knows `Bucket.Arn`", "pass `--parameter Bucket.Arn=VALUE`"),
        (
            "!Ref AWS::AccountId",
            "the value of `AWS::AccountId` is not known here",
            "pass `--parameter AWS::AccountId=VALUE`",
        ),
        (
            "!Sub '${Nothing}'",
            "`Nothing` is neither a parameter nor a resource of the template",
            "pass `--parameter Nothing=VALUE`",
        ),
        (
            "!Sub '${aws:username}'",
            "`aws:username` is neither a parameter nor a resource of the template",
            "a policy's own variable is written `${!aws:username}` in `Fn::Sub`",
        ),
        (
            "!ImportValue x",
            "`Fn::ImportValue` can only be resolved by CloudFormation",
            "write the value that it has, or make it a parameter",
        ),
    ];
    for (value, message, hint) in cases {
        let bucket = "  Bucket:\n    Type: AWS::S3::Bucket\n";
        let (place, said, advice) = refused(&resource(value, bucket), None, &Given::default());
        assert!(place.starts_with("T:8:"), "{place}");
        assert_eq!((said.as_str(), advice.as_str()), (message, hint));
    }
    let (place, message, _) = refused("a: 1\n", None, &Given::default());
    assert_eq!((place.as_str(), message.as_str()), ("T", "it is neither a policy nor a template nor a plan"));
    let (place, message, _) = refused("{\n \"Version\": }", None, &Given::default());
    assert_eq!((place.as_str(), message.as_str()), ("T:2:13", "no JSON: expected value"));
}

/// What a condition leaves out of the stack gives nothing, and an instance profile is no policy.
#[test]
fn only_what_the_stack_has_counts() {
    let text = "Parameters:\n  Stage: {Type: String, Default: dev}\nConditions:\n  IsProd: !Equals [!Ref Stage, prod]\n\
                Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties: {RoleName: core}\n  \
                P:\n    Type: AWS::IAM::Policy\n    Condition: IsProd\n    Properties:\n      PolicyName: p\n      \
                PolicyDocument: {Version: 2012-10-17, Statement: []}\n      Roles: [!Ref R]\n  \
                I:\n    Type: AWS::IAM::InstanceProfile\n    Properties: {Roles: [!Ref R]}\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.yaml");
    std::fs::write(&file, text).unwrap();
    let source = Source { file, name: Some("R".to_owned()) };
    assert_eq!(names(&role(source.read(&Given::default()).unwrap())), Vec::<&str>::new());
    let prod = Given { parameters: [("Stage".to_owned(), "prod".to_owned())].into(), ..Given::default() };
    assert_eq!(names(&role(source.read(&prod).unwrap())), ["p"]);
    let (place, message, _) = refused(text, Some("P"), &Given::default());
    assert_eq!((place.as_str(), message.as_str()), ("T:10:5", "the stack has no `P`: its condition does not hold"));
}

#[test]
fn names_in_a_circle_end() {
    let text = "Resources:\n  A:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      ManagedPolicyName: !Ref B\n      PolicyDocument: {}\n  B:\n    Type: AWS::IAM::Role\n    Properties: {RoleName: !Ref B}\n";
    let (_, message, _) = refused(text, Some("A"), &Given::default());
    assert_eq!(message, "names lead in a circle here");
}

#[test]
fn a_managed_policy_from_elsewhere_has_to_be_given() {
    let text = "Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: ['arn:aws:iam::aws:policy/Read']\n";
    let (place, message, hint) = refused(text, None, &Given::default());
    assert_eq!(place, "T:5:27");
    assert_eq!(message, "the role has the managed policy `arn:aws:iam::aws:policy/Read`, which this file doesn't hold");
    assert_eq!(hint, "pass `--managed arn:aws:iam::aws:policy/Read=FILE` with its document");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.yaml");
    std::fs::write(&file, text).unwrap();
    let managed = [("arn:aws:iam::aws:policy/Read".to_owned(), fixture("secret-read.json").into())];
    let given = Given { managed: managed.into(), ..Given::default() };
    assert_eq!(names(&role(Source { file, name: None }.read(&given).unwrap())), ["Read"]);
}

#[test]
fn a_role_of_a_plan_has_inline_and_attached_policies() {
    let source = Source::parse(&format!("{}#module.core[\"eu.west\"].aws_iam_role.core", fixture("sources/plan.json")));
    let role = role(source.read(&Given::default()).unwrap());
    assert_eq!((role.name.as_str(), names(&role)), ("CoreTokenExchange", vec!["artifacts", "read-token", "logs"]));
    assert_eq!(role.boundary, None);
    let source = Source::parse(&format!("{}#aws_iot_policy.core", fixture("sources/plan.json")));
    let Found::Policy(policy) = source.read(&Given::default()).unwrap() else { panic!() };
    policy.compile(policy.kind.unwrap()).unwrap();
    assert_eq!(policy.kind, Some(Kind::Iot));
}

#[test]
fn what_is_known_only_after_apply_is_told_with_its_address() {
    let file = fixture("sources/plan.json");
    let error = Source::parse(&format!("{file}#aws_iam_policy.late")).read(&Given::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{file}#aws_iam_policy.late: `policy` is known only after apply; it depends on \
             `aws_secretsmanager_secret.token.arn`, `aws_secretsmanager_secret.token`"
        )
    );
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    // Without the configuration's references nobody knows what is attached: that is told, not passed over.
    let mut blind = plan;
    blind["configuration"] = Value::Null;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    std::fs::write(&file, blind.to_string()).unwrap();
    let source = Source { file, name: Some("module.core[\"eu.west\"].aws_iam_role.core".into()) };
    let error = source.read(&Given::default()).unwrap_err();
    assert!(error.message.starts_with("`policy_arn` is known only after apply"), "{error}");
}
