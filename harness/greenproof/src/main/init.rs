//! `greenproof init`: a component in, its first scenario, policy and CI job out.

use super::command::Failure;
use clap::Args;
use greenproof::{
    exit,
    init::{self, ACCOUNT, Ci, Request, Written},
};
use std::{io::Write, path::PathBuf};

#[derive(Args)]
#[command(after_help = "Examples:
  greenproof init                                       # in a GDK project, or beside a recipe
  greenproof init my-component --ci gitlab
  greenproof init --repository my-org/lib=../lib        # where a repository is that the recipe installs from")]
pub(crate) struct Init {
    /// The component's folder, with gdk-config.json or a recipe; or the recipe itself.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The CI to write a job for: github, gitlab, jenkins or none [default: what the git remote suggests]
    #[arg(long)]
    ci: Option<Ci>,
    /// The account that the policy names.
    #[arg(long, value_name = "ID", default_value = ACCOUNT, value_parser = account)]
    account: String,
    /// The region [default: the one that GDK publishes to]
    #[arg(long)]
    region: Option<String>,
    /// Where a repository on GitHub is that the recipe needs: a checkout, or a folder.
    #[arg(long, value_name = "OWNER/NAME=FOLDER", value_parser = repository)]
    repository: Vec<(String, PathBuf)>,
    /// Where greenproof's own repository is, for a workflow of GitHub Actions.
    #[arg(long, value_name = "OWNER/REPOSITORY@REF")]
    action: Option<String>,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

fn account(text: &str) -> Result<String, String> {
    let valid = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.to_owned()).ok_or_else(|| "an account has 12 digits".to_owned())
}

fn repository(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.split_once('=').filter(|(name, _)| name.split('/').count() == 2);
    let (name, folder) = parts.ok_or("use OWNER/NAME=FOLDER")?;
    Ok((name.to_owned(), folder.into()))
}

pub(crate) fn init(arguments: Init) -> Result<u8, Failure> {
    let Init { folder, ci, account, region, repository, action, force } = arguments;
    let folder = if folder.as_os_str() == "." { PathBuf::new() } else { folder };
    if let Some((name, folder)) = repository.iter().find(|(_, folder)| !folder.is_dir()) {
        let message = format!("there is no folder `{}` for the repository `{name}`", folder.display());
        return Err(Failure::new(exit::USAGE, message, "name a checkout, or a folder with its content"));
    }
    let repositories = repository.into_iter().collect();
    let written = init::init(&Request { folder, ci, account, region, repositories, action, force })?;
    // A closed standard output leaves nobody to tell; the files are written.
    _ = std::io::stdout().lock().write_all(told(&written).as_bytes());
    Ok(exit::PASSED)
}

fn told(written: &Written) -> String {
    let files = written.files.iter().map(|file| format!("  wrote {}\n", file.display()));
    let notes = written.notes.iter().map(|note| format!("  look: {note}\n"));
    let text: String = [format!("{}:\n", written.component)].into_iter().chain(files).chain(notes).collect();
    let scenario = written.files.first().map(|file| file.display().to_string()).unwrap_or_default();
    let first =
        if written.unfilled { format!("fill in what says `FILL IN` in {scenario}, then ") } else { String::new() };
    text + &format!("next: {first}greenproof run {scenario}\n")
}
