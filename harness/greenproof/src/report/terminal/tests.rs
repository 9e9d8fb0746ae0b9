//! What a terminal shows, as committed files: `UPDATE_EXPECT=1 cargo nextest run -p greenproof terminal` makes them anew.

use super::*;
use crate::{
    report::{Found, kept::Kept},
    verdict::Kind,
};
use indicatif::{InMemoryTerm, ProgressDrawTarget};

const LONG: &str =
    "deploy com.example.GithubCustomPack 1.0.0, aws.greengrass.TokenExchangeService 2.0.3 to group fleet";

fn event(name: &str, told: Told) -> Event {
    Event { scenario: (!name.is_empty()).then(|| name.to_owned()), ..Event::now(told) }
}

fn begun() -> Told {
    let steps = vec![LONG.to_owned(), "run true".to_owned(), "await `a` in state RUNNING".to_owned()];
    let summary = "a component installs a private package".to_owned();
    Told::Begun { summary, file: Some("a.toml".to_owned()), stages: vec!["environment".to_owned()], steps }
}

fn seen(text: &str, detail: &str, refused: bool) -> Told {
    Told::Seen { kind: Sight::Call, text: text.to_owned(), detail: detail.to_owned(), refused }
}

fn stage(done: bool) -> Told {
    let (stage, detail) = ("environment".to_owned(), "aws, github and device are up".to_owned());
    if done { Told::StageEnded { stage, detail, milliseconds: 3412 } } else { Told::StageBegun { stage } }
}

fn step_ended(step: usize, action: &str, came: &str, as_expected: bool) -> Told {
    Told::StepEnded { step, action: action.to_owned(), came: came.to_owned(), as_expected, milliseconds: 65_000 }
}

fn judged(verdict: Came, findings: &[(Kind, &str, &str)]) -> Told {
    let found = |(kind, expected, seen): &(Kind, &str, &str)| Found {
        kind: *kind,
        expected: (*expected).to_owned(),
        seen: (*seen).to_owned(),
        file: Some("a.toml".to_owned()),
        line: Some(12),
    };
    let failed = verdict == Came::Failed;
    Told::Judged(Box::new(Judged {
        verdict,
        why: if findings.is_empty() && verdict != Came::Passed {
            "no nucleus lite is given".to_owned()
        } else {
            String::new()
        },
        findings: findings.iter().map(found).collect(),
        devices: Vec::new(),
        leaks: Vec::new(),
        file: Some("a.toml".to_owned()),
        evidence: Some("greenproof-evidence/a".to_owned()),
        bundle: None,
        again: failed.then(|| "greenproof reproduce greenproof-evidence/a/bundle.tar.gz".to_owned()),
        versions: [].into(),
        output: String::new(),
        milliseconds: 68_512,
        attempts: Vec::new(),
    }))
}

/// Everything that a terminal shows: a good run, a bad one, one that is skipped, and their end.
fn stream() -> Vec<Event> {
    let building = |line: &str| Told::Building { image: "device".to_owned(), line: line.to_owned() };
    let findings = [
        (
            Kind::Deployment,
            "step 1: the deployment ends SUCCEEDED",
            "FAILED FAILED_NO_STATE_CHANGE [DEPLOYMENT_FAILURE]",
        ),
        (Kind::Line, "the Run of `A` prints the line `s3: Amazon S3`", "it printed nothing"),
    ];
    let denied = seen("secretsmanager:GetSecretValue: AccessDeniedException", "denied on arn:aws:x", true);
    vec![
        event("", Told::stream()),
        event("", building("Step 1/2 : FROM x")),
        event("", building("---> 0123456789ab")),
        event("", Told::note("images ready after 61 s")),
        event("good", begun()),
        event("good", stage(false)),
        event("good", Told::Waiting { what: "LocalStack to start".to_owned() }),
        event("good", stage(true)),
        event("good", Told::StepBegun { step: 1, action: LONG.to_owned() }),
        event("good", seen("s3:GetObject", "allowed on arn:aws:s3:::b/k", false)),
        event("good", step_ended(1, LONG, "SUCCEEDED", true)),
        event("good", judged(Came::Passed, &[])),
        event("bad", begun()),
        event("bad", stage(false)),
        event("bad", stage(true)),
        event("bad", Told::StepBegun { step: 1, action: LONG.to_owned() }),
        event("bad", denied.clone()),
        event("bad", denied),
        event("bad", step_ended(1, LONG, "FAILED", false)),
        event("bad", judged(Came::Failed, &findings)),
        event("none", begun()),
        event("none", judged(Came::Skipped, &[])),
        event(
            "",
            Told::Ended {
                counts: [(Came::Passed, 1), (Came::Failed, 1), (Came::Skipped, 1)].into(),
                code: 1,
                milliseconds: 137_024,
            },
        ),
    ]
}

/// All of the stream, written line by line; control codes are made visible.
fn plain(look: Look) -> String {
    let kept = Kept::default();
    let terminal = Terminal::plain(look, Box::new(kept.clone()));
    for event in &stream() {
        terminal.take(event);
    }
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.replace('\u{1b}', "␛")
}

/// What a terminal of this size shows once so many events were taken, above and on its screen.
fn live(columns: u16, events: usize) -> String {
    let screen = InMemoryTerm::new(60, columns);
    let lines = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
    let terminal = Terminal::live(Look { width: columns.into(), ..Look::PLAIN }, lines);
    for event in stream().iter().take(events) {
        terminal.take(event);
    }
    // What runs turns, and its time goes on.
    let text = screen.contents().replace(|letter| ('\u{2800}'..='\u{28ff}').contains(&letter), "⠁");
    regex::Regex::new(r"(?m)\b\d+s$").unwrap().replace_all(&text, "0s").into_owned()
}

/// Holds a text against the file of this name.
fn is_as_committed(name: &str, text: &str) {
    let text = format!("{}\n", text.trim_end());
    expect_test::expect_file![format!("snapshots/{name}.txt")].assert_eq(&text);
}

#[test]
fn a_pipe_gets_plain_lines() {
    fidelity::fidelity!("terminal-1");
    let text = plain(Look::PLAIN);
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text}");
    is_as_committed("plain", &text);
}

#[test]
fn what_matters_stands_above_the_prompt() {
    let text = plain(Look::PLAIN);
    let of_bad = text.split("FAILED bad in").nth(1).unwrap().split("none:").next().unwrap();
    let last: Vec<_> = of_bad.lines().rev().take(6).map(str::trim).collect();
    let expected = [
        "again: greenproof reproduce greenproof-evidence/a/bundle.tar.gz",
        "evidence: greenproof-evidence/a",
        "stated:   a.toml:12",
        "seen:     FAILED FAILED_NO_STATE_CHANGE [DEPLOYMENT_FAILURE]",
        "expected: step 1: the deployment ends SUCCEEDED",
        "✗ deployment",
    ];
    assert_eq!(last, expected, "{text}");
}

#[test]
fn narrow_lines_fit() {
    for width in [40, 60] {
        let text = plain(Look { width, ..Look::PLAIN });
        let steps = text.lines().filter(|line| ["  ✓ ", "  ✗ ", "  - "].iter().any(|mark| line.starts_with(mark)));
        for line in steps.filter(|line| line.len() > 20) {
            assert!(line.chars().count() <= width, "{line}");
        }
        is_as_committed(&format!("plain-{width}"), &text);
    }
}

#[test]
fn colours_are_shown_where_they_are_wanted() {
    is_as_committed("colour", &plain(Look { colour: true, ..Look::PLAIN }));
}

#[test]
fn each_call_is_shown_when_it_is_asked_for() {
    let text = plain(Look { verbose: true, ..Look::PLAIN });
    assert_eq!(text.matches("· s3:GetObject  allowed on arn:aws:s3:::b/k").count(), 1);
    assert_eq!(text.matches("GetSecretValue: AccessDeniedException  denied on arn:aws:x").count(), 2);
    assert!(!plain(Look::PLAIN).contains("s3:GetObject"), "otherwise only what was refused is");
}

#[test]
fn a_terminal_shows_the_plan_as_it_goes_on() {
    fidelity::fidelity!("terminal-2");
    for (name, events) in [("building", 3), ("planned", 5), ("waiting", 7), ("running", 10), ("stepped", 11)] {
        is_as_committed(&format!("live-{name}"), &live(80, events));
    }
    is_as_committed("live-running-40", &live(40, 10));
}

/// When all is done, nothing of what moved is left.
#[test]
fn in_the_end_a_terminal_shows_what_a_pipe_gets() {
    let live = live(80, usize::MAX);
    assert!(!live.contains("waiting\n") && !live.contains('⠁'), "{live}");
    let ends = |text: &str| text.split("3 scenarios in").nth(1).map(str::to_owned);
    assert_eq!(ends(&live).unwrap().trim_end(), ends(&plain(Look::PLAIN)).unwrap().trim_end());
}
