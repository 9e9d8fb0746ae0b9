//! The reference scenario inside the program, so that it runs from an empty folder.

use std::{
    io,
    path::{Path, PathBuf},
};

macro_rules! fixture {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../fixtures/", $path)))
    };
}

const FILES: &[(&str, &str)] = &[
    fixture!("scenarios/private-package.toml"),
    fixture!("components/com.example.GithubCustomPack/recipe.yaml"),
    fixture!("components/com.example.GithubCustomPack/artifacts/GithubCustomPack/main.py"),
    fixture!("packages/myawsname/setup.py"),
    fixture!("packages/myawsname/README.md"),
    fixture!("packages/myawsname/myawsname/__init__.py"),
    fixture!("policies/trust.json"),
    fixture!("policies/token-exchange.json"),
    fixture!("policies/artifact-read.json"),
    fixture!("policies/secret-read.json"),
    fixture!("policies/iot-thing.json"),
    fixture!("policies/iot-role-alias.json"),
];

/// Writes the reference scenario and what it names below `folder`; gives the scenario file's path.
///
/// # Errors
/// When a file can't be written.
///
/// # Panics
/// Never: each fixture is in a folder.
pub fn reference(folder: &Path) -> io::Result<PathBuf> {
    for (path, text) in FILES {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a fixture is in a folder"))?;
        std::fs::write(path, text)?;
    }
    Ok(folder.join(FILES[0].0))
}
