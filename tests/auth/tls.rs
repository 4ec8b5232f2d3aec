//! https and wss on the one port, by a real client.

use std::path::Path;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::harness::{Client, Hub, Setup, accepted, has};
use crate::keys::{key_file, tls_over};
use crate::{guard, token};

/// A hub with the first certificate, in its home.
pub(crate) fn sealed(setup: Setup) -> Setup {
    let home = setup.home().to_owned();
    put_certificate(&home, "tls-1");
    let [certificate, key] = ["tls.pem", "tls.key.pem"].map(|name| home.join(name).to_str().unwrap().to_owned());
    setup.args(&["--tls-cert", &certificate, "--tls-key", &key])
}

fn put_certificate(home: &Path, name: &str) {
    for ending in ["key.pem", "pem"] {
        let new = home.join("new");
        std::fs::copy(key_file(&format!("{name}.{ending}")), &new).unwrap();
        std::fs::rename(new, home.join(format!("tls.{ending}"))).unwrap();
    }
}

async fn tls(hub: &Hub) -> TlsStream<TcpStream> {
    tls_over(hub.tcp().await).await
}

async fn wss(hub: &Hub) -> Client {
    let request = format!("wss://localhost:{}/ws", hub.port).into_client_request().unwrap();
    hub.upgrade(request, Box::new(tls(hub).await)).await.unwrap().0
}

async fn join(hub: &Hub, role: &str, sub: &str) -> Client {
    let mut client = wss(hub).await;
    client.hello(json!({"role": role, "token": token(sub, role)})).await;
    client
}

/// The response at this path.
async fn get(hub: &Hub, path: &str) -> String {
    let mut page = tls(hub).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    page.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The certificate that the hub presents, recognized by its bytes.
async fn shown(hub: &Hub) -> Vec<u8> {
    tls(hub).await.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn pages_and_websockets_come_by_tls() {
    let hub = sealed(guard(Setup::new())).start().await;
    let answer = get(&hub, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut ada = join(&hub, "agent", "ada").await;
    let mut bot = join(&hub, "provider", "bot").await;
    let ring = bot.ring("chat").await;
    ada.take_on(&ring).await;
    has(&bot.result_of(&ring).await, json!({"value": accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn plain_tcp_on_a_tls_listener_is_not_served() {
    let hub = sealed(Setup::new()).start().await;
    let answer = crate::raw::http(hub.port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!answer.contains("HTTP/"), "{answer}");
    let mut ada = wss(&hub).await;
    ada.hello(json!({"role": "agent"})).await;
}

#[tokio::test]
async fn the_hubs_own_page_may_connect_over_https_and_others_may_not() {
    let hub = sealed(Setup::new()).start().await;
    for (origin, served) in [("https://localhost", true), ("http://localhost", false)] {
        let mut request = format!("wss://localhost:{}/ws", hub.port).into_client_request().unwrap();
        let origin = format!("{origin}:{}", hub.port);
        request.headers_mut().insert("Origin", origin.parse().unwrap());
        let upgraded = hub.upgrade(request, Box::new(tls(&hub).await)).await;
        assert_eq!(upgraded.is_ok(), served, "{origin}");
    }
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_keeps_the_old_ones() {
    let setup = sealed(Setup::new());
    let hub = setup.start().await;
    let first = shown(&hub).await;
    let mut ada = wss(&hub).await;
    ada.hello(json!({"role": "agent"})).await;
    // The first looks at the files count as a change.
    hub.says(&["certificate read again"]).await;
    let skip = hub.stderr.so_far().len();
    put_certificate(setup.home(), "tls-2");
    hub.says_after(skip, "certificate read again").await;
    assert_ne!(shown(&hub).await, first);
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    let skip = hub.stderr.so_far().len();
    std::fs::write(setup.home().join("tls.pem"), "nonsense").unwrap();
    hub.says_after(skip, "certificate not read again, the old one stays").await;
    assert_ne!(shown(&hub).await, first);
}

#[tokio::test]
async fn large_messages_and_closes_come_whole() {
    let hub = sealed(Setup::new()).start().await;
    let mut ada = wss(&hub).await;
    ada.hello(json!({"role": "agent", "agentId": "ada"})).await;
    let mut bot = wss(&hub).await;
    bot.hello(json!({"role": "provider"})).await;
    let name = "x".repeat(900);
    for _ in 0..30 {
        let ring = bot.ring_with("chat", json!({"templateParameters": {"customerName": name}})).await;
        ada.take_on(&ring).await;
        bot.result_of(&ring).await;
    }
    // A welcome of about a hundred kilobytes, more than TLS takes at once.
    for number in 0..60 {
        let session = json!({"sessionId": format!("{number}-{}", "s".repeat(100))});
        let ring =
            bot.ring_with("chat", crate::with(session, json!({"templateParameters": {"customerName": name}}))).await;
        ada.take_on(&ring).await;
    }
    let mut tab = wss(&hub).await;
    tab.hello(json!({"role": "agent", "agentId": "ada"})).await;
    assert_eq!(tab.welcome["sessions"].as_array().unwrap().len(), 90);
    tab.send_text(&json!({"type": "ping", "id": "x".repeat(20_000)}).to_string()).await;
    tab.expect_close(1009).await;
    hub.terminate();
    ada.expect_close(1001).await;
    bot.expect_close(1001).await;
    assert_eq!(hub.exit().await.code, Some(0));
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_1013_and_delays_nobody() {
    let config = "[limits]\noutboundFrames = 50\noutboundBytes = 65536\nmessagesPerSecond = 100000";
    let hub = sealed(Setup::new().config(config)).start().await;
    let mut slow = wss(&hub).await;
    slow.hello(json!({"role": "agent", "agentId": "slow"})).await;
    let mut quick = wss(&hub).await;
    quick.hello(json!({"role": "agent", "agentId": "quick"})).await;
    let mut bot = wss(&hub).await;
    bot.hello(json!({"role": "provider"})).await;
    // Until the kernel's buffers, TLS and the outbox hold no more; from then on the socket stays for 5 s.
    let details = "d".repeat(500);
    let cut_off = "deskbell_slow_clients_total 1";
    for number in 0..10_000 {
        let mark = json!({"type": "kpi", "sessionId": "s".repeat(128), "details": details,
            "shouldReset": number % 2 == 1});
        has(&bot.call(mark).await, json!({"type": "result"}));
        quick.expect("kpi").await;
        if number % 50 == 0 && get(&hub, "/metrics").await.lines().any(|line| line == cut_off) {
            break;
        }
    }
    slow.expect_close(1013).await;
}

#[tokio::test]
async fn certificate_and_key_that_do_not_fit_stop_the_start() {
    let file = |name: &str| key_file(name).to_str().unwrap().to_owned();
    for (arguments, says) in [
        (vec!["--tls-cert".to_owned(), file("tls-1.pem")], "--tls-key is missing"),
        (vec!["--tls-key".to_owned(), file("tls-1.key.pem")], "--tls-cert is missing"),
        (
            vec!["--tls-cert".to_owned(), file("tls-1.pem"), "--tls-key".to_owned(), file("tls-2.key.pem")],
            "does not belong to",
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let exit = Setup::new().args(&arguments).fail().await;
        assert_eq!((exit.code, exit.stderr.contains(says)), (Some(64), true), "{}", exit.stderr);
    }
}
