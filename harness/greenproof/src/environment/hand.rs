//! What is done in a running world from outside, as its owner would: commands on the device, orders to the cloud.

use super::{Environment, faults};
use crate::{
    docker::{Begun, ExecOutput},
    fault::{Fault, Name},
    stage::Error,
};
use cloud::control::Control;
use futures_util::future::try_join_all;

impl Environment {
    /// Runs a command on the device by hand, as the components' user in its home.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub async fn by_hand(&self, command: &[&str]) -> Result<ExecOutput, Error> {
        Ok(self.engine.finish(self.begin_by_hand(command).await?).await?)
    }

    /// Begins to run a command as [`Environment::by_hand`] does.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) async fn begin_by_hand(&self, command: &[&str]) -> Result<Begun, Error> {
        let core = self.plan.scenario.device.core;
        Ok(self.engine.begin(&self.device.id, core.user(), command, &[("HOME", core.home())]).await?)
    }

    /// Runs a command on the device by hand, as root.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub async fn as_root(&self, command: &[&str]) -> Result<ExecOutput, Error> {
        Ok(self.engine.exec(&self.device.id, "", command, &[]).await?)
    }

    /// Runs a command on the device as a user; an empty name is root.
    ///
    /// # Errors
    /// When it can't be started; its own failure is an exit code.
    pub(crate) async fn run_as(&self, user: &str, command: &[&str]) -> Result<ExecOutput, Error> {
        Ok(self.engine.exec(&self.device.id, user, command, &[]).await?)
    }

    /// Credentials of the device's role session, as the AWS CLI reads them from its environment: asked of the
    /// credentials provider with the device's certificate, as root.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn credentials(&self) -> Result<Vec<(String, String)>, Error> {
        const ASK: &str = "import ssl, sys, urllib.request
root = sys.argv[3]
context = ssl.create_default_context(cafile=root + '/AmazonRootCA1.pem')
context.load_cert_chain(root + '/device.pem.crt', root + '/private.pem.key')
request = urllib.request.Request(sys.argv[1], headers={'x-amzn-iot-thingname': sys.argv[2]})
print(urllib.request.urlopen(request, context=context).read().decode())";
        let (url, root) = (self.plan.credentials_url(), self.plan.scenario.device.core.root());
        let asked = self.as_root(&["python3", "-c", ASK, &url, &self.plan.thing, root]).await?;
        let answer: serde_json::Value = serde_json::from_str(&asked.stdout)
            .map_err(|_| Error::surrounding("asking for credentials", asked.stderr, ""))?;
        let names = [
            ("AWS_ACCESS_KEY_ID", "accessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "secretAccessKey"),
            ("AWS_SESSION_TOKEN", "sessionToken"),
        ];
        let value = |key: &str| answer["credentials"][key].as_str().unwrap_or_default().to_owned();
        let region = ("AWS_DEFAULT_REGION".to_owned(), self.plan.scenario.aws.region.clone());
        Ok(names.into_iter().map(|(name, key)| (name.to_owned(), value(key))).chain([region]).collect())
    }

    /// What our own programs have written in their containers until now, and LocalStack since this environment is there, not
    /// redacted: by container, its lines.
    ///
    /// # Errors
    /// When a container is gone.
    pub async fn outputs(&self) -> Result<Vec<(&'static str, Vec<String>)>, Error> {
        let clouds = [("aws", &self.aws), ("device", &self.device)].into_iter();
        let watch = self.watching.iter().map(|watching| ("watch", &watching.container));
        let parts = clouds.chain(self.github.iter().map(|github| ("github", github))).chain(watch);
        let read = parts
            .map(|(part, container)| async move { Ok::<_, Error>((part, self.engine.read_output(container).await?)) });
        let began = i32::try_from(self.began / 1000).unwrap_or_default();
        let localstack = self.engine.read_output_since(&self.localstack.container, began);
        let (mut outputs, localstack) = tokio::join!(try_join_all(read), localstack);
        if let Ok(outputs) = &mut outputs {
            outputs.push(("localstack", localstack?));
        }
        outputs
    }

    /// Gives an order to the clouds that it is for, and waits until it is carried out.
    ///
    /// # Errors
    /// When a cloud can't be reached or refuses the order.
    pub async fn order(&self, order: &Control) -> Result<(), Error> {
        self.orders.give(order).await
    }
}

impl Environment {
    /// Lets something go wrong from now on.
    ///
    /// # Errors
    /// When the cloud or the device can't do it.
    pub(crate) async fn begin(&self, fault: &Fault) -> Result<(), Error> {
        match fault {
            Fault::Cloud(fault) => self.order(&Control::Fault(fault.clone())).await,
            Fault::Device(fault) => faults::begin(&self.engine, &self.device, fault).await,
        }
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// When the cloud or the device can't do it.
    pub(crate) async fn end(&self, name: &Name) -> Result<(), Error> {
        if name.of_device() {
            return faults::end(&self.engine, &self.device, name).await;
        }
        self.order(&Control::FaultEnd(name.to_string())).await
    }
}

/// Why nothing of GitHub can go wrong where the device does not reach it.
pub(super) fn unreachable() -> Error {
    let hint = "leave `github.reachable = false` out of the scenario, or the fault";
    Error::surrounding("giving GitHub an order", "GitHub can't be reached in this scenario", hint)
}
