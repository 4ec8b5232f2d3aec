//! The keys that verify tokens, and the files and documents that they are parsed from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pkcs1::RsaPublicKey;
use pkcs1::der::Decode;
use ring::hmac;
use ring::signature::RsaPublicKeyComponents;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::jws::{Algorithm, Header, VerificationKey};
use super::refusal::TokenRefusal;

/// The most public keys of one issuer.
pub const KEYS_MAX: usize = 100;
/// The size limit of a file of keys, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// RFC 7518, 3.2: the secret of HS256 must be as long as its hash.
pub(super) const SECRET_BYTES_ADVISED: usize = 32;
/// The sizes of RSA keys that ring accepts, in bytes.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The files of the hub's own keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFiles {
    /// The secret of HS256. Line ends at the end of a text, and a byte order mark, are not part of it.
    pub secret: Option<PathBuf>,
    /// Public keys: a JSON Web Key Set, or PEM blocks `PUBLIC KEY`. A line `kid: NAME` before a block names its key.
    pub public: Option<PathBuf>,
}

impl KeyFiles {
    /// The files that are configured.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.secret.iter().chain(&self.public).cloned().collect()
    }
}

/// A file of keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", .path.display())]
pub struct KeyError {
    /// The path of the file.
    pub path: PathBuf,
    /// The problem with the file, and how to solve it.
    pub what: String,
}

/// The keys of an issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<NamedKey>,
    warnings: Vec<String>,
}

struct NamedKey {
    kid: Option<String>,
    /// The only algorithm, if the key names one.
    algorithm: Option<Algorithm>,
    key: VerificationKey,
}

impl fmt::Debug for NamedKey {
    /// Does not show the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl KeySet {
    /// Loads keys from files.
    ///
    /// # Errors
    /// The first error of a file. A file without a usable key is an error too.
    pub fn load(files: &KeyFiles) -> Result<Self, KeyError> {
        let mut set = Self::default();
        if let Some(path) = &files.secret {
            let secret = secret(path)?;
            if secret.len() < SECRET_BYTES_ADVISED {
                set.warnings.push(format!(
                    "the secret in {} has {} bytes; one with fewer than {SECRET_BYTES_ADVISED} can be guessed; \
                     openssl rand -base64 32 makes a good one",
                    path.display(),
                    secret.len()
                ));
            }
            let key = VerificationKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, &secret));
            set.keys.push(NamedKey { kid: None, algorithm: None, key });
        }
        if let Some(path) = &files.public {
            let error = |what| KeyError { path: path.clone(), what };
            let text = String::from_utf8(read(path)?).map_err(|_| error("it is neither PEM nor JSON".to_owned()))?;
            let is_json = text.trim_start().starts_with('{');
            let public = if is_json { Self::parse_jwks(&text, OctKeys::Refuse) } else { parse_pem(&text) };
            let mut public = public.map_err(error)?;
            set.keys.append(&mut public.keys);
            let with_path = |warning| format!("{}: {warning}", path.display());
            set.warnings.extend(public.warnings.into_iter().map(with_path));
        }
        Ok(set)
    }

    /// Parses a JSON Web Key Set (RFC 7517). Keys that cannot verify a token are skipped with a warning, because identity
    /// providers list other keys as well.
    ///
    /// # Errors
    /// The text is not a key set, or has no usable key.
    pub(super) fn parse_jwks(text: &str, oct_keys: OctKeys) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Value>,
        }
        let Jwks { keys } =
            serde_json::from_str(text).map_err(|error| format!("it is not a JSON Web Key Set: {error}"))?;
        let mut set = Self::default();
        for (index, value) in keys.into_iter().enumerate() {
            let called = value.get("kid").and_then(Value::as_str).map_or_else(
                || format!("number {}", index + 1),
                |kid| format!("{:?}", kid.chars().take(100).collect::<String>()),
            );
            if value.get("kty").and_then(Value::as_str) == Some("oct") && oct_keys == OctKeys::Refuse {
                return Err("it has a symmetric key, which must stay secret; see --auth-secret-file".to_owned());
            }
            let key = serde_json::from_value::<Jwk>(value).map_err(|error| error.to_string()).and_then(Jwk::key);
            match key {
                Ok(_) if set.keys.len() == KEYS_MAX => {
                    set.warnings.push(format!("only the first {KEYS_MAX} keys are used"));
                    break;
                }
                Ok(key) => set.keys.push(key),
                Err(why) => set.warnings.push(format!("the key {called} is not used: {why}")),
            }
        }
        set.not_empty("it has no key that can verify a token")
    }

    /// The number of keys.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Warnings about the keys, for the operator.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The keys that can have signed a token with this header: those that work with its algorithm and have its `kid`. If
    /// no key has its `kid`, those without a name.
    pub(super) fn candidates(&self, header: &Header) -> Result<(Algorithm, Vec<&VerificationKey>), TokenRefusal> {
        let algorithm = Algorithm::by_name(&header.alg).ok_or(TokenRefusal::Algorithm)?;
        let works = |key: &&NamedKey| key.key.is_for(algorithm) && key.algorithm.is_none_or(|only| only == algorithm);
        let of_algorithm: Vec<_> = self.keys.iter().filter(works).collect();
        let select = |wanted: Option<&String>| -> Vec<&VerificationKey> {
            of_algorithm.iter().filter(|key| key.kid.as_ref() == wanted).map(|key| &key.key).collect()
        };
        let found = match &header.kid {
            None => of_algorithm.iter().map(|key| &key.key).collect(),
            Some(kid) => {
                let named = select(Some(kid));
                if named.is_empty() { select(None) } else { named }
            }
        };
        if !found.is_empty() {
            return Ok((algorithm, found));
        }
        let kid_is_known = header.kid.is_none() || self.keys.iter().any(|key| key.kid == header.kid);
        Err(if kid_is_known { TokenRefusal::Algorithm } else { TokenRefusal::UnknownKey })
    }

    fn not_empty(self, otherwise: &str) -> Result<Self, String> {
        if !self.keys.is_empty() {
            return Ok(self);
        }
        let reasons: String = self.warnings.iter().take(3).map(|warning| format!("; {warning}")).collect();
        Err(format!("{otherwise}{reasons}"))
    }
}

/// How symmetric keys in a key set are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OctKeys {
    /// It is an error: a secret in a file of public keys is a dangerous mistake.
    Refuse,
    /// It is ignored, in a key set from a URL.
    Ignore,
}

/// One key of a key set (RFC 7517, RFC 7518, RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn key(self) -> Result<NamedKey, String> {
        let for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        if !for_signatures {
            return Err("it is not for signatures".to_owned());
        }
        let bytes = |name: &str, value: &Option<String>| {
            let text = value.as_deref().ok_or_else(|| format!("`{name}` is missing"))?;
            URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| format!("`{name}` is not base64url"))
        };
        let point = |length: usize| {
            let (x, y) = (bytes("x", &self.x)?, bytes("y", &self.y)?);
            let fits = x.len() == length && y.len() == length;
            fits.then(|| [&[4], &x[..], &y[..]].concat()).ok_or_else(|| "its point has a wrong size".to_owned())
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => rsa_key(&bytes("n", &self.n)?, &bytes("e", &self.e)?)?,
            ("EC", Some("P-256")) => VerificationKey::P256(point(32)?),
            ("EC", Some("P-384")) => VerificationKey::P384(point(48)?),
            ("OKP", Some("Ed25519")) => ed25519_key(&bytes("x", &self.x)?)?,
            _ => return Err(WRONG_KIND.to_owned()),
        };
        let algorithm = match &self.alg {
            None => None,
            Some(name) => match Algorithm::by_name(name).filter(|algorithm| key.is_for(*algorithm)) {
                Some(algorithm) => Some(algorithm),
                None => return Err(format!("its `alg` is not one of {ALGORITHMS}")),
            },
        };
        Ok(NamedKey { kid: self.kid, algorithm, key })
    }
}

const ALGORITHMS: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA for its type";
const WRONG_KIND: &str = "its type is not RSA, P-256, P-384 or Ed25519";

fn rsa_key(n: &[u8], e: &[u8]) -> Result<VerificationKey, String> {
    let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (n, e) = (bare(n), bare(e));
    if !RSA_BYTES.contains(&n.len()) {
        return Err(format!("an RSA key of {} bits; allowed: 2048 to 8192", n.len() * 8));
    }
    if e.is_empty() || e.len() > 5 {
        return Err("an RSA key with a wrong exponent".to_owned());
    }
    Ok(VerificationKey::Rsa(RsaPublicKeyComponents { n, e }))
}

fn ed25519_key(bytes: &[u8]) -> Result<VerificationKey, String> {
    let fits = bytes.len() == 32;
    fits.then(|| VerificationKey::Ed25519(bytes.to_vec())).ok_or_else(|| "an Ed25519 key of a wrong size".to_owned())
}

/// The secret in a file, without a byte order mark and without line ends at the end, if it is a text.
pub(super) fn secret(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut secret = read(path)?;
    if let Ok(text) = std::str::from_utf8(&secret) {
        secret = text.trim_end_matches(['\n', '\r']).as_bytes().to_vec();
    }
    let error = |what: &str| Err(KeyError { path: path.to_owned(), what: what.to_owned() });
    if secret.is_empty() {
        return error("it is empty; openssl rand -base64 32 makes a secret");
    }
    if secret.starts_with(b"-----BEGIN ") {
        // With a public key as the secret, everybody could sign tokens.
        return error("it is a PEM file, not a secret; --auth-public-key-file takes public keys");
    }
    Ok(secret)
}

/// The bytes of a file. A UTF-8 byte order mark is cut off.
fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let error = |what| KeyError { path: path.to_owned(), what };
    let mut bytes = Vec::new();
    let read = |file: File| -> io::Result<usize> { file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes) };
    File::open(path).and_then(read).map_err(|source| error(format!("cannot be read: {source}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(error("it is larger than 1 MiB".to_owned()));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

/// The UTF-8 byte order mark. Editors on Windows put it before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Parses PEM blocks. A line `kid: NAME` names the block after it. Other lines between blocks are comments.
fn parse_pem(text: &str) -> Result<KeySet, String> {
    let mut set = KeySet::default();
    let mut kid = None;
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line.strip_prefix(BEGIN) {
            check_label(label.trim_end_matches('-'))?;
            block = Some(String::new());
        } else if let (None, Some(name)) = (&block, kid_line(line)) {
            kid = Some(name.to_owned());
        }
        let Some(text) = &mut block else { continue };
        text.push_str(line);
        text.push('\n');
        if line.starts_with(END) {
            let info = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
                .map_err(|_| "a PEM block in it is damaged".to_owned())?;
            if set.keys.len() == KEYS_MAX {
                return Err(format!("it has more than {KEYS_MAX} keys"));
            }
            set.keys.push(NamedKey { kid: kid.take(), algorithm: None, key: key_of_info(&info)? });
            block = None;
        }
    }
    if block.is_some() {
        return Err("a PEM block in it has no end".to_owned());
    }
    set.not_empty("it has no PEM block PUBLIC KEY")
}

fn check_label(label: &str) -> Result<(), String> {
    let hint = match label {
        "PUBLIC KEY" => return Ok(()),
        "CERTIFICATE" => "openssl x509 -pubkey -noout extracts the key",
        "RSA PUBLIC KEY" => "openssl rsa -RSAPublicKey_in -pubout converts it to PUBLIC KEY",
        label if label.ends_with("PRIVATE KEY") => "a private key belongs to the token service only",
        _ => "only PUBLIC KEY is accepted",
    };
    Err(format!("it has a PEM block {label:?}: {hint}"))
}

fn kid_line(line: &str) -> Option<&str> {
    let (word, name) = line.trim_start_matches(['#', ' ']).split_once(':')?;
    word.trim().eq_ignore_ascii_case("kid").then(|| name.trim())
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The key of a SubjectPublicKeyInfo (RFC 5280).
fn key_of_info(der: &[u8]) -> Result<VerificationKey, String> {
    let wrong = || format!("a key in it is damaged, or {WRONG_KIND}");
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| wrong())?;
    let bytes = info.subject_public_key.as_bytes().ok_or_else(wrong)?;
    let is_point = |length: usize| bytes.len() == length && bytes[0] == 4;
    match (info.algorithm.oid, info.algorithm.parameters_oid().ok()) {
        (RSA, _) => {
            let key = RsaPublicKey::from_der(bytes).map_err(|_| wrong())?;
            rsa_key(key.modulus.as_bytes(), key.public_exponent.as_bytes())
        }
        (EC, Some(P256)) if is_point(65) => Ok(VerificationKey::P256(bytes.to_vec())),
        (EC, Some(P384)) if is_point(97) => Ok(VerificationKey::P384(bytes.to_vec())),
        (ED25519, _) => ed25519_key(bytes),
        _ => Err(wrong()),
    }
}
