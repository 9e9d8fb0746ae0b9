use super::*;
use crate::report::{Reader, Telling, record};
use serde_json::json;

const SCHEMA: &str = include_str!("../../../../../docs/schema/run-1.json");
const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ456789";

/// One of each kind, with this text wherever a text can be.
fn all(text: &str) -> Vec<Told> {
    let text = || text.to_owned();
    let finding = Found { kind: Kind::Line, expected: text(), seen: text(), file: Some(text()), line: Some(7) };
    let attempt = Attempt {
        verdict: Came::Failed,
        why: text(),
        findings: vec![finding.clone()],
        evidence: Some(text()),
        milliseconds: 5,
    };
    let judged = Judged {
        verdict: Came::Failed,
        why: text(),
        findings: vec![finding],
        devices: vec![Device { thing: text(), verdict: Came::Passed, status: text(), faults: vec![text()] }],
        leaks: vec![text()],
        file: Some(text()),
        evidence: Some(text()),
        bundle: Some(text()),
        again: Some(text()),
        versions: [("core".to_owned(), text())].into(),
        output: text(),
        milliseconds: 1234,
        attempts: vec![attempt],
    };
    vec![
        Told::Stream { version: VERSION, greenproof: text() },
        Told::Chosen { scenarios: vec![text()], partition: Some(text()), here: 1 },
        Told::Building { image: text(), line: text() },
        Told::Waiting { what: text() },
        Told::Note { text: text() },
        Told::Begun { summary: text(), file: Some(text()), stages: vec![text()], steps: vec![text()] },
        Told::StageBegun { stage: text() },
        Told::StageEnded { stage: text(), detail: text(), milliseconds: 5 },
        Told::StepBegun { step: 1, action: text() },
        Told::Seen { kind: Sight::Call, text: text(), detail: text(), refused: true },
        Told::StepEnded { step: 1, action: text(), came: text(), as_expected: false, milliseconds: 5 },
        Told::Judged(Box::new(judged)),
        Told::Stopped { error: text(), hint: text() },
        Told::Ended { counts: [(Came::Passed, 1)].into(), code: 0, milliseconds: 5 },
    ]
}

/// The published schema, which here allows nothing that it does not describe.
struct Schema {
    schemas: boon::Schemas,
    line: boon::SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
        schema["unevaluatedProperties"] = json!(false);
        schema["$defs"]["finding"]["unevaluatedProperties"] = json!(false);
        schema["$defs"]["device"]["unevaluatedProperties"] = json!(false);
        schema["$defs"]["attempt"]["unevaluatedProperties"] = json!(false);
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("run-1.json", schema).unwrap();
        let line = compiler.compile("run-1.json", &mut schemas).unwrap();
        Self { schemas, line }
    }

    fn wrong(&self, line: &Value) -> Option<String> {
        self.schemas.validate(line, self.line).err().map(|error| format!("{error:#}"))
    }
}

#[test]
fn every_event_is_as_the_schema_says_and_comes_back() {
    fidelity::fidelity!("events-1");
    let schema = Schema::new();
    let mut kinds = Vec::new();
    for told in all("text") {
        let event = Event { scenario: Some("name".to_owned()), ..Event::now(told) };
        let line: Value = serde_json::from_str(&record::line(&event)).unwrap();
        assert_eq!(schema.wrong(&line), None, "{line}");
        assert_eq!(serde_json::from_value::<Event>(line.clone()).unwrap(), event);
        let mut wrong = line.clone();
        wrong["surprise"] = json!(1);
        assert!(schema.wrong(&wrong).is_some(), "{wrong}");
        let mut lacking = line.clone();
        lacking.as_object_mut().unwrap().remove("time");
        assert!(schema.wrong(&lacking).is_some(), "{lacking}");
        kinds.push(line["told"].as_str().unwrap().to_owned());
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let described = schema["oneOf"].as_array().unwrap().iter();
    let described: Vec<_> = described.map(|one| one["properties"]["told"]["const"].as_str().unwrap()).collect();
    assert_eq!(kinds, described, "each kind is described once, and told");
    let page = include_str!("../../../../../docs/EVENTS.md");
    for kind in kinds {
        assert!(page.contains(&format!("`{kind}`")), "docs/EVENTS.md does not describe `{kind}`");
    }
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let told = |told: &str| {
        let line = json!({"told": told, "time": "2026-01-01T00:00:00.000Z", "text": "x", "new": 1}).to_string();
        serde_json::from_str::<Event>(&line).unwrap().told
    };
    assert_eq!(told("note"), Told::note("x"));
    assert_eq!(told("something-new"), Told::Unknown);
}

/// Whatever text of whatever event a secret stands in, in whatever form.
#[test]
fn no_event_holds_a_secret() {
    fidelity::fidelity!("events-2");
    let redactor = Redactor::default().with("token", TOKEN);
    let record = crate::report::Record::default();
    let telling = Telling::new("name", &redactor, BTreeMap::new(), &record);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("x:{TOKEN}"));
    for text in [TOKEN.to_owned(), format!("https://{TOKEN}@github.com"), encoded] {
        let told = all(&text);
        let before = serde_json::to_string(&told).unwrap();
        assert!(!redactor.leaks(&before).is_empty(), "{before}");
        for one in told {
            telling.tell(one);
        }
    }
    let events = record.events();
    assert_eq!(events.len(), 3 * 14);
    for event in &events {
        let line = record::line(event);
        assert!(redactor.leaks(&line).is_empty(), "{line}");
        assert!(line.contains(crate::redact::MASK) || matches!(event.told, Told::Ended { .. }), "{line}");
    }
}

/// A secret may be any word: those of the stream itself stay, or nobody could read it.
#[test]
fn the_words_of_the_stream_stay() {
    let words = ["judged", "failed", "step-ended", "2026-01"];
    let redactor = words.iter().fold(Redactor::default(), |redactor, word| redactor.with(*word, word));
    for told in all("it is judged") {
        let event = Event { time: "2026-01-01T00:00:00.000Z".to_owned(), scenario: Some("failed".to_owned()), told };
        let clean = event.redacted(&redactor);
        assert_eq!((&clean.time, clean.scenario.as_deref()), (&event.time, Some("***")));
        assert_eq!(std::mem::discriminant(&clean.told), std::mem::discriminant(&event.told));
        if let Told::Judged(judged) = &clean.told {
            assert_eq!((judged.verdict, judged.findings[0].kind), (Came::Failed, Kind::Line));
            assert_eq!(judged.findings[0].seen, "it is ***");
        }
    }
}
