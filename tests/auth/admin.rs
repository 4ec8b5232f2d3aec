//! The admin listener: what it does, and the callers that it refuses.

use serde_json::{Value, json};

use crate::harness::{Hub, Setup, has};
use crate::raw::{Raw, http, status};
use crate::{attempt, guard, guarded, join, now, token, token_with};

/// A hub with an admin listener, and that listener's port.
pub(crate) async fn with_admin(setup: Setup) -> (Hub, u16) {
    admin_of(setup.args(&["--admin-listen", "127.0.0.1:0"]).start().await).await
}

async fn admin_of(hub: Hub) -> (Hub, u16) {
    let before = "admin listener on http://127.0.0.1:";
    hub.says(&[before]).await;
    let said = hub.stderr.so_far();
    let port = said.split(before).nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect::<String>();
    (hub, port.parse().unwrap())
}

async fn get(port: u16, path: &str) -> String {
    asked(port, "GET", path, "", "").await
}

async fn asked(port: u16, method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: 127.0.0.1:{port}\r\n") };
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    http(port, &request).await
}

const JSON: &str = "Content-Type: application/json\r\n";

async fn post(port: u16, path: &str, body: Value) -> String {
    asked(port, "POST", path, JSON, &body.to_string()).await
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

#[tokio::test]
async fn the_admin_listener_lists_all_clients() {
    let (hub, admin) = with_admin(guarded()).await;
    let ada = join(&hub, "ada", "agent", json!({"workspace": "acme"})).await;
    let _bot = join(&hub, "bot", "provider", json!({"exp": now() + 30})).await;
    let _silent = hub.connect().await;
    let listed = body(&get(admin, "/clients").await);
    let clients = listed["clients"].as_array().unwrap();
    assert_eq!((clients.len(), &listed["more"]), (2, &json!(false)), "{listed}");
    let of_ada = clients.iter().find(|client| client["id"] == "ada").unwrap();
    has(
        of_ada,
        json!({"workspace": "acme", "role": "agent", "address": "127.0.0.1",
        "connectionId": ada.welcome["connectionId"]}),
    );
    assert!(of_ada["tokenEnds"].is_string() && of_ada["silentMs"].is_u64());
    for (query, count) in [("workspace=acme", 1), ("role=provider&id=bot", 1), ("id=eve", 0), ("limit=1", 1)] {
        let listed = body(&get(admin, &format!("/clients?{query}")).await);
        assert_eq!(listed["clients"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(listed["more"], query == "limit=1");
    }
    let first = body(&get(admin, "/clients?limit=1").await)["clients"][0]["connectionId"].as_str().unwrap().to_owned();
    let rest = body(&get(admin, &format!("/clients?after={first}")).await);
    assert_eq!((rest["clients"].as_array().unwrap().len(), &rest["more"]), (1, &json!(false)));
    assert_ne!(rest["clients"][0]["connectionId"], first.as_str());
}

#[tokio::test]
async fn it_shows_one_out() {
    let (hub, admin) = with_admin(Setup::new()).await;
    let (mut ada, mut bob, mut eve) = (hub.agent("ada").await, hub.agent("bob").await, hub.agent("eve").await);
    let answer = post(admin, "/disconnect", json!({"connectionId": ada.welcome["connectionId"]})).await;
    assert_eq!((status(&answer), body(&answer)), (200, json!({"disconnected": 1})));
    ada.expect_close(1001).await;
    let for_good = json!({"connectionId": bob.welcome["connectionId"], "comeBack": false});
    assert_eq!(status(&post(admin, "/disconnect", for_good.clone()).await), 200);
    bob.expect_close(4403).await;
    assert_eq!(status(&post(admin, "/disconnect", json!({"connectionId": "0-0"})).await), 404);
    has(&eve.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_revoked_subject_is_out_and_stays_out_until_it_gets_a_new_token() {
    let (hub, admin) = with_admin(guarded()).await;
    let issued = || json!({"iat": now()});
    let stolen = token_with("ada", "agent", issued());
    let mut tabs =
        [hub.join(json!({"role": "agent", "token": stolen})).await, join(&hub, "ada", "agent", json!({})).await];
    let mut elsewhere = join(&hub, "ada", "agent", json!({"workspace": "acme"})).await;
    let mut bob = join(&hub, "bob", "agent", json!({})).await;
    let answer = post(admin, "/revoke", json!({"subject": "ada", "workspace": "default"})).await;
    assert_eq!((status(&answer), body(&answer)), (200, json!({"disconnected": 2})));
    for tab in &mut tabs {
        tab.expect_close(4401).await;
    }
    let hello = |token: String| json!({"role": "agent", "token": token});
    assert_eq!(attempt(&hub, hello(stolen)).await, Err(4401));
    assert_eq!(attempt(&hub, hello(token("ada", "agent"))).await, Err(4401), "one without iat may be an old one");
    has(&elsewhere.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    let refreshed = elsewhere
        .call(json!({"type": "refresh", "token": token_with("ada", "agent",
        json!({"workspace": "acme"}))}))
        .await;
    assert_eq!(refreshed["type"], "refreshed");
    has(&bob.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    // A token issued in a later second is accepted; the test can only wait for that second.
    let revoked_at = now();
    while now() <= revoked_at {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(attempt(&hub, hello(token_with("ada", "agent", issued()))).await.is_ok());
}

#[tokio::test]
async fn a_revocation_between_upgrade_and_hello_refuses_the_client() {
    let (hub, admin) = with_admin(guarded()).await;
    let bearer = format!("Bearer {}", token("ada", "agent"));
    let (mut waiting, _) = hub.connect_with(None, &[("Authorization", &bearer)]).await.unwrap();
    assert_eq!(body(&post(admin, "/revoke", json!({"subject": "ada"})).await), json!({"disconnected": 0}));
    waiting.send(json!({"type": "hello", "role": "agent"})).await;
    assert_eq!(waiting.first_or_close().await, Err(4401));
}

#[tokio::test]
async fn a_revocation_outlasts_a_crash_and_a_clean_restart_until_it_is_lifted() {
    let (hub, admin) = with_admin(guard(Setup::on_disk())).await;
    let ada = json!({"subject": "ada"});
    assert_eq!(status(&post(admin, "/revoke", ada.clone()).await), 200);
    assert_eq!(status(&post(admin, "/revoke", json!({"subject": "bob", "workspace": "acme"})).await), 200);
    let stolen = || json!({"role": "agent", "token": token_with("ada", "agent", json!({"iat": now() - 1}))});
    let hub = hub.crash_and_restart().await;
    assert_eq!(attempt(&hub, stolen()).await, Err(4401));
    // The second time from the snapshot of an orderly stop.
    let (hub, admin) = restarted(hub).await;
    assert_eq!(attempt(&hub, stolen()).await, Err(4401));
    let listed = body(&get(admin, "/revoked").await);
    let revoked = listed["revoked"].as_array().unwrap();
    assert_eq!(revoked.len(), 2, "{listed}");
    assert!(revoked[0]["subject"] == "ada" && revoked[0]["at"].is_string() && revoked[0]["workspace"].is_null());
    has(&revoked[1], json!({"subject": "bob", "workspace": "acme"}));
    let lift = async |request: Value| status(&asked(admin, "DELETE", "/revoke", JSON, &request.to_string()).await);
    assert_eq!(lift(json!({"subject": "ada", "workspace": "acme"})).await, 404, "not exactly this one");
    assert_eq!(lift(ada.clone()).await, 200);
    assert_eq!(lift(ada).await, 404);
    assert!(attempt(&hub, stolen()).await.is_ok());
    let (hub, _) = restarted(hub).await;
    assert!(attempt(&hub, stolen()).await.is_ok());
}

/// The same hub after an orderly stop and a start.
async fn restarted(hub: Hub) -> (Hub, u16) {
    hub.terminate();
    let setup = hub.setup.clone();
    assert_eq!(hub.exit().await.code, Some(0));
    admin_of(setup.start().await).await
}

#[tokio::test]
async fn the_file_of_revocations_of_earlier_versions_is_moved_into_the_log() {
    let setup = guard(Setup::on_disk());
    std::fs::create_dir_all(setup.data_dir()).unwrap();
    let [old, moved] = [".revoked-subjects", ".revoked-subjects.moved"].map(|name| setup.data_dir().join(name));
    let line = json!({"subject": "ada", "workspace": "default", "at": (now() - 5) * 1000});
    std::fs::write(&old, format!("{line}\n")).unwrap();
    let (hub, admin) = with_admin(setup).await;
    let issued = |at: u64| json!({"role": "agent", "token": token_with("ada", "agent", json!({"iat": at}))});
    assert_eq!(attempt(&hub, issued(now() - 6)).await, Err(4401));
    assert!(attempt(&hub, issued(now())).await.is_ok());
    assert!(!old.exists() && moved.exists());
    has(&body(&get(admin, "/revoked").await)["revoked"][0], json!({"subject": "ada", "workspace": "default"}));
    let hub = hub.crash_and_restart().await;
    assert_eq!(attempt(&hub, issued(now() - 60)).await, Err(4401));
}

#[tokio::test]
async fn a_revocation_expires_with_the_tokens_if_these_have_a_greatest_age() {
    let setup = guarded().config("[auth]\nmaxTokenAge = \"1h\"\nleeway = \"5s\"");
    let (hub, admin) = with_admin(setup).await;
    assert_eq!(status(&post(admin, "/revoke", json!({"subject": "ada"})).await), 200);
    let entry = body(&get(admin, "/revoked").await)["revoked"][0].clone();
    assert!(entry["until"].as_str() > entry["at"].as_str(), "{entry}");
    drop(hub);
}

#[tokio::test]
async fn metrics_are_here_when_clients_need_tokens() {
    let (hub, admin) = with_admin(guarded()).await;
    assert_eq!(attempt(&hub, json!({"role": "agent", "token": "x"})).await, Err(4401));
    let answer = get(admin, "/metrics").await;
    assert!(answer.contains("deskbell_tokens_refused_total{reason=\"malformed\"} 1\n"), "{answer}");
    assert_eq!(status(&crate::raw::get(hub.port, "/metrics").await), 404);
    for path in ["/clients", "/revoke", "/disconnect"] {
        assert_eq!(status(&crate::raw::get(hub.port, path).await), 404, "the clients' port knows no {path}");
    }
}

#[tokio::test]
async fn web_pages_cannot_use_the_admin_listener() {
    let (hub, admin) = with_admin(guarded()).await;
    let mut ada = join(&hub, "ada", "agent", json!({})).await;
    let revoke = json!({"subject": "ada"}).to_string();
    let own = format!("{JSON}Origin: http://127.0.0.1:{admin}\r\n");
    for (method, path, headers, expected) in [
        ("POST", "/revoke", "Content-Type: text/plain\r\n", 415),
        ("POST", "/revoke", "Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("POST", "/revoke", "Content-Type: multipart/form-data; boundary=application/json\r\n", 415),
        ("POST", "/revoke", "", 415),
        ("POST", "/revoke", &format!("{JSON}Origin: http://evil.example\r\n"), 403),
        ("POST", "/revoke", &format!("{JSON}Origin: null\r\n"), 403),
        ("POST", "/revoke", &format!("{JSON}Origin: http://127.0.0.1:{}\r\n", hub.port), 403),
        ("POST", "/revoke", &format!("{JSON}Host: evil.example:{admin}\r\n"), 421),
        ("GET", "/clients", &format!("Host: evil.example:{admin}\r\n"), 421),
        ("GET", "/clients", "Origin: http://evil.example\r\n", 403),
        ("GET", "/revoke", &own, 405),
        ("PUT", "/revoke", &own, 405),
        ("DELETE", "/revoke", "Content-Type: text/plain\r\n", 415),
        ("DELETE", "/revoke", &format!("{JSON}Origin: http://evil.example\r\n"), 403),
        ("POST", "/revoked", &own, 405),
        ("OPTIONS", "/revoke", "Access-Control-Request-Method: POST\r\n", 405),
        ("POST", "/clients", &own, 405),
        ("POST", "//revoke", &own, 404),
        ("POST", "/revoke/", &own, 404),
        ("GET", "/../../etc/passwd", &own, 404),
        ("GET", "/", &own, 404),
    ] {
        let answer = asked(admin, method, path, headers, &revoke).await;
        assert_eq!(status(&answer), expected, "{method} {path} {headers:?}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    for (body, expected) in [
        ("", 400),
        ("{", 400),
        ("{}", 400),
        (r#"{"subject":7}"#, 400),
        (r#"{"subject":""}"#, 400),
        (r#"{"subject":"a","extra":1}"#, 400),
        (&format!(r#"{{"subject":"{}"}}"#, "s".repeat(5000)), 413),
    ] {
        let answer = asked(admin, "POST", "/revoke", JSON, body).await;
        assert_eq!(status(&answer), expected, "{body}: {answer}");
    }
    let answer = asked(admin, "POST", "/revoke", &own, &revoke).await;
    assert_eq!(status(&answer), 200, "its own pages, if it had any");
    ada.expect_close(4401).await;
}

#[tokio::test]
async fn bodies_that_do_not_come_do_not_keep_the_operator_out() {
    let (hub, admin) = with_admin(guarded().config("[server]\nhandshakeTimeout = \"300ms\"")).await;
    let mut slow = Vec::new();
    // As many as there may be at once.
    for _ in 0..64 {
        let mut raw = Raw::connect(admin).await;
        raw.send(format!("POST /revoke HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 9\r\n\r\n{{").as_bytes())
            .await;
        slow.push(raw);
    }
    assert_eq!(status(&get(admin, "/clients").await), 200);
    for mut raw in slow {
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    }
    drop(hub);
}

#[tokio::test]
async fn a_request_to_the_admin_listener_cannot_forge_log_lines() {
    let (hub, admin) = with_admin(guarded()).await;
    let forged = json!({"subject": "x\n2026-01-01 INFO forged"});
    assert_eq!(status(&post(admin, "/revoke", forged).await), 400);
    let separator = json!({"subject": "x\u{2028}2026-01-01 INFO forged"});
    assert_eq!(status(&post(admin, "/revoke", separator).await), 400);
    let odd = json!({"subject": "x {} %0a"});
    assert_eq!(status(&post(admin, "/revoke", odd).await), 200);
    hub.says(&["subject revoked"]).await;
    assert!(!hub.stderr.so_far().contains("\nforged") && !hub.stderr.so_far().contains('\u{2028}'));
}

#[tokio::test]
async fn the_admin_listener_is_on_loopback_unless_insecure() {
    let exit = guarded().args(&["--admin-listen", "0.0.0.0:0"]).fail().await;
    assert_eq!(exit.code, Some(64));
    assert!(exit.stderr.contains("has no authentication") && exit.stderr.contains("--insecure"), "{}", exit.stderr);
    let (hub, admin) = with_admin(Setup::new()).await;
    let answer = post(admin, "/revoke", json!({"subject": "ada"})).await;
    assert_eq!(status(&answer), 409, "there are no tokens");
    drop(hub);
}
