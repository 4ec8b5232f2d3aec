//! What is much and what is little at the same time.

use std::num::NonZeroUsize;

use futures::future::join_all;

use super::*;

/// More than a shard writes to without letting what is little go first.
const AGENTS: usize = 400;
const MARKS: usize = 60;
const CALLS: usize = 30;

/// Notes which mark it is, if it is one.
fn note(message: &Value, marks: &mut Vec<usize>) {
    if message["type"] == "kpi" {
        marks.push(message["details"].as_str().unwrap().parse().unwrap());
    }
}

#[tokio::test]
async fn what_is_little_overtakes_and_everybody_gets_everything_once_and_in_its_order() {
    let gateway = TestGateway::with(|settings| {
        settings.shards = NonZeroUsize::new(1);
        settings.messages_per_second = 1_000_000;
    });
    let mut agents = join_all((0..AGENTS).map(|number| {
        let gateway = &gateway;
        async move { gateway.agent(&format!("agent-{number}")).await }
    }))
    .await;
    let (mut shouter, mut bot) = (gateway.provider("shouter").await, gateway.provider("bot").await);
    let mut desk = agents.pop().unwrap();
    let others = agents.into_iter().map(|mut agent| {
        tokio::spawn(async move {
            let mut heard = Vec::new();
            while heard.len() < MARKS {
                note(&agent.hear().await, &mut heard);
            }
            heard
        })
    });
    let others: Vec<_> = others.collect();
    let shouting = tokio::spawn(async move {
        for number in 0..MARKS {
            shouter.say(&json!({"type": "kpi", "sessionId": "s", "details": number.to_string()})).await;
        }
        for _ in 0..MARKS {
            assert_eq!(shouter.hear().await["type"], "result");
        }
    });
    let mut heard = Vec::new();
    let to = json!({"agents": [format!("agent-{}", AGENTS - 1)]});
    for _ in 0..CALLS {
        bot.say(&json!({"type": "notify", "templateName": "msdyn_chat_incoming_unauthenticated", "to": to})).await;
        let id = bot.hear_type("ack").await["notificationId"].clone();
        let shown = until(&mut desk, "notification", &mut heard).await;
        assert_eq!(shown["notificationId"], id);
        desk.say(&json!({"type": "accept", "notificationId": id})).await;
        assert_eq!(until(&mut desk, "closed", &mut heard).await["notificationId"], id);
        assert_eq!(bot.hear_type("result").await["notificationId"], id);
    }
    // What of the marks it has not heard yet.
    while heard.len() < MARKS {
        note(&desk.hear().await, &mut heard);
    }
    let all: Vec<usize> = (0..MARKS).collect();
    assert_eq!(heard, all);
    for other in others {
        assert_eq!(other.await.unwrap(), all);
    }
    shouting.await.unwrap();
}

/// The next message of that type; of the others the marks are noted.
async fn until(client: &mut Client, wanted: &str, marks: &mut Vec<usize>) -> Value {
    loop {
        let message = client.hear().await;
        if message["type"] == wanted {
            return message;
        }
        note(&message, marks);
    }
}
