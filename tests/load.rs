//! `deskbell load` against a real hub: short runs that must keep all promises, also when the hub is killed meanwhile.

mod hub;
#[path = "support/load_tool.rs"]
mod load_tool;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use hub::Hub;
use serde_json::Value;

fn load(hub: &Hub, arguments: &[&str]) -> Command {
    load_tool::build();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    command.args(["load", "--json", "--url", &hub.url()]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn told(output: &Output) -> Value {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {err}"))
}

fn number(summary: &Value, pointer: &str) -> u64 {
    summary.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[test]
fn it_says_at_once_that_nothing_answers() {
    load_tool::build();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    command.args(["load", "--url", &format!("ws://127.0.0.1:{port}/ws")]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(process.stderr.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert!(process.try_wait().expect("a process").is_none(), "it goes on trying: {line}");
    process.kill().and_then(|()| process.wait()).expect("it ends");
    assert!(line.contains(&format!("nothing answers at 127.0.0.1:{port}")) && line.contains("trying for 3"), "{line}");
}

#[test]
fn a_short_run_keeps_all_promises_and_reports_its_figures() {
    let hub = Hub::start();
    let arguments = [
        "--agents=40",
        "--groups=4",
        "--rate=40",
        "--duration=2s",
        "--ramp=500ms",
        "--think=50ms",
        "--churn=4",
        "--ignore=0.1",
        "--cancel=0.2",
    ];
    let summary = told(&load(&hub, &arguments).output().expect("it runs"));
    let notifies = number(&summary, "/achieved/notifies");
    assert!((85..=90).contains(&notifies), "{summary}");
    assert_eq!(number(&summary, "/achieved/results"), notifies);
    assert_eq!(number(&summary, "/achieved/refused"), 0);
    let outcomes = summary["outcomes"].as_object().expect("an object");
    assert_eq!(outcomes.values().filter_map(Value::as_u64).sum::<u64>(), notifies);
    for outcome in ["Accept", "DeclinedByAgent", "Cancelled"] {
        assert!(outcomes.contains_key(outcome), "{summary}");
    }
    for latency in ["notifyToAck", "notifyToDisplayed", "answerToReply", "notifyToResult", "ownLag"] {
        assert!(number(&summary, &format!("/latenciesMs/{latency}/count")) > 0, "{latency}: {summary}");
    }
}

#[test]
fn a_hub_killed_under_load_keeps_its_promises() {
    let mut hub = Hub::start();
    let arguments = ["--agents=20", "--rate=30", "--duration=4s", "--ramp=0s", "--think=50ms"];
    let run = load(&hub, &arguments).spawn().expect("it runs");
    // In the middle of the run: half of its calls have come.
    hub.await_notifications(60);
    hub.kill();
    hub.start_again();
    let summary = told(&run.wait_with_output().expect("it ends"));
    assert!(number(&summary, "/achieved/connectionsLost") >= 20, "{summary}");
    assert_eq!(number(&summary, "/achieved/results"), number(&summary, "/achieved/notifies"), "{summary}");
}

#[test]
fn an_impossible_load_is_noted_and_a_wrong_option_ends_with_64() {
    let hub = Hub::start();
    let arguments = ["--agents=10", "--groups=1", "--rate=60", "--duration=1s", "--ramp=0s", "--think=400ms"];
    let summary = told(&load(&hub, &arguments).output().expect("it runs"));
    assert!(summary["notes"].to_string().contains("more than the desks can hold"), "{summary}");
    assert!(number(&summary, "/outcomes/NotificationQueueLimitExceeded") > 0, "{summary}");
    let wrong = load(&hub, &["--agents=0"]).output().expect("it runs");
    assert_eq!(wrong.status.code(), Some(64));
}

#[test]
fn two_threads_or_no_groups_lose_nothing() {
    let hub = Hub::start();
    for arguments in [&["--threads=2", "--agents=20"][..], &["--groups=0", "--agents=6"]] {
        let common = ["--rate=10", "--duration=1s", "--ramp=0s", "--think=20ms", "--arrivals=poisson"];
        let summary = told(&load(&hub, &[arguments, &common].concat()).output().expect("it runs"));
        assert_eq!(number(&summary, "/achieved/results"), number(&summary, "/achieved/notifies"), "{summary}");
    }
}

const ID: &str = "0193f0a0-0000-7000-8000-000000000001";

/// A faulty hub that sends two results for every notify, and no message to any agent.
fn lying_hub() -> (std::net::SocketAddr, tokio::runtime::Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(lie(stream));
        }
    });
    (address, runtime)
}

async fn lie(stream: tokio::net::TcpStream) {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
    while let Some(Ok(message)) = socket.next().await {
        let Ok(message) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else { continue };
        let replies = match message["type"].as_str() {
            Some("hello") => vec![serde_json::json!({
                "type": "welcome", "role": message["role"], "agentId": message["agentId"], "workspace": "default",
                "connectionId": "c", "protocol": 1, "pingIntervalMs": 15_000, "serverTime": "2026-11-21T10:00:00.000Z",
                "limits": {"maxMessageBytes": 65_536, "displayLimit": 3, "queueLimit": 10}, "providerId": message["providerId"],
                "open": [], "groups": [], "presence": "available", "notifications": [], "sessions": [], "kpi": [],
            })],
            Some("notify") => {
                let (id, name) = (&message["id"], "NotifyEvent");
                let ack = serde_json::json!({"type": "ack", "id": id, "msdyn_name": name, "notificationId": ID, "duplicate": false});
                let result = serde_json::json!({"type": "result", "id": id, "msdyn_name": name, "notificationId": ID,
                    "value": {"actionName": "Timeout", "responseReason": "DisplayTimeout"}});
                vec![ack, result.clone(), result]
            }
            _ => Vec::new(),
        };
        for reply in replies {
            let _ = socket.send(Message::text(reply.to_string())).await;
        }
    }
}

#[test]
fn a_broken_promise_ends_the_load_tool_with_exit_code_1() {
    let (address, _runtime) = lying_hub();
    let url = format!("ws://{address}");
    let arguments = ["load", "--json", "--agents=2", "--rate=20", "--duration=500ms", "--ramp=0s", "--url", &url];
    let output = Command::new(env!("CARGO_BIN_EXE_deskbell")).args(arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["promises"][0]["promise"], "each notify has exactly one outcome");
    let notifies = number(&summary, "/achieved/notifies");
    assert_eq!(number(&summary, "/promises/0/broken"), notifies, "{summary}");
    assert!(summary["cases"][0].as_str().is_some_and(|case| case.contains("more than one")), "{summary}");
}
