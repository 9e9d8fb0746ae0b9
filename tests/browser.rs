//! The HTML report in a real browser, headless Chromium: by mouse, by keyboard and by the rules of accessibility, in light, in
//! dark and on a phone. `browser/check.py` drives it; pages with one thing wrong prove that it sees what is wrong.

use anyhow::{Context, Result};
use cloud::event::What;
use greenproof::{
    Evidence, Plan, Scenario, judge,
    report::{
        Event, Outcome, Told,
        html::{self, Documents},
    },
};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tests::{fixture, program};

const REQUIREMENTS: &str = include_str!("browser/requirements.txt");
const COMPONENT: &str = "com.example.GithubCustomPack";

/// How long a page may take until it is open, in milliseconds, and how long a usual one may take to be written.
const OPENED: f64 = 2000.0;
const WRITTEN: Duration = Duration::from_millis(50);

/// Where what the browser tests need is kept, beside the build.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name)
}

/// The Python that has what drives the browser, which is fetched once.
fn python() -> Result<PathBuf> {
    let folder = kept("browser-venv");
    let (python, done) = (folder.join("bin/python"), folder.join("requirements.txt"));
    if std::fs::read_to_string(&done).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(python);
    }
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/requirements.txt");
    let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output()?;
    let fix = "to fix it: apt-get install -y python3-venv, and let pip reach a package index";
    anyhow::ensure!(venv.status.success(), "making a venv: {}\n{fix}", String::from_utf8_lossy(&venv.stdout));
    let pip = Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements).output()?;
    anyhow::ensure!(pip.status.success(), "pip install: {}\n{fix}", String::from_utf8_lossy(&pip.stderr));
    std::fs::write(done, REQUIREMENTS)?;
    Ok(python)
}

/// Debian's Chromium.
fn chromium() -> Result<&'static str> {
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
    let found = known.into_iter().find(|path| Path::new(path).exists());
    found.context("chromium is missing; to fix it: apt-get install -y --no-install-recommends chromium")
}

/// What a page was found to do wrong, and what was measured.
#[derive(Debug, Default)]
struct Checked {
    problems: Vec<String>,
    measured: Value,
}

/// Has pages checked, one after the other in one browser.
fn checked(jobs: &[Value]) -> Result<Vec<Checked>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/check.py");
    let mut command = Command::new(python()?);
    let command =
        command.arg(script).arg(chromium()?).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("it has an input")?.write_all(&serde_json::to_vec(jobs)?)?;
    let output = child.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the checks ended with {}: {error}", output.status);
    let results: Vec<Value> = serde_json::from_slice(&output.stdout).with_context(|| error.into_owned())?;
    anyhow::ensure!(results.len() == jobs.len(), "{} results of {} pages", results.len(), jobs.len());
    let problems = |result: &Value| serde_json::from_value(result["problems"].clone());
    results
        .into_iter()
        .map(|result| Ok(Checked { problems: problems(&result)?, measured: result["measured"].clone() }))
        .collect()
}

fn good(results: &[Checked]) -> Result<()> {
    let problems: Vec<_> = results.iter().flat_map(|result| &result.problems).map(String::as_str).collect();
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

fn recorded() -> Result<Evidence> {
    Ok(serde_json::from_str(&std::fs::read_to_string(fixture("evidence/private-package.json"))?)?)
}

/// The reference scenario, and the policies of a world of the recorded account.
fn reference(evidence: &Evidence) -> Result<(Scenario, Documents)> {
    let scenario = Scenario::load(&fixture("scenarios/private-package.toml"))?;
    let mut of_account = scenario.clone();
    of_account.aws.account = Some(evidence.account.clone());
    of_account.device.thing = Some(evidence.thing.clone());
    let documents = Documents::of_plan(&Plan::of(of_account)?).context("the policies are good")?;
    Ok((scenario, documents))
}

/// Writes the report of an evidence into a folder of its own; gives its outcome and how long writing it took.
fn written(root: &Path, name: &str, evidence: Evidence) -> Result<(Outcome, Duration)> {
    let (mut scenario, documents) = reference(&evidence)?;
    name.clone_into(&mut scenario.name);
    let (verdict, folder) = (judge(&scenario, &evidence), root.join(name));
    std::fs::create_dir_all(&folder)?;
    let (folder, evidence) = (Some(folder), Some(evidence));
    let outcome = Outcome { scenario, verdict, evidence, folder, took: Duration::from_secs(9), again: Vec::new() };
    let began = Instant::now();
    html::write(&outcome, Some(&documents), root)?;
    let took = began.elapsed();
    html::keep(&outcome, root)?;
    Ok((outcome, took))
}

/// A run of which much is not as expected, with output that wants to be more than text.
fn failed() -> Result<Evidence> {
    let mut evidence = recorded()?;
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)> <!-- \u{202E}gnp.exe\u{7} &amp; ";
    let log = evidence.component_logs.get_mut(COMPONENT).context("it has a log")?;
    *log = log.replace("stdout. s3: Amazon S3.", "stdout. s3: Amazon S3 and more.");
    *log = log.replacen(
        "[INFO] (Copier) com.example.GithubCustomPack: stdout. ",
        "[WARN] (Copier) com.example.GithubCustomPack: stderr. ",
        2,
    );
    let printed = log
        .lines()
        .find(|line| line.contains("S3 and more"))
        .context("it prints it")?
        .replace("s3: Amazon S3 and more", hostile);
    log.extend([&printed, "\n", &"long ".repeat(200_000), "\n"]);
    let step = &mut evidence.steps[0];
    step.states.insert(COMPONENT.into(), "BROKEN".into());
    let deployment = step.deployment.as_mut().context("it deploys")?;
    "FAILED".clone_into(&mut deployment.status);
    "FAILED_ROLLBACK_NOT_REQUESTED".clone_into(&mut deployment.detailed);
    deployment.cause = format!("it says {hostile}");
    let secret =
        evidence.events.iter().find(|event| is_of_the_secret(&event.what)).context("it reads the secret")?.clone();
    let dns =
        json!({"time": secret.time, "kind": "dns", "name": "telemetry.example.com", "record": "A", "answer": null});
    evidence.events.extend([secret, serde_json::from_value(dns)?]);
    let leak = json!({
        "secret": "token `mypat`", "encoding": "raw", "whole": true, "place": "arguments of git", "readers": "every local user",
        "began": "2026-11-25T02:24:31.000Z", "milliseconds": 420, "mode": "0444", "owner": "ggc_user", "stays": false,
        "during": format!("Install of {COMPONENT}"), "line": "git clone https://***@github.com/cm-ichida/myawsname.git",
        "close": "use a credential helper",
    });
    evidence.leaks.push(serde_json::from_value(leak)?);
    Ok(evidence)
}

fn is_of_the_secret(what: &What) -> bool {
    matches!(what, What::Api(call) if call.event_name == "GetSecretValue")
}

fn report(page: &Path) -> Value {
    let places =
        ["s3: Amazon S3 and more", "GetSecretValue", "job SUCCEEDED", "telemetry.example.com", "newState=FINISHED"];
    json!({"page": page, "check": "report", "log": COMPONENT, "search": "onerror=alert", "hits": 1, "places": places})
}

/// The look of a wide, light page alone.
fn one_look() -> Value {
    json!([["light", "light", {"width": 1280, "height": 900}]])
}

/// Runs as this one, of which every tenth failed.
fn many(green: &Outcome) -> Result<Vec<Outcome>> {
    let failed = judge(&green.scenario, &failed()?);
    let run = |index| {
        let mut scenario = green.scenario.clone();
        scenario.name = format!("scenario-{index}");
        scenario.summary = format!("the summary of number {index}");
        let verdict = if index % 10 == 3 { failed.clone() } else { green.verdict.clone() };
        let evidence = green.evidence.clone();
        Outcome { scenario, verdict, evidence, folder: green.folder.clone(), took: green.took, again: Vec::new() }
    };
    Ok((0..300).map(run).collect())
}

/// What is told of runs.
fn told(outcomes: &[Outcome]) -> Vec<Event> {
    let of = |outcome: &Outcome| {
        let name = outcome.scenario.name.clone();
        let versions = [("core".to_owned(), outcome.scenario.device.core.to_string())].into();
        let all = [Told::begun(&outcome.scenario, &[]), Told::judged(outcome, versions)];
        all.map(move |told| Event { scenario: Some(name.clone()), ..Event::now(told) })
    };
    outcomes.iter().flat_map(of).collect()
}

#[test]
fn a_report_works_by_mouse_keyboard_and_screen_reader() -> Result<()> {
    let root = kept("browser");
    std::fs::remove_dir_all(&root).or_else(|error| if root.exists() { Err(error) } else { Ok(()) })?;
    let (green, mut took) = written(&root, "green", recorded()?)?;
    // What other tests do on the machine's processors only adds to a time.
    for _ in 0..4 {
        took = took.min(written(&kept("browser-times"), "green", recorded()?)?.1);
    }
    println!("written in {took:?}");
    anyhow::ensure!(took < WRITTEN, "writing the report took {took:?}");
    // The next run of the same scenario is red, and held against that one.
    std::fs::copy(root.join(".green/green.json"), root.join(".green/red.json"))?;
    let (red, _) = written(&root, "red", failed()?)?;
    let page = |name: &str| root.join(name).join(html::NAME);
    let one = root.join("index.html");
    html::write_index(&told(&[red]), &root)?;
    std::fs::copy(&one, root.join("one.html"))?;
    let many = many(&green)?;
    html::write_index(&told(&many), &root)?;
    let shots = |name: &str| root.join(name).display().to_string();
    let mut red = report(&page("red"));
    red["shots"] = shots("red-").into();
    let results = checked(&[
        red,
        json!({"page": one, "check": "matrix", "rows": 300, "verdict": "failed", "chosen": 30, "search": "number 207", "shots": shots("many-")}),
        json!({"page": root.join("one.html"), "check": "matrix", "rows": 1, "verdict": "failed", "chosen": 1, "search": "red"}),
    ])?;
    good(&results)
}

/// The check is no empty one: each page has one thing wrong, and is told so.
#[test]
fn a_page_with_something_wrong_is_found_out() -> Result<()> {
    let root = kept("browser-twins");
    let (outcome, _) = written(&root, "right", failed()?)?;
    let right = std::fs::read_to_string(outcome.folder.context("it is written")?.join(html::NAME))?;
    let policy = right.split_once("Content-Security-Policy\" content=\"").context("it has a policy")?.1;
    let policy = policy.split_once('"').context("it ends")?.0;
    let open = |page: &str| page.replace(policy, "default-src * 'unsafe-inline'");
    let image = |page: &str| page.replace("</main>", "<img alt=\"\" src=\"https://images.example.com/x.png\"></main>");
    let label = "<label>Search <input type=\"search\" id=\"timeline-search\"";
    let twins = [
        ("a request", "looks", image(&open(&right)), "https://images.example.com/x.png"),
        ("a request that its policy stops", "looks", image(&right), "the console says"),
        (
            "a script that was changed",
            "looks",
            right.replace("\"use strict\";", "\"use  strict\";"),
            "the console says",
        ),
        (
            "no label",
            "looks",
            right.replace(label, "<label></label><input type=\"search\" id=\"timeline-search\""),
            "axe says label",
        ),
        (
            "no lanes",
            "click",
            open(&right).replace("if (!lanes.has(row[0])) return;", ""),
            "without a lane there are rows",
        ),
        ("no search", "keyboard", open(&right).replace("text.includes(word)", "true"), "the search leaves"),
        ("no keys", "keyboard", open(&right).replace("this.key(event)", "0"), "ArrowDown chooses row"),
        ("no place", "places", right.replace("<li><a href=\"#", "<li><a href=\"#no-"), "is not there"),
    ];
    let mut jobs = Vec::new();
    for (what, part, page, _) in &twins {
        anyhow::ensure!(*page != right, "{what}: the twin is no other page");
        let path = root.join(format!("{}.html", what.replace(' ', "-")));
        std::fs::write(&path, page)?;
        let mut job = report(&path);
        // One look and the part that it is about: the whole is held to pages that are right.
        (job["looks"], job["parts"]) = (one_look(), json!([part]));
        jobs.push(job);
    }
    for ((what, _, _, expected), result) in twins.iter().zip(checked(&jobs)?) {
        let told = result.problems.join("\n");
        anyhow::ensure!(told.contains(expected), "{what} was not found out; told was:\n{told}");
    }
    Ok(())
}

/// A long run of many calls and long logs: as much as fits into this many bytes, and a little more.
fn long(bytes: usize) -> Result<Evidence> {
    let mut evidence = recorded()?;
    let calls: Vec<_> = evidence.events.iter().filter(|event| matches!(event.what, What::Api(_))).cloned().collect();
    let once: usize = calls.iter().map(|call| serde_json::to_string(call).map_or(0, |text| text.len())).sum();
    for _ in 0..bytes / 3 / once {
        evidence.events.extend(calls.iter().cloned());
    }
    let repeated = |log: &str| log.repeat(bytes / 3 / log.len() + 1);
    evidence.core_log =
        repeated(&evidence.core_log) + "2026-11-25T02:24:39.000Z [INFO] (main) last: the only needle. {}\n";
    let log = evidence.component_logs.get_mut(COMPONENT).context("it has a log")?;
    *log = repeated(log);
    Ok(evidence)
}

/// Nothing else may run meanwhile: the limit is of a page, not of a machine that does other things. What others do on the
/// machine's processors only adds to a time, so the least of three is the page's.
#[test]
fn alone_a_report_of_50_mib_opens_in_two_seconds() -> Result<()> {
    const SIZE: usize = 50 << 20;
    let evidence = long(SIZE)?;
    let lines = evidence.core_log.lines().count();
    let (outcome, took) = written(&kept("browser-long"), "long", evidence)?;
    let page = outcome.folder.context("it is written")?.join(html::NAME);
    let size = std::fs::metadata(&page)?.len();
    anyhow::ensure!(size > u64::try_from(SIZE)?, "it has {size} bytes only");
    let job = json!({"page": page, "check": "big", "limit": OPENED, "lines": lines, "search": "the only needle"});
    let mut results = checked(&[job.clone(), job.clone(), job])?;
    let loaded = |result: &Checked| result.measured["loaded"].as_f64().unwrap_or(f64::MAX);
    results.sort_by(|one, other| loaded(one).total_cmp(&loaded(other)));
    for Checked { measured, .. } in &results {
        println!("{} MiB with {lines} lines of one log, written in {took:?}: {measured}", size >> 20);
    }
    good(&results[..1])?;
    let slow = |problem: &String| problem.starts_with("it opens in ");
    anyhow::ensure!(results.iter().all(|result| result.problems.iter().all(slow)), "it is wrong at another look");
    Ok(std::fs::remove_file(page)?)
}

/// Two runs of the reference scenario: times, ids and what else is minted are no difference, and the report is right as those of
/// stored evidence are.
#[test]
fn a_second_green_run_differs_in_nothing_that_counts() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scenario = fixture("scenarios/private-package.toml");
    let mut page = String::new();
    for _ in 0..2 {
        let words = ["run", "--leaks", "none-after", "--evidence"];
        let output = Command::new(program()).args(words).arg(folder.path()).arg(&scenario).output()?;
        let file = folder.path().join("private-package").join(html::NAME);
        page = std::fs::read_to_string(&file)
            .with_context(|| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())?;
    }
    let (_, difference) = page.split_once("id=\"difference\"").context("it has the part")?;
    let (difference, _) = difference.split_once("</section>").context("it ends")?;
    // How long a step took is the machine's affair, which other tests keep busy.
    let took_longer = difference.contains("class=\"differs\"");
    let nothing_else = [" that differ\"", "class=\"lines\""].into_iter().all(|part| !difference.contains(part));
    let nothing = difference.contains("<strong>Nothing is different</strong>");
    anyhow::ensure!(nothing_else && nothing != took_longer, "{difference}");
    let file = folder.path().join("private-package").join(html::NAME);
    let mut job = report(&file);
    (job["search"], job["hits"], job["places"]) = ("s3: Amazon S3".into(), 1.into(), json!([]));
    // What it looks like otherwise is the same as of stored evidence.
    job["looks"] = one_look();
    let index = folder.path().join("index.html");
    good(&checked(&[
        job,
        json!({
            "page": index, "check": "matrix", "rows": 1, "verdict": "passed", "chosen": 1, "search": "private",
            "looks": one_look(),
        }),
    ])?)
}
