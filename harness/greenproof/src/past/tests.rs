use super::*;
use crate::{Plan, report::Silent, run, verdict::Verdict};

/// A stored run of the reference scenario, and its world's folder.
fn stored(folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let scenario = Scenario::load(&root.join("scenarios/private-package.toml")).unwrap();
    let text = fs::read_to_string(root.join("evidence/private-package.json")).unwrap();
    let evidence: Evidence = serde_json::from_str(&text).unwrap();
    let plan = Plan::of(scenario.clone()).unwrap();
    let verdict = judge(&scenario, &evidence);
    let took = Duration::from_secs(7);
    let outcome = Outcome { scenario, verdict, evidence: Some(evidence), folder: None, took, again: Vec::new() };
    let telling = Telling::new(&plan.scenario.name, &plan.redactor, crate::stage::versions(&plan.scenario), &Silent);
    telling.tell(Told::begun(&plan.scenario, &["environment"]));
    run::store(outcome, &plan, folder, Duration::from_mins(1), &telling).folder.unwrap()
}

/// The stored scenario with a text of it replaced, in a file of its own beside it.
fn changed(run: &Path, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(run.join("scenario/private-package.toml")).unwrap();
    assert!(text.contains(from), "{text}");
    let path = run.join("scenario/changed.toml");
    fs::write(&path, text.replace(from, to)).unwrap();
    path
}

fn judged(run: &Path, file: Option<&Path>) -> Result<Judged, Error> {
    let record = Record::default();
    Past::open(run)?.judge(file, &record)?;
    let told = record.events().into_iter().find_map(|event| match event.told {
        Told::Judged(judged) => Some(*judged),
        _ => None,
    });
    Ok(told.expect("the verdict is told"))
}

#[test]
fn a_run_is_told_again_and_judged_again() {
    fidelity::fidelity!("judge-1");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let events = Past::open(&run).unwrap().events().unwrap();
    assert!(matches!(events[0].told, Told::Stream { .. }));
    let Told::Judged(before) = &events.last().unwrap().told else { panic!("{events:?}") };
    let again = judged(&run, None).unwrap();
    assert_eq!(again.verdict, report::Came::Passed, "{again:?}");
    assert_eq!((&again.versions, again.milliseconds), (&before.versions, 7000));
    let same = judged(&run, Some(&run.join("scenario/private-package.toml"))).unwrap();
    assert_eq!((same.verdict, same.findings), (before.verdict, before.findings.clone()));
}

/// The twin: another expectation is red with exactly that finding, and points at its line.
#[test]
fn another_expectation_is_judged_by_what_was_seen() {
    fidelity::fidelity!("judge-2");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let file = changed(&run, "equals = \"s3: Amazon S3\"", "equals = \"s3: Amazon S4\"");
    let judged = judged(&run, Some(&file)).unwrap();
    let [finding] = judged.findings.as_slice() else { panic!("{judged:?}") };
    let expected = "the Run of `com.example.GithubCustomPack` prints the line `s3: Amazon S4`";
    assert_eq!((finding.kind, finding.expected.as_str()), (verdict::Kind::Line, expected));
    assert!(finding.seen.contains("s3: Amazon S3"), "{finding:?}");
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().position(|line| line.contains("Amazon S4")).unwrap() + 1;
    assert_eq!((finding.file.as_deref(), finding.line), (file.to_str(), Some(line)));
    assert_eq!(judged.again, Some(format!("greenproof run {}", file.display())));
}

/// A failed run is judged the same from its bundle.
#[test]
fn a_bundle_is_a_run_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let past = Past::open(&run).unwrap();
    let file = changed(&run, "equals = \"s3: Amazon S3\"", "equals = \"never\"");
    let scenario = Scenario::load(&file).unwrap();
    let outcome = past.judge(Some(&file), &Silent).unwrap();
    assert!(matches!(outcome.verdict, Verdict::Failed { .. }));
    let plan = Plan::of(scenario).unwrap();
    let telling = Telling::new("changed", &plan.redactor, [].into(), &Silent);
    let outcome = run::store(outcome, &plan, &folder.path().join("failed"), Duration::from_mins(1), &telling);
    let from_folder = judged(outcome.folder.as_deref().unwrap(), None).unwrap();
    let from_bundle = judged(&outcome.bundle().unwrap(), None).unwrap();
    assert_eq!(from_folder.findings.len(), 1);
    let told = |judged: &Judged| judged.findings.iter().map(report::Found::told).collect::<Vec<_>>();
    assert_eq!(told(&from_folder), told(&from_bundle));
}

#[test]
fn a_scenario_that_does_something_else_is_refused() {
    fidelity::fidelity!("judge-5");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let file = changed(&run, "[deployment]", "[deployment]\n\"aws.greengrass.Cli\" = \"2.0.0\"");
    let error = judged(&run, Some(&file)).unwrap_err();
    assert!(error.message.starts_with("step 1 of the run was `deploy "), "{error}");
    assert!(error.message.contains("and the scenario says `deploy aws.greengrass.Cli 2.0.0, "), "{error}");
    assert!(error.hint.starts_with("only expectations can be judged anew"));
}

/// Steps read alike whatever is merged, and a world has no step at all: what the files say is compared, and what they name.
#[test]
fn a_scenario_of_another_world_is_refused() {
    fidelity::fidelity!("judge-5");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let refused = |from: &str, to: &str| {
        let file = changed(&run, from, to);
        let error = judged(&run, Some(&file)).unwrap_err();
        assert!(error.hint.starts_with("only expectations can be judged anew"), "{error}");
        error.message.replace(&file.display().to_string(), "FILE")
    };
    let version = "\"com.example.GithubCustomPack\" = \"1.0.0\"";
    let merged = "\"com.example.GithubCustomPack\" = { version = \"1.0.0\", merge = { a = 1 } }";
    let told = refused(version, merged);
    assert_eq!(told, "`FILE` says another `deployment.com.example.GithubCustomPack` than the run had");
    let told = refused("region = \"ap-northeast-1\"", "region = \"eu-west-1\"");
    assert_eq!(told, "`FILE` says another `aws.region` than the run had");
    let told = refused("[aws.secrets]", "duration = 900\n[aws.secrets]");
    assert_eq!(told, "`FILE` says another `aws.role.duration` than the run had");
    // A file that it names has changed since.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let text = fs::read_to_string(run.join("scenario/private-package.toml")).unwrap();
    let named = text.split('"').find(|path| path.ends_with("/secret-read.json")).unwrap();
    let wider = fs::read_to_string(fixtures.join("policies/secret-read.json")).unwrap().replace("GetSecretValue", "*");
    fs::create_dir(run.join("scenario/wider")).unwrap();
    fs::write(run.join("scenario/wider/secret-read.json"), wider).unwrap();
    assert_eq!(refused(named, "wider/secret-read.json"), "`FILE` says another `aws.role.policies` than the run had");
}

/// The file that was run, where it stands, and a layer over it that expects something else.
#[test]
fn the_file_that_ran_is_judged_wherever_it_stands() {
    fidelity::fidelity!("judge-2");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/private-package.toml");
    assert_eq!(judged(&run, Some(&file)).unwrap().verdict, report::Came::Passed);
    let over = folder.path().join("over.toml");
    let text = format!("base = {file:?}\nsummary = \"another\"\n[expect]\ndeployment = \"FAILED\"\n");
    fs::write(&over, text).unwrap();
    let findings = judged(&run, Some(&over)).unwrap().findings;
    assert!(!findings.is_empty() && findings.iter().any(|finding| finding.expected.contains("FAILED")), "{findings:?}");
}

#[test]
fn a_package_that_was_not_looked_for_is_refused() {
    fidelity::fidelity!("judge-5");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let file = changed(&run, "name = \"myawsname\"", "name = \"boto3\"");
    let error = judged(&run, Some(&file)).unwrap_err();
    assert_eq!(error.message, "the run did not look for the package `boto3`");
    assert!(error.hint.starts_with("run the scenario"), "{error}");
}

#[test]
fn a_damaged_folder_is_told_by_file_and_line() {
    fidelity::fidelity!("judge-3");
    let folder = tempfile::tempdir().unwrap();
    let run = stored(folder.path());
    let damaged = |file: &str, change: &dyn Fn(&str) -> String| {
        let path = run.join(file);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(&before)).unwrap();
        let error = judged(&run, None).unwrap_err();
        fs::write(&path, before).unwrap();
        assert_eq!(error.hint, DAMAGED, "{error}");
        error.message.replace(&run.display().to_string(), "RUN")
    };
    let told = damaged("evidence.json", &|text| text.replacen("\"account\": \"", "\"account\": 5, \"x\": \"", 1));
    assert!(told.starts_with("`RUN/evidence.json`, line 4, column "), "{told}");
    assert!(told.contains("invalid type: integer `5`, expected a string"), "{told}");
    let told = damaged("run.jsonl", &|text| text.replacen("\"told\":\"begun\"", "\"told\":[]", 1));
    assert!(told.starts_with("`RUN/run.jsonl`, line 2: "), "{told}");
    let told = damaged("run.jsonl", &|text| text.lines().next().unwrap().to_owned() + "\n");
    assert_eq!(told, "`RUN/run.jsonl` does not say how the run came out");
    let told = damaged("manifest.json", &|_| "{".to_owned());
    assert!(told.contains("RUN/manifest.json") && told.contains("line 1"), "{told}");
    let told = damaged("scenario/private-package.toml", &|text| text.replace("[expect]", "[expects]"));
    assert!(told.contains("RUN/scenario/private-package.toml:") && told.contains("expects"), "{told}");
    fs::remove_file(run.join("evidence.json")).unwrap();
    let told = judged(&run, None).unwrap_err().message;
    assert!(told.contains("evidence.json`: No such file"), "{told}");
    let error = Past::open(&run.join("nothing")).unwrap_err();
    assert!(error.message.contains("nothing`") && error.hint.starts_with("name the evidence folder"), "{error}");
}
