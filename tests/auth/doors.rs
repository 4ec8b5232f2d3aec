//! Which pages may connect, where people reach the hub, and what a refused client learns.

use serde_json::json;

use crate::harness::{Setup, has};
use crate::raw::{get, http, status};
use crate::{attempt, guarded, join, now, token, token_with};

#[tokio::test]
async fn a_refused_token_gets_the_reason_before_the_connection_closes() {
    let hub = guarded().start().await;
    for (token, detail) in [
        // From 9000 to 9099: the second may turn between the token's making and the hub's check.
        (token_with("ada", "agent", json!({"exp": now() - 9_000})), "it expired 90"),
        (token_with("ada", "agent", json!({"sub": 7})), "`sub` must be a string"),
        ("nonsense".to_owned(), "not a signed JWT"),
    ] {
        let mut client = hub.connect().await;
        client.send(json!({"type": "hello", "role": "agent", "token": token})).await;
        let error = client.expect("error").await;
        has(&error, json!({"code": "badToken", "message": "RejectAfterClientError"}));
        assert!(error["detail"].as_str().unwrap().contains(detail), "{error}");
        client.expect_close(4401).await;
        let head =
            format!("GET /templates HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = http(hub.port, &head).await;
        assert_eq!(status(&answer), 401, "{answer}");
        assert!(answer.to_lowercase().contains("www-authenticate: bearer error=\"invalid_token\""), "{answer}");
        assert!(answer.contains("\"badToken\"") && answer.contains(detail), "{answer}");
    }
    // Without a token there is nothing to explain.
    let mut client = hub.connect().await;
    client.send(json!({"type": "hello", "role": "agent"})).await;
    client.expect_close(4401).await;
    hub.terminate();
    let said = hub.exit().await.stderr;
    let warnings = said.lines().filter(|line| line.contains("WARN") && line.contains("it expired")).count();
    assert_eq!(warnings, 1, "once a minute for each reason and address: {said}");
}

#[tokio::test]
async fn the_token_decides_the_role_if_it_allows_one_only() {
    let hub = guarded().start().await;
    let welcome = attempt(&hub, json!({"token": token("ada", "agent")})).await.unwrap();
    has(&welcome, json!({"role": "agent", "agentId": "ada"}));
    let several = || token_with("ada", "agent", json!({"role": ["agent", "observer"]}));
    has(&attempt(&hub, json!({"role": "observer", "token": several()})).await.unwrap(), json!({"role": "observer"}));
    assert_eq!(attempt(&hub, json!({"role": "provider", "token": several()})).await, Err(4403));
    let none = token_with("ada", "agent", json!({"role": "manager"}));
    assert_eq!(attempt(&hub, json!({"role": "agent", "token": none})).await, Err(4403));
    let mut client = hub.connect().await;
    client.send(json!({"type": "hello", "token": several()})).await;
    has(&client.expect("error").await, json!({"code": "badParameter"}));
    client.expect_close(4400).await;
}

#[tokio::test]
async fn with_authentication_the_own_pages_may_connect_under_every_name() {
    let setup = guarded()
        .args(&["--allowed-origin", "https://*.crm.example"])
        .config("[server]\ntrustedProxies = [\"127.0.0.9\"]\n");
    let hub = setup.start().await;
    let own = format!("http://127.0.0.1:{}", hub.port);
    for origin in [own.as_str(), "https://a.crm.example", "https://a.b.crm.example"] {
        assert!(hub.connect_with(None, &[("Origin", origin)]).await.is_ok(), "{origin}");
    }
    for origin in ["https://bell.example", "https://crm.example", "https://evilcrm.example", "null"] {
        assert_eq!(hub.upgrade_refused(None, &[("Origin", origin)]).await, 403, "{origin}");
    }
    // Only a trusted proxy may say under which name people come.
    let forwarded = [("Origin", "https://bell.example"), ("X-Forwarded-Host", "bell.example")];
    assert_eq!(hub.upgrade_refused(None, &forwarded).await, 403);
    hub.terminate();
    let said = hub.exit().await.stderr;
    let refused = |origin: &str| said.lines().filter(|line| line.contains("WARN") && line.contains(origin)).count();
    assert_eq!((refused("from https://bell.example"), refused("from https://crm.example")), (1, 1), "{said}");
    assert!(said.contains("--public-url"), "{said}");
}

#[tokio::test]
async fn everything_is_served_below_the_path_of_the_public_url_too() {
    let hub = Setup::new().args(&["--public-url", "https://desk.example/bell/"]).start().await;
    for path in ["/", "/desk?agent=ada", "/sdk/deskbell.js", "/templates", "/healthz"] {
        for prefix in ["", "/bell"] {
            assert_eq!(status(&get(hub.port, &format!("{prefix}{path}")).await), 200, "{prefix}{path}");
        }
    }
    let redirect = get(hub.port, "/bell?x=1").await;
    assert!(redirect.to_lowercase().contains("location: /bell/?x=1"), "{redirect}");
    assert_eq!(status(&get(hub.port, "/bellx/healthz").await), 404);
    assert_eq!(hub.upgrade_refused(None, &[("Origin", "https://evil.example")]).await, 403);
    assert!(hub.connect_with(None, &[("Origin", "https://desk.example")]).await.is_ok());
    let body = r#"{"templateName":"msdyn_call_incoming"}"#;
    let request = format!(
        "POST /bell/api/notify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = http(hub.port, &request).await;
    assert!(answer.to_lowercase().contains("location: /bell/api/notifications/"), "{answer}");
}

#[tokio::test]
async fn the_metrics_listener_serves_metrics_and_probes_only() {
    let hub = guarded().args(&["--metrics-listen", "127.0.0.1:0"]).start().await;
    hub.says(&["metrics listener on http://"]).await;
    let said = hub.stderr.so_far();
    let port = said.split("metrics listener on http://127.0.0.1:").nth(1).unwrap();
    let port: u16 = port.split_whitespace().next().unwrap().parse().unwrap();
    let metrics = get(port, "/metrics").await;
    assert!(status(&metrics) == 200 && metrics.contains("deskbell_ready 1"), "{metrics}");
    assert!(get(port, "/healthz").await.contains("alive") && get(port, "/readyz").await.contains("ready"));
    for path in ["/", "/ws", "/clients", "/revoke", "/api/notify", "/templates"] {
        assert_eq!(status(&get(port, path).await), 404, "{path}");
    }
    let mut ada = join(&hub, "ada", "agent", json!({})).await;
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn public_files_may_be_loaded_by_other_sites_and_pages_may_not() {
    let hub = guarded().start().await;
    for (path, public) in [
        ("/sdk/deskbell.js", true),
        ("/asyncapi.yaml", true),
        ("/openapi.yaml", true),
        ("/desk", false),
        ("/healthz", false),
    ] {
        let answer = get(hub.port, path).await.to_lowercase();
        assert_eq!(answer.contains("access-control-allow-origin: *"), public, "{path}: {answer:.400}");
    }
}
