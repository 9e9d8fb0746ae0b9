//! `greenproof images`: what a machine that starts with none gets its images from.

use super::{command::Failure, config, shown::terminal};
use clap::Subcommand;
use greenproof::{
    docker::{Build, Progress, export, import, key},
    exit,
    redact::masked,
    report::{Reader, Told},
};
use std::{io::Write, path::PathBuf};

pub(crate) const EXAMPLES: &str = "Examples:
  greenproof images export /media/stick   # on a machine with a network
  greenproof images import /media/stick   # on one without";

const KEY: &str = "Examples:
  echo \"key=$(greenproof images key)\" >> \"$GITHUB_OUTPUT\"";

const EXPORT: &str = "Examples:
  greenproof images export .greenproof-images";

const IMPORT: &str = "Examples:
  greenproof images import .greenproof-images";

/// What to do with the images.
#[derive(Subcommand)]
pub(crate) enum Images {
    /// Print what names the images in a cache; it changes when they do.
    #[command(after_help = KEY)]
    Key,
    /// Save the images into a folder, and make those that are missing first.
    #[command(after_help = EXPORT)]
    Export {
        /// The folder; what it has of other versions is removed.
        folder: PathBuf,
    },
    /// Load the images that a folder has, if it has them.
    #[command(after_help = IMPORT)]
    Import {
        /// The folder, as `export` left it.
        folder: PathBuf,
    },
}

pub(crate) async fn images(command: Images) -> Result<u8, Failure> {
    let options = config::options()?;
    let build = Build::of(&options);
    let (folder, exports) = match command {
        Images::Key => {
            // A closed standard output leaves nobody to tell.
            _ = writeln!(std::io::stdout().lock(), "{}", key(&build));
            return Ok(exit::PASSED);
        }
        Images::Export { folder } => (folder, true),
        Images::Import { folder } => (folder, false),
    };
    let reader = terminal();
    let progress = |progress: Progress| {
        reader.tell(Told::Building { image: progress.image, line: masked(&progress.line).into_owned() });
    };
    let engine = options.connect().await?;
    let note = if exports {
        let (file, new) = Box::pin(export(&engine, &build, &folder, &progress)).await?;
        if new { format!("saved {}", file.display()) } else { format!("{} is there already", file.display()) }
    } else {
        match Box::pin(import(&engine, &build, &folder, &progress)).await? {
            Some(file) => format!("loaded {}", file.display()),
            None => "nothing to load".to_owned(),
        }
    };
    reader.tell(Told::note(note));
    Ok(exit::PASSED)
}
