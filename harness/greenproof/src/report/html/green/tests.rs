use super::*;
use crate::{report::html::tests::COMPONENT, verdict::tests::recorded};

fn difference(change: impl FnOnce(&mut Evidence)) -> Difference {
    let mut evidence = recorded();
    change(&mut evidence);
    Difference::of(&Green::of(&recorded()), &Green::of(&evidence))
}

/// The recorded run as it would be at another time, on another device of another account.
fn again(evidence: &mut Evidence) {
    let text = serde_json::to_string(evidence).unwrap();
    let minted = [
        (evidence.account.clone(), "210987654321"),
        (evidence.thing.clone(), "core-zzzzzzzz"),
        (evidence.environment.clone(), "qqqqqqqq"),
        (evidence.certificate.clone(), &"ab".repeat(32)),
        ("2026-11-25T02:".to_owned(), "2027-01-02T11:"),
        ("pip-req-build-".to_owned(), "pip-req-build-other"),
    ];
    let text = minted.iter().fold(text, |text, (from, to)| text.replace(from.as_str(), to));
    *evidence = serde_json::from_str(&text).unwrap();
}

#[test]
fn what_is_minted_and_the_time_are_no_difference() {
    let none = difference(again);
    assert!(none.is_none(), "{none:#?}");
}

#[test]
fn what_a_run_does_otherwise_is_told() {
    let call = difference(|evidence| {
        evidence.events.retain(|event| !matches!(&event.what, What::Api(call) if call.event_name == "GetSecretValue"));
    });
    let [entry] = &*call.calls else { panic!("{call:#?}") };
    assert!(entry.what.starts_with("secretsmanager:GetSecretValue on arn:aws:secretsmanager:"), "{entry:?}");
    assert_eq!((entry.green.as_str(), entry.now.as_str()), ("allowed 1×", "not asked"));
    assert!(call.states.is_empty() && call.printed.is_empty());

    let printed = difference(|evidence| {
        let log = evidence.component_logs.get_mut(COMPONENT).unwrap();
        *log = log.replace("stdout. s3: Amazon S3.", "stdout. s3: Amazon S3 and more.");
    });
    let [one] = &*printed.printed else { panic!("{printed:#?}") };
    assert_eq!(one.of, format!("{COMPONENT} Run stdout"));
    let changed: Vec<_> =
        one.lines.iter().filter(|(sign, _)| *sign != ' ').map(|(sign, line)| (*sign, line.as_str())).collect();
    assert_eq!(changed, [('-', "s3: Amazon S3"), ('+', "s3: Amazon S3 and more")]);

    let states =
        difference(|evidence| evidence.core_log = evidence.core_log.replace("newState=FINISHED", "newState=BROKEN"));
    assert!(states.states.iter().any(|entry| entry.what == COMPONENT && entry.now.ends_with("BROKEN")), "{states:#?}");

    let slow = difference(|evidence| evidence.steps[0].ended = "2026-11-25T03:24:39.730Z".into());
    assert!(slow.steps[0].differs && !slow.is_none());
}

#[test]
fn what_is_kept_is_read_back_and_another_format_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = Green::file(folder.path(), "name");
    assert_eq!(file, folder.path().join(".green/name.json"));
    assert_eq!(Green::read(&file), None);
    let green = Green::of(&recorded());
    green.keep(&file).unwrap();
    assert_eq!(Green::read(&file), Some(green.clone()));
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size < 20_000, "{size} bytes");
    Green { format: FORMAT + 1, ..green }.keep(&file).unwrap();
    assert_eq!(Green::read(&file), None);
}
