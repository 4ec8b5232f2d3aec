//! `[auth.oidc]`: what is parsed, rejected and warned of.

use super::Setup;
use crate::config::{Key, Setting};

const ISSUER: &str = "[[auth.issuers]]\nissuer = 'https://id.example.com/'\naudience = 'deskbell'\n";

fn file(oidc: &str) -> Setup {
    Setup::file(format!("[auth.oidc]\n{oidc}\n{ISSUER}"))
}

#[test]
fn the_pages_get_what_the_section_says() {
    let config =
        file("issuer = 'https://id.example.com/'\nclientId = 'pages'\nscopes = ['openid', 'offline_access']").load();
    assert_eq!(config.warnings, [""; 0]);
    let sign_in = crate::command::serve::gateway_settings(&config).sign_in.unwrap();
    assert_eq!(sign_in.origin, "https://id.example.com");
    let json: serde_json::Value = serde_json::from_str(&sign_in.json).unwrap();
    let expected = serde_json::json!({
        "issuer": "https://id.example.com/", "clientId": "pages", "scope": "openid offline_access", "token": "access"
    });
    assert_eq!(json, expected);
    assert_eq!(Setting::of(Key::OidcScopes).show(&config), "openid,offline_access");
    assert!(crate::command::serve::gateway_settings(&crate::config::Config::default()).sign_in.is_none());
}

#[test]
fn every_error_has_its_place() {
    for (oidc, error) in [
        ("issuer = 'https://id.example.com/'", "2:10: [auth.oidc] clientId is missing"),
        ("clientId = 'pages'", "2:12: [auth.oidc] issuer is missing"),
        (
            "issuer = 'https://id.example.com'\nclientId = 'pages'",
            "2:10: [auth.oidc] issuer: \"https://id.example.com\" is not an issuer of [[auth.issuers]]",
        ),
        ("scopes = ['profile']", "2:10: [auth.oidc] scopes: openid is missing"),
        ("scopes = ['openid', 'a b']", "2:21: [auth.oidc] scopes: \"a b\" is not a scope"),
        ("token = 'refresh'", "2:9: [auth.oidc] token: \"refresh\" is neither \"access\" nor \"id\""),
        ("client = 'pages'", "2:1: unknown key \"client\" in [auth.oidc]; did you mean clientId?"),
    ] {
        let start = format!("deskbell.toml:{error}");
        let errors = file(oidc).errors();
        assert!(errors.iter().any(|found| found.starts_with(&start)), "no {start} in {errors:#?}");
    }
    let errors = Setup::file("[auth]\noidc = 5\n").errors();
    assert!(errors.iter().any(|error| error.contains("it must be a table: [auth.oidc]")), "{errors:#?}");
}

#[test]
fn check_warns_of_settings_with_which_nobody_can_sign_in() {
    let warnings = |more: &str| {
        let issuer = "issuer = 'https://id.example.com/'\nclientId = 'pages'";
        let config = Setup::file(format!("{}\n{ISSUER}", more.replace("OIDC", issuer))).load();
        assert_eq!(config.auth.oidc.client_id.as_deref(), Some("pages"));
        config.warnings
    };
    assert!(warnings("[auth.oidc]\nOIDC\ntoken = 'id'")[0].contains("not an audience of the issuer"));
    let framed = warnings("[server]\nframeAncestors = ['https://crm.example.com']\n[auth.oidc]\nOIDC");
    assert!(framed[0].contains("a page in a frame cannot sign in"), "{framed:?}");
    let open = warnings("[server]\nlisten = '0.0.0.0:80'\n[auth.oidc]\nOIDC");
    assert!(open.iter().any(|warning| warning.contains("only on https pages")), "{open:?}");
    let behind = warnings("[server]\nlisten = '0.0.0.0:80'\npublicUrl = 'https://hub.example.com'\n[auth.oidc]\nOIDC");
    assert!(!behind.iter().any(|warning| warning.contains("only on https pages")), "{behind:?}");
}
