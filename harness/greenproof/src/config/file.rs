//! A configuration file: TOML, one value a key, and errors that point at the line.

use super::{
    Error, Origin, Value,
    key::{self, Form, Key},
};
use crate::core::Source;
use std::{collections::BTreeMap, ops::Range, path::Path};
use toml::Spanned;

/// What a file says. A path is relative to the file's folder.
pub(super) fn read(path: &Path, text: &str) -> Result<BTreeMap<Key, Value>, Error> {
    let file = File { path, text };
    let table: BTreeMap<Spanned<String>, Spanned<toml::Value>> = toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        file.error(error.span().unwrap_or_default(), message, "correct the line; docs/CONFIG.md lists every key")
    })?;
    table.iter().map(|(name, value)| file.value(name, value)).collect()
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn value(&self, name: &Spanned<String>, value: &Spanned<toml::Value>) -> Result<(Key, Value), Error> {
        let Some(key) = Key::named(name.get_ref()) else { return Err(self.unknown(name)) };
        if !key.is_of_files() {
            let message = format!("`{}` can't be said in a file", name.get_ref());
            return Err(self.error(name.span(), message, format!("set {}", key.variables()[0])));
        }
        let text = written(key.form(), value.get_ref()).ok_or_else(|| {
            let message = format!("`{}` can't be {}", name.get_ref(), value.get_ref());
            self.error(value.span(), message, key.form().hint())
        })?;
        let (line, _) = self.position(name.span().start);
        let origin = Origin::File { path: self.path.to_owned(), line };
        Ok((key, Value { text: Some(self.placed(key.form(), &text)), origin }))
    }

    /// A path as whoever stands elsewhere has to spell it.
    fn placed(&self, form: Form, text: &str) -> String {
        let is_path = form == Form::Path || (form == Form::Nucleus && matches!(Source::of(text), Source::Package(_)));
        let folder = self.path.parent().filter(|_| is_path);
        folder.map_or_else(|| text.to_owned(), |folder| folder.join(text).display().to_string())
    }

    fn unknown(&self, name: &Spanned<String>) -> Error {
        let known = || Key::ALL.into_iter().filter(|key| key.is_of_files()).map(Key::name);
        let hint = key::nearest(name.get_ref(), known()).map_or_else(
            || format!("use one of {}", known().collect::<Vec<_>>().join(", ")),
            |nearest| format!("did you mean `{nearest}`?"),
        );
        self.error(name.span(), format!("unknown key `{}`", name.get_ref()), hint)
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Error {
        let (line, column) = self.position(span.start);
        let place = format!("{}:{line}:{column}", self.path.display());
        Error { place, message: message.into(), hint: hint.into() }
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

/// The text of a value of a form, if it is of that form.
fn written(form: Form, value: &toml::Value) -> Option<String> {
    let text = match (form, value) {
        (Form::Factor | Form::Count, toml::Value::Integer(number)) => number.to_string(),
        (Form::Factor, toml::Value::Float(number)) => number.to_string(),
        (Form::Truth, toml::Value::Boolean(truth)) => truth.to_string(),
        (Form::Factor | Form::Count | Form::Truth, _) => return None,
        (_, toml::Value::String(text)) => text.clone(),
        _ => return None,
    };
    form.parse(&text)
}
