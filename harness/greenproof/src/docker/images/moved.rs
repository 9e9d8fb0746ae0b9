//! Images in a folder, for machines that start with none: a cache of CI, or a machine without a network.
//!
//! What costs time to make is there, one file for all, named by what the images are made of. The layers with the program
//! are not: they are a copy, made anew by each build of it.

use super::{Build, Error, Maker, Progress, Watch, digest, image_tag, images};
use crate::docker::{Engine, embedded::Manifest, error};
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use std::path::{Path, PathBuf};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// How much of a file is read at once.
const PART: usize = 1 << 20;

/// How many parts of an image are on their way at once.
const PARTS: usize = 16;

/// What the names of the files begin with.
const PREFIX: &str = "greenproof-images-";

/// Names what the images are made of, so that a cache under this name never holds others. It needs no Docker.
#[must_use]
pub fn key(options: &Build) -> String {
    digest::key(tags(options).iter().map(String::as_bytes))
}

/// Saves the images into a folder, and makes those that aren't there first. Gives the file, and whether it is new; those of
/// other keys are removed.
///
/// # Errors
/// As [`images`], and when the file can't be written.
pub async fn export(
    engine: &Engine,
    options: &Build,
    folder: &Path,
    progress: Watch<'_>,
) -> Result<(PathBuf, bool), Error> {
    let file = file(options, folder);
    if file.is_file() {
        return Ok((file, false));
    }
    let _held = images(engine, options, progress).await?;
    fs::create_dir_all(folder).await.map_err(Error::io("making", folder))?;
    let part = file.with_extension("part");
    save(engine, &tags(options), &part).await?;
    for old in saved(folder)? {
        fs::remove_file(&old).await.map_err(Error::io("removing", old))?;
    }
    fs::rename(&part, &file).await.map_err(Error::io("writing", &file))?;
    Ok((file, true))
}

/// Loads the images from a folder, unless they are there. Gives the file that was loaded.
///
/// # Errors
/// When the file can't be read or the engine refuses it.
pub async fn import(
    engine: &Engine,
    options: &Build,
    folder: &Path,
    progress: Watch<'_>,
) -> Result<Option<PathBuf>, Error> {
    let (maker, file, tags) = (Maker::new(engine, options, progress)?, file(options, folder), tags(options));
    if maker.are_there(&tags).await? || !file.is_file() {
        return Ok(None);
    }
    progress(Progress { image: "images".into(), line: format!("loading {}", file.display()) });
    load(engine, &file).await?;
    if !maker.are_there(&tags).await? {
        let cause = std::io::Error::other("it has other images than its name says; remove it");
        return Err(Error::io("loading", &file)(cause));
    }
    Ok(Some(file))
}

/// Loads what `docker save` wrote into a file.
///
/// # Errors
/// When the file can't be read or the engine refuses it.
pub async fn load(engine: &Engine, file: &Path) -> Result<(), Error> {
    let content = File::open(file).await.map_err(Error::io("reading", file))?;
    take(engine, parts(content), format!("loading `{}`", file.display())).await
}

/// Has an engine load what `docker save` wrote.
async fn take(
    engine: &Engine,
    content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    doing: String,
) -> Result<(), Error> {
    let docker = engine.patient();
    let mut told = docker.import_image_stream(ImportImageOptionsBuilder::new().build(), content, None).boxed();
    while let Some(answer) = told.next().await {
        answer.map_err(Error::engine(&*doing))?;
    }
    Ok(())
}

/// Brings an image from one engine to another.
///
/// # Errors
/// When one of the two refuses.
pub(super) async fn carry(from: &Engine, to: &Engine, tag: &str) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel(PARTS);
    let receiver =
        stream::unfold(receiver, |mut parts| async { Some((std::io::Result::Ok(parts.recv().await?), parts)) });
    let giving = from.patient();
    let give = async {
        let mut content = giving.export_images(&[tag]).boxed();
        while let Some(part) = content.next().await {
            // An engine that takes no more says why itself.
            _ = sender.send(part.map_err(Error::engine(format!("saving image `{tag}`")))?).await;
        }
        drop(sender);
        Ok(())
    };
    tokio::try_join!(give, take(to, receiver, format!("loading image `{tag}`"))).map(drop)
}

/// The images that take time to make.
fn tags(options: &Build) -> Vec<String> {
    let manifest = Manifest::load();
    let own = |name: &str| name != "localstack" || options.localstack_image.is_none();
    let recipes = manifest.image.iter().filter(|recipe| own(&recipe.name));
    recipes.map(|recipe| image_tag(recipe, manifest.base(recipe))).collect()
}

fn file(options: &Build, folder: &Path) -> PathBuf {
    folder.join(format!("{PREFIX}{}.tar", key(options)))
}

fn saved(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = folder.read_dir().map_err(Error::io("reading", folder))?.flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(PREFIX) && path.extension().is_some_and(|ending| ending == "tar")
    };
    Ok(entries.filter(is_ours).collect())
}

async fn save(engine: &Engine, tags: &[String], into: &Path) -> Result<(), Error> {
    let names: Vec<_> = tags.iter().map(String::as_str).collect();
    let docker = engine.patient();
    let mut content = docker.export_images(&names).boxed();
    let mut file = File::create(into).await.map_err(Error::io("writing", into))?;
    while let Some(part) = content.next().await {
        let part =
            part.map_err(|error| Error::Engine { doing: "saving the images".into(), cause: error::cause(&error) })?;
        file.write_all(&part).await.map_err(Error::io("writing", into))?;
    }
    file.flush().await.map_err(Error::io("writing", into))
}

/// A file's content in parts.
fn parts(file: File) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file, |mut file| async {
        let mut part = vec![0; PART];
        let count = file.read(&mut part).await?;
        part.truncate(count);
        Ok((count > 0).then(|| (Bytes::from(part), file)))
    })
}
