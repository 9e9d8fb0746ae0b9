use super::*;
use crate::{plan::Plan, verdict::tests};
use cloud::event::{Outcome, What};

/// The recorded run, as if it had been of this plan's account.
fn recorded() -> (Evidence, Documents) {
    let evidence = tests::recorded();
    let mut scenario = tests::scenario();
    scenario.aws.account = Some(evidence.account.clone());
    scenario.device.thing = Some(evidence.thing.clone());
    let plan = Plan::of(scenario).expect("the reference can be planned");
    (evidence, Documents::of_plan(&plan).expect("its policies are good"))
}

fn of<'a>(evidence: &'a Evidence, documents: &Documents) -> Decisions<'a> {
    Decisions::of(evidence, &Timeline::of(evidence), Some(documents))
}

/// The statement that is marked, as the page's script cuts it out.
fn marked(decisions: &Decisions<'_>, line: &Line<'_>) -> String {
    let [place] = &*line.places else { panic!("{line:?}") };
    let text: Vec<u16> = decisions.policies[place.policy].text.encode_utf16().collect();
    String::from_utf16(&text[place.statement.clone().expect("a statement decided")]).expect("it is cut at letters")
}

#[test]
fn the_statement_that_decided_is_marked_in_its_document() {
    let (evidence, documents) = recorded();
    let decisions = of(&evidence, &documents);
    let line = |action: &str| decisions.lines.iter().find(|line| line.action == action).expect("it was asked");
    let secret = line("secretsmanager:GetSecretValue");
    assert_eq!(secret.statement, Some("secret-read[0]"));
    let statement: serde_json::Value = serde_json::from_str(&marked(&decisions, secret)).expect("it is whole");
    assert!(statement["Action"].to_string().contains("secretsmanager:GetSecretValue"), "{statement}");
    let trust = line("sts:AssumeRole");
    assert!(marked(&decisions, trust).contains("credentials.iot.amazonaws.com"));
    assert_eq!(decisions.policies[trust.places[0].policy].layer, "resource");
    assert!(decisions.lines.iter().all(|line| line.why.is_empty()), "all come out the same again");
    let rows = Timeline::of(&evidence).rows;
    assert!(rows[secret.row.unwrap()].title.starts_with("secretsmanager:GetSecretValue"));
    assert!(rows[secret.row.unwrap()].decisions.is_some_and(|(first, _)| first == secret.number));
}

#[test]
fn what_no_statement_allows_has_the_policies_that_would_have_had_to() {
    let (mut evidence, documents) = recorded();
    let call = evidence.events.iter_mut().find_map(|event| match &mut event.what {
        What::Api(call) if call.decision.action == "secretsmanager:GetSecretValue" => Some(call),
        _ => None,
    });
    let decision = &mut call.expect("it was called").decision;
    decision.action = "secretsmanager:PutSecretValue".into();
    (decision.outcome, decision.statement) = (Outcome::ImplicitlyDenied, None);
    let decisions = of(&evidence, &documents);
    let line = decisions.lines.iter().find(|line| line.action == "secretsmanager:PutSecretValue").unwrap();
    let clause = "because no identity-based policy allows the secretsmanager:PutSecretValue action";
    assert_eq!(line.clause.as_deref(), Some(clause));
    assert_eq!(line.places.len(), 3, "the role has three policies");
    assert!(line.places.iter().all(|place| place.statement.is_none()));
}

#[test]
fn a_decision_by_other_policies_has_no_document() {
    let (mut evidence, documents) = recorded();
    for event in &mut evidence.events {
        if let What::Api(call) = &mut event.what {
            call.decision.statement = Some("brought-later[0]".into());
        }
    }
    let decisions = of(&evidence, &documents);
    let line = decisions.lines.iter().find(|line| line.action.starts_with("s3:")).unwrap();
    assert_eq!((line.why, line.places.len()), (CHANGED, 0));
}

#[test]
fn places_are_counted_as_scripts_count_letters() {
    let text = "{\"Id\": \"😀é\",\n \"Version\": \"2012-10-17\", \"Statement\": [{\"Sid\": \"S1\", \"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"}]}";
    let document = iam::Document::read(text, iam::Kind::Inline).unwrap();
    let policies = iam::Policies { identity: vec![iam::Policy::new("p", document)], ..iam::Policies::default() };
    let request = iam::Request::new("s3:GetObject", "arn:aws:s3:::b/k")
        .by(iam::Principal::parse("arn:aws:sts::111122223333:assumed-role/R/s"));
    let statement = iam::decide(&policies, &request).statement.unwrap();
    let range = range(text, statement).unwrap();
    let cut = String::from_utf16(&text.encode_utf16().collect::<Vec<_>>()[range]).unwrap();
    assert!(cut.starts_with("{\"Sid\"") && cut.ends_with("\"*\"}"), "{cut}");
    let masked = text.replace("\"2012-10-17\"", "***");
    assert_eq!(super::range(&masked, statement), None, "it stands elsewhere now");
}
