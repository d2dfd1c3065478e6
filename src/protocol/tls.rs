//! TLS with pinned keys: our own key and certificate, and the configurations of both ends.
//!
//! There is no authority. Each program makes one key for life and certificates itself; the other side remembers the key's
//! fingerprint from enrolment. A certificate is only the key's wrapper: it is renewed for the same key, so pins stay.
//! A server accepts any client certificate whose handshake signature is right, and hands the key to the requests, which
//! decide who may ask what; a client accepts only the keys it has pinned. What is checked is in `verify`.

mod verify;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::{CertificateStatus, RenewalFailure, VALID_BEFORE, VALID_DAYS};
use crate::domain::{Trouble, TroubleKind};
use verify::Verifier;

/// The certificate's file in the state directory.
const CERTIFICATE: &str = "certificate.pem";
/// The last second that a certificate's dates can name is that of the year 9999; what a clock says beyond it is cut off here.
const LAST_SECOND: i64 = 253_370_764_800;
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
    status: CertificateStatus,
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
        let kept = fs::read_to_string(dir.join(CERTIFICATE)).ok().and_then(|text| read_pem(&text));
        let kept = kept.filter(|der| is_for(der, &pair)).and_then(|der| Some((dates(&der).ok()?, der)));
        let issued = match kept {
            Some((status, der)) if !status.is_due(now) => Issued { certified: certify(der, &pair)?, status },
            _ => {
                let (mut issued, pem) = issue(name, &pair, now)?;
                // It serves from memory as well: what cannot be kept is tried again, and told.
                issued.status.renewal_failure = keep(dir, &pem).err().map(|trouble| RenewalFailure { since: now, trouble });
                issued
            }
        };
        let fingerprint = issued.certified.cert.first().map_or_else(|| Err(bad_certificate(&"it is missing")), fingerprint)?;
        Ok(Arc::new(OwnKey { name: name.to_owned(), dir: dir.to_owned(), pair, fingerprint, issued: RwLock::new(issued) }))
    }

    /// SHA-256 of the SubjectPublicKeyInfo, hex.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The present certificate, and how its renewal goes.
    pub fn certificate(&self) -> CertificateStatus {
        self.issued.read().unwrap_or_else(PoisonError::into_inner).status.clone()
    }

    /// Issues a new certificate for the same key when that is due. Handshakes from then on show the new one; nothing need be restarted.
    /// It is in use before it is kept, so that a full disk never lets one run out. Waits for the disk. Returns whether it did.
    pub fn renew_if_due(&self, now: DateTime<Utc>) -> Result<bool, Trouble> {
        let before = self.certificate();
        if !before.is_due(now) {
            return Ok(false);
        }
        let renewed = issue(&self.name, &self.pair, now).and_then(|(mut issued, pem)| {
            issued.status.renewal_failure.clone_from(&before.renewal_failure);
            self.change(|present| *present = issued);
            keep(&self.dir, &pem)
        });
        let since = before.renewal_failure.map_or(now, |failure| failure.since);
        let failure = renewed.as_ref().err().map(|trouble| RenewalFailure { since, trouble: trouble.clone() });
        self.change(|present| present.status.renewal_failure = failure);
        renewed.map(|()| true)
    }

    fn change(&self, change: impl FnOnce(&mut Issued)) {
        change(&mut self.issued.write().unwrap_or_else(PoisonError::into_inner));
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

/// A certificate for the key, and its file's text.
fn issue(name: &str, pair: &KeyPair, now: DateTime<Utc>) -> Result<(Issued, String), Trouble> {
    let failed = |e: rcgen::Error| Trouble::new(TroubleKind::Failed, "certificate", format!("it could not be made: {e}"));
    let mut params = CertificateParams::new(vec!["understudy".to_owned()]).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    // Certificates know whole seconds.
    let now = now.trunc_subsecs(0);
    let valid_until = now + TimeDelta::days(VALID_DAYS);
    // rcgen's time type, by way of the one constructor that it exports.
    let since_1970 = |at: DateTime<Utc>| {
        let secs = at.timestamp().clamp(0, LAST_SECOND).unsigned_abs();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(secs)
    };
    params.not_before = since_1970(now - VALID_BEFORE);
    params.not_after = since_1970(valid_until);
    let certificate = params.self_signed(pair).map_err(failed)?;
    let status = CertificateStatus { issued_at: Some(now), valid_until, renewal_failure: None };
    Ok((Issued { certified: certify(certificate.der().clone(), pair)?, status }, certificate.pem()))
}

/// Writes a certificate where the next start finds it.
fn keep(dir: &Path, pem: &str) -> Result<(), Trouble> {
    let path = dir.join(CERTIFICATE);
    let failed = |e: io::Error| {
        Trouble::new(TroubleKind::Failed, path.display(), format!("the renewed certificate is in use but cannot be written: {e}"))
            .next(format!("make room on the disk of {0}, and give the user of this program the right to write in {0}", dir.display()))
    };
    write_durably(&path, pem).map_err(failed)
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

fn dates(certificate: &CertificateDer<'_>) -> Result<CertificateStatus, Trouble> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|e| bad_certificate(&e))?;
    let at = |secs| DateTime::from_timestamp(secs, 0).ok_or_else(|| bad_certificate(&"its dates are none"));
    let issued_at = at(parsed.validity().not_before.timestamp())? + VALID_BEFORE;
    Ok(CertificateStatus { issued_at: Some(issued_at), valid_until: at(parsed.validity().not_after.timestamp())?, renewal_failure: None })
}

/// Written beside, synced, renamed: a crash leaves the old file or the new one. Only the owner may read it.
fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    written_beside(path, text)?.persist(path)?;
    sync_folder_of(path)
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

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
