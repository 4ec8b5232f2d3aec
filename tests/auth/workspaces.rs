//! Two workspaces in one hub: neither sees, counts, reaches or disturbs the other.

use serde_json::{Value, json};

use crate::harness::{Hub, accepted, has, is_error, text};
use crate::{guarded, join};

async fn of(hub: &Hub, workspace: &str, sub: &str, role: &str) -> crate::Client {
    join(hub, sub, role, json!({"workspace": workspace})).await
}

#[tokio::test]
async fn the_same_names_in_two_workspaces_are_two_of_each() {
    let hub = guarded().start().await;
    let mut sides = Vec::new();
    for workspace in ["acme", "globex"] {
        let agent = of(&hub, workspace, "ada", "agent").await;
        assert_eq!((&agent.welcome["workspace"], &agent.welcome["notifications"]), (&json!(workspace), &json!([])));
        let bot = of(&hub, workspace, "bot", "provider").await;
        assert_eq!(bot.welcome["open"], json!([]), "nothing of the other bot of that name");
        sides.push((agent, bot));
        if workspace == "acme" {
            // The other workspace will use the same ids.
            let (_, bot) = sides.last_mut().unwrap();
            bot.ring_with("chat", same()).await;
        }
    }
    let [(ada, bot), (other_ada, other_bot)] = &mut sides[..] else { unreachable!() };
    let ack = other_bot.call(with_type("notify", same())).await;
    has(&ack, json!({"type": "ack", "duplicate": false}));
    let ring = text(&ack["notificationId"]);
    other_ada.take_on(&ring).await;
    has(&other_bot.result_of(&ring).await, json!({"value": accepted(), "sessionId": "s-1"}));
    // In acme it still rings.
    let shown = ada.expect("notification").await;
    assert_ne!(shown["notificationId"], ring.as_str());
    has(
        &bot.call(json!({"type": "cancel", "cancellationToken": "t-1"})).await,
        json!({"value": {"actionName": "Cancel", "responseReason": "Cancelled"}}),
    );
    ada.closed(&text(&shown["notificationId"])).await;
    for client in [ada, other_ada, bot, other_bot] {
        client.round_trip().await;
        client.arrived();
    }
}

fn same() -> Value {
    json!({"id": "n-1", "cancellationToken": "t-1", "sessionId": "s-1", "templateName": "chat"})
}

fn with_type(kind: &str, fields: Value) -> Value {
    crate::with(json!({"type": kind}), fields)
}

#[tokio::test]
async fn the_other_workspace_looks_empty() {
    let hub = guarded().start().await;
    let mut ada = of(&hub, "acme", "ada", "agent").await;
    let mut bot = of(&hub, "acme", "bot", "provider").await;
    let mut eve = of(&hub, "globex", "ada", "agent").await;
    let mut spy = of(&hub, "globex", "bot", "provider").await;
    let ring = bot.ring_with("chat", same()).await;
    ada.shown(&ring).await;
    // By its very id, guessed or stolen.
    for kind in ["accept", "reject"] {
        let theirs = eve.call(json!({"type": kind, "notificationId": ring})).await;
        is_error(&theirs, "notFound", None);
        let none = eve.call(json!({"type": kind, "notificationId": crate::harness::NOBODYS})).await;
        assert_eq!(theirs["detail"], none["detail"], "and the error is the same as for what is nowhere");
    }
    eve.send(json!({"type": "seen", "notificationId": ring})).await;
    for call in [
        json!({"type": "cancel", "cancellationToken": "t-1"}),
        json!({"type": "endSession", "sessionId": "s-1"}),
        json!({"type": "activity", "sessionId": "s-1", "count": 1}),
    ] {
        let refused = spy.call(call.clone()).await;
        assert_eq!(refused["type"], "error", "{call}");
    }
    // A mark of their own, not one of acme's; and a session of that name is theirs to open.
    has(&spy.call(json!({"type": "kpi", "sessionId": "s-1"})).await, json!({"type": "result"}));
    eve.expect("kpi").await;
    let theirs = spy.ring_with("chat", json!({"sessionId": "s-1", "to": {"agents": ["ada"]}})).await;
    eve.take_on(&theirs).await;
    has(&ada.accept(&ring).await, json!({"won": true}));
    ada.closed(&ring).await;
    let session = ada.expect("session").await;
    has(&session, json!({"sessionId": "s-1", "breached": false}));
    let reach = bot.result_of(&ring).await["reach"].clone();
    assert_eq!(reach, json!({"displayed": 1, "seen": 0, "rejected": 0}));
    ada.expect_silence().await;
    eve.round_trip().await;
    assert!(eve.arrived().iter().all(|message| message["notificationId"] != ring.as_str()));
}

#[tokio::test]
async fn resume_and_position_stay_within_their_workspace() {
    let hub = guarded().start().await;
    let mut bot = of(&hub, "acme", "bot", "provider").await;
    let ring = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    let position = bot.result_of(&ring).await["position"].clone();
    for resume in [json!(true), position, json!("0-0")] {
        let token = crate::token_with("bot", "provider", json!({"workspace": "globex"}));
        let mut spy = hub.join(json!({"role": "provider", "resume": resume, "token": token})).await;
        spy.expect_silence().await;
    }
}

#[tokio::test]
async fn observers_see_and_count_their_own_workspace_only() {
    let hub = guarded().start().await;
    let mut board = of(&hub, "globex", "board", "observer").await;
    let mut ada = of(&hub, "acme", "ada", "agent").await;
    let mut bot = of(&hub, "acme", "bot", "provider").await;
    for _ in 0..3 {
        let ring = bot.ring("chat").await;
        ada.take_on(&ring).await;
        bot.result_of(&ring).await;
    }
    bot.ring("chat").await;
    let _joe = of(&hub, "globex", "joe", "agent").await;
    // The one event that is theirs comes, and none before it.
    let first = board.take("an event", |message| message["type"] == "event").await;
    has(&first, json!({"event": "agentJoined", "agentId": "joe"}));
    let stats = board.take("stats with joe", |message| message["type"] == "stats" && message["agents"] == 1).await;
    has(&stats, json!({"agents": 1, "providers": 0, "observers": 1, "open": 0, "waiting": 0}));
    let outcomes = stats["outcomes"].as_object().unwrap();
    assert!(outcomes.values().all(|count| *count == json!(0)), "{stats}");
}

#[tokio::test]
async fn limits_are_each_workspaces_own() {
    let hub = guarded().config("[limits]\nopenNotifications = 2\nqueueLimit = 5").start().await;
    let mut bot = of(&hub, "acme", "bot", "provider").await;
    let mut other = of(&hub, "globex", "bot", "provider").await;
    let away = json!({"type": "notify", "templateName": "chat"});
    for _ in 0..2 {
        assert_eq!(bot.call(away.clone()).await["type"], "ack");
    }
    is_error(&bot.call(away.clone()).await, "limit", Some("NotifyEvent"));
    assert_eq!(other.call(away).await["type"], "ack", "the other one has its own");
}
