//! Images: which are here, and how the others would be had.

use super::Check;
use crate::{
    docker::{Bootstrapping, Due, Way, bootstrapping},
    stage::Options,
};

pub(super) fn checks(due: &[Due], registry: &Result<(), String>, options: &Options) -> Vec<Check> {
    let missing: Vec<_> = due.iter().filter(|due| due.way != Way::Present).collect();
    let mut checks: Vec<_> = due.iter().map(image).collect();
    checks.push(match registry {
        Ok(()) => Check::good("registry", "answers"),
        Err(reason) if missing.is_empty() => Check::good("registry", format!("not needed; {reason}")),
        Err(reason) => Check::good("registry", format!("does not answer, so bases are made: {reason}")),
    });
    let bootstrapped = missing.iter().any(|due| matches!(due.way, Way::Bootstrapped(_)));
    checks.push(tool(bootstrapped, options));
    checks
}

fn image(Due { name, tag, way }: &Due) -> Check {
    let told = |how: String| Check::good("image", format!("{name} is missing: {how} with the next run ({tag})"));
    match way {
        Way::Present => Check::good("image", format!("{name} is here ({tag})")),
        Way::Tagged(other) => told(format!("{other}, which is here, becomes it")),
        Way::Pulled(from) => told(format!("{from} is pulled")),
        Way::Bootstrapped(suite) => told(format!("it is made from Debian's {suite} packages")),
        Way::Built(base) => told(format!("it is built on {base}")),
        Way::Nowhere => {
            let seen = format!("{name} is missing, and no registry has it ({tag})");
            Check::missing("image", seen, format!("docker load < {name}.tar   # or unset GREENPROOF_LOCALSTACK_IMAGE"))
        }
    }
}

/// What makes a base where it can't be pulled.
fn tool(needed: bool, options: &Options) -> Check {
    const INSTALL: &str = "sudo apt-get install debootstrap debian-archive-keyring";
    const NAME: &str = "debootstrap";
    let lacking = |seen: &str, fix: &str| {
        if needed {
            Check::missing(NAME, format!("{seen}, and a base is to be made"), fix)
        } else {
            Check::good(NAME, format!("{seen}, and not needed"))
        }
    };
    match bootstrapping() {
        Bootstrapping::Debootstrap => Check::good(NAME, "debootstrap is here"),
        Bootstrapping::Mmdebstrap => Check::good(NAME, "mmdebstrap is here"),
        Bootstrapping::NotRoot => lacking("debootstrap needs root", "sudo apt-get install mmdebstrap"),
        Bootstrapping::Missing if options.install_missing => Check::good(NAME, "is installed when it is needed"),
        Bootstrapping::Missing => lacking("neither debootstrap nor mmdebstrap is installed", INSTALL),
    }
}
