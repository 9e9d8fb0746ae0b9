//! Configurations and lifecycles with their recipe variables replaced.

use super::{Deployer, resolve::Component};
use crate::{
    failure::Failure,
    interpolate::{Complaint, Scope, Subject},
    log::{self, Line},
    tree,
};
use serde_json::Value;
use std::collections::BTreeMap;

const RESOLVER: &str = "com.aws.greengrass.componentmanager.KernelConfigResolver";

/// What became of one component.
#[derive(Clone, Debug)]
pub(super) struct Interpolated {
    pub(super) configuration: Value,
    pub(super) lifecycle: Value,
}

impl Deployer {
    /// Replaces the variables of all components, one after the other in the nucleus's order: where configurations are
    /// interpolated too, one that comes later is still as it was when an earlier component refers to it.
    ///
    /// What is interpolated has become hash maps (`KernelConfigResolver.interpolate`), in whose order it is taken into the
    /// configuration: of two spellings of one key the first one names the node, and the last one gives the value.
    pub(super) fn interpolated(
        &self,
        mut subjects: BTreeMap<String, Subject>,
        components: &BTreeMap<String, Component>,
        configurations: bool,
    ) -> Result<BTreeMap<String, Interpolated>, Failure> {
        let names: Vec<(String, String)> = components.keys().map(|name| (name.clone(), String::new())).collect();
        let mut done = BTreeMap::new();
        for (name, _) in log::java_order(&names) {
            let (Some(component), Some(mut own)) = (components.get(name), subjects.get(name).cloned()) else {
                continue;
            };
            if configurations {
                let replaced = self.replaced(&own, component, &subjects, &own.configuration, false)?;
                // It is no sorted map any more.
                own.configuration = tree::by_key(&replaced);
                subjects.insert(name.into(), own.clone());
            }
            let lifecycle = self.replaced(&own, component, &subjects, &component.selected.lifecycle, true)?;
            let lifecycle = tree::hashed(&lifecycle);
            done.insert(name.into(), Interpolated { configuration: own.configuration, lifecycle });
        }
        Ok(done)
    }

    fn replaced(
        &self,
        own: &Subject,
        component: &Component,
        subjects: &BTreeMap<String, Subject>,
        tree: &Value,
        configuration: bool,
    ) -> Result<Value, Failure> {
        let direct = component.recipe.dependencies.iter();
        let direct = direct.filter_map(|on| Some((on.name.clone(), subjects.get(&on.name)?.clone()))).collect();
        let scope = Scope {
            own,
            dependencies: &direct,
            root: self.kernel.store.root(),
            thing: &self.kernel.config.thing,
            configuration,
        };
        let mut complaints = Vec::new();
        let replaced = scope.interpolate(tree, &mut complaints);
        for complaint in complaints {
            self.complain(complaint);
        }
        replaced.map_err(|error| Failure::new(error.to_string(), &[]).unforeseen())
    }

    fn complain(&self, complaint: Complaint) {
        let line = Line::error(RESOLVER).message(complaint.message);
        let line = complaint.context.into_iter().fold(line, |line, (key, value)| line.with(key, value));
        self.kernel.logs.nucleus(&line);
    }
}
