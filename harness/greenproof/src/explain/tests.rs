use super::*;
use fidelity::fidelity;
use flate2::{Compression, write::GzEncoder};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

static EXPLAINER: LazyLock<Explainer<'static>> = LazyLock::new(|| Explainer::of(Library::embedded()));

/// The files of a folder of `fixtures/logs`, by name.
fn corpus(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/logs").join(folder);
    let files = logs(&folder).unwrap().into_iter();
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

fn of_bytes(bytes: &[u8]) -> Explanation {
    EXPLAINER.explain("a.log", bytes).unwrap()
}

fn of(text: &str) -> Explanation {
    of_bytes(text.as_bytes())
}

fn first(explanation: &Explanation) -> &str {
    explanation.failures.first().map_or("none", |named| &named.id)
}

#[test]
fn each_excerpt_names_its_failure_first() {
    fidelity!("explain-1");
    let mut wrong = Vec::new();
    let excerpts = corpus("excerpts");
    for (name, path) in &excerpts {
        let explanation = EXPLAINER.explain(name, File::open(path).unwrap()).unwrap();
        if first(&explanation) != &name[..3] {
            wrong.push(format!("{name}: {:?} {:?}", explanation.verdict, explanation.failures));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for failure in Library::embedded().failures() {
        let quoted = excerpts.iter().any(|(name, _)| name.starts_with(&failure.id));
        assert_ne!(quoted, failure.silent.is_some(), "{} has an excerpt, or says why not", failure.id);
    }
}

#[test]
fn healthy_logs_name_nothing() {
    fidelity!("explain-2");
    let healthy = corpus("healthy");
    assert!(healthy.len() >= 20);
    for (name, path) in healthy {
        let explanation = EXPLAINER.explain(&name, File::open(path).unwrap()).unwrap();
        assert_eq!(
            explanation.verdict,
            Verdict::Healthy,
            "{name}: {:?} {:?}",
            explanation.failures,
            explanation.trouble
        );
    }
}

#[test]
fn failures_of_others_are_unknown() {
    fidelity!("explain-2");
    let unknown = corpus("unknown");
    assert!(unknown.len() >= 20);
    let mut near = 0;
    for (name, path) in unknown {
        let explanation = EXPLAINER.explain(&name, File::open(path).unwrap()).unwrap();
        assert_eq!(explanation.verdict, Verdict::Unknown, "{name}: {:?}", explanation.failures);
        assert!(!explanation.trouble.is_empty(), "{name}");
        near += usize::from(explanation.nearest.is_some());
    }
    assert!(near > 0, "some are near a failure of the library");
}

#[test]
fn an_excerpt_is_found_in_a_long_healthy_log() {
    fidelity!("explain-1");
    // At the beginning, a configuration would make all of it one.
    let logs = corpus("healthy").into_iter().filter(|(name, _)| name != "effectiveConfig.yaml");
    let healthy: Vec<u8> = logs.flat_map(|(_, path)| std::fs::read(path).unwrap()).collect();
    for (name, path) in corpus("excerpts") {
        // An answer of the cloud, a configuration or a console stands alone.
        if ["F13-config", "F53-", "F54-", "F57-", "F59-", "F09-"].iter().any(|alone| name.starts_with(alone)) {
            continue;
        }
        let excerpt = std::fs::read(path).unwrap();
        let lines = memchr::memchr_iter(b'\n', &healthy).count() as u64;
        let explanation = of_bytes(&[&healthy, b"\n".as_slice(), &excerpt].concat());
        assert_eq!(first(&explanation), &name[..3], "{name}: {:?}", explanation.failures);
        let found = explanation.failures[0].evidence[0].number;
        assert!(found > lines, "{name}: line {found} of {lines}");
    }
}

#[test]
fn what_was_overcome_counts_no_more() {
    fidelity!("explain-2");
    let line = |rest: &str| format!("2026-11-28T10:00:00Z [INFO] (main) com.aws.greengrass.x.Y: {rest}\n");
    let state = |name: &str, to: &str| {
        line(&format!("service-set-state. {{serviceName={name}, currentState=STARTING, newState={to}}}"))
    };
    let fails = "2026-11-28T10:00:00Z [WARN] (Copier) com.example.A: stderr. fatal: Remote branch v9 not found in upstream origin. {scriptName=services.com.example.A.lifecycle.Run.Script, serviceName=com.example.A, currentState=RUNNING}\n";
    let done = |status: &str| line(&format!("Stored deployment status. {{DeploymentId=1, DeploymentStatus={status}}}"));
    let verdict = |text: String| (of(&text).verdict, first(&of(&text)).to_owned());
    let (known, healthy) = ((Verdict::Known, "F52".to_owned()), (Verdict::Healthy, "none".to_owned()));
    assert_eq!(verdict(fails.into()), known);
    assert_eq!(verdict(fails.to_owned() + &state("com.example.A", "RUNNING")), healthy);
    assert_eq!(verdict(fails.to_owned() + &state("com.example.B", "RUNNING")), known, "another component runs");
    assert_eq!(verdict(fails.to_owned() + &done("SUCCEEDED")), healthy);
    assert_eq!(verdict(fails.to_owned() + &done("SUCCEEDED") + fails), known, "it fails again");
    let rolled_back = fails.to_owned() + &state("com.example.A", "FINISHED") + &done("FAILED");
    assert_eq!(verdict(rolled_back), known, "the deployment failed after all");
    let over = of(&(fails.to_owned() + &done("SUCCEEDED")));
    assert_eq!((over.overcome[0].0.as_str(), over.overcome[0].1.number), ("F52", 1));
}

#[test]
fn logs_that_are_broken_packed_or_of_another_system_are_read() {
    fidelity!("explain-3");
    let line = "fatal: Remote branch v9.9.9 not found in upstream origin";
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    (0..5000).for_each(|index| writeln!(packed, "line {index}").unwrap());
    writeln!(packed, "{line}").unwrap();
    (0..50_000).for_each(|index| writeln!(packed, "line {}", index * 7919 % 50_021).unwrap());
    let packed = packed.finish().unwrap();
    let mut binary: Vec<u8> =
        (0..50_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    binary.extend(b"\n");
    let endless = vec![b'x'; 3_000_000];
    for (what, bytes, number) in [
        ("windows", format!("one\r\n{line}\r\n").into_bytes(), 2),
        ("no end", format!("one\n{line}").into_bytes(), 2),
        ("gzip", packed.clone(), 5001),
        ("truncated gzip", packed[..packed.len() - packed.len() / 4].to_vec(), 5001),
        ("no utf-8", [b"\xff\xfe\x00 \xc3\n".as_slice(), b"\xf0\x28 ", line.as_bytes(), b" \xff"].concat(), 2),
        ("an endless line", [&endless, b"\n".as_slice(), line.as_bytes()].concat(), 2),
        ("in an endless line", [&endless, line.as_bytes(), &endless].concat(), 1),
        ("colours", format!("\x1b[31m{line}\x1b[0m").into_bytes(), 1),
    ] {
        let explanation = of_bytes(&bytes);
        assert_eq!(first(&explanation), "F52", "{what}");
        let evidence = &explanation.failures[0].evidence[0];
        assert_eq!(evidence.number, number, "{what}");
        assert!(evidence.text.len() < 1500 && !evidence.text.contains(|letter: char| letter.is_control()), "{what}");
    }
    let found = of_bytes(&[&binary, line.as_bytes()].concat());
    assert_eq!(first(&found), "F52");
    for nothing in [b"".as_slice(), b"\n\n", &packed[..5]] {
        assert_eq!(of_bytes(nothing).verdict, Verdict::Healthy);
    }
}

#[test]
fn evidence_holds_no_secret() {
    fidelity!("explain-4");
    let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let log = format!("fatal: could not read Password for 'https://{token}@github.com': No such device or address\n");
    let explanation = of(&log);
    assert_eq!(first(&explanation), "F38");
    for text in [json(&explanation), human(Library::embedded(), &explanation)] {
        assert!(
            text.contains("could not read Password for 'https://***@github.com'") && !text.contains(token),
            "{text}"
        );
    }
}

#[test]
fn a_file_is_one_line_of_json() {
    fidelity!("explain-5");
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(&json(&of(text))).unwrap();
    let known = parsed("one\nfatal: Remote branch v9 not found in upstream origin\n");
    let evidence = serde_json::json!([{ "line": 2, "text": "fatal: Remote branch v9 not found in upstream origin" }]);
    let failures = serde_json::json!([{ "id": "F52", "confidence": 0.97, "evidence": evidence }]);
    assert_eq!(known, serde_json::json!({ "file": "a.log", "verdict": "known", "failures": failures }));
    let none = serde_json::json!({ "file": "a.log", "verdict": "unknown", "failures": [] });
    assert_eq!(parsed("Traceback (most recent call last):\nValueError: x\n"), none);
    assert_eq!(parsed("all is well\n")["verdict"], "healthy");
}

#[test]
fn a_person_reads_cause_fix_and_what_is_missing() {
    fidelity!("explain-5");
    let library = Library::embedded();
    let text = human(library, &of("one\nfatal: Remote branch v9 not found in upstream origin\n"));
    for part in [
        "F52  the tag, branch or commit does not exist (sure, 97 %)",
        "line 2: fatal: Remote",
        "cause:",
        "fix:",
        "reproduce:",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let near = human(library, &of("Error: no local applicable version found for the requirement\nexit code: 1\n"));
    assert!(
        near.contains("nearest:") && near.contains("missing:   a line with `no local applicable version"),
        "{near}"
    );
    let cannot = human(library, &of("is not authorized to perform: ecr:GetAuthorizationToken on resource: *\n"));
    assert!(cannot.contains("reproduce: not here: ECR and Docker artifacts are not emulated"), "{cannot}");
}

/// The files of one device, by name and text.
fn together(files: &[(&str, &str)]) -> Explanation {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes())).collect();
    EXPLAINER.together("device", files).unwrap()
}

/// What shows F14, in one line.
const DENIED: &str = "An error occurred (AccessDeniedException) when calling the GetSecretValue operation: User: arn:aws:sts::123456789012:assumed-role/R/S is not authorized to perform: secretsmanager:GetSecretValue on resource: token because no identity-based policy allows the secretsmanager:GetSecretValue action\n";

#[test]
fn files_of_one_device_are_read_together() {
    fidelity!("explain-6");
    let policy = "{\n \"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"secretsmanager:GetSecretValue\",\n \"Resource\": \"arn:aws:secretsmanager:eu-west-1:123456789012:secret:token\"}]}";
    assert_eq!(first(&together(&[("a.log", DENIED)])), "F14");
    let both = together(&[("a.log", DENIED), ("role.json", policy)]);
    assert_eq!(first(&both), "F15");
    assert_eq!(
        both.failures[0].evidence[0],
        Line { file: "role.json".into(), number: 4, text: policy.lines().nth(3).unwrap().trim().into() }
    );
    assert_eq!(together(&[("role.json", policy), ("b.log", "fine\n")]).verdict, Verdict::Healthy);
}

/// What failed before a log was rotated, and what went well after it.
#[test]
fn the_parts_of_a_rotated_log_are_one() {
    fidelity!("explain-6");
    let failed = "fine\nfatal: Remote branch v9.9.9 not found in upstream origin";
    let done = "2026-11-28T10:00:00Z [INFO] (main) com.aws.greengrass.x.Y: Stored deployment status. {DeploymentId=1, DeploymentStatus=SUCCEEDED}\n";
    let parts = together(&[("x/a.log.2", failed), ("x/a.log.1", "fine\n"), ("x/a.log", failed)]);
    let places: Vec<_> = parts.failures[0].evidence.iter().map(|line| (line.file.as_str(), line.number)).collect();
    assert_eq!((first(&parts), places.as_slice()), ("F52", &[("x/a.log.2", 2), ("x/a.log", 2)][..]));
    let ids = |files: &[(&str, &str)]| together(files).failures.into_iter().map(|named| named.id).collect::<Vec<_>>();
    let long = "fine\n".repeat(100) + failed;
    let order = [ids(&[("x/a.log.1", &long), ("x/a.log", DENIED)]), ids(&[("x/a.log.1", DENIED), ("x/a.log", &long)])];
    assert_eq!(order, [["F52", "F14"], ["F14", "F52"]], "what came first");
    let over = together(&[("x/a_2026_11_28_09_0.log", failed), ("x/a.log", done)]);
    let (id, line) = &over.overcome[0];
    assert_eq!((over.verdict, id.as_str()), (Verdict::Healthy, "F52"));
    assert_eq!((line.file.as_str(), line.number), ("x/a_2026_11_28_09_0.log", 2));
    assert_eq!(together(&[("x/a.log.1", failed), ("y/a.log", done)]).verdict, Verdict::Known, "another log");
}

/// A log of 100 MiB that is made as it is read.
struct Endless {
    lines: Vec<u8>,
    at: usize,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.left).min(self.lines.len() - self.at);
        buffer[..count].copy_from_slice(&self.lines[self.at..self.at + count]);
        (self.at, self.left) = ((self.at + count) % self.lines.len(), self.left - count);
        Ok(count)
    }
}

/// The processor time of this thread, which other tests don't lengthen.
fn on_cpu() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(statistics.split(' ').next().unwrap().parse().unwrap())
}

/// The most memory that this process has had, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn a_hundred_mebibytes_take_two_seconds_and_no_memory() {
    fidelity!("explain-3");
    let read = |folders: &[&str]| {
        let files = folders.iter().flat_map(|folder| corpus(folder));
        files.flat_map(|(_, path)| std::fs::read(path).unwrap()).collect::<Vec<u8>>()
    };
    let before = {
        of("warm\n");
        resident()
    };
    for (what, lines) in [("healthy", read(&["healthy"])), ("failing", read(&["excerpts"]))] {
        let began = on_cpu();
        let log = Endless { lines, at: 0, left: 100 << 20 };
        EXPLAINER.explain("long.log", log).unwrap();
        let took = on_cpu().saturating_sub(began);
        println!("{what}: {took:?}");
        // Code that is not optimised takes several times as long, and longer yet beside other tests.
        assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 2 }), "{what} took {took:?}");
    }
    let grown = resident() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more");
}
