//! Which operation of S3 a request is by method and query, and the IAM action that it is authorised as.

/// Query names that make a request another operation.
const SUBRESOURCES: [&str; 32] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Name and IAM action.
pub(super) type Found = (&'static str, &'static str);

/// What a request is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'f> {
    pub(super) method: &'f str,
    pub(super) has_bucket: bool,
    pub(super) has_key: bool,
    /// The names of the query, decoded.
    pub(super) query: &'f [&'f str],
    /// Whether it names the source of a copy.
    pub(super) copies: bool,
}

/// Name and IAM action of a request; `None` for what is not known well enough to be authorised.
pub(super) fn operation(form: Form) -> Option<Found> {
    let Form { method, has_bucket, has_key, query, copies } = form;
    let found = plain(method, has_bucket, has_key, query)?;
    let (name, action) = if copies { copying(found)? } else { found };
    let versioned = has_key && query.contains(&"versionId");
    Some((name, if versioned { of_a_version(action) } else { action }))
}

/// To IAM, what is done with a version that the request names is an action of its own.
fn of_a_version(action: &'static str) -> &'static str {
    match action {
        "DeleteObject" => "DeleteObjectVersion",
        "DeleteObjectTagging" => "DeleteObjectVersionTagging",
        "GetObject" => "GetObjectVersion",
        "GetObjectAcl" => "GetObjectVersionAcl",
        "GetObjectAttributes" => "GetObjectVersionAttributes",
        "GetObjectTagging" => "GetObjectVersionTagging",
        "PutObjectAcl" => "PutObjectVersionAcl",
        "PutObjectTagging" => "PutObjectVersionTagging",
        other => other,
    }
}

/// The operation of a request that names the source of a copy.
fn copying(found: Found) -> Option<Found> {
    match found {
        ("PutObject", action) => Some(("CopyObject", action)),
        ("UploadPart", action) => Some(("UploadPartCopy", action)),
        _ => None,
    }
}

/// What is read and written of a bucket by a subresource: method and subresource, name and IAM action. To IAM most
/// deletions are a put of nothing.
const OF_A_BUCKET: [(&str, &str, &str, &str); 29] = [
    ("GET", "accelerate", "GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("PUT", "accelerate", "PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("GET", "acl", "GetBucketAcl", "GetBucketAcl"),
    ("PUT", "acl", "PutBucketAcl", "PutBucketAcl"),
    ("GET", "cors", "GetBucketCors", "GetBucketCORS"),
    ("PUT", "cors", "PutBucketCors", "PutBucketCORS"),
    ("DELETE", "cors", "DeleteBucketCors", "PutBucketCORS"),
    ("GET", "encryption", "GetBucketEncryption", "GetEncryptionConfiguration"),
    ("PUT", "encryption", "PutBucketEncryption", "PutEncryptionConfiguration"),
    ("DELETE", "encryption", "DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("GET", "lifecycle", "GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("PUT", "lifecycle", "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("DELETE", "lifecycle", "DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("GET", "logging", "GetBucketLogging", "GetBucketLogging"),
    ("PUT", "logging", "PutBucketLogging", "PutBucketLogging"),
    ("GET", "ownershipControls", "GetBucketOwnershipControls", "GetBucketOwnershipControls"),
    ("PUT", "ownershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("DELETE", "ownershipControls", "DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("GET", "publicAccessBlock", "GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("PUT", "publicAccessBlock", "PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("DELETE", "publicAccessBlock", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("GET", "tagging", "GetBucketTagging", "GetBucketTagging"),
    ("PUT", "tagging", "PutBucketTagging", "PutBucketTagging"),
    ("DELETE", "tagging", "DeleteBucketTagging", "PutBucketTagging"),
    ("GET", "versioning", "GetBucketVersioning", "GetBucketVersioning"),
    ("PUT", "versioning", "PutBucketVersioning", "PutBucketVersioning"),
    ("GET", "website", "GetBucketWebsite", "GetBucketWebsite"),
    ("PUT", "website", "PutBucketWebsite", "PutBucketWebsite"),
    ("DELETE", "website", "DeleteBucketWebsite", "DeleteBucketWebsite"),
];

/// Name and IAM action by method and query, whatever version of an object is meant.
fn plain(method: &str, bucket: bool, key: bool, query: &[&str]) -> Option<Found> {
    let asks = |name: &str| query.contains(&name);
    let upload = asks("uploadId");
    let subresource = query.iter().find(|name| SUBRESOURCES.contains(name)).copied();
    Some(match (method, bucket, key, subresource) {
        ("GET", false, false, None) => ("ListBuckets", "ListAllMyBuckets"),
        ("GET", true, false, Some("location")) => ("GetBucketLocation", "GetBucketLocation"),
        ("GET", true, false, Some("versions")) => ("ListObjectVersions", "ListBucketVersions"),
        ("GET", true, false, Some("uploads")) => ("ListMultipartUploads", "ListBucketMultipartUploads"),
        ("GET", true, false, Some("policy")) => ("GetBucketPolicy", "GetBucketPolicy"),
        ("PUT", true, false, Some("policy")) => ("PutBucketPolicy", "PutBucketPolicy"),
        ("DELETE", true, false, Some("policy")) => ("DeleteBucketPolicy", "DeleteBucketPolicy"),
        ("GET", true, false, Some("policyStatus")) => ("GetBucketPolicyStatus", "GetBucketPolicyStatus"),
        ("POST", true, false, Some("delete")) => ("DeleteObjects", "DeleteObject"),
        ("GET", true, false, None) if asks("list-type") => ("ListObjectsV2", "ListBucket"),
        ("GET", true, false, None) => ("ListObjects", "ListBucket"),
        ("HEAD", true, false, None) => ("HeadBucket", "ListBucket"),
        ("PUT", true, false, None) => ("CreateBucket", "CreateBucket"),
        ("DELETE", true, false, None) => ("DeleteBucket", "DeleteBucket"),
        ("HEAD", true, true, None | Some("partNumber")) => ("HeadObject", "GetObject"),
        ("GET", true, true, None) if upload => ("ListParts", "ListMultipartUploadParts"),
        ("GET", true, true, None | Some("partNumber")) => ("GetObject", "GetObject"),
        ("GET", true, true, Some("tagging")) => ("GetObjectTagging", "GetObjectTagging"),
        ("GET", true, true, Some("acl")) => ("GetObjectAcl", "GetObjectAcl"),
        ("PUT", true, true, Some("acl")) => ("PutObjectAcl", "PutObjectAcl"),
        ("PUT", true, true, None) => ("PutObject", "PutObject"),
        ("PUT", true, true, Some("partNumber")) if upload => ("UploadPart", "PutObject"),
        ("PUT", true, true, Some("tagging")) => ("PutObjectTagging", "PutObjectTagging"),
        ("POST", true, true, Some("uploads")) => ("CreateMultipartUpload", "PutObject"),
        ("POST", true, true, None) if upload => ("CompleteMultipartUpload", "PutObject"),
        ("DELETE", true, true, None) if upload => ("AbortMultipartUpload", "AbortMultipartUpload"),
        ("DELETE", true, true, None) => ("DeleteObject", "DeleteObject"),
        ("DELETE", true, true, Some("tagging")) => ("DeleteObjectTagging", "DeleteObjectTagging"),
        ("GET", true, true, Some("attributes")) => ("GetObjectAttributes", "GetObjectAttributes"),
        (_, true, false, Some(subresource)) => return of_a_bucket(method, subresource),
        _ => return None,
    })
}

fn of_a_bucket(method: &str, subresource: &str) -> Option<Found> {
    let mut all = OF_A_BUCKET.iter();
    let found = all.find(|(known, of, ..)| *known == method && *of == subresource);
    found.map(|(_, _, name, action)| (*name, *action))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, has_key: bool, query: &[&str]) -> Option<Found> {
        operation(Form { method, has_bucket: true, has_key, query, copies: false })
    }

    #[test]
    fn a_subresource_is_another_operation() {
        fidelity::fidelity!("gate-5");
        assert_eq!(of("GET", false, &["list-type", "prefix"]), Some(("ListObjectsV2", "ListBucket")));
        assert_eq!(of("GET", false, &["location"]), Some(("GetBucketLocation", "GetBucketLocation")));
        assert_eq!(of("PUT", true, &["partNumber", "uploadId"]), Some(("UploadPart", "PutObject")));
        assert_eq!(of("PUT", false, &["policy"]), Some(("PutBucketPolicy", "PutBucketPolicy")));
        assert_eq!(of("PUT", false, &["cors"]), Some(("PutBucketCors", "PutBucketCORS")));
        assert_eq!(of("PUT", false, &["inventory"]), None);
        assert_eq!(of("DELETE", false, &["versioning"]), None);
        assert_eq!(of("POST", false, &["delete"]), Some(("DeleteObjects", "DeleteObject")));
    }

    #[test]
    fn a_version_is_another_action() {
        fidelity::fidelity!("gate-15");
        for (method, subresource, name, action) in [
            ("GET", None, "GetObject", "GetObjectVersion"),
            ("HEAD", None, "HeadObject", "GetObjectVersion"),
            ("GET", Some("partNumber"), "GetObject", "GetObjectVersion"),
            ("DELETE", None, "DeleteObject", "DeleteObjectVersion"),
            ("GET", Some("tagging"), "GetObjectTagging", "GetObjectVersionTagging"),
            ("PUT", Some("tagging"), "PutObjectTagging", "PutObjectVersionTagging"),
            ("DELETE", Some("tagging"), "DeleteObjectTagging", "DeleteObjectVersionTagging"),
            ("GET", Some("acl"), "GetObjectAcl", "GetObjectVersionAcl"),
            ("PUT", Some("acl"), "PutObjectAcl", "PutObjectVersionAcl"),
            ("GET", Some("attributes"), "GetObjectAttributes", "GetObjectVersionAttributes"),
        ] {
            let query: Vec<_> = subresource.into_iter().chain(["versionId"]).collect();
            assert_eq!(of(method, true, &query), Some((name, action)), "{method} {subresource:?}");
        }
        assert_eq!(of("GET", true, &["acl"]), Some(("GetObjectAcl", "GetObjectAcl")));
    }
}
