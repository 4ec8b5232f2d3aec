//! Refused requests, with their status and code; the codes are those of the WebSocket.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::ask::{Ask, ring};
use crate::harness::{Setup, has, hub, within};
use crate::raw;

#[tokio::test]
async fn a_body_that_is_not_a_valid_message_gets_400() {
    let hub = hub("").await;
    for (body, code) in [
        ("", "badMessage"),
        ("{", "badMessage"),
        ("[]", "badMessage"),
        ("\"x\"", "badMessage"),
        (r#"{"type":"kpi","sessionId":"s"}"#, "badMessage"),
        (r#"{"type":7}"#, "badMessage"),
        (r#"{"type":"notify"}"#, "badParameter"),
        (r#"{"templateName":7}"#, "badParameter"),
        (r#"{"templateName":""}"#, "badParameter"),
        (r#"{"templateName":"chat","id":""}"#, "badParameter"),
        (r#"{"templateName":"chat","correlationId":"x"}"#, "badParameter"),
        (r#"{"templateName":"chat","to":[]}"#, "badParameter"),
    ] {
        let answer = Ask::post("/api/notify", &json!({})).body(body).of(&hub).await;
        let name = if code == "badMessage" { json!(null) } else { json!("NotifyEvent") };
        has(&answer.is(400, code).body, json!({"type": "error", "msdyn_name": name}));
        assert!(!answer.body["detail"].as_str().unwrap().is_empty());
    }
    Ask::post("/api/notify", &json!({}))
        .body(b"{\"templateName\":\"\xff\"}".to_vec())
        .of(&hub)
        .await
        .is(400, "badMessage");
    has(
        &Ask::post("/api/endSession", &json!({})).of(&hub).await.is(400, "badParameter").body,
        json!({"msdyn_name": null}),
    );
    let echoed = Ask::post("/api/kpi", &json!({"id": "k-1"})).of(&hub).await;
    has(&echoed.is(400, "badParameter").body, json!({"id": "k-1", "msdyn_name": "NotifyKpiBreach"}));
}

#[tokio::test]
async fn a_wait_is_a_duration_of_at_most_a_minute() {
    let hub = hub("").await;
    for wrong in ["61s", "2m", "200m", "60001ms", "99999ms", "30", "-1s", "1.5s", "forever", "", "1h", "1s%0A"] {
        ring(&format!("?wait={wrong}"), json!({})).of(&hub).await.is(400, "badParameter");
    }
    for name in ["", "a%00b", &"x".repeat(129)] {
        ring(&format!("?providerId={name}"), json!({})).of(&hub).await.is(400, "badParameter");
    }
    for right in ["1ms&other=1", "0s", "0m", "0000000001ms"] {
        ring(&format!("?wait={right}"), json!({})).of(&hub).await.is(202, "");
    }
    let answered = json!({"templateName": "impatient"});
    for right in ["60s", "060s", "1m", "60000ms", "59999ms", "0000000030s"] {
        ring(&format!("?wait={right}"), answered.clone()).of(&hub).await.is(200, "");
    }
}

#[tokio::test]
async fn taken_is_409_unknown_is_404_foreign_is_403() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let open = ring("", json!({"id": "a", "cancellationToken": "t", "sessionId": "s"})).of(&hub).await;
    ring("", json!({"id": "b", "cancellationToken": "t"})).of(&hub).await.is(409, "tokenTaken");
    ring("", json!({"id": "a"})).of(&hub).await.is(409, "idTaken");
    ring("?providerId=other", json!({"sessionId": "s"})).of(&hub).await.is(403, "notAllowed");
    ada.take_on(&open.notification()).await;
    Ask::post("/api/endSession?providerId=other", &json!({"sessionId": "s"})).of(&hub).await.is(403, "notAllowed");
    Ask::post("/api/endSession", &json!({"sessionId": "none"})).of(&hub).await.is(404, "notFound");
    Ask::post("/api/cancel", &json!({"cancellationToken": "none"})).of(&hub).await.is(404, "notFound");
    Ask::post("/api/notify", &json!({"templateName": "needs"})).of(&hub).await.is(422, "unresolvedParameter");
    let none = Ask::post("/api/notify", &json!({"templateName": "none"})).of(&hub).await;
    has(&none.is(404, "unknownTemplate").body, json!({"message": "NotificationTemplateNotFoundError"}));
}

#[tokio::test]
async fn a_workspace_that_holds_as_many_as_it_may_is_429() {
    let hub = hub("[limits]\nopenNotifications = 1").await;
    ring("", json!({})).of(&hub).await.is(202, "");
    let refused = ring("", json!({})).of(&hub).await;
    has(&refused.is(429, "limit").body, json!({"retryAfterMs": null}));
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_provider_over_its_rate_gets_429_on_any_number_of_connections() {
    let hub = hub("[limits]\nmessagesPerSecond = 2").await;
    let ask = Ask::post("/api/kpi", &json!({"sessionId": "s"}));
    let answers = ask.many(&hub, 300).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    // The burst is four, and two come by with every second that this takes.
    assert!((4..100).contains(&taken), "{taken}");
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    refused.is(429, "rateLimited");
    let after_ms = refused.body["retryAfterMs"].as_u64().unwrap();
    assert_eq!(refused.header("retry-after"), Some(after_ms.div_ceil(1000).to_string().as_str()));
    // More than a hundred in a row have been refused; others are as before.
    Ask::post("/api/kpi?providerId=other", &json!({"sessionId": "s"})).of(&hub).await.is(200, "");
}

#[tokio::test]
async fn too_many_deliveries_get_429() {
    let hub = hub("[limits]\ndeliveriesPerSecond = 1").await;
    let mut tabs = Vec::new();
    for name in ["ada", "bob", "cy"] {
        tabs.push(hub.agent(name).await);
    }
    let ask = Ask::post("/api/kpi", &json!({"sessionId": "s"}));
    let mut answer = ask.of(&hub).await;
    let limited = async {
        while answer.status == 200 {
            answer = ask.of(&hub).await;
        }
    };
    within("a refusal", limited).await;
    has(&answer.is(429, "rateLimited").body, json!({"msdyn_name": "NotifyKpiBreach"}));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_one_at_it_is_taken() {
    let hub = hub("[limits]\nmaxMessageBytes = 20000").await;
    let padded = |bytes: usize| {
        let body = json!({"templateName": "chat"}).to_string();
        Ask::post("/api/notify", &json!({})).body(format!("{body:<bytes$}"))
    };
    padded(20_000 - 40).of(&hub).await.is(202, "");
    padded(20_001).of(&hub).await.is(413, "badParameter");
    // Without a length, and without an end.
    let mut stream = hub.tcp().await;
    let head =
        "POST /api/notify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 30_000, " ".repeat(30_000));
    stream.write_all(format!("{head}{chunk}").as_bytes()).await.unwrap();
    let answer = raw::Raw::from(stream).head().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let hub = hub("[server]\nhandshakeTimeout = \"300ms\"").await;
    let mut raw = raw::Raw::connect(hub.port).await;
    raw.send(b"POST /api/kpi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
        .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 408"));
}

/// A socket each, for this process and the hub.
fn with_open_files(needed: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum }).expect("files enough");
    }
}

#[tokio::test]
async fn many_waits_of_one_provider_do_not_block_the_waits_of_others() {
    with_open_files(4096);
    let hub = hub("[limits]\nmessagesPerSecond = 1000000").await;
    let mut ada = hub.agent("ada").await;
    let mut hogs = tokio::task::JoinSet::new();
    let hog = ring("?providerId=hog&wait=60s", json!({"id": "h", "to": {"agents": ["nobody"]}}));
    for _ in 0..=1024 {
        let (hog, stream, port) = (hog.clone(), hub.tcp().await, hub.port);
        hogs.spawn(async move { hog.over(stream, port).await.status });
    }
    // One too many, so it does not wait; all others do.
    assert_eq!(hogs.join_next().await.unwrap().unwrap(), 202);
    let other = ring("?providerId=other&wait=30s", json!({"to": {"agents": ["ada"]}}));
    let accept = async {
        let id = crate::harness::text(&ada.expect("notification").await["notificationId"]);
        ada.accept(&id).await;
    };
    let (answer, ()) = tokio::join!(other.of(&hub), accept);
    answer.is(200, "");
    hogs.abort_all();
}

#[tokio::test]
async fn unfinished_bodies_of_one_provider_do_not_block_others() {
    with_open_files(4096);
    let hub = hub("[server]\nhandshakeTimeout = \"5m\"\n[limits]\nmessagesPerSecond = 1000000").await;
    let mut slow = Vec::new();
    let head = b"POST /api/kpi?providerId=hog HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let ask = |provider: &str| Ask::post(&format!("/api/kpi?providerId={provider}"), &json!({"sessionId": "s"}));
    // More than there is room for, until the hub has read so many of their heads that it refuses one more.
    let refused = async {
        while slow.len() < 2048 || ask("hog").of(&hub).await.body["code"] != "rateLimited" {
            let mut raw = raw::Raw::connect(hub.port).await;
            raw.send(head).await;
            slow.push(raw);
        }
    };
    within("a limit of unfinished bodies", refused).await;
    ask("hog").of(&hub).await.is(429, "rateLimited");
    ask("other").of(&hub).await.is(200, "");
}

#[tokio::test]
async fn a_name_that_is_not_valid_utf_8_is_refused() {
    let hub = hub("").await;
    for odd in ["%ff", "%c0%80", "a%fe"] {
        let ask = ring(&format!("?providerId={odd}"), json!({}));
        let request = String::from_utf8(ask.bytes(hub.port)).unwrap();
        let answer = raw::http(hub.port, &request).await;
        assert!(raw::status(&answer) == 400 && answer.contains("badParameter"), "{odd}: {answer}");
    }
}

#[tokio::test]
async fn a_full_hub_is_503_and_the_rest_of_it_as_before() {
    let hub = hub("[limits]\nmaxConnections = 1").await;
    let mut ada = hub.agent("ada").await;
    let refused = ring("", json!({})).of(&hub).await;
    has(&refused.is(503, "unavailable").body, json!({"retryAfterMs": 1000}));
    assert_eq!(refused.header("retry-after"), Some("1"));
    ada.round_trip().await;
}

#[tokio::test]
async fn other_methods_are_405_and_other_paths_404() {
    let hub = hub("").await;
    for path in ["notify", "cancel", "kpi", "activity", "endSession"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let answer = Ask::new(method, &format!("/api/{path}")).of(&hub).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {path}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = Ask::new(method, "/api/notifications/x").of(&hub).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    for path in ["/api", "/api/", "/api/hello", "/api/notify/", "/api/notifications"] {
        Ask::new("GET", path).of(&hub).await.is(404, "notFound");
    }
    let open = ring("", json!({})).of(&hub).await;
    let head = Ask::new("HEAD", open.header("location").unwrap()).of(&hub).await;
    assert_eq!((head.status, head.body), (202, json!(null)));
}

#[tokio::test]
async fn a_disk_that_is_full_is_503_and_nothing_was_done() {
    let hub = Setup::on_disk().start().await;
    ring("", json!({})).of(&hub).await.is(202, "");
    let log = std::fs::read_dir(hub.setup.data_dir()).unwrap().map(|file| file.unwrap());
    let bytes = log.filter(|file| file.file_name().to_string_lossy().starts_with("log-"));
    let bytes = bytes.map(|file| file.metadata().unwrap().len()).max().unwrap();
    let limit = format!("--fsize={bytes}:unlimited");
    let limited = std::process::Command::new("prlimit").args(["--pid", &hub.pid(), &limit]).status();
    assert!(limited.unwrap().success());
    let refused = ring("", json!({"id": "full"})).of(&hub).await;
    refused.is(503, "unavailable");
    assert!(refused.header("retry-after").is_some());
    let unlimited = std::process::Command::new("prlimit").args(["--pid", &hub.pid(), "--fsize=unlimited"]).status();
    assert!(unlimited.unwrap().success());
    let taken = async { while ring("", json!({"id": "full"})).of(&hub).await.status != 202 {} };
    within("the disk to be in use again", taken).await;
}
