//! `greenproof check`: recipes in, remarks out.

use super::command::Failure;
use clap::Args;
use greenproof::{
    check::{self, Level},
    exit,
};
use std::{io::Write, path::PathBuf};

#[derive(Args)]
pub(crate) struct Check {
    /// Recipe files, YAML or JSON.
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
    /// Print one JSON object a recipe.
    #[arg(long)]
    json: bool,
    /// Count what nucleus lite refuses.
    #[arg(long)]
    lite: bool,
}

/// Says what it thinks of each recipe; 1 if there is an error, a warning or a question of style in one.
pub(crate) fn check(arguments: &Check) -> Result<u8, Failure> {
    let mut code = exit::PASSED;
    for path in &arguments.recipes {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("can't read the recipe `{}`: {error}", path.display());
            Failure::new(exit::USAGE, message, "name a recipe file in UTF-8")
        })?;
        let verdict = check::check(&text);
        let counts = |level| level != Level::Lite || arguments.lite;
        if verdict.remarks.iter().any(|remark| counts(remark.level)) {
            code = exit::FINDING;
        }
        let file = path.display().to_string();
        let report =
            if arguments.json { format!("{}\n", check::json(&file, &verdict)) } else { check::human(&file, &verdict) };
        // A closed standard output leaves nobody to tell; the exit code still does.
        _ = std::io::stdout().lock().write_all(report.as_bytes());
    }
    Ok(code)
}
