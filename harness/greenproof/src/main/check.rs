//! `greenproof check`: recipes in, remarks out.

use super::{answer, command::Failure};
use clap::Args;
use greenproof::{
    check::{self, Level},
    exit,
};
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  greenproof check recipe.yaml
  greenproof check --lite --json recipe.yaml other.json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
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
        answer::print(&report)?;
    }
    Ok(code)
}
