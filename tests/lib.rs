//! What the tests share: the stage with the program under test, and where the fixtures are.

use greenproof::{Options, Stage, report::Silent};
use std::path::{Path, PathBuf};

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

/// A file or folder below `fixtures/`.
#[must_use]
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}

/// A stage whose containers run the program under test, and whose patience is multiplied by `patience`.
///
/// # Panics
/// When Docker can't be used: these tests need it.
pub async fn stage(patience: f64) -> Stage {
    let mut options = Options::from_environment().expect("the process environment is usable");
    options.program = program();
    options.patience *= patience;
    Stage::set(options, &Silent).await.expect("Docker runs, and the images are built")
}

/// Runs a future to its end.
///
/// # Panics
/// When the runtime can't be started.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the runtime starts").block_on(future)
}
