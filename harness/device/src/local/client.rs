//! `greengrass-cli`: the command line that people use on the device.
//!
//! It speaks to the core over the socket that its token file names, and reads log files by itself. Help texts are short,
//! and the commands of the HTTP debug view and of messaging are not there.

use super::{
    Refusal, Request, TOKENS, logs,
    options::{Choice, Given, Misused},
};
use serde_json::{Map, Value, json};
use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);
const USAGE: &str = "Usage: greengrass-cli [-hV] [--ggcRootPath=<ggcRootPath>] [COMMAND]\n\
Commands: component {list, details, restart, stop}, deployment {create, cancel, status, list}, logs {get, \
list-log-files, list-keywords}\n";

/// What a command says and how it ends.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) code: u8,
}

impl Told {
    pub(super) fn out(text: impl Into<String>) -> Self {
        Self { out: text.into(), ..Self::default() }
    }

    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { err: text.into(), code: 1, ..Self::default() }
    }
}

/// Why a command can't be carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Misused(#[from] Misused),
    #[error("java.lang.RuntimeException: {0}")]
    Runtime(String),
    #[error("java.lang.IllegalArgumentException: {0}")]
    Argument(String),
    #[error("java.lang.RuntimeException: java.util.concurrent.ExecutionException: {0}")]
    Refused(#[from] Refusal),
}

/// Runs the command line; `root` is what the environment says about the nucleus's root. Returns the exit code.
#[must_use = "the exit code tells how it ended"]
pub fn run(arguments: &[String], root: Option<String>) -> u8 {
    let told = told(arguments, root);
    // A closed output leaves nobody to tell.
    _ = io::stdout().lock().write_all(told.out.as_bytes());
    _ = io::stderr().lock().write_all(told.err.as_bytes());
    told.code
}

pub(super) fn told(arguments: &[String], root: Option<String>) -> Told {
    match command(arguments, root) {
        Ok(told) => told,
        // The real one ends well after it has complained about its arguments.
        Err(Failure::Misused(misused)) => Told { err: format!("{misused}\n{USAGE}"), ..Told::default() },
        Err(failure) => Told::failed(format!("{failure}\n")),
    }
}

fn command(arguments: &[String], mut root: Option<String>) -> Result<Told, Failure> {
    let mut rest = arguments;
    while let Some((first, others)) = rest.split_first().filter(|(first, _)| first.starts_with('-')) {
        rest = others;
        match first.split_once('=') {
            Some(("--ggcRootPath", path)) => root = Some(path.to_owned()),
            _ if first == "--ggcRootPath" => {
                let missing = Misused::Valueless { name: "--ggcRootPath", label: "<ggcRootPath>" };
                let (path, others) = others.split_first().ok_or(missing)?;
                (root, rest) = (Some(path.clone()), others);
            }
            _ if matches!(first.as_str(), "-h" | "--help") => return Ok(Told::out(USAGE)),
            _ if matches!(first.as_str(), "-V" | "--version") => {
                return Ok(Told::out(format!("Greengrass CLI Version: {}\n", crate::config::VERSION)));
            }
            _ => return Err(Misused::Unknown(first.clone()).into()),
        }
    }
    let offset = arguments.len() - rest.len();
    let words: Vec<&str> = rest.iter().take(2).map(String::as_str).collect();
    let core = Core { root };
    let given = |choices: &[Choice]| Given::read(choices, &rest[2..], offset + 2);
    match words[..] {
        [] => Ok(Told { err: format!("A command is required.\n{USAGE}"), code: 2, ..Told::default() }),
        ["help", ..] => Ok(Told::out(USAGE)),
        ["deployment", "create"] => create(&core, &given(&CREATE)?),
        ["deployment", "cancel"] => {
            let id = given(&ID)?.one("--deploymentId").unwrap_or_default().to_owned();
            let message = core.ask(&Request::CancelLocalDeployment { id })?;
            Ok(Told::out(format!("{}\n", text(&message))))
        }
        ["deployment", "status"] => {
            let id = given(&ID)?.one("--deploymentId").unwrap_or_default().to_owned();
            Ok(Told::out(status(&core.ask(&Request::GetLocalDeploymentStatus { id })?)))
        }
        ["deployment", "list"] => {
            given(&[])?;
            Ok(Told::out(list(&core.ask(&Request::ListLocalDeployments)?)))
        }
        ["component", "list"] => {
            given(&[])?;
            let components = core.ask(&Request::ListComponents)?;
            let components: String = components.as_array().into_iter().flatten().map(component).collect();
            Ok(Told::out(format!("Components currently running in Greengrass:\n{components}")))
        }
        ["component", "details"] => {
            let name = given(&NAME)?.one("--name").unwrap_or_default().to_owned();
            Ok(Told::out(component(&core.ask(&Request::GetComponentDetails { name })?)))
        }
        ["component", "restart"] => each(&core, &given(&NAMES)?, |name| Request::RestartComponent { name }),
        ["component", "stop"] => each(&core, &given(&NAMES)?, |name| Request::StopComponent { name }),
        ["logs", "get"] => Ok(logs::get(&given(&logs::GET)?)),
        ["logs", "list-log-files"] => Ok(logs::list(&given(&logs::LIST)?)),
        ["logs", "list-keywords"] => Ok(Told::out(logs::KEYWORDS)),
        ["component" | "deployment" | "logs"] => Ok(Told::out(format!("A subcommand is required.\n{USAGE}"))),
        ["component" | "deployment" | "logs", other, ..] => {
            Err(Misused::Unmatched { index: offset + 1, argument: other.to_owned() }.into())
        }
        [other, ..] => Err(Misused::Unmatched { index: offset, argument: other.to_owned() }.into()),
    }
}

const ID: [Choice; 1] = [Choice::value(&["-i", "--deploymentId"], "Deployment ID").required()];
const NAME: [Choice; 1] = [Choice::value(&["-n", "--name"], "Component name").required()];
const NAMES: [Choice; 1] =
    [Choice::value(&["-n", "--names"], "The names of the target components, separated with commas.").required()];
const POLICY: &str = "--failure-handling-policy";
const CREATE: [Choice; 9] = [
    Choice::value(&["-m", "--merge"], "Component and version"),
    Choice::value(&["--remove"], "Component Names"),
    Choice::value(&["-g", "--groupId"], "Thing group ID"),
    Choice::value(&["-r", "--recipeDir"], "Recipe directory"),
    Choice::value(&["-a", "--artifactDir"], "Artifacts directory"),
    Choice::value(&["--runWith"], "Component user and/or group"),
    Choice::value(&["--systemLimits"], "Component system resource limits"),
    Choice::value(&["-c", "--update-config"], "Component configuration"),
    Choice::value(&["-fp", POLICY], "Failure handling policy"),
];

fn create(core: &Core, given: &Given) -> Result<Told, Failure> {
    let merge: Map<String, Value> =
        given.pairs("--merge")?.into_iter().map(|(name, version)| (name, version.into())).collect();
    let users = given.pairs("--runWith")?;
    let policy = given.one(POLICY);
    if let Some(policy) = policy.filter(|policy| !matches!(*policy, "ROLLBACK" | "DO_NOTHING")) {
        let why = format!("expected one of [ROLLBACK, DO_NOTHING] (case-sensitive) but was '{policy}'");
        return Err(Misused::Invalid { name: POLICY, label: "Failure handling policy", why }.into());
    }
    let update = match document(given.one("--update-config")) {
        Ok(update) => update,
        Err(why) => {
            let text = "Update configuration parameter is not a properly formatted JSON file or a JSON string";
            return Ok(Told::failed(format!("{text}\n{why}\n")));
        }
    };
    let limits = match document(given.one("--systemLimits")) {
        Ok(limits) => limits,
        Err(why) => {
            return Ok(Told::failed(format!("systemLimits parameter file is not a properly formatted JSON\n{why}\n")));
        }
    };
    let deployment = json!({
        "componentsToMerge": merge,
        "componentsToRemove": given.all("--remove"),
        "groupName": given.one("--groupId"),
        "recipeDirectoryPath": given.one("--recipeDir").map(untilded),
        "artifactsDirectoryPath": given.one("--artifactDir").map(untilded),
        "configurationUpdate": update,
        "componentToRunWithInfo": run_with(users, &limits)?,
        "failureHandlingPolicy": policy,
    });
    let id = core.ask(&Request::CreateLocalDeployment { deployment })?;
    Ok(Told::out(format!("Local deployment submitted! Deployment Id: {}\n", text(&id))))
}

/// A JSON object from a file, or from the text itself.
fn document(of: Option<&str>) -> Result<Value, String> {
    let Some(given) = of.filter(|given| !given.is_empty()) else { return Ok(Value::Null) };
    let content = fs::read_to_string(untilded(given)).unwrap_or_else(|_| given.to_owned());
    let value: Value = serde_json::from_str(&content).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("a JSON object is expected".into()) }
}

fn run_with(users: Vec<(String, String)>, limits: &Value) -> Result<Value, Failure> {
    let mut all = Map::new();
    for (key, user) in users {
        let parts: Vec<&str> = key.split(':').collect();
        let [component, option] = parts[..] else {
            let text =
                "--runWith must be in the following format <component>:{posixUser|windowsUser}=<user>[:<group>] ";
            return Err(Failure::Argument(text.into()));
        };
        if !matches!(option, "posixUser" | "windowsUser") {
            return Err(Failure::Argument(format!("Invalid --runWith option: {option}")));
        }
        all.entry(component).or_insert_with(|| json!({}))[option] = user.into();
    }
    for (component, limits) in limits.as_object().into_iter().flatten() {
        all.entry(component.as_str()).or_insert_with(|| json!({}))["systemResourceLimits"] = limits.clone();
    }
    Ok(if all.is_empty() { Value::Null } else { Value::Object(all) })
}

/// An absolute path: the core has another working folder.
fn untilded(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    let path = home.unwrap_or_else(|| path.into());
    std::path::absolute(&path).unwrap_or(path)
}

fn each(core: &Core, given: &Given, request: impl Fn(String) -> Request) -> Result<Told, Failure> {
    let names = given.one("--names").unwrap_or_default();
    for name in names.split([',', '&']).map(str::trim).filter(|name| !name.is_empty()) {
        core.ask(&request(name.to_owned()))?;
    }
    Ok(Told::default())
}

fn component(of: &Value) -> String {
    format!(
        "Component Name: {}\n    Version: {}\n    State: {}\n    Configuration: {}\n",
        text(&of["name"]),
        text(&of["version"]),
        text(&of["state"]),
        of["configuration"]
    )
}

fn status(of: &Value) -> String {
    let mut told = format!("{}: {}\nCreated on: {}\n", text(&of["id"]), text(&of["status"]), text(&of["created"]));
    if of["status"] != "FAILED" {
        return told;
    }
    let details = &of["details"];
    let codes = |key: &str| {
        let codes: Vec<&str> = details[key].as_array().into_iter().flatten().map(text).collect();
        codes.join(", ")
    };
    let lines = [
        ("Detailed Status", text(&details["detailedStatus"]).to_owned()),
        ("Deployment Error Stack", codes("errorStack")),
        ("Deployment Error Types", codes("errorTypes")),
        ("Deployment Failure Cause", text(&details["failureCause"]).to_owned()),
    ];
    for (name, value) in lines.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
        // Writing to a text can't fail.
        _ = writeln!(told, "{name}: {value}");
    }
    told
}

fn list(of: &Value) -> String {
    let one = |deployment: &Value| {
        format!(
            "Deployment ID: {}\nCreated on: {}\nStatus: {}\n",
            text(&deployment["id"]),
            text(&deployment["created"]),
            text(&deployment["status"])
        )
    };
    let all: Vec<String> = of.as_array().into_iter().flatten().map(one).collect();
    all.join("\n")
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_default()
}

/// The core that the command line speaks to.
struct Core {
    root: Option<String>,
}

impl Core {
    fn ask(&self, request: &Request) -> Result<Value, Failure> {
        let root = self.root.as_ref().ok_or_else(|| {
            let text = "GGC root path not configured. Provide ggc root path via cli greengrass-cli --ggcRootPath \
                        {PATH} {rest of the arguments} or set the environment variable GGC_ROOT_PATH";
            Failure::Runtime(text.into())
        })?;
        let broken = |error: io::Error| Failure::Runtime(format!("Unable to create ipc client: {error}"));
        let information = information(&untilded(root).join(TOKENS))?;
        let mut connection = UnixStream::connect(text(&information["domain_socket_path"])).map_err(broken)?;
        connection.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        let message = json!({"token": information["cli_auth_token"], "request": request});
        connection.write_all(format!("{message}\n").as_bytes()).map_err(broken)?;
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).map_err(broken)?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|error| broken(error.into()))?;
        match serde_json::from_value(answer["error"].take()) {
            Ok(refusal) => Err(Failure::Refused(refusal)),
            Err(_) => Ok(answer["result"].take()),
        }
    }
}

/// What the first token file says that we may read: our user's, our group's, any.
fn information(folder: &Path) -> Result<Value, Failure> {
    let own = fs::metadata("/proc/self").ok().into_iter();
    let own = own.flat_map(|own| [format!("user-{}", own.uid()), format!("group-{}", own.gid())]);
    let own = own.map(|name| folder.join(name));
    let others = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let content = own.chain(others).find_map(|file| fs::read(file).ok());
    content.and_then(|content| serde_json::from_slice(&content).ok()).ok_or_else(|| {
        let text = format!(
            "java.io.IOException: Not able to find auth information in directory: {}. Please run CLI as authorized \
             user or group.",
            folder.display()
        );
        Failure::Runtime(text)
    })
}
