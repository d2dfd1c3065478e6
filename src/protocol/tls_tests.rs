//! What the own key promises: one for life, kept private, made once.

use super::*;

fn now() -> DateTime<Utc> {
    Utc::now()
}

/// `serve` and `enrol` on a fresh state folder, at the same time.
#[test]
fn programs_that_start_together_hold_one_key() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().expect("a folder");
        let starting: Vec<_> = (0..4)
            .map(|_| {
                let dir = dir.path().to_owned();
                std::thread::spawn(move || OwnKey::load_or_create(&dir, "east", now()).expect("a key").fingerprint().to_owned())
            })
            .collect();
        let held: std::collections::BTreeSet<_> = starting.into_iter().map(|one| one.join().expect("no panic")).collect();
        assert_eq!(held.len(), 1, "{held:?}");
        let kept = OwnKey::load_or_create(dir.path(), "east", now()).expect("a key");
        assert!(held.contains(kept.fingerprint()), "and it is the one that is kept");
    }
}

#[test]
fn renewal_keeps_the_key_and_the_pin() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = OwnKey::load_or_create(dir.path(), "east", now()).expect("made");
    assert!(!first.renew_if_due(now() + TimeDelta::days(59)).expect("looked"));
    let pin = first.fingerprint().to_owned();
    assert!(first.renew_if_due(now() + TimeDelta::days(61)).expect("renewed"));
    assert!(first.certificate().valid_until > now() + TimeDelta::days(150));
    let again = OwnKey::load_or_create(dir.path(), "east", now() + TimeDelta::days(400)).expect("issued again");
    assert_eq!(again.fingerprint(), pin);
    assert!(again.certificate().valid_until > now() + TimeDelta::days(480));
}

#[test]
fn only_the_owner_reads_the_key_and_a_damaged_key_is_not_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    drop(OwnKey::load_or_create(dir.path(), "east", now()).expect("made"));
    let path = dir.path().join("key.pem");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    fs::write(&path, "rubbish").expect("written");
    assert_eq!(OwnKey::load_or_create(dir.path(), "east", now()).expect_err("refused").kind, TroubleKind::Corrupt);
    assert_eq!(fs::read_to_string(&path).expect("there"), "rubbish");
}

#[test]
fn a_certificate_that_cannot_be_kept_is_in_use_all_the_same_and_tells_of_it_until_it_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(CERTIFICATE);
    let own = OwnKey::load_or_create(dir.path(), "east", now()).expect("made");
    assert_eq!(own.certificate().renewal_failure, None);
    // Nothing can be written in the place of a folder.
    fs::remove_file(&file).expect("it was kept");
    fs::create_dir(&file).expect("a folder");
    let (later, latest) = (now() + TimeDelta::days(61), now() + TimeDelta::days(62));
    let trouble = own.renew_if_due(later).expect_err("not kept");
    assert!(trouble.object.ends_with(CERTIFICATE) && trouble.next_step.contains("make room"), "{trouble}");
    own.renew_if_due(latest).expect_err("not kept yet");
    let told = own.certificate();
    assert!(told.valid_until > latest + TimeDelta::days(89), "it is in use: {told:?}");
    assert_eq!(told.renewal_failure.map(|failure| failure.since), Some(later));
    let started = OwnKey::load_or_create(dir.path(), "east", latest).expect("a start needs no room for it");
    assert_eq!((started.fingerprint(), started.certificate().renewal_failure.is_some()), (own.fingerprint(), true));

    fs::remove_dir(&file).expect("room again");
    assert!(own.renew_if_due(latest).expect("kept"));
    assert_eq!(own.certificate().renewal_failure, None);
    let again = OwnKey::load_or_create(dir.path(), "east", latest).expect("loaded").certificate();
    assert_eq!(again, own.certificate(), "the next start finds it, with its dates");
}

fn key(name: &str, issued: DateTime<Utc>) -> Arc<OwnKey> {
    let dir = tempfile::tempdir().expect("a directory");
    OwnKey::load_or_create(dir.path(), name, issued).expect("made")
}

/// A handshake with a server; the key that it saw of the client.
async fn handshake(server: &Arc<OwnKey>, client: &Arc<OwnKey>, pins: Pins) -> io::Result<String> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config(server.clone()).expect("a configuration")));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(client.clone(), Some(pins)).expect("a configuration")));
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").expect("a name");
    let (accepted, connected) = tokio::join!(acceptor.accept(far), connector.connect(name, near));
    connected?;
    let accepted = accepted?;
    let shown = accepted.get_ref().1.peer_certificates().and_then(<[_]>::first).expect("the client shows a certificate");
    Ok(fingerprint(shown).expect("read"))
}

#[tokio::test]
async fn the_dates_of_pinned_keys_lock_nobody_out_and_other_keys_stay_refused() {
    let (old, new) = (key("east", now() - TimeDelta::days(4_000)), key("west", now() + TimeDelta::days(4_000)));
    for (server, client) in [(&old, &new), (&new, &old), (&old, &old)] {
        let pins = Pins::new([server.fingerprint().to_owned()]);
        assert_eq!(handshake(server, client, pins).await.expect("the key is the pinned one"), client.fingerprint());
        let stranger = key("east", now());
        let refused = handshake(&stranger, client, Pins::new([server.fingerprint().to_owned()])).await.expect_err("not pinned");
        assert!(refused.to_string().contains("ApplicationVerificationFailure"), "{refused}");
    }
}

/// A server as that of version 26a78e0: it checks the dates of client certificates, and these have passed.
#[derive(Debug)]
struct OlderPeer(Verifier);

impl rustls::server::danger::ClientCertVerifier for OlderPeer {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::server::danger::ClientCertVerified, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::Expired))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::server::danger::ClientCertVerifier::verify_tls12_signature(&self.0, message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::server::danger::ClientCertVerifier::verify_tls13_signature(&self.0, message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::server::danger::ClientCertVerifier::supported_verify_schemes(&self.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_peer_that_finds_a_certificate_expired_is_understood_in_plain_words() {
    let server = key("east", now());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(Arc::new(OlderPeer(Verifier { provider: provider(), pins: None })))
        .with_cert_resolver(server.clone());
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    let spec = crate::protocol::ConnectSpec { address: address.to_string(), key: server.fingerprint().to_owned() };
    for _ in 0..20 {
        let client = crate::protocol::AgentClient::new(&spec, key("console", now())).expect("a client");
        let trouble = crate::protocol::AgentApi::status(&client).await.expect_err("refused");
        assert!(trouble.reason.contains("says that this certificate has expired"), "{trouble}");
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "it may pass");
        assert!(trouble.next_step.contains("clocks") && trouble.next_step.contains("restart"), "{trouble}");
    }
}
