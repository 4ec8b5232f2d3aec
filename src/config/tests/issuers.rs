//! `[[auth.issuers]]`: what is parsed and rejected, and the configurations that docs/identity.md prints.

// A JSON object that a test has just built is given away, as a caller would.
#![allow(clippy::needless_pass_by_value)]

use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::Setup;
use crate::auth::{Claims, JwksLocation, TokenRefusal, TokenVerifier, VerifierSettings};
use deskbell_protocol::Role;

const NOW: u64 = 1_800_000_000;

#[test]
fn every_error_of_an_issuer_has_its_place() {
    let setup = Setup::file(
        "[[auth.issuers]]\n\
         issuer = 'http://id.example'\n\
         audiences = 'x'\n\
         jwks = 'ftp://x/y'\n\
         claims = { role = 'a..b', roles = 'x' }\n\
         roles = { boss = ['x'], agent = 5 }\n\
         workspaces = ['']\n\
         subjectPrefix = 7\n\
         [[auth.issuers]]\n\
         audience = 5\n",
    );
    let title = "[[auth.issuers]] \"http://id.example\"";
    let expected = [
        "1:1: [[auth.issuers]] number 2".to_owned(),
        format!("3:1: {title}: unknown key \"audiences\"; did you mean audience?"),
        format!("4:8: {title} jwks: \"ftp://x/y\" is not an https URL, or an http URL of this machine"),
        format!("5:19: {title} claims.role: \"a..b\" is not a path"),
        format!("5:27: {title} claims: unknown key \"roles\"; did you mean role?"),
        format!("6:11: {title} roles: unknown key \"boss\""),
        format!("6:33: {title} roles.agent: 5 is not a string"),
        format!("7:15: {title} workspaces: \"\" is empty"),
        format!("8:17: {title} subjectPrefix: 7 is not a string"),
        "9:1: [[auth.issuers]] number 2: issuer is missing".to_owned(),
        "9:1: [[auth.issuers]] number 2: roles is missing; with several issuers".to_owned(),
        "9:1: [[auth.issuers]] number 2: workspaces is missing; with several issuers".to_owned(),
        "10:12: [[auth.issuers]] number 2 audience: 5 is not a string".to_owned(),
    ];
    let errors = setup.errors();
    for expected in &expected[1..] {
        let start = format!("deskbell.toml:{expected}");
        assert!(errors.iter().any(|error| error.starts_with(&start)), "no {start} in {errors:#?}");
    }
}

#[test]
fn two_issuers_need_different_prefixes_where_they_overlap() {
    let two = |first: &str, second: &str| {
        let issuer =
            |name: &str, more: &str| format!("[[auth.issuers]]\nissuer = 'https://{name}'\naudience = 'x'\n{more}\n");
        Setup::file(format!("{}{}", issuer("a", first), issuer("b", second)))
    };
    let agents = "roles = { agent = ['x'] }\nworkspaces = ['w']";
    assert_eq!(
        two(agents, agents).errors(),
        ["deskbell.toml:6:1: [[auth.issuers]] \"https://b\": it can grant the same role in the same workspace as \
          \"https://a\"; give them different subjectPrefixes"]
    );
    for other in [
        "roles = { agent = ['x'] }\nworkspaces = ['w']\nsubjectPrefix = 'b:'",
        "roles = { provider = ['x'] }\nworkspaces = ['w']",
        "roles = { agent = ['x'] }\nworkspaces = ['v']",
    ] {
        assert_eq!(two(agents, other).load().auth.issuers.len(), 2, "{other}");
    }
    let many: String = (0..17).map(|n| format!("[[auth.issuers]]\nissuer = 'https://{n}'\n")).collect();
    assert!(Setup::file(many).errors()[0].ends_with("17 issuers; allowed: at most 16"));
}

#[test]
fn what_probably_is_a_mistake_is_a_warning() {
    let config = Setup::file("[[auth.issuers]]\nissuer = 'https://a'\nclaims = { subject = 'email' }").load();
    assert!(config.warnings[0].contains("it has no audience"), "{:?}", config.warnings);
    assert!(config.warnings[1].contains("`email`"), "{:?}", config.warnings);
    assert!(config.auth.is_on());
}

/// What the configuration of that section of docs/identity.md grants a token with these claims.
fn granted(section: &str, claims: Value) -> Result<Claims, TokenRefusal> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/identity.md")).unwrap();
    let section = page.split(&format!("\n## {section}\n")).nth(1).expect("the section");
    let toml = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = Setup::file(toml).load();
    assert_eq!(config.warnings, [""; 0], "{section}");
    let mut issuers = config.auth.issuers;
    let key = |name: &str| root.join("tests/auth/keys").join(name);
    for issuer in &mut issuers {
        assert_eq!(issuer.jwks, JwksLocation::Discovery);
        issuer.jwks = JwksLocation::File(key("ec.pub.pem"));
    }
    let verifier = TokenVerifier::open(VerifierSettings { issuers, ..VerifierSettings::default() }).unwrap();
    let mut all = json!({"iat": NOW, "exp": NOW + 3600});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    let signed = format!("{}.{}", base64(br#"{"alg":"ES256","typ":"at+jwt"}"#), base64(all.to_string().as_bytes()));
    let key = PrivatePkcs8KeyDer::from_pem_file(key("ec.key.pem")).unwrap();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), &random).unwrap();
    let signature = key.sign(&random, signed.as_bytes()).unwrap();
    verifier.check(&format!("{signed}.{}", base64(signature.as_ref())), NOW * 1000)
}

/// Checks subject, roles and number of groups.
fn is(claims: &Claims, subject: &str, roles: &[Role], groups: usize) {
    assert_eq!((claims.subject.as_str(), &claims.roles[..], claims.groups.len()), (subject, roles, groups));
    assert_eq!(claims.workspace, "default");
}

#[test]
fn a_token_of_keycloak() {
    let token = |roles: Value| {
        granted(
            "Keycloak",
            json!({"iss": "https://id.example.com/realms/callcentre", "aud": ["deskbell", "account"], "azp": "deskbell",
                "sub": "b1f5d3a2-8c2e-4f7a-9d53-0a4f0d3f6a11", "typ": "Bearer", "preferred_username": "ada",
                "realm_access": {"roles": roles}, "resource_access": {"account": {"roles": ["view-profile"]}},
                "scope": "openid profile email", "name": "Ada Lovelace", "groups": ["/billing", "/vip"], "acr": "1"}),
        )
        .unwrap()
    };
    let ada = token(json!(["offline_access", "callcentre-agent", "uma_authorization"]));
    is(&ada, "b1f5d3a2-8c2e-4f7a-9d53-0a4f0d3f6a11", &[Role::Agent], 2);
    assert_eq!(ada.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(token(json!(["callcentre-bot"])).roles, [Role::Provider]);
    assert_eq!(token(json!(["offline_access"])).roles, []);
}

#[test]
fn a_token_of_entra_id() {
    let tenant = "11111111-2222-3333-4444-555555555555";
    let claims = granted(
        "Microsoft Entra ID",
        json!({"iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"), "tid": tenant, "ver": "2.0",
            "aud": "66666666-7777-8888-9999-000000000000", "azp": "aaaaaaaa-0000-0000-0000-000000000000", "azpacr": "1",
            "oid": "bbbbbbbb-0000-0000-0000-000000000001", "sub": "pairwise-AAAA", "name": "Ada Lovelace",
            "preferred_username": "ada@example.com", "scp": "desk", "roles": ["Deskbell.Agent"],
            "groups": ["cccccccc-0000-0000-0000-000000000001"], "nbf": NOW, "uti": "x", "rh": "0."}),
    );
    is(&claims.unwrap(), "bbbbbbbb-0000-0000-0000-000000000001", &[Role::Agent], 1);
}

#[test]
fn a_token_of_auth0() {
    let token = |sub: &str, role: &str| {
        let claims = json!({"iss": "https://example.eu.auth0.com/", "sub": sub, "azp": "client", "scope": "openid profile",
            "aud": ["https://deskbell.example.com", "https://example.eu.auth0.com/userinfo"],
            "https://deskbell.example.com/roles": [role], "https://deskbell.example.com/groups": ["billing"]});
        granted("Auth0", claims).unwrap()
    };
    is(&token("auth0|5f7c8ec7c33c6c004bbafe82", "agent"), "auth0|5f7c8ec7c33c6c004bbafe82", &[Role::Agent], 1);
    is(&token("abc123@clients", "bot"), "abc123@clients", &[Role::Provider], 1);
}

#[test]
fn a_token_of_okta() {
    let claims = granted(
        "Okta",
        json!({"ver": 1, "jti": "AT.x", "iss": "https://example.okta.com/oauth2/default", "aud": "api://default",
            "cid": "0oaexample", "uid": "00uexample", "scp": ["openid"], "auth_time": NOW, "sub": "ada@example.com",
            "deskbellRoles": ["agent"], "groups": ["Everyone", "desk"]}),
    );
    is(&claims.unwrap(), "00uexample", &[Role::Agent], 2);
}

#[test]
fn a_token_of_cognito() {
    let token = |client: &str| {
        granted(
            "Amazon Cognito",
            json!({"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["deskbell-agents", "billing"],
                "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example12", "version": 2,
                "client_id": client, "token_use": "access", "scope": "openid", "auth_time": NOW, "username": "ada"}),
        )
    };
    is(&token("4example5client6id7").unwrap(), "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", &[Role::Agent], 2);
    assert_eq!(token("another").err(), Some(TokenRefusal::Audience));
}

#[test]
fn a_token_of_google() {
    let client = "1234567890-example.apps.googleusercontent.com";
    let token = |domain: Value| {
        granted(
            "Google",
            json!({"iss": "https://accounts.google.com", "azp": client, "aud": client, "sub": "110169484474386276334",
                "hd": domain, "email": "ada@example.com", "email_verified": true, "at_hash": "x", "name": "Ada Lovelace"}),
        )
    };
    is(&token(json!("example.com")).unwrap(), "110169484474386276334", &[Role::Agent], 0);
    assert_eq!(token(json!("other.example")).unwrap().roles, []);
    assert!(matches!(token(Value::Null), Err(TokenRefusal::Claims(_))), "a private account has no domain");
}
