//! The AsyncAPI document, the other way round: it describes nothing that the hub and its clients do not send.
//!
//! Each connection of each test checks that the document describes everything they send, see `harness::talk`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::damage::{fill_the_disk, on_a_disk_that_may_fill};
use crate::harness::{
    Client, Hub, Seen, Setup, Side, accepted, auto_accepted, cancelled, declined, display_timeout, document, has, hub,
    is_error, queue_full, queue_timeout, text, with, within,
};
use crate::raw;

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

/// What no test can show, each with the reason.
const NEVER_SEEN: [(&str, &str); 2] = [
    ("error.code = \"badToken\"", "it needs authentication; tests/auth sees it"),
    ("helloByToken", "it needs authentication; tests/auth sees it"),
];

const CONFIG: &str = r#"
[limits]
queueLimit = 1

[[templates]]
name = "plain"
title = "Without icon and countdown"
showTimeout = false
sound = "none"

[[templates]]
name = "late"
title = "Taken when its time is up"
timeout = "300ms"
autoAcceptOnTimeout = true
icon = "phone"
link = "https://crm.example/"

[[templates]]
name = "quiet"
title = "Rings softly"
link = "https://crm.example/"
sound = "soft"

[[templates]]
name = "phone"
title = "Rings like a telephone"
sound = "phone"

[[templates]]
name = "message"
title = "Rings like a chat"
sound = "chat"
"#;

// ---------------------------------------------------------------- the document itself

#[tokio::test]
async fn the_hub_serves_this_document() {
    let hub = hub("").await;
    let response = raw::get(hub.port, "/asyncapi.yaml").await;
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(body == include_str!("../../client-demo/asyncapi.yaml"));
}

#[test]
fn every_reference_resolves_and_every_definition_is_used() {
    let root = &document().root;
    let mut referred = BTreeSet::new();
    references(root, &mut referred);
    for pointer in &referred {
        assert!(root.pointer(&pointer[1..]).is_some(), "{pointer} is not there");
    }
    for kind in ["messages", "schemas"] {
        for name in root["components"][kind].as_object().unwrap().keys() {
            assert!(referred.contains(&format!("#/components/{kind}/{name}")), "nothing refers to {kind}/{name}");
        }
    }
    for name in root["channels"]["ws"]["messages"].as_object().unwrap().keys() {
        assert!(referred.contains(&format!("#/channels/ws/messages/{name}")), "{name} is in no operation");
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(pointer) = value["$ref"].as_str() {
        found.insert(pointer.to_owned());
    }
    value.as_object().into_iter().flat_map(|object| object.values()).for_each(|value| references(value, found));
    value.as_array().into_iter().flatten().for_each(|value| references(value, found));
}

#[test]
fn every_example_matches_its_schema() {
    for side in [Side::Hub, Side::Client] {
        for description in document().descriptions(side) {
            let message = &document().root["components"]["messages"][&description.name];
            let examples =
                message["examples"].as_array().unwrap_or_else(|| panic!("no example of {}", description.name));
            for example in examples {
                match document().find(side, &example["payload"]) {
                    Ok(found) => assert_eq!(found.name, description.name, "{example}"),
                    Err(fault) => panic!("{example}: {fault}"),
                }
            }
        }
    }
}

#[test]
fn the_document_refuses_messages_that_the_hub_never_sends() {
    let id = "0192f0c4-7e3a-7b21-8c55-0123456789ab";
    let closed =
        json!({"type": "closed", "notificationId": id, "correlationId": GUID, "value": accepted(), "agentId": "ada"});
    let answered = with(closed.clone(), json!({"type": "result", "won": true}));
    let event = json!({"type": "event", "event": "agentLeft", "at": "2026-11-21T10:00:00.000Z", "agentId": "ada"});
    let error =
        json!({"type": "error", "message": "RejectAfterClientError", "code": "notFound", "detail": "no such session"});
    for right in [&closed, &answered, &event, &error] {
        document().find(Side::Hub, right).map_err(|fault| format!("{right}: {fault}")).unwrap();
    }
    for wrong in [
        json!({"type": "news"}),
        with(closed.clone(), json!({"extra": 1})),
        with(closed.clone(), json!({"agentId": null})),
        with(closed.clone(), json!({"notificationId": "x"})),
        with(closed.clone(), json!({"value": display_timeout()})),
        with(closed, json!({"value": auto_accepted()})),
        with(answered.clone(), json!({"value": auto_accepted()})),
        with(answered, json!({"value": {"actionName": "Accept", "responseReason": "Cancelled"}})),
        with(event.clone(), json!({"presence": "away"})),
        with(event, json!({"at": "2026-11-21"})),
        with(error.clone(), json!({"code": "rateLimited"})),
        with(error.clone(), json!({"code": "unknownTemplate"})),
        with(error, json!({"retryAfterMs": 5})),
    ] {
        assert!(document().find(Side::Hub, &wrong).is_err(), "{wrong}");
    }
}

// ---------------------------------------------------------------- everything in it is said

#[tokio::test]
async fn every_description_is_seen() {
    let seen = Seen::default();
    let mut day = Day::begin(&seen).await;
    day.small_talk().await;
    day.rings().await;
    day.outcomes().await;
    day.sessions().await;
    day.a_full_desk().await;
    day.presence().await;
    day.refusals().await;
    day.end().await;
    too_much(&seen).await;
    a_full_disk(&seen).await;

    let mut unseen = seen.unseen();
    unseen.retain(|name| !name.starts_with("helloByToken."));
    for (name, reason) in NEVER_SEEN {
        assert!(unseen.remove(name), "{name} is seen, though {reason}");
    }
    assert!(unseen.is_empty(), "described, but never seen:\n{unseen:#?}");
}

/// A message with every optional field.
fn full(message: Value) -> Value {
    with(json!({"id": "i-1", "correlationId": GUID}), message)
}

/// With nothing that is not needed.
fn bare(message: Value) -> Value {
    with(json!({"id": null, "correlationId": null}), message)
}

/// One hub, and clients of every role.
struct Day {
    hub: Hub,
    watcher: Client,
    ada: Client,
    bob: Client,
    bot: Client,
}

impl Day {
    async fn begin(seen: &Seen) -> Self {
        let hub = Setup::on_disk().seen_by(seen).config(CONFIG).start().await;
        let watcher = hub.join(full(json!({"role": "observer", "token": "t"}))).await;
        hub.join(bare(json!({"role": "observer", "token": null}))).await;
        let ada =
            json!({"role": "agent", "agentId": "ada", "groups": ["billing"], "presence": "available", "token": "t"});
        let ada = hub.join(full(ada)).await;
        let bob = json!({"role": "agent", "agentId": null, "groups": null, "presence": null, "token": null});
        let bob = hub.join(bare(bob)).await;
        let bot = hub.join(full(json!({"role": "provider", "providerId": "bot", "resume": true, "token": "t"}))).await;
        for resume in [json!(false), Value::Null] {
            hub.join(bare(json!({"role": "provider", "providerId": null, "resume": resume, "token": null}))).await;
        }
        Self { hub, watcher, ada, bob, bot }
    }

    /// Sends both forms of a message and takes the replies: `kind`, with the ids and without.
    async fn both(client: &mut Client, message: Value, kind: &str) {
        client.send(full(message.clone())).await;
        has(&client.reply("i-1").await, json!({"type": kind}));
        client.send(bare(message)).await;
        has(&client.take("the reply", |m| m["type"] == kind && m["id"].is_null()).await, json!({"type": kind}));
    }

    async fn small_talk(&mut self) {
        for client in [&mut self.watcher, &mut self.ada, &mut self.bot] {
            Self::both(client, json!({"type": "ping"}), "pong").await;
            Self::both(client, json!({"type": "refresh", "token": "t"}), "refreshed").await;
        }
    }

    async fn rings(&mut self) {
        let Self { ada, bob, bot, .. } = self;
        let bob_too = bob.welcome["agentId"].clone();
        let parameters = json!({"customerName": "Grace", "n": 3, "vip": true, "new": false, "nothing": null});
        let nobody = "nobody yet";
        let notify = full(json!({"type": "notify", "templateName": "chat", "templateParameters": parameters,
            "cancellationToken": "accepted", "sessionId": "s-1", "to": {"agents": ["ada", bob_too, nobody], "groups": ["billing"]}, "priority": 5,
            "context": {"summary": "Grace"}}));
        has(&bot.call(notify.clone()).await, json!({"type": "ack", "duplicate": false}));
        has(&bot.call(notify).await, json!({"type": "ack", "duplicate": true}));
        let id = ada.expect("notification").await["notificationId"].as_str().unwrap().to_owned();
        for form in [full, bare] {
            ada.send(form(json!({"type": "seen", "notificationId": id}))).await;
        }
        has(&ada.call(full(json!({"type": "accept", "notificationId": id}))).await, json!({"won": true}));
        Self::both(ada, json!({"type": "getContext", "sessionId": "s-1"}), "context").await;
        bob.send(bare(json!({"type": "accept", "notificationId": id}))).await;
        has(&bob.expect("result").await, json!({"won": false}));
        for to in [Value::Null, json!({"agents": null, "groups": null})] {
            let notify = json!({"type": "notify", "templateName": "short", "templateParameters": null,
                "cancellationToken": null, "sessionId": null, "to": to, "priority": null, "context": null});
            bot.send(bare(notify)).await;
            let ack = bot.expect("ack").await;
            bot.result_of(ack["notificationId"].as_str().unwrap()).await;
        }
    }

    /// Every outcome, to every client that can receive it.
    async fn outcomes(&mut self) {
        let Self { ada, bob, bot, .. } = self;
        let mut rung = Vec::new();
        for (template, agent, token, outcome) in [
            ("chat", "ada", "declined", declined()),
            ("auto", "ada", "auto", auto_accepted()),
            ("late", "ada", "late", json!({"actionName": "Accept", "responseReason": "AutoAcceptOnTimeout"})),
            ("short", "ada", "short", display_timeout()),
            ("impatient", "nobody", "impatient", queue_timeout()),
            ("chat", "nobody", "no room", queue_full()),
            ("chat", "ada", "cancelled", cancelled()),
        ] {
            let more = json!({"id": token, "to": {"agents": [agent]}, "cancellationToken": token, "sessionId": token});
            let id = bot.ring_with(template, more).await;
            match token {
                "declined" => {
                    ada.shown(&id).await;
                    ada.call(full(json!({"type": "reject", "notificationId": id, "reason": "on break"}))).await;
                }
                "cancelled" => {
                    ada.shown(&id).await;
                    bot.call(full(json!({"type": "cancel", "cancellationToken": token}))).await;
                }
                _ => {}
            }
            rung.push((id, token, outcome));
        }
        for (id, token, outcome) in rung {
            has(&bot.result_of(&id).await, json!({"value": outcome}));
            has(&ada.accept(&id).await, json!({"value": outcome}));
            bot.send(bare(json!({"type": "cancel", "cancellationToken": token}))).await;
            let told = bot.take("the reply", |m| m["msdyn_name"] == "CancelEvent" && m["cancellationToken"] == token);
            has(&told.await, json!({"value": outcome}));
        }
        has(&bot.call(json!({"type": "cancel", "cancellationToken": "accepted"})).await, json!({"value": accepted()}));
        // Off one desk, and open at another.
        let first = bot.ring("first").await;
        ada.shown(&first).await;
        bob.shown(&first).await;
        ada.send(bare(json!({"type": "reject", "notificationId": first, "reason": null}))).await;
        assert_eq!(ada.closed(&first).await["value"], Value::Null);
        bob.accept(&first).await;
        bob.call(json!({"type": "endSession", "sessionId": first})).await;
    }

    async fn sessions(&mut self) {
        let bob_is = self.bob.welcome["agentId"].clone();
        let Self { ada, bob, bot, .. } = self;
        let slow = json!({"type": "kpi", "sessionId": "s-1", "shouldReset": false, "details": "too slow"});
        Self::both(bot, slow, "result").await;
        Self::both(bot, json!({"type": "kpi", "sessionId": "s-2", "shouldReset": null, "details": null}), "result")
            .await;
        bot.call(json!({"type": "kpi", "sessionId": "s-2", "shouldReset": true})).await;
        Self::both(bot, json!({"type": "activity", "sessionId": "s-1", "count": 3}), "result").await;
        // A session that is moved, one that its provider ends, and a marked one that its agent ends.
        for session in ["s-1", "s-3", "s-4", "s-5"] {
            let ring = json!({"sessionId": session, "to": {"agents": [bob_is]}});
            let id = bot.ring_with("chat", ring).await;
            bob.take_on(&id).await;
        }
        ada.expect("sessionEnded").await;
        bot.call(json!({"type": "kpi", "sessionId": "s-4"})).await;
        Self::both(bot, json!({"type": "endSession", "sessionId": "s-3"}), "result").await;
        bob.send(bare(json!({"type": "endSession", "sessionId": "s-4"}))).await;
        bob.call(full(json!({"type": "endSession", "sessionId": "s-4"}))).await;
        has(
            &bob.take("an unmark", |m| m["breached"] == false && m["sessionId"] == "s-4").await,
            json!({"correlationId": null}),
        );
    }

    /// Welcomes with every field.
    async fn a_full_desk(&mut self) {
        let Self { hub, bob, bot, .. } = self;
        for (template, sound) in [("phone", "phone"), ("message", "chat"), ("quiet", "soft")] {
            let id = bot.ring_with(template, json!({"cancellationToken": sound})).await;
            has(&bob.shown(&id).await, json!({"sound": sound}));
            let tab = hub.agent(&text(&bob.welcome["agentId"])).await;
            has(&tab.welcome["notifications"][0], json!({"sound": sound}));
            bot.call(json!({"type": "cancel", "cancellationToken": sound})).await;
        }
        bot.ring_with("chat", json!({"id": "open", "cancellationToken": "open"})).await;
        let plain = bot.ring("plain").await;
        bob.shown(&plain).await;
        let tab = json!({"role": "agent", "agentId": bob.welcome["agentId"], "groups": ["billing"]});
        let tab = hub.join(full(tab)).await;
        let count = |list: &str| tab.welcome[list].as_array().unwrap().len();
        assert_eq!((count("notifications"), count("sessions"), count("kpi")), (2, 2, 1), "{}", tab.welcome);
        hub.join(json!({"role": "agent", "agentId": "cleo", "presence": "away"})).await;
        bot.send(json!({"type": "kpi", "sessionId": "s-6"})).await;
        let back = json!({"role": "provider", "providerId": "bot", "resume": "no position of this hub"});
        let mut back = hub.join(back).await;
        has(&back.welcome, json!({"missed": true}));
        back.rest().await;
        hub.agent("dora").await;
    }

    async fn presence(&mut self) {
        let mut tab = self.hub.agent("ada").await;
        for presence in ["away", "available"] {
            Self::both(&mut self.ada, json!({"type": "presence", "presence": presence}), "presence").await;
        }
        tab.rest().await;
    }

    /// Every code that needs no trouble, and every call that has a name.
    async fn refusals(&mut self) {
        let Self { ada, bot, .. } = self;
        let notify = |template: &str| json!({"type": "notify", "templateName": template});
        let notify_event = Some("NotifyEvent");
        for (call, code, name) in [
            (json!({"type": "dance"}), "badMessage", None),
            (json!({"type": "notify"}), "badParameter", notify_event),
            (json!({"type": "kpi"}), "badParameter", Some("NotifyKpiBreach")),
            (json!({"type": "activity", "sessionId": "s", "count": -1}), "badParameter", Some("NotifyNewActivity")),
            (json!({"type": "cancel", "cancellationToken": "nobody's"}), "notFound", Some("CancelEvent")),
            (json!({"type": "accept", "notificationId": "x"}), "notAllowed", None),
            (notify("no such"), "unknownTemplate", notify_event),
            (notify("needs"), "unresolvedParameter", notify_event),
            (with(notify("chat"), json!({"id": "declined"})), "idTaken", notify_event),
            (with(notify("chat"), json!({"cancellationToken": "open"})), "tokenTaken", notify_event),
        ] {
            is_error(&bot.call(with(json!({"id": "refused", "correlationId": GUID}), call)).await, code, name);
        }
        is_error(&ada.call(notify("chat")).await, "notAllowed", notify_event);
    }

    async fn end(self) {
        let Self { mut watcher, mut ada, mut bob, mut bot, hub } = self;
        watcher.take("every outcome", |m| m["outcomes"].as_object().is_some_and(|all| all.len() == 8)).await;
        for client in [&mut ada, &mut bob, &mut bot] {
            client.rest().await;
        }
        hub.depart(ada).await;
        hub.depart(bot).await;
        watcher.rest().await;
    }
}

/// More than the hub holds, and faster than it allows.
async fn too_much(seen: &Seen) {
    let limits = "[limits]\nmessagesPerSecond = 1\nopenNotifications = 1";
    let hub = Setup::new().seen_by(seen).config(limits).start().await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    is_error(&bot.call(json!({"type": "notify", "templateName": "chat"})).await, "limit", Some("NotifyEvent"));
    within("a refusal", async { while bot.call(json!({"type": "ping"})).await["code"] != "rateLimited" {} }).await;
}

async fn a_full_disk(seen: &Seen) {
    let setup = Setup::on_disk().seen_by(seen);
    let hub = on_a_disk_that_may_fill(&setup).await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    fill_the_disk(&hub);
    is_error(&bot.call(json!({"type": "notify", "templateName": "chat"})).await, "unavailable", Some("NotifyEvent"));
}
