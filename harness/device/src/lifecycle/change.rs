//! What a changed definition asks of a component.

use super::dependency;
use crate::{
    kernel::Kernel,
    log::Line,
    service::{Effect, Request, Service, Spec, State},
    step::{LOGGER, context},
};
use serde_json::{Value, json};

/// Gives a component a new definition, and asks for what the change needs.
pub(crate) fn redefine(kernel: &Kernel, service: &Service, spec: Spec) -> Effect {
    let old = service.spec();
    let path = ["services", &service.name];
    let changed = changes(&path, &section(&old), &section(&spec));
    let new_dependency = spec.dependencies.iter().any(|(name, _)| !old.dependencies.iter().any(|(old, _)| old == name));
    let rewired = spec.dependencies != old.dependencies;
    service.define(spec);
    let mut effect = Effect::Nothing;
    for node in changed {
        let asked = match meaning(&node) {
            Effect::Nothing => continue,
            Effect::Restart if service.state() == State::Broken => {
                let text =
                    "Configuration changed, and current state is BROKEN. Requesting reinstallation for component";
                tell(kernel, service, &node, text);
                Effect::Reinstall
            }
            Effect::Restart => {
                tell(kernel, service, &node, "Requesting restart for component");
                Effect::Restart
            }
            Effect::Reinstall => {
                tell(kernel, service, &node, "Requesting reinstallation for component");
                Effect::Reinstall
            }
        };
        ask(service, asked);
        effect = effect.max(asked);
    }
    let missing = || !dependency::are_ready(kernel, service) && service.state() != State::Finished;
    if new_dependency || (rewired && missing()) {
        ask(service, Effect::Restart);
        effect = effect.max(Effect::Restart);
    }
    effect
}

fn ask(service: &Service, effect: Effect) {
    service.request(if effect == Effect::Reinstall { Request::Reinstall } else { Request::Restart });
}

fn tell(kernel: &Kernel, service: &Service, node: &[String], text: &str) {
    let line = Line::info(LOGGER).thread("Serialized listener processor").event("service-config-change").message(text);
    kernel.logs.nucleus(&context(line, service).with("configNode", node.join(".")));
}

/// The parts of a component's section of the configuration that may mean something to its lifecycle.
fn section(spec: &Spec) -> Value {
    let user = spec.user.iter().map(|user| ("posixUser".to_owned(), user.as_str().into()));
    json!({
        "configuration": spec.configuration,
        "lifecycle": spec.lifecycle,
        "runWith": user.collect::<serde_json::Map<_, _>>(),
        "version": spec.version.to_string(),
    })
}

/// What a change of a node asks for. Names count wherever they stand above the node, even in the component's own
/// configuration.
fn meaning(node: &[String]) -> Effect {
    let is_under = |name: &str| node.iter().any(|part| part.eq_ignore_ascii_case(name));
    if is_under("shutdown") {
        Effect::Nothing
    } else if is_under("install") || is_under("version") || (is_under("runWith") && !is_under("systemResourceLimits")) {
        Effect::Reinstall
    } else if is_under("lifecycle") || is_under("setenv") {
        Effect::Restart
    } else {
        Effect::Nothing
    }
}

/// The paths of what changed: leaves that are new or other, and whatever is gone.
fn changes(path: &[&str], old: &Value, new: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>(), Some(old), new, &mut found);
    found
}

fn collect(path: &[String], old: Option<&Value>, new: &Value, found: &mut Vec<Vec<String>>) {
    let Value::Object(new) = new else {
        if old != Some(new) {
            found.push(path.into());
        }
        return;
    };
    let before = old.and_then(Value::as_object);
    if before.is_none() && old.is_some() {
        found.push(path.into());
    }
    let below = |key: &str| [path, &[key.to_owned()]].concat();
    for (key, value) in new {
        let entry = before.and_then(|before| before.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)));
        // A node keeps the spelling with which it came into being.
        collect(&below(entry.map_or(key, |(known, _)| known)), entry.map(|(_, value)| value), value, found);
    }
    let gone = |key: &&String| !new.keys().any(|known| known.eq_ignore_ascii_case(key));
    found.extend(before.into_iter().flat_map(serde_json::Map::keys).filter(gone).map(|key| below(key)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use semver::Version;

    fn effects(change: impl FnOnce(&mut Spec)) -> Vec<(String, Effect)> {
        let old = Spec {
            version: Version::new(1, 0, 0),
            arn: String::new(),
            lifecycle: json!({"Install": {"Script": "i"}, "Run": "r", "Shutdown": "s", "Setenv": {"A": "1", "B": "2"}}),
            configuration: json!({"a": 1}),
            dependencies: vec![],
            user: None,
        };
        let mut new = old.clone();
        change(&mut new);
        let changes = changes(&["services", "c.C"], &section(&old), &section(&new));
        changes.into_iter().map(|node| (node.join("."), meaning(&node))).collect()
    }

    fn effect(node: &str, effect: Effect) -> Vec<(String, Effect)> {
        vec![(format!("services.c.C.{node}"), effect)]
    }

    #[test]
    fn what_reinstalls_and_restarts() {
        fidelity!("core-lifecycle-9");
        let install = effects(|new| new.lifecycle["Install"]["Script"] = json!("j"));
        assert_eq!(install, effect("lifecycle.Install.Script", Effect::Reinstall));
        assert_eq!(effects(|new| new.version = Version::new(1, 0, 1)), effect("version", Effect::Reinstall));
        assert_eq!(effects(|new| new.user = Some("u".into())), effect("runWith.posixUser", Effect::Reinstall));
        assert_eq!(effects(|new| new.lifecycle["Run"] = json!("q")), effect("lifecycle.Run", Effect::Restart));
        let variable = effects(|new| new.lifecycle["Setenv"]["A"] = json!("3"));
        assert_eq!(variable, effect("lifecycle.Setenv.A", Effect::Restart));
        let gone = effects(|new| _ = new.lifecycle.as_object_mut().unwrap().shift_remove("Run"));
        assert_eq!(gone, effect("lifecycle.Run", Effect::Restart));
        let added = effects(|new| new.lifecycle["recover"] = json!({"script": "x"}));
        assert_eq!(added, effect("lifecycle.recover.script", Effect::Restart));
    }

    #[test]
    fn what_leaves_a_component_alone() {
        fidelity!("core-lifecycle-9");
        assert_eq!(effects(|_| {}), []);
        assert_eq!(effects(|new| new.configuration["a"] = json!(2)), effect("configuration.a", Effect::Nothing));
        assert_eq!(
            effects(|new| new.lifecycle["Shutdown"] = json!("t")),
            effect("lifecycle.Shutdown", Effect::Nothing)
        );
        assert_eq!(
            effects(|new| new.lifecycle = json!({
                "install": {"script": "i"}, "run": "r", "shutdown": "s", "setenv": {"a": "1", "b": "2"}
            })),
            []
        );
    }

    #[test]
    fn names_count_in_the_components_own_configuration_too() {
        fidelity!("core-lifecycle-9");
        let change = effects(|new| new.configuration["version"] = json!(2));
        assert_eq!(change, effect("configuration.version", Effect::Reinstall));
        let change = effects(|new| new.configuration["Setenv"] = json!({"X": 1}));
        assert_eq!(change, effect("configuration.Setenv.X", Effect::Restart));
    }
}
