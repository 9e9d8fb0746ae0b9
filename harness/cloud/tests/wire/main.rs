//! The AWS side over its wire, without containers: devices that were provisioned through the control plane, and clients
//! that misbehave.

mod client;
mod misbehaving;
mod provisioning;
mod world;
