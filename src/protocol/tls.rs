//! TLS with pinned keys: our own key and certificate, and the configurations of both ends.
//!
//! There is no authority. Each program makes one key for life and certificates itself; the other side remembers the key's
//! fingerprint from enrolment. A certificate is only the key's wrapper: it is renewed for the same key, so pins stay.
//! A server accepts any client certificate whose handshake signature is right, and hands the key to the requests, which
//! decide who may ask what; a client accepts only the keys it has pinned.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::domain::{Trouble, TroubleKind};

/// How long a certificate is valid.
const VALID_DAYS: i64 = 90;
/// A certificate begins this long before it is issued, so that a slow clock elsewhere does not refuse it.
const VALID_BEFORE: TimeDelta = TimeDelta::days(1);
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Makes ring the process's crypto provider; first thing in every program. Repeated it changes nothing.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Losing the race against another thread that installs the same is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

fn provider() -> Arc<CryptoProvider> {
    install_provider();
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// Fills `bytes` with randomness for secrets.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Trouble> {
    provider().secure_random.fill(bytes).map_err(|_| Trouble::new(TroubleKind::Failed, "this host", "it gives no randomness"))
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo, in hex: what is pinned and shown.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> Result<String, Trouble> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|e| bad_certificate(&e))?;
    sha256_hex(parsed.tbs_certificate.subject_pki.raw)
}

/// The longest name that is taken over from a certificate, in characters.
const LONGEST_NAME: usize = 64;

/// What a certificate calls its holder, cut to 64 characters: a label for people that proves nothing.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect())
}

/// rustls has SHA-256 for its own cipher suites; so nothing more is needed for it.
fn sha256_hex(bytes: &[u8]) -> Result<String, Trouble> {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let suite = suite.tls13().ok_or_else(|| bad_certificate(&"SHA-256 is missing"))?;
    Ok(suite.common.hash_provider.hash(bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn bad_certificate(e: &dyn fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Invalid, "certificate", format!("it cannot be read: {e}"))
}

/// Our key for life, and the certificate that carries it just now; both ends' configurations ask it at every handshake.
pub struct OwnKey {
    name: String,
    dir: PathBuf,
    pair: KeyPair,
    fingerprint: String,
    issued: RwLock<Issued>,
}

struct Issued {
    certified: Arc<CertifiedKey>,
    until: DateTime<Utc>,
}

impl OwnKey {
    /// Loads `key.pem` and `certificate.pem` from a directory, makes what is missing, renews what ends soon.
    /// A key that cannot be read is an error, never replaced: the other sides have pinned it.
    pub fn load_or_create(dir: &Path, name: &str, now: DateTime<Utc>) -> Result<Arc<OwnKey>, Trouble> {
        let key_path = dir.join("key.pem");
        let pair = match fs::read_to_string(&key_path) {
            Ok(text) => KeyPair::from_pem(&text).map_err(|e| at(&key_path, TroubleKind::Corrupt, &e))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let pair = KeyPair::generate().map_err(|e| at(&key_path, TroubleKind::Failed, &e))?;
                make_durably(&key_path, &pair.serialize_pem())?;
                // `serve` and `enrol` may both be the first: the key that is there is the key.
                let text = fs::read_to_string(&key_path).map_err(|e| at(&key_path, TroubleKind::Failed, &e))?;
                KeyPair::from_pem(&text).map_err(|e| at(&key_path, TroubleKind::Corrupt, &e))?
            }
            Err(e) => return Err(at(&key_path, TroubleKind::Failed, &e)),
        };
        let kept = fs::read_to_string(dir.join("certificate.pem")).ok().and_then(|text| read_pem(&text));
        let kept = kept.filter(|der| is_for(der, &pair));
        let issued = match kept.and_then(|der| Some((valid_until(&der).ok()?, der))) {
            Some((until, der)) if !is_due(until, now) => Issued { certified: certify(der, &pair)?, until },
            _ => issue(dir, name, &pair, now)?,
        };
        let fingerprint = issued.certified.cert.first().map_or_else(|| Err(bad_certificate(&"it is missing")), fingerprint)?;
        Ok(Arc::new(OwnKey { name: name.to_owned(), dir: dir.to_owned(), pair, fingerprint, issued: RwLock::new(issued) }))
    }

    /// SHA-256 of the SubjectPublicKeyInfo, hex.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// When the present certificate ends.
    pub fn certificate_until(&self) -> DateTime<Utc> {
        self.issued.read().unwrap_or_else(PoisonError::into_inner).until
    }

    /// Issues a new certificate for the same key when less than a third of the present one's time is left. Handshakes from then
    /// on show the new one; nothing need be restarted. Returns whether it did.
    pub fn renew_if_due(&self, now: DateTime<Utc>) -> Result<bool, Trouble> {
        if !is_due(self.certificate_until(), now) {
            return Ok(false);
        }
        let issued = issue(&self.dir, &self.name, &self.pair, now)?;
        *self.issued.write().unwrap_or_else(PoisonError::into_inner) = issued;
        Ok(true)
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        self.issued.read().unwrap_or_else(PoisonError::into_inner).certified.clone()
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKey").field("name", &self.name).field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for OwnKey {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl ResolvesClientCert for OwnKey {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
    fn has_certs(&self) -> bool {
        true
    }
}

/// Less than a third of the time is left, or the clock is before its beginning.
fn is_due(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let left = until - now;
    left < TimeDelta::days(VALID_DAYS / 3) || left > TimeDelta::days(VALID_DAYS) + VALID_BEFORE
}

fn issue(dir: &Path, name: &str, pair: &KeyPair, now: DateTime<Utc>) -> Result<Issued, Trouble> {
    let path = dir.join("certificate.pem");
    let failed = |e: rcgen::Error| at(&path, TroubleKind::Failed, &e);
    let until = now + TimeDelta::days(VALID_DAYS);
    let mut params = CertificateParams::new(vec!["understudy".to_owned()]).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    // rcgen's time type, by way of the one constructor that it exports.
    let since_1970 = |at: DateTime<Utc>| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(at.timestamp().try_into().unwrap_or(0));
    params.not_before = since_1970(now - VALID_BEFORE);
    params.not_after = since_1970(until);
    let certificate = params.self_signed(pair).map_err(failed)?;
    write_durably(&path, &certificate.pem())?;
    Ok(Issued { certified: certify(certificate.der().clone(), pair)?, until })
}

fn certify(certificate: CertificateDer<'static>, pair: &KeyPair) -> Result<Arc<CertifiedKey>, Trouble> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let key = provider().key_provider.load_private_key(key).map_err(|e| Trouble::new(TroubleKind::Corrupt, "key.pem", e))?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate], key)))
}

fn read_pem(text: &str) -> Option<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(text.as_bytes()).ok()
}

fn is_for(certificate: &CertificateDer<'_>, pair: &KeyPair) -> bool {
    use rcgen::PublicKeyData;
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.tbs_certificate.subject_pki.raw == pair.subject_public_key_info().as_slice())
}

fn valid_until(certificate: &CertificateDer<'_>) -> Result<DateTime<Utc>, Trouble> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|e| bad_certificate(&e))?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0).ok_or_else(|| bad_certificate(&"its end is no time"))
}

/// Written beside, synced, renamed: a crash leaves the old file or the new one. Only the owner may read it.
fn write_durably(path: &Path, text: &str) -> Result<(), Trouble> {
    let write = || -> io::Result<()> {
        written_beside(path, text)?.persist(path)?;
        sync_folder_of(path)
    };
    write().map_err(|e| at(path, TroubleKind::Failed, &e))
}

/// The same for a file that is made once: whoever comes second leaves the first one's.
fn make_durably(path: &Path, text: &str) -> Result<(), Trouble> {
    let make = || -> io::Result<()> {
        match written_beside(path, text)?.persist_noclobber(path) {
            Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => return Err(e.error),
            Ok(_) | Err(_) => {}
        }
        sync_folder_of(path)
    };
    make().map_err(|e| at(path, TroubleKind::Failed, &e))
}

/// Under a name that no other program uses, 0600.
fn written_beside(path: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
}

fn at(path: &Path, kind: TroubleKind, e: &dyn fmt::Display) -> Trouble {
    Trouble::new(kind, path.display(), e)
}

/// The keys a client accepts; clones share one set, which may change while connections are open.
#[derive(Debug, Clone, Default)]
pub struct Pins(Arc<RwLock<BTreeSet<String>>>);

impl Pins {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = String>) -> Pins {
        let pins = Pins::default();
        pins.replace(keys);
        pins
    }

    /// From now on these keys and no others; counts for handshakes to come.
    pub fn replace(&self, keys: impl IntoIterator<Item = String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().map(|key| key.to_ascii_lowercase()).collect();
    }

    /// Whether the key is pinned.
    pub fn holds(&self, key: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

/// A server's configuration: TLS 1.3, HTTP/2 and 1.1, a client certificate asked for and not required.
pub fn server_config(own: Arc<OwnKey>) -> Result<ServerConfig, Trouble> {
    let provider = provider();
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| Trouble::new(TroubleKind::Failed, "TLS", e))?
        .with_client_cert_verifier(Arc::new(Verifier { provider, pins: None }))
        .with_cert_resolver(own);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // A resumed session would outlive a key that is no longer trusted.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A client's configuration that shows our certificate. `None` accepts any key: only to learn it, for enrolment.
pub fn client_config(own: Arc<OwnKey>, pins: Option<Pins>) -> Result<ClientConfig, Trouble> {
    let provider = provider();
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| Trouble::new(TroubleKind::Failed, "TLS", e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { provider, pins }))
        .with_client_cert_resolver(own);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Checks dates, the pin if there is one, and the handshake's signature, which proves that the key is really there.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    pins: Option<Pins>,
}

impl Verifier {
    fn check(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
        use rustls::{CertificateError, Error};
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < parsed.validity().not_before.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > parsed.validity().not_after.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        let Some(pins) = &self.pins else { return Ok(()) };
        let key = fingerprint(certificate).map_err(|e| Error::General(e.reason))?;
        if pins.holds(&key) { Ok(()) } else { Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) }
    }

    fn check_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    /// Never asked: only TLS 1.3 is spoken.
    fn refuse_tls12() -> Signed {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

type Signed = Result<HandshakeSignatureValid, rustls::Error>;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, now).map(|()| ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Signed {
        Verifier::refuse_tls12()
    }
    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        self.check_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, now).map(|()| ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Signed {
        Verifier::refuse_tls12()
    }
    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        self.check_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
