//! How faults are written.

use super::*;

#[test]
fn a_fault_is_written_as_it_is_read() {
    fidelity::fidelity!("fault-4");
    for text in [
        "provider.403",
        "provider.500 times=2 delay=1.5 body={\"message\": \"a b\"}",
        "provider.slow delay=3",
        "provider.expired times=1",
        "provider.short life=30",
        "data-plane.503 times=1",
        "data-plane.ResolveComponentCandidates.429",
        "s3.GetObject.503 times=2",
        "s3.throttled",
        "secretsmanager.GetSecretValue.wrong-body",
        "secretsmanager.rotated secret=token body={\"a\": \"b\"}",
        "kms.hang",
        "sts.slow delay=2",
        "git.sso",
        "git.refs.429 body=wait a minute",
        "git.tag-missing tag=v1.0",
        "git.tag-missing",
        "index.no-wheel package=awscrt",
        "index.down times=3",
        "dns.nxdomain host=github.com times=1",
        "tls.not-yet-valid host=github.com",
        "aws.clock shift=-3600",
        "mqtt.cut",
        "mqtt.refuse times=3",
    ] {
        let fault: Fault = text.parse().unwrap();
        assert_eq!(fault.to_string(), text);
        assert_eq!(fault.name(), text.split(' ').next().unwrap());
        assert_eq!(fault.name().parse::<Kind>().unwrap(), fault.kind);
        let json = serde_json::to_value(&fault).unwrap();
        assert_eq!((&json, &serde_json::from_value::<Fault>(json.clone()).unwrap()), (&text.into(), &fault));
    }
}

#[test]
fn what_is_no_fault_is_told_why() {
    fidelity::fidelity!("fault-4");
    for (text, why) in [
        ("", "its name begins with"),
        ("disk.full", "its name begins with"),
        ("dns.wrong", "use `dns.nxdomain`, `dns.servfail`, `dns.timeout`, `dns.sinkhole`"),
        ("provider", "`` is no status"),
        (
            "provider.302",
            "`302` is no status: use 200, 400 to 599, or `slow`, `hang`, `wrong-body`, `expired`, `short`",
        ),
        ("provider.Get.403", "`provider` has no such operation"),
        ("provider.throttled", "`throttled` is no status"),
        ("s3..403", "`s3` has no such operation"),
        ("git.clone.403", "`git` has no such operation: use `refs` or `pack`"),
        ("s3.slow", "say how slow: `delay=SECONDS`"),
        ("s3.200", "only wrong with a `body=`"),
        ("s3.503 times=0", "no number above 0"),
        ("s3.503 delay=-1", "a number of seconds"),
        ("s3.503 often", "`often` is no parameter; use `times=N`, `delay=SECONDS` or `body=TEXT`"),
        ("s3.503 host=x", "`host=x` is no parameter"),
        ("mqtt.cut times=2", "it happens once"),
        ("mqtt.refuse delay=1", "it takes no time"),
        ("s3.slow delay=1 body=x", "only a status has a body"),
        ("provider.short", "say how much: `life=SECONDS`"),
        ("provider.short life=0", "`life=0` is no whole number of seconds"),
        ("aws.clock shift=1.5", "`shift=1.5` is no whole number of seconds"),
        ("aws.clock shift=1 times=1", "lasts until it is ended"),
        ("dns.nxdomain", "say which: `host=NAME`"),
        ("dns.nxdomain host=", "`host=` is no parameter; use `host=NAME` or `times=N`"),
        ("secretsmanager.missing", "say which: `secret=NAME`"),
    ] {
        let error = text.parse::<Fault>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is no fault: ")) && error.contains(why), "{error}");
    }
}

#[test]
fn a_host_stands_for_what_is_below_it_too() {
    let fault: Fault = "tls.expired host=iot.eu-west-1.amazonaws.com".parse().unwrap();
    for (host, is_about) in [
        ("iot.eu-west-1.amazonaws.com", true),
        ("abc.credentials.iot.eu-west-1.amazonaws.com", true),
        ("xiot.eu-west-1.amazonaws.com", false),
        ("amazonaws.com", false),
    ] {
        assert_eq!(fault.is_about_host(host), is_about, "{host}");
    }
}

#[test]
fn each_fault_goes_to_who_lets_it_happen() {
    let roles = |name: &str| name.parse::<Kind>().unwrap().roles();
    assert_eq!(roles("git.403"), [Role::Github]);
    assert_eq!(roles("index.down"), [Role::Github]);
    assert_eq!(roles("dns.nxdomain"), [Role::Aws]);
    assert_eq!(roles("s3.503"), [Role::Aws]);
    assert_eq!(roles("tls.expired"), [Role::Aws, Role::Github]);
}
