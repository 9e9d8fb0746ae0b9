//! Objects of S3: what their headers, versions and tags need and show to policies.

use super::*;

const OBJECT: &str = "arn:aws:s3:::artifacts/o";

/// A world whose role may do these actions, before a LocalStack that does everything.
async fn allowed(actions: &[&str]) -> Environment {
    let here = Environment::raise(json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}])).await;
    let without_policy = ResponseTemplate::new(404).set_body_string("<Error><Code>NoSuchBucketPolicy</Code></Error>");
    let policy = Mock::given(matchers::query_param("policy", "")).respond_with(without_policy);
    policy.mount(&here.localstack).await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    here
}

/// Each call needs its action and all of the others; without one it is refused by that one's name, and not forwarded.
async fn needs(call: impl Fn() -> Call, actions: &[&str]) {
    let here = allowed(actions).await;
    let answer = here.send(call().signed(&here.session())).await;
    assert_eq!(answer.status, 200, "{actions:?}: {}", answer.text);
    for missing in actions {
        let others: Vec<_> = actions.iter().filter(|action| *action != missing).copied().collect();
        let here = allowed(&[others.as_slice(), &["s3:ListBucket"]].concat()).await;
        let answer = here.send(call().signed(&here.session())).await;
        let named = answer.text.contains(&format!("is not authorized to perform: {missing} on resource: "));
        assert!(answer.status == 403 && named, "{missing}: {} {}", answer.status, answer.text);
        let written = |request: &&wiremock::Request| !["GET", "HEAD"].contains(&request.method.as_str());
        assert_eq!(here.localstack.received_requests().await.unwrap().iter().filter(written).count(), 0, "{missing}");
    }
}

#[tokio::test]
async fn headers_of_a_new_object_need_their_own_actions() {
    fidelity::fidelity!("gate-14");
    for (method, target) in [("PUT", "/o"), ("POST", "/o?uploads=")] {
        let make = || s3(method, target);
        needs(|| make().with("x-amz-tagging", "a=b"), &["s3:PutObject", "s3:PutObjectTagging"]).await;
        needs(|| make().with("x-amz-acl", "public-read"), &["s3:PutObject", "s3:PutObjectAcl"]).await;
        needs(|| make().with("x-amz-grant-read", "id=\"x\""), &["s3:PutObject", "s3:PutObjectAcl"]).await;
        let hold = || make().with("x-amz-object-lock-legal-hold", "ON");
        needs(hold, &["s3:PutObject", "s3:PutObjectLegalHold"]).await;
        let retained = || {
            let until = "2030-01-01T00:00:00Z";
            make().with("x-amz-object-lock-mode", "GOVERNANCE").with("x-amz-object-lock-retain-until-date", until)
        };
        needs(retained, &["s3:PutObject", "s3:PutObjectRetention"]).await;
        needs(make, &["s3:PutObject"]).await;
    }
    // A presigned URL may carry the header in its query.
    let here = allowed(&["s3:PutObject"]).await;
    let answer = here.send(s3("PUT", "/o?x-amz-acl=public-read").presigned(&here.session(), 60)).await;
    assert!(answer.text.contains("s3:PutObjectAcl on resource"), "{}", answer.text);
}

/// Of a bucket whose owner owns all objects; one that was given ACLs takes them (above).
#[tokio::test]
async fn a_bucket_without_acls_takes_none_but_its_owners() {
    fidelity::fidelity!("gate-26");
    let here = Environment::raise(allow("s3:*", "*")).await;
    let enforced = ResponseTemplate::new(200).set_body_string("<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>");
    let controls = Mock::given(matchers::query_param("ownershipControls", "")).respond_with(enforced);
    controls.mount(&here.localstack).await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let owners = "bucket-owner-full-control";
    for (call, taken) in [
        (s3("PUT", "/o").with("x-amz-acl", "public-read"), false),
        (s3("PUT", "/o").with("x-amz-acl", "private"), false),
        (s3("PUT", "/o").with("x-amz-acl", owners).with("x-amz-grant-read", "id=\"x\""), false),
        (s3("POST", "/o?uploads=").with("x-amz-acl", "public-read"), false),
        (s3("PUT", "/o?acl=").with("x-amz-acl", owners), false),
        (s3("PUT", "/?acl=").with("x-amz-acl", "private"), false),
        (s3("PUT", "/o").with("x-amz-acl", owners), true),
        (s3("PUT", "/o"), true),
        (s3("GET", "/o?acl="), true),
    ] {
        let answer = here.send(call.signed(&here.session())).await;
        let refused = answer.text.contains("<Code>AccessControlListNotSupported</Code>");
        assert_eq!((answer.status.as_u16(), refused), if taken { (200, false) } else { (400, true) }, "{}", call.uri);
    }
}

#[tokio::test]
async fn settings_of_a_new_bucket_need_their_own_actions() {
    fidelity::fidelity!("gate-14");
    let make = || Call { uri: "https://new.s3.ap-northeast-1.amazonaws.com/".into(), ..s3("PUT", "") };
    needs(make, &["s3:CreateBucket"]).await;
    needs(|| make().with("x-amz-acl", "private"), &["s3:CreateBucket"]).await;
    needs(|| make().with("x-amz-acl", "public-read"), &["s3:CreateBucket", "s3:PutBucketAcl"]).await;
    needs(|| make().with("x-amz-grant-write", "id=\"x\""), &["s3:CreateBucket", "s3:PutBucketAcl"]).await;
    let lock = || make().with("x-amz-bucket-object-lock-enabled", "true");
    needs(lock, &["s3:CreateBucket", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"]).await;
    let owned = || make().with("x-amz-object-ownership", "ObjectWriter");
    needs(owned, &["s3:CreateBucket", "s3:PutBucketOwnershipControls"]).await;
}

#[tokio::test]
async fn attributes_need_the_object_itself() {
    fidelity::fidelity!("gate-14");
    needs(|| s3("GET", "/o?attributes="), &["s3:GetObjectAttributes", "s3:GetObject"]).await;
    let versioned = ["s3:GetObjectVersionAttributes", "s3:GetObjectVersion"];
    needs(|| s3("GET", "/o?attributes=&versionId=v"), &versioned).await;
}

#[tokio::test]
async fn a_governed_object_is_deleted_by_those_who_may_bypass_its_retention() {
    fidelity::fidelity!("gate-14");
    let bypass = |call: Call| call.with("x-amz-bypass-governance-retention", "true");
    needs(|| bypass(s3("DELETE", "/o")), &["s3:DeleteObject", "s3:BypassGovernanceRetention"]).await;
    let listed = "<Delete><Object><Key>o</Key></Object></Delete>";
    let delete = || bypass(s3("POST", "/?delete=").saying(listed));
    needs(delete, &["s3:DeleteObject", "s3:BypassGovernanceRetention"]).await;
}

/// A copy reads a version with the right to versions, and takes tags along that it may read and write.
#[tokio::test]
async fn a_copy_needs_what_it_takes_along() {
    fidelity::fidelity!("gate-14", "gate-15");
    let copy = |source: &str| s3("PUT", "/to").with("x-amz-copy-source", source);
    needs(|| copy("artifacts/o"), &["s3:PutObject", "s3:GetObject"]).await;
    needs(|| copy("artifacts/o?versionId=v"), &["s3:PutObject", "s3:GetObjectVersion"]).await;
    let part = || s3("PUT", "/to?partNumber=1&uploadId=u").with("x-amz-copy-source", "artifacts/o?versionId=v");
    needs(part, &["s3:PutObject", "s3:GetObjectVersion"]).await;
    let tagged = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    for (source, read, of_tags) in [
        ("artifacts/o", "s3:GetObject", "s3:GetObjectTagging"),
        ("artifacts/o?versionId=v", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"),
    ] {
        for missing in [None, Some(of_tags), Some("s3:PutObjectTagging")] {
            let actions = ["s3:PutObject", read, of_tags, "s3:PutObjectTagging"];
            let actions: Vec<_> = actions.into_iter().filter(|action| Some(*action) != missing).collect();
            let here = Environment::raise(json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}])).await;
            let tags = Mock::given(matchers::path("/artifacts/o")).and(matchers::query_param("tagging", ""));
            tags.respond_with(ResponseTemplate::new(200).set_body_string(tagged)).mount(&here.localstack).await;
            Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
            let answer = here.send(copy(source).signed(&here.session())).await;
            let named = missing.is_none_or(|missing| answer.text.contains(&format!("{missing} on resource")));
            assert_eq!((answer.status == 200, named), (missing.is_none(), true), "{missing:?} {}", answer.text);
            let replaced = copy(source).with("x-amz-tagging-directive", "REPLACE");
            assert_eq!(here.send(replaced.signed(&here.session())).await.status, 200, "{missing:?}");
        }
    }
}

/// What LocalStack is told to copy is what was authorised, however it was written.
#[tokio::test]
async fn the_source_of_a_copy_is_forwarded_in_one_form() {
    fidelity::fidelity!("gate-14");
    let here = Environment::raise(json!([{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::artifacts/o#x"}]))
    .await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let copy = s3("PUT", "/to").with("x-amz-copy-source", "artifacts/o#x");
    assert_eq!(here.send(copy.signed(&here.session())).await.status, 200);
    let asked = here.localstack.received_requests().await.unwrap();
    assert_eq!(asked.last().unwrap().headers["x-amz-copy-source"], "artifacts/o%23x");
}

/// Each key of a list is authorised by itself, and one with a version as that version.
#[tokio::test]
async fn a_version_in_a_list_needs_the_right_to_versions() {
    fidelity::fidelity!("gate-15");
    let versioned = "<Object><Key>o</Key><VersionId>v1</VersionId></Object>";
    let plain = "<Object><Key>o</Key></Object>";
    let both = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
    let delete = |objects: String| s3("POST", "/?delete=").saying(&format!("<Delete>{objects}</Delete>"));
    needs(|| delete(plain.into()), &["s3:DeleteObject"]).await;
    needs(|| delete(versioned.into()), &["s3:DeleteObjectVersion"]).await;
    needs(|| delete(format!("{plain}{versioned}")), &both).await;
    needs(|| delete(format!("{versioned}{plain}")), &both).await;
    let here = Environment::raise(json!([{"Effect": "Allow", "Action": "s3:DeleteObjectVersion", "Resource": OBJECT,
        "Condition": {"StringEquals": {"s3:versionid": "v1"}}}]))
    .await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    for (objects, status) in
        [(versioned.to_owned(), 200), (format!("{versioned}{}", versioned.replace("v1", "v2")), 403)]
    {
        assert_eq!(here.send(delete(objects).signed(&here.session())).await.status, status);
    }
    let unread = here.send(delete("<Object/>".into()).signed(&here.session())).await;
    assert_eq!(unread.status, 400, "{}", unread.text);
}

#[tokio::test]
async fn a_version_needs_the_action_for_versions() {
    fidelity::fidelity!("gate-15");
    let tags = "<Tagging><TagSet/></Tagging>";
    for (method, target, action) in [
        ("GET", "/o?versionId=v", "s3:GetObjectVersion"),
        ("GET", "/o?partNumber=1&versionId=v", "s3:GetObjectVersion"),
        ("DELETE", "/o?versionId=v", "s3:DeleteObjectVersion"),
        ("GET", "/o?tagging=&versionId=v", "s3:GetObjectVersionTagging"),
        ("GET", "/o?%74agging=&%76ersionId=v", "s3:GetObjectVersionTagging"),
        ("PUT", "/o?tagging=&versionId=v", "s3:PutObjectVersionTagging"),
        ("DELETE", "/o?tagging=&versionId=v", "s3:DeleteObjectVersionTagging"),
        ("GET", "/o?acl=&versionId=v", "s3:GetObjectVersionAcl"),
        ("PUT", "/o?acl=&versionId=v", "s3:PutObjectVersionAcl"),
        ("PUT", "/o?acl=", "s3:PutObjectAcl"),
    ] {
        let here = allowed(&[action]).await;
        let call = || s3(method, target).saying(if method == "PUT" { tags } else { "" });
        assert_eq!(here.send(call().signed(&here.session())).await.status, 200, "{method} {target}");
        let plain = action.replace("Version", "");
        let other = if plain == action { "s3:GetObject" } else { plain.as_str() };
        let here = allowed(&[other]).await;
        assert_eq!(here.send(call().signed(&here.session())).await.status, 403, "{method} {target}");
    }
}

/// The tags that a body brings are those of the request, and the object's own are seen besides.
#[tokio::test]
async fn new_tags_and_old_ones_are_seen_by_policies() {
    fidelity::fidelity!("gate-16");
    let condition = json!({
        "StringEquals": {"s3:RequestObjectTag/team": "a & b", "s3:ExistingObjectTag/stage": "open"},
        "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["team"]},
    });
    let actions = ["s3:PutObjectTagging", "s3:PutObjectVersionTagging"];
    let here =
        Environment::raise(json!([{"Effect": "Allow", "Action": actions, "Resource": OBJECT, "Condition": condition}]))
            .await;
    let existing =
        |stage: &str| format!("<Tagging><TagSet><Tag><Key>stage</Key><Value>{stage}</Value></Tag></TagSet></Tagging>");
    let tags = |version: Option<&'static str>, stage: &str| {
        let mock = Mock::given(matchers::method("GET")).and(matchers::query_param("tagging", ""));
        let mock = match version {
            Some(version) => mock.and(matchers::query_param("versionId", version)),
            None => mock.and(matchers::query_param_is_missing("versionId")),
        };
        mock.respond_with(ResponseTemplate::new(200).set_body_string(existing(stage)))
    };
    tags(None, "open").mount(&here.localstack).await;
    tags(Some("old"), "closed").mount(&here.localstack).await;
    Mock::given(matchers::method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let put = async |target: &str, tags: &[(&str, &str)]| {
        let tags: Vec<_> =
            tags.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")).collect();
        let body = format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.concat());
        here.send(s3("PUT", target).saying(&body).signed(&here.session())).await.status.as_u16()
    };
    assert_eq!(put("/o?tagging=", &[("team", "a &amp; b")]).await, 200);
    assert_eq!(put("/o?tagging=", &[("team", "c")]).await, 403);
    assert_eq!(put("/o?tagging=", &[("team", "a &amp; b"), ("more", "1")]).await, 403);
    assert_eq!(put("/o?tagging=", &[]).await, 403);
    assert_eq!(put("/o?tagging=&versionId=old", &[("team", "a &amp; b")]).await, 403);
}

/// The source of a copy is judged by its own tags and version, not by what the copy is to have.
#[tokio::test]
async fn a_source_is_judged_by_its_own_tags() {
    fidelity::fidelity!("gate-14", "gate-16");
    let here = Environment::raise(json!([
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {
            "StringEquals": {"s3:ExistingObjectTag/stage": "open"}, "Null": {"s3:RequestObjectTag/a": "true"}}},
    ]))
    .await;
    for (key, stage) in [("open", "open"), ("closed", "closed")] {
        let body = format!("<Tagging><TagSet><Tag><Key>stage</Key><Value>{stage}</Value></Tag></TagSet></Tagging>");
        Mock::given(matchers::path(format!("/artifacts/{key}")))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&here.localstack)
            .await;
    }
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    for (key, status) in [("open", 200), ("closed", 403)] {
        let copy = s3("PUT", "/to").with("x-amz-copy-source", &format!("artifacts/{key}"));
        let copy = copy.with("x-amz-tagging-directive", "REPLACE").with("x-amz-tagging", "a=b");
        assert_eq!(here.send(copy.signed(&here.session())).await.status, status, "{key}");
    }
}
