//! The AWS side over its wire, without containers: devices that were provisioned through the control plane, clients
//! that misbehave, and faults.

mod client;
mod faults;
mod misbehaving;
mod provisioning;
mod world;
