//! Tokens good and bad, and the files that keys are read from.

// A JSON object that a test has just built is given away, as a caller would.
#![allow(clippy::needless_pass_by_value)]

#[path = "../../tests/auth/forge.rs"]
mod forge;

use std::fs;
use std::path::{Path, PathBuf};

use forge::{base64, by_ec, by_ed, by_rsa, by_secret, private, token_of};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Role;

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

/// A gate with the secret and all the public keys, by the names `r`, `e` and, unnamed, Ed25519.
struct Bench {
    home: tempfile::TempDir,
    gate: Gate,
}

impl Bench {
    fn new() -> Self {
        Self::with(Rules::default())
    }

    fn with(rules: Rules) -> Self {
        let home = tempfile::tempdir().unwrap();
        let files = KeyFiles {
            secret: Some(write(&home, "secret", SECRET)),
            public: Some(write(&home, "keys.pem", three_keys().as_bytes())),
        };
        let gate = Gate::open(files, rules, Some(&home.path().join("revoked"))).unwrap();
        Self { home, gate }
    }

    fn check(&self, token: &str) -> Result<Claims, Refused> {
        self.gate.check(token, NOW_MS)
    }

    /// What a token signed by the secret with these claims comes to.
    fn claim(&self, claims: &Value) -> Result<Claims, Refused> {
        self.check(&token_of(&json!({"alg": "HS256"}), claims, by_secret(SECRET)))
    }
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
fn each_of_the_four_algorithms_signs() {
    let bench = Bench::new();
    let claims = claims().to_string();
    for token in [
        token_of(&json!({"alg": "HS256", "typ": "JWT"}), &claims, by_secret(SECRET)),
        token_of(&json!({"alg": "RS256", "kid": "r"}), &claims, by_rsa("rsa.key.pem")),
        token_of(&json!({"alg": "RS256"}), &claims, by_rsa("rsa.key.pem")),
        token_of(&json!({"alg": "ES256", "kid": "e"}), &claims, by_ec),
        token_of(&json!({"alg": "EdDSA"}), &claims, by_ed),
        token_of(&json!({"alg": "EdDSA", "kid": "unknown, so the unnamed key"}), &claims, by_ed),
    ] {
        let claims = bench.check(&token).unwrap();
        assert_eq!((claims.subject.as_str(), claims.role, claims.workspace.as_str()), ("ada", Role::Agent, "default"));
        assert_eq!((claims.ends_ms, claims.issued_ms), (NOW_MS + 60_000, Some(NOW_MS)));
    }
}

#[test]
fn no_key_is_ever_taken_for_one_of_another_kind() {
    let bench = Bench::new();
    let text = claims().to_string();
    let unsigned = format!("{}.{}.", base64(br#"{"alg":"none"}"#), base64(text.as_bytes()));
    for (forged, why) in [
        (unsigned, Refused::Malformed),
        (token_of(&json!({"alg": "None"}), &text, |_| Vec::new()), Refused::Malformed),
        (token_of(&json!({"alg": "HS256"}), &text, |_| Vec::new()), Refused::Signature),
        // The public key as the secret, in every form that it is at hand in.
        (token_of(&json!({"alg": "HS256"}), &text, by_secret(pem_of("rsa.pub.pem").as_bytes())), Refused::Signature),
        (token_of(&json!({"alg": "HS256"}), &text, by_secret(three_keys().as_bytes())), Refused::Signature),
        (token_of(&json!({"alg": "HS256", "kid": "r"}), &text, by_rsa("rsa.key.pem")), Refused::Signature),
        (token_of(&json!({"alg": "RS256", "kid": "r"}), &text, by_secret(SECRET)), Refused::Signature),
        (token_of(&json!({"alg": "RS256", "kid": "e"}), &text, by_ec), Refused::UnknownKey),
        (token_of(&json!({"alg": "ES256", "kid": "e"}), &text, by_ed), Refused::Signature),
        (token_of(&json!({"alg": "ES256"}), &text, |_| vec![0; 64]), Refused::Signature),
        (token_of(&json!({"alg": "RS256"}), &text, by_rsa("rsa-other.key.pem")), Refused::Signature),
        (token_of(&json!({"alg": "HS512"}), &text, by_secret(SECRET)), Refused::Algorithm),
        (token_of(&json!({"alg": "PS256"}), &text, by_rsa("rsa.key.pem")), Refused::Algorithm),
    ] {
        assert_eq!(bench.check(&forged), Err(why), "{forged}");
    }
}

#[test]
fn a_header_cannot_bring_its_own_key_nor_lead_to_one() {
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
            assert_eq!(bench.check(&token_of(&header, &text, by_secret(key))), Err(Refused::Signature), "{header}");
        }
    }
    let extended = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    assert_eq!(bench.check(&token_of(&extended, &text, by_secret(SECRET))), Err(Refused::Malformed));
}

#[test]
fn a_changed_or_swapped_part_spoils_the_signature() {
    let bench = Bench::new();
    let good = token_of(&json!({"alg": "HS256"}), claims(), by_secret(SECRET));
    let boss = with(json!({"sub": "boss"})).to_string();
    let other = token_of(&json!({"alg": "HS256"}), &boss, by_secret(b"not the secret"));
    let parts: Vec<_> = good.split('.').collect();
    let others: Vec<_> = other.split('.').collect();
    assert_eq!(bench.check(&[parts[0], others[1], parts[2]].join(".")), Err(Refused::Signature));
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
    assert!(bench.gate.check(&soon, NOW_MS + 999).is_ok());
    assert_eq!(bench.gate.check(&soon, NOW_MS + 1000), Err(Refused::Expired), "at its exp it is over");
    assert!(bench.check(&exact(json!(NOW as f64 + 0.25))).is_ok_and(|claims| claims.ends_ms == NOW_MS + 250));
    assert!(bench.check(&exact(json!(1e300))).is_ok_and(|claims| claims.ends_ms == u64::MAX));
    assert_eq!(bench.check(&exact(json!(-5))), Err(Refused::Expired));
    for wrong in [json!("1900000000"), json!(true), json!([NOW + 60])] {
        assert_eq!(bench.check(&exact(wrong)), Err(Refused::Malformed));
    }
    assert_eq!(bench.claim(&with(json!({"nbf": NOW + 1}))), Err(Refused::Early));
    assert_eq!(bench.claim(&with(json!({"iat": NOW + 1}))), Err(Refused::Early));
    assert!(bench.claim(&with(json!({"nbf": NOW, "iat": null}))).is_ok());
}

#[test]
fn leeway_bends_every_time_and_no_more() {
    let bench = Bench::with(Rules { leeway_ms: 5000, ..Rules::default() });
    assert!(bench.claim(&with(json!({"exp": NOW - 4}))).is_ok_and(|claims| claims.ends_ms == NOW_MS + 1000));
    assert_eq!(bench.claim(&with(json!({"exp": NOW - 5}))), Err(Refused::Expired));
    assert!(bench.claim(&with(json!({"nbf": NOW + 5, "iat": NOW + 5}))).is_ok());
    assert_eq!(bench.claim(&with(json!({"nbf": NOW + 6}))), Err(Refused::Early));
}

#[test]
fn claims_are_held_to_the_wires_rules() {
    let bench = Bench::new();
    let long = "n".repeat(129);
    let many: Vec<_> = (0..65).map(|number| number.to_string()).collect();
    for wrong in [
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": long}),
        json!({"sub": "a\r\nb"}),
        json!({"sub": "a\u{202e}b"}),
        json!({"role": null}),
        json!({"role": "admin"}),
        json!({"role": "Agent"}),
        json!({"exp": null}),
        json!({"workspace": ""}),
        json!({"workspace": long}),
        json!({"groups": [""]}),
        json!({"groups": many}),
    ] {
        assert!(matches!(bench.claim(&with(wrong.clone())), Err(Refused::Claims(_))), "{wrong}");
    }
    for wrong in [json!({"sub": 7}), json!({"groups": "billing"}), json!({"groups": [7]}), json!({"workspace": {}})] {
        assert_eq!(bench.claim(&with(wrong.clone())), Err(Refused::Malformed), "{wrong}");
    }
    let twice = r#"{"sub":"ada","sub":"boss","role":"agent","exp":1900000000}"#;
    assert_eq!(bench.check(&token_of(&json!({"alg": "HS256"}), twice, by_secret(SECRET))), Err(Refused::Malformed));
    let claims = bench.claim(&with(json!({"groups": ["a", "b", "a"], "workspace": "acme", "extra": [1]}))).unwrap();
    assert_eq!((claims.groups.len(), claims.workspace.as_str()), (2, "acme"));
}

#[test]
fn issuer_and_audience_count_where_they_are_configured() {
    let rules = Rules { issuer: Some("https://id.example".into()), audience: Some("deskbell".into()), leeway_ms: 0 };
    let bench = Bench::with(rules);
    let good = json!({"iss": "https://id.example", "aud": ["other", "deskbell"]});
    assert!(bench.claim(&with(good)).is_ok());
    for (wrong, why) in [
        (json!({"aud": "deskbell"}), Refused::Issuer),
        (json!({"iss": "https://evil.example", "aud": "deskbell"}), Refused::Issuer),
        (json!({"iss": 7, "aud": "deskbell"}), Refused::Issuer),
        (json!({"iss": "https://id.example"}), Refused::Audience),
        (json!({"iss": "https://id.example", "aud": "deskbell2"}), Refused::Audience),
        (json!({"iss": "https://id.example", "aud": []}), Refused::Audience),
    ] {
        assert_eq!(bench.claim(&with(wrong.clone())), Err(why), "{wrong}");
    }
    assert!(Bench::new().claim(&with(json!({"iss": "anyone", "aud": "anything"}))).is_ok());
}

#[test]
fn what_a_revoked_subject_had_is_refused_and_what_it_gets_later_is_not() {
    let bench = Bench::new();
    bench.gate.revoke(None, "ada", NOW_MS).unwrap();
    bench.gate.revoke(Some("acme"), "bob", NOW_MS).unwrap();
    let again = Gate::open(bench.gate.files().clone(), Rules::default(), Some(&bench.home.path().join("revoked")));
    for gate in [&bench.gate, &again.unwrap()] {
        let check = |claims: Value, now_ms| {
            gate.check(&token_of(&json!({"alg": "HS256"}), &claims, by_secret(SECRET)), now_ms).map(drop)
        };
        assert_eq!(check(claims(), NOW_MS), Err(Refused::Revoked));
        assert_eq!(check(with(json!({"iat": null})), NOW_MS), Err(Refused::Revoked), "nobody knows when");
        assert_eq!(check(with(json!({"workspace": "acme"})), NOW_MS), Err(Refused::Revoked), "in every workspace");
        assert_eq!(check(with(json!({"iat": NOW + 1})), NOW_MS + 1000), Ok(()));
        assert_eq!(check(with(json!({"sub": "bob"})), NOW_MS), Ok(()), "only in acme");
        assert_eq!(check(with(json!({"sub": "bob", "workspace": "acme"})), NOW_MS), Err(Refused::Revoked));
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(bench.home.path().join("revoked")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn revocations_are_bounded_and_none_is_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let files = KeyFiles { secret: Some(write(&home, "secret", SECRET)), public: None };
    let gate = Gate::open(files, Rules::default(), None).unwrap();
    for number in 0..REVOKED_MAX {
        gate.revoke(None, &number.to_string(), NOW_MS).unwrap();
    }
    assert!(matches!(gate.revoke(None, "one more", NOW_MS), Err(RevokeError::Full)));
    gate.revoke(None, "0", NOW_MS + 5000).unwrap();
}

#[test]
fn keys_are_reloaded_and_a_wrong_file_leaves_the_old_ones() {
    let bench = Bench::new();
    let by_r = token_of(&json!({"alg": "RS256", "kid": "r"}), claims(), by_rsa("rsa.key.pem"));
    let by_next = token_of(&json!({"alg": "RS256", "kid": "next"}), claims(), by_rsa("rsa-other.key.pem"));
    assert_eq!(bench.check(&by_next), Err(Refused::UnknownKey));
    let path = bench.gate.files().public.clone().unwrap();
    fs::write(&path, "-----BEGIN PUBLIC KEY-----\nnonsense").unwrap();
    assert!(bench.gate.reload().is_err());
    assert!(bench.check(&by_r).is_ok());
    fs::write(&path, format!("kid: next\n{}", pem_of("rsa-other.pub.pem"))).unwrap();
    bench.gate.reload().unwrap();
    assert!(bench.check(&by_next).is_ok());
    assert_eq!(bench.check(&by_r), Err(Refused::UnknownKey));
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
        Gate::open(KeyFiles { secret: None, public }, Rules::default(), None)
    };
    let gate = load(json!({"keys": [ed, other, for_encryption]})).unwrap();
    assert_eq!((gate.keys().count(), gate.keys().notices().len()), (1, 2));
    let token = token_of(&json!({"alg": "EdDSA", "kid": "one"}), claims(), by_ed);
    assert!(gate.check(&token, NOW_MS).is_ok());
    for wrong in [
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        json!({"keys": [ed, ed]}),
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
    let Some(der::PublicKey::Rsa { n, e }) = der::public_key(&rsa) else { panic!("an RSA key") };
    let Some(der::PublicKey::P256(point)) = der::public_key(&ec) else { panic!("a P-256 key") };
    let rsa = json!({"kty": "RSA", "n": base64(n), "e": base64(e), "kid": "r", "use": "sig", "alg": "RS256"});
    let ec = json!({"kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..]), "kid": "e"});
    let home = tempfile::tempdir().unwrap();
    let load = |set: Value| {
        let public = Some(write(&home, "set.json", set.to_string().as_bytes()));
        Gate::open(KeyFiles { secret: None, public }, Rules::default(), None)
    };
    let gate = load(json!({"keys": [rsa, ec]})).unwrap();
    let token = token_of(&json!({"alg": "RS256", "kid": "r"}), claims(), by_rsa("rsa.key.pem"));
    assert!(gate.check(&token, NOW_MS).is_ok());
    assert!(gate.check(&token_of(&json!({"alg": "ES256", "kid": "e"}), claims(), by_ec), NOW_MS).is_ok());
    // For another algorithm than it can have: not used, and then there is none.
    let wrong = json!({"kty": "RSA", "n": base64(n), "e": base64(e), "alg": "PS256"});
    assert!(load(json!({"keys": [wrong]})).is_err());
    // A symmetric key beside good ones is a secret in a public file.
    let symmetric = json!({"kty": "oct", "k": "c2VjcmV0"});
    assert!(load(json!({"keys": [rsa, symmetric, ec]})).unwrap_err().to_string().contains("symmetric"));
}

#[test]
fn a_key_file_may_have_one_mebibyte_and_not_one_byte_more() {
    let home = tempfile::tempdir().unwrap();
    let load = |bytes: usize| {
        let mut text = pem_of("ed.pub.pem");
        text.push_str(&" ".repeat(bytes - text.len()));
        let public = Some(write(&home, "keys", text.as_bytes()));
        Keys::load(&KeyFiles { secret: None, public }).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(load(1024 * 1024), Ok(()));
    assert!(load(1024 * 1024 + 1).is_err_and(|error| error.contains("larger than 1 MiB")));
}

#[test]
fn each_refusal_has_a_label_of_its_own() {
    let all = [
        (Refused::Missing, "missing"),
        (Refused::Malformed, "malformed"),
        (Refused::Algorithm, "algorithm"),
        (Refused::UnknownKey, "unknownKey"),
        (Refused::Signature, "signature"),
        (Refused::Expired, "expired"),
        (Refused::Early, "early"),
        (Refused::Issuer, "issuer"),
        (Refused::Audience, "audience"),
        (Refused::Claims(String::new()), "claims"),
        (Refused::Revoked, "revoked"),
    ];
    assert_eq!(all.len(), Refused::LABELS.len());
    for (refused, label) in all {
        assert_eq!(Refused::LABELS[refused.label()], label);
    }
}

#[test]
fn what_an_interrupted_write_left_does_not_end_up_among_the_revocations() {
    let bench = Bench::new();
    write(&bench.home, "revoked.new", "{\"subject\":\"left over\",\"at\":1}\n".repeat(100).as_bytes());
    bench.gate.revoke(None, "ada", NOW_MS).unwrap();
    let text = fs::read_to_string(bench.home.path().join("revoked")).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("ada"), "{text}");
}

#[test]
fn a_file_that_is_no_file_of_keys_says_why() {
    let home = tempfile::tempdir().unwrap();
    let ed = pem_of("ed.pub.pem");
    let too_many: String = (0..=KEYS_MAX).map(|number| format!("kid: {number}\n{ed}")).collect();
    for (text, says) in [
        ("", "no PEM block"),
        ("kid: a\n", "no PEM block"),
        (&pem_of("ed.key.pem"), "belongs to who signs"),
        (&pem_of("ca.pem"), "openssl x509 -pubkey"),
        (&pem_of("rsa-weak.pub.pem"), "1024 bits"),
        (&format!("kid: a\n{ed}kid: a\n{ed}"), "two keys have the `kid` \"a\""),
        (&format!("kid: {}\n{ed}", "n".repeat(129)), "129 bytes"),
        (&ed[..60], "has no end"),
        (&ed.replace("MCow", "MCox"), "none for RS256"),
        (&too_many, "more than 32 keys"),
        ("{", "no JSON Web Key Set"),
    ] {
        let public = Some(write(&home, "keys", text.as_bytes()));
        let error = Keys::load(&KeyFiles { secret: None, public }).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("/keys: "), "{text}: {error}");
    }
    for (secret, says) in [("", "is empty"), ("\n", "is empty"), (ed.as_str(), "--auth-public-key-file")] {
        let secret = Some(write(&home, "secret", secret.as_bytes()));
        let error = Keys::load(&KeyFiles { secret, public: None }).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let missing = KeyFiles { secret: Some(home.path().join("missing")), public: None };
    assert!(Keys::load(&missing).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn the_line_end_of_a_secret_is_not_part_of_it_and_a_short_one_is_told() {
    let home = tempfile::tempdir().unwrap();
    let minted = |bytes: &[u8]| {
        let secret = write(&home, "secret", bytes);
        let wanted = Wanted {
            subject: "bot".into(),
            role: Role::Provider,
            groups: Vec::new(),
            workspace: Some("acme".into()),
            issuer: None,
            audience: None,
            issued: NOW,
            expires: NOW + 60,
        };
        mint(&secret, &wanted).unwrap()
    };
    let by_library = |secret: &[u8]| {
        let claims = json!({"sub": "bot", "role": "provider", "workspace": "acme", "iat": NOW, "exp": NOW + 60});
        encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    for (file, secret) in [
        (b"short\n".as_slice(), b"short".as_slice()),
        (b"short\r\n", b"short"),
        (b"a\n\n", b"a\n"),
        (b"\xff\n", b"\xff\n"),
    ] {
        let token = minted(file);
        let files = KeyFiles { secret: Some(home.path().join("secret")), public: None };
        let gate = Gate::open(files, Rules::default(), None).unwrap();
        assert!(gate.check(&token, NOW_MS).is_ok());
        assert_eq!(gate.check(&by_library(secret), NOW_MS).unwrap().workspace, "acme");
        assert!(gate.keys().notices()[0].contains("can be guessed"));
    }
}

#[test]
fn no_debug_text_shows_a_key() {
    let bench = Bench::new();
    let shown = format!("{:?}", bench.gate);
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("48, 49, 50"), "{shown}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_none_comes_in(text in "[A-Za-z0-9_.-]{0,80}|\\PC{0,40}") {
        let home = tempfile::tempdir().unwrap();
        let files = KeyFiles { secret: Some(write(&home, "secret", SECRET)), public: None };
        let gate = Gate::open(files, Rules::default(), None).unwrap();
        proptest::prop_assert!(gate.check(&text, NOW_MS).is_err());
    }
}
