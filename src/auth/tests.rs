//! Valid and invalid tokens, and the files of keys.

// Tests pass JSON objects by value, as a caller would.
#![allow(clippy::needless_pass_by_value)]

#[path = "../../tests/auth/forge.rs"]
mod forge;
mod issuers;

use std::fs;
use std::path::{Path, PathBuf};

use forge::{base64, by_ec, by_ed, by_rsa, by_secret, private, token_of};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use super::*;
use deskbell_protocol::Role;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_MS: u64 = 1_800_000_000_000;
const NOW: u64 = NOW_MS / 1000;

fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/auth/keys").join(name)
}

fn claims() -> Value {
    json!({"sub": "ada", "role": "agent", "exp": NOW + 60, "iat": NOW})
}

fn with(more: Value) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

/// A verifier with the secret and all public keys: RSA as `r`, P-256 as `e`, and Ed25519 without a name.
struct Bench {
    _home: tempfile::TempDir,
    verifier: TokenVerifier,
    files: KeyFiles,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl Fn(&mut VerifierSettings)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let files = KeyFiles {
            secret: Some(write(&home, "secret", SECRET)),
            public: Some(write(&home, "keys.pem", three_keys().as_bytes())),
        };
        let mut settings = own(&files);
        change(&mut settings);
        Self { _home: home, verifier: TokenVerifier::open(settings).unwrap(), files }
    }

    fn check(&self, token: &str) -> Result<Claims, TokenRefusal> {
        self.verifier.check(token, NOW_MS)
    }

    /// The result of the check of a token with these claims, signed with the secret.
    fn claim(&self, claims: &Value) -> Result<Claims, TokenRefusal> {
        self.check(&token_of(&json!({"alg": "HS256"}), claims, by_secret(SECRET)))
    }
}

/// Settings with these keys only.
fn own(files: &KeyFiles) -> VerifierSettings {
    let own = OwnIssuer { files: files.clone(), ..OwnIssuer::default() };
    VerifierSettings { own: Some(own), ..VerifierSettings::default() }
}

fn write(home: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = home.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn pem_of(name: &str) -> String {
    fs::read_to_string(key_file(name)).unwrap()
}

fn three_keys() -> String {
    let [rsa, ec, ed] = ["rsa.pub.pem", "ec.pub.pem", "ed.pub.pem"].map(pem_of);
    format!("kid: r\n{rsa}\n# Kid: e\n{ec}a comment\n{ed}")
}

#[test]
fn each_algorithm_verifies() {
    let bench = Bench::new();
    let claims = claims().to_string();
    for token in [
        token_of(&json!({"alg": "HS256", "typ": "JWT"}), &claims, by_secret(SECRET)),
        token_of(&json!({"alg": "RS256", "kid": "r"}), &claims, by_rsa("rsa.key.pem")),
        token_of(&json!({"alg": "RS256"}), &claims, by_rsa("rsa.key.pem")),
        token_of(&json!({"alg": "ES256", "kid": "e"}), &claims, by_ec),
        token_of(&json!({"alg": "EdDSA"}), &claims, by_ed),
        token_of(&json!({"alg": "Ed25519"}), &claims, by_ed),
        token_of(&json!({"alg": "EdDSA", "kid": "unknown, so the unnamed key"}), &claims, by_ed),
    ] {
        let claims = bench.check(&token).unwrap();
        assert_eq!(
            (claims.subject.as_str(), &claims.roles[..], claims.workspace.as_str()),
            ("ada", &[Role::Agent][..], "default")
        );
        assert_eq!((claims.ends_ms, claims.issued_ms), (NOW_MS + 60_000, Some(NOW_MS)));
    }
}

#[test]
fn no_key_works_as_a_key_of_another_kind() {
    let bench = Bench::new();
    let text = claims().to_string();
    let unsigned = format!("{}.{}.", base64(br#"{"alg":"none"}"#), base64(text.as_bytes()));
    for (forged, why) in [
        (unsigned, TokenRefusal::Algorithm),
        (token_of(&json!({"alg": "None"}), &text, |_| Vec::new()), TokenRefusal::Algorithm),
        (token_of(&json!({"alg": "HS256"}), &text, |_| Vec::new()), TokenRefusal::Signature),
        // The public key as the secret, in each of its forms.
        (
            token_of(&json!({"alg": "HS256"}), &text, by_secret(pem_of("rsa.pub.pem").as_bytes())),
            TokenRefusal::Signature,
        ),
        (token_of(&json!({"alg": "HS256"}), &text, by_secret(three_keys().as_bytes())), TokenRefusal::Signature),
        (token_of(&json!({"alg": "HS256", "kid": "r"}), &text, by_rsa("rsa.key.pem")), TokenRefusal::Signature),
        (token_of(&json!({"alg": "RS256", "kid": "r"}), &text, by_secret(SECRET)), TokenRefusal::Signature),
        (token_of(&json!({"alg": "RS256", "kid": "e"}), &text, by_ec), TokenRefusal::Algorithm),
        (token_of(&json!({"alg": "ES256", "kid": "e"}), &text, by_ed), TokenRefusal::Signature),
        (token_of(&json!({"alg": "ES256"}), &text, |_| vec![0; 64]), TokenRefusal::Signature),
        (token_of(&json!({"alg": "RS256"}), &text, by_rsa("rsa-other.key.pem")), TokenRefusal::Signature),
        (token_of(&json!({"alg": "HS512"}), &text, by_secret(SECRET)), TokenRefusal::Algorithm),
        (token_of(&json!({"alg": "PS256"}), &text, by_rsa("rsa.key.pem")), TokenRefusal::Signature),
        (token_of(&json!({"alg": "ES384"}), &text, by_ec), TokenRefusal::Algorithm),
    ] {
        assert_eq!(bench.check(&forged), Err(why), "{forged}");
    }
}

#[test]
fn a_header_cannot_bring_its_own_key() {
    let bench = Bench::new();
    let text = claims().to_string();
    let own = json!({"kty": "oct", "k": base64(b"mine")});
    for header in [
        json!({"alg": "HS256", "jwk": own}),
        json!({"alg": "HS256", "jku": "http://127.0.0.1:1/keys"}),
        json!({"alg": "HS256", "kid": "../../../../dev/null"}),
        json!({"alg": "HS256", "kid": "' OR 1=1 --"}),
        json!({"alg": "HS256", "x5u": "file:///etc/passwd"}),
    ] {
        for key in [b"mine".as_slice(), b"", b"\0"] {
            assert_eq!(
                bench.check(&token_of(&header, &text, by_secret(key))),
                Err(TokenRefusal::Signature),
                "{header}"
            );
        }
    }
    let extended = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    assert_eq!(bench.check(&token_of(&extended, &text, by_secret(SECRET))), Err(TokenRefusal::Malformed));
}

#[test]
fn a_token_with_a_changed_or_swapped_part_is_refused() {
    let bench = Bench::new();
    let good = token_of(&json!({"alg": "HS256"}), claims(), by_secret(SECRET));
    let boss = with(json!({"sub": "boss"})).to_string();
    let other = token_of(&json!({"alg": "HS256"}), &boss, by_secret(b"not the secret"));
    let parts: Vec<_> = good.split('.').collect();
    let others: Vec<_> = other.split('.').collect();
    assert_eq!(bench.check(&[parts[0], others[1], parts[2]].join(".")), Err(TokenRefusal::Signature));
    assert!(bench.check(&good).is_ok());
    for at in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(bench.check(std::str::from_utf8(&changed).unwrap()).is_err(), "byte {at}");
    }
    for broken in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", &good[1..], &format!("{good}."), &format!(" {good}")] {
        assert!(bench.check(broken).is_err(), "{broken}");
    }
}

#[test]
fn times_are_kept_to_the_millisecond() {
    let bench = Bench::new();
    let exact =
        |exp: Value| token_of(&json!({"alg": "HS256"}), with(json!({"exp": exp})).to_string(), by_secret(SECRET));
    let soon = exact(json!(NOW + 1));
    assert!(bench.verifier.check(&soon, NOW_MS + 999).is_ok());
    assert_eq!(bench.verifier.check(&soon, NOW_MS + 1000), Err(TokenRefusal::Expired(0)), "it ends at its exp");
    assert!(bench.check(&exact(json!(NOW as f64 + 0.25))).is_ok_and(|claims| claims.ends_ms == NOW_MS + 250));
    assert!(bench.check(&exact(json!(1e300))).is_ok_and(|claims| claims.ends_ms == u64::MAX));
    assert!(matches!(bench.check(&exact(json!(-5))), Err(TokenRefusal::Expired(_))));
    for wrong in [json!("1900000000"), json!(true), json!([NOW + 60])] {
        assert!(matches!(bench.check(&exact(wrong)), Err(TokenRefusal::Claims(_))));
    }
    assert_eq!(bench.claim(&with(json!({"nbf": NOW + 1}))), Err(TokenRefusal::Early(1)));
    assert_eq!(bench.claim(&with(json!({"iat": NOW + 1}))), Err(TokenRefusal::Early(1)));
    assert!(bench.claim(&with(json!({"nbf": NOW, "iat": null}))).is_ok());
}

#[test]
fn the_leeway_applies_to_every_time() {
    let bench = Bench::with(|settings| settings.leeway_ms = 5000);
    assert!(bench.claim(&with(json!({"exp": NOW - 4}))).is_ok_and(|claims| claims.ends_ms == NOW_MS + 1000));
    assert_eq!(bench.claim(&with(json!({"exp": NOW - 5}))), Err(TokenRefusal::Expired(5)));
    assert!(bench.claim(&with(json!({"nbf": NOW + 5, "iat": NOW + 5}))).is_ok());
    assert_eq!(bench.claim(&with(json!({"nbf": NOW + 6}))), Err(TokenRefusal::Early(6)));
}

#[test]
fn claims_must_follow_the_rules_of_the_wire() {
    let bench = Bench::new();
    let long = "n".repeat(129);
    for wrong in [
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": long}),
        json!({"sub": "a\r\nb"}),
        json!({"sub": "a\u{202e}b"}),
        json!({"role": null}),
        json!({"exp": null}),
        json!({"workspace": ""}),
        json!({"workspace": long}),
    ] {
        assert!(matches!(bench.claim(&with(wrong.clone())), Err(TokenRefusal::Claims(_))), "{wrong}");
    }
    for wrong in [
        json!({"sub": 7}),
        json!({"role": 7}),
        json!({"role": [7]}),
        json!({"workspace": {}}),
        json!({"capacity": "x"}),
    ] {
        assert!(matches!(bench.claim(&with(wrong.clone())), Err(TokenRefusal::Claims(_))), "{wrong}");
    }
    let many: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    for (groups, taken, left_out) in [
        (json!("billing"), 1, 0),
        (json!(["billing", "", 7, "a\u{202e}b"]), 1, 3),
        (json!(many), GROUPS_OF_TOKEN_MAX, 300 - GROUPS_OF_TOKEN_MAX),
    ] {
        let claims = bench.claim(&with(json!({"groups": groups}))).unwrap();
        assert_eq!((claims.groups.len(), claims.groups_left_out), (taken, left_out));
    }
    for no_role in [json!({"role": "admin"}), json!({"role": []})] {
        assert_eq!(bench.claim(&with(no_role)).unwrap().roles, []);
    }
    let claims =
        bench.claim(&with(json!({"role": ["observer", "agent", "agent"], "name": "Ada", "capacity": 200}))).unwrap();
    assert_eq!((&claims.roles[..], claims.name.as_deref()), (&[Role::Observer, Role::Agent][..], Some("Ada")));
    assert_eq!(claims.capacity, Some(200));
    let twice = r#"{"sub":"ada","sub":"boss","role":"agent","exp":1900000000}"#;
    assert_eq!(
        bench.check(&token_of(&json!({"alg": "HS256"}), twice, by_secret(SECRET))),
        Err(TokenRefusal::Malformed)
    );
    let claims = bench.claim(&with(json!({"groups": ["a", "b", "a"], "workspace": "acme", "extra": [1]}))).unwrap();
    assert_eq!((claims.groups.len(), claims.workspace.as_str()), (2, "acme"));
}

#[test]
fn issuer_and_audience_are_checked_if_they_are_configured() {
    let bench = Bench::with(|settings| {
        let own = settings.own.as_mut().unwrap();
        own.issuer = Some("https://id.example".into());
        own.audience = Some("deskbell".into());
    });
    let good = json!({"iss": "https://id.example", "aud": ["other", "deskbell"]});
    assert!(bench.claim(&with(good)).is_ok());
    for (wrong, why) in [
        (json!({"aud": "deskbell"}), TokenRefusal::Issuer),
        (json!({"iss": "https://evil.example", "aud": "deskbell"}), TokenRefusal::Issuer),
        (json!({"iss": 7, "aud": "deskbell"}), TokenRefusal::Issuer),
        (json!({"iss": "https://id.example"}), TokenRefusal::Audience),
        (json!({"iss": "https://id.example", "aud": "deskbell2"}), TokenRefusal::Audience),
        (json!({"iss": "https://id.example", "aud": []}), TokenRefusal::Audience),
    ] {
        assert_eq!(bench.claim(&with(wrong.clone())), Err(why), "{wrong}");
    }
    assert!(Bench::new().claim(&with(json!({"iss": "anyone", "aud": "anything"}))).is_ok());
}

#[test]
fn a_reload_with_a_wrong_file_keeps_the_old_keys() {
    let bench = Bench::new();
    let by_r = token_of(&json!({"alg": "RS256", "kid": "r"}), claims(), by_rsa("rsa.key.pem"));
    let by_next = token_of(&json!({"alg": "RS256", "kid": "next"}), claims(), by_rsa("rsa-other.key.pem"));
    assert_eq!(bench.check(&by_next), Err(TokenRefusal::UnknownKey));
    let path = bench.files.public.clone().unwrap();
    fs::write(&path, "-----BEGIN PUBLIC KEY-----\nnonsense").unwrap();
    assert!(bench.verifier.reload().is_err());
    assert!(bench.check(&by_r).is_ok());
    fs::write(&path, format!("kid: next\n{}", pem_of("rsa-other.pub.pem"))).unwrap();
    bench.verifier.reload().unwrap();
    assert!(bench.check(&by_next).is_ok());
    assert_eq!(bench.check(&by_r), Err(TokenRefusal::UnknownKey));
}

#[test]
fn a_json_web_key_set_is_a_file_of_keys_too() {
    let ed = private("ed.key.pem");
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&ed).unwrap();
    use ring::signature::KeyPair;
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()), "kid": "one"});
    let other = json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "p384"});
    let for_encryption = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "enc", "use": "enc"});
    let home = tempfile::tempdir().unwrap();
    let load = |set: Value| {
        let public = Some(write(&home, "set.json", set.to_string().as_bytes()));
        KeySet::load(&KeyFiles { secret: None, public })
    };
    let weak = json!({"kty": "RSA", "n": base64(&[0xff; 128]), "e": "AQAB", "kid": "weak"});
    let unknown = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "new"});
    let set = load(json!({"keys": [ed, other, for_encryption, weak, unknown, 7]})).unwrap();
    assert_eq!((set.count(), set.warnings().len()), (1, 5), "a bad key does not spoil the others");
    assert!(set.warnings()[2].contains("\"weak\" is not used: an RSA key of 1024 bits"), "{:?}", set.warnings());
    let files = KeyFiles { secret: None, public: Some(home.path().join("set.json")) };
    let token = token_of(&json!({"alg": "EdDSA", "kid": "one"}), claims(), by_ed);
    assert!(TokenVerifier::open(own(&files)).unwrap().check(&token, NOW_MS).is_ok());
    assert!(load(json!({"keys": [ed, {"kty": "oct", "k": "c2VjcmV0"}]})).is_err(), "a file must not leak a secret");
    for wrong in [
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}),
        json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}),
        json!({"other": 1}),
    ] {
        assert!(load(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn a_key_set_has_rsa_and_p256_keys_too_and_never_a_symmetric_one() {
    let der = |name: &str| {
        let text = pem_of(name).lines().filter(|line| !line.starts_with('-')).collect::<String>();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
    };
    let (rsa, ec) = (der("rsa.pub.pem"), der("ec.pub.pem"));
    let info = |der| spki::SubjectPublicKeyInfoRef::try_from(der).unwrap().subject_public_key.raw_bytes();
    let key = pkcs1::RsaPublicKey::try_from(info(&rsa[..])).unwrap();
    let (n, e) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
    let point = info(&ec[..]);
    let rsa = json!({"kty": "RSA", "n": base64(n), "e": base64(e), "kid": "r", "use": "sig", "alg": "RS256"});
    let ec = json!({"kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..]), "kid": "e"});
    let home = tempfile::tempdir().unwrap();
    let load = |set: Value| {
        let public = Some(write(&home, "set.json", set.to_string().as_bytes()));
        let files = KeyFiles { secret: None, public };
        KeySet::load(&files).map(|_| TokenVerifier::open(own(&files)).unwrap())
    };
    let verifier = load(json!({"keys": [rsa, ec]})).unwrap();
    let token = token_of(&json!({"alg": "RS256", "kid": "r"}), claims(), by_rsa("rsa.key.pem"));
    assert!(verifier.check(&token, NOW_MS).is_ok());
    assert!(verifier.check(&token_of(&json!({"alg": "ES256", "kid": "e"}), claims(), by_ec), NOW_MS).is_ok());
    // A key with an algorithm that does not fit its type is not used, so no key is left.
    let wrong = json!({"kty": "RSA", "n": base64(n), "e": base64(e), "alg": "ES256"});
    let only = json!({"kty": "RSA", "n": base64(n), "e": base64(e), "alg": "PS256", "kid": "r"});
    assert_eq!(load(json!({"keys": [only]})).unwrap().check(&token, NOW_MS), Err(TokenRefusal::Algorithm));
    assert!(load(json!({"keys": [wrong]})).is_err());
    // A symmetric key next to public keys is a secret in a public file.
    let symmetric = json!({"kty": "oct", "k": "c2VjcmV0"});
    assert!(load(json!({"keys": [rsa, symmetric, ec]})).unwrap_err().to_string().contains("symmetric"));
}

#[test]
fn a_key_file_may_have_one_mebibyte_and_no_byte_more() {
    let home = tempfile::tempdir().unwrap();
    let load = |bytes: usize| {
        let mut text = pem_of("ed.pub.pem");
        text.push_str(&" ".repeat(bytes - text.len()));
        let public = Some(write(&home, "keys", text.as_bytes()));
        KeySet::load(&KeyFiles { secret: None, public }).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(load(1024 * 1024), Ok(()));
    assert!(load(1024 * 1024 + 1).is_err_and(|error| error.contains("larger than 1 MiB")));
}

#[test]
fn each_refusal_has_a_label_of_its_own() {
    let all = [
        (TokenRefusal::Missing, "missing"),
        (TokenRefusal::Malformed, "malformed"),
        (TokenRefusal::Algorithm, "algorithm"),
        (TokenRefusal::UnknownKey, "unknownKey"),
        (TokenRefusal::Signature, "signature"),
        (TokenRefusal::Expired(0), "expired"),
        (TokenRefusal::Early(0), "early"),
        (TokenRefusal::Issuer, "issuer"),
        (TokenRefusal::Audience, "audience"),
        (TokenRefusal::Claims(String::new()), "claims"),
        (TokenRefusal::Role(String::new()), "role"),
        (TokenRefusal::Revoked, "revoked"),
    ];
    assert_eq!(all.len(), TokenRefusal::LABELS.len());
    for (refusal, label) in all {
        assert_eq!(TokenRefusal::LABELS[refusal.label()], label);
    }
}

#[test]
fn a_wrong_key_file_says_why() {
    let home = tempfile::tempdir().unwrap();
    let ed = pem_of("ed.pub.pem");
    let too_many: String = (0..=KEYS_MAX).map(|number| format!("kid: {number}\n{ed}")).collect();
    for (text, says) in [
        ("", "no PEM block"),
        ("kid: a\n", "no PEM block"),
        (&pem_of("ed.key.pem"), "belongs to the token service"),
        (&pem_of("ca.pem"), "openssl x509 -pubkey"),
        (&pem_of("rsa-weak.pub.pem"), "1024 bits"),
        (&ed[..60], "has no end"),
        (&ed.replace("MCow", "MCox"), "is damaged"),
        (&too_many, "more than 100 keys"),
        ("{", "not a JSON Web Key Set"),
    ] {
        let public = Some(write(&home, "keys", text.as_bytes()));
        let error = KeySet::load(&KeyFiles { secret: None, public }).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("/keys: "), "{text}: {error}");
    }
    for (secret, says) in [("", "is empty"), ("\n", "is empty"), (ed.as_str(), "--auth-public-key-file")] {
        let secret = Some(write(&home, "secret", secret.as_bytes()));
        let error = KeySet::load(&KeyFiles { secret, public: None }).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let missing = KeyFiles { secret: Some(home.path().join("missing")), public: None };
    assert!(KeySet::load(&missing).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn line_ends_and_byte_order_marks_are_not_part_of_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let minted = |bytes: &[u8]| {
        let secret = write(&home, "secret", bytes);
        let request = TokenRequest {
            subject: "bot".into(),
            role: Role::Provider,
            groups: Vec::new(),
            workspace: Some("acme".into()),
            issuer: None,
            audience: None,
            issued: NOW,
            expires: NOW + 60,
        };
        mint(&secret, &request).unwrap()
    };
    let by_library = |secret: &[u8]| {
        let claims = json!({"sub": "bot", "role": "provider", "workspace": "acme", "iat": NOW, "exp": NOW + 60});
        token_of(&json!({"alg": "HS256"}), claims, by_secret(secret))
    };
    for (file, secret) in [
        (b"short\n".as_slice(), b"short".as_slice()),
        (b"short\r\n", b"short"),
        (b"a\r\n\n", b"a"),
        (b"\xef\xbb\xbfa\n", b"a"),
        (b"\xff\n", b"\xff\n"),
    ] {
        let token = minted(file);
        let files = KeyFiles { secret: Some(home.path().join("secret")), public: None };
        let verifier = TokenVerifier::open(own(&files)).unwrap();
        assert!(verifier.check(&token, NOW_MS).is_ok());
        assert_eq!(verifier.check(&by_library(secret), NOW_MS).unwrap().workspace, "acme");
        let files = KeyFiles { secret: Some(home.path().join("secret")), public: None };
        assert!(KeySet::load(&files).unwrap().warnings()[0].contains("can be guessed"));
    }
}

#[test]
fn no_debug_text_shows_a_key() {
    let bench = Bench::new();
    let shown = format!("{:?}", bench.verifier);
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("48, 49, 50"), "{shown}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics_or_is_accepted(text in "[A-Za-z0-9_.-]{0,80}|\\PC{0,40}") {
        let home = tempfile::tempdir().unwrap();
        let files = KeyFiles { secret: Some(write(&home, "secret", SECRET)), public: None };
        let verifier = TokenVerifier::open(own(&files)).unwrap();
        proptest::prop_assert!(verifier.check(&text, NOW_MS).is_err());
    }
}
