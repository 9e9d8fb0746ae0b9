//! Status codes and reasons of component errors.

use crate::service::{State, Trouble};

/// The steps of a lifecycle that can fail with a status of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Install,
    Startup,
    Run,
    Shutdown,
}

impl Phase {
    /// The step's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Startup => "startup",
            Self::Run => "run",
            Self::Shutdown => "shutdown",
        }
    }

    /// The script failed.
    pub(super) fn error(self, exit: Option<i32>) -> Trouble {
        let (code, text) = match self {
            Self::Install => ("INSTALL_ERROR", "An error occurred during installation."),
            Self::Startup => ("STARTUP_ERROR", "An error occurred during startup."),
            Self::Run => ("RUN_ERROR", "An error occurred while running the component."),
            Self::Shutdown => ("SHUTDOWN_ERROR", "An error occurred while shutting down the component."),
        };
        let exit =
            exit.map_or_else(String::new, |exit| format!(" The {} script exited with code {exit}.", self.name()));
        Trouble { code, reason: format!("{text}{exit}") }
    }

    /// The script took too long.
    pub(super) fn timeout(self) -> Trouble {
        let (code, name) = match self {
            Self::Install => ("INSTALL_TIMEOUT", "Install"),
            Self::Startup => ("STARTUP_TIMEOUT", "Startup"),
            Self::Run => ("RUN_TIMEOUT", "Run"),
            Self::Shutdown => ("SHUTDOWN_TIMEOUT", "Shutdown"),
        };
        let advice = "Increase the timeout to give it more time to run or check your code.";
        Trouble { code, reason: format!("{name} script didn't finish within the timeout period. {advice}") }
    }

    /// Nobody says which user runs the script; the other steps have no status for it.
    pub(super) fn nobody(self) -> Option<Trouble> {
        let (code, doing) = match self {
            Self::Install => ("INSTALL_MISSING_DEFAULT_RUNWITH", "installing"),
            Self::Startup => ("STARTUP_MISSING_DEFAULT_RUNWITH", "starting"),
            Self::Run => ("RUN_MISSING_DEFAULT_RUNWITH", "running"),
            Self::Shutdown => return None,
        };
        let advice = "Check the runWith section of your recipe and try your request again.";
        let reason = format!("Couldn't determine the user or group to use when {doing} the component. {advice}");
        Some(Trouble { code, reason })
    }

    /// The step's section isn't valid; the other steps have no status for it.
    pub(super) fn invalid(self) -> Option<Trouble> {
        let (code, text, section) = match self {
            Self::Install => ("INSTALL_CONFIG_NOT_VALID", "Installation couldn't be completed.", "installation"),
            Self::Startup => ("STARTUP_CONFIG_NOT_VALID", "The component couldn't be started.", "startup"),
            Self::Run => ("RUN_CONFIG_NOT_VALID", "The component couldn't run.", "run"),
            Self::Shutdown => return None,
        };
        let step = self.name();
        let reason = format!(
            "{text} The structure of the {section} section of the recipe is not valid. Check the {step} section and try \
             your request again."
        );
        Some(Trouble { code, reason })
    }

    /// The work folder can't be made ready; the other steps have no status for it.
    pub(super) fn unprepared(self) -> Option<Trouble> {
        let (code, when) = match self {
            Self::Install => ("INSTALL_IO_ERROR", "during installation"),
            Self::Startup => ("STARTUP_IO_ERROR", "starting the component"),
            Self::Run => ("RUN_IO_ERROR", "running the component"),
            Self::Shutdown => return None,
        };
        let reason = format!("There was an I/O error {when}. Check the component log for more information.");
        Some(Trouble { code, reason })
    }
}

/// The status of an error in `state` that brought none of its own.
pub(super) fn by_default(state: State) -> Trouble {
    match state {
        State::New | State::Installed => Phase::Install.error(None),
        State::Starting => Phase::Startup.error(None),
        State::Running => Phase::Run.error(None),
        State::Stopping => Phase::Shutdown.error(None),
        State::Uninstalling => {
            Trouble { code: "UNINSTALL_ERROR", reason: "An error occurred while uninstalling the component.".into() }
        }
        _ => Trouble { code: "NONE", reason: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;

    #[test]
    fn reasons() {
        fidelity!("core-lifecycle-14");
        assert_eq!(
            Phase::Startup.error(Some(3)).reason,
            "An error occurred during startup. The startup script exited with code 3."
        );
        assert_eq!(by_default(State::New).reason, "An error occurred during installation.");
        assert_eq!(by_default(State::Stopping).code, "SHUTDOWN_ERROR");
        assert_eq!(
            Phase::Run.invalid().unwrap().reason,
            "The component couldn't run. The structure of the run section of the recipe is not valid. Check the run \
             section and try your request again."
        );
        assert_eq!(
            Phase::Install.nobody().unwrap().reason,
            "Couldn't determine the user or group to use when installing the component. Check the runWith section of \
             your recipe and try your request again."
        );
        assert_eq!(Phase::Shutdown.nobody(), None);
    }
}
