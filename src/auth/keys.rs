//! The keys that tokens are checked with, and the files that they are read from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Header};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::der::{self, PublicKey};
use super::refused::Refused;
use crate::protocol::check_name;

/// The most public keys in one file.
pub const KEYS_MAX: usize = 32;
/// The largest file of keys, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// RFC 7518: a key as long as the hash at least.
pub(super) const SECRET_BYTES_ADVISED: usize = 32;
/// What ring takes.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Where the keys are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFiles {
    /// The secret of HS256. One line end at the end of a text is not part of it.
    pub secret: Option<PathBuf>,
    /// Public keys for RS256, ES256 and EdDSA: one or several PEM blocks `PUBLIC KEY`, each with a line `kid: NAME`
    /// before it if it has a name, or a JSON Web Key Set.
    pub public: Option<PathBuf>,
}

impl KeyFiles {
    /// All that are given.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.secret.iter().chain(&self.public).cloned().collect()
    }
}

/// A file of keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", .path.display())]
pub struct KeyError {
    /// The file.
    pub path: PathBuf,
    /// Why, for people.
    pub what: String,
}

/// Keys by the algorithm that each of them is for.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    /// What is no fault, but what the operator should know.
    notices: Vec<String>,
}

/// One key. Its kind decides the algorithm, never the token's header.
pub(super) struct Key {
    name: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Key {
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl Keys {
    /// Reads the files.
    ///
    /// # Errors
    /// The first fault of a file; of a file that holds no key at all, that.
    pub fn load(files: &KeyFiles) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        if let Some(path) = &files.secret {
            let secret = secret(path)?;
            if secret.len() < SECRET_BYTES_ADVISED {
                keys.notices.push(format!(
                    "the secret in {} has {} bytes; one of fewer than {SECRET_BYTES_ADVISED} can be guessed: \
                     openssl rand -base64 32 makes a good one",
                    path.display(),
                    secret.len()
                ));
            }
            let decoding = DecodingKey::from_secret(&secret);
            keys.keys.push(Key { name: None, algorithm: Algorithm::HS256, decoding });
        }
        if let Some(path) = &files.public {
            let fault = |what| KeyError { path: path.clone(), what };
            let text = String::from_utf8(read(path)?).map_err(|_| fault("it is neither PEM nor JSON".to_owned()))?;
            let mut public =
                if text.trim_start().starts_with('{') { key_set(&text) } else { pem(&text) }.map_err(fault)?;
            keys.keys.append(&mut public.keys);
            let of_file = |notice| format!("{}: {notice}", path.display());
            keys.notices.extend(public.notices.into_iter().map(of_file));
        }
        Ok(keys)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// What the operator should know.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The keys that a token with that header may be signed with: those for its algorithm; if it names a key, only
    /// that one, or where no key has that name, those that have none.
    pub(super) fn candidates(&self, header: &Header) -> Result<Vec<&Key>, Refused> {
        let of_kind: Vec<_> = self.keys.iter().filter(|key| key.algorithm == header.alg).collect();
        if of_kind.is_empty() {
            return Err(Refused::Algorithm);
        }
        let Some(kid) = &header.kid else { return Ok(of_kind) };
        let named: Vec<_> = of_kind.iter().copied().filter(|key| key.name.as_ref() == Some(kid)).collect();
        if !named.is_empty() {
            return Ok(named);
        }
        let unnamed: Vec<_> = of_kind.into_iter().filter(|key| key.name.is_none()).collect();
        if unnamed.is_empty() { Err(Refused::UnknownKey) } else { Ok(unnamed) }
    }

    fn add(&mut self, name: Option<String>, algorithm: Algorithm, decoding: DecodingKey) -> Result<(), String> {
        if self.keys.len() == KEYS_MAX {
            return Err(format!("it has more than {KEYS_MAX} keys"));
        }
        if let Some(name) = &name {
            check_name(name).map_err(|what| format!("a `kid` {what}"))?;
            if self.keys.iter().any(|key| key.name.as_ref() == Some(name)) {
                return Err(format!("two keys have the `kid` {name:?}"));
            }
        }
        let decoding = sound(decoding)?;
        self.keys.push(Key { name, algorithm, decoding });
        Ok(())
    }

    /// Itself, if there is a key in it.
    fn not_empty(self, otherwise: &str) -> Result<Self, String> {
        if self.keys.is_empty() { Err(otherwise.to_owned()) } else { Ok(self) }
    }
}

/// The key, if it can be one.
fn sound(key: DecodingKey) -> Result<DecodingKey, String> {
    match (key.family(), key.kind()) {
        (_, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
            let (n, e) = (bare(n), bare(e));
            if !RSA_BYTES.contains(&n.len()) {
                return Err(format!("an RSA key of {} bits; allowed: 2048 to 8192", n.len() * 8));
            }
            Ok(DecodingKey::from_rsa_raw_components(&n, &e))
        }
        (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) if point.len() == 65 => Ok(key),
        (AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(bytes)) if bytes.len() == 32 => Ok(key),
        _ => Err("a key in it is damaged".to_owned()),
    }
}

/// The secret of a file, without the line end that an editor puts behind a text.
pub(super) fn secret(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut secret = read(path)?;
    if std::str::from_utf8(&secret).is_ok() && secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
    let fault = |what: &str| Err(KeyError { path: path.to_owned(), what: what.to_owned() });
    if secret.is_empty() {
        return fault("it is empty; openssl rand -base64 32 makes a secret");
    }
    if secret.starts_with(b"-----BEGIN ") {
        // Taken for a secret, a public key would let everybody sign who can read it.
        return fault("it is a PEM file, not a secret; public keys are given by --auth-public-key-file");
    }
    Ok(secret)
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let fault = |what| KeyError { path: path.to_owned(), what };
    let mut bytes = Vec::new();
    let read = |file: File| -> io::Result<usize> { file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes) };
    File::open(path).and_then(read).map_err(|error| fault(format!("it cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(fault("it is larger than 1 MiB".to_owned()));
    }
    Ok(bytes)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// PEM blocks; a line `kid: NAME` before one names it. Other lines between blocks are comments.
fn pem(text: &str) -> Result<Keys, String> {
    let mut keys = Keys::default();
    let mut name = None;
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line.strip_prefix(BEGIN) {
            refuse_label(label.trim_end_matches('-'))?;
            block = Some(String::new());
        } else if let (None, Some(given)) = (&block, kid(line)) {
            name = Some(given.to_owned());
        }
        let Some(text) = &mut block else { continue };
        text.push_str(line);
        text.push('\n');
        if line.starts_with(END) {
            let info = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
                .map_err(|_| "a PEM block in it is damaged".to_owned())?;
            let (algorithm, decoding) = key_of(der::public_key(&info).ok_or(WRONG_KEY)?);
            keys.add(name.take(), algorithm, decoding)?;
            block = None;
        }
    }
    if block.is_some() {
        return Err("a PEM block in it has no end".to_owned());
    }
    keys.not_empty("it has no PEM block PUBLIC KEY")
}

const WRONG_KEY: &str = "a key in it is none for RS256 (RSA), ES256 (P-256) or EdDSA (Ed25519)";

fn refuse_label(label: &str) -> Result<(), String> {
    let hint = match label {
        "PUBLIC KEY" => return Ok(()),
        "CERTIFICATE" => "openssl x509 -pubkey -noout takes the key out of it",
        "RSA PUBLIC KEY" => "openssl rsa -RSAPublicKey_in -pubout writes it as PUBLIC KEY",
        label if label.ends_with("PRIVATE KEY") => "that belongs to who signs, and nowhere else",
        _ => "only PUBLIC KEY is taken",
    };
    Err(format!("it has a PEM block {label:?}: {hint}"))
}

fn kid(line: &str) -> Option<&str> {
    let (word, name) = line.trim_start_matches(['#', ' ']).split_once(':')?;
    word.trim().eq_ignore_ascii_case("kid").then(|| name.trim())
}

fn key_of(key: PublicKey<'_>) -> (Algorithm, DecodingKey) {
    match key {
        PublicKey::Rsa { n, e } => (Algorithm::RS256, DecodingKey::from_rsa_raw_components(n, e)),
        PublicKey::P256(point) => (Algorithm::ES256, DecodingKey::from_ec_der(point)),
        PublicKey::Ed25519(key) => (Algorithm::EdDSA, DecodingKey::from_ed_der(key)),
    }
}

/// A JSON Web Key Set. Keys that are not for signatures of our kinds are passed over, as identity providers list others.
fn key_set(text: &str) -> Result<Keys, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| format!("it is no JSON Web Key Set: {error}"))?;
    let mut keys = Keys::default();
    for jwk in &set.keys {
        if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
            return Err("it has a symmetric key, which must be known to nobody; see --auth-secret-file".to_owned());
        }
        let name = jwk.common.key_id.clone();
        match usable(jwk) {
            Some(algorithm) => {
                let decoding = DecodingKey::from_jwk(jwk).map_err(|_| "a key in it is damaged".to_owned())?;
                keys.add(name, algorithm, decoding)?;
            }
            None => keys.notices.push(format!("the key {:?} is not used: {WRONG_KEY}", name.unwrap_or_default())),
        }
    }
    keys.not_empty("it has no key for RS256, ES256 or EdDSA")
}

/// The algorithm that this key is for, if it is one of ours and the key is for signatures.
fn usable(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let for_it = jwk.common.key_algorithm.is_none_or(|alg| alg == named);
    let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    (for_it && for_signatures).then_some(algorithm)
}
