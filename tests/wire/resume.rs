//! A provider that was away receives every outcome, or learns that it missed some.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Client, Hub, accepted, cancelled, has, hub, text};

async fn resumed(hub: &Hub, resume: Value) -> Client {
    hub.join(json!({"role": "provider", "providerId": "bot", "resume": resume})).await
}

/// Rings and cancels; gives the notificationId and the position of the result.
async fn settle(bot: &mut Client) -> (String, String) {
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    let result = bot.result_of(&id).await;
    let position = text(&result["position"]);
    assert!((1..=32).contains(&position.len()), "{position}");
    (id, position)
}

async fn next_ids(client: &mut Client, n: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..n {
        let result = client.next().await;
        has(&result, json!({"type": "result", "msdyn_name": "NotifyEvent"}));
        ids.push(text(&result["notificationId"]));
    }
    client.expect_silence().await;
    ids
}

#[tokio::test]
async fn the_result_goes_to_all_connections_of_the_provider() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut one, mut two) = (hub.provider("bot").await, hub.provider("bot").await);
    let mut other = hub.provider("other").await;
    let id = one.ring("chat").await;
    ada.take_on(&id).await;
    let first = one.result_of(&id).await;
    assert_eq!(two.result_of(&id).await, first);
    for connection in [&mut one, &mut two, &mut other] {
        connection.expect_silence().await;
    }
}

#[tokio::test]
async fn without_resume_no_result_is_sent_again() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    settle(&mut bot).await;
    hub.provider("bot").await.expect_silence().await;
}

#[tokio::test]
async fn resume_with_a_position_sends_later_results_oldest_first() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let (_, position) = settle(&mut bot).await;
    let late = bot.ring_with("chat", json!({"id": "late", "sessionId": "s"})).await;
    let (second, _) = settle(&mut bot).await;
    let mut other = hub.provider("other").await;
    settle(&mut other).await;
    hub.depart(bot).await;
    ada.accept(&late).await;

    let mut bot = resumed(&hub, json!(position)).await;
    assert_ne!(bot.welcome["missed"], true, "{}", bot.welcome);
    has(&bot.welcome, json!({"open": []}));
    has(&bot.next().await, json!({"type": "result", "notificationId": second, "value": cancelled()}));
    let result = bot.next().await;
    has(
        &result,
        json!({"notificationId": late, "id": "late", "value": accepted(), "agentId": "ada", "sessionId": "s"}),
    );
    bot.expect_silence().await;
    // From there, nothing is left.
    let mut bot = resumed(&hub, result["position"].clone()).await;
    assert_ne!(bot.welcome["missed"], true);
    bot.expect_silence().await;
}

#[tokio::test]
async fn resume_true_sends_all_retained_results_oldest_first() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let first = bot.ring("chat").await;
    let (second, _) = settle(&mut bot).await;
    ada.take_on(&first).await;
    bot.result_of(&first).await;
    let mut again = resumed(&hub, json!(true)).await;
    assert_ne!(again.welcome["missed"], true);
    assert_eq!(next_ids(&mut again, 2).await, [second, first]);
    bot.expect_silence().await;
}

#[tokio::test]
async fn an_unknown_position_says_missed() {
    let hub = hub("").await;
    let other_hub = crate::harness::hub("").await;
    let mut elsewhere = other_hub.provider("bot").await;
    let (_, foreign) = settle(&mut elsewhere).await;
    let mut bot = hub.provider("bot").await;
    let (id, _) = settle(&mut bot).await;
    for nonsense in [json!(foreign), json!("nonsense"), json!("0"), json!("ffffffffffffffffffffffffffffffff")] {
        let mut again = resumed(&hub, nonsense).await;
        has(&again.welcome, json!({"missed": true}));
        // The hub may send all retained results then; nothing else.
        for told in again.rest().await {
            has(&told, json!({"type": "result", "notificationId": id}));
        }
    }
}

#[tokio::test]
async fn a_position_before_forgotten_results_says_missed() {
    let hub = hub("[limits]\nretainedOutcomes = 2").await;
    let mut bot = hub.provider("bot").await;
    let mut settled = Vec::new();
    for _ in 0..4 {
        settled.push(settle(&mut bot).await);
    }
    let ids: Vec<String> = settled.iter().map(|(id, _)| id.clone()).collect();
    // The last two are retained: after the first position, one is forgotten.
    let mut from_first = resumed(&hub, json!(settled[0].1)).await;
    has(&from_first.welcome, json!({"missed": true}));
    assert_eq!(next_ids(&mut from_first, 2).await, ids[2..]);
    for (n, told) in [(1, &ids[2..]), (2, &ids[3..]), (3, &[][..])] {
        let mut later = resumed(&hub, json!(settled[n].1)).await;
        assert_ne!(later.welcome["missed"], true, "after {n}");
        assert_eq!(next_ids(&mut later, told.len()).await, told);
    }
}

#[tokio::test]
async fn an_outcome_is_forgotten_after_the_retention_time() {
    let hub = hub("[limits]\nretention = \"1s\"").await;
    let mut bot = hub.provider("bot").await;
    let (_, before) = settle(&mut bot).await;
    let settling = Instant::now();
    let (_, after) = settle(&mut bot).await;
    let mut rounds = 0;
    loop {
        let mut again = resumed(&hub, json!(before)).await;
        if again.welcome["missed"] == true {
            break;
        }
        assert_eq!(next_ids(&mut again, 1).await.len(), 1);
        rounds += 1;
        assert!(rounds < 10, "still retained");
        hub.provider("clock").await.let_time_pass().await;
    }
    assert!(settling.elapsed() >= Duration::from_secs(1), "forgotten too early");
    let mut again = resumed(&hub, json!(after)).await;
    assert_ne!(again.welcome["missed"], true, "nothing was settled after that position");
    again.expect_silence().await;
}

#[tokio::test]
async fn replayed_results_do_not_count_against_the_outbox() {
    let config =
        "[limits]\noutboundFrames = 4\noutboundBytes = 4096\nmessagesPerSecond = 10000\nopenNotifications = 500";
    let hub = hub(config).await;
    let mut bot = hub.provider("bot").await;
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(settle(&mut bot).await.0);
    }
    for n in 0..100 {
        bot.ring_to("chat", &[&format!("nobody-{n}")]).await;
    }
    let mut again = resumed(&hub, json!(true)).await;
    assert_eq!(again.welcome["open"].as_array().unwrap().len(), 100);
    assert_eq!(next_ids(&mut again, 200).await, ids);
}

#[tokio::test]
async fn a_later_result_reaches_a_provider_that_reconnected_without_resume() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"id": "n-1"})).await;
    hub.depart(bot).await;
    let mut bot = hub.provider("bot").await;
    ada.take_on(&id).await;
    has(&bot.result_of(&id).await, json!({"id": "n-1", "value": accepted()}));
}
