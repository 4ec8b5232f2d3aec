//! The context of a notify: the winner receives it, and nobody and nothing else has a byte of it.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Hub, Setup, has, hub, is_error, left_out_in_cluster};
use crate::raw;

/// A word that no message, log or file has unless it comes from a context.
const SECRET: &str = "Xyzzy-7193-Plugh";

fn ring(session: &str, context: &Value) -> Value {
    json!({"sessionId": session, "context": context})
}

#[tokio::test]
async fn the_winner_receives_the_context_on_every_connection_and_asks_for_it_after_a_reload() {
    let hub = Setup::on_disk().start().await;
    let (mut ada, mut tab) = (hub.agent("ada").await, hub.agent("ada").await);
    let mut bot = hub.provider("bot").await;
    let context = json!({"summary": "Ü \u{1f600}", "list": [1, null, {"deep": true}]});
    let id = bot.ring_with("chat", ring("s", &context)).await;
    let session = ada.take_on(&id).await;
    has(&session, json!({"sessionId": "s", "context": context}));
    assert_eq!(session.get("hasContext"), None);
    has(&tab.expect("session").await, json!({"context": context}));
    let hub = hub.crash_and_restart().await;
    let mut ada = hub.agent("ada").await;
    has(&ada.welcome["sessions"][0], json!({"sessionId": "s", "hasContext": true}));
    assert_eq!(ada.welcome["sessions"][0].get("context"), None);
    let asked = json!({"type": "getContext", "id": "c-1", "sessionId": "s"});
    assert_eq!(
        ada.call(asked.clone()).await,
        json!({"type": "context", "id": "c-1", "sessionId": "s", "context": context})
    );
    let mut bob = hub.agent("bob").await;
    is_error(&bob.call(asked.clone()).await, "notAllowed", None);
    is_error(&ada.call(json!({"type": "getContext", "sessionId": "x"})).await, "notFound", None);
    ada.call(json!({"type": "endSession", "sessionId": "s"})).await;
    is_error(&ada.call(asked.clone()).await, "notFound", None);
    let mut bot = hub.provider("bot").await;
    is_error(&bot.call(asked).await, "notAllowed", None);
}

#[tokio::test]
async fn a_transfer_hands_the_context_on_unless_it_brings_its_own() {
    let hub = hub("").await;
    let (mut ada, mut bob) = (hub.agent("ada").await, hub.agent("bob").await);
    let mut bot = hub.provider("bot").await;
    let to = |agent: &str| json!({"sessionId": "s", "to": {"agents": [agent]}});
    let mut first = to("ada");
    first["context"] = json!({"n": 1});
    let id = bot.ring_with("chat", first).await;
    has(&ada.take_on(&id).await, json!({"context": {"n": 1}}));
    let id = bot.ring_with("chat", to("bob")).await;
    has(&bob.take_on(&id).await, json!({"context": {"n": 1}}));
    let mut third = to("ada");
    third["context"] = json!({"n": 3});
    let id = bot.ring_with("chat", third).await;
    has(&ada.take_on(&id).await, json!({"context": {"n": 3}}));
}

#[tokio::test]
async fn a_context_is_an_object_of_at_most_8192_bytes_and_counts_for_says_the_same() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let notify = |context: Value| json!({"type": "notify", "templateName": "chat", "to": {"agents": ["nobody"]}, "context": context});
    for wrong in [json!([]), json!("{}"), json!(1), json!({"a": "x".repeat(8_192 - 7)})] {
        let mut message = notify(wrong);
        message["id"] = json!("w");
        bot.send_text(&message.to_string()).await;
        is_error(&bot.reply("w").await, "badParameter", Some("NotifyEvent"));
    }
    for right in [Value::Null, json!({}), json!({"a": "x".repeat(8_192 - 8)})] {
        has(&bot.call(notify(right)).await, json!({"type": "ack"}));
    }
    let said = |context: &str| {
        format!(
            r#"{{"type":"notify","id":"same","templateName":"chat","to":{{"agents":["nobody"]}},"context":{context}}}"#
        )
    };
    bot.send_text(&said(r#"{"a":1}"#)).await;
    has(&bot.reply("same").await, json!({"type": "ack", "duplicate": false}));
    bot.send_text(&said(r#"{"a":1}"#)).await;
    has(&bot.reply("same").await, json!({"type": "ack", "duplicate": true}));
    // The same value, written in another way.
    bot.send_text(&said(r#"{"a": 1}"#)).await;
    is_error(&bot.reply("same").await, "idTaken", Some("NotifyEvent"));
    bot.send_text(&said("null")).await;
    is_error(&bot.reply("same").await, "idTaken", Some("NotifyEvent"));
}

#[tokio::test]
async fn context_bytes_bounds_all_contexts_of_a_workspace() {
    let hub = hub("[limits]\ncontextBytes = \"8KiB\"").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let half = json!({"a": "x".repeat(4_096 - 8)});
    let id = bot.ring_with("chat", ring("s", &half)).await;
    ada.take_on(&id).await;
    bot.ring_with("chat", json!({"cancellationToken": "t", "context": half})).await;
    let more = json!({"type": "notify", "templateName": "chat", "context": {}});
    is_error(&bot.call(more.clone()).await, "limit", Some("NotifyEvent"));
    has(&bot.call(json!({"type": "notify", "templateName": "chat"})).await, json!({"type": "ack"}));
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    has(&bot.call(more).await, json!({"type": "ack"}));
}

/// Whether a file of the data directory has the secret.
fn is_on_disk(hub: &Hub) -> bool {
    let files = std::fs::read_dir(hub.setup.data_dir()).unwrap().map(|file| file.unwrap().path());
    // One may go between the look and the reading.
    files.filter_map(|file| std::fs::read(file).ok()).any(|bytes| has_secret(&bytes))
}

fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

#[tokio::test]
async fn nobody_else_and_nothing_else_has_a_byte_of_it() {
    if left_out_in_cluster("it reads the data directory of one hub") {
        return;
    }
    let setup = Setup::on_disk()
        .config("[limits]\nretention = \"100ms\"\n[log]\nhistory = \"1s\"")
        .variable("DESKBELL_LOG", "trace")
        .args(&["--admin-listen", "127.0.0.1:0"]);
    let hub = setup.start().await;
    let (mut watch, mut bob) = (hub.observer().await, hub.agent("bob").await);
    let (mut other, mut tab) = (hub.provider("other").await, hub.provider("bot").await);
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let context = json!({"note": SECRET});
    // One that is accepted, one that is transferred, and one that nobody accepts.
    let first = bot.ring_with("chat", ring("s", &context)).await;
    let mut heard = vec![bob.shown(&first).await];
    has(&ada.take_on(&first).await, json!({"context": context}));
    let rejected = bot.ring_with("chat", ring("t", &context)).await;
    ada.reject(&rejected).await;
    for agent in ["bob", "ada"] {
        let again = bot.ring_with("chat", json!({"sessionId": "s", "to": {"agents": [agent]}})).await;
        let winner = if agent == "bob" { &mut bob } else { &mut ada };
        has(&winner.take_on(&again).await, json!({"context": context}));
    }
    ada.call(json!({"type": "endSession", "sessionId": "s"})).await;
    for client in [&mut watch, &mut other, &mut tab, &mut bot, &mut bob] {
        heard.append(&mut client.rest().await);
    }
    heard.push(hub.agent("ada").await.welcome);
    heard.push(hub.agent("late").await.welcome);
    assert!(heard.len() > 20, "{heard:?}");
    let heard = json!(heard).to_string();
    assert!(!has_secret(heard.as_bytes()), "{heard}");

    let directory = hub.setup.data_dir();
    let explained = Command::new(env!("CARGO_BIN_EXE_deskbell"))
        .args(["explain", &first, "--data-dir", directory.to_str().unwrap()])
        .output()
        .unwrap();
    let explained = [explained.stdout, explained.stderr].concat();
    assert!(explained.len() > 100 && !has_secret(&explained), "{}", String::from_utf8_lossy(&explained));
    let metrics = raw::get(hub.port, "/metrics").await;
    assert!(metrics.contains("deskbell_") && !has_secret(metrics.as_bytes()), "{metrics}");

    let began = Instant::now();
    while is_on_disk(&hub) {
        assert!(began.elapsed() < Duration::from_secs(120), "it is still on disk");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let said = hub.stderr.so_far();
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "{said}");
    assert!(!has_secret(said.as_bytes()), "{said}");
}
