//! The program in a terminal and in scripts: what it is configured with, what it lists and plans, and how it ends.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use serde_json::Value;
use std::{
    fs::File,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};
use tests::{fixture, program};

/// Runs in a folder, where no engine can be reached and nothing is configured but by these variables.
fn run(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Result<Output> {
    let mut command = Checked::new(program());
    command.current_dir(folder).args(words).env("DOCKER_HOST", "unix:///nowhere").env("XDG_CONFIG_HOME", "/nowhere");
    Ok(command.envs(variables.iter().copied()).output()?)
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The JSON that a command answers with; it must succeed.
fn json(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Result<Value> {
    let (code, answer, error) = said(&run(folder, words, variables)?);
    anyhow::ensure!(code == Some(0), "{words:?}: {error}");
    Ok(serde_json::from_str(&answer)?)
}

/// Files count from where one stands up to the repository's folder; variables before them, and flags before those.
#[test]
fn configuration_is_found_upwards_and_says_where_it_was_said() -> Result<()> {
    fidelity!("config-3");
    let outer = tempfile::tempdir()?;
    let (repository, user) = (outer.path().join("repository"), outer.path().join("user"));
    let inner = repository.join("a/b");
    std::fs::create_dir_all(&inner)?;
    std::fs::create_dir_all(user.join("greenproof"))?;
    std::fs::create_dir(repository.join(".git"))?;
    std::fs::write(outer.path().join("greenproof.toml"), "patience = 9\n")?;
    std::fs::write(user.join("greenproof/config.toml"), "patience = 7\nevidence = \"/dev/null/user\"\n")?;
    let user = user.to_str().context("a temporary path is UTF-8")?;
    let patience = |variables: &[(&str, &str)]| -> Result<(Value, Value)> {
        let all = json(&inner, &["config", "--json"], variables)?;
        let all = all["settings"].as_array().context("settings are a list")?;
        let it = all.iter().find(|it| it["key"] == "patience").context("patience is there")?;
        Ok((it["value"].clone(), it["origin"].clone()))
    };
    assert_eq!(patience(&[])?.1["kind"], "default", "what is above the repository is of others");
    assert_eq!(patience(&[("XDG_CONFIG_HOME", user)])?.0, 7);
    let file = repository.join("greenproof.toml");
    std::fs::write(&file, "# ours\npatience = 2\n")?;
    let (value, origin) = patience(&[("XDG_CONFIG_HOME", user)])?;
    assert_eq!((&value, &origin["line"]), (&2.into(), &2.into()));
    assert_eq!(origin["file"].as_str(), file.to_str());
    assert_eq!(patience(&[("GREENPROOF_PATIENCE", "3")])?.1["variable"], "GREENPROOF_PATIENCE");
    // What is configured is what happens.
    let (code, _, error) = said(&run(&inner, &["run"], &[("XDG_CONFIG_HOME", user)])?);
    assert!(code == Some(2) && error.contains("can't make the evidence folder `/dev/null/user`"), "{error}");
    let flag = ["run", "--evidence", "/dev/null/flag"];
    let (_, _, error) =
        said(&run(&inner, &flag, &[("XDG_CONFIG_HOME", user), ("GREENPROOF_EVIDENCE", "/dev/null/v")])?);
    assert!(error.contains("can't make the evidence folder `/dev/null/flag`"), "{error}");
    std::fs::write(&file, "patience = 2\nevidense = \"x\"\n")?;
    let (code, answer, error) = said(&run(&inner, &["config"], &[])?);
    let message = format!("error: {}:2:1: unknown key `evidense`\n  hint: did you mean `evidence`?\n", file.display());
    assert_eq!((code, answer.as_str(), error), (Some(2), "", message));
    Ok(())
}

/// A name that is spelled wrong on the command line is no less wrong than in a file.
#[test]
fn a_fault_about_nothing_is_refused_before_docker_is_asked() -> Result<()> {
    fidelity!("fault-5");
    let folder = tempfile::tempdir()?;
    let words = ["run", "--fault", "github.token-revoked token=nobody"];
    let (code, _, error) = said(&run(folder.path(), &words, &[("DOCKER_HOST", "unix:///nowhere")])?);
    assert!(code == Some(2) && error.contains("is about `nobody`, which is not in `github.tokens`"), "{error}");
    assert!(error.contains("hint: correct the name; there is `"), "{error}");
    Ok(())
}

/// What is no part of an answer goes to standard error.
#[test]
fn a_variable_that_is_spelled_wrong_is_remarked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, answer, error) = said(&run(folder.path(), &["config", "--json"], &[("GREENPROOF_PATIANCE", "2")])?);
    assert_eq!(code, Some(0));
    assert_eq!(error, "GREENPROOF_PATIANCE is no setting; did you mean GREENPROOF_PATIENCE?\n");
    assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
    Ok(())
}

#[test]
fn scenarios_are_listed_and_chosen() -> Result<()> {
    fidelity!("select-5");
    let folder = tempfile::tempdir()?;
    let base = format!("base = \"{}\"\n", fixture("scenarios/inline.toml").display());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), format!("{base}{text}"));
    write("plain.toml", "summary = \"plain\"\n")?;
    write("lite.toml", "tags = [\"slow\", \"lite\"]\n[device]\ncore = \"lite\"\napt = [\"socat\"]\n")?;
    std::fs::write(folder.path().join("notes.toml"), "[other]\n")?;
    let listed = json(folder.path(), &["list", ".", "--json"], &[])?;
    let names: Vec<_> = listed.as_array().context("it is a list")?.iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names, [Some("lite"), Some("plain")]);
    assert_eq!(listed[0]["tags"], serde_json::json!(["slow", "lite"]));
    assert_eq!(listed[0]["needs"], serde_json::json!(["nucleus lite", "Debian packages socat"]));
    let (_, table, _) = said(&run(folder.path(), &["list", ".", "--tag", "slow"], &[])?);
    assert!(table.starts_with("lite  lite      ") && table.contains("  [slow, lite]\n"), "{table}");
    assert!(table.ends_with("      needs nucleus lite, Debian packages socat\n"), "{table}");
    // `run` chooses the same way, before it asks for an engine.
    for words in [["list", ".", "--tag", "fast"], ["run", ".", "--tag", "fast"]] {
        let (code, answer, error) = said(&run(folder.path(), &words, &[])?);
        assert_eq!((code, answer.as_str()), (Some(4), ""), "{error}");
        assert!(error.contains("error: of 2 scenarios in `.`, none with tag `fast`\n"), "{error}");
    }
    std::fs::create_dir(folder.path().join("empty"))?;
    let (code, _, error) = said(&run(folder.path(), &["run", "empty"], &[])?);
    assert!(code == Some(4) && error.contains("error: no scenario in `empty`\n  hint: below a folder"), "{error}");
    write("bad.toml", "tags = [\"no good\"]\n")?;
    let (code, _, error) = said(&run(folder.path(), &["list", "."], &[])?);
    assert!(code == Some(2) && error.contains("bad.toml:2:9: `no good` is no tag"), "{error}");
    Ok(())
}

/// A plan needs no engine, names every secret and shows none.
#[test]
fn a_dry_run_tells_what_would_be() -> Result<()> {
    fidelity!("plan-1");
    let folder = tempfile::tempdir()?;
    let scenario = fixture("scenarios/private-package.toml");
    let words = ["run", scenario.to_str().context("the fixture's path is UTF-8")?, "--dry-run", "--leaks", "none"];
    let plans = json(folder.path(), &[&words[..], &["--json"]].concat(), &[])?;
    let plan = &plans[0];
    let parts = |list: &Value, key: &str| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|it| it[key].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(parts(&plan["containers"], "part"), ["localstack", "aws", "github", "device", "watch"]);
    let hosts = ["*.amazonaws.com", "github.com", "api.github.com", "packages.greenproof.internal"];
    assert_eq!(parts(&plan["hosts"], "name"), hosts);
    let policy = |name: &str| {
        let all = plan["policies"].as_array().into_iter().flatten();
        all.into_iter().find(|it| it["name"] == name).map(|it| it["file"].as_str().map(str::to_owned))
    };
    let file = fixture("policies/secret-read.json").canonicalize()?;
    assert_eq!(policy("secret-read"), Some(file.to_str().map(str::to_owned)));
    let built_in = json(folder.path(), &["run", "--dry-run", "--json"], &[])?.to_string();
    assert!(built_in.contains("secret-read") && !built_in.contains("secret-read.json"), "{built_in}");
    let secrets: Vec<_> = plan["secrets"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for name in ["token `mypat`", "secret `GithubPersonalAccessToekn`", "the device's private key"] {
        assert!(secrets.contains(&name), "{name}: {secrets:?}");
    }
    assert!(plan["steps"][0].as_str().is_some_and(|step| step.starts_with("deploy ")), "{plan}");
    let (code, text, error) = said(&run(folder.path(), &words, &[])?);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(
        text.contains("\n  container  device     greenproof/device:") && text.contains("\n  step 1     deploy "),
        "{text}"
    );
    for shown in [text, plans.to_string()] {
        assert!(!shown.contains("ghp_") && !shown.contains("PRIVATE KEY"), "{shown}");
    }
    assert!(folder.path().read_dir()?.next().is_none(), "a plan writes nothing");
    Ok(())
}

/// A reader who goes away is no failure; a disk that is full is one.
#[test]
fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() -> Result<()> {
    fidelity!("cli-3");
    for words in [&["config"][..], &["explain", "F14"], &["list", "--json"], &["completions", "bash"], &["man"]] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let output = Command::new(program()).args(words).stdout(writer).stderr(Stdio::piped()).output()?;
        let (code, _, error) = said(&output);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{words:?}");
        let full = File::options().write(true).open("/dev/full")?;
        let output = Command::new(program()).args(words).stdout(full).stderr(Stdio::piped()).output()?;
        let (code, _, error) = said(&output);
        let told = "error: can't write the answer to standard output: No space left on device";
        assert!(code == Some(3) && error.starts_with(told), "{words:?}: {error}");
    }
    Ok(())
}

/// What a shell offers after these words, the last of which is being typed.
fn offered(words: &[&str]) -> Result<String> {
    let script = said(&Command::new(program()).args(["completions", "bash"]).output()?).1;
    let [.., previous, current] = words else { anyhow::bail!("a command and a word") };
    let ask = format!(
        "function=$(complete -p greenproof | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); COMP_WORDS=({}); COMP_CWORD={}; \
         $function greenproof '{current}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1
    );
    let mut bash = Command::new("bash").args(["--norc", "-s"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    bash.stdin.take().context("standard input is piped")?.write_all(format!("{script}\n{ask}\n").as_bytes())?;
    Ok(String::from_utf8(bash.wait_with_output()?.stdout)?)
}

#[test]
fn bash_completes_commands_and_flags() -> Result<()> {
    fidelity!("cli-4");
    assert_eq!(offered(&["greenproof", "doc"])?, "doctor\n");
    assert_eq!(offered(&["greenproof", "run", "--fail"])?, "--fail-fast\n");
    assert_eq!(offered(&["greenproof", "policy", "mini"])?, "minimise\n");
    assert_eq!(offered(&["greenproof", "surr"])?, "\n", "what containers run is nobody's to type");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = said(&Command::new(program()).args(["completions", shell]).output()?);
        assert!(code == Some(0) && script.contains("fail-fast") && !script.contains("surround"), "{shell}");
    }
    Ok(())
}

/// Every command has a page, and whatever shows pages finds nothing to complain about.
#[test]
fn every_command_has_a_manual_page() -> Result<()> {
    fidelity!("cli-5");
    let folder = tempfile::tempdir()?;
    let made = Command::new(program()).arg("man").arg(folder.path()).output()?;
    assert!(made.status.success(), "{}", said(&made).2);
    let mut pages: Vec<_> = folder.path().read_dir()?.flatten().map(|entry| entry.path()).collect();
    pages.sort();
    let names: Vec<_> = pages.iter().filter_map(|page| page.file_name()?.to_str()).collect();
    for name in ["greenproof.1", "greenproof-run.1", "greenproof-policy-explain.1", "greenproof-doctor.1"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("surround")), "{names:?}");
    for page in &pages {
        let shown = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).output();
        let shown = shown.context("groff shows manual pages: apt-get install groff-base")?;
        assert!(shown.status.success() && shown.stderr.is_empty(), "{}: {}", page.display(), said(&shown).2);
    }
    let shown = Command::new("groff")
        .args(["-man", "-Tutf8", "-P-cbu"])
        .arg(folder.path().join("greenproof-run.1"))
        .output()?;
    // Its lines are filled and justified.
    let text = said(&shown).1.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("--fail-fast") && text.contains("greenproof run scenarios/ --tag smoke"), "{text}");
    Ok(())
}

/// A red run is left standing where that is asked for: who looks at its device sees what broke, and `down` removes it. A
/// green one goes.
#[test]
fn a_red_run_stays_to_be_looked_at() -> Result<()> {
    fidelity!("kept-15");
    let folder = tempfile::tempdir()?;
    let greenproof = |words: &[&str]| -> Result<(Option<i32>, String, String)> {
        Ok(said(&Command::new(program()).current_dir(&folder).args(words).output()?))
    };
    let (red, green) = (fixture("failures/F14-secret-not-permitted.toml"), fixture("scenarios/inline.toml"));
    let (red, green) = (red.to_str().context("UTF-8")?, green.to_str().context("UTF-8")?);
    let (code, _, told) = greenproof(&["run", "--keep=on-failure", "--fail-fast", green, red, "--filter", "*"])?;
    assert_eq!(code, Some(1), "{told}");
    let name = "F14-secret-not-permitted";
    assert!(told.contains(&format!("`{name}` stays: greenproof shell --name {name}")), "{told}");
    assert!(told.contains("PASSED inline") && !told.contains("`inline` stays"), "{told}");
    // At the full hour a new file is begun.
    let logs = "cat /greengrass/v2/logs/com.example.GithubCustomPack*.log";
    let (code, seen, error) = greenproof(&["exec", "--name", name, "--root", "--", "sh", "-c", logs])?;
    assert_eq!(code, Some(0), "{error}");
    assert!(seen.contains("AccessDeniedException"), "{seen}");
    let (code, removed, told) = greenproof(&["down", "--name", name, "--json"])?;
    assert_eq!((code, removed.as_str()), (Some(0), "[\n  \"F14-secret-not-permitted\"\n]\n"), "{told}");
    let (code, _, told) = greenproof(&["down", "--name", name])?;
    assert!(code == Some(3) && told.contains(&format!("none is called `{name}`")), "{told}");
    Ok(())
}

/// Several machines have a part each, and one that has none is at its end without an engine.
#[test]
fn a_part_of_a_selection_is_chosen_after_all_else_and_may_be_empty() -> Result<()> {
    fidelity!("partition-5");
    let folder = tempfile::tempdir()?;
    let base = format!("base = \"{}\"\n", fixture("scenarios/inline.toml").display());
    for name in ["a", "b", "c", "other"] {
        std::fs::write(folder.path().join(format!("{name}.toml")), &base)?;
    }
    let chosen = |part: &str| -> Result<Vec<String>> {
        let listed = json(folder.path(), &["list", ".", "--filter", "?", "--partition", part, "--json"], &[])?;
        let listed = listed.as_array().context("it is a list")?.clone();
        Ok(listed.iter().filter_map(|it| it["name"].as_str().map(str::to_owned)).collect())
    };
    assert_eq!((chosen("slice:1/2")?, chosen("count:2/2")?), (vec!["a".into(), "c".into()], vec!["b".into()]));
    assert_eq!(chosen("slice:4/4")?, Vec::<String>::new());
    let part = |words: &[&str]| -> Result<_> {
        let all = ["run", ".", "--evidence", "part", "--junit", "part.xml", "--partition"];
        Ok(said(&run(folder.path(), &[&all[..], words].concat(), &[])?))
    };
    let (code, _, told) = part(&["slice:5/5"])?;
    assert!(code == Some(0) && told.contains("part slice:5/5: 0 of 4 scenarios"), "{told}");
    assert!(std::fs::read_to_string(folder.path().join("part.xml"))?.contains("tests=\"0\""));
    let (code, _, told) = part(&["slice:5/5", "--tag", "none"])?;
    assert!(code == Some(4), "{told}");
    let (code, _, told) = part(&["slice:0/5"])?;
    assert!(code == Some(2) && told.contains("use slice:K/N, count:K/N or hash:K/N"), "{told}");
    // Nobody has run the others.
    let (code, _, told) = said(&run(folder.path(), &["merge", "--out", "all", "part"], &[])?);
    assert!(
        code == Some(3) && told.contains("of 4 scenarios 4 did not come to an end: `a`, `b`, `c`, `other`"),
        "{told}"
    );
    Ok(())
}

/// What comes after the first red scenario is not run, and told so.
#[test]
fn a_run_that_fails_fast_tells_what_it_leaves() -> Result<()> {
    fidelity!("select-6");
    let folder = tempfile::tempdir()?;
    let base = fixture("scenarios/inline.toml");
    let scenario = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), format!("base = \"{}\"\n{text}", base.display()))
    };
    scenario(
        "a-red.toml",
        "[[expect.line]]\ncomponent = \"com.example.InlineCustomPack\"\nstep = \"Run\"\nequals = \"never\"\n",
    )?;
    scenario("b-green.toml", "")?;
    let words = ["run", ".", "--fail-fast", "--jobs", "1", "--patience", "0.07"];
    let (code, _, told) = said(&Command::new(program()).current_dir(&folder).args(words).output()?);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAILED a-red in "), "{told}");
    assert!(told.contains("SKIPPED b-green: not run, since `a-red` did not pass"), "{told}");
    Ok(())
}
