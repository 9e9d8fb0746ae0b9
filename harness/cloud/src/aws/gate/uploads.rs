//! Multipart uploads under way that are encrypted with a customer's key. S3 names the key of an upload when it is begun,
//! and asks for it at each part.

use super::{objects::Encryption, operation::Operation};
use crate::aws::upstream::Answer;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The encryption of uploads by their ids. What is neither completed nor aborted stays, as its parts do in LocalStack.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Encryption>>);

impl Uploads {
    pub(super) fn find(&self, id: &str) -> Option<Encryption> {
        self.lock().get(id).cloned()
    }

    /// Takes in what a successful call has begun or ended.
    pub(super) fn remember(&self, operation: &Operation, answer: &Answer) {
        match operation.name.as_str() {
            "CreateMultipartUpload" => {
                let (id, encryption) = (begun(answer), Encryption::of(&answer.headers));
                if let (Some(id), Some(encryption)) = (id, encryption) {
                    self.lock().insert(id, encryption);
                }
            }
            "CompleteMultipartUpload" | "AbortMultipartUpload" => {
                if let Some(id) = &operation.upload {
                    self.lock().remove(id);
                }
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Encryption>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the upload that an answer begins.
fn begun(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let (_, rest) = text.split_once("<UploadId>")?;
    rest.split_once("</UploadId>").map(|(id, _)| id.to_owned())
}
