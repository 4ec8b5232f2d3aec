//! Attacks without a token, or with one of another kind. SECURITY.md describes the results.

use serde_json::json;

use crate::admin::with_admin;
use crate::harness::{NOBODYS, Setup, has};
use crate::raw::{get, http as ask, status};
use crate::{attempt, guarded, join, signed, token, token_with};

fn request(method: &str, path: &str, port: u16, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn admin_paths_are_not_on_the_client_port() {
    let hub = guarded().start().await;
    for path in
        ["/metrics", "/explain?id=x", "/clients", "/revoke", "/disconnect", "/metrics/", "/METRICS", "/%6detrics"]
    {
        for headers in [String::new(), format!("Authorization: Bearer {}\r\n", token("bot", "provider"))] {
            let answer = ask(hub.port, &request("GET", path, hub.port, &headers)).await;
            assert_eq!(status(&answer), 404, "{path}: {answer}");
            assert!(!answer.contains("deskbell_"), "{path}");
        }
    }
    // Also without authentication the clients' port explains nothing.
    let open = Setup::new().start().await;
    assert_eq!(status(&get(open.port, &format!("/explain?id={NOBODYS}")).await), 404);
}

#[tokio::test]
async fn the_template_list_is_for_providers_and_observers() {
    let hub = guarded().start().await;
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let forged = signed("another secret", json!({"sub": "bot", "role": "provider", "exp": 4_000_000_000_u64}));
    let expired = token_with("bot", "provider", json!({"exp": 1}));
    let good = token("bot", "provider");
    for (path, headers, expected) in [
        ("/templates", String::new(), 401),
        ("/templates", with(&forged), 401),
        ("/templates", with(&expired), 401),
        ("/templates", with(""), 401),
        ("/templates", format!("{}{}", with(&good), with(&forged)), 401),
        ("/templates", with(&token("ada", "agent")), 403),
        ("/templates", with(&good), 200),
    ] {
        let answer = ask(hub.port, &request("GET", path, hub.port, &headers)).await;
        assert_eq!(status(&answer), expected, "{path} {headers}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
        assert_eq!(answer.contains("msdyn_call_incoming"), expected == 200, "{answer}");
    }
    // A token in the address is not accepted, because addresses appear in logs and histories.
    let answer =
        ask(hub.port, &request("GET", &format!("/templates?token={good}&access_token={good}"), hub.port, "")).await;
    assert_eq!(status(&answer), 401);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(hub.port, &request(method, "/templates", hub.port, &with(&good))).await;
        assert_eq!(status(&answer), 405, "{method}");
    }
    assert!(!hub.stderr.so_far().contains(&good));
}

#[tokio::test]
async fn paths_cannot_leave_the_served_files() {
    let (hub, admin) = with_admin(crate::guard(Setup::on_disk())).await;
    for path in [
        "/../../../../etc/passwd",
        "/sdk/../../../../etc/passwd",
        "/sdk/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/sdk/....//....//etc/passwd",
        "/sdk\\..\\..\\etc\\passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/sdk/deskbell.js%00.png",
        "/secret",
        "/deskbell.toml",
        "/.revoked-subjects",
        "/log-00000000000000000001",
        "file:///etc/passwd",
        "http://127.0.0.1/etc/passwd",
        "/explain?id=../../etc/passwd",
        "/explain?id=%0d%0aSet-Cookie:%20a=b",
        "/explain?id=file:///etc/passwd",
    ] {
        for port in [hub.port, admin] {
            let answer = ask(port, &request("GET", path, port, "")).await;
            assert!(answer.is_empty() || [400, 404].contains(&status(&answer)), "{path}: {answer}");
            assert!(!answer.contains("root:") && !answer.to_lowercase().contains("set-cookie: a"), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn malformed_upgrades_leave_the_hub_as_it_was() {
    /// No answer, and the end of the connection.
    const CLOSED: u16 = 0;
    let hub = guarded().start().await;
    let mut ada = join(&hub, "ada", "agent", json!({})).await;
    let upgrade = |more: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}"
        )
    };
    let bearer = format!("Authorization: Bearer {}\r\n", token("bot", "provider"));
    let mut tried = tokio::task::JoinSet::new();
    for (what, bytes, allowed) in [
        ("two keys", upgrade("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"), &[101][..]),
        ("two lengths", upgrade("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), &[400]),
        ("length and chunked", upgrade("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), &[101]),
        ("a header of a megabyte", upgrade(&format!("X: {}\r\n\r\n", "x".repeat(1 << 20))), &[431, CLOSED]),
        ("ten thousand headers", upgrade(&format!("{}\r\n", "X: y\r\n".repeat(10_000))), &[431, CLOSED]),
        ("a line break in a header", upgrade("X: a\r\n b\r\n\r\n"), &[400]),
        ("a zero in a header", upgrade("X: a\0b\r\n\r\n"), &[400]),
        ("a header without a name", upgrade(": x\r\n\r\n"), &[400]),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[CLOSED]),
        ("a TLS hello", "\x16\x03\x01\x02\0\x01\0\x01\u{7f}\x03\x03".repeat(20) + "\r\n\r\n", &[400, CLOSED]),
        ("HTTP/0.9", "GET /ws\r\n\r\n".to_owned(), &[400]),
        ("a method of a kilobyte", format!("{} /ws HTTP/1.1\r\n\r\n", "G".repeat(1024)), &[405]),
        (
            "a forged origin beside a good one",
            upgrade(&format!("{bearer}Origin: http://127.0.0.1:{}\r\nOrigin: http://evil.example\r\n\r\n", hub.port)),
            &[403],
        ),
        ("an origin of another port", upgrade(&format!("{bearer}Origin: http://127.0.0.1:1\r\n\r\n")), &[403]),
        ("an origin that is Host's", upgrade(&format!("{bearer}Origin: http://x\r\n\r\n")), &[403]),
    ] {
        let port = hub.port;
        tried.spawn(async move {
            let answer = ask(port, &bytes).await;
            // Where the hub closes while the client still sends, the answer may be lost on its way.
            let status = if answer.is_empty() { CLOSED } else { status(&answer) };
            assert!(allowed.contains(&status), "{what}: {status} {answer}");
        });
    }
    // Those that became a WebSocket are closed when they say no hello.
    tried.join_all().await;
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    assert!(attempt(&hub, json!({"role": "agent", "token": token("bob", "agent")})).await.is_ok());
}

#[tokio::test]
async fn a_flood_of_explanations_costs_the_clients_nothing() {
    let (hub, admin) = with_admin(crate::guard(Setup::on_disk())).await;
    let mut ada = join(&hub, "ada", "agent", json!({})).await;
    let mut bot = join(&hub, "bot", "provider", json!({})).await;
    let id = bot.ring("chat").await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let path = format!("/explain?id={id}");
        asking.spawn(async move { status(&ask(admin, &request("GET", &path, admin, "")).await) });
    }
    ada.take_on(&id).await;
    has(&bot.result_of(&id).await, json!({"agentId": "ada"}));
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|status| [200, 503].contains(status)) && answers.contains(&200), "{answers:?}");
    // A page of another origin gets none of it, either.
    for headers in ["Origin: http://evil.example\r\n", "Origin: null\r\n"] {
        let answer = ask(admin, &request("GET", &format!("/explain?id={id}"), admin, headers)).await;
        assert_eq!(status(&answer), 403, "{answer}");
    }
}
