//! A recorded run with leaks put into it, judged by each thing that a scenario can say of leaks.

use super::*;
use crate::{
    Verdict,
    evidence::Search,
    scenario::MustFail,
    verdict::{
        judge,
        tests::{recorded, scenario},
    },
};

fn leak(secret: &str, place: &str, stays: bool) -> Leak {
    Leak {
        secret: secret.into(),
        encoding: "raw".into(),
        whole: true,
        place: place.into(),
        readers: "every local user".into(),
        stays,
        began: "2026-01-01T00:00:00Z".into(),
        milliseconds: 40,
        ..Leak::default()
    }
}

const TOKEN: &str = "token `mypat`";

fn transient() -> Leak {
    leak(TOKEN, "arguments of git-remote-https", false)
}

fn staying() -> Leak {
    leak(TOKEN, "file /tmp/x/.git/config, line 7", true)
}

/// The recorded run with these leaks, found by a search of this kind.
fn seen(leaks: Vec<Leak>, search: Option<Search>) -> Evidence {
    Evidence { leaks, search, ..recorded() }
}

fn judged(leaks: Option<Leaks>, evidence: &Evidence) -> Vec<String> {
    match judge(&Scenario { leaks, ..scenario() }, evidence) {
        Verdict::Passed => Vec::new(),
        Verdict::Failed { findings } => {
            assert!(findings.iter().all(|finding| finding.kind == Kind::Leak), "{findings:?}");
            findings.into_iter().map(|finding| finding.seen).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn accepted(place: &str) -> Leaks {
    let pattern = Pattern { place: place.into(), ..Pattern::default() };
    Leaks::But(vec![Accepted { pattern, reason: "the URL form".into() }])
}

#[test]
fn none_is_none_at_any_time_and_none_after_is_none_that_stays() {
    let evidence = seen(vec![transient(), staying()], Some(Search::default()));
    assert_eq!(judged(Some(Leaks::None), &evidence).len(), 2);
    let after = judged(Some(Leaks::NoneAfter), &evidence);
    assert!(after.len() == 1 && after[0].starts_with("file /tmp/x/.git/config, line 7; "), "{after:?}");
    let clean = seen(vec![transient()], Some(Search::default()));
    assert_eq!(judged(Some(Leaks::NoneAfter), &clean), [""; 0]);
    let scenario = Scenario { leaks: Some(Leaks::NoneAfter), ..scenario() };
    assert_eq!(leaks(&scenario, &clean).accepted[0].1, "it is gone at the end");
}

#[test]
fn what_is_accepted_is_told_with_its_reason_and_all_else_is_a_finding() {
    let evidence = seen(vec![transient(), staying()], Some(Search::default()));
    let found = judged(Some(accepted("arguments of *")), &evidence);
    assert!(found.len() == 1 && found[0].starts_with("file "), "{found:?}");
    let scenario = Scenario { leaks: Some(accepted("arguments of *")), ..scenario() };
    let judgement = leaks(&scenario, &evidence);
    assert_eq!(judgement.accepted, [(&evidence.leaks[0], "the URL form".to_owned())]);
    let none = seen(Vec::new(), Some(Search::default()));
    assert_eq!(leaks(&scenario, &none).notes, ["accepted, but not found: arguments of *"]);
}

#[test]
fn a_search_that_missed_something_or_did_not_happen_is_never_none() {
    let lost = Search { incomplete: vec!["3 events were lost".into()], ..Search::default() };
    for stated in [Leaks::None, Leaks::NoneAfter, accepted("x")] {
        let found = judged(Some(stated.clone()), &seen(Vec::new(), Some(lost.clone())));
        assert_eq!(found, ["it is incomplete: 3 events were lost"]);
        let found = judged(Some(stated), &seen(Vec::new(), None));
        assert_eq!(found, ["it is incomplete: the device was not searched"]);
    }
    assert_eq!(judged(None, &seen(Vec::new(), None)), [""; 0]);
    let sampled = Search { processes: Processes::Sampled, ..Search::default() };
    let evidence = seen(Vec::new(), Some(sampled));
    assert_eq!(judged(Some(Leaks::None), &evidence), [""; 0]);
    let scenario = Scenario { leaks: Some(Leaks::None), ..scenario() };
    assert_eq!(
        leaks(&scenario, &evidence).notes,
        ["arguments and environments were sampled, which may miss short ones"]
    );
}

#[test]
fn what_a_device_has_by_design_is_accepted_at_its_place_alone() {
    let root = |secret: &str, place: &str| Leak { readers: "root".into(), ..leak(secret, place, true) };
    let by_design = [
        leak(LEARNED, "environment of sh, variable AWS_CONTAINER_AUTHORIZATION_TOKEN", false),
        leak(LEARNED, "environment of python3, variable SVCUID", true),
        root(DEVICE_KEY, "file /greengrass/v2/private.pem.key, line 1"),
    ];
    let evidence = seen(by_design.to_vec(), Some(Search::default()));
    assert_eq!(judged(Some(Leaks::None), &evidence), [""; 0]);
    let others = [
        leak(LEARNED, "environment of sh, variable SUDO_COMMAND", false),
        leak(LEARNED, "arguments of curl", false),
        leak(TOKEN, "environment of sh, variable AWS_CONTAINER_AUTHORIZATION_TOKEN", false),
        leak(DEVICE_KEY, "file /greengrass/v2/private.pem.key, line 1", true),
        root(DEVICE_KEY, "file /tmp/private.pem.key, line 1"),
    ];
    for other in others {
        let evidence = seen(vec![other.clone()], Some(Search::default()));
        assert_eq!(judged(Some(Leaks::None), &evidence).len(), 1, "{}", other.place);
    }
}

#[test]
fn a_scenario_that_must_fail_states_every_leak() {
    let scenario = Scenario { leaks: Some(Leaks::None), ..scenario() };
    let evidence = seen(vec![transient(), staying()], Some(Search::default()));
    let verdict = judge(&scenario, &evidence);
    let pattern = |place: &str, readers: &str| Pattern {
        place: place.into(),
        readers: Some(readers.into()),
        ..Pattern::default()
    };
    let differences = |leaks: Vec<Pattern>| {
        let stated = MustFail { findings: vec!["leak".into()], leaks, ..MustFail::default() };
        stated.differences(&scenario, &verdict, &evidence)
    };
    let arguments = pattern("arguments of git-remote-https", "every local user");
    let file = pattern("file /tmp/*/.git/config", "every local user");
    assert_eq!(differences(vec![arguments.clone(), file.clone()]), [""; 0]);
    assert_eq!(differences(Vec::new()), [""; 0], "nothing is stated of them");
    let other = differences(vec![arguments.clone()]);
    assert!(other.len() == 1 && other[0].starts_with("a leak that is not stated"), "{other:?}");
    let missing = differences(vec![arguments, file, pattern("file /home/*", "root")]);
    assert!(missing.len() == 1 && missing[0].starts_with("no leak is `file /home/*, readers root`"), "{missing:?}");
}
