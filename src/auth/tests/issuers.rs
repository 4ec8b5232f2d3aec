//! Several issuers: which keys verify a token, and what each issuer may grant.

use std::sync::Arc;

use super::forge::{by_ec, by_ed, by_rsa, token_of};
use super::*;
use crate::auth::{Issuer, JwksLocation};

/// An issuer with the public key in that file.
fn issuer(name: &str, key: &str) -> Issuer {
    let mut issuer = Issuer::new(name);
    issuer.jwks = JwksLocation::File(key_file(key));
    issuer
}

fn verifier(issuers: Vec<Issuer>) -> TokenVerifier {
    TokenVerifier::open(VerifierSettings { issuers, ..VerifierSettings::default() }).unwrap()
}

fn check(
    verifier: &TokenVerifier,
    alg: &str,
    claims: Value,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Claims, TokenRefusal> {
    verifier.check(&token_of(&json!({"alg": alg}), with(claims).to_string(), sign), NOW_MS)
}

#[test]
fn a_token_is_verified_with_the_keys_of_its_issuer_only() {
    let verifier = verifier(vec![issuer("https://a", "rsa.pub.pem"), issuer("https://b", "ec.pub.pem")]);
    let rsa = || by_rsa("rsa.key.pem");
    let granted = check(&verifier, "RS256", json!({"iss": "https://a"}), rsa()).unwrap();
    assert_eq!(granted.issuer.as_deref(), Some("https://a"));
    assert!(check(&verifier, "ES256", json!({"iss": "https://b"}), by_ec).is_ok());
    for (alg, claims, refusal) in [
        ("RS256", json!({"iss": "https://b"}), TokenRefusal::Algorithm),
        ("RS256", json!({"iss": "https://c"}), TokenRefusal::Issuer),
        ("RS256", json!({}), TokenRefusal::Issuer),
        ("RS256", json!({"iss": ["https://a"]}), TokenRefusal::Issuer),
        ("RS256", json!({"iss": "https://a/"}), TokenRefusal::Issuer),
    ] {
        assert_eq!(check(&verifier, alg, claims.clone(), rsa()), Err(refusal), "{claims}");
    }
    assert_eq!(check(&verifier, "ES256", json!({"iss": "https://b"}), by_ed), Err(TokenRefusal::Signature));
}

#[test]
fn an_issuer_grants_its_own_roles_workspaces_and_subjects_only() {
    let mut acme = issuer("https://acme", "rsa.pub.pem");
    acme.claims.role = "realm_access.roles".parse().unwrap();
    acme.roles = Some(vec![(Role::Agent, vec!["desk".into()]), (Role::Observer, vec!["wall".into()])]);
    acme.workspaces = Some(vec!["acme".into(), "lab".into()]);
    let mut bots = issuer("https://bots", "ec.pub.pem");
    bots.roles = Some(vec![(Role::Provider, vec!["bot".into()]), (Role::Agent, vec!["bot-desk".into()])]);
    bots.workspaces = Some(vec!["acme".into()]);
    bots.subject_prefix = "bots:".into();
    let verifier = verifier(vec![acme, bots]);
    let rsa = |claims: Value| check(&verifier, "RS256", claims, by_rsa("rsa.key.pem"));
    let claims = |roles: &[&str], workspace: &str, sub: &str| json!({"iss": "https://acme", "realm_access": {"roles": roles}, "workspace": workspace, "sub": sub});
    let granted = rsa(claims(&["desk", "wall", "bot", "provider"], "lab", "ada")).unwrap();
    assert_eq!((&granted.roles[..], granted.workspace.as_str()), (&[Role::Agent, Role::Observer][..], "lab"));
    assert_eq!(rsa(claims(&["bot", "provider"], "lab", "ada")).unwrap().roles, [], "no role of another issuer");
    for (claims, path) in [
        (claims(&["desk"], "other", "ada"), "`workspace`"),
        (json!({"iss": "https://acme", "realm_access": {"roles": ["desk"]}}), "`workspace`"),
        (claims(&["desk"], "acme", "bots:ada"), "`sub`"),
        (json!({"iss": "https://acme", "realm_access": {}, "workspace": "acme"}), "`realm_access.roles`"),
    ] {
        let Err(TokenRefusal::Claims(text)) = rsa(claims.clone()) else { panic!("{claims}") };
        assert!(text.starts_with(path), "{text}");
    }
    let bot = check(&verifier, "ES256", json!({"iss": "https://bots", "role": "bot", "sub": "ada"}), by_ec).unwrap();
    assert_eq!(
        (bot.subject.as_str(), bot.workspace.as_str()),
        ("bots:ada", "acme"),
        "the only workspace is the default"
    );
}

#[test]
fn an_audience_can_be_a_client_id_and_only_without_aud() {
    let mut issuer = issuer("https://a", "ec.pub.pem");
    issuer.audiences = vec!["desk".into(), "bell".into()];
    let verifier = verifier(vec![issuer]);
    let check = |claims: Value| {
        let mut all = json!({"iss": "https://a"});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        check(&verifier, "ES256", all, by_ec).map(drop)
    };
    for good in
        [json!({"aud": "desk"}), json!({"aud": ["x", "bell"]}), json!({"client_id": "desk"}), json!({"azp": "bell"})]
    {
        assert_eq!(check(good.clone()), Ok(()), "{good}");
    }
    for bad in [json!({}), json!({"aud": "x", "client_id": "desk"}), json!({"aud": []}), json!({"client_id": ["desk"]})]
    {
        assert_eq!(check(bad.clone()), Err(TokenRefusal::Audience), "{bad}");
    }
}

#[test]
fn a_token_that_is_too_old_or_without_a_time_of_issue_is_refused() {
    let issuers = vec![issuer("https://a", "ec.pub.pem")];
    let settings = VerifierSettings { issuers, token_age_max_ms: Some(60_000), ..VerifierSettings::default() };
    let verifier = TokenVerifier::open(settings).unwrap();
    let check =
        |iat: Value| check(&verifier, "ES256", json!({"iss": "https://a", "iat": iat, "exp": NOW + 9_000}), by_ec);
    assert_eq!(
        check(json!(NOW - 30)).unwrap().ends_ms,
        NOW_MS + 30_000,
        "the connection ends when the token is too old"
    );
    assert!(matches!(check(json!(NOW - 60)), Err(TokenRefusal::Expired(0))));
    assert!(matches!(check(Value::Null), Err(TokenRefusal::Claims(_))));
}

#[test]
fn the_order_of_checks_reveals_nothing_before_the_signature() {
    let mut issuer = issuer("https://a", "ec.pub.pem");
    issuer.audiences = vec!["desk".into()];
    let verifier = verifier(vec![issuer]);
    let wrong = json!({"iss": "https://a", "exp": 1, "aud": "x", "sub": 7});
    assert_eq!(check(&verifier, "ES256", wrong.clone(), by_ed), Err(TokenRefusal::Signature));
    assert!(matches!(check(&verifier, "ES256", wrong, by_ec), Err(TokenRefusal::Expired(_))));
    let late = json!({"iss": "https://a", "aud": "x", "sub": 7});
    assert_eq!(check(&verifier, "ES256", late, by_ec), Err(TokenRefusal::Audience));
}

#[tokio::test]
async fn an_issuer_without_keys_refuses_tokens_until_it_has_some() {
    let mut issuer = Issuer::new("http://127.0.0.1:1");
    issuer.jwks = JwksLocation::Url("http://127.0.0.1:1/jwks".into());
    let verifier = Arc::new(verifier(vec![issuer]));
    assert_eq!(verifier.issuers_without_keys().collect::<Vec<_>>(), ["http://127.0.0.1:1"]);
    assert_eq!(check(&verifier, "ES256", json!({"iss": "http://127.0.0.1:1"}), by_ec), Err(TokenRefusal::UnknownKey));
}
