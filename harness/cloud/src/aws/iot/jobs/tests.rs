use super::{
    super::{
        deployments::Deployments,
        tests::{everything, world},
    },
    *,
};
use crate::world::Target;

/// The jobs of deployments `NAME`, each to its own group unless it says `NAME:GROUP`, and the account that makes more.
struct Account {
    deployments: Deployments,
    jobs: Jobs,
}

impl Account {
    fn new(names: &[&str]) -> Self {
        let deployments = Deployments::new(&world(&everything(), &[]));
        let mut account = Self { deployments, jobs: Jobs::new("Core", None) };
        for name in names {
            account.deploy(name);
        }
        account
    }

    fn deploy(&mut self, name: &str) -> Vec<Reply> {
        let (id, group) = name.split_once(':').unwrap_or((name, name));
        let order = json!({
            "id": id, "job": format!("j-{id}"), "target": {"group": group}, "components": {}
        });
        let revision = self.deployments.create(&serde_json::from_value(order).unwrap()).unwrap();
        assert_eq!(revision.target, Target::Group(group.to_owned()));
        self.jobs.queue(revision)
    }

    fn ask(&mut self, path: &str, payload: &str) -> Vec<Reply> {
        let segments: Vec<_> = path.split('/').collect();
        self.jobs.answer(&segments, path, payload.as_bytes())
    }

    fn update(&mut self, job: &str, status: &str) -> Vec<Reply> {
        self.ask(&format!("{job}/update"), &json!({"status": status}).to_string())
    }

    fn next(&mut self) -> Value {
        self.ask("$next/get", "{}").remove(0).payload["execution"]["jobId"].take()
    }
}

/// The notice about the list, as job ids by status, and the one about what is next.
fn told(replies: &[Reply]) -> Vec<(&str, Value)> {
    let notices = replies.iter().filter(|reply| reply.topic.contains("/jobs/notify-"));
    let ids = |list: &Value| -> Value { list.as_array().unwrap().iter().map(|one| one["jobId"].clone()).collect() };
    notices
        .map(|notice| match notice.payload.get("jobs").and_then(Value::as_object) {
            Some(jobs) => ("list", jobs.iter().map(|(status, list)| (status.clone(), ids(list))).collect()),
            None => ("next", notice.payload["execution"]["jobId"].clone()),
        })
        .collect()
}

#[test]
fn bad_requests_get_the_documented_codes() {
    fidelity::fidelity!("iot-14");
    let mut account = Account::new(&["1"]);
    let long = json!({"status": "FAILED", "statusDetails": {"a": "x".repeat(1025)}}).to_string();
    let cases = [
        ("j-1/update", "{", "InvalidJson"),
        ("j-1/update", "[]", "InvalidRequest"),
        ("j-1/update", r#"{"status": "DONE"}"#, "InvalidRequest"),
        ("j-1/update", r#"{"status": "CANCELED"}"#, "InvalidRequest"),
        ("j-1/update", &long, "InvalidRequest"),
        ("j-1/update", r#"{"status": "FAILED", "statusDetails": {"a": ""}}"#, "InvalidRequest"),
        ("j-1/update", r#"{"status": "FAILED", "statusDetails": {"a": "two\nlines"}}"#, "InvalidRequest"),
        ("j-1/update", r#"{"status": "FAILED", "statusDetails": {"a": 1}}"#, "InvalidRequest"),
        ("j-1/update", r#"{"status": "FAILED", "statusDetails": {"a b": "c"}}"#, "InvalidRequest"),
        ("j-2/update", r#"{"status": "FAILED"}"#, "ResourceNotFound"),
        ("j-1/update", r#"{"status": "FAILED", "expectedVersion": 7}"#, "VersionMismatch"),
        ("j-1/other", "{}", "InvalidTopic"),
    ];
    for (path, payload, code) in cases {
        let replies = account.ask(path, payload);
        let answer = (replies[0].topic.as_str(), &replies[0].payload["code"]);
        assert_eq!(answer, (&*format!("{path}/rejected"), &json!(code)));
    }
    assert!(account.ask("notify", "{}").is_empty());
    assert_eq!(account.update("j-1", "REJECTED").len(), 3);
    assert_eq!(account.ask("j-1/get", "{}")[0].payload["code"], "TerminalStateReached");
}

#[test]
fn the_pending_list_follows_the_status() {
    fidelity::fidelity!("iot-15");
    let mut account = Account::new(&["1"]);
    assert_eq!(account.ask("get", "{}")[0].payload["queuedJobs"][0]["jobId"], "j-1");
    account.update("j-1", "IN_PROGRESS");
    let list = account.ask(&format!("{NAMESPACE}/get"), "").remove(0).payload;
    assert_eq!((&list["queuedJobs"], &list["inProgressJobs"][0]["versionNumber"]), (&json!([]), &json!(2)));
}

#[test]
fn jobs_are_taken_in_order_and_each_change_of_the_list_is_told() {
    fidelity::fidelity!("iot-13", "iot-27");
    let mut account = Account::new(&[]);
    assert_eq!(told(&account.deploy("1")), [("list", json!({"QUEUED": ["j-1"]})), ("next", json!("j-1"))]);
    assert_eq!(told(&account.deploy("2")), [("list", json!({"QUEUED": ["j-1", "j-2"]}))]);
    assert_eq!(account.next(), "j-1");
    // What is in progress comes first, whatever was queued before it.
    assert_eq!(told(&account.update("j-2", "IN_PROGRESS")), [("next", json!("j-2"))]);
    assert_eq!(
        told(&account.update("j-2", "SUCCEEDED")),
        [("list", json!({"QUEUED": ["j-1"]})), ("next", json!("j-1"))]
    );
    assert!(told(&account.update("j-1", "IN_PROGRESS")).is_empty());
    assert_eq!(told(&account.update("j-1", "FAILED")), [("list", json!({})), ("next", Value::Null)]);
    assert_eq!(account.next(), Value::Null);
}

#[test]
fn a_cancelled_job_leaves_the_list_and_takes_no_status() {
    fidelity::fidelity!("iot-28");
    for begun in [false, true] {
        let mut account = Account::new(&["1", "2"]);
        if begun {
            account.update("j-1", "IN_PROGRESS");
        }
        let notices = account.jobs.cancel("1");
        assert_eq!(told(&notices), [("list", json!({"QUEUED": ["j-2"]})), ("next", json!("j-2"))]);
        let late = account.update("j-1", "SUCCEEDED").remove(0).payload;
        let state = (&late["code"], &late["executionState"]["status"]);
        assert_eq!(state, (&json!("InvalidStateTransition"), &json!("CANCELED")));
        assert_eq!(told(&account.jobs.cancel("2")), [("list", json!({})), ("next", Value::Null)]);
        assert!(account.jobs.cancel("2").is_empty(), "what is over can't be cancelled again");
    }
}

#[test]
fn a_new_revision_for_a_group_cancels_the_one_before_it() {
    fidelity::fidelity!("iot-28");
    let mut account = Account::new(&["1:G", "2:other"]);
    account.update("j-1", "IN_PROGRESS");
    let notices = account.deploy("3:G");
    let expected =
        [("list", json!({"QUEUED": ["j-2"]})), ("next", json!("j-2")), ("list", json!({"QUEUED": ["j-2", "j-3"]}))];
    assert_eq!(told(&notices), expected);
    assert_eq!(account.ask("j-1/get", "{}")[0].payload["code"], "TerminalStateReached");
    account.update("j-2", "SUCCEEDED");
    account.update("j-3", "SUCCEEDED");
    // One that has ended is only followed, not cancelled.
    assert_eq!(told(&account.deploy("4:G")).len(), 2);
    let document = account.ask("$next/get", "{}").remove(0).payload["execution"]["jobDocument"].take();
    assert!(document["configurationArn"].as_str().unwrap().ends_with("thinggroup/G:3"), "{document}");
}

#[test]
fn start_next_begins_what_is_next() {
    fidelity::fidelity!("iot-29");
    let mut account = Account::new(&["1"]);
    let asked = r#"{"statusDetails": {"step": "one"}, "clientToken": "t"}"#;
    let started = account.ask("start-next", asked).remove(0);
    assert_eq!((started.topic.as_str(), &started.payload["clientToken"]), ("start-next/accepted", &json!("t")));
    let execution = &started.payload["execution"];
    assert_eq!((&execution["status"], &execution["versionNumber"]), (&json!("IN_PROGRESS"), &json!(2)));
    assert_eq!(execution["jobDocument"]["deploymentId"], "1");
    // It stays as it is when it has begun.
    let again = account.ask("start-next", "{}").remove(0).payload;
    assert_eq!(again["execution"]["versionNumber"], 2);
    assert_eq!(again["execution"]["statusDetails"], json!({"step": "one"}));
    account.update("j-1", "SUCCEEDED");
    assert!(account.ask("start-next", "{}").remove(0).payload.get("execution").is_none());
}
