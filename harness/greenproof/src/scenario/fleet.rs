//! A fleet: devices of one thing group that one deployment is for.
//!
//! What a scenario says of its device holds for each of them; [`Except`] says what some of them have and show instead.
//! [`Scenario::member`] is the scenario of one device, so that it is followed and judged as any other.

use super::{Scenario, step};
use crate::fault::Fault;
use cloud::world::JobConfiguration;
use std::collections::{BTreeMap, BTreeSet};

/// The most devices of a fleet: its network has no more addresses.
pub const MOST: usize = 250;

/// The name of a fleet's thing group where a scenario names none.
pub(super) const GROUP: &str = "fleet";

/// The devices that a deployment is for.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// How many there are.
    pub devices: usize,
    /// The thing group that they are in.
    pub group: String,
    /// How the deployment's job goes about them.
    pub job: JobConfiguration,
    /// Devices that have faults, or show something else than the scenario expects.
    pub except: Vec<Except>,
    /// How many devices a deployment must end on with a status, such as `SUCCEEDED`.
    pub expect: BTreeMap<&'static str, usize>,
}

/// Devices that have faults, or show something else than the scenario expects.
#[derive(Clone, Debug)]
pub struct Except {
    /// Their numbers, from 1.
    pub devices: BTreeSet<usize>,
    /// What goes wrong on them from the start.
    pub faults: Vec<Fault>,
    /// What they must show.
    pub expect: step::Expect,
}

impl Fleet {
    /// What a device has that others have not, by its number.
    #[must_use]
    pub fn except_of(&self, number: usize) -> Option<&Except> {
        self.except.iter().find(|except| except.devices.contains(&number))
    }

    /// The name of a device's thing; in the order of names the devices are in that of their numbers.
    #[must_use]
    pub fn thing(&self, base: &str, number: usize) -> String {
        let width = self.devices.to_string().len();
        format!("{base}-{number:0width$}")
    }
}

impl Scenario {
    /// The scenario of one device of its fleet, by its number from 1; of a scenario without a fleet it is its own.
    #[must_use]
    pub fn member(&self, number: usize) -> Self {
        let mut member = Self { must_fail: None, ..self.clone() };
        let Some(except) = self.fleet.as_ref().and_then(|fleet| fleet.except_of(number)) else { return member };
        member.expect = super::Expect::default();
        if let Some(deployed) = member.steps.last_mut() {
            deployed.expect = except.expect.clone();
        }
        member.begin_with(&except.faults);
        member
    }
}
