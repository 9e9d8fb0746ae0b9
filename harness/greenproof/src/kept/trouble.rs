//! Faults in an environment that stands.

use crate::{
    docker::Engine,
    environment::{Orders, Standing, faults},
    fault::{Fault, Name},
    stage::Error,
};
use cloud::control::Control;

/// Lets something go wrong from now on.
///
/// # Errors
/// When the cloud or the device can't do it, or it can only be there from the device's start.
pub async fn begin(engine: &Engine, standing: &Standing, fault: &Fault) -> Result<(), Error> {
    match fault {
        Fault::Cloud(fault) => orders(engine, standing).give(&Control::Fault(fault.clone())).await,
        Fault::Device(fault) => faults::begin(engine, &standing.device, fault).await,
    }
}

/// Ends a fault; one that is over already is no error.
///
/// # Errors
/// When the cloud or the device can't do it.
pub async fn end(engine: &Engine, standing: &Standing, name: &Name) -> Result<(), Error> {
    if name.of_device() {
        return faults::end(engine, &standing.device, name).await;
    }
    orders(engine, standing).give(&Control::FaultEnd(name.to_string())).await
}

fn orders(engine: &Engine, standing: &Standing) -> Orders {
    Orders::new(engine, &standing.aws, standing.github.as_ref())
}
