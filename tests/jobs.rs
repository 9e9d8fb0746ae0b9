//! Many scenarios at once: each in its own world, told as if they ran one after the other, and nothing left behind.

use anyhow::{Context, Result};
use fidelity::fidelity;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, SystemTime},
};
use tests::{docker, fixture, program, standing_of};

/// A folder whose scenarios install a package with a secret of one name; two of them have one account and one bucket, and the
/// second expects another package than there is.
fn three() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let base = format!("base = \"{}\"\n", fixture("scenarios/inline.toml").display());
    let same = "[aws]\naccount = \"272727272727\"\n[aws.buckets.greenproof-side-by-side]\n";
    let red = "[[expect.package]]\nname = \"myawsname\"\nversion = \"9.9.9\"\n";
    std::fs::write(folder.path().join("a-green.toml"), format!("{base}{same}"))?;
    std::fs::write(folder.path().join("b-red.toml"), format!("{base}{same}{red}"))?;
    std::fs::write(folder.path().join("c-green.toml"), base)?;
    Ok(folder)
}

fn json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// From when to when each scenario was under way, as its own stream says.
fn span(evidence: &Path) -> Result<(String, String)> {
    let text = std::fs::read_to_string(evidence.join("run.jsonl"))?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let time = |told: &str| {
        let line = lines.iter().find(|line| line["told"] == told);
        Ok::<_, anyhow::Error>(
            line.and_then(|line| line["time"].as_str()).with_context(|| format!("{told} is told"))?.to_owned(),
        )
    };
    Ok((time("begun")?, time("judged")?))
}

#[test]
fn scenarios_run_side_by_side_and_are_told_in_order() -> Result<()> {
    fidelity!("jobs-5");
    let folder = three()?;
    let words = ["run", ".", "--jobs", "3", "--format", "json", "--junit", "report.xml"];
    let output = Command::new(program()).current_dir(&folder).args(words).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut order: Vec<_> = lines.iter().filter_map(|line| line["scenario"].as_str()).collect();
    order.dedup();
    assert_eq!(order, ["a-green", "b-red", "c-green"], "each is told whole");
    let judged = lines.iter().filter(|line| line["told"] == "judged");
    let verdicts: Vec<_> = judged.map(|line| line["verdict"].as_str().unwrap_or_default()).collect();
    assert_eq!(verdicts, ["passed", "failed", "passed"], "{told}");
    let red = lines.iter().find(|line| line["verdict"] == "failed").context("one is red")?;
    let findings = red["findings"].as_array().context("it has findings")?;
    assert!(findings.len() == 1 && findings[0]["seen"] == "`0.0.1`", "{findings:?}");
    let root = folder.path().join("greenproof-evidence");
    let (mut environments, mut accounts) = (BTreeSet::new(), Vec::new());
    for name in order {
        let evidence = json(&root.join(name).join("evidence.json"))?;
        assert_eq!(root.join(name).join("bundle.tar.gz").exists(), name == "b-red");
        let environment = evidence["environment"].as_str().context("it has an id")?.to_owned();
        assert_eq!(standing_of(&environment)?, "", "nothing of `{name}` is left");
        environments.insert(environment);
        accounts.push(evidence["account"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(environments.len(), 3);
    assert_eq!(accounts[..2], ["272727272727", "272727272727"]);
    assert_ne!(accounts[2], accounts[0]);
    // They really were there at the same time: two of one account, each with its own secret.
    let (a, b) = (span(&root.join("a-green"))?, span(&root.join("b-red"))?);
    assert!(a.0 < b.1 && b.0 < a.1, "{a:?} {b:?}");
    let index = std::fs::read_to_string(root.join("index.html"))?;
    assert!(index.contains("1 failed") && index.contains("2 passed"));
    let junit = std::fs::read_to_string(folder.path().join("report.xml"))?;
    assert!(junit.contains("tests=\"3\"") && junit.contains("failures=\"1\""), "{junit}");
    merged(folder.path(), &junit)
}

/// The same as one part of one, put together: nothing but times differs.
fn merged(folder: &Path, junit: &str) -> Result<()> {
    let words = ["merge", "--out", "all", "--junit", "all.xml", "greenproof-evidence"];
    let output = Command::new(program()).current_dir(folder).args(words).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("again: greenproof reproduce all/b-red/bundle.tar.gz"), "{told}");
    assert_eq!(std::fs::read_to_string(folder.join("all.xml"))?, junit);
    let index = std::fs::read_to_string(folder.join("all/index.html"))?;
    assert_eq!(index, std::fs::read_to_string(folder.join("greenproof-evidence/index.html"))?);
    let replayed = Command::new(program()).current_dir(folder).args(["replay", "all/b-red"]).output()?;
    let told = String::from_utf8_lossy(&replayed.stderr);
    assert!(replayed.status.success() && told.contains("evidence: all/b-red"), "{told}");
    Ok(())
}

/// Starts a run; gives what it tells a person, line by line.
fn started(folder: &Path, words: &[&str]) -> Result<(Child, BufReader<ChildStderr>)> {
    let mut run = Command::new(program()).current_dir(folder).args(words).stderr(Stdio::piped()).spawn()?;
    let told = BufReader::new(run.stderr.take().context("standard error is piped")?);
    Ok((run, told))
}

/// Reads on until a line says this; gives all that was read.
fn until(told: &mut impl BufRead, text: &str) -> Result<String> {
    let mut all = String::new();
    while !all.contains(text) {
        anyhow::ensure!(told.read_line(&mut all)? > 0, "it ended before it told `{text}`:\n{all}");
    }
    Ok(all)
}

/// All worlds that were coming up go, and the process says so.
#[test]
fn alone_ctrl_c_removes_every_world_that_stands() -> Result<()> {
    fidelity!("jobs-6");
    let folder = three()?;
    let (mut run, mut told) = started(folder.path(), &["run", ".", "--jobs", "2", "--fault", "net.cut"])?;
    until(&mut told, "aws, github and device are up")?;
    let two = || -> Result<usize> {
        let filter = ["ps", "--quiet", "--filter", "label=greenproof.role=device"];
        Ok(String::from_utf8(Command::new("docker").args(filter).output()?.stdout)?.lines().count())
    };
    // The other world stands a moment before or after the first.
    while two()? < 2 {
        anyhow::ensure!(run.try_wait()?.is_none(), "the run ended before both worlds stood");
    }
    anyhow::ensure!(
        Command::new("kill").args(["-INT", &run.id().to_string()]).status()?.success(),
        "it is told to end"
    );
    let rest = until(&mut told, "interrupted by Ctrl-C; removed 6 containers, 2 networks")?;
    assert_eq!(run.wait()?.code(), Some(130), "{rest}");
    assert_eq!(two()?, 0);
    Ok(())
}

/// Two that claim the same names at once take one LocalStack each; later one is enough.
#[test]
fn a_second_localstack_goes_when_it_is_not_used() -> Result<()> {
    fidelity!("docker-10");
    let (folder, home) = (three()?, tempfile::tempdir()?);
    let greenproof = |words: &[&str]| {
        let mut command = Command::new(program());
        command.current_dir(&folder).env("GREENPROOF_CACHE", home.path()).args(words).output()
    };
    let run = greenproof(&["run", "a-green.toml", "b-red.toml", "--jobs", "2"])?;
    let owner = std::fs::read_to_string(home.path().join("owner"))?;
    let network = format!("greenproof-localstack-{owner}");
    let filter = format!("name={network}");
    let there = || -> Result<Vec<String>> {
        let names = docker(&["ps", "--filter", &filter, "--format", "{{.Names}}"])?;
        Ok(names.lines().map(|name| name.trim_start_matches(&network).to_owned()).collect())
    };
    let swept = greenproof(&["sweep"])?;
    let both = there()?;
    let engine = home.path().join("engines").read_dir()?.next().context("an engine was used")??.path();
    for slot in ["0", "1"] {
        let users = std::fs::File::options().append(true).open(engine.join("localstack").join(slot).join("users"))?;
        users.set_modified(SystemTime::now() - Duration::from_mins(11))?;
    }
    let later = greenproof(&["sweep"])?;
    let left = there()?;
    remove_localstacks(&network)?;
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!((both.len(), left), (2, vec!["-0".to_owned()]));
    assert!(String::from_utf8_lossy(&swept.stderr).contains("nothing to remove"));
    assert!(String::from_utf8_lossy(&later.stderr).contains("removed 1 container\n"));
    Ok(())
}

/// Removes each LocalStack of a cache folder of a test's own, whose network has this name.
fn remove_localstacks(network: &str) -> Result<()> {
    for id in docker(&["ps", "--all", "--quiet", "--filter", &format!("name={network}")])?.lines() {
        docker(&["rm", "--force", id])?;
    }
    docker(&["network", "rm", network]).map(drop)
}

/// One in which many names were claimed is replaced once, by one in which they are not.
#[test]
fn a_localstack_in_which_many_names_were_claimed_is_replaced() -> Result<()> {
    fidelity!("docker-12");
    let (folder, home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let case = fixture("conformance/exec/output.toml").canonicalize()?;
    let network = || {
        Ok::<_, std::io::Error>(format!(
            "greenproof-localstack-{}",
            std::fs::read_to_string(home.path().join("owner"))?
        ))
    };
    let run = || -> Result<String> {
        let mut command = Command::new(program());
        let output =
            command.current_dir(&folder).env("GREENPROOF_CACHE", home.path()).arg("run").arg(&case).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        docker(&["ps", "--filter", &format!("name={}", network()?), "--format", "{{.Names}} {{.ID}}"])
    };
    let first = run()?;
    let engine = home.path().join("engines").read_dir()?.next().context("an engine was used")??.path();
    let claims = engine.join("localstack/0/claims");
    let claimed = || Ok::<_, std::io::Error>(claims.read_dir()?.count());
    let (of_one, second) = (claimed()?, run()?);
    for number in 0..64 {
        std::fs::write(claims.join(format!("account-{number:012}")), "")?;
    }
    let (third, of_third, fourth) = (run()?, claimed()?, run()?);
    remove_localstacks(&network()?)?;
    assert_eq!(first, second, "few names");
    assert_ne!(second, third, "many names");
    assert_eq!(third, fourth, "few names again");
    assert_eq!(of_third, of_one);
    Ok(())
}

/// A package whose description is wrong the first time.
#[test]
fn what_passes_the_second_time_is_flaky_and_red() -> Result<()> {
    fidelity!("retry-4");
    let folder = tempfile::tempdir()?;
    let package = folder.path().join("myawsname");
    std::fs::create_dir_all(package.join("myawsname"))?;
    for file in ["README.md", "myawsname/__init__.py", "setup.py"] {
        std::fs::copy(fixture("packages/myawsname").join(file), package.join(file))?;
    }
    let good = std::fs::read_to_string(package.join("setup.py"))?;
    std::fs::write(package.join("setup.py"), good.replace("You can receive", "Nobody receives"))?;
    let base = fixture("scenarios/inline.toml");
    let scenario = format!(
        "base = \"{}\"\n[github.repositories.\"cm-ichida/myawsname\"]\nsource = \"myawsname\"\n",
        base.display()
    );
    std::fs::write(folder.path().join("unsteady.toml"), scenario)?;
    let words = ["run", "unsteady.toml", "--retries", "2", "--junit", "report.xml"];
    let (mut run, mut told) = started(folder.path(), &words)?;
    // What a run needs was read before it begins.
    let mut all = until(&mut told, "unsteady: ")?;
    std::fs::write(package.join("setup.py"), good)?;
    all += &until(&mut told, "FLAKY unsteady: it passed in attempt 2")?;
    all += &until(&mut told, "evidence: greenproof-evidence/unsteady\n")?;
    assert_eq!(run.wait()?.code(), Some(1), "{all}");
    assert!(all.contains("  run again: attempt 2 of 3") && !all.contains("attempt 3 of 3"), "{all}");
    assert!(all.contains("`Nobody receives AWS Service Name.`"), "{all}");
    let junit = std::fs::read_to_string(folder.path().join("report.xml"))?;
    assert!(junit.contains("<flakyFailure ") && !junit.contains("<failure"), "{junit}");
    let evidence = folder.path().join("greenproof-evidence");
    let stored = std::fs::read_to_string(evidence.join("unsteady/run.jsonl"))?;
    assert!(stored.lines().last().is_some_and(|line| line.contains("\"verdict\":\"flaky\"")), "{stored}");
    let page = std::fs::read_to_string(evidence.join("unsteady/report.html"))?;
    assert!(page.contains("flaky"));
    assert!(evidence.join("unsteady-attempt-2/evidence.json").exists());
    let index = std::fs::read_to_string(evidence.join("index.html"))?;
    assert!(index.contains("1 flaky") && index.contains("unsteady/report.html"));
    Ok(())
}

/// A fleet of which a device fails each time is as red as the first time, and each attempt has its own evidence.
#[test]
fn a_fleet_that_is_red_twice_is_red() -> Result<()> {
    fidelity!("retry-1", "retry-3", "retry-4");
    let folder = tempfile::tempdir()?;
    let scenario = fixture("scenarios/twins/fleet-unstaged.toml").canonicalize()?;
    let words = ["--retries", "1", "--junit", "report.xml"];
    let output = Command::new(program()).current_dir(&folder).arg("run").arg(scenario).args(words).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("run again: attempt 2 of 2") && told.contains("FAILED fleet-unstaged in "), "{told}");
    let junit = std::fs::read_to_string(folder.path().join("report.xml"))?;
    assert!(junit.contains("<rerunFailure ") && junit.contains("<failure"), "{junit}");
    let environment = |name: &str| -> Result<String> {
        let evidence = json(&folder.path().join("greenproof-evidence").join(name).join("evidence.json"))?;
        let devices = evidence["devices"].as_array().context("a fleet has devices")?;
        assert_eq!(devices.len(), 3);
        Ok(evidence["environment"].as_str().context("it has an id")?.to_owned())
    };
    let (first, second) = (environment("fleet-unstaged")?, environment("fleet-unstaged-attempt-2")?);
    assert_ne!(first, second);
    assert_eq!(standing_of(&first)? + &standing_of(&second)?, "");
    Ok(())
}
