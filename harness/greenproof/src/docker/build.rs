//! Building one image with the engine's classic builder.

use super::{
    Engine, Progress,
    archive::{self, Upload},
    error::{self, Error},
    logs::Tail,
};
use bollard::{
    body_stream,
    query_parameters::{BuildImageOptionsBuilder, RemoveImageOptionsBuilder},
};
use futures_util::StreamExt;
use std::collections::HashMap;

/// A build to run.
pub(crate) struct Job<'a> {
    /// Name of the image, for messages.
    pub(crate) name: &'a str,
    /// The tag that it gets.
    pub(crate) tag: &'a str,
    /// The Dockerfile's folder.
    pub(crate) context: Vec<Upload>,
    /// Build arguments.
    pub(crate) args: HashMap<String, String>,
}

impl Job<'_> {
    /// Runs the build and says what it does, line by line.
    pub(crate) async fn run(self, engine: &Engine, progress: super::images::Watch<'_>) -> Result<(), Error> {
        let options = BuildImageOptionsBuilder::new().t(self.tag).rm(true).forcerm(true).buildargs(&self.args).build();
        let tar = archive::pack(&self.context).map_err(Error::io("packing the build context of", self.name))?;
        let body = body_stream(futures_util::stream::iter([tar.into()]));
        let docker = engine.patient();
        let mut output = docker.build_image(options, None, Some(body)).boxed();
        let (mut tail, mut stages) = (Tail::new(), Stages::default());
        while let Some(part) = output.next().await {
            let info = part.map_err(|error| self.failed(&error, &tail))?;
            for line in info.stream.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| !line.is_empty())
            {
                tail.push(line);
                stages.see(line);
                progress(Progress { image: self.name.to_owned(), line: line.to_owned() });
            }
        }
        stages.remove(engine).await;
        Ok(())
    }

    fn failed(&self, error: &bollard::errors::Error, tail: &Tail) -> Error {
        Error::Build { image: self.name.to_owned(), reason: error::cause(error), log: tail.text() }
    }
}

/// The images that earlier stages of a build end in. The classic builder leaves them behind, untagged.
#[derive(Default)]
struct Stages {
    latest: Option<String>,
    ends: Vec<String>,
}

impl Stages {
    fn see(&mut self, line: &str) {
        if let Some(id) = line.strip_prefix("---> ").filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            self.latest = Some(id.to_owned());
        } else if line.starts_with("Step ") && line.contains(" : FROM ") {
            self.ends.extend(self.latest.take());
        }
    }

    /// Removes them; one that is still of use stays.
    async fn remove(self, engine: &Engine) {
        for id in self.ends {
            let tagged = match engine.docker.inspect_image(&id).await {
                Ok(image) => image.repo_tags.is_some_and(|tags| !tags.is_empty()),
                Err(_) => true,
            };
            if !tagged {
                _ = engine.docker.remove_image(&id, Some(RemoveImageOptionsBuilder::new().build()), None).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_end_where_the_next_begins() {
        let mut stages = Stages::default();
        for line in [
            "Step 1/5 : ARG BASE",
            "Step 2/5 : FROM ${BASE} AS build",
            "---> 0123456789ab",
            "Step 3/5 : RUN something",
            "---> Running in aaaabbbbcccc",
            "---> ba9876543210",
            "Step 4/5 : FROM ${BASE}",
            "---> 0123456789ab",
        ] {
            stages.see(line);
        }
        assert_eq!(stages.ends, ["ba9876543210"]);
    }
}
