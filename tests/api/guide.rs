//! `docs/http.md`: its commands, run with curl and a shell exactly as printed, do what it says.

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
    // The first block sets `$id`; the other blocks run in shells of their own, so they get it from here.
    let ring = format!("{}printf '\"%s\"' \"$id\"\n", blocks[0]);
    let (printed, ()) = tokio::join!(run(&ring, &hub), accepts(&mut ada));
    let id = text(&printed[1]);
    assert!(id.starts_with("conv-"), "{id}");
    has(&printed[0], json!({"type": "result", "id": id, "value": accepted(), "agentId": "ada"}));
    let with_id = |block: &str| format!("id={id}\n{block}");
    let ask_later = with_id(blocks[1]);
    let (printed, ()) = tokio::join!(run(&ask_later, &hub), accepts(&mut ada));
    has(&printed[0], json!({"type": "result", "id": format!("{id}-call"), "value": accepted()}));
    let printed = run(&with_id(blocks[2]), &hub).await;
    let calls = ["CancelEvent", "NotifyKpiBreach", "NotifyKpiBreach", "NotifyNewActivity"];
    assert_eq!(printed.len(), 5);
    for (printed, call) in printed.iter().zip(calls) {
        has(printed, json!({"type": "result", "msdyn_name": call}));
    }
    assert_eq!(printed[4]["type"], "result", "{}", printed[4]);
    assert_eq!(blocks.len(), 3, "every block is run");
}
