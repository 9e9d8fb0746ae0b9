//! Clients that misbehave, at every door of the role: each is answered as AWS answers or is cut within its time, and the
//! next client is served as if nothing had been.

use crate::{
    client::{Answer, Call, Failure, Healthy, Tls, connect, mqtt_connect, silence},
    world::{CREDENTIALS, DATA, Identity, PATIENCE, Raised, World, raise},
};
use futures_util::future::join_all;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long a test waits for what the role does after its own patience.
const SLACK: Duration = Duration::from_secs(20);

const SECRETS: &str = "secretsmanager.ap-northeast-1.amazonaws.com";
const S3: &str = "artifacts.s3.ap-northeast-1.amazonaws.com";
const GROUPS: &str = "/greengrass/v2/coreDevices/Core/thingGroups";

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stop_halfway_are_cut_and_others_are_served_meanwhile() -> Result<(), Failure> {
    fidelity::fidelity!("registry-10");
    let here = raise().await?;
    let mut cases: Vec<(&str, Tls, &[u8])> = Vec::new();
    for (door, port) in [("apis", here.doors.apis), ("data plane", here.doors.data_plane), ("mqtt", here.doors.mqtt)] {
        cases.push((door, Tls::none(port), b""));
        // The head of a TLS record, and of a ClientHello of which nothing more comes.
        cases.push((door, Tls::none(port), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
    }
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    cases.push(("apis", Tls::to(here.doors.apis, SECRETS), head));
    cases.push(("credentials", Tls::to(here.doors.apis, CREDENTIALS).showing(&here.device), head));
    cases.push(("data plane", Tls::to(here.doors.data_plane, DATA).showing(&here.device), head));
    cases.push(("endpoint", Tls::none(here.doors.endpoint), head));
    // No CONNECT at all, and half of one.
    cases.push(("mqtt", Tls::to(here.doors.mqtt, DATA).showing(&here.device), b""));
    cases.push(("mqtt", Tls::to(here.doors.mqtt, DATA).showing(&here.device), b"\x10\x20\x00\x04MQ"));
    // Thirty of each, so that it shows if they stood in anybody's way.
    let crowd = cases.iter().flat_map(|case| std::iter::repeat_n(case, 30));
    let cut = join_all(crowd.map(|(door, tls, bytes)| async move {
        let started = Instant::now();
        let mut stream = connect(tls).await.map_err(|error| format!("{door}: {error}"))?;
        stream.write(bytes).await?;
        silence(&mut stream, PATIENCE + SLACK).await.map_err(|error| format!("{door}: {error}"))?;
        Ok::<_, Failure>(started.elapsed())
    }));
    let (cut, healthy) = tokio::join!(cut, here.healthy());
    healthy?;
    for lasted in cut {
        assert!(lasted? >= PATIENCE, "nobody is cut before its time");
    }
    here.healthy().await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_long_are_refused_without_being_kept() -> Result<(), Failure> {
    fidelity::fidelity!("registry-11");
    let here = raise().await?;
    let before = resident()?;
    let long = "Request size exceeded";
    for (tls, host, length, status, words) in [
        (Tls::to(here.doors.apis, SECRETS), SECRETS, 100 << 20, 413, long),
        (Tls::to(here.doors.data_plane, DATA).showing(&here.device), DATA, 100 << 20, 413, long),
        (Tls::none(here.doors.endpoint), "localhost", (128 << 20) + 1, 400, "<Code>EntityTooLarge</Code>"),
        (
            Tls::to(here.doors.apis, S3),
            S3,
            (128 << 20) + 1,
            400,
            "Your proposed upload exceeds the maximum allowed size",
        ),
        // The provider reads no body at all.
        (Tls::to(here.doors.apis, CREDENTIALS).showing(&here.device), CREDENTIALS, 100 << 20, 404, "Not Found"),
    ] {
        let mut stream = connect(&tls).await?;
        stream.write(&announced(host, length)).await?;
        let answer = Answer::read(&mut stream).await.map_err(|error| format!("{host}: {error}"))?;
        assert_eq!(answer.status, status, "{host}: {}", answer.body);
        assert!(answer.body.contains(words), "{host}: {}", answer.body);
        here.healthy().await?;
    }
    // 100 MiB in pieces, of which nobody said how many would come.
    let pieces = join_all((0..4).map(|_| async {
        let mut stream = connect(&Tls::none(here.doors.endpoint)).await?;
        let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: secretsmanager.GetSecretValue\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write(head).await?;
        let piece = [b"10000\r\n".as_slice(), &vec![b'x'; 65536], b"\r\n"].concat();
        for _ in 0..1600 {
            if stream.write(&piece).await.is_err() {
                break;
            }
        }
        Ok::<_, Failure>(stream.read_to_end().await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }));
    for answer in pieces.await {
        // What was sent too much may have thrown the answer away.
        if let Ok(text) = answer? {
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 413"), "{text}");
        }
    }
    let grown = resident()?.saturating_sub(before);
    assert!(grown < 100 * 1024, "four bodies of 100 MiB left {grown} KiB");
    here.healthy().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_too_slowly_are_refused() -> Result<(), Failure> {
    fidelity::fidelity!("registry-11");
    let here = raise().await?;
    let slow = [
        (Tls::to(here.doors.apis, SECRETS), SECRETS, 408, "The request was not received in time"),
        (Tls::to(here.doors.data_plane, DATA).showing(&here.device), DATA, 408, "The request was not received in time"),
        (Tls::to(here.doors.apis, S3), S3, 400, "Idle connections will be closed."),
    ];
    join_all(slow.iter().map(|(tls, host, status, words)| async move {
        let mut stream = connect(tls).await?;
        stream.write(&announced(host, 1000)).await?;
        stream.write(b"a little").await?;
        let answer = Answer::read(&mut stream).await.map_err(|error| format!("{host}: {error}"))?;
        assert_eq!(answer.status, *status, "{host}: {}", answer.body);
        assert!(answer.body.contains(words), "{host}: {}", answer.body);
        Ok::<_, Failure>(())
    }))
    .await
    .into_iter()
    .collect::<Result<Vec<_>, _>>()?;
    here.healthy().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_no_name_and_no_protocol_of_the_door_ends_in_the_handshake() -> Result<(), Failure> {
    fidelity::fidelity!("registry-12");
    let here = raise().await?;
    for port in [here.doors.apis, here.doors.data_plane, here.doors.mqtt] {
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", &[0xff; 4096]]
        {
            let mut stream = connect(&Tls::none(port)).await?;
            stream.write(garbage).await?;
            // At most an alert.
            let answer = stream.read_to_end().await.unwrap_or_default();
            assert!(answer.len() <= 7, "{answer:?}");
        }
        for tls in
            [Tls::to(port, "example.com"), Tls::to(port, "amazonaws.com.example.com"), Tls::to(port, "127.0.0.1")]
        {
            assert!(connect(&tls).await.is_err(), "{tls:?}");
        }
        let refused = connect(&Tls::to(port, DATA).speaking("h2")).await.map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
        here.healthy().await?;
    }
    // HTTP/2 without asking: its preface is no request.
    for tls in [Tls::to(here.doors.apis, SECRETS), Tls::none(here.doors.endpoint)] {
        let mut stream = connect(&tls).await?;
        stream.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await?;
        let answer = String::from_utf8_lossy(&stream.read_to_end().await?).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        here.healthy().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_registered_opens_nothing() -> Result<(), Failure> {
    fidelity::fidelity!("registry-13");
    let here = raise().await?;
    let elsewhere = World::new()?;
    let strangers = [
        ("none", None),
        ("self-signed", Some(Identity::self_signed("Core")?)),
        ("of this authority, and not registered", Some(here.authority.issue("Core", false)?)),
        ("of another environment", Some(elsewhere.device)),
    ];
    for (what, stranger) in strangers {
        let tls = |port, name: &str| match &stranger {
            Some(stranger) => Tls::to(port, name).showing(stranger),
            None => Tls::to(port, name),
        };
        let refused = Call::get(GROUPS).send(&tls(here.doors.data_plane, DATA), DATA).await?;
        assert!(refused.status == 403 && refused.body.contains("\"message\":null"), "{what}: {}", refused.body);
        let refused =
            Call::get("/role-aliases/Alias/credentials").send(&tls(here.doors.apis, CREDENTIALS), CREDENTIALS).await?;
        let expected = (403, "{\"message\":\"Certificate is invalid on this endpoint\"}");
        assert_eq!((refused.status, refused.body.as_str()), expected, "{what}");
        let mut stream = connect(&tls(here.doors.mqtt, DATA)).await?;
        _ = stream.write(&mqtt_connect("Core")).await;
        assert!(stream.read_to_end().await.unwrap_or_default().is_empty(), "{what}");
        here.healthy().await?;
    }
    // One that is registered and has run out.
    let expired = here.authority.issue("Core", true)?;
    let body = json!({"certificatePem": expired.certificate, "status": "ACTIVE"}).to_string();
    let made = Call::post("/certificate/register-no-ca", &body)
        .signed("iot")?
        .send(&Tls::none(here.doors.endpoint), "localhost")
        .await?;
    assert_eq!(made.status, 200, "{}", made.body);
    let refused = Call::get(GROUPS).send(&Tls::to(here.doors.data_plane, DATA).showing(&expired), DATA).await?;
    assert_eq!(refused.status, 403);
    here.healthy().await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_get_the_services_own_error() -> Result<(), Failure> {
    fidelity::fidelity!("registry-14");
    let here = raise().await?;
    let data = Tls::to(here.doors.data_plane, DATA).showing(&here.device);
    let endpoint = Tls::none(here.doors.endpoint);
    let resolve = "/greengrass/v2/resolveComponentCandidates";
    let unknown = "unknownoperationexception";
    for (call, tls, host, status, words) in [
        (Call::post(resolve, "{"), &data, DATA, 400, "validationexception"),
        (Call::get("/nothing"), &data, DATA, 404, unknown),
        (Call::post("/things/a", "{").signed("iot")?, &endpoint, "localhost", 400, "serializationexception"),
        (Call::post("/things/a", "[]").signed("iot")?, &endpoint, "localhost", 400, "serializationexception"),
        (Call::post("/nothing", "{}").signed("iot")?, &endpoint, "localhost", 404, unknown),
        (Call::post("/greengrass/v2/deployments", "{}"), &endpoint, "localhost", 403, "missing authentication token"),
        (Call::target("secretsmanager.Nothing", "{}").signed("secretsmanager")?, &endpoint, "localhost", 400, unknown),
        (
            Call::post("/", "Action=Nothing&Version=2011-06-15").signed("sts")?,
            &endpoint,
            "localhost",
            400,
            "invalidaction",
        ),
    ] {
        let answer = call.send(tls, host).await?;
        let all = format!("{}{}", answer.head, answer.body).to_lowercase();
        assert!(answer.status == status && all.contains(words), "{call:?}: {} {all}", answer.status);
        here.healthy().await?;
    }
    another_content_type(&here).await?;
    // Before and after a CONNECT: what is no MQTT, and what is longer than any packet may be.
    let longest = [0x30, 0xff, 0xff, 0xff, 0x7f];
    let garbage = [&[0xff; 300][..], &longest, &[0; 4]];
    for (connected, bytes) in [false, true].into_iter().flat_map(|connected| garbage.map(|bytes| (connected, bytes))) {
        let mut stream = connect(&Tls::to(here.doors.mqtt, DATA).showing(&here.device)).await?;
        if connected {
            stream.write(&mqtt_connect("Core")).await?;
            assert_eq!(stream.read(4).await?, [0x20, 2, 0, 0]);
        }
        stream.write(bytes).await?;
        silence(&mut stream, PATIENCE + SLACK).await?;
        here.healthy().await?;
    }
    for question in [&b""[..], &[0xff; 600], b"\x00\x01\x00\x00\x00\x01"] {
        here.send_dns(question).await?;
        let mut stream = connect(&Tls::none(here.doors.dns)).await?;
        stream.write(&[&u16::try_from(question.len())?.to_be_bytes()[..], question].concat()).await?;
        silence(&mut stream, PATIENCE + SLACK).await?;
        here.healthy().await?;
    }
    Ok(())
}

/// Bodies of another content type than the service has.
async fn another_content_type(here: &Raised) -> Result<(), Failure> {
    let data = Tls::to(here.doors.data_plane, DATA).showing(&here.device);
    let endpoint = Tls::none(here.doors.endpoint);
    let resolve = "/greengrass/v2/resolveComponentCandidates";
    let form =
        |path| Call::post(path, "Action=GetCallerIdentity").with("content-type", "application/x-www-form-urlencoded");
    let json = Call::post("/", "{\"Action\": \"GetCallerIdentity\"}").signed("sts")?;
    for (call, tls, host, words) in [
        (form(resolve), &data, DATA, "validationexception"),
        (form("/things/a").signed("iot")?, &endpoint, "localhost", "serializationexception"),
        (json, &endpoint, "localhost", "missingaction"),
    ] {
        let answer = call.send(tls, host).await?;
        let all = format!("{}{}", answer.head, answer.body).to_lowercase();
        assert!(answer.status == 400 && all.contains(words), "{call:?}: {} {all}", answer.status);
        here.healthy().await?;
    }
    Ok(())
}

/// The head of a request with a body of so many bytes.
fn announced(host: &str, length: usize) -> Vec<u8> {
    format!("PUT /key HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

/// The memory of this process, in which the role runs, in KiB.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
