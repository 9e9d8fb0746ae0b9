//! The words that a scenario is chosen by among others.

use super::{Error, Layer};
use toml::Spanned;

impl Layer<'_> {
    pub(super) fn tagged(&self, tags: &[Spanned<String>]) -> Result<Vec<String>, Error> {
        for (index, tag) in tags.iter().enumerate() {
            let text = tag.get_ref();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            if !(1..=40).contains(&text.len()) || !text.bytes().all(plain) {
                let hint = "a tag is 1 to 40 letters, digits, `-`, `_`, `.` and `:`";
                return Err(self.error(Some(tag.span()), format!("`{text}` is no tag"), hint));
            }
            if tags[..index].iter().any(|earlier| earlier.get_ref() == text) {
                let message = format!("the tag `{text}` is stated twice");
                return Err(self.error(Some(tag.span()), message, "remove one of them"));
            }
        }
        Ok(tags.iter().map(|tag| tag.get_ref().clone()).collect())
    }
}
