//! Status codes and reasons of component errors.

use crate::{service::Trouble, step::Unready};

/// The steps whose errors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Install,
    Startup,
    Run,
}

impl Phase {
    /// The step's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Startup => "startup",
            Self::Run => "run",
        }
    }

    /// The script failed.
    pub(super) fn error(self, exit: Option<i32>) -> Trouble {
        let (code, text) = match self {
            Self::Install => ("INSTALL_ERROR", "An error occurred during installation."),
            Self::Startup => ("STARTUP_ERROR", "An error occurred during startup."),
            Self::Run => ("RUN_ERROR", "An error occurred while running the component."),
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
        };
        let advice = "Increase the timeout to give it more time to run or check your code.";
        Trouble { code, reason: format!("{name} script didn't finish within the timeout period. {advice}") }
    }

    /// The script couldn't be started.
    pub(super) fn io(self) -> Trouble {
        let (code, when) = match self {
            Self::Install => ("INSTALL_IO_ERROR", "during installation"),
            Self::Startup => ("STARTUP_IO_ERROR", "starting the component"),
            Self::Run => ("RUN_IO_ERROR", "running the component"),
        };
        let advice = "Check the component log for more information.";
        Trouble { code, reason: format!("There was an I/O error {when}. {advice}") }
    }

    /// The step isn't ready to run.
    pub(super) fn unready(self, why: Unready) -> Trouble {
        match why {
            Unready::Invalid => self.invalid(),
            Unready::NoUser => {
                let (code, doing) = match self {
                    Self::Install => ("INSTALL_MISSING_DEFAULT_RUNWITH", "installing"),
                    Self::Startup => ("STARTUP_MISSING_DEFAULT_RUNWITH", "starting"),
                    Self::Run => ("RUN_MISSING_DEFAULT_RUNWITH", "running"),
                };
                let advice = "Check the runWith section of your recipe and try your request again.";
                let text = format!("Couldn't determine the user or group to use when {doing} the component. {advice}");
                Trouble { code, reason: text }
            }
        }
    }

    fn invalid(self) -> Trouble {
        let (code, text, section) = match self {
            Self::Install => ("INSTALL_CONFIG_NOT_VALID", "Installation couldn't be completed.", "installation"),
            Self::Startup => ("STARTUP_CONFIG_NOT_VALID", "The component couldn't be started.", "startup"),
            Self::Run => ("RUN_CONFIG_NOT_VALID", "The component couldn't run.", "run"),
        };
        let step = self.name();
        Trouble {
            code,
            reason: format!(
                "{text} The structure of the {section} section of the recipe is not valid. Check the {step} section and \
                 try your request again."
            ),
        }
    }
}
