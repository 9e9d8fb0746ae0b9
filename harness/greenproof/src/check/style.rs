//! What works, and is trouble waiting to happen.

use super::{
    Level, Remark,
    document::{Document, Script, Step, get, text},
    script,
};
use regex::Regex;
use std::sync::LazyLock;

const TES: &str = "aws.greengrass.TokenExchangeService";
/// How long a step may take by default, in seconds.
const DEFAULT_TIMEOUT: u32 = 120;

/// A pattern for a line of a script.
struct Pattern {
    rule: &'static str,
    regex: LazyLock<Regex>,
    message: &'static str,
    fix: &'static str,
}

macro_rules! pattern {
    ($rule:literal, $regex:literal, $message:literal, $fix:literal) => {
        Pattern {
            rule: $rule,
            regex: LazyLock::new(|| Regex::new($regex).expect("the pattern is valid")),
            message: $message,
            fix: $fix,
        }
    };
}

static PATTERNS: [Pattern; 3] = [
    pattern!(
        "secret-in-url",
        r"https?://[^\s/@:]+(?::[^\s/@]*)?@",
        "a secret in a URL ends up in logs, process lists and git's configuration",
        "hand it over in a header, a credential helper or a file that only the user can read"
    ),
    pattern!(
        "literal-secret",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|AKIA[A-Z0-9]{16})\b",
        "this looks like a secret, and everyone who can read the component reads it",
        "keep it in Secrets Manager, and revoke this one"
    ),
    pattern!(
        "sudo",
        r"(?m)(?:^|&&|\|\||[;|])\s*(sudo)\s",
        "the component's user rarely may use sudo",
        "set `RequiresPrivilege: true` for the step"
    ),
];

static PIP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:pip[0-9.]*|python[0-9.]*\s+-m\s+pip)\s+install\b([^\n;&|]*)").expect("the pattern is valid")
});
static AWS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)(?:^|[\s`(;&|])(aws\s+[a-z][a-z0-9-]+)\b").expect("the pattern is valid"));
static SLOW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\b(pip[0-9.]*\s+install|apt(?:-get)?\s+(?:-\S+\s+)*install|npm\s+(?:ci|install)|docker\s+(?:build|pull)|cargo\s+build|cmake\s+--build|make\b|yum\s+install|dnf\s+install)",
    )
    .expect("the pattern is valid")
});
static STOPS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*set\s+-[a-z]*e|\bset\s+-o\s+errexit").expect("the pattern is valid"));

pub(super) fn remarks(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (step, script) in document.scripts() {
        for pattern in &PATTERNS {
            for found in pattern.regex.captures_iter(script.text) {
                let part = found.get(1).or_else(|| found.get(0)).map_or("", |part| part.as_str());
                remarks.push(style(document, script, pattern.rule, part, pattern.message.into(), pattern.fix));
            }
        }
        remarks.extend(unpinned(document, script));
        remarks.extend(hidden(document, step, script));
        remarks.extend(slow(document, step, script));
    }
    remarks.extend(credentials(document));
    remarks.extend(artifacts(document));
    remarks
}

fn style(
    document: &Document<'_>,
    script: Script<'_>,
    rule: &'static str,
    part: &str,
    message: String,
    fix: &'static str,
) -> Remark {
    let at = script.text.find(part).unwrap_or(0);
    document.about((rule, Level::Style), (script.node, script.text), at..at + part.len(), message, fix)
}

/// Packages without a version.
fn unpinned<'a>(document: &'a Document<'_>, script: Script<'a>) -> impl Iterator<Item = Remark> + 'a {
    PIP.captures_iter(script.text).flat_map(move |found| {
        let words = found.get(1).map_or("", |words| words.as_str()).split_whitespace();
        let mut value = false;
        let packages = words.filter(move |word| {
            let package =
                !value && !word.starts_with('-') && !word.contains(['=', '<', '>', '{', '$', '/']) && *word != ".";
            value = matches!(
                *word,
                "-r" | "-c" | "-t" | "-i" | "--requirement" | "--target" | "--index-url" | "--extra-index-url"
            );
            package || word.contains("git+") && word.rsplit('/').next().is_some_and(|last| !last.contains('@'))
        });
        packages.map(move |word| {
            let message = format!("`{word}` is installed in whatever version there is that day");
            let fix = "pin it: NAME==VERSION, or git+URL@COMMIT";
            style(document, script, "unpinned-package", word.trim_matches(['"', '\'']), message, fix)
        })
    })
}

/// Commands whose failure the shell forgets.
fn hidden(document: &Document<'_>, step: &Step<'_>, script: Script<'_>) -> Option<Remark> {
    if STOPS.is_match(script.text) || matches!(step.name.as_str(), "shutdown" | "recover" | "uninstall") {
        return None;
    }
    let lines = script.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // A line that goes on, or is part of a block, is no command of its own.
    let open = |line: &str| line.ends_with(['\\', '|', '{', '(']) || line.ends_with("&&") || line.ends_with("||");
    let word = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        let keyword = [
            "if", "then", "else", "elif", "fi", "for", "while", "do", "done", "case", "esac", "}", "exit", "export",
            "echo", "cd", "set",
        ];
        keyword.contains(&first) || line.ends_with(';')
    };
    let commands: Vec<&str> = lines.filter(|line| !open(line) && !word(line)).collect();
    let (_, earlier) = commands.split_last()?;
    let first = earlier.first()?;
    let message = format!("a failure of `{}` goes unnoticed: only the last command's exit code counts", short(first));
    Some(style(document, script, "hidden-failure", first, message, "begin the script with `set -e`, or join with `&&`"))
}

fn short(line: &str) -> String {
    let head: String = line.chars().take(40).collect();
    if head.len() < line.len() { format!("{head}…") } else { head }
}

/// Builds and downloads with the default time-out.
fn slow(document: &Document<'_>, step: &Step<'_>, script: Script<'_>) -> Option<Remark> {
    if !matches!(step.name.as_str(), "install" | "startup" | "bootstrap") || get(step.node, "Timeout").is_some() {
        return None;
    }
    let found = SLOW.find(script.text)?;
    let message = format!("`{}` may take longer than the {DEFAULT_TIMEOUT} s that the step has", found.as_str());
    Some(style(document, script, "default-timeout", found.as_str(), message, "set the step's `Timeout`"))
}

/// Calls of AWS without the component that gives credentials.
fn credentials(document: &Document<'_>) -> Option<Remark> {
    if document.dependencies().contains(TES) {
        return None;
    }
    let (script, found) =
        document.scripts().find_map(|(_, script)| Some((script, AWS.captures(script.text)?.get(1)?)))?;
    let message = format!("`{}` has credentials only if something else deploys {TES}", found.as_str());
    let fix = "add it to `ComponentDependencies`";
    Some(style(document, script, "no-token-exchange", found.as_str(), message, fix))
}

/// Artifacts that no script mentions, and a folder that nothing is unpacked into.
fn artifacts(document: &Document<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for index in 0..document.manifests.len() {
        let steps = document.steps.iter().filter(|step| step.manifest.is_none_or(|own| own == index));
        let texts: String = steps.flat_map(|step| [step.script.map_or("", |script| script.text), "\n"]).collect();
        let mentions = |name: &str| texts.contains(name);
        for artifact in document.artifacts(index) {
            let Some(node) = get(artifact, "Uri") else { continue };
            let Some(uri) = text(node).filter(|uri| uri.to_ascii_lowercase().starts_with("s3:")) else { continue };
            let name = uri.rsplit('/').next().unwrap_or(uri);
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            if !mentions(name)
                && !mentions(stem)
                && !mentions("{artifacts:path}")
                && !mentions("{artifacts:decompressedPath}")
            {
                let message = format!("no script of this manifest mentions `{name}`");
                let fix = "use it, or leave it out";
                remarks.push(Remark { rule: "unused-artifact", level: Level::Style, place: node.place, message, fix });
            }
        }
    }
    if !script::unpacks(document) {
        for (_, script) in document.scripts() {
            let variable = "{artifacts:decompressedPath}";
            if let Some(at) = script.text.find(variable) {
                let message = "nothing is unpacked there: no artifact has `Unarchive: ZIP`".to_owned();
                let rule = ("nothing-unpacked", Level::Warning);
                let fix = "set `Unarchive: ZIP`, or use {artifacts:path}";
                remarks.push(document.about(rule, (script.node, script.text), at..at + variable.len(), message, fix));
            }
        }
    }
    remarks
}
