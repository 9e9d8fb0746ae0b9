//! The command line's arguments, in the manner of the real one's parser.

/// An option of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// All its names; the longest is the one that messages use.
    pub(super) names: &'static [&'static str],
    /// What stands for its value in messages; none for a switch.
    pub(super) label: Option<&'static str>,
    pub(super) required: bool,
}

impl Choice {
    /// An option with a value.
    pub(super) const fn value(names: &'static [&'static str], label: &'static str) -> Self {
        Self { names, label: Some(label), required: false }
    }

    /// A switch.
    pub(super) const fn switch(names: &'static [&'static str]) -> Self {
        Self { names, label: None, required: false }
    }

    /// The same, but it must be given.
    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn longest(&self) -> &'static str {
        self.names.iter().max_by_key(|name| name.len()).copied().unwrap_or_default()
    }
}

/// Arguments that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misused {
    #[error("Unknown option: '{0}'")]
    Unknown(String),
    #[error("Unmatched argument at index {index}: '{argument}'")]
    Unmatched { index: usize, argument: String },
    #[error("Missing required option: '{name}={label}'")]
    Missing { name: &'static str, label: &'static str },
    #[error("Missing required parameter for option '{name}' ({label})")]
    Valueless { name: &'static str, label: &'static str },
    #[error("Value for option option '{name}' ({label}) should be in KEY=VALUE format but was {value}")]
    Pair { name: &'static str, label: &'static str, value: String },
    #[error("Invalid value for option '{name}' ({label}): {why}")]
    Invalid { name: &'static str, label: &'static str, why: String },
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: Vec<(Choice, String)>,
}

impl Given {
    /// Reads the arguments of a command, of which the first is number `offset` of the line.
    ///
    /// # Errors
    /// If they don't fit the choices.
    pub(super) fn read(choices: &[Choice], arguments: &[String], offset: usize) -> Result<Self, Misused> {
        let mut given = Self::default();
        let mut rest = arguments.iter().enumerate();
        while let Some((index, argument)) = rest.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let Some(choice) = choices.iter().find(|choice| choice.names.contains(&name)) else {
                return Err(if argument.starts_with('-') {
                    Misused::Unknown(argument.clone())
                } else {
                    Misused::Unmatched { index: index + offset, argument: argument.clone() }
                });
            };
            let value = match choice.label {
                None => "true".to_owned(),
                Some(label) => {
                    let next = || rest.next().map(|(_, value)| value.clone());
                    let name = choice.longest();
                    attached.or_else(next).ok_or(Misused::Valueless { name, label })?
                }
            };
            given.values.push((*choice, value));
        }
        for choice in choices.iter().filter(|choice| choice.required) {
            if given.one(choice.longest()).is_none() {
                return Err(Misused::Missing { name: choice.longest(), label: choice.label.unwrap_or_default() });
            }
        }
        Ok(given)
    }

    /// The last value of an option.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).last().copied()
    }

    /// All values of an option.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.values.iter().filter(|(choice, _)| choice.names.contains(&name));
        values.map(|(_, value)| value.as_str()).collect()
    }

    /// Keys and values of an option that takes pairs.
    ///
    /// # Errors
    /// If a value is no pair.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, Misused> {
        let values = self.values.iter().filter(|(choice, _)| choice.names.contains(&name));
        let pair = |(choice, value): &(Choice, String)| match value.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(Misused::Pair {
                name: choice.longest(),
                label: choice.label.unwrap_or_default(),
                value: value.clone(),
            }),
        };
        values.map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICES: [Choice; 3] = [
        Choice::value(&["-m", "--merge"], "Component and version"),
        Choice::value(&["-i", "--deploymentId"], "Deployment ID").required(),
        Choice::switch(&["-v", "--verbose"]),
    ];

    fn read(line: &str) -> Result<Given, Misused> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Given::read(&CHOICES, &arguments, 2)
    }

    #[test]
    fn forms() {
        let given = read("-i x --merge A=1.0.0 --merge=B=2.0.0 -v").unwrap();
        assert_eq!(given.one("--deploymentId"), Some("x"));
        assert_eq!(given.one("--verbose"), Some("true"));
        let pairs = given.pairs("--merge").unwrap();
        assert_eq!(pairs, [("A".into(), "1.0.0".into()), ("B".into(), "2.0.0".into())]);
    }

    #[test]
    fn complaints() {
        let text = |line: &str| match read(line) {
            Ok(given) => given.pairs("--merge").unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text(""), "Missing required option: '--deploymentId=Deployment ID'");
        assert_eq!(text("-i x --what"), "Unknown option: '--what'");
        assert_eq!(text("-i x what"), "Unmatched argument at index 4: 'what'");
        assert_eq!(text("-i"), "Missing required parameter for option '--deploymentId' (Deployment ID)");
        let pair = "Value for option option '--merge' (Component and version) should be in KEY=VALUE format but was A";
        assert_eq!(text("-i x -m A"), pair);
    }
}
