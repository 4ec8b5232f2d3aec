//! One agent, several connections: all of them see the same.

use serde_json::json;

use crate::harness::{accepted, desk, has, hub, text};

#[tokio::test]
async fn three_tabs_see_the_same() {
    let hub = hub("").await;
    let mut tabs = [hub.agent("ada").await, hub.agent("ada").await, hub.agent("ada").await];
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"sessionId": "s"})).await;
    let shown = tabs[0].shown(&id).await;
    for tab in &mut tabs[1..] {
        let same = tab.shown(&id).await;
        assert_eq!(same["title"], shown["title"]);
        assert_eq!(same["notifiedAt"], shown["notifiedAt"]);
    }
    // One tab answers, and the others receive the close once each. Winning is per agent: all its tabs have won.
    has(&tabs[1].accept(&id).await, json!({"value": accepted(), "agentId": "ada", "won": true}));
    for tab in &mut tabs {
        has(&tab.closed(&id).await, json!({"value": accepted(), "agentId": "ada"}));
        has(&tab.expect("session").await, json!({"sessionId": "s"}));
    }
    has(&tabs[2].accept(&id).await, json!({"value": accepted(), "won": true}));
    for kind in ["kpi", "activity"] {
        let call = json!({"type": kind, "sessionId": "s", "count": 2, "details": "x"});
        bot.call(call).await;
        for tab in &mut tabs {
            has(&tab.expect(kind).await, json!({"sessionId": "s"}));
        }
    }
    bot.call(json!({"type": "endSession", "sessionId": "s"})).await;
    for tab in &mut tabs {
        tab.expect("sessionEnded").await;
        has(&tab.expect("kpi").await, json!({"breached": false}));
        tab.expect_silence().await;
    }
    let result = bot.result_of(&id).await;
    has(&result, json!({"reach": {"displayed": 1, "seen": 0, "rejected": 0}}));
}

#[tokio::test]
async fn a_later_tab_shows_the_same_desk_and_takes_no_extra_capacity() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let _ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring("chat").await;
    bot.ring("chat").await;
    let tab = hub.agent("ada").await;
    assert_eq!(desk(&tab.welcome), [one]);
}

#[tokio::test]
async fn the_desk_stays_until_the_last_tab_leaves() {
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let first = hub.agent("ada").await;
    let mut second = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    second.shown(&id).await;
    first.leave().await;
    let later = bot.ring("chat").await;
    second.shown(&later).await;
    second.expect_silence().await;
    second.leave().await;
    watcher.take("ada left", |m| m["event"] == "agentLeft").await;
    let events = watcher.rest().await;
    assert_eq!(events.iter().filter(|m| m["event"] == "agentJoined").count(), 1, "{events:?}");
    assert_eq!(events.iter().filter(|m| m["event"] == "agentLeft").count(), 0, "{events:?}");
}

#[tokio::test]
async fn presence_is_answered_on_all_connections_and_bears_the_id_on_the_one_that_asked() {
    let hub = hub("").await;
    let mut tabs = [hub.agent("ada").await, hub.agent("ada").await, hub.agent("ada").await];
    let mut bob = hub.agent("bob").await;
    tabs[0].send(json!({"type": "presence", "id": "p", "presence": "away"})).await;
    has(&tabs[0].next().await, json!({"type": "presence", "presence": "away", "id": "p"}));
    for tab in &mut tabs[1..] {
        has(&tab.next().await, json!({"type": "presence", "presence": "away", "id": null}));
    }
    bob.expect_silence().await;
}

#[tokio::test]
async fn two_tabs_that_accept_at_once_are_one_agent() {
    let hub = hub("").await;
    let mut tabs = [hub.agent("ada").await, hub.agent("ada").await];
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    for tab in &mut tabs {
        tab.send(json!({"type": "accept", "id": "a", "notificationId": id})).await;
    }
    // The second accept may have been sent before the display; its answer is the same.
    for tab in &mut tabs {
        has(&tab.reply("a").await, json!({"type": "result", "won": true, "value": accepted()}));
    }
    has(&bot.result_of(&id).await, json!({"agentId": "ada"}));
    let sessions = hub.agent("ada").await.welcome["sessions"].as_array().unwrap().len();
    assert_eq!(sessions, 1);
    assert!(!text(&tabs[0].welcome["connectionId"]).is_empty());
}
