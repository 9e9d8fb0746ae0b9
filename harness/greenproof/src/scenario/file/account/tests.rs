//! What `[aws]` may state, and where a mistake in it is told.

use super::super::load;
use crate::{Plan, Scenario, plan::Addresses, scenario::Error};
use cloud::world::World;
use std::net::Ipv4Addr;

const FILES: &[(&str, &str)] = &[
    ("allow.json", r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#),
    (
        "resource.json",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#,
    ),
    (
        "trust.json",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}"#,
    ),
    (
        "short.json",
        "{\n \"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3\", \"Resource\": \"*\"}\n}",
    ),
    ("file.txt", "content"),
    (
        "bucket.json",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::my-bucket/*"}}"#,
    ),
];

/// A scenario whose file is a component and this.
fn with(text: &str) -> Result<Scenario, Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).expect("a temporary file");
    }
    std::fs::create_dir(folder.path().join("other")).expect("a temporary folder");
    std::fs::write(folder.path().join("other/allow.json"), FILES[0].1).expect("a temporary file");
    let path = folder.path().join("case.toml");
    let end = "\n[[component]]\nrecipe_text = '''\nComponentName: A\nComponentVersion: 1.0.0\n'''\n\
               [deployment]\nA = \"1.0.0\"\n[expect]\ndeployment = \"SUCCEEDED\"\n";
    std::fs::write(&path, format!("{text}{end}")).expect("a temporary file");
    load(&path)
}

fn world(scenario: Scenario) -> World {
    let at = Addresses { aws: Ipv4Addr::LOCALHOST, github: Ipv4Addr::LOCALHOST };
    Plan::of(scenario).expect("a plan").world("", at)
}

#[test]
fn a_further_role_has_an_alias_of_its_own() {
    let text = "aws.region = 'eu-west-1'\n[aws.roles.Other]\ntrust = 'trust.json'\nalias = 'OtherAlias'";
    let world = world(with(text).unwrap_or_else(|error| panic!("{error}\n{}", error.hint)));
    assert_eq!((world.role_aliases["OtherAlias"].role.as_str(), world.role_aliases.len()), ("Other", 2));
}

#[test]
fn a_whole_account_comes_into_the_world_as_it_is_written() {
    let scenario = with(
        r#"
[aws]
account = "123456789012"
region = "eu-west-1"
scps = [["allow.json"], ["allow.json"]]
rcps = [[], ["resource.json"]]
[aws.role]
path = "/device/"
boundary = "allow.json"
tags = { Fleet = "north" }
max_session = 7200
duration = 900
[aws.roles.Other]
trust = "trust.json"
policies = ["allow.json"]
[aws.keys.customer]
id = "1234abcd-12ab-34cd-56ef-1234567890ab"
policy = "resource.json"
enabled = false
[aws.keys.plain]
[aws.secrets]
short = "value"
[aws.secrets.long]
value = "value"
suffix = "AbCdEf"
key = "customer"
policy = "resource.json"
tags = { Team = "b" }
[aws.buckets.my-bucket]
policy = "bucket.json"
"#,
    );
    let world = world(scenario.unwrap_or_else(|error| panic!("{error}\n{}", error.hint)));
    let (allow, resource) = (FILES[0].1, FILES[1].1);
    let role = &world.roles["GreengrassV2TokenExchangeRole"];
    assert_eq!(
        (role.path.as_str(), role.max_session_seconds, role.tags["Fleet"].as_str()),
        ("/device/", 7200, "north")
    );
    assert_eq!(
        role.boundary.as_ref().map(|policy| (policy.name.as_str(), policy.text.as_str())),
        Some(("allow", allow))
    );
    assert_eq!(world.role_aliases["GreengrassV2TokenExchangeRoleAlias"].duration_seconds, 900);
    assert_eq!((&world.roles["Other"].trust[..], &world.roles["Other"].policies["allow"][..]), (FILES[2].1, allow));
    let key = &world.keys["customer"];
    assert_eq!(
        (key.id.as_str(), key.policy.as_str(), key.enabled),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", resource, false)
    );
    assert!(world.keys["plain"].enabled && world.keys["plain"].policy.contains("arn:aws:iam::123456789012:root"));
    let [long, short] = &world.secrets[..] else { panic!("{:?}", world.secrets) };
    assert_eq!((short.name.as_str(), short.suffix.as_deref(), short.key.as_deref()), ("short", None, None));
    assert_eq!((long.suffix.as_deref(), long.key.as_deref()), (Some("AbCdEf"), Some("customer")));
    assert_eq!((long.policy.as_deref(), long.tags["Team"].as_str()), (Some(resource), "b"));
    assert_eq!((world.buckets[0].name.as_str(), world.buckets[0].policy.as_deref()), ("my-bucket", Some(FILES[5].1)));
    assert_eq!((world.scps.len(), world.scps[1]["allow"].as_str()), (2, allow));
    assert_eq!((world.rcps[0].len(), world.rcps[1]["resource"].as_str()), (0, resource));
}

#[test]
fn a_buckets_objects_are_files() {
    let scenario = "[aws]\nregion = \"eu-west-1\"\n[aws.buckets.my-bucket]\nobjects = { \"a/b.txt\" = \"FILE\" }\n";
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "content").expect("a temporary file");
    let scenario = with(&scenario.replace("FILE", &file.path().display().to_string()));
    let world = world(scenario.unwrap_or_else(|error| panic!("{error}\n{}", error.hint)));
    assert_eq!(world.buckets[0].objects["a/b.txt"], "Y29udGVudA==");
}

#[test]
fn a_mistake_is_told_at_its_place() {
    const REGION: &str = "[aws]\nregion = \"eu-west-1\"\n";
    let cases = [
        ("[aws.role]\npath = \"device\"", ":4:8", "`device` is no path of a role"),
        ("[aws.role]\nname = \"a/b\"", ":4:8", "`a/b` is no name of a role"),
        ("[aws.role]\nmax_session = 60", ":4:15", "`60` is no duration of a session"),
        ("[aws.role]\nduration = 100000", ":4:12", "`100000` is no duration of a session"),
        ("[aws.role]\ntags = { \"aws:x\" = \"1\" }", ":4:10", "`aws:x` is no tag"),
        ("[aws.role]\nboundary = \"nowhere.json\"", ":4:12", "`nowhere.json`: No such file"),
        ("[aws.role]\npolicies = [\"allow.json\", \"other/allow.json\"]", ":4:27", "a second policy is called `allow`"),
        (
            "[aws.role]\npolicies = [\"short.json\"]",
            "short.json:3:45",
            "IAM says: Actions/Conditions must be prefaced by a vendor",
        ),
        ("[aws.role]\ntrust = \"allow.json\"", "allow.json:1:", "IAM says: "),
        ("[aws.role]\nboundary = \"resource.json\"", "resource.json:1:", "not a valid policy"),
        ("[aws.roles.Other]\npolicies = []", ":3:12", "the role `Other` has no trust policy"),
        ("[aws.roles.Other]\ncolour = 1", ":4:1", "unknown field `colour`"),
        ("[aws.roles.GreengrassV2TokenExchangeRole]\ntrust = \"trust.json\"", ":3:1", "is the token exchange role"),
        ("[aws.keys.k]\nid = \"1\"", ":4:6", "`1` is no id of a KMS key"),
        ("[aws.secrets]\na = 1", ":4:5", "expected a secret's value, or { value, suffix, key, policy, tags }"),
        ("[aws.secrets]\na = { valeu = \"\" }", ":4:7", "unknown field `valeu`"),
        ("[aws.secrets]\na = { value = \"\", suffix = \"abc\" }", ":4:28", "`abc` is no suffix of a secret"),
        ("[aws.secrets]\na = { value = \"\", key = \"k\" }", ":1:", "the key `k`, which does not exist"),
        ("[aws.secrets]\nsecret1 = \"{token:none}\"", ":4:1", "names the token `none`, which does not exist"),
        ("[aws.buckets.A]", ":3:14", "`A` is no name of a bucket"),
        (
            "[aws.buckets.my-bucket]\npolicy = \"resource.json\"",
            "resource.json:1:",
            "S3 says: Policy has invalid resource",
        ),
        ("[aws.buckets.my-other]\npolicy = \"bucket.json\"", "bucket.json:1:", "S3 says: Policy has invalid resource"),
    ];
    for (text, place, message) in cases {
        let text = format!("{REGION}{text}");
        let Err(error) = with(&text) else { panic!("it was taken: {text}") };
        let told = error.to_string();
        let here = if place.starts_with(':') { format!("case.toml{place}") } else { place.to_owned() };
        assert!(told.contains(&here) && told.contains(message), "{text}\n{told}\n(wanted {here} {message})");
        assert!(!error.hint.is_empty());
    }
    let error = with("[aws]\nregion = \"eu-west-1\"\nscps = [[\"allow.json\"], []]").unwrap_err();
    assert!(error.to_string().contains("case.toml:3:25: a level without a service control policy"), "{error}");
}
