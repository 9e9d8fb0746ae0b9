//! The download of one artifact into its file: what is there is kept, the rest is asked for, and the whole is checked.

use super::{
    digest::Hasher,
    job::{Job, Problem},
    repository::Repository,
    s3::{Object, S3},
};
use crate::{credentials::chain, failure::Failure, log::Line};
use reqwest::Response;
use std::{fs, io, path::Path, sync::OnceLock};
use tokio::{fs::File, io::AsyncWriteExt};

/// How often a download whose digest is wrong is tried.
const CHECKSUM_TRIES: u32 = 10;

/// Where an artifact comes from.
#[derive(Debug)]
pub(super) enum Source<'a> {
    S3(&'a S3, Object),
    /// The data plane; its size is asked for once.
    Repository(Repository<'a>, OnceLock<u64>),
}

impl Source<'_> {
    /// Size of the artifact in bytes.
    ///
    /// # Errors
    /// As the deployment fails with it.
    pub(super) async fn size(&self, job: &Job<'_>) -> Result<u64, Failure> {
        match self {
            Self::S3(s3, object) => s3.size(job, object).await,
            Self::Repository(repository, known) => {
                if known.get().is_none() {
                    _ = known.set(repository.size(job).await?);
                }
                Ok(known.get().copied().unwrap_or(0))
            }
        }
    }

    /// Asks for a part; also how much of the answer lies before it.
    async fn content(&self, job: &Job<'_>, range: (u64, u64)) -> Result<(Response, u64), Problem> {
        match self {
            Self::S3(s3, object) => Ok((s3.content(job, object, range).await?, 0)),
            Self::Repository(repository, _) => repository.content(job, range).await,
        }
    }

    fn task(&self) -> &'static str {
        match self {
            Self::S3(..) => "download-S3-artifact",
            Self::Repository(..) => "download-artifact",
        }
    }
}

/// Whether the file must be downloaded: it is missing, or isn't what the recipe says. A recipe without a digest takes
/// any file.
pub(super) fn is_required(job: &Job<'_>, file: &Path) -> bool {
    if !file.exists() {
        return true;
    }
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (Some(algorithm), Some(expected)) = (set(&job.artifact.algorithm), set(&job.artifact.digest)) else {
        return false;
    };
    let found = Hasher::named(&algorithm).and_then(|mut hasher| {
        hasher.update_from(file).ok()?;
        Some(hasher.finish())
    });
    let Some(found) = found else {
        job.log(|logger| Line::warn(logger).message("Fail to verify the checksum"));
        return true;
    };
    if found != expected {
        let text = "Artifact appears to exist on disk, but the digest on disk does not match the digest in the recipe. \
                    Will attempt to download it again.";
        job.log(|logger| Line::warn(logger).message(text));
    }
    found != expected
}

/// Downloads the artifact into its file.
///
/// # Errors
/// As the deployment fails with it.
pub(super) async fn download(job: &Job<'_>, source: &Source<'_>, file: &Path) -> Result<(), Failure> {
    let Some(algorithm) = &job.artifact.algorithm else {
        return Err(job.failure("Algorithm missing from artifact", &["RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"]));
    };
    let Some(hasher) = Hasher::named(algorithm) else {
        let text = job.reason("Algorithm requested for artifact checksum is not supported");
        return Err(Failure::new(text, &["COMPONENT_PACKAGE_LOADING_ERROR", "HASHING_ALGORITHM_UNAVAILABLE"]));
    };
    let size = source.size(job).await?;
    let mut partial = Partial { file, hasher, offset: 0 };
    partial.resume(job, size)?;
    let mut tries = job.tries("download-artifact");
    loop {
        while partial.offset < size {
            partial.fetch(job, source, size).await?;
        }
        let digest = partial.hasher.finish();
        if job.artifact.digest.as_ref() == Some(&digest) {
            return Ok(());
        }
        partial.discard().map_err(|error| written(job, "Failed to download the artifact", &error))?;
        let text = "Failed integrity check for the downloaded artifact. Artifact contents may have changed after \
                    component version was created";
        if tries.failed + 1 == CHECKSUM_TRIES {
            return Err(Failure::new(text, &["ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH"]));
        }
        tries.next(Problem::Again(text.into())).await?;
    }
}

/// A file that is being filled.
#[derive(Debug)]
struct Partial<'a> {
    file: &'a Path,
    hasher: Hasher,
    /// How much of it is there, and in the digest.
    offset: u64,
}

impl Partial<'_> {
    /// Goes on with what an earlier try left; a file that is too large is none.
    fn resume(&mut self, job: &Job<'_>, size: u64) -> Result<(), Failure> {
        let Ok(known) = fs::metadata(self.file).map(|file| file.len()) else { return Ok(()) };
        let failed = |error: &io::Error| written(job, "Failed to download the artifact", error);
        if known > size {
            let text = format!(
                "existing file corrupted. Expected size: {size}, Actual size: {known}. Removing and retrying download."
            );
            job.log(|logger| Line::error(logger).message(text));
            return self.discard().map_err(|error| failed(&error));
        }
        self.hasher.update_from(self.file).map_err(|error| failed(&error))?;
        self.offset = known;
        Ok(())
    }

    fn discard(&mut self) -> io::Result<()> {
        self.offset = 0;
        match fs::remove_file(self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Fetches what is missing, or a part of it.
    async fn fetch(&mut self, job: &Job<'_>, source: &Source<'_>, size: u64) -> Result<(), Failure> {
        let mut tries = job.tries(source.task());
        loop {
            let problem = match source.content(job, (self.offset, size - 1)).await {
                Ok((response, before)) => match self.append(job, response, before, size).await? {
                    0 => Problem::Again("java.io.IOException: Failed to read any byte from the inputStream".into()),
                    length => {
                        self.offset += length;
                        return Ok(());
                    }
                },
                Err(problem) => problem,
            };
            tries.next(problem).await?;
        }
    }

    /// Appends what comes, piece by piece; a connection that breaks off leaves what came.
    async fn append(
        &mut self,
        job: &Job<'_>,
        mut response: Response,
        mut before: u64,
        size: u64,
    ) -> Result<u64, Failure> {
        let failed = |error: &io::Error| written(job, "Error writing artifact", error);
        let opened = File::options().create(true).append(true).open(self.file).await;
        let mut file = opened.map_err(|error| failed(&error))?;
        let mut length = 0;
        loop {
            job.check_cancelled()?;
            let piece = match response.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    job.log(|logger| {
                        let line = Line::warn(logger).message("Failed to read from input stream and will retry");
                        line.with("bytes-read", length.to_string()).cause(chain(&error))
                    });
                    break;
                }
            };
            let skipped = before.min(piece.len() as u64);
            before -= skipped;
            // An answer that is longer than what was asked for doesn't fill the disk.
            let room = (size - self.offset - length).min(piece.len() as u64 - skipped);
            let [skipped, room] = [skipped, room].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
            let piece = &piece[skipped..][..room];
            file.write_all(piece).await.map_err(|error| failed(&error))?;
            self.hasher.update(piece);
            length += piece.len() as u64;
            if self.offset + length == size {
                break;
            }
        }
        file.sync_all().await.map_err(|error| failed(&error))?;
        Ok(length)
    }
}

/// A failure to write the file.
fn written(job: &Job<'_>, reason: &str, error: &io::Error) -> Failure {
    job.failure(reason, &["IO_ERROR", "IO_WRITE_ERROR"]).because(error.to_string())
}

#[cfg(test)]
mod tests;
