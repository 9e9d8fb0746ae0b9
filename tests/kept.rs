//! Environments that stay: what stands between commands, who reaches it, and what is left of it.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use std::{
    io::{BufRead, BufReader, Write},
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant, SystemTime},
};
use tests::{block_on, docker, fixture, program, stage, standing, standing_of};

fn greenproof(words: &[&str]) -> Result<Output> {
    Ok(Checked::new(program()).args(words).output()?)
}

/// Standard output of a command that must succeed.
fn answered(words: &[&str]) -> Result<String> {
    told(&greenproof(words)?, words)
}

fn told(output: &Output, words: &[&str]) -> Result<String> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{words:?}: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An `aws` that says that it is of this version, first in the search path.
fn pretending(folder: &Path, version: &str) -> Result<String> {
    let file = folder.join("aws");
    std::fs::write(&file, format!("#!/bin/sh\necho 'aws-cli/{version} Python/3.11.2 Linux/6.1'\n"))?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display()))
}

/// What `greenproof env` prints for a person with such an `aws`, and such variables besides.
fn exports(name: &str, path: &str, present: &[(&str, &str)]) -> Result<String> {
    let words = ["env", "--name", name];
    let mut command = Checked::new(program());
    told(&command.args(words).env("PATH", path).envs(present.iter().copied()).output()?, &words)
}

/// Runs shell commands with Debian's AWS CLI on the host's network, after `exports` were evaluated.
fn with_aws(exports: &str, script: &str) -> Result<String> {
    let image = block_on(async { stage(1.0).await.images.device.clone() });
    let script = format!("eval \"$(cat)\"; {script}");
    let words = ["run", "--rm", "--interactive", "--network", "host", "--entrypoint", "bash", &image, "-c", &script];
    let mut run = Command::new("docker").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    run.stdin.take().context("standard input is piped")?.write_all(exports.as_bytes())?;
    told(&run.wait_with_output()?, &words)
}

/// Whether a TCP connection can be made from a container, within some seconds.
fn reaches(container: &str, address: &str, seconds: u32) -> Result<bool> {
    let (host, port) = address.split_once(':').context("an address has a port")?;
    let script = format!("timeout {seconds} bash -c '</dev/tcp/{host}/{port}'");
    Ok(Command::new("docker").args(["exec", container, "bash", "-c", &script]).output()?.status.success())
}

/// Two environments stand side by side, each with its port, its account and its secrets, until each is removed.
#[test]
fn alone_two_environments_stay_and_know_nothing_of_each_other() -> Result<()> {
    fidelity!("kept-1", "kept-2", "kept-3", "kept-4", "kept-5", "kept-6");
    let scenario = fixture("scenarios/inline.toml");
    let scenario = scenario.to_str().context("the fixture's path is UTF-8")?;
    let folder = tempfile::tempdir()?;
    let old = pretending(folder.path(), "2.9.19")?;
    for name in ["one", "other"] {
        answered(&["up", scenario, "--name", name])?;
    }
    let again = greenproof(&["up", scenario, "--name", "one"])?;
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(3) && error.contains("`one` stands already"), "{error}");

    // A sweep spares them, and says so by having nothing to do.
    let swept = greenproof(&["sweep"])?;
    assert!(String::from_utf8_lossy(&swept.stderr).contains("nothing to remove"));
    assert_eq!(standing()?.lines().count(), 2 * (3 + 2), "three containers and two networks each");

    // AWS's own client works with one, and the other has nothing of it.
    let (one, other) = (exports("one", &old, &[])?, exports("other", &old, &[])?);
    let work = "aws secretsmanager create-secret --name mine --secret-string value > /dev/null; \
                aws sts get-caller-identity --query Arn --output text";
    let account = with_aws(&one, work)?;
    assert!(account.contains(":user/operator"), "{account}");
    let list = "aws secretsmanager list-secrets --query 'SecretList[].Name' --output text";
    assert_eq!(with_aws(&one, list)?.split_whitespace().collect::<Vec<_>>(), ["GithubPersonalAccessToekn", "mine"]);
    assert_eq!(with_aws(&other, list)?.trim(), "GithubPersonalAccessToekn");
    let stranger = one.replace(&port(&one)?, &port(&other)?);
    assert!(with_aws(&stranger, "aws sts get-caller-identity").is_err(), "one's key is nothing to the other");

    let id = id_of("one")?;
    the_port_is_the_hosts_alone(&id, &port(&one)?)?;
    nothing_secret_is_told(&id, &one)?;
    the_engine_keeps_the_core_running(&id)?;

    let gone = greenproof(&["down", "--name", "nobody"])?;
    let error = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(gone.status.code() == Some(3) && error.contains("none is called `nobody`"), "{error}");
    assert!(error.contains("hint: those that stand: `one`, `other`"), "{error}");
    answered(&["down", "--name", "one"])?;
    assert_eq!(standing()?.lines().count(), 3 + 2, "the other is still there");
    answered(&["sweep", "--all"])?;
    assert_eq!(standing()?, "");
    assert_eq!(answered(&["status"])?.trim(), "no environment stands");
    Ok(())
}

fn port(exports: &str) -> Result<String> {
    let line = exports.lines().find_map(|line| line.strip_prefix("export AWS_ENDPOINT_URL=http://127.0.0.1:"));
    Ok(line.context("the endpoint is exported")?.to_owned())
}

fn id_of(name: &str) -> Result<String> {
    let status: serde_json::Value = serde_json::from_str(&answered(&["status", "--name", name, "--json"])?)?;
    let thing = status[0]["device"]["thing"].as_str().context("the device has a thing")?;
    let devices = docker(&["ps", "--filter", "label=greenproof.role=device", "--format", "{{.Names}}"])?;
    // That of another test may be gone before it is looked at.
    let host = |device: &str| docker(&["inspect", device, "--format", "{{.Config.Hostname}}"]).unwrap_or_default();
    let own = devices.lines().find(|device| host(device).trim() == thing);
    Ok(own.with_context(|| format!("`{name}` has no device"))?.trim_end_matches("-device").to_owned())
}

/// The port is at 127.0.0.1, and neither container gets out by it: what both try to reach stands on the host, where a
/// container of Docker's own network reaches it.
fn the_port_is_the_hosts_alone(id: &str, port: &str) -> Result<()> {
    let (aws, device) = (format!("{id}-aws"), format!("{id}-device"));
    let published = docker(&["port", &aws])?;
    assert_eq!(published.trim(), format!("4566/tcp -> 127.0.0.1:{port}"));
    assert_eq!(docker(&["port", &device])?, "");
    let listener = std::net::TcpListener::bind("0.0.0.0:0")?;
    let open = listener.local_addr()?.port();
    let edge = format!("{id}-edge");
    let edge = docker(&["network", "inspect", &edge, "--format", "{{(index .IPAM.Config 0).Subnet}}"])?;
    // The bridge's own address is the first of its subnet.
    let edge = edge.trim().split_once('/').and_then(|(first, _)| first.parse::<Ipv4Addr>().ok());
    let edge = Ipv4Addr::from_bits(edge.context("the edge has a subnet")?.to_bits() + 1).to_string();
    let image = docker(&["inspect", &device, "--format", "{{.Config.Image}}"])?;
    let control = docker(&["run", "--rm", "--detach", "--entrypoint", "sleep", image.trim(), "60"])?;
    let route = docker(&["exec", control.trim(), "ip", "route", "show", "default"])?;
    let bridge = route.split_whitespace().nth(2).context("it has a default route")?.to_owned();
    let seen = reaches(control.trim(), &format!("{bridge}:{open}"), 30);
    docker(&["rm", "--force", control.trim()])?;
    assert!(seen?, "a container that is not shut in reaches the host at {bridge}");
    for host in [&bridge, &edge] {
        assert!(!reaches(&aws, &format!("{host}:{open}"), 3)?, "aws reaches {host}");
    }
    listener.set_nonblocking(true)?;
    while listener.accept().is_ok() {}
    // The device's own kernel answers what goes elsewhere, so only who listens knows that nothing came.
    for host in [&bridge, &edge] {
        reaches(&device, &format!("{host}:{open}"), 3)?;
    }
    assert!(listener.accept().is_err(), "the device reaches the host");
    Ok(())
}

/// The operator's key stands in the `aws` container and in what `env` prints, and nowhere else.
fn nothing_secret_is_told(id: &str, exports: &str) -> Result<()> {
    let line = exports.lines().find_map(|line| line.strip_prefix("export AWS_SECRET_ACCESS_KEY="));
    let secret = line.context("the key is exported")?;
    let parts = ["aws", "github", "device"].map(|role| format!("{id}-{role}"));
    for part in &parts {
        assert!(!docker(&["inspect", part])?.contains(secret), "{part}");
        assert!(!docker(&["logs", part])?.contains(secret), "{part}");
        assert!(!docker(&["top", part, "-eo", "pid,args"])?.contains(secret), "{part}");
    }
    let found = docker(&["exec", &parts[0], "grep", "-rl", secret, "/etc", "/run", "/srv"])?;
    assert_eq!(found.trim(), "/etc/greenproof/world.json");
    let cache = block_on(async { stage(1.0).await.engine.cache().to_owned() });
    let on_host = Command::new("grep").args(["-r", "-l", secret]).arg(cache).output()?;
    assert_eq!(String::from_utf8_lossy(&on_host.stdout), "");
    let status = answered(&["status"])? + &answered(&["status", "--json"])?;
    assert!(!status.contains(secret));
    Ok(())
}

/// A core that is killed is started again by the engine, with nobody of ours there.
fn the_engine_keeps_the_core_running(id: &str) -> Result<()> {
    let device = format!("{id}-device");
    let process = docker(&["inspect", &device, "--format", "{{.State.Pid}}"])?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    let mut events = Command::new("docker")
        .args(["events", "--since", &since, "--filter", &format!("container={device}")])
        .args(["--filter", "event=start", "--format", "again"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut again = BufReader::new(events.stdout.take().context("standard output is piped")?);
    anyhow::ensure!(Command::new("kill").args(["-9", process.trim()]).status()?.success(), "the core can be killed");
    let mut line = String::new();
    again.read_line(&mut line)?;
    events.kill()?;
    events.wait()?;
    assert_eq!(line.trim(), "again");
    let status: serde_json::Value = serde_json::from_str(&answered(&["status", "--json"])?)?;
    let all = status.as_array().context("status is a list")?;
    assert!(all.iter().any(|status| status["device"]["restarts"] == 1), "{all:#?}");
    Ok(())
}

/// Deploys a scenario to what stands: the exit code, and what is said on standard error.
fn deployed(file: &str, name: &str, folder: &Path) -> Result<(Option<i32>, String)> {
    let words = ["deploy", file, "--name", name];
    let deployed = Checked::new(program()).args(words).current_dir(folder).output()?;
    Ok((deployed.status.code(), String::from_utf8_lossy(&deployed.stderr).into_owned()))
}

/// The component changes under its version number: what it expects no more is a finding, what it prints now is not.
fn what_changed_is_installed_anew(name: &str, folder: &Path) -> Result<()> {
    fidelity!("kept-10");
    let write = |prints: &str, expected: &str| {
        let text = LOOP.replace("BASE", &fixture("scenarios/inline.toml").display().to_string());
        std::fs::write(folder.join("loop.toml"), text.replace("PRINTS", prints).replace("EXPECTED", expected))
    };
    let file = folder.join("loop.toml").display().to_string();
    for (prints, expected, code) in [("one", "one", 0), ("two", "one", 1), ("two", "two", 0)] {
        write(prints, expected)?;
        let (ended, said) = deployed(&file, name, folder)?;
        assert_eq!(ended, Some(code), "{said}");
    }
    let user = answered(&["exec", "--name", name, "--", "id", "-un"])?;
    assert_eq!(user.trim(), "ggc_user");
    assert!(answered(&["logs", "--name", name, "com.example.Loop"])?.contains("stdout. two."));
    Ok(())
}

/// Beside a component that changes under its number, one with a new number is updated; one that needs the old version
/// keeps it on the device, which is told and not taken for the new one.
fn what_changed_is_never_judged_by_what_stays(name: &str, folder: &Path) -> Result<()> {
    fidelity!("kept-10");
    let file = folder.join("pair.toml").display().to_string();
    let deploy = |prints: &str, version: &str, needs: &str| -> Result<(Option<i32>, String)> {
        let text = PAIR.replace("BASE", &fixture("scenarios/inline.toml").display().to_string());
        let text = text.replace("PRINTS", prints).replace("VERSION", version).replace("NEEDS", needs);
        std::fs::write(&file, text)?;
        deployed(&file, name, folder)
    };
    let needs = r#""ComponentDependencies": {"com.example.Loop": {"VersionRequirement": "1.0.0"}},"#;
    for (prints, version, needs) in [("three", "1.0.0", ""), ("four", "1.0.1", ""), ("five", "1.0.2", needs)] {
        let (code, said) = deploy(prints, version, needs)?;
        assert_eq!(code, Some(0), "{said}");
    }
    assert!(answered(&["logs", "--name", name, "com.example.Other"])?.contains("stdout. other 1.0.2."));
    let (code, said) = deploy("six", "1.0.3", needs)?;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("`com.example.Loop` 1.0.0 stays, since a component that stays needs it"), "{said}");
    assert!(said.contains("give `com.example.Loop` a new version"), "{said}");
    Ok(())
}

/// What took orders in a cloud goes with who gave them.
fn nobody_waits_for_orders(id: &str) -> Result<()> {
    let aws = format!("{id}-aws");
    let (mut seen, began) = (String::new(), Instant::now());
    while began.elapsed() < Duration::from_secs(30) {
        seen = docker(&["top", &aws, "-eo", "pid,args"])?;
        anyhow::ensure!(seen.contains("greenproof cloud aws"), "{seen}");
        if !seen.contains("cloud control") {
            return Ok(());
        }
    }
    anyhow::bail!("it is still there: {seen}")
}

/// A scenario of a component that changes, and one that may need it.
const PAIR: &str = r#"
base = "BASE"
[[component]]
recipe_text = """
{"RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.Loop", "ComponentVersion": "1.0.0",
 "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"Run": "echo PRINTS"}}]}
"""
[[component]]
recipe_text = """
{"RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.Other", "ComponentVersion": "VERSION", NEEDS
 "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"Run": "echo other VERSION"}}]}
"""
[deployment]
"com.example.Loop" = "1.0.0"
"com.example.Other" = "VERSION"
[expect]
deployment = "SUCCEEDED"
components = { "com.example.Loop" = "FINISHED", "com.example.Other" = "FINISHED" }
call = []
package = []
[[expect.line]]
component = "com.example.Loop"
step = "Run"
equals = "PRINTS"
[[expect.line]]
component = "com.example.Other"
step = "Run"
equals = "other VERSION"
"#;

/// A scenario for the inner loop.
const LOOP: &str = r#"
base = "BASE"
[[component]]
recipe_text = """
{"RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.Loop", "ComponentVersion": "1.0.0",
 "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"Run": "echo PRINTS"}}]}
"""
[deployment]
"com.example.Loop" = "1.0.0"
[expect]
deployment = "SUCCEEDED"
components = { "com.example.Loop" = "FINISHED" }
call = []
package = []
[[expect.line]]
component = "com.example.Loop"
step = "Run"
equals = "EXPECTED"
"#;

/// A process that is killed while it raises an environment keeps nothing: the next sweep takes what there is of it.
#[test]
fn alone_a_crash_while_it_is_raised_leaves_nothing() -> Result<()> {
    fidelity!("kept-2");
    let folder = tempfile::tempdir()?;
    let mut up = Command::new(program())
        .args(["up", "--name", "crashed", "--deploy", "--fault", "net.cut"])
        .current_dir(&folder)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(up.stderr.take().context("standard error is piped")?);
    let mut line = String::new();
    while !line.contains("aws, github and device are up") {
        line.clear();
        anyhow::ensure!(said.read_line(&mut line)? > 0, "it ended before its world stood");
    }
    up.kill()?;
    up.wait()?;
    assert_eq!(standing()?.lines().count(), 5);
    let gone = greenproof(&["env", "--name", "crashed"])?;
    assert_eq!(gone.status.code(), Some(3));
    answered(&["sweep"])?;
    assert_eq!(standing()?, "");
    Ok(())
}

/// Whatever would send calls elsewhere is undone; an old `aws` is told its endpoint, a new one need not be.
#[test]
fn what_is_exported_fits_the_client_and_the_shell() -> Result<()> {
    fidelity!("kept-5");
    let (folder, name) = (tempfile::tempdir()?, "exported");
    let scenario = fixture("scenarios/inline.toml");
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    answered(&["up", scenario.to_str().context("the fixture's path is UTF-8")?, "--name", name, "--port", &free])?;
    assert_eq!(port(&exports(name, &pretending(folder.path(), "2.13.0")?, &[])?)?, free);
    let function = "aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }";
    for (version, ignores) in [("1.19.1", true), ("2.12.7", true), ("2.13.0", false), ("1.44.44", false), ("?", true)] {
        let printed = exports(name, &pretending(folder.path(), version)?, &[])?;
        assert_eq!(printed.contains(function), ignores, "{version}: {printed}");
        assert!(printed.contains("unset ") && printed.contains(" AWS_SESSION_TOKEN "), "{printed}");
    }
    let present = [("http_proxy", "http://127.0.0.1:9"), ("AWS_ENDPOINT_URL_S3", "http://elsewhere")];
    let printed = exports(name, &pretending(folder.path(), "2.13.0")?, &present)?;
    assert!(printed.contains("export no_proxy=127.0.0.1") && printed.contains(" AWS_ENDPOINT_URL_S3"), "{printed}");
    let none = exports(name, &folder.path().join("none").display().to_string(), &[])?;
    assert!(!none.contains("aws()"), "{none}");
    what_changed_is_installed_anew(name, folder.path())?;
    what_changed_is_never_judged_by_what_stays(name, folder.path())?;
    let json: serde_json::Value = serde_json::from_str(&answered(&["env", "--name", name, "--json"])?)?;
    assert_eq!(json["variables"]["AWS_REGION"], "ap-northeast-1");
    let device = id_of(name)?;
    let environment = device.trim_start_matches("greenproof-");
    assert_eq!(standing_of(environment)?.lines().count(), 3 + 2, "three containers and two networks");
    nobody_waits_for_orders(&device)?;
    answered(&["down", "--name", name])?;
    assert_eq!(standing_of(environment)?, "");
    Ok(())
}

/// A component whose scripts tell their environment, and which then stays.
const TELLING: &str = r#"
base = "BASE"
[[component]]
recipe_text = """
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Telling
ComponentVersion: 1.0.0
ComponentConfiguration: {DefaultConfiguration: {who: 'the device'}}
Manifests:
  - Platform: {os: linux}
    Lifecycle:
      Setenv: {GREETING: 'hello {configuration:/who}'}
      Run: |
        env; pwd; exec sleep 1000
"""
[deployment]
"com.example.Telling" = "1.0.0"
"aws.greengrass.TokenExchangeService" = "2.0.3"
[expect]
deployment = "SUCCEEDED"
components = { "com.example.Telling" = "RUNNING" }
call = []
package = []
[[expect.line]]
component = "com.example.Telling"
step = "Run"
equals = "/greengrass/v2/work/com.example.Telling"
"#;

/// Variables that are about the program that runs, not about the component.
const OF_THE_PROGRAM: [&str; 4] = ["SUDO_COMMAND", "TERM", "_", "SHLVL"];

/// `NAME=VALUE` lines of an environment, without what differs from program to program, in order.
fn variables<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let of_component = |line: &&str| {
        line.split_once('=')
            .is_some_and(|(name, _)| !OF_THE_PROGRAM.contains(&name) && !["PWD", "OLDPWD"].contains(&name))
    };
    let mut lines: Vec<_> = lines.map(str::trim).filter(of_component).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A person on the device has what the component's scripts have: by a command, in a shell, and as root.
#[test]
fn a_person_is_in_the_components_place() -> Result<()> {
    fidelity!("kept-12", "kept-13", "kept-14");
    let (folder, name) = (tempfile::tempdir()?, "inside");
    let file = folder.path().join("telling.toml").display().to_string();
    std::fs::write(&file, TELLING.replace("BASE", &fixture("scenarios/inline.toml").display().to_string()))?;
    let raised =
        Checked::new(program()).current_dir(&folder).args(["up", &file, "--name", name, "--deploy"]).output()?;
    told(&raised, &["up"])?;
    let component = "com.example.Telling";
    let log = answered(&["logs", "--name", name, component])?;
    let printed = log.lines().filter_map(|line| Some(line.split_once("stdout. ")?.1.rsplit_once(". {scriptName=")?.0));
    let script = variables(printed);
    assert!(script.contains(&"GREETING=hello the device".to_owned()), "{script:#?}");

    let run = |words: &[&str]| answered(&[&["exec", "--name", name], words].concat());
    assert_eq!(variables(run(&[component, "--", "env"])?.lines()), script);
    assert_eq!(
        run(&[component, "--", "sh", "-c", "pwd; id -un"])?,
        format!("/greengrass/v2/work/{component}\nggc_user\n")
    );
    assert_eq!(run(&["--root", component, "--", "id", "-un"])?.trim(), "root");
    let credentials = "curl() { python3 -c 'import os, urllib.request as r; \
        print(r.urlopen(r.Request(os.environ[\"AWS_CONTAINER_CREDENTIALS_FULL_URI\"], \
        headers={\"Authorization\": os.environ[\"AWS_CONTAINER_AUTHORIZATION_TOKEN\"]})).status)'; }; curl";
    assert_eq!(run(&[component, "--", "sh", "-c", credentials])?.trim(), "200", "the token is the component's own");

    a_command_is_connected(name, component)?;
    a_shell_is_a_terminal(name, component, &script)?;
    a_log_is_followed(name)?;
    answered(&["down", "--name", name])?;
    Ok(())
}

/// What it reads, prints and ends with passes; an unknown component is told.
fn a_command_is_connected(name: &str, component: &str) -> Result<()> {
    let mut exec = Command::new(program())
        .args(["exec", "--name", name, component, "--", "sh", "-c", "read line; echo got $line; cat >&2; exit 7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = exec.stdin.take().context("standard input is piped")?;
    input.write_all(b"one\n")?;
    // It is printed while the command still waits for more.
    let mut line = String::new();
    BufReader::new(exec.stdout.take().context("standard output is piped")?).read_line(&mut line)?;
    assert_eq!(line, "got one\n");
    input.write_all(b"two\n")?;
    drop(input);
    let ended = exec.wait_with_output()?;
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(7), &b"two\n"[..]));
    let stranger = greenproof(&["exec", "--name", name, "com.example.Nobody", "--", "true"])?;
    let error = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(stranger.status.code() == Some(2) && error.contains("it has ") && error.contains(component), "{error}");
    Ok(())
}

/// A shell on a real terminal: the same environment, the terminal's size, and the shell's exit code.
fn a_shell_is_a_terminal(name: &str, component: &str, script: &[String]) -> Result<()> {
    let shell = format!("stty rows 33 cols 111; {} shell --name {name} {component}", program().display());
    let mut typescript = Command::new("script")
        .args(["--quiet", "--return", "--command", &shell, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = typescript.stdin.take().context("standard input is piped")?;
    input.write_all(b"stty size; id -un; env; exit 9\n")?;
    let ended = typescript.wait_with_output()?;
    drop(input);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(9), "{said}");
    let lines = || said.lines().map(str::trim);
    assert!(lines().any(|line| line.ends_with("33 111")) && lines().any(|line| line == "ggc_user"), "{said}");
    for variable in script {
        assert!(lines().any(|line| line.ends_with(variable.as_str())), "{variable} in {said}");
    }
    Ok(())
}

/// A log that is not there yet is followed, across its rotation; who ends following leaves nothing on the device.
fn a_log_is_followed(name: &str) -> Result<()> {
    let on_device = |script: &str| answered(&["exec", "--name", name, "--root", "--", "sh", "-c", script]);
    let mut follow = Command::new(program())
        .args(["logs", "--follow", "--name", name, "com.example.Later"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(follow.stdout.take().context("standard output is piped")?).lines();
    let log = "/greengrass/v2/logs/com.example.Later";
    on_device(&format!("echo first > {log}.log"))?;
    assert_eq!(lines.next().context("it goes on")??, "first");
    on_device(&format!("mv {log}.log {log}_old.log; echo second > {log}.log"))?;
    assert_eq!(lines.next().context("it goes on")??, "second");
    let interrupted = Command::new("kill").args(["-INT", &follow.id().to_string()]).status()?;
    anyhow::ensure!(interrupted.success() && !follow.wait()?.success(), "it is ended by Ctrl-C");
    // The engine ends it a moment after the connection.
    let gone = "for try in $(seq 100); do pgrep -f 'tail.*Later[.]log' > /dev/null || exit 0; sleep 0.1; done; exit 1";
    on_device(gone)?;
    Ok(())
}
