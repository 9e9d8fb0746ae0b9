//! Orders to the clouds of an environment, as their owner would give them.

use super::hand::unreachable;
use crate::{
    docker::{Attached, Container, Engine, Errand},
    stage::Error,
};
use cloud::{control::Control, fault::Role};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// Gives orders to `aws` and `github`. What takes them in a container stays there for the next one, until this is dropped.
#[derive(Debug)]
pub(crate) struct Orders {
    engine: Engine,
    aws: Container,
    /// Absent where the device does not reach it.
    github: Option<Container>,
    /// What takes orders, by its container's id.
    takers: Mutex<BTreeMap<String, Attached>>,
}

impl Orders {
    pub(crate) fn new(engine: &Engine, aws: &Container, github: Option<&Container>) -> Self {
        Self { engine: engine.clone(), aws: aws.clone(), github: github.cloned(), takers: Mutex::default() }
    }

    /// Has something take orders in `aws` already, so that the first one need not wait for it.
    ///
    /// # Errors
    /// When the engine refuses.
    pub(super) async fn expect(&self) -> Result<(), Error> {
        let taker = self.taker(&self.aws).await?;
        self.takers.lock().await.insert(self.aws.id.clone(), taker);
        Ok(())
    }

    /// Gives an order to the clouds that it is for, and waits until it is carried out. It may hold secrets, and so is no
    /// argument of the command that takes it.
    ///
    /// # Errors
    /// When one can't be reached or refuses the order.
    ///
    /// # Panics
    /// Never: an order always serialises.
    pub(crate) async fn give(&self, order: &Control) -> Result<(), Error> {
        let text = serde_json::to_string(order).expect("an order always serialises");
        for role in order.roles() {
            let cloud = match role {
                Role::Aws => &self.aws,
                Role::Github => match &self.github {
                    Some(github) => github,
                    None if order.roles().contains(&Role::Aws) => continue,
                    None => return Err(unreachable()),
                },
            };
            self.hand(cloud, &text).await?;
        }
        Ok(())
    }

    async fn hand(&self, cloud: &Container, order: &str) -> Result<(), Error> {
        let mut takers = self.takers.lock().await;
        let mut taker = match takers.remove(&cloud.id) {
            Some(taker) => taker,
            None => self.taker(cloud).await?,
        };
        match self.engine.hand(&mut taker, order).await? {
            Ok(_) => _ = takers.insert(cloud.id.clone(), taker),
            Err(ended) => return Err(Error::surrounding("giving the cloud an order", ended.stderr.trim(), "")),
        }
        Ok(())
    }

    async fn taker(&self, cloud: &Container) -> Result<Attached, Error> {
        let argv = ["greenproof", "cloud", "control"].map(str::to_owned).into();
        Ok(self.engine.attach(cloud, Errand { argv, ..Errand::default() }).await?)
    }
}
