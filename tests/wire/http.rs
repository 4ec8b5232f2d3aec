//! HTTP on the one port: requests without an upgrade, the origins that may upgrade, and the files served.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::left_out::left_out;
use crate::harness::{Setup, cancelled, has, hub, left_out_in_cluster};
use crate::raw::{get, http, status, upgrade, upgrade_status};

#[tokio::test]
async fn a_request_without_an_upgrade_gets_a_status() {
    let hub = hub("").await;
    assert!((400..500).contains(&status(&get(hub.port, "/ws").await)));
    assert_eq!(status(&get(hub.port, "/no-such-page").await), 404);
    let old = upgrade(hub.port, "").replace("Version: 13", "Version: 8");
    assert!((400..500).contains(&upgrade_status(hub.port, &old).await));
    let no_key = upgrade(hub.port, "").replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "");
    assert!((400..500).contains(&upgrade_status(hub.port, &no_key).await));
    let post = upgrade(hub.port, "").replace("GET /ws", "POST /ws");
    assert!((400..500).contains(&upgrade_status(hub.port, &post).await));
    let elsewhere = upgrade(hub.port, "").replace("GET /ws", "GET /elsewhere");
    assert_eq!(upgrade_status(hub.port, &elsewhere).await, 404);
}

#[tokio::test]
async fn malformed_http_ends_only_its_own_connection() {
    let hub = hub("").await;
    let mut agent = hub.agent("ada").await;
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1_000_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-Filler: y\r\n".repeat(20_000));
    let bad_name = "GET / HTTP/1.1\r\nHo st: x\r\n\r\n".to_owned();
    let tls = "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}".to_owned();
    for request in
        ["nonsense\r\n\r\n".to_owned(), "\0\0\0\0\r\n\r\n".to_owned(), long_line, many, bad_name, tls + "\r\n\r\n"]
    {
        let response = http(hub.port, &request).await;
        let refused = response.is_empty() || (400..600).contains(&status(&response));
        assert!(refused, "{} was answered with {response}", &request[..request.floor_char_boundary(40)]);
    }
    has(&agent.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn the_templates_in_force_are_listed_with_their_placeholders() {
    let vip = r#"
        [[templates]]
        name = "vip_call"
        title = "{customerName|A customer} is calling"
        icon = "phone"
        timeout = "20s"
        queueTimeout = "45s"
        fields = [ { label = "Number", value = "{phoneNumber|unknown}" }, { label = "Queue", value = "{queue}" } ]
    "#;
    let hub = hub(vip).await;
    let response = get(hub.port, "/templates").await;
    assert_eq!(status(&response), 200);
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let listing: serde_json::Value = serde_json::from_str(body).unwrap();
    let templates = listing["templates"].as_array().unwrap();
    let names: Vec<_> = templates.iter().map(|template| template["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.contains(&"msdyn_call_incoming"), "{names:?}");
    assert_eq!(
        *templates.last().unwrap(),
        json!({"name": "vip_call", "title": "{customerName|A customer} is calling", "icon": "phone",
            "timeoutMs": 20000, "queueTimeoutMs": 45000, "autoAccept": false, "autoAcceptOnTimeout": false,
            "settle": "firstResponse", "placeholders": [
                {"name": "customerName", "default": "A customer", "required": false},
                {"name": "phoneNumber", "default": "unknown", "required": false},
                {"name": "queue", "required": true}]})
    );
    let post = http(hub.port, "POST /templates HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&post.await), 405);
}

#[tokio::test]
async fn browsers_from_elsewhere_get_403() {
    if left_out_in_cluster("an origin of its own has each hub's port") {
        return;
    }
    let hub = hub("").await;
    for refused in
        ["http://evil.example", "https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
    {
        assert_eq!(hub.upgrade_refused(None, &[("Origin", refused)]).await, 403, "{refused}");
    }
    for host in ["127.0.0.1", "localhost"] {
        let own = format!("http://{host}:{}", hub.port);
        let (mut client, _) = hub.connect_with(None, &[("Origin", &own)]).await.unwrap();
        client.hello(json!({"role": "observer"})).await;
    }
}

#[tokio::test]
async fn the_host_header_does_not_make_an_origin_its_own() {
    let hub = hub("").await;
    let forged = upgrade(hub.port, "Origin: http://evil.example\r\n")
        .replace(&format!("Host: 127.0.0.1:{}", hub.port), "Host: evil.example");
    assert_eq!(upgrade_status(hub.port, &forged).await, 403);
}

/// The requests of a page of another site with a name that its own DNS resolves to this machine. For the browser the hub is that site,
/// so the page may read the answers, and read-only requests have no `Origin`.
#[tokio::test]
async fn a_foreign_host_name_gets_no_answer() {
    let ask = |port: u16, path: &str, host: &str, more: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
        async move { http(port, &request).await }
    };
    let hub = Setup::new().args(&["--allowed-origin", "https://desk.example:8443"]).start().await;
    for path in ["/templates", "/metrics"] {
        for host in
            ["evil.example", "evil.example:8080", "EVIL.example.", "127.0.0.1.evil.example", "localhost.evil.example"]
        {
            let answer = ask(hub.port, path, host, "").await;
            assert_eq!(status(&answer), 403, "{path} {host}: {answer}");
            assert!(answer.contains("--allowed-origin") && !answer.contains("deskbell_open"), "{answer}");
        }
        for host in ["127.0.0.1", "localhost", "desk.localhost:80", "[::1]:80", "127.1", "hub:80", "desk.example", ""] {
            assert_eq!(status(&ask(hub.port, path, host, "").await), 200, "{path} {host}");
        }
        let of_a_page_let_in = ask(hub.port, path, "evil.example", "Origin: https://desk.example:8443\r\n");
        assert_eq!(status(&of_a_page_let_in.await), 200, "{path}");
        let absolute = ask(hub.port, &format!("http://evil.example{path}"), "127.0.0.1", "");
        assert_eq!(status(&absolute.await), 403, "{path}");
        let doubled = ask(hub.port, path, "127.0.0.1\r\nHost: evil.example", "").await;
        assert!([400, 403].contains(&status(&doubled)), "{path}: {doubled}");
    }
    // Paths without secrets are served to every origin.
    for path in ["/healthz", "/readyz", "/", "/asyncapi.yaml"] {
        assert_eq!(status(&ask(hub.port, path, "evil.example", "").await), 200, "{path}");
    }
    // A browser's WebSocket always sends its origin; a client without one is not a browser.
    let bot = upgrade(hub.port, "").replace("Host: 127.0.0.1", "Host: bots.example");
    assert_eq!(upgrade_status(hub.port, &bot).await, 101);
}

/// A hub that was opened to other machines is called as they call it: a container by its service's name.
#[tokio::test]
async fn other_machines_call_the_hub_as_they_like() {
    // No packet is sent: this only finds this machine's address on the route, if there is a route.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if left_out_in_cluster("hubs listen on loopback") {
        return;
    }
    let own = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).map(|own| own.ip());
    let Some(own) = own.ok().filter(|own| !own.is_loopback()) else {
        return left_out("this machine has no address besides loopback");
    };
    let mut hub = Setup::new().listen("0.0.0.0:0").args(&["--insecure"]).spawn();
    let port = hub.says_where_it_listens().await;
    for (address, expected) in [(own, 200), ([127, 0, 0, 1].into(), 403)] {
        let mut stream = TcpStream::connect((address, port)).await.unwrap();
        let request = "GET /templates HTTP/1.1\r\nHost: deskbell.default.svc\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(status(&answer), expected, "{address}: {answer}");
    }
}

#[tokio::test]
async fn an_allowed_origin_is_served() {
    let setup =
        Setup::new().args(&["--allowed-origin", "https://desk.example", "--allowed-origin", "http://b.example:81"]);
    let hub = setup.start().await;
    for origin in ["https://desk.example", "http://b.example:81"] {
        hub.connect_with(None, &[("Origin", origin)]).await.unwrap();
    }
    for origin in ["http://desk.example", "https://desk.example:444", "http://b.example"] {
        assert_eq!(hub.upgrade_refused(None, &[("Origin", origin)]).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn a_full_hub_answers_the_upgrade_with_503() {
    if left_out_in_cluster("each hub counts its own connections") {
        return;
    }
    let hub = hub("[limits]\nmaxConnections = 2").await;
    let first = hub.agent("ada").await;
    let _second = hub.agent("bob").await;
    let refused = upgrade_status(hub.port, &upgrade(hub.port, "")).await;
    assert_eq!(refused, 503);
    first.leave().await;
    // The place is free once the hub has noticed the end; the next client may be a moment too early.
    let mut answer = 503;
    for _ in 0..200 {
        answer = upgrade_status(hub.port, &upgrade(hub.port, "")).await;
        if answer == 101 {
            break;
        }
    }
    assert_eq!(answer, 101);
}

#[tokio::test]
async fn it_says_that_it_is_alive_and_ready() {
    let hub = hub("").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(&get(hub.port, path).await), 200, "{path}");
    }
}

#[tokio::test]
async fn metrics_are_prometheus_text_with_names_that_begin_with_deskbell() {
    let hub = hub("").await;
    let _ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"value": cancelled()}));
    let response = get(hub.port, "/metrics").await;
    assert_eq!(status(&response), 200);
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: text/plain"), "{head}");
    let samples: Vec<&str> = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(samples.len() > 3, "{body}");
    for sample in samples {
        assert!(sample.starts_with("deskbell_"), "{sample}");
        let value = sample.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
}

#[tokio::test]
async fn it_serves_the_page_the_sdk_and_its_own_description() {
    let hub = hub("").await;
    for (path, kind, words) in [
        ("/", "text/html", "<html"),
        ("/sdk/deskbell.js", "text/javascript", "install"),
        ("/asyncapi.yaml", "text/plain", "asyncapi:"),
    ] {
        let response = get(hub.port, path).await;
        assert_eq!(status(&response), 200, "{path}");
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains(kind), "{path}: {head}");
        assert!(body.contains(words), "{path}: {body}");
    }
}

#[tokio::test]
async fn paths_that_climb_are_not_served() {
    let hub = hub("").await;
    for path in
        ["/../Cargo.toml", "/sdk/../../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/sdk/..%2f..%2fetc/passwd"]
    {
        assert_eq!(status(&get(hub.port, path).await), 404, "{path}");
    }
}

#[tokio::test]
async fn an_upgrade_as_browsers_write_it() {
    let hub = hub("").await;
    let request = upgrade(hub.port, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
        .replace("Connection: Upgrade", "Connection: keep-alive, Upgrade")
        .replace("Upgrade: websocket", "upgrade: WebSocket");
    let mut raw = crate::raw::Raw::connect(hub.port).await;
    raw.send(request.as_bytes()).await;
    let head = raw.head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}
