//! What can go wrong with Docker, and what a person can do about it.

use std::path::PathBuf;

/// A failure of the Docker side. The message is one line; [`Error::hint`] is advice, [`Error::log`] the output that
/// led to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No engine answers.
    #[error("connecting to Docker at {address}: {cause}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why not.
        cause: String,
    },
    /// A name or an address is no engine's.
    #[error("engine `{name}`: {reason}")]
    Endpoint {
        /// The name or address.
        name: String,
        /// Why it is none.
        reason: String,
    },
    /// The engine refused a request.
    #[error("{doing}: {cause}")]
    Engine {
        /// What was asked.
        doing: String,
        /// The engine's answer.
        cause: String,
    },
    /// A file of ours can't be read or written.
    #[error("{doing} `{}`: {cause}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// The program that containers run is not beside this one.
    #[error("making images: the program that containers run, `{}`, is missing", .0.display())]
    NoProgram(PathBuf),
    /// An image's build failed.
    #[error("building image `{image}`: {reason}")]
    Build {
        /// Name of the image.
        image: String,
        /// The engine's last word.
        reason: String,
        /// Last lines of the build's output.
        log: String,
    },
    /// No tool that makes a Debian base image is installed.
    #[error("making base image `{base}`: no registry answers and neither debootstrap nor mmdebstrap is installed")]
    NoBootstrap {
        /// Name of the base.
        base: String,
    },
    /// debootstrap needs root and this process isn't.
    #[error("making base image `{base}`: no registry answers and debootstrap needs root")]
    NotRoot {
        /// Name of the base.
        base: String,
    },
    /// A program that makes a base image failed.
    #[error("making base image `{base}`: {reason}")]
    Bootstrap {
        /// Name of the base.
        base: String,
        /// How it ended.
        reason: String,
        /// Last lines of its output.
        log: String,
    },
    /// A scenario's own device image can't be made.
    #[error("making the device image of {what}: {reason}")]
    Device {
        /// What the scenario asks for.
        what: String,
        /// Why it is not to be had.
        reason: String,
    },
    /// A scenario's Python packages can't be fetched.
    #[error("fetching what `[index] requirements` names: {reason}")]
    Requirements {
        /// Why not.
        reason: String,
    },
    /// The user's own LocalStack image is neither here nor to be had.
    #[error("pulling image `{image}`: {reason}")]
    Pull {
        /// The image as the user named it.
        image: String,
        /// Why not.
        reason: String,
    },
    /// Every subnet that was tried overlaps with another network.
    #[error("creating network `{name}`: no free subnet in `{range}`")]
    NoSubnet {
        /// Name of the network.
        name: String,
        /// The range that was searched.
        range: &'static str,
    },
    /// LocalStack did not become ready.
    #[error("waiting for LocalStack in container `{container}`: {reason}")]
    LocalStack {
        /// Name of the container.
        container: String,
        /// How the wait ended.
        reason: String,
        /// Last lines of its output.
        log: String,
    },
}

impl Error {
    /// Advice for the person, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => Some(
                "Start Docker, or set DOCKER_HOST to its socket (the default is unix:///var/run/docker.sock); the user \
                 needs access to that socket, as members of group `docker` have.",
            ),
            Self::Endpoint { .. } => Some("`docker context ls` lists the engines that Docker's CLI knows."),
            Self::NoBootstrap { .. } => Some(
                "Run `apt-get install debootstrap debian-archive-keyring` (or mmdebstrap), let greenproof install what \
                 is missing, or give Docker a registry that has Debian.",
            ),
            Self::NoProgram(_) => Some(
                "Put `greenproof-inside` beside `greenproof`, as `cargo install` does, or name it with GREENPROOF_PROGRAM.",
            ),
            Self::NotRoot { .. } => Some(
                "Run once as root, install mmdebstrap, which needs no root, or give Docker a registry with Debian.",
            ),
            Self::Bootstrap { .. } => Some("Check free disk space and that the Debian mirror is reachable."),
            Self::Build { .. } => Some(
                "Builds read Debian's mirror and the Python package index. Behind a TLS-inspecting proxy set PIP_CERT \
                 to its CA bundle, and PIP_INDEX_URL if the index is a mirror.",
            ),
            Self::Device { .. } => Some(
                "Packages are those of Debian bookworm. An image of your own needs sudo, iproute2, iptables, and the \
                 user `ggc_user` with the group `ggc_group`; greenproof adds the rest.",
            ),
            Self::Requirements { .. } => Some("Correct the line in the requirements file, or set PIP_INDEX_URL."),
            Self::Pull { .. } => Some("Load the image with `docker load`, or leave it out to use greenproof's own."),
            Self::NoSubnet { .. } => Some("Remove networks that nobody uses: `docker network prune`."),
            Self::LocalStack { .. } => Some("See the container's log; a LocalStack needs about 500 MiB of memory."),
            Self::Engine { .. } | Self::Io { .. } => None,
        }
    }

    /// The last lines of output before the failure, where there is any.
    #[must_use]
    pub fn log(&self) -> Option<&str> {
        match self {
            Self::Build { log, .. } | Self::Bootstrap { log, .. } | Self::LocalStack { log, .. } => Some(log),
            _ => None,
        }
    }

    /// For `map_err`: no engine answers.
    pub(crate) fn unreachable(address: &str) -> impl FnOnce(bollard::errors::Error) -> Self {
        let address = address.to_owned();
        move |error| Self::Unreachable { address, cause: cause(&error) }
    }

    /// For `map_err`: says what was asked of the engine.
    pub(crate) fn engine(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Engine { doing, cause: cause(&error) }
    }

    /// For `map_err`: says what was tried with which file.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { doing, path, cause }
    }
}

/// An error of the client as one line: the engine's own words, or else the root of the chain.
pub(crate) fn cause(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error as Client;
    match error {
        Client::DockerResponseServerError { message: text, .. } | Client::DockerStreamError { error: text } => {
            text.lines().next().unwrap_or_default().to_owned()
        }
        Client::SocketNotFoundError(path) => format!("there is no socket `{path}`"),
        Client::RequestTimeoutError => "no answer in time".to_owned(),
        other => {
            let links = std::iter::successors(Some(other as &dyn std::error::Error), |link| link.source());
            links.last().map(ToString::to_string).unwrap_or_default()
        }
    }
}

/// The HTTP status that the engine answered with, if it answered.
pub(crate) fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Turns "it isn't there" (404) and "it is being removed already" (409) into success: somebody else was faster.
pub(crate) fn gone(result: Result<(), bollard::errors::Error>) -> Result<(), bollard::errors::Error> {
    match result {
        Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
        other => other,
    }
}
