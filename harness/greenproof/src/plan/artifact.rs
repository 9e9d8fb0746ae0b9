//! The bytes of an artifact: a file as it is, or a folder's content as a zip.

use super::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// An object's content in base64: that of a file, or of a folder, all of it unless only some of its files count.
pub(super) fn base64(source: &Path, only: Option<&[PathBuf]>) -> Result<String, Error> {
    Ok(STANDARD.encode(bytes(source, only)?))
}

/// An object's content.
pub(super) fn bytes(source: &Path, only: Option<&[PathBuf]>) -> Result<Vec<u8>, Error> {
    let bytes = match only {
        Some(files) => chosen(source, files),
        None if source.is_dir() => zipped(source, ""),
        None => std::fs::read(source),
    };
    bytes.map_err(|error| Error::new(format!("reading the artifact `{}`", source.display()), error))
}

/// A source archive of a Python package's folder.
pub(super) fn source_archive(folder: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let zipped = zipped(folder, &format!("{name}/"));
    zipped.map_err(|error| Error::new(format!("reading the package `{}`", folder.display()), error))
}

/// A zip of the folder's content, its files in order and without times, so that equal folders give equal bytes.
fn zipped(folder: &Path, prefix: &str) -> std::io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, folder, prefix)?;
    Ok(zip.finish()?.into_inner())
}

/// A zip of some files of a folder.
fn chosen(folder: &Path, files: &[PathBuf]) -> std::io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        zip.start_file_from_path(file, SimpleFileOptions::default())?;
        zip.write_all(&std::fs::read(folder.join(file))?)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, folder: &Path, prefix: &str) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add(zip, &entry.path(), &format!("{name}/"))?;
        } else {
            zip.start_file(name, SimpleFileOptions::default())?;
            zip.write_all(&std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
