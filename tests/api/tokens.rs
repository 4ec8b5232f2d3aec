//! With authentication: the token names the caller and its workspace, until it ends.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::ask::{Ask, recall, ring};
use crate::harness::{Hub, Setup, accepted, has, within};
use crate::{guarded, raw, token};

fn provider(secret: &Path, sub: &str, more: &[&str]) -> String {
    token(secret, &[&["--sub", sub, "--role", "provider"], more].concat())
}

async fn agent(hub: &Hub, secret: &Path, more: &[&str]) -> crate::harness::Client {
    let token = token(secret, &[&["--sub", "ada", "--role", "agent"], more].concat());
    hub.join(json!({"role": "agent", "token": token})).await
}

#[tokio::test]
async fn the_token_names_the_provider() {
    let (setup, secret) = guarded(Setup::new());
    let hub = setup.start().await;
    let mut ada = agent(&hub, &secret, &[]).await;
    let bot = provider(&secret, "bot", &[]);
    ring("", json!({})).token(&bot).of(&hub).await.is(202, "");
    has(&ada.expect("notification").await, json!({"providerId": "bot"}));
    ring("?providerId=bot", json!({})).token(&bot).of(&hub).await.is(202, "");
    ring("?providerId=other", json!({})).token(&bot).of(&hub).await.is(403, "notAllowed");
    let no_token = ring("", json!({})).of(&hub).await;
    no_token.is(401, "badToken");
    assert!(no_token.header("www-authenticate").unwrap().starts_with("Bearer"));
    for bad in ["", "x", "a.b.c", &format!("{bot}x")] {
        ring("", json!({})).token(bad).of(&hub).await.is(401, "badToken");
    }
    ring("", json!({})).token(&bot).token(&bot).of(&hub).await.is(401, "badToken");
    for role in ["agent", "observer"] {
        let other = token(&secret, &["--sub", "bot", "--role", role]);
        let answer = ring("", json!({})).token(&other).of(&hub).await;
        has(&answer.is(403, "notAllowed").body, json!({"detail": format!("the token's role is {role}, not provider")}));
    }
}

#[tokio::test]
async fn workspaces_see_nothing_of_each_other() {
    let (setup, secret) = guarded(Setup::new());
    let hub = setup.start().await;
    let mut acme_ada = agent(&hub, &secret, &["--workspace", "acme"]).await;
    let mut other_ada = agent(&hub, &secret, &["--workspace", "other"]).await;
    let acme = provider(&secret, "bot", &["--workspace", "acme"]);
    let other = provider(&secret, "bot", &["--workspace", "other"]);
    let open = ring("", json!({"id": "a", "cancellationToken": "t"})).token(&acme).of(&hub).await;
    acme_ada.shown(&open.notification()).await;
    other_ada.expect_silence().await;
    recall(&open.notification(), "").token(&other).of(&hub).await.is(404, "notFound");
    Ask::post("/api/cancel", &json!({"cancellationToken": "t"})).token(&other).of(&hub).await.is(404, "notFound");
    has(&ring("", json!({"id": "a"})).token(&other).of(&hub).await.is(202, "").body, json!({"duplicate": false}));
    let again = recall(&open.notification(), "?wait=30s").token(&acme);
    let id = open.notification();
    let (answer, _) = tokio::join!(again.of(&hub), acme_ada.accept(&id));
    has(&answer.is(200, "").body, json!({"value": accepted()}));
}

#[tokio::test]
async fn a_wait_ends_with_the_token_and_another_token_goes_on() {
    // The agent says nothing while the token's life goes by, which takes long on a slow machine.
    let (setup, secret) = guarded(Setup::new().config("[server]\nidleTimeout = \"5m\""));
    let hub = setup.start().await;
    let mut ada = agent(&hub, &secret, &[]).await;
    // On a slow machine the token may be over before it comes: then one that lasts longer.
    let mut seconds = 3;
    let (short, open) = loop {
        let short = provider(&secret, "bot", &["--ttl", &format!("{seconds}s")]);
        let open = ring("?wait=60s", json!({"id": "a"})).token(&short).of(&hub).await;
        if open.status != 401 || seconds > 12 {
            break (short, open);
        }
        seconds *= 2;
    };
    open.is(202, "");
    let over = async {
        while recall(&open.notification(), "").token(&short).of(&hub).await.status != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the end of the token", over).await;
    let fresh = provider(&secret, "bot", &[]);
    let again = recall(&open.notification(), "?wait=30s").token(&fresh);
    let id = open.notification();
    let (answer, _) = tokio::join!(again.of(&hub), ada.accept(&id));
    has(&answer.is(200, "").body, json!({"value": accepted()}));
}

#[tokio::test]
async fn a_revoked_subject_is_sent_away_while_it_waits() {
    let (setup, secret) = guarded(Setup::new());
    let hub = setup.args(&["--admin-listen", "127.0.0.1:0"]).start().await;
    let line = "admin listener on http://127.0.0.1:";
    hub.says(&[line]).await;
    let said = hub.stderr.so_far();
    let port: String = said.split(line).nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let port: u16 = port.parse().unwrap();
    let mut ada = agent(&hub, &secret, &[]).await;
    let bot = provider(&secret, "bot", &[]);
    let waiting = ring("?wait=60s", json!({})).token(&bot);
    let revoke = async {
        ada.expect("notification").await;
        let body = r#"{"subject":"bot"}"#;
        let request = format!(
            "POST /revoke HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(raw::status(&raw::http(port, &request).await), 200);
    };
    let (answer, ()) = tokio::join!(waiting.of(&hub), revoke);
    answer.is(401, "badToken");
    ring("", json!({})).token(&bot).of(&hub).await.is(401, "badToken");
}
