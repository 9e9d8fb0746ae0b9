//! The text of a first scenario.

use super::{FOLDER, Needs, Subject, here, needs::Secret, policy, shown};
use crate::bundle::quoted;
use std::{
    fmt::Write,
    path::{Component as Part, Path, PathBuf},
};

/// The requirements file of packages that scripts name themselves.
pub(super) const REQUIREMENTS: &str = "requirements.txt";

/// What a minted secret looks like that nobody else knows.
const MINTED: &str = "{minted:Aa0Aa0Aa0Aa0Aa0Aa0Aa0Aa0}";

/// The scenario; `least` is the name of the file with the role's policy.
pub(super) fn text(subject: &Subject, needs: &Needs, least: Option<&str>) -> String {
    let mut text = format!("# The first scenario of {}, written by `greenproof init`.\n", subject.component.name);
    text += "# Comments say what is guessed. docs/SCENARIOS.md lists every field.\n\n";
    line(&mut text, &format!("summary = {}", quoted(&format!("{} is installed and runs", subject.component.name))));
    aws(&mut text, subject, needs, least);
    github(&mut text, subject, needs);
    let requirements = needs.requirements.as_ref().map(|file| up(subject, &subject.folder.join(file)));
    if let Some(file) = requirements.or_else(|| (!needs.packages.is_empty()).then(|| REQUIREMENTS.to_owned())) {
        line(&mut text, "\n# Packages that pip finds, fetched once.\n[index]");
        line(&mut text, &format!("requirements = {}", quoted(&file)));
    }
    components(&mut text, subject, needs);
    line(&mut text, "\n[deployment]");
    line(&mut text, &format!("{} = \"*\" # the version of its recipe", quoted(&subject.component.name)));
    for (name, version) in &needs.components {
        line(&mut text, &format!("{} = {}", quoted(name), quoted(version)));
    }
    expect(&mut text, subject, needs);
    text
}

fn aws(text: &mut String, subject: &Subject, needs: &Needs, least: Option<&str>) {
    line(text, "\n[aws]");
    let example =
        if subject.account == super::ACCOUNT { " # an example; put yours here and into the policy" } else { "" };
    line(text, &format!("account = {}{example}", quoted(&subject.account)));
    let guess = if subject.region_guessed && subject.region == "us-east-1" { " # a guess" } else { "" };
    line(text, &format!("region = {}{guess}", quoted(&subject.region)));
    line(text, &format!("thing_policies = [{}] # of the core's certificate", quoted(policy::CORE)));
    line(
        text,
        "\n# What the device may do. Put the policies of your devices here, to prove that they suffice.\n[aws.role]",
    );
    match least {
        Some(file) => line(text, &format!("policies = [{}]", quoted(file))),
        None => line(text, "policies = [] # the component asks AWS for nothing"),
    }
    if needs.secrets.is_empty() && needs.unknown_secrets.is_empty() {
        return;
    }
    line(text, "\n# Values are minted for each run: only their form matters here.\n[aws.secrets]");
    for (name, secret) in &needs.secrets {
        let value = quoted(&value(needs, secret));
        let value = match &secret.suffix {
            Some(suffix) => format!("{{ value = {value}, suffix = {} }}", quoted(suffix)),
            None => value,
        };
        line(text, &format!("{} = {value} # {}{}", quoted(name), secret.place, form(secret)));
    }
    for place in &needs.unknown_secrets {
        line(text, &format!("# {place} names a secret by a variable."));
        line(text, &format!("{} = {}", quoted(&format!("FILL IN: the secret's name in {place}")), quoted(MINTED)));
    }
}

fn form(secret: &Secret) -> &'static str {
    match (&secret.key, secret.opens) {
        (Some(_), true) => "; a JSON object with the token, a guess",
        (Some(_), false) => "; a JSON object, a guess",
        (None, true) => "; the token as it is, a guess",
        (None, false) => "; a text, a guess",
    }
}

fn value(needs: &Needs, secret: &Secret) -> String {
    let ssh = needs.repositories.values().any(|repository| repository.ssh);
    let bare = match secret.opens {
        true if ssh => "{deploy-key:device}",
        true => "{token:device}",
        false => MINTED,
    };
    secret.key.as_ref().map_or_else(|| bare.to_owned(), |key| serde_json::json!({ key: bare }).to_string())
}

fn github(text: &mut String, subject: &Subject, needs: &Needs) {
    let names: Vec<_> = needs.repositories.keys().collect();
    let private = needs.secrets.values().any(|secret| secret.opens);
    if let Some(first) = names.first().filter(|_| private) {
        let owner = first.split('/').next().unwrap_or_default();
        if needs.repositories.values().any(|repository| repository.ssh) {
            line(text, "\n[github.deploy_keys.device]");
            line(text, &format!("repository = {}", quoted(first)));
        } else {
            let sees: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            line(text, "\n# The token that the secret holds: whose it is, and what it sees.\n[github.tokens.device]");
            line(text, &format!("login = {}\nrepositories = [{}]", quoted(owner), sees.join(", ")));
        }
    }
    for (name, repository) in &needs.repositories {
        line(text, &format!("\n# {} fetches it.\n[github.repositories.{}]", repository.place, quoted(name)));
        if let Some(from) = &repository.from {
            let key = if from.join(".git").exists() { "path" } else { "source" };
            line(text, &format!("{key} = {}", quoted(&up(subject, from))));
        } else {
            let wanted = format!("FILL IN: the path of a checkout of {name}");
            line(text, &format!("path = {} # or `source`, a folder that becomes the only commit", quoted(&wanted)));
        }
        if !private {
            line(text, "private = false # no secret opens it, a guess");
        }
    }
}

fn components(text: &mut String, subject: &Subject, needs: &Needs) {
    line(text, "\n[[component]]");
    if subject.gdk {
        line(
            text,
            "gdk = \"../..\" # its greengrass-build if there is one, else as `gdk component build` would make it",
        );
    } else {
        line(text, &format!("recipe = {}", quoted(&up(subject, &subject.recipe))));
        let artifacts: Vec<_> = subject
            .artifacts
            .iter()
            .map(|(name, path)| {
                let wanted = || format!("FILL IN: the file {name}, or a folder to zip");
                format!("{} = {}", quoted(name), quoted(&path.as_ref().map_or_else(wanted, |path| up(subject, path))))
            })
            .collect();
        if !artifacts.is_empty() {
            line(text, &format!("artifacts = {{ {} }}", artifacts.join(", ")));
        }
    }
    for name in needs.components.iter().filter(|(_, version)| *version == "*").map(|(name, _)| name) {
        line(text, &format!("\n# {} depends on {name}.\n[[component]]", subject.component.name));
        let wanted = format!("FILL IN: the GDK project of {name}");
        line(text, &format!("gdk = {} # or `recipe`, its file", quoted(&wanted)));
    }
}

fn expect(text: &mut String, subject: &Subject, needs: &Needs) {
    let name = &subject.component.name;
    line(text, "\n[expect]\ndeployment = \"SUCCEEDED\"");
    let guess = match (needs.ends_guessed, needs.ends) {
        (false, _) => "",
        (true, "RUNNING") => " # a guess: FINISHED if its Run ends",
        (true, _) => " # a guess: RUNNING if its Run goes on",
    };
    line(text, &format!("components = {{ {} = {} }}{guess}", quoted(name), quoted(needs.ends)));
    line(text, "\n# A line that it prints proves more than a state:\n# [[expect.line]]");
    line(text, &format!("# component = {}\n# step = \"Run\"\n# equals = \"…\"", quoted(name)));
}

/// A path as the scenario names it: relative to its own folder.
fn up(subject: &Subject, path: &Path) -> String {
    let whole = |path: &Path| here(path).canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = path.is_file().then(|| path.file_name()).flatten();
    let target = if file.is_some() { whole(path.parent().unwrap_or(Path::new(""))) } else { whole(path) };
    let own = whole(&subject.folder).join(FOLDER);
    let shared = own.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let up = own.components().skip(shared).map(|_| Part::ParentDir);
    let path: PathBuf = up.chain(target.components().skip(shared)).collect();
    shown(&file.map_or_else(|| path.clone(), |file| path.join(file)))
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a text takes any text");
}
