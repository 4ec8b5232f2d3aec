//! Nothing wrong anywhere: whichever hub a client is at, it is one hub.

use serde_json::json;

use crate::fixture::{CONFIG, Cluster, ask};
use crate::harness::{accepted, has, text};

#[tokio::test]
async fn a_notification_raised_at_one_hub_is_on_desks_at_all_and_the_first_answer_wins_everywhere() {
    let Some(cluster) = Cluster::start(1, 3).await else { return };
    let [a, b, c] = &cluster.hubs[..] else { panic!() };
    let mut bot = a.provider("bot").await;
    let (mut ada, mut bob, mut cleo) = (a.agent("ada").await, b.agent("bob").await, c.agent("cleo").await);
    for round in 0..20 {
        let id = bot.ring("chat").await;
        for agent in [&mut ada, &mut bob, &mut cleo] {
            agent.shown(&id).await;
        }
        // All three at once.
        for agent in [&mut cleo, &mut ada, &mut bob] {
            agent.send(json!({"type": "accept", "id": format!("{round}"), "notificationId": id})).await;
        }
        let mut winners = Vec::new();
        for (name, agent) in [("ada", &mut ada), ("bob", &mut bob), ("cleo", &mut cleo)] {
            let reply = agent.reply(&round.to_string()).await;
            if reply["won"] == true {
                winners.push(name);
            }
            has(&reply, json!({"value": accepted()}));
            agent.closed(&id).await;
        }
        let result = bot.result_of(&id).await;
        assert_eq!(winners, [result["agentId"].as_str().unwrap()]);
    }
}

#[tokio::test]
async fn a_request_by_http_is_the_same_at_any_hub() {
    let Some(cluster) = Cluster::start(1, 2).await else { return };
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let mut ada = b.agent("ada").await;
    let body = r#"{"id":"conv-1","templateName":"chat"}"#;
    let (status, ack) = ask(a, "POST /api/notify", body).await;
    assert_eq!((status, &ack["duplicate"]), (202, &json!(false)));
    let id = text(&ack["notificationId"]);
    let (status, again) = ask(b, "POST /api/notify", body).await;
    assert_eq!((status, &again["duplicate"], &again["notificationId"]), (202, &json!(true), &ack["notificationId"]));
    let target = format!("GET /api/notifications/{id}?wait=30s");
    let (there, here, _) = tokio::join!(ask(b, &target, ""), ask(a, &target, ""), ada.accept(&id));
    for (status, result) in [there, here] {
        assert_eq!(status, 200);
        has(&result, json!({"id": "conv-1", "value": accepted(), "agentId": "ada"}));
    }
}

#[tokio::test]
async fn a_provider_finds_its_outcomes_and_its_repeats_at_any_hub() {
    let Some(cluster) = Cluster::start(1, 2).await else { return };
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let mut ada = b.agent("ada").await;
    let mut bot = a.provider("bot").await;
    let call = json!({"type": "notify", "id": "conv-1", "templateName": "chat", "cancellationToken": "t"});
    let first = bot.call(call.clone()).await;
    has(&first, json!({"type": "ack", "duplicate": false}));
    let id = text(&first["notificationId"]);
    ada.shown(&id).await;

    // Idempotence across hubs: the same call at the other hub is the same notification.
    let mut elsewhere = b.provider("bot").await;
    has(&elsewhere.welcome["open"][0], json!({"notificationId": id, "id": "conv-1"}));
    has(&elsewhere.call(call).await, json!({"type": "ack", "duplicate": true, "notificationId": id}));
    let other = json!({"type": "notify", "id": "conv-1", "templateName": "first"});
    has(&elsewhere.call(other).await, json!({"type": "error", "code": "idTaken"}));

    // Away when it is settled, back at the other hub.
    bot.leave().await;
    elsewhere.leave().await;
    ada.accept(&id).await;
    let mut back = b.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    let result = back.result_of(&id).await;
    has(&result, json!({"value": accepted(), "agentId": "ada"}));
    let position = result["position"].clone();
    let again = a.join(json!({"role": "provider", "providerId": "bot", "resume": position})).await;
    assert_eq!(again.welcome["missed"], serde_json::Value::Null, "{}", again.welcome);
}

#[tokio::test]
async fn sessions_marks_presence_and_tabs_are_the_same_at_every_hub() {
    let Some(cluster) = Cluster::start(1, 2).await else { return };
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let (mut tab, mut other_tab) = (a.agent("ada").await, b.agent("ada").await);
    let mut bot = b.provider("bot").await;
    let id = bot.ring_with("chat", json!({"sessionId": "conv-1"})).await;
    tab.take_on(&id).await;
    has(&other_tab.expect("session").await, json!({"sessionId": "conv-1"}));
    bot.call(json!({"type": "kpi", "sessionId": "conv-1", "details": "slow"})).await;
    has(&tab.expect("kpi").await, json!({"sessionId": "conv-1", "breached": true}));
    tab.set_presence("away").await;
    has(&other_tab.expect("presence").await, json!({"presence": "away"}));
    let late = b.agent("ada").await;
    has(&late.welcome, json!({"presence": "away"}));
    has(&late.welcome["sessions"][0], json!({"sessionId": "conv-1", "breached": true}));
    has(&late.welcome["kpi"][0], json!({"sessionId": "conv-1"}));
}

#[tokio::test]
async fn a_timeout_happens_once_and_reaches_every_hub() {
    let Some(cluster) = Cluster::start(1, 3).await else { return };
    let [a, b, c] = &cluster.hubs[..] else { panic!() };
    let (mut ada, mut bob) = (b.agent("ada").await, c.agent("bob").await);
    let mut bot = a.provider("bot").await;
    for _ in 0..5 {
        let id = bot.ring("short").await;
        let result = bot.result_of(&id).await;
        has(&result, json!({"value": {"actionName": "Timeout", "responseReason": "DisplayTimeout"}}));
        assert!(result["elapsedMs"].as_u64().unwrap() >= 300, "{result}");
        ada.closed(&id).await;
        bob.closed(&id).await;
    }
    // Without the provider another hub ticks.
    let id = bot.ring("short").await;
    bot.leave().await;
    ada.closed(&id).await;
}

/// Two more hubs join; nobody at the first one notices. A client that was cut off would fail at its next message.
#[tokio::test]
async fn a_hub_that_joins_disconnects_no_client() {
    let Some(mut cluster) = Cluster::start(1, 1).await else { return };
    let mut bot = cluster.hubs[0].provider("bot").await;
    let mut ada = cluster.hubs[0].agent("ada").await;
    let mut watcher = cluster.hubs[0].observer().await;
    for joined in 0..2 {
        let hub = cluster.setup(CONFIG).start().await;
        // Proof that the first hub has read of the second: its agent is in the audience.
        let mut bob = hub.agent(&format!("bob-{joined}")).await;
        let joins = |m: &serde_json::Value| m["event"] == "agentJoined" && m["agentId"] == format!("bob-{joined}");
        watcher.take("bob to join", joins).await;
        let id = bot.ring("chat").await;
        ada.shown(&id).await;
        bob.shown(&id).await;
        ada.accept(&id).await;
        has(&bot.result_of(&id).await, json!({"value": accepted(), "agentId": "ada"}));
        ada.closed(&id).await;
        bob.leave().await;
        cluster.hubs.push(hub);
    }
    for client in [&mut bot, &mut ada, &mut watcher] {
        client.round_trip().await;
    }
    let rest = watcher.rest().await;
    let left = |m: &&serde_json::Value| m["event"] == "agentLeft" || m["event"] == "providerLeft";
    assert!(rest.iter().filter(left).all(|m| m["agentId"] != "ada" && m["providerId"] != "bot"), "{rest:?}");
}

/// The others need not wait until they miss a hub that stops in order.
#[tokio::test]
async fn an_orderly_stop_announces_itself_to_the_other_hubs() {
    let Some(mut cluster) = Cluster::start(1, 2).await else { return };
    let mut watcher = cluster.hubs[0].observer().await;
    let _ada = cluster.hubs[1].agent("ada").await;
    watcher.take("ada to join", |m| m["event"] == "agentJoined" && m["agentId"] == "ada").await;
    let stopped = cluster.hubs.remove(1);
    stopped.terminate();
    watcher.take("ada to leave", |m| m["event"] == "agentLeft" && m["agentId"] == "ada").await;
    assert_eq!(stopped.exit().await.code, Some(0));
    // The hub reported its own end; it was not removed after ten seconds of silence.
    let mut bot = cluster.hubs[0].provider("bot").await;
    bot.round_trip().await;
    let said = cluster.hubs[0].stderr.so_far();
    assert!(!said.contains("nothing comes of a hub"), "{said}");
    // The log knows one hub only.
    let metrics = crate::fixture::http(cluster.hubs[0].port, "/metrics").await;
    assert!(metrics.lines().any(|line| line == "deskbell_hubs 1"), "{metrics}");
}

#[tokio::test]
async fn an_orderly_stop_and_a_rolling_restart_lose_nothing() {
    let Some(mut cluster) = Cluster::start(1, 2).await else { return };
    let mut bot = cluster.hubs[0].provider("bot").await;
    let id = bot.ring("chat").await;
    for turn in 0..2 {
        let hub = cluster.hubs.remove(0);
        let setup = hub.setup.clone();
        hub.terminate();
        assert_eq!(hub.exit().await.code, Some(0));
        let hub = setup.start().await;
        let ada = hub.agent(&format!("ada-{turn}")).await;
        has(&ada.welcome["notifications"][0], json!({"notificationId": id}));
        cluster.hubs.push(hub);
    }
    // All of them, then one again: the last one left a snapshot, and no records after it.
    for hub in std::mem::take(&mut cluster.hubs) {
        hub.terminate();
        assert_eq!(hub.exit().await.code, Some(0));
    }
    let hub = cluster.setup(CONFIG).start().await;
    let mut ada = hub.agent("ada").await;
    has(&ada.welcome["notifications"][0], json!({"notificationId": id}));
    ada.accept(&id).await;
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    has(&bot.result_of(&id).await, json!({"value": accepted()}));
}

#[tokio::test]
async fn a_stream_with_which_a_hub_must_not_run_stops_the_start() {
    let Some(mut cluster) = Cluster::start(1, 1).await else { return };
    let hub = cluster.hubs.remove(0);
    hub.terminate();
    hub.exit().await;
    cluster.servers[0].request(
        "$JS.API.STREAM.UPDATE.DESKBELL_0",
        r#"{"name":"DESKBELL_0","subjects":["deskbell.0.log"],"retention":"limits","storage":"file","num_replicas":1,"discard":"old","max_age":60000000000,"deny_delete":true}"#,
    );
    let exit = cluster.setup(CONFIG).fail().await;
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("max_age") && exit.stderr.contains("discard old"), "{}", exit.stderr);
}
