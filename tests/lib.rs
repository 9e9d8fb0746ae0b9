//! What the tests share: the stage with the program under test, and where the fixtures are.

pub mod extra;
pub mod filtered;
pub mod kills;
pub mod machine;
pub mod planted;
pub mod shown;

use anyhow::Context;
use greenproof::{
    Environment, Evidence, Options, Plan, Scenario, Stage, Verdict,
    docker::ExecOutput,
    environment::Fleet,
    evidence,
    explain::{self, Explainer},
    failure::Library,
    judge,
    report::{Silent, Telling},
    stage,
};
use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
};

/// The program under test, as `cargo build` leaves it.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own file");
    let folder = own.parent().expect("a file is in a folder");
    // A test is in the build's `deps` folder, the program one above.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = folder.join("greenproof");
    assert!(program.exists(), "`{}` is missing: run `cargo build` first", program.display());
    program
}

/// The program that containers run, beside it.
#[must_use]
pub fn inside() -> PathBuf {
    program().with_file_name(stage::INSIDE)
}

/// A file or folder below `fixtures/`.
#[must_use]
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}

/// The scenario files below a folder of fixtures, by their names as trials: `FOLDER::FILE`.
///
/// # Panics
/// When the folder can't be read.
#[must_use]
pub fn scenario_files(folder: &Path) -> Vec<(String, PathBuf)> {
    fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
        for entry in folder.read_dir().expect("the fixtures are there") {
            let path = entry.expect("a folder can be read").path();
            let name = format!("{prefix}{}", path.file_stem().unwrap_or_default().to_string_lossy());
            if path.is_dir() {
                collect(&path, &format!("{name}::"), files);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                files.push((name, path));
            }
        }
    }
    let mut files = Vec::new();
    collect(folder, "", &mut files);
    files.sort();
    files
}

/// Whether a failure of the library says how it is made to happen; one that can't happen here is no scenario.
///
/// # Panics
/// When the file can't be read.
#[must_use]
pub fn is_scenario(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).expect("a fixture can be read");
    text.lines().any(|line| line.starts_with("base = "))
}

/// Runs a scenario in its own world, with so much patience. Nothing that is stored or shown of it may hold a secret.
///
/// # Errors
/// When its world can't be raised or removed, or a secret is shown.
pub async fn run(scenario: &Scenario, patience: f64) -> anyhow::Result<Evidence> {
    let stage = stage(patience).await;
    if scenario.fleet.is_some() {
        return Box::pin(run_fleet(&stage, scenario)).await;
    }
    let environment = Box::pin(Environment::raise(&stage, Plan::of(scenario.clone())?)).await?;
    let plan = &environment.plan;
    let telling = Telling::new(&scenario.name, &plan.redactor, stage.versions(scenario), &Silent);
    let evidence = Box::pin(environment.deploy_telling(stage.patience(), &telling)).await;
    let outputs = environment.outputs().await?;
    let shows = shown::secrets(plan, &evidence, &telling, &outputs, stage.patience());
    environment.remove().await?;
    let shows = shows?;
    anyhow::ensure!(shows.is_empty(), "secrets are shown:\n{}\n{}", shows.join("\n"), logs(&evidence));
    Ok(evidence)
}

/// Runs a fleet in its own world, as [`run`] does.
async fn run_fleet(stage: &Stage, scenario: &Scenario) -> anyhow::Result<Evidence> {
    let fleet = Box::pin(Fleet::raise(stage, Plan::of(scenario.clone())?, &Silent)).await?;
    let plan = &fleet.plan;
    let telling = Telling::new(&scenario.name, &plan.redactor, stage.versions(scenario), &Silent);
    let evidence = Box::pin(fleet.deploy_telling(stage.patience(), &telling)).await;
    let outputs = fleet.outputs().await?;
    let shows = shown::secrets(plan, &evidence, &telling, &outputs, stage.patience());
    fleet.remove().await?;
    let shows = shows?;
    anyhow::ensure!(shows.is_empty(), "secrets are shown:\n{}\n{}", shows.join("\n"), logs(&evidence));
    Ok(evidence)
}

/// Makes calls of the AWS CLI on the device, one after the other, as root and with the device's own credentials. Each is the
/// shell's words that follow `aws`; `NAME=VALUE` before them is for this call alone. Gives what each ends with.
///
/// # Errors
/// When the device gets no credentials, or can't run the CLI.
pub async fn aws(
    environment: &Environment,
    calls: impl IntoIterator<Item = impl AsRef<str>>,
) -> anyhow::Result<Vec<ExecOutput>> {
    let calls: Vec<_> = calls.into_iter().map(|call| call.as_ref().to_owned()).collect();
    let own = environment.credentials().await?;
    let own: Vec<_> = own.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut words = vec!["env", "AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"];
    words.extend(own.iter().map(String::as_str));
    let listed = serde_json::to_string(&calls)?;
    words.extend(["python3", "-c", include_str!("aws.py"), &listed]);
    let made = environment.as_root(&words).await?;
    anyhow::ensure!(made.exit_code == 0, "the calls were not made: {made:?}");
    let ends: Vec<(i64, String, String)> = serde_json::from_str(&made.stdout)?;
    anyhow::ensure!(ends.len() == calls.len(), "{} of {} calls ended", ends.len(), calls.len());
    let output = |(exit_code, stdout, stderr)| ExecOutput { exit_code, stdout, stderr };
    Ok(ends.into_iter().map(output).collect())
}

/// What `docker` prints with these words, which must succeed.
///
/// # Errors
/// When it does not, with what it says.
pub fn docker(words: &[&str]) -> anyhow::Result<String> {
    run_program("docker", words)
}

/// What a program prints with these words, which must succeed.
///
/// # Errors
/// When it does not, with what it says.
pub fn run_program(program: &str, words: &[&str]) -> anyhow::Result<String> {
    let output = std::process::Command::new(program).args(words).output().with_context(|| program.to_owned())?;
    anyhow::ensure!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What environments have in Docker now, a name a line: containers, networks and volumes.
///
/// # Errors
/// When Docker can't list it.
pub fn standing() -> anyhow::Result<String> {
    labelled("label=greenproof.environment")
}

/// The same of one environment.
///
/// # Errors
/// As [`standing`].
pub fn standing_of(environment: &str) -> anyhow::Result<String> {
    labelled(&format!("label=greenproof.environment={environment}"))
}

fn labelled(label: &str) -> anyhow::Result<String> {
    let lists: [(&[&str], &str); 3] =
        [(&["ps", "--all"], "{{.Names}}"), (&["network", "ls"], "{{.Name}}"), (&["volume", "ls"], "{{.Name}}")];
    lists.iter().map(|(list, name)| docker(&[list, &["--filter", label, "--format", name][..]].concat())).collect()
}

/// The conformance cases by their names as trials. What stands in the folder itself is what cases start from.
#[must_use]
pub fn conformance_cases() -> Vec<(String, PathBuf)> {
    scenario_files(&fixture("conformance")).into_iter().filter(|(name, _)| name.contains("::")).collect()
}

/// The conformance cases of the gate: few that together prove each promise that any case names, and those that name none. All
/// of them are `soak conformance`.
///
/// # Panics
/// When a case can't be read.
#[must_use]
pub fn conformance_gate() -> Vec<(String, PathBuf)> {
    let mut cases: Vec<_> = conformance_cases().into_iter().map(|case| (promises(&case.1), case)).collect();
    let mut left: BTreeSet<String> = cases.iter().flat_map(|(promises, _)| promises.clone()).collect();
    let mut chosen: Vec<_> = cases.extract_if(.., |(promises, _)| promises.is_empty()).map(|(_, case)| case).collect();
    while !left.is_empty() {
        let proven = |(promises, _): &(BTreeSet<String>, _)| promises.intersection(&left).count();
        // Of equals the first, so that the choice stays as it is.
        let most = (0..cases.len()).rev().max_by_key(|&index| proven(&cases[index])).expect("a case names it");
        let (promises, case) = cases.remove(most);
        left.retain(|promise| !promises.contains(promise));
        chosen.push(case);
    }
    chosen.sort();
    chosen
}

/// The promises that a case's file names.
fn promises(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).expect("a fixture can be read");
    let list = text.split_once("\nfidelity = [").and_then(|(_, rest)| rest.split_once(']'));
    list.iter().flat_map(|(list, _)| list.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Runs a conformance case, which must pass, and without an end of the core that nobody asked for.
///
/// # Errors
/// When it does not, with the findings and the logs.
pub async fn conforms(file: &Path) -> anyhow::Result<Scenario> {
    let scenario = Scenario::load(file).map_err(|error| anyhow::anyhow!("{error}\n  hint: {}", error.hint))?;
    let evidence = run(&scenario, 1.0).await?;
    let verdict = judge(&scenario, &evidence);
    anyhow::ensure!(matches!(verdict, Verdict::Passed), "{verdict:#?}\n{}", logs(&evidence));
    let fault = evidence.restarts.iter().find(|restart| restart.is_fault());
    anyhow::ensure!(fault.is_none(), "the core ended by itself: {fault:?}\n{}", logs(&evidence));
    Ok(scenario)
}

/// Runs a scenario, which must pass, or fail for exactly the reasons that it states.
///
/// # Errors
/// When it does not, with what differs and the logs.
pub async fn as_stated(file: &Path) -> anyhow::Result<Scenario> {
    Ok(Box::pin(stated(file)).await?.0)
}

/// Runs a scenario of the failure library, which must fail as it states; and what a person can bring from such a device
/// must name its failure first.
///
/// # Errors
/// When it does not, with what differs and the logs.
pub async fn as_stated_and_explained(file: &Path) -> anyhow::Result<Scenario> {
    let (scenario, evidence) = Box::pin(stated(file)).await?;
    let library = Library::embedded();
    let path = file.strip_prefix(fixture("")).unwrap_or(file).to_string_lossy();
    let id = library.shown_by(&path).with_context(|| format!("the library has no scenario `{path}`"))?;
    let folder = tempfile::tempdir()?;
    bring(&scenario, &evidence, folder.path())?;
    let files = explain::logs(folder.path())?.into_iter();
    let files = files.map(|file| Ok((file.display().to_string(), File::open(file)?))).collect::<anyhow::Result<_>>()?;
    let explanation = Explainer::of(library).together("the device", files)?;
    let first = explanation.failures.first().map_or("none", |named| &named.id);
    let told = || format!("explain names {first} and not {id}\n{}", explain::human(library, &explanation));
    anyhow::ensure!(first == id, "{}\n{}", told(), logs(&evidence));
    Ok(scenario)
}

/// Puts into a folder what a person can bring from a device: its logs, its jobs, the recipes and the role's policies.
fn bring(scenario: &Scenario, evidence: &Evidence, folder: &Path) -> anyhow::Result<()> {
    let recipes = folder.join("recipes");
    evidence::folder::write(evidence, folder)?;
    for (name, text) in &scenario.aws.role.policies {
        std::fs::create_dir_all(folder.join("policies"))?;
        std::fs::write(folder.join("policies").join(format!("{name}.json")), text)?;
    }
    for (index, component) in scenario.components.iter().enumerate() {
        std::fs::create_dir_all(&recipes)?;
        std::fs::write(recipes.join(format!("{index}.yaml")), &component.recipe)?;
    }
    Ok(())
}

/// Runs a scenario, which must end as it states.
async fn stated(file: &Path) -> anyhow::Result<(Scenario, Evidence)> {
    // What waits for nothing to happen needs little of the patience that a person has.
    const IMPATIENCE: f64 = 0.1;
    // One step makes many installations.
    const LONG: f64 = 2.0;
    let scenario = Scenario::load(file).map_err(|error| anyhow::anyhow!("{error}\n  hint: {}", error.hint))?;
    let waits = scenario.must_fail.iter().flat_map(|fails| &fails.says).any(|says| says.contains("still waiting"));
    let patience = match (waits, &scenario.leaks) {
        (true, _) => IMPATIENCE,
        (false, Some(_)) => LONG,
        (false, None) => 1.0,
    };
    let evidence = run(&scenario, patience).await?;
    let verdict = judge(&scenario, &evidence);
    let differences = match (&scenario.must_fail, &verdict) {
        (None, Verdict::Passed) => Vec::new(),
        (None, other) => vec![format!("{other:#?}")],
        (Some(fails), _) => fails.differences(&scenario, &verdict, &evidence),
    };
    anyhow::ensure!(differences.is_empty(), "{}\n{}", differences.join("\n"), logs(&evidence));
    Ok((scenario, evidence))
}

/// What was seen of the steps and the logs, which tell most when a trial fails.
#[must_use]
pub fn logs(evidence: &Evidence) -> String {
    let devices = evidence.devices.iter().map(|device| format!("== {}\n{}", device.thing, logs(device)));
    let steps = format!("{}== steps\n{:#?}\n", devices.collect::<String>(), evidence.steps);
    let components = evidence.component_logs.iter().flat_map(|(name, log)| ["== ", name, ".log\n", log]);
    [steps.as_str()].into_iter().chain(components).chain(["== greengrass.log\n", &evidence.core_log]).collect()
}

/// A stage whose containers run the program under test, and whose patience is multiplied by `patience`.
///
/// # Panics
/// When Docker can't be used: these tests need it.
pub async fn stage(patience: f64) -> Stage {
    let options = Options::from_environment().expect("the process environment is usable");
    Box::pin(set(Options { patience: options.patience * patience, ..options })).await
}

/// A stage whose cache folder is another one, and so its LocalStack, which nobody else uses.
///
/// # Panics
/// As [`stage()`].
pub async fn stage_apart(cache: &Path) -> Stage {
    let options = Options::from_environment().expect("the process environment is usable");
    Box::pin(set(Options { cache: cache.to_owned(), ..options })).await
}

async fn set(options: Options) -> Stage {
    let options = Options { program: inside(), ..options };
    Stage::set(options, &Silent).await.expect("Docker runs, and the images are built")
}

/// A number that follows from a seed and a round (`SplitMix64`).
#[must_use]
pub fn random(seed: u64, round: u64) -> u64 {
    let mut value = seed.wrapping_add(round.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Runs a future to its end.
///
/// # Panics
/// When the runtime can't be started.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the runtime starts").block_on(future)
}
