//! The device with the classic nucleus: Java, the nucleus's own installer without provisioning, then its loader.
//!
//! Made from the nucleus's source and documentation alone; no run of it has been seen. Its configuration and its log files
//! are those that the emulated core takes and writes.

use super::{Core, INIT_CONFIG, container, files, surround, trusting};
use crate::{
    docker::{ContainerSpec, Lease, Network, Upload},
    plan::Plan,
    stage::Stage,
};

/// Where the zip is unpacked, as in AWS's own image.
const JAR: &str = "/opt/greengrassv2/lib/Greengrass.jar";

/// Installs the nucleus on the first start, then becomes its loader, which keeps it running; `$0` is the root folder, `$1`
/// the configuration, `$2` the user of components and `$3` the nucleus's archive.
const START: &str = "set -e
if [ ! -e \"$0/alts/current/distro\" ]; then
  java -Droot=\"$0\" -Dlog.store=FILE -jar \"$3\" --provision false --deploy-dev-tools false --init-config \"$1\" \
--component-default-user \"$2\" --setup-system-service false --start false
fi
exec \"$0/alts/current/distro/bin/loader\"";

pub(super) fn device(stage: &Stage, plan: &Plan, network: &Network, lease: &Lease) -> ContainerSpec {
    let (root, device) = (Core::Classic.root(), &plan.scenario.device);
    let nameserver = network.aws().to_string();
    let mut command = surround(&nameserver, device.trust_ca);
    command.extend(["sh", "-c", START, root, INIT_CONFIG, Core::Classic.user(), JAR]);
    ContainerSpec {
        image: stage.images.classic.clone().unwrap_or_default(),
        capabilities: vec!["NET_ADMIN".into()],
        env: trusting(device.trust_ca),
        files: files(plan, root, [Upload::file(INIT_CONFIG, plan.init_config(root), 0o644)]),
        hostname: plan.thing.clone(),
        ..container(network, lease, "device", network.device(), &command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

    /// What the start says with a stand-in for Java, which writes its words down and installs a loader.
    fn started(folder: &Path) -> String {
        const JAVA: &str = "#!/bin/sh\necho java \"$@\"\nroot=${1#-Droot=}\nmkdir -p \"$root/alts/current/distro/bin\"
printf '#!/bin/sh\\necho loader of %s\\n' \"$root\" > \"$root/alts/current/distro/bin/loader\"
chmod +x \"$root/alts/current/distro/bin/loader\"\n";
        let java = folder.join("java");
        std::fs::write(&java, JAVA).unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let words = ["-c", START, "root", "init.yaml", "u:g", "Greengrass.jar"];
        let output = Command::new("/bin/sh").args(words).env("PATH", path).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_first_start_installs_and_each_becomes_the_loader() {
        fidelity::fidelity!("classic-1");
        let folder = tempfile::tempdir().unwrap();
        let installed = "java -Droot=root -Dlog.store=FILE -jar Greengrass.jar --provision false --deploy-dev-tools false \
--init-config init.yaml --component-default-user u:g --setup-system-service false --start false\n";
        assert_eq!(started(folder.path()), format!("{installed}loader of root\n"));
        assert_eq!(started(folder.path()), "loader of root\n");
    }
}
