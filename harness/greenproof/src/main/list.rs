//! `greenproof list`: scenarios, and by what they can be chosen.

use super::{answer, chosen::Chosen, command::Failure, config};
use clap::Args;
use greenproof::{Scenario, exit};
use serde_json::{Value, json};
use std::fmt::Write as _;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct List {
    #[command(flatten)]
    chosen: Chosen,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  greenproof list scenarios/
  greenproof list scenarios/ --tag smoke --filter 'token*'
  greenproof list . --json | jq -r '.[].name'";

pub(crate) fn list(arguments: &List) -> Result<u8, Failure> {
    let evidence = config::Said::default().evidence(&config::read()?);
    let choice = arguments.chosen.choice(&evidence)?;
    if arguments.json {
        answer::json(&choice.scenarios.iter().map(object).collect::<Vec<_>>())?;
    } else {
        answer::print(&table(&choice.scenarios))?;
    }
    Ok(exit::PASSED)
}

fn object(scenario: &Scenario) -> Value {
    json!({
        "name": scenario.name, "summary": scenario.summary, "tags": scenario.tags, "core": scenario.device.core,
        "needs": scenario.needs(), "file": scenario.sources.first().map(|source| &source.path),
    })
}

/// A line a scenario, and one below it for what it needs.
fn table(scenarios: &[Scenario]) -> String {
    let width = scenarios.iter().map(|scenario| scenario.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for scenario in scenarios {
        let tags = if scenario.tags.is_empty() { String::new() } else { format!("  [{}]", scenario.tags.join(", ")) };
        let (name, core) = (&scenario.name, scenario.device.core.name());
        _ = writeln!(text, "{name:<width$}  {core:<8}  {}{tags}", scenario.summary);
        let needs = scenario.needs();
        if !needs.is_empty() {
            _ = writeln!(text, "{:<width$}  needs {}", "", needs.join(", "));
        }
    }
    text
}
