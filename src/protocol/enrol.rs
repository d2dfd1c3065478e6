//! The enrolment code, and what each end proves with it.
//!
//! The code never crosses the wire. Both ends turn it into a key and hash, keyed with it, the two TLS keys as each of them
//! sees them: whoever stands between shows other keys, and neither proof fits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{ClusterName, Term, Trouble, TroubleKind};

use super::tls;

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 12 digits of 5 bits.
const DIGITS: usize = 12;
const CONTEXT: &str = "understudy 2026 enrolment code, version 1";

/// A single-use code of 60 bits, written `K4QX-9TMD-72VA`. A secret: `Debug` hides it, [`EnrolCode::reveal`] shows it once.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolCode(String);

/// Who proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofOf {
    /// The controller, to the agent.
    Controller,
    /// The agent, to the controller.
    Agent,
}

impl EnrolCode {
    /// A new one.
    pub fn draw() -> Result<EnrolCode, Trouble> {
        let mut bytes = [0_u8; DIGITS];
        tls::fill_random(&mut bytes)?;
        Ok(EnrolCode(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()))
    }

    /// As a person typed it: case, dashes and blanks do not matter, and O, I, L are read as 0 and 1.
    pub fn parse(text: &str) -> Result<EnrolCode, Trouble> {
        let bad = |reason| {
            Trouble::new(TroubleKind::Invalid, "enrolment code", reason)
                .next("run `understudy-agent enrol` on the agent's host and type what it prints")
        };
        let mut digits = String::with_capacity(DIGITS);
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let digit = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            if !ALPHABET.contains(&u8::try_from(digit).unwrap_or(0)) {
                return Err(bad("it holds a character that no code has"));
            }
            digits.push(digit);
        }
        if digits.len() == DIGITS { Ok(EnrolCode(digits)) } else { Err(bad("a code has 12 characters")) }
    }

    /// For the person's eyes, in groups of four.
    pub fn reveal(&self) -> String {
        [&self.0[..4], &self.0[4..8], &self.0[8..]].join("-")
    }

    /// The key both ends hash with; all that the agent keeps of the code.
    pub fn key(&self) -> [u8; 32] {
        blake3::derive_key(CONTEXT, self.0.as_bytes())
    }
}

impl fmt::Debug for EnrolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolCode(…)")
    }
}

/// The proof that `of` holds the code and sees these two keys (its own first).
pub fn proof(code_key: &[u8; 32], of: ProofOf, own: &str, other: &str) -> String {
    mac(code_key, of, own, other).to_hex().to_string()
}

/// Whether a proof is right; takes equally long whatever is wrong with it.
pub fn is_proof(given: &str, code_key: &[u8; 32], of: ProofOf, own: &str, other: &str) -> bool {
    blake3::Hash::from_hex(given).is_ok_and(|given| given == mac(code_key, of, own, other))
}

fn mac(code_key: &[u8; 32], of: ProofOf, own: &str, other: &str) -> blake3::Hash {
    let role = match of {
        ProofOf::Controller => "controller",
        ProofOf::Agent => "agent",
    };
    let mut hasher = blake3::Hasher::new_keyed(code_key);
    for part in [role, own, other] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}

/// The first message of a controller, over TLS whose server key it cannot know yet: both ends prove the code for
/// the two keys that they see, so that nobody can stand between them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The controller's key: SHA-256 of its SubjectPublicKeyInfo, hex; its client certificate shows the same.
    pub controller_key: String,
    /// BLAKE3, keyed by the code, over "controller", its key and the agent's key as it sees it. Hex.
    pub proof: String,
}

/// The agent's reply.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolReply {
    /// Its name.
    pub cluster: ClusterName,
    /// Its site.
    pub site: String,
    /// BLAKE3, keyed by the code, over "agent", its own key and the controller's. Hex.
    pub proof: String,
    /// The highest term it has seen: the controller takes a higher one.
    pub term: Term,
}

impl fmt::Debug for EnrolReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolReply")
            .field("cluster", &self.cluster)
            .field("site", &self.site)
            .field("term", &self.term)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = EnrolCode::draw().expect("drawn");
        assert_eq!(EnrolCode::parse(&code.reveal().to_lowercase().replace('-', " ")).expect("read"), code);
        assert_eq!(EnrolCode::parse("oil0-0000-0000").expect("read"), EnrolCode::parse("0110 0000 0000").expect("read"));
        for bad in ["", "K4QX-9TMD-72V", "K4QX-9TMD-72VU", "K4QX-9TMD-72VÄ"] {
            assert!(EnrolCode::parse(bad).is_err(), "{bad:?} was read");
        }
        assert!(!format!("{code:?}").contains(&code.0));
    }

    #[test]
    fn a_proof_fits_one_code_one_role_and_one_pair_of_keys() {
        let key = EnrolCode::draw().expect("drawn").key();
        let right = proof(&key, ProofOf::Controller, "aa", "bb");
        assert!(is_proof(&right, &key, ProofOf::Controller, "aa", "bb"));
        assert!(!is_proof(&right, &key, ProofOf::Agent, "aa", "bb"));
        assert!(!is_proof(&right, &key, ProofOf::Controller, "aa", "cc"));
        assert!(!is_proof(&right, &EnrolCode::draw().expect("drawn").key(), ProofOf::Controller, "aa", "bb"));
    }
}
