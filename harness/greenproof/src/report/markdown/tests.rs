use super::*;
use crate::{report::Found, verdict::Kind};
use std::collections::BTreeMap;

fn judged(name: &str, verdict: Came, findings: &[(&str, &str)]) -> Event {
    let found = |(expected, seen): &(&str, &str)| Found {
        kind: Kind::Line,
        expected: (*expected).to_owned(),
        seen: (*seen).to_owned(),
        file: Some("a.toml".to_owned()),
        line: Some(7),
    };
    let judged = Judged {
        verdict,
        why: String::new(),
        findings: findings.iter().map(found).collect(),
        devices: Vec::new(),
        leaks: Vec::new(),
        file: None,
        evidence: None,
        bundle: None,
        again: Some("greenproof run a.toml".to_owned()),
        versions: BTreeMap::new(),
        output: String::new(),
        milliseconds: 1500,
        attempts: Vec::new(),
    };
    Event { scenario: Some(name.to_owned()), ..Event::now(Told::Judged(Box::new(judged))) }
}

#[test]
fn failures_come_first_and_in_full() {
    let events = [judged("good", Came::Passed, &[]), judged("bad", Came::Failed, &[("```x", "<b>y")])];
    let expected = "## greenproof: 1 passed, 1 failed\n\n### ❌ ` bad `: failed\n\n**line**, stated in ` a.toml:7 `\n\n\
                    ````text\nexpected: ```x\nseen:     <b>y\n````\n\nagain:\n\n```text\ngreenproof run a.toml\n```\n\n\
                    - ✅ ` good ` in 1.5 s\n";
    assert_eq!(markdown(&events, LIMIT), expected);
}

/// 200 scenarios with long findings: a step's summary has its limit, in bytes, and nothing is cut in the middle.
#[test]
fn a_summary_stays_within_the_limit() {
    fidelity::fidelity!("github-out-3");
    let long = "é`".repeat(50_000);
    let findings: Vec<_> = (0..8).map(|_| (long.as_str(), long.as_str())).collect();
    let mut events: Vec<_> = (0..200).map(|index| judged(&format!("bad{index}"), Came::Failed, &findings)).collect();
    events.extend((0..200).map(|index| judged(&format!("good{index}"), Came::Passed, &[])));
    let text = markdown(&events, LIMIT);
    assert!(text.len() <= LIMIT && text.len() > LIMIT / 2, "{}", text.len());
    assert!(text.starts_with("## greenproof: 200 passed, 200 failed\n"));
    let shown = text.matches("### ❌").count();
    assert!((1..200).contains(&shown), "{shown}");
    let tail: String = text.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(tail.contains(&format!("{} more failures", 200 - shown)), "{tail}");
    let fences = text.lines().filter(|line| line.starts_with("```")).count();
    assert!(fences % 2 == 0, "every block is closed");
    for room in [0, 10, 100, 1000] {
        assert!(markdown(&events, room).len() <= room, "{room}");
    }
}
