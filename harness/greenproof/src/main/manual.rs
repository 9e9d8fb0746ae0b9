//! `greenproof completions` and `greenproof man`: what shells and `man` know of the command line, made of its grammar.

use super::{
    answer,
    command::{Arguments, Failure},
};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use greenproof::exit;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

const COMPLETIONS: &str = "Examples:
  greenproof completions bash > ~/.local/share/bash-completion/completions/greenproof
  greenproof completions zsh > ~/.zfunc/_greenproof
  greenproof completions fish > ~/.config/fish/completions/greenproof.fish";

#[derive(Args)]
#[command(after_help = MAN)]
pub(crate) struct Man {
    /// Write a page for each command into this folder, which is made; without it, the first page is printed.
    folder: Option<PathBuf>,
}

const MAN: &str = "Examples:
  greenproof man | man -l -
  greenproof man ~/.local/share/man/man1    # then: man greenproof-run";

/// The grammar that a person meets: without the parts that the program plays in containers.
pub(super) fn grammar() -> Command {
    let whole = Arguments::command();
    let shown: Vec<_> = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    Command::new("greenproof")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .after_help(whole.get_after_help().cloned().unwrap_or_default())
        .subcommand_required(true)
        .args(whole.get_arguments().cloned())
        .subcommands(shown)
}

pub(crate) fn completions(arguments: &Completions) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut grammar(), "greenproof", &mut script);
    answer::print(&String::from_utf8_lossy(&script))?;
    Ok(exit::PASSED)
}

pub(crate) fn man(arguments: &Man) -> Result<u8, Failure> {
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(grammar()).render(&mut page);
        rendered.map_err(|error| Failure::new(exit::FAULT, format!("making the page: {error}"), ""))?;
        answer::print(&String::from_utf8_lossy(&page))?;
        return Ok(exit::PASSED);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(grammar(), folder));
    written.map_err(|error| {
        let message = format!("can't write pages to `{}`: {error}", folder.display());
        Failure::new(exit::USAGE, message, "name a folder that can be written")
    })?;
    Ok(exit::PASSED)
}
