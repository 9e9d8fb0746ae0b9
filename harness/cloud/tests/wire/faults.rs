//! What goes wrong on purpose at the doors of the role: certificates of AWS's hosts, and who it is that answers.

use crate::{
    client::{Call, Failure, Healthy, Tls, shown},
    world::{CREDENTIALS, raise, raise_with},
};

const SECRETS: &str = "secretsmanager.ap-northeast-1.amazonaws.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_aws_shows_a_certificate_with_the_flaw_that_a_fault_wants() -> Result<(), Failure> {
    fidelity::fidelity!("fault-9");
    let faults = ["tls.wrong-name host=secretsmanager.ap-northeast-1.amazonaws.com"];
    let here =
        raise_with(|world| world.faults = faults.iter().filter_map(|fault| fault.parse().ok()).collect()).await?;
    assert!(shown(&Tls::to(here.doors.apis, SECRETS)).await?.contains("another-host.example.com"));
    assert!(shown(&Tls::to(here.doors.apis, CREDENTIALS)).await?.contains(CREDENTIALS), "another host is as ever");
    let sound = raise().await?;
    assert!(shown(&Tls::to(sound.doors.apis, SECRETS)).await?.contains(SECRETS));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_provider_answers_as_faults_want_it_and_others_as_ever() -> Result<(), Failure> {
    fidelity::fidelity!("fault-1");
    let faults = ["provider.503 times=1", "provider.wrong-body times=1"];
    let here =
        raise_with(|world| world.faults = faults.iter().filter_map(|fault| fault.parse().ok()).collect()).await?;
    let tls = Tls::to(here.doors.apis, CREDENTIALS).showing(&here.device);
    let ask = Call::get("/role-aliases/Alias/credentials");
    let answer = ask.send(&tls, CREDENTIALS).await?;
    assert_eq!(answer.status, 503);
    let answer = ask.send(&tls, CREDENTIALS).await?;
    assert!(answer.status == 200 && answer.body.starts_with("<html>"), "{}", answer.body);
    let answer = ask.send(&tls, CREDENTIALS).await?;
    assert!(answer.status == 200 && answer.body.contains("accessKeyId"), "{}", answer.body);
    here.healthy().await
}
