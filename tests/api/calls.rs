//! What requests do: ring and wait, ask again, cancel, mark, count, end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::ask::{Ask, recall, ring};
use crate::harness::{NOBODYS, PATIENCE, Setup, accepted, auto_accepted, cancelled, declined, has, hub, queue_full};

#[tokio::test]
async fn a_ring_waits_for_its_outcome() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let body = json!({"id": "conv-1", "sessionId": "conv-1", "templateParameters": {"customerName": "Grace"}});
    let ask = ring("?wait=30s", body);
    let (answer, ()) = tokio::join!(ask.of(&hub), async {
        let shown = ada.expect("notification").await;
        has(&shown, json!({"title": "Grace wants to chat", "providerId": "http"}));
        ada.accept(shown["notificationId"].as_str().unwrap()).await;
    });
    let answer = answer.is(200, "").clone();
    has(
        &answer.body,
        json!({"type": "result", "id": "conv-1", "msdyn_name": "NotifyEvent", "value": accepted(),
        "agentId": "ada", "sessionId": "conv-1"}),
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn without_an_outcome_it_says_where_to_ask_again() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let open = ring("", json!({"id": "conv-1"})).of(&hub).await;
    has(&open.is(202, "").body, json!({"type": "ack", "id": "conv-1", "duplicate": false}));
    let place = open.header("location").unwrap().to_owned();
    assert_eq!(place, format!("/api/notifications/{}", open.notification()));
    let began = Instant::now();
    let still = Ask::new("GET", &format!("{place}?wait=200ms")).of(&hub).await;
    assert!(began.elapsed() >= Duration::from_millis(200));
    has(&still.is(202, "").body, json!({"id": "conv-1", "notificationId": open.notification(), "duplicate": true}));
    assert_eq!(still.header("location"), Some(place.as_str()));
    let again = Ask::new("GET", &format!("{place}?wait=30s"));
    let id = open.notification();
    let (answer, _) = tokio::join!(again.of(&hub), ada.reject(&id));
    has(&answer.is(200, "").body, json!({"value": declined(), "agentId": "ada"}));
    has(&Ask::new("GET", &place).of(&hub).await.is(200, "").body, json!({"value": declined()}));
}

#[tokio::test]
async fn an_outcome_known_at_once_is_in_the_first_answer() {
    let hub = hub("[limits]\nqueueLimit = 1").await;
    let mut ada = hub.agent("ada").await;
    let taken = Ask::post("/api/notify", &json!({"templateName": "auto"})).of(&hub).await;
    has(&taken.is(200, "").body, json!({"value": auto_accepted(), "agentId": "ada"}));
    // A caller that does not wait gets the address to ask again, too.
    let place = taken.header("location").unwrap();
    has(&Ask::new("GET", place).of(&hub).await.is(200, "").body, json!({"value": auto_accepted()}));
    ada.set_presence("away").await;
    ring("", json!({})).of(&hub).await.is(202, "");
    has(&ring("", json!({})).of(&hub).await.is(200, "").body, json!({"value": queue_full()}));
}

#[tokio::test]
async fn all_waits_for_one_notification_receive_its_outcome() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let open = ring("", json!({"id": "a"})).of(&hub).await;
    let asks: Vec<_> =
        (0..20)
            .map(|n| {
                if n % 2 == 0 {
                    recall(&open.notification(), "?wait=30s")
                } else {
                    ring("?wait=30s", json!({"id": "a"}))
                }
            })
            .collect();
    let answers = futures::future::join_all(asks.iter().map(|ask| ask.of(&hub)));
    let id = open.notification();
    let (answers, _) = tokio::join!(answers, ada.accept(&id));
    for answer in answers {
        has(&answer.is(200, "").body, json!({"value": accepted(), "notificationId": open.notification()}));
    }
}

#[tokio::test]
async fn the_query_names_the_provider_and_it_receives_only_its_own() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let open = ring("?providerId=bot%201%2B", json!({})).of(&hub).await;
    let place = open.is(202, "").header("location").unwrap().to_owned();
    assert_eq!(place, format!("/api/notifications/{}?providerId=bot%201%2B", open.notification()));
    has(&ada.expect("notification").await, json!({"providerId": "bot 1+"}));
    Ask::new("GET", &place).of(&hub).await.is(202, "");
    recall(&open.notification(), "").of(&hub).await.is(404, "notFound");
    recall(&open.notification(), "?providerId=other").of(&hub).await.is(404, "notFound");
    recall(NOBODYS, "").of(&hub).await.is(404, "notFound");
    recall("none", "").of(&hub).await.is(404, "notFound");
}

#[tokio::test]
async fn a_cancel_withdraws_the_notification_and_ends_every_wait() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let waiting = ring("?wait=30s", json!({"cancellationToken": "t"}));
    let cancel = async {
        ada.expect("notification").await;
        Ask::post("/api/cancel", &json!({"id": "c-1", "cancellationToken": "t"})).of(&hub).await
    };
    let (waited, answer) = tokio::join!(waiting.of(&hub), cancel);
    has(
        &answer.is(200, "").body,
        json!({"type": "result", "id": "c-1", "msdyn_name": "CancelEvent",
        "cancellationToken": "t", "value": cancelled()}),
    );
    has(&waited.is(200, "").body, json!({"value": cancelled()}));
    let others = Ask::post("/api/cancel?providerId=other", &json!({"cancellationToken": "t"})).of(&hub).await;
    others.is(404, "notFound");
}

#[tokio::test]
async fn sessions_are_marked_counted_and_ended() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let open = ring("", json!({"sessionId": "s"})).of(&hub).await;
    ada.take_on(&open.notification()).await;
    let kpi = Ask::post("/api/kpi", &json!({"sessionId": "s", "details": "late"})).of(&hub).await;
    has(&kpi.is(200, "").body, json!({"msdyn_name": "NotifyKpiBreach"}));
    has(&ada.expect("kpi").await, json!({"sessionId": "s", "breached": true, "details": "late"}));
    Ask::post("/api/activity", &json!({"sessionId": "s", "count": 3})).of(&hub).await.is(200, "");
    has(&ada.expect("activity").await, json!({"sessionId": "s", "count": 3}));
    Ask::post("/api/endSession?providerId=other", &json!({"sessionId": "s"})).of(&hub).await.is(403, "notAllowed");
    Ask::post("/api/endSession", &json!({"sessionId": "s"})).of(&hub).await.is(200, "");
    has(&ada.expect("sessionEnded").await, json!({"sessionId": "s"}));
}

#[tokio::test]
async fn the_http_connection_of_a_provider_is_visible_as_one_and_ends() {
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let mut ada = hub.agent("ada").await;
    for _ in 0..3 {
        ring("?providerId=bot", json!({})).of(&hub).await.is(202, "");
    }
    let joined = watcher.take("it to join", |m| m["event"] == "providerJoined").await;
    has(&joined, json!({"providerId": "bot"}));
    for _ in 0..3 {
        let id = crate::harness::text(&ada.expect("notification").await["notificationId"]);
        ada.accept(&id).await;
    }
    let joins = std::cell::Cell::new(0);
    let left = |message: &serde_json::Value| {
        joins.set(joins.get() + u32::from(message["event"] == "providerJoined"));
        message["event"] == "providerLeft"
    };
    watcher.take("it to leave", left).await;
    assert_eq!(joins.get(), 0, "it joined once");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let hub = hub("").await;
    let mut stream = hub.tcp().await;
    for number in 0..3 {
        let ask = ring("", json!({"id": format!("a-{number}")}));
        let bytes = String::from_utf8(ask.bytes(hub.port)).unwrap().replace("Connection: close\r\n", "");
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("}\n") {
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
            answer += std::str::from_utf8(&buffer[..read]).unwrap();
        }
        assert!(answer.starts_with("HTTP/1.1 202") && answer.contains(&format!("a-{number}")), "{answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_with_a_waiting_request_is_not() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let hub = hub("[server]\nhttpIdleTimeout = \"1s\"").await;
    let ask = ring("?wait=3s", json!({"id": "a"}));
    let bytes = String::from_utf8(ask.bytes(hub.port)).unwrap().replace("Connection: close\r\n", "");
    let mut stream = hub.tcp().await;
    stream.write_all(bytes.as_bytes()).await.unwrap();
    // The wait is longer than the limit for an idle connection, and its answer still arrives. Then the hub ends the connection.
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .expect("the end of the connection")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn calls_of_one_provider_run_concurrently() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let slow = ring("?wait=60s", json!({"id": "slow", "sessionId": "s"}));
    let others = async {
        let id = crate::harness::text(&ada.expect("notification").await["notificationId"]);
        // The first call waits for its outcome until the end of this block, whatever the others do.
        let asks: Vec<_> = (0..20)
            .map(|n| match n % 3 {
                0 => ring("", json!({"id": format!("quick-{n}")})),
                1 => recall(&id, ""),
                _ => Ask::post("/api/kpi", &json!({"id": format!("kpi-{n}"), "sessionId": "s"})),
            })
            .collect();
        let answers = futures::future::join_all(asks.iter().map(|ask| ask.of(&hub))).await;
        for (n, answer) in answers.iter().enumerate() {
            let expected = match n % 3 {
                0 => json!({"type": "ack", "id": format!("quick-{n}"), "duplicate": false}),
                1 => json!({"type": "ack", "id": "slow", "notificationId": &id}),
                _ => json!({"type": "result", "id": format!("kpi-{n}"), "msdyn_name": "NotifyKpiBreach"}),
            };
            has(&answer.body, expected);
        }
        ada.accept(&id).await;
    };
    let (answer, ()) = tokio::join!(slow.of(&hub), others);
    has(&answer.is(200, "").body, json!({"id": "slow", "value": accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_behind() {
    use tokio::io::AsyncWriteExt as _;
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let mut ada = hub.agent("ada").await;
    let mut stream = hub.tcp().await;
    stream.write_all(&ring("?wait=60s", json!({"id": "gone"})).bytes(hub.port)).await.unwrap();
    let id = crate::harness::text(&ada.expect("notification").await["notificationId"]);
    drop(stream);
    // A provider leaves only when none of its requests is under way, so the abandoned one has ended before its 60 s.
    watcher.take("the provider to leave", |message| message["event"] == "providerLeft").await;
    // The notification is not lost, and a later request for it receives its outcome.
    ada.accept(&id).await;
    has(&ring("?wait=30s", json!({"id": "gone"})).of(&hub).await.is(200, "").body, json!({"value": accepted()}));
}

#[tokio::test]
async fn a_stop_ends_every_wait_with_the_address_to_ask_again() {
    let hub = Setup::on_disk().start().await;
    let mut ada = hub.agent("ada").await;
    let waiting = ring("?wait=60s", json!({"id": "a"}));
    let stop = async {
        ada.expect("notification").await;
        hub.terminate();
    };
    let (answer, ()) = tokio::join!(waiting.of(&hub), stop);
    let place = answer.is(202, "").header("location").unwrap().to_owned();
    let setup = hub.setup.clone();
    assert_eq!(hub.exit().await.code, Some(0));
    let hub = setup.start().await;
    let mut ada = hub.agent("ada").await;
    let again = Ask::new("GET", &format!("{place}?wait=30s"));
    let id = place.rsplit('/').next().unwrap();
    let (answer, _) = tokio::join!(again.of(&hub), ada.accept(id));
    has(&answer.is(200, "").body, json!({"value": accepted(), "id": "a"}));
}

#[tokio::test]
async fn after_a_crash_the_same_address_returns_the_outcome() {
    let hub = Setup::on_disk().start().await;
    let mut ada = hub.agent("ada").await;
    let open = ring("", json!({"id": "a"})).of(&hub).await;
    let settled = ring("", json!({"id": "b"})).of(&hub).await;
    ada.accept(&settled.notification()).await;
    let hub = hub.crash_and_restart().await;
    has(&recall(&settled.notification(), "").of(&hub).await.is(200, "").body, json!({"value": accepted(), "id": "b"}));
    recall(&open.notification(), "").of(&hub).await.is(202, "");
    has(
        &ring("", json!({"id": "a"})).of(&hub).await.is(202, "").body,
        json!({"duplicate": true, "notificationId": open.notification()}),
    );
}
