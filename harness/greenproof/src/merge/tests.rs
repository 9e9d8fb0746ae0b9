use super::*;
use crate::{
    report::{Came, Found, Judged, junit, markdown},
    suite::Partition,
    verdict::Kind,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn event(name: &str, told: Told) -> Event {
    Event { scenario: Some(name.to_owned()), time: "2026-01-01T00:00:00.000Z".to_owned(), told }
}

fn judged(name: &str, root: &Path) -> Judged {
    let red = name == "b";
    let found = Found { kind: Kind::Line, expected: "x".into(), seen: "y".into(), file: None, line: None };
    let folder = root.join(name).display().to_string();
    let bundle = format!("{folder}/bundle.tar.gz");
    Judged {
        verdict: if red { Came::Failed } else { Came::Passed },
        why: String::new(),
        findings: if red { vec![found] } else { Vec::new() },
        devices: Vec::new(),
        leaks: Vec::new(),
        file: Some(format!("{name}.toml")),
        evidence: Some(folder),
        again: red.then(|| format!("greenproof reproduce {bundle}")),
        bundle: red.then_some(bundle),
        versions: [("core".to_owned(), "emulated".to_owned())].into(),
        output: String::new(),
        milliseconds: 10,
        attempts: Vec::new(),
    }
}

/// What a run of these of all names leaves in a folder.
fn ran(root: &Path, names: &[&str], partition: Option<&str>) {
    let mut events = vec![Event::now(Told::stream())];
    let scenarios = NAMES.map(str::to_owned).to_vec();
    events.push(Event::now(Told::Chosen { scenarios, partition: partition.map(str::to_owned), here: names.len() }));
    events.push(Event::now(Told::note("images ready after 3 s")));
    fs::create_dir_all(root).unwrap();
    for name in names {
        let steps = vec!["one".to_owned()];
        let begun = Told::Begun { summary: format!("it is {name}"), file: None, stages: Vec::new(), steps };
        let own = [event(name, begun), event(name, Told::Judged(Box::new(judged(name, root))))];
        let folder = root.join(name);
        fs::create_dir_all(folder.join("scenario")).unwrap();
        for file in ["evidence.json", "report.html", "scenario/x.toml"] {
            fs::write(folder.join(file), *name).unwrap();
        }
        let stream: Vec<_> = [Event::now(Told::stream())].into_iter().chain(own.clone()).collect();
        write_stream(&stream, &folder.join(report::NAME)).unwrap();
        events.extend(own);
    }
    let judged: Vec<_> = names.iter().map(|name| judged(name, root)).collect();
    let mut counts = BTreeMap::new();
    for judged in &judged {
        *counts.entry(judged.verdict).or_default() += 1;
    }
    let code = if names.is_empty() { exit::PASSED } else { exit::told(judged.iter()) };
    events.push(Event::now(Told::Ended { counts, code, milliseconds: 10 }));
    write_stream(&events, &root.join(report::NAME)).unwrap();
}

/// What a folder of evidence has, with times and its own name left out.
fn content(root: &Path) -> BTreeMap<PathBuf, String> {
    fn below(folder: &Path, root: &Path, times: &regex::Regex, all: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, root, times, all);
            } else {
                let text = fs::read_to_string(&path).unwrap().replace(&root.display().to_string(), "ROOT");
                let text = times.replace_all(&text, "").into_owned();
                let text = text.lines().filter(|line| !line.contains("images ready")).collect::<Vec<_>>().join("\n");
                all.insert(path.strip_prefix(root).unwrap().to_owned(), text);
            }
        }
    }
    let mut all = BTreeMap::new();
    below(root, root, &regex::Regex::new(r#""time":"[^"]*""#).unwrap(), &mut all);
    all
}

#[test]
fn parts_put_together_are_the_run_of_all() {
    fidelity::fidelity!("partition-3");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ran(&at("whole"), &NAMES, None);
    let whole = Record::read(&at("whole/run.jsonl")).unwrap();
    html::write_index(&whole, &at("whole")).unwrap();
    for (by, parts) in [("slice", 2), ("hash", 3), ("slice", 7)] {
        let mut folders = Vec::new();
        for number in (1..=parts).rev() {
            let part = format!("{by}:{number}/{parts}");
            let partition: Partition = part.parse().unwrap();
            let here = NAMES.iter().enumerate().filter(|(index, name)| partition.has(*index, name));
            let here: Vec<_> = here.map(|(_, name)| *name).collect();
            folders.push(at(&part.replace(['/', ':'], "-")));
            ran(folders.last().unwrap(), &here, Some(&part));
        }
        let out = at(&format!("out-{by}-{parts}"));
        let merged = merge(&folders, &out).unwrap();
        assert_eq!(merged.code, exit::FINDING);
        assert_eq!(content(&out), content(&at("whole")), "{by} {parts}");
        let relocated = |text: String| text.replace(&out.display().to_string(), &at("whole").display().to_string());
        assert_eq!(junit(&merged.events).unwrap(), junit(&whole).unwrap());
        assert_eq!(relocated(markdown(&merged.events, 1 << 20)), markdown(&whole, 1 << 20));
    }
}

#[test]
fn what_no_part_has_run_is_not_overlooked() {
    fidelity::fidelity!("partition-4");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ran(&at("one"), &["a", "c", "e"], Some("slice:1/2"));
    let merged = merge(&[at("one")], &at("out")).unwrap();
    assert_eq!(merged.code, exit::ENVIRONMENT);
    let stopped = merged.events.iter().find_map(|event| match &event.told {
        Told::Stopped { error, .. } => Some(error.as_str()),
        _ => None,
    });
    assert_eq!(stopped, Some("of 5 scenarios 2 did not come to an end: `b`, `d`"));
    // Whoever is killed does not tell an end.
    ran(&at("two"), &["b", "d"], Some("slice:2/2"));
    let stream = fs::read_to_string(at("two/run.jsonl")).unwrap();
    let cut: Vec<_> = stream.lines().filter(|line| !line.contains("\"ended\"")).collect();
    fs::write(at("two/run.jsonl"), cut.join("\n")).unwrap();
    let merged = merge(&[at("one"), at("two")], &at("out")).unwrap();
    let last = &merged.events[merged.events.len() - 2].told;
    assert!(matches!(last, Told::Stopped { error, .. } if error.starts_with("a run was cut off: `")), "{last:?}");
    assert_eq!(merged.code, exit::ENVIRONMENT);
}

#[test]
fn what_are_no_parts_of_one_selection_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ran(&at("one"), &["a", "c"], Some("slice:1/2"));
    ran(&at("two"), &["b", "c"], Some("slice:2/2"));
    let refused = |folders: &[PathBuf], out: &str| {
        let error = merge(folders, &at(out)).unwrap_err();
        error.message.replace(&folder.path().display().to_string(), "")
    };
    assert_eq!(refused(&[at("one"), at("two")], "out"), "`c` was run twice: `/one` and `/two` both have it");
    assert_eq!(refused(&[at("one")], "one"), "`/one` is one of the runs");
    assert!(refused(&[at("none")], "out").contains("/none/run.jsonl`: No such file"));
    let stream = at("two/run.jsonl");
    let text = fs::read_to_string(&stream).unwrap();
    fs::write(&stream, text.replace(r#"["a","b","c","d","e"]"#, r#"["a","b"]"#)).unwrap();
    assert_eq!(refused(&[at("one"), at("two")], "out"), "`/two` and `/one` are not parts of one selection");
    fs::write(&stream, text.lines().filter(|line| !line.contains("\"chosen\"")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    assert_eq!(refused(&[at("two")], "out"), "`/two` does not say what was chosen");
}
