//! Docker engines elsewhere: several that share scenarios, engines behind TLS and SSH, and engines that fail.

use anyhow::{Context, Result};
use assert_cmd::Command as Checked;
use fidelity::fidelity;
use serde_json::Value;
use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tests::{docker, extra::Extra, fixture, program, run_program as run};

fn greenproof(words: &[&str], folder: &Path) -> Result<Output> {
    Ok(Checked::new(program()).current_dir(folder).args(words).output()?)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn inline() -> String {
    fixture("scenarios/inline.toml").display().to_string()
}

/// What environments have on an engine now, and the networks and volumes that are of ours.
fn standing(extra: &Extra) -> Result<String> {
    let label = ["--filter", "label=greenproof.environment", "--quiet"];
    let lists: [&[&str]; 3] = [&["ps", "--all"], &["network", "ls"], &["volume", "ls"]];
    lists.iter().map(|list| extra.docker(&[list, label.as_slice()].concat())).collect()
}

/// The engines that the scenarios of a stream ran on.
fn engines(stream: &str) -> Result<Vec<String>> {
    let events = stream.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let of = |event: &Value| Some(event["versions"]["engine"].as_str()?.to_owned());
    Ok(events.iter().filter_map(of).collect())
}

/// Two engines; the other one, which has no image and no network beyond this machine, is reached by SSH. Nothing
/// else may take or give memory meanwhile, by which an engine is chosen.
#[test]
fn alone_engines_share_scenarios_and_images() -> Result<()> {
    fidelity!("engine-1", "engine-2", "engine-3", "engine-4");
    let (folder, extra) = (tempfile::tempdir()?, Extra::start(1)?);
    let server = Server::start(folder.path(), &extra.host())?;
    let (first, second) = (inline(), fixture("scenarios/least-privilege.toml").display().to_string());
    let run = ["run", &first, &second, "--jobs", "2", "--format", "json", "--engine", "default", "--engine"];
    let mut command = Checked::new(program());
    command.current_dir(folder.path()).env("SSH_AUTH_SOCK", &server.agent).args(run).arg(&server.address);
    let output = command.output()?;
    assert!(output.status.success(), "{}", told(&output));
    // Both engines have the memory of one machine, so which of them is given the first scenario is left to chance.
    let mut ran = engines(&String::from_utf8(output.stdout)?)?;
    ran.sort_unstable();
    assert_eq!(ran, ["default".to_owned(), server.address.clone()]);
    let images = ["images", "--quiet", "--no-trunc", "greenproof/device"];
    let (here, there) = (docker(&images)?, extra.docker(&images)?);
    assert!(!there.is_empty() && there.lines().all(|id| here.contains(id)), "{there} is not of {here}");
    assert_eq!(standing(&extra)?, "");
    Ok(())
}

#[test]
fn an_engine_that_is_not_there_is_named() -> Result<()> {
    fidelity!("engine-1", "engine-2");
    let folder = tempfile::tempdir()?;
    let fails = |words: &[&str], code: i32, text: &str| -> Result<()> {
        let output = greenproof(words, folder.path())?;
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        assert!(told(&output).contains(text), "{}", told(&output));
        Ok(())
    };
    let nowhere = "connecting to Docker at unix:///nowhere: there is no socket `/nowhere`";
    fails(&["run", &inline(), "--engine", "default", "--engine", "unix:///nowhere"], 3, nowhere)?;
    fails(&["status", "--engine", "fra"], 3, "engine `fra`: there is no context of this name")?;
    fails(&["status", "--engine", "a", "--engine", "b"], 2, "only `run` and `sweep` take several engines")?;
    let keep = ["run", &inline(), "--keep", "--engine", "default", "--engine", "default"];
    fails(&keep, 2, "an environment that stays is looked for on one engine")
}

/// Keys of an authority, of an engine at an address, and of a client, as Docker's documentation has them made.
fn keys(folder: &Path, address: &str) -> Result<()> {
    let script = format!(
        "set -e; cd {}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca-key.pem -out ca.pem -days 1 -subj /CN=ca
        for who in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who-key.pem -out $who.csr -subj /CN=$who
        done
        printf 'subjectAltName=IP:{address}\\nextendedKeyUsage=serverAuth' > server.ext
        printf 'extendedKeyUsage=clientAuth' > client.ext
        for who in server client; do
            openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -out $who.pem -days 1 -extfile $who.ext
        done",
        folder.display()
    );
    let made = Command::new("sh").args(["-c", &script]).output()?;
    anyhow::ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// A context that Docker's own CLI made; the keys of another authority open nothing.
#[test]
fn an_engine_behind_tls_is_reached_by_its_context() -> Result<()> {
    fidelity!("engine-1");
    let (folder, strangers) = (tempfile::tempdir()?, tempfile::tempdir()?);
    keys(folder.path(), "10.99.2.2")?;
    keys(strangers.path(), "10.99.2.2")?;
    let pem = |name: &str| folder.path().join(name).display().to_string();
    let extra = Extra::start_with(
        2,
        &["--tlsverify", "--tlscacert", &pem("ca.pem"), "--tlscert", &pem("server.pem")]
            .into_iter()
            .chain(["--tlskey", &pem("server-key.pem"), "--host", "tcp://10.99.2.2:2376"])
            .collect::<Vec<_>>(),
    )?;
    let config = folder.path().join("config");
    let context = |name: &str, keys: &Path| -> Result<()> {
        let [client, key] = ["client.pem", "client-key.pem"].map(|name| keys.join(name).display().to_string());
        let endpoint = format!("host=tcp://{}:2376,ca={},cert={client},key={key}", extra.address(), pem("ca.pem"));
        let words = ["context", "create", name, "--docker", &endpoint];
        let made = Command::new("docker").env("DOCKER_CONFIG", &config).args(words).output()?;
        anyhow::ensure!(made.status.success(), "docker context: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    };
    context("far", folder.path())?;
    context("closed", strangers.path())?;
    let status = |name: &str| -> Result<Output> {
        let mut command = Checked::new(program());
        Ok(command.env("DOCKER_CONFIG", &config).args(["status", "--engine", name]).output()?)
    };
    let open = status("far")?;
    assert!(open.status.success() && told(&open).contains("no environment stands"), "{}", told(&open));
    let closed = status("closed")?;
    assert_eq!(closed.status.code(), Some(3));
    assert!(told(&closed).contains("connecting to Docker at tcp://10.99.2.2:2376: "), "{}", told(&closed));
    Ok(())
}

/// A server of `OpenSSH`'s whose users' commands mean another engine, and an agent that has the key to it. Both end when
/// this is dropped.
struct Server {
    running: Vec<Child>,
    address: String,
    host: String,
    agent: PathBuf,
}

impl Server {
    fn start(folder: &Path, engine: &str) -> Result<Self> {
        let own = |name: &str| folder.join(name).display().to_string();
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        for key in ["host", "user"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &own(key)])?;
        }
        let agent = folder.join("agent");
        fs::create_dir_all("/run/sshd")?;
        let settings = format!(
            "ListenAddress 127.0.0.1:{free}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nSetEnv DOCKER_HOST={engine}\n",
            own("host"),
            own("user.pub")
        );
        fs::write(folder.join("sshd"), settings + "PermitRootLogin prohibit-password\nPidFile none\n")?;
        let server = Command::new("/usr/sbin/sshd").args(["-D", "-q", "-f", &own("sshd")]).spawn();
        let server = server.context("sshd is missing: apt-get install openssh-server")?;
        let keeper = Command::new("ssh-agent").args(["-D", "-a", &own("agent")]).stdout(Stdio::null()).spawn()?;
        let address = format!("ssh://root@127.0.0.1:{free}");
        let started = Self { running: vec![server, keeper], address, host: format!("[127.0.0.1]:{free}"), agent };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", free)).is_err() || !started.agent.exists() {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(20), "sshd or ssh-agent does not come up");
        }
        let known = run("ssh-keyscan", &["-p", &free.to_string(), "127.0.0.1"])?;
        let file = PathBuf::from(run("sh", &["-c", "echo ~/.ssh/known_hosts"])?.trim());
        fs::create_dir_all(file.parent().context("it is in a folder")?)?;
        fs::File::options().create(true).append(true).open(file)?.write_all(known.as_bytes())?;
        let mut add = Command::new("ssh-add");
        let added = add.env("SSH_AUTH_SOCK", &started.agent).args(["-q", &own("user")]).output()?;
        anyhow::ensure!(added.status.success(), "ssh-add: {}", String::from_utf8_lossy(&added.stderr));
        Ok(started)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.running {
            _ = child.kill();
            _ = child.wait();
        }
        _ = run("ssh-keygen", &["-q", "-R", &self.host]);
    }
}
