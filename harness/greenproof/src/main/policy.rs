//! `greenproof policy`: policies in, and what they do.

use super::command::Failure;
use clap::{Args, Subcommand};
use greenproof::{
    exit,
    policy::{
        self,
        explain::{self, Request},
        layers::Layers,
        recorded,
        source::Given,
    },
};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::PathBuf,
};

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Say why a request is allowed or denied; exit code 0 if it is allowed, 1 if it is denied.
    Explain(Box<Explain>),
}

/// What stands for names in templates.
#[derive(Args)]
struct Names {
    /// Value of a template's parameter, pseudo parameter, resource or attribute.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Document of a managed policy that a role has and its file doesn't hold.
    #[arg(long, value_name = "ARN=FILE", value_parser = pair)]
    managed: Vec<(String, String)>,
}

#[derive(Args)]
pub(crate) struct Explain {
    /// The request as a JSON file; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "recorded"])]
    request: Option<PathBuf>,
    /// An evidence folder that holds the request.
    #[arg(long, value_name = "FOLDER", conflicts_with = "action")]
    recorded: Option<PathBuf>,
    /// Which call of the evidence: its number, or its action.
    #[arg(long, value_name = "CALL", requires = "recorded")]
    call: Option<String>,
    /// The action, such as `s3:GetObject`.
    #[arg(long)]
    action: Option<String>,
    /// The resource's ARN.
    #[arg(long, default_value = "*")]
    resource: String,
    /// Who asks.
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// The account that owns the resource, if that is another.
    #[arg(long, value_name = "ACCOUNT")]
    resource_account: Option<String>,
    /// A condition key; a JSON list of texts is a multivalued one.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// Identity policies, or a role with all of its own.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    identity: Vec<String>,
    /// The permissions boundary.
    #[arg(long, value_name = "FILE")]
    boundary: Option<String>,
    /// Session policies.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    session: Vec<String>,
    /// The resource's policy; for `sts:AssumeRole` the role's trust policy.
    #[arg(long, value_name = "FILE")]
    resource_policy: Option<String>,
    /// Service control policies, a level each time, root first; files of one level with commas between them.
    #[arg(long, value_name = "LEVEL", num_args = 1..)]
    scp: Vec<String>,
    /// Resource control policies, likewise.
    #[arg(long, value_name = "LEVEL", num_args = 1..)]
    rcp: Vec<String>,
    /// IoT policies of a certificate.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "identity")]
    iot: Vec<String>,
    #[command(flatten)]
    names: Names,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<policy::Error> for Failure {
    fn from(error: policy::Error) -> Self {
        Self::new(exit::USAGE, error.to_string(), error.hint)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it with a `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Names {
    /// With what else is known; what the user says counts.
    fn given(&self, mut known: BTreeMap<String, String>) -> Given {
        known.extend(self.parameters.iter().cloned());
        let managed = self.managed.iter().map(|(arn, file)| (arn.clone(), file.into())).collect();
        Given { parameters: known, managed }
    }
}

pub(crate) fn policy(command: &Policy) -> Result<u8, Failure> {
    match command {
        Policy::Explain(arguments) => explain(arguments),
    }
}

fn explain(arguments: &Explain) -> Result<u8, Failure> {
    let request = arguments.asked()?;
    let given = arguments.names.given(explain::pseudo_parameters(&request));
    let layers = arguments.layers(&given)?;
    if layers.is_empty() {
        let hint = "name policies with `--identity`, `--iot`, `--resource-policy`, …";
        return Err(Failure::new(exit::USAGE, "no policy is given", hint));
    }
    print(&if arguments.json {
        format!("{}\n", explain::json(&request, &layers))
    } else {
        explain::human(&request, &layers)
    });
    let decision = iam::decide(&layers.policies, &request.request());
    Ok(if decision.is_allowed() { exit::PASSED } else { exit::FINDING })
}

impl Explain {
    fn asked(&self) -> Result<cloud::event::Decision, Failure> {
        if let Some(folder) = &self.recorded {
            let evidence = recorded::evidence(folder)?;
            let asked = recorded::asked(&evidence);
            let place = folder.display().to_string();
            return Ok(recorded::choose(&asked, self.call.as_deref(), &place)?.decision.clone());
        }
        let request = match (&self.request, &self.action) {
            (Some(file), _) => Request::parse(&read(file)?, &file.display().to_string())?,
            (None, Some(action)) => Request {
                principal: self.principal.clone(),
                action: action.clone(),
                resource: self.resource.clone(),
                resource_account: self.resource_account.clone(),
                context: self.context.iter().map(|(key, value)| (key.clone(), context_value(value))).collect(),
            },
            (None, None) => {
                let hint = "pass `--action`, `--request FILE`, or `--recorded FOLDER` with `--call`";
                return Err(Failure::new(exit::USAGE, "no request is given", hint));
            }
        };
        Ok(request.asked(!self.iot.is_empty())?)
    }

    fn layers(&self, given: &Given) -> Result<Layers, Failure> {
        let mut layers = Layers::default();
        layers.identity(&self.identity, given)?;
        layers.iot(&self.iot, given)?;
        layers.session(&self.session, given)?;
        layers.scp(&self.scp, given)?;
        layers.rcp(&self.rcp, given)?;
        if let Some(boundary) = &self.boundary {
            layers.boundary(boundary, given)?;
        }
        if let Some(policy) = &self.resource_policy {
            layers.resource(policy, given)?;
        }
        Ok(layers)
    }
}

/// A JSON list is a multivalued key; anything else is a text.
fn context_value(text: &str) -> serde_json::Value {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Array(list)) => list.into(),
        _ => text.into(),
    }
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| {
        Failure::new(exit::USAGE, format!("can't read the request `{}`: {error}", file.display()), "name a JSON file")
    })
}

/// A closed standard output leaves nobody to tell; the exit code still does.
fn print(text: &str) {
    _ = std::io::stdout().lock().write_all(text.as_bytes());
}
