//! Small messages overtake large broadcasts.

use std::num::NonZeroUsize;

use futures::future::join_all;

use super::*;

/// More than a shard writes to before it lets small messages go first.
const AGENTS: usize = 400;
const MARKS: usize = 60;
const CALLS: usize = 30;

/// Adds the number of a KPI mark to `marks`. Ignores other messages.
fn note(message: &Value, marks: &mut Vec<usize>) {
    if message["type"] == "kpi" {
        marks.push(message["details"].as_str().unwrap().parse().unwrap());
    }
}

#[tokio::test]
async fn small_messages_overtake_and_every_client_receives_everything_once_and_in_order() {
    let gateway = TestGateway::with(|settings| {
        settings.shards = NonZeroUsize::new(1);
        settings.messages_per_second = 1_000_000;
    });
    let mut agents = join_all((0..AGENTS).map(|number| {
        let gateway = &gateway;
        async move { gateway.agent(&format!("agent-{number}")).await }
    }))
    .await;
    let (mut broadcaster, mut bot) = (gateway.provider("broadcaster").await, gateway.provider("bot").await);
    let mut desk = agents.pop().unwrap();
    let others = agents.into_iter().map(|mut agent| {
        tokio::spawn(async move {
            let mut received = Vec::new();
            while received.len() < MARKS {
                note(&agent.receive().await, &mut received);
            }
            received
        })
    });
    let others: Vec<_> = others.collect();
    let broadcasting = tokio::spawn(async move {
        for number in 0..MARKS {
            broadcaster.send_json(&json!({"type": "kpi", "sessionId": "s", "details": number.to_string()})).await;
        }
        for _ in 0..MARKS {
            assert_eq!(broadcaster.receive().await["type"], "result");
        }
    });
    let mut received = Vec::new();
    let to = json!({"agents": [format!("agent-{}", AGENTS - 1)]});
    for _ in 0..CALLS {
        bot.send_json(&json!({"type": "notify", "templateName": "msdyn_chat_incoming_unauthenticated", "to": to}))
            .await;
        let id = bot.receive_type("ack").await["notificationId"].clone();
        let shown = until(&mut desk, "notification", &mut received).await;
        assert_eq!(shown["notificationId"], id);
        desk.send_json(&json!({"type": "accept", "notificationId": id})).await;
        assert_eq!(until(&mut desk, "closed", &mut received).await["notificationId"], id);
        assert_eq!(bot.receive_type("result").await["notificationId"], id);
    }
    // The marks that have not arrived yet.
    while received.len() < MARKS {
        note(&desk.receive().await, &mut received);
    }
    let all: Vec<usize> = (0..MARKS).collect();
    assert_eq!(received, all);
    for other in others {
        assert_eq!(other.await.unwrap(), all);
    }
    broadcasting.await.unwrap();
}

/// The next message of this type. The marks among the messages before it are noted.
async fn until(client: &mut Client, wanted: &str, marks: &mut Vec<usize>) -> Value {
    loop {
        let message = client.receive().await;
        if message["type"] == wanted {
            return message;
        }
        note(&message, marks);
    }
}
