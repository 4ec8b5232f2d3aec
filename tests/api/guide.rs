//! `docs/http.md`: its commands do what it says, by curl and a shell, as they stand there.

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{Client, Hub, PATIENCE, accepted, has, hub, text};

const GUIDE: &str = include_str!("../../docs/http.md");

/// The guide's commands, block by block.
fn blocks() -> Vec<&'static str> {
    GUIDE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs a block against this hub; the JSON values that it prints.
async fn run(block: &str, hub: &Hub) -> Vec<Value> {
    let script = block.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", hub.port));
    let output = Command::new("sh").args(["-eu", "-c", &script]).output();
    let output = timeout(PATIENCE, output).await.expect("it ends").expect("there is a shell");
    assert!(output.status.success(), "{script}\n{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    serde_json::Deserializer::from_str(&printed).into_iter().collect::<Result<_, _>>().expect(&printed)
}

async fn accepts(ada: &mut Client) {
    let id = text(&ada.expect("notification").await["notificationId"]);
    ada.accept(&id).await;
}

#[tokio::test]
async fn the_commands_of_the_guide_work() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let blocks = blocks();
    let (told, ()) = tokio::join!(run(blocks[0], &hub), accepts(&mut ada));
    has(&told[0], json!({"type": "result", "id": "conv-42", "value": accepted(), "agentId": "ada"}));
    let (told, ()) = tokio::join!(run(blocks[1], &hub), accepts(&mut ada));
    has(&told[0], json!({"type": "result", "id": "conv-43", "value": accepted()}));
    let told = run(blocks[2], &hub).await;
    let calls = ["CancelEvent", "NotifyKpiBreach", "NotifyKpiBreach", "NotifyNewActivity"];
    assert_eq!(told.len(), 5);
    for (told, call) in told.iter().zip(calls) {
        has(told, json!({"type": "result", "msdyn_name": call}));
    }
    assert_eq!(told[4]["type"], "result", "{}", told[4]);
    assert_eq!(blocks.len(), 3, "every block is run");
}
