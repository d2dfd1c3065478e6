//! What is checked of the other end's certificate: its key against the pins, where there are any, and the handshake's signature.
//!
//! Its dates are not looked at, at either end. They would protect nothing: there is no authority that could have withdrawn a certificate,
//! whoever holds the key can certify himself anew, and a key that is no longer trusted is taken out of the pins. What they could do is
//! harm: a clock that is off by months, or an owner that could not renew for a while, would cut off consoles and agents that trust each
//! other's keys. At enrolment, where nothing is pinned yet, the code's proof over both keys is what counts, and a code has an end of its own.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::{Pins, fingerprint};

/// Checks the pin if there is one, and the handshake's signature, which proves that the key is really there.
#[derive(Debug)]
pub(super) struct Verifier {
    pub provider: Arc<CryptoProvider>,
    /// `None`: any key is let through, and whoever reads the requests decides by it.
    pub pins: Option<Pins>,
}

impl Verifier {
    /// A certificate that cannot be read has no key, and is refused also where any key may come.
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let key = fingerprint(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match &self.pins {
            Some(pins) if !pins.holds(&key) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
            Some(_) | None => Ok(()),
        }
    }

    fn check_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    /// Never asked: only TLS 1.3 is spoken.
    fn refuse_tls12() -> Signed {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

type Signed = Result<HandshakeSignatureValid, Error>;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
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
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
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
