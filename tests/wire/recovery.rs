//! What survives a kill -9 and a restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    PATIENCE, Setup, accepted, auto_accepted, cancelled, declined, desk, display_timeout, has, in_cluster, is_error,
    left_out_in_cluster, queue_full, queue_timeout, text,
};

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

// ---------------------------------------------------------------- kill -9

#[tokio::test]
async fn after_kill_9_in_mid_ring_everything_is_there() {
    let hub = Setup::on_disk().config("[limits]\ndisplayLimit = 2").start().await;
    let mut ada = hub.agent_in("ada", &["billing"]).await;
    let mut away = hub.agent("away").await;
    away.set_presence("away").await;
    let mut bot = hub.provider("bot").await;
    let settled = bot
        .ring_with("chat", json!({"id": "n-0", "sessionId": "s", "templateParameters": {"customerName": "Grace"}}))
        .await;
    let session = ada.take_on(&settled).await;
    let result = bot.result_of(&settled).await;
    bot.call(json!({"type": "activity", "sessionId": "s", "count": 4})).await;
    bot.call(json!({"type": "kpi", "sessionId": "s", "details": "slow"})).await;
    let mark = ada.expect("kpi").await;
    let one = bot.ring_with("chat", json!({"id": "n-1", "correlationId": GUID, "cancellationToken": "t-1"})).await;
    let two = bot.ring_with("chat", json!({"to": {"groups": ["billing"]}})).await;
    let waits = bot.ring("chat").await;
    let shown = ada.shown(&one).await;
    ada.shown(&two).await;
    ada.send(json!({"type": "seen", "notificationId": one})).await;
    ada.round_trip().await;

    let hub = hub.crash_and_restart().await;
    let mut ada = hub.agent("ada").await;
    has(&ada.welcome, json!({"groups": ["billing"], "presence": "available"}));
    assert_eq!(desk(&ada.welcome), [one.as_str(), two.as_str()]);
    let again = &ada.welcome["notifications"][0];
    for (name, value) in shown.as_object().unwrap() {
        if name != "remainingMs" && name != "type" {
            assert_eq!(&again[name], value, "{name}");
        }
    }
    assert!(again["remainingMs"].as_u64() <= shown["remainingMs"].as_u64(), "the timer runs on");
    has(
        &ada.welcome["sessions"][0],
        json!({"sessionId": "s", "title": "Grace wants to chat",
        "startedAt": session["startedAt"], "breached": true, "unread": 4}),
    );
    has(&ada.welcome["kpi"][0], json!({"sessionId": "s", "details": "slow", "since": mark["since"]}));
    has(&hub.agent("away").await.welcome, json!({"presence": "away", "notifications": []}));

    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    let open: Vec<String> =
        bot.welcome["open"].as_array().unwrap().iter().map(|n| text(&n["notificationId"])).collect();
    assert_eq!(open, [one.as_str(), two.as_str(), waits.as_str()]);
    has(&bot.welcome["open"][0], json!({"id": "n-1", "correlationId": GUID, "cancellationToken": "t-1"}));
    assert_eq!(bot.next().await, result, "a retained outcome is told as it was");
    bot.expect_silence().await;
    // Idempotency keys, of open and of settled notifications.
    let same = json!({"type": "notify", "id": "n-1", "templateName": "chat", "cancellationToken": "t-1"});
    has(&bot.call(same).await, json!({"duplicate": true, "notificationId": one}));
    let same = json!({"type": "notify", "id": "n-0", "templateName": "chat", "sessionId": "s",
        "templateParameters": {"customerName": "Grace"}});
    has(&bot.call(same).await, json!({"duplicate": true, "notificationId": settled}));
    bot.result_of(&settled).await;
    is_error(
        &bot.call(json!({"type": "notify", "id": "n-1", "templateName": "first"})).await,
        "idTaken",
        Some("NotifyEvent"),
    );
    is_error(
        &bot.call(json!({"type": "notify", "templateName": "chat", "cancellationToken": "t-1"})).await,
        "tokenTaken",
        Some("NotifyEvent"),
    );
    let mut other = hub.provider("other").await;
    let theirs = json!({"type": "notify", "templateName": "chat", "sessionId": "s"});
    is_error(&other.call(theirs).await, "notAllowed", Some("NotifyEvent"));
    // And the hub works as before.
    has(&ada.accept(&two).await, json!({"won": true}));
    ada.shown(&waits).await;
    has(&bot.result_of(&two).await, json!({"value": accepted(), "agentId": "ada"}));
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "t-1"})).await, json!({"value": cancelled()}));
    has(
        &bot.result_of(&one).await,
        json!({"reach": {"displayed": 1, "seen": 1, "rejected": 0}, "correlationId": GUID}),
    );
}

#[tokio::test]
async fn the_timers_run_on_by_the_wall_clock_and_a_late_timeout_reaches_the_provider_with_resume() {
    let config = "[[templates]]\nname = \"t\"\ntitle = \"t\"\ntimeout = \"700ms\"\n\
                  [[templates]]\nname = \"q\"\ntitle = \"t\"\nqueueTimeout = \"500ms\"";
    let hub = Setup::on_disk().config(config).start().await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring_with("chat", json!({"cancellationToken": "x"})).await;
    bot.call(json!({"type": "cancel", "cancellationToken": "x"})).await;
    let position =
        bot.take("its result", |m| m["msdyn_name"] == "NotifyEvent" && m["type"] == "result").await["position"].clone();
    let queued = bot.ring_with("q", json!({"to": {"agents": ["nobody"]}})).await;
    let displayed = bot.ring("t").await;
    ada.shown(&displayed).await;
    let setup = hub.kill_9();
    // No agent is connected when the time is over; the test can only wait for the wall clock.
    tokio::time::sleep(Duration::from_millis(800)).await;
    let hub = setup.start().await;
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": position})).await;
    assert_ne!(bot.welcome["missed"], true);
    has(&bot.welcome, json!({"open": []}));
    has(&bot.next().await, json!({"notificationId": queued, "value": queue_timeout()}));
    let late = bot.next().await;
    has(&late, json!({"type": "result", "notificationId": displayed, "value": display_timeout()}));
    has(&late, json!({"reach": {"displayed": 1, "seen": 0, "rejected": 0}}));
    bot.expect_silence().await;
    let ada = hub.agent("ada").await;
    has(&ada.welcome, json!({"notifications": []}));
}

#[tokio::test]
async fn a_timer_that_has_not_run_out_when_the_hub_is_back_runs_out_at_its_time() {
    let hub = Setup::on_disk().config("[[templates]]\nname = \"t\"\ntitle = \"t\"\ntimeout = \"4s\"").start().await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let began = Instant::now();
    let id = bot.ring("t").await;
    ada.shown(&id).await;
    let shown = Instant::now();
    bot.let_time_pass().await;
    let hub = hub.crash_and_restart().await;
    // The time before the crash counts, and so does the time without a hub.
    let passed = u64::try_from(shown.elapsed().as_millis()).unwrap();
    let ada = hub.agent("ada").await;
    if let Some(remaining) = ada.welcome["notifications"][0]["remainingMs"].as_u64() {
        assert!(
            remaining <= 4_000_u64.saturating_sub(passed),
            "{remaining} ms remain, {passed} ms after it was displayed"
        );
    }
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    has(&bot.result_of(&id).await, json!({"value": display_timeout()}));
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn acknowledged_notifications_are_never_lost() {
    let setup = Setup::on_disk();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..3 {
        let hub = setup.start().await;
        let mut bot = hub.provider("bot").await;
        let open: Vec<String> =
            bot.welcome["open"].as_array().unwrap().iter().map(|n| text(&n["notificationId"])).collect();
        for id in &acknowledged {
            assert!(open.contains(id), "{id} was acknowledged and is lost in round {round}");
        }
        for n in 0..200 {
            let to = json!({"agents": [format!("nobody-{round}-{n}")]});
            bot.send(json!({"type": "notify", "id": format!("{round}-{n}"), "templateName": "chat", "to": to})).await;
        }
        // Killed while the others are on their way.
        for _ in 0..50 {
            acknowledged.push(text(&bot.expect("ack").await["notificationId"]));
        }
        drop(hub.kill_9());
    }
    let hub = setup.start().await;
    let bot = hub.provider("bot").await;
    let open = bot.welcome["open"].as_array().unwrap();
    for id in &acknowledged {
        assert!(open.iter().any(|n| n["notificationId"] == json!(id)), "{id}");
    }
}

#[tokio::test]
async fn a_clean_stop_keeps_everything_too() {
    let hub = Setup::on_disk().start().await;
    let mut ada = hub.agent_in("ada", &["g"]).await;
    let mut bot = hub.provider("bot").await;
    let settled = bot.ring_with("chat", json!({"sessionId": "s"})).await;
    ada.take_on(&settled).await;
    let result = bot.result_of(&settled).await;
    let open = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    hub.terminate();
    let setup = hub.setup.clone();
    assert_eq!(hub.exit().await.code, Some(0));
    let hub = setup.start().await;
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    has(&bot.welcome["open"][0], json!({"notificationId": open, "cancellationToken": "t"}));
    assert_eq!(bot.next().await, result);
    let ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [open]);
    has(&ada.welcome, json!({"groups": ["g"]}));
    has(&ada.welcome["sessions"][0], json!({"sessionId": "s"}));
}

#[tokio::test]
async fn a_position_of_before_the_restart_is_a_position_after_it() {
    let hub = Setup::on_disk().start().await;
    let mut bot = hub.provider("bot").await;
    let mut positions = Vec::new();
    for _ in 0..2 {
        let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
        bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
        positions.push((id.clone(), bot.result_of(&id).await["position"].clone()));
    }
    let hub = hub.crash_and_restart().await;
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": positions[0].1})).await;
    assert_ne!(bot.welcome["missed"], true);
    has(&bot.next().await, json!({"notificationId": positions[1].0, "position": positions[1].1}));
    bot.expect_silence().await;
}

#[tokio::test]
async fn an_unsettling_reject_and_a_passed_queue_survive() {
    let hub = Setup::on_disk().start().await;
    let mut ada = hub.agent("ada").await;
    let _bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    has(&ada.reject(&id).await, json!({"won": false}));
    let hub = hub.crash_and_restart().await;
    assert_eq!(desk(&hub.agent("ada").await.welcome), [""; 0]);
    let mut bob = hub.agent("bob").await;
    assert_eq!(desk(&bob.welcome), [id.as_str()]);
    has(&bob.reject(&id).await, json!({"won": true, "value": declined()}));
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    has(&bot.next().await, json!({"notificationId": id, "reach": {"displayed": 2, "seen": 0, "rejected": 2}}));
}

#[tokio::test]
async fn the_same_port_can_be_served_again_at_once() {
    let hub = Setup::on_disk().start().await;
    let _ada = hub.agent("ada").await;
    let port = hub.port;
    let setup = hub.kill_9().listen(&format!("127.0.0.1:{port}"));
    let hub = setup.start().await;
    assert_eq!(hub.port, port);
    hub.agent("ada").await;
}

#[tokio::test]
async fn in_memory_nothing_is_kept() {
    if left_out_in_cluster("its log is not in memory") {
        return;
    }
    let hub = Setup::new().start().await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    let hub = hub.crash_and_restart().await;
    has(&hub.provider("bot").await.welcome, json!({"open": []}));
    assert!(!hub.setup.home().join("deskbell-data").exists());
}

// ---------------------------------------------------------------- rule 10

const NARROW: &str = "[limits]\ndisplayLimit = 1\nqueueLimit = 1\n";

#[tokio::test]
async fn rule_10_nothing_is_refused_until_the_agents_are_back() {
    // In a cluster the clients of a killed hub count as gone only after 10 s.
    let ends: &[bool] = if in_cluster() { &[true] } else { &[false, true] };
    for &orderly in ends {
        let hub = Setup::on_disk().config(NARROW).start().await;
        let _ada = hub.agent("ada").await;
        let _bob = hub.agent("bob").await;
        let setup = hub.setup.clone();
        if orderly {
            hub.terminate();
            assert_eq!(hub.exit().await.code, Some(0));
        } else {
            hub.kill_9();
        }
        let hub = setup.start().await;
        let mut bot = hub.provider("bot").await;
        let ids = [bot.ring("chat").await, bot.ring("chat").await, bot.ring("chat").await];
        bot.expect_silence().await;
        // One of two is back: still nothing is refused.
        let ada = hub.agent("ada").await;
        assert_eq!(desk(&ada.welcome), [ids[0].as_str()]);
        let held = bot.ring("chat").await;
        bot.expect_silence().await;
        let _bob = hub.agent("bob").await;
        let over = bot.ring("chat").await;
        has(&bot.result_of(&over).await, json!({"value": queue_full()}));
        assert_ne!(held, over);
    }
}

#[tokio::test]
async fn rule_10_holds_at_most_for_the_regroup_time() {
    let config = "[limits]\nqueueLimit = 1\nregroupTime = \"700ms\"";
    let hub = Setup::on_disk().config(config).start().await;
    let _ada = hub.agent("ada").await;
    let restarted = Instant::now();
    let hub = if in_cluster() { hub.stop_and_restart().await } else { hub.crash_and_restart().await };
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    let second = bot.call(json!({"type": "notify", "templateName": "chat"})).await;
    assert_eq!(second["type"], "ack");
    let rest = bot.rest().await;
    // On a slow machine the regroup time may be over by now.
    if restarted.elapsed() < Duration::from_millis(700) {
        assert!(rest.is_empty(), "{rest:?}");
    }
    for _ in 0..3 {
        bot.let_time_pass().await;
    }
    let over = bot.ring("chat").await;
    has(&bot.result_of(&over).await, json!({"value": queue_full()}));
}

#[tokio::test]
async fn rule_10_applies_only_to_agents_that_were_connected() {
    let hub = Setup::on_disk().config(NARROW).start().await;
    let ada = hub.agent("ada").await;
    hub.depart(ada).await;
    let hub = hub.crash_and_restart().await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    let over = bot.ring("chat").await;
    has(&bot.result_of(&over).await, json!({"value": queue_full()}));
}

#[tokio::test]
async fn a_waiting_auto_accept_is_taken_after_the_restart() {
    let hub = Setup::on_disk().start().await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("auto").await;
    let hub = hub.crash_and_restart().await;
    let ada = hub.agent("ada").await;
    has(&ada.welcome["sessions"][0], json!({"notificationId": id}));
    let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    has(&bot.next().await, json!({"notificationId": id, "value": auto_accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn restarts_that_follow_each_other_quickly_lose_nothing() {
    let setup = Setup::on_disk();
    let mut hub = setup.start().await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"id": "n"})).await;
    for _ in 0..5 {
        hub = hub.crash_and_restart().await;
    }
    let ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [id]);
    let began = Instant::now();
    let welcome: Value = hub.provider("bot").await.welcome;
    assert!(began.elapsed() < PATIENCE);
    has(&welcome["open"][0], json!({"id": "n"}));
}

#[tokio::test]
async fn a_restart_with_new_limits_and_templates_keeps_open_notifications_as_rendered() {
    let setup = Setup::on_disk();
    let hub = setup.start().await;
    let mut bot = hub.provider("bot").await;
    let more = json!({"templateParameters": {"customerName": "Grace"}});
    let ids = [bot.ring_with("chat", more).await, bot.ring("chat").await, bot.ring("chat").await];
    hub.kill_9();
    let hub = setup.only_config("[limits]\ndisplayLimit = 1\nqueueLimit = 1\nopenNotifications = 1").start().await;
    let mut ada = hub.agent("ada").await;
    has(&ada.welcome, json!({"limits": {"maxMessageBytes": 65_536, "displayLimit": 1, "queueLimit": 1}}));
    assert_eq!(desk(&ada.welcome), [ids[0].as_str()]);
    has(&ada.welcome["notifications"][0], json!({"templateName": "chat", "title": "Grace wants to chat"}));
    let mut bot = hub.provider("bot").await;
    is_error(
        &bot.call(json!({"type": "notify", "templateName": "chat"})).await,
        "unknownTemplate",
        Some("NotifyEvent"),
    );
    let built_in = json!({"type": "notify", "templateName": "msdyn_call_incoming"});
    is_error(&bot.call(built_in).await, "limit", Some("NotifyEvent"));
    for id in &ids[1..] {
        ada.accept(&ids[0]).await;
        ada.shown(id).await;
        ada.accept(id).await;
    }
}
