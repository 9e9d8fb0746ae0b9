//! `greenproof explain`: logs in, failures out.

use super::{answer, command::Failure};
use clap::Args;
use greenproof::{
    exit,
    explain::{self, Explainer, Explanation, Verdict},
    failure::Library,
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "Examples:
  greenproof explain /greengrass/v2/logs
  greenproof explain com.example.Hello.log --json
  greenproof explain F14                      # what is known of that failure
  greenproof explain                          # every failure that is known";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// Logs of a device: files, folders of one device's files, `-` for standard input; an id such as F14 shows what is
    /// known of that failure. Without any, the known failures are listed.
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// Print one JSON object a file, or a failure.
    #[arg(long)]
    json: bool,
    /// A failure library of your own instead of the built-in one: the folder that holds `failures`.
    #[arg(long, value_name = "FOLDER")]
    library: Option<PathBuf>,
}

/// Explains each log; 1 if one shows a failure, known or not.
pub(crate) fn explain(arguments: &Explain) -> Result<u8, Failure> {
    let own = arguments.library.as_deref().map(Library::of_folder).transpose();
    let own =
        own.map_err(|error| Failure::new(exit::USAGE, error.to_string(), "docs/FAILURES.md says what a file is"))?;
    let library = own.as_ref().unwrap_or_else(|| Library::embedded());
    if arguments.logs.is_empty() {
        if arguments.json {
            let lines: String = library.failures().iter().map(explain::shown_json).collect();
            answer::print(&lines)?;
        } else {
            answer::print(&explain::listed(library))?;
        }
        return Ok(exit::PASSED);
    }
    let explainer = Explainer::of(library);
    let mut code = exit::PASSED;
    for path in &arguments.logs {
        if let Some(failure) = path.to_str().and_then(|id| library.get(id)).filter(|_| !path.exists()) {
            if arguments.json {
                answer::print(&explain::shown_json(failure))?;
            } else {
                answer::print(&explain::shown(failure))?;
            }
            continue;
        }
        for explanation in of_path(&explainer, path, arguments.json)? {
            if explanation.verdict != Verdict::Healthy {
                code = exit::FINDING;
            }
            let text =
                if arguments.json { explain::json(&explanation) + "\n" } else { explain::human(library, &explanation) };
            answer::print(&text)?;
        }
    }
    Ok(code)
}

/// Of a folder all files together, as they are of one device; for a program, which joins them itself, each.
fn of_path(explainer: &Explainer<'_>, path: &Path, each: bool) -> Result<Vec<Explanation>, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        let message = format!("can't read `{}`: {error}", path.display());
        Failure::new(exit::USAGE, message, "name a log file, a folder of them, or `-` for standard input")
    };
    if path == Path::new("-") {
        return Ok(vec![explainer.explain("-", io::stdin().lock()).map_err(|error| failed(path, &error))?]);
    }
    let files = explain::logs(path).map_err(|error| failed(path, &error))?;
    let open = |file: &PathBuf| -> Result<(String, Box<dyn Read>), Failure> {
        let opened = File::open(file).map_err(|error| failed(file, &error))?;
        Ok((file.display().to_string(), Box::new(opened)))
    };
    if path.is_dir() && !each {
        let files = files.iter().map(open).collect::<Result<_, _>>()?;
        let together = explainer.together(&path.display().to_string(), files);
        return Ok(vec![together.map_err(|error| failed(path, &error))?]);
    }
    let one = |file: &PathBuf| {
        let (name, reader) = open(file)?;
        explainer.explain(&name, reader).map_err(|error| failed(file, &error))
    };
    files.iter().map(one).collect()
}
