//! Links the program at fixed addresses, and lists the fixtures that travel in it.
//!
//! A position-independent static program relocates megabytes of tables at its start, which then stay resident in every
//! container that it runs in.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

/// What scenarios of the failure library, and the reference scenario, name.
const FOLDERS: [&str; 6] = ["components", "conformance", "failures", "packages", "policies", "scenarios"];

fn main() -> io::Result<()> {
    for argument in ["-static", "-no-pie"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    let cargo = |name: &str| PathBuf::from(std::env::var_os(name).expect("cargo sets it"));
    let root = cargo("CARGO_MANIFEST_DIR").join("../../fixtures").canonicalize()?;
    let mut files = Vec::new();
    for folder in FOLDERS {
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).expect("it is below the root");
        writeln!(list, "    ({:?}, include_bytes!({:?})),", name.display().to_string(), file.display().to_string())
            .expect("a text takes any text");
    }
    list.push(']');
    fs::write(cargo("OUT_DIR").join("fixtures.rs"), list)
}

/// The files below a folder but for what Python leaves there.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
