//! `deskbell explain`: the history of a notification, from the data directory and from a running hub.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::left_out::left_out;
use crate::harness::{Hub, NOBODYS, Setup, has, in_cluster, left_out_in_cluster, text};

/// What the command prints, and its exit code.
fn explain(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DESKBELL_")) {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command.arg("explain").args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn on_disk(hub: &Hub, id: &str) -> Value {
    let directory = hub.setup.data_dir();
    let (code, json, said) = explain(&[id, "--json", "--data-dir", directory.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{json}{said}");
    serde_json::from_str(&json).unwrap()
}

/// The admin listener of a hub that was given `--admin-listen`.
async fn admin(hub: &Hub) -> String {
    let before = "admin listener on ";
    hub.says(&[before]).await;
    let said = hub.stderr.so_far();
    said.split(before).nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// The events of a story, each as its name, its agents and, of an answer, whether it won.
fn events(story: &Value) -> Vec<(String, Vec<String>, Option<bool>)> {
    let events = story["events"].as_array().unwrap().iter();
    let agents = |event: &Value| event["agents"].as_array().map(|names| names.iter().map(text).collect::<Vec<_>>());
    events.map(|event| (text(&event["event"]), agents(event).unwrap_or_default(), event["won"].as_bool())).collect()
}

fn event(name: &str, agents: &[&str], won: Option<bool>) -> (String, Vec<String>, Option<bool>) {
    (name.to_owned(), agents.iter().map(|agent| (*agent).to_owned()).collect(), won)
}

const CORRELATION: &str = "{7F9C2BA4-E88F-4E00-9A3C-1E2F3A4B5C6D}";

#[tokio::test]
async fn an_explanation_names_offers_displays_answers_and_late_answers() {
    if left_out_in_cluster("there is no data directory") {
        return;
    }
    let hub =
        Setup::on_disk().config("[limits]\ndisplayLimit = 1").args(&["--admin-listen", "127.0.0.1:0"]).start().await;
    let (mut ada, mut bob, mut bot) = (hub.agent("ada").await, hub.agent("bob").await, hub.provider("bot").await);
    let more = json!({"correlationId": CORRELATION, "templateParameters": {"customerName": "Grace"}, "cancellationToken": "t"});
    let first = bot.ring_with("chat", more).await;
    ada.shown(&first).await;
    bob.shown(&first).await;
    let second = bot.ring("chat").await;
    bob.send(json!({"type": "seen", "notificationId": first})).await;
    bob.round_trip().await;
    has(&bob.call(json!({"type": "accept", "notificationId": first})).await, json!({"won": true}));
    bot.let_time_pass().await;
    has(
        &ada.call(json!({"type": "reject", "notificationId": first, "reason": "too busy"})).await,
        json!({"won": false}),
    );
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"type": "result"}));

    // By its own id and by its correlationId however that is written; also while the hub runs.
    let told = on_disk(&hub, &first);
    assert_eq!(
        told["notifications"],
        on_disk(&hub, &CORRELATION.to_lowercase().replace(['{', '}', '-'], ""))["notifications"]
    );
    assert_eq!(told["since"], Value::Null, "the log has its beginning");
    let story = &told["notifications"][0];
    has(
        story,
        json!({
            "notificationId": first, "correlationId": CORRELATION, "workspace": "default", "providerId": "bot",
            "title": "Grace wants to chat", "templateName": "chat", "toAgents": [], "whole": true, "cut": false,
            "end": {"actionName": "Accept", "responseReason": "Accept", "agentId": "bob", "displayed": 2, "seen": 1,
                    "rejected": 0, "at": story["end"]["at"], "elapsedMs": story["end"]["elapsedMs"]},
        }),
    );
    let expected = [
        event("notified", &[], None),
        event("displayed", &["ada", "bob"], None),
        event("seen", &["bob"], None),
        event("accepted", &["bob"], Some(true)),
        event("settled", &["bob"], None),
        event("session", &["bob"], None),
        event("rejected", &["ada"], Some(false)),
        event("cancelAsked", &[], Some(false)),
    ];
    assert_eq!(events(story), expected);
    let late = story["events"].as_array().unwrap().iter().find(|event| event["event"] == "rejected").unwrap();
    assert!(late["lateMs"].as_u64().unwrap() > 0 && late["reason"] == "too busy", "{late}");
    let after = |name: &str| {
        story["events"].as_array().unwrap().iter().find(|event| event["event"] == name).unwrap()["afterMs"].as_u64()
    };
    assert_eq!(late["afterMs"].as_u64().unwrap() - after("settled").unwrap(), late["lateMs"].as_u64().unwrap());

    // The second one waited behind the first and is open.
    let told = on_disk(&hub, &second);
    let story = &told["notifications"][0];
    assert_eq!(story["end"], Value::Null);
    let expected = [
        event("notified", &[], None),
        event("waits", &["ada", "bob"], None),
        event("displayed", &["ada", "bob"], None),
    ];
    assert_eq!(events(story), expected);

    // A running hub gives the same explanation, as JSON and as text.
    let admin = admin(&hub).await;
    let (code, json, said) = explain(&[&first, "--json", "--admin", &admin]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["notifications"], on_disk(&hub, &first)["notifications"]);
    let (code, asked, _) = explain(&[CORRELATION, "--admin", &admin]);
    let (_, read, _) = explain(&[CORRELATION, "--data-dir", hub.setup.data_dir().to_str().unwrap()]);
    assert_eq!((code, &asked), (Some(0), &read));
    let late = format!("ada rejected (too busy), {} ms too late", late["lateMs"]);
    for words in
        [&first, "Grace wants to chat", "displayed to ada, bob", "seen by bob", "bob accepted", &late, "by bob, after"]
    {
        assert!(read.contains(words), "nothing about {words:?} in\n{read}");
    }
    // A stop leaves a snapshot; the story is still there.
    let before = on_disk(&hub, &first);
    let setup = hub.setup.clone();
    hub.terminate();
    hub.exit().await;
    let hub = setup.start().await;
    assert_eq!(on_disk(&hub, &first)["notifications"][0]["events"], before["notifications"][0]["events"]);
}

#[tokio::test]
async fn a_correlation_id_finds_all_its_calls_and_the_refused_ones() {
    if left_out_in_cluster("there is no data directory") {
        return;
    }
    let hub = Setup::on_disk().start().await;
    let mut bot = hub.provider("bot").await;
    let named = |agent: &str| json!({"correlationId": CORRELATION, "to": {"agents": [agent]}});
    let (first, second) = (bot.ring_with("chat", named("ada")).await, bot.ring_with("chat", named("bob")).await);
    bot.call(json!({"type": "notify", "templateName": "no such", "correlationId": CORRELATION})).await;
    let told = on_disk(&hub, CORRELATION);
    let ids: Vec<&Value> =
        told["notifications"].as_array().unwrap().iter().map(|story| &story["notificationId"]).collect();
    assert_eq!(ids, [&json!(first), &json!(second)]);
    assert_eq!(events(&told["notifications"][0]), [event("notified", &[], None), event("nobodyThere", &[], None)]);
    assert_eq!(told["notifications"][1]["toAgents"], json!(["bob"]));
    has(&told["refused"][0], json!({"providerId": "bot", "code": "unknownTemplate", "workspace": "default"}));
}

#[tokio::test]
async fn client_text_stays_on_its_log_line() {
    if left_out_in_cluster("there is no data directory") {
        return;
    }
    let hub = Setup::on_disk().start().await;
    let mut bot = hub.provider("bot").await;
    let hostile = "Grace\r\n\u{1b}[31mFORGED \u{202e}evil\u{2028}";
    let id = bot.ring_with("chat", json!({"templateParameters": {"customerName": hostile}})).await;
    let directory = hub.setup.data_dir();
    for more in [&[][..], &["--json"]] {
        let arguments = [&[&*id, "--data-dir", directory.to_str().unwrap()], more].concat();
        let (_, told, _) = explain(&arguments);
        assert!(told.contains("FORGED") && !told.contains(['\r', '\u{1b}', '\u{202e}', '\u{2028}']), "{told:?}");
        assert!(told.lines().all(|line| !line.starts_with("FORGED")), "{told}");
    }
}

#[tokio::test]
async fn an_unknown_notification_gets_a_clear_answer() {
    if left_out_in_cluster("there is no data directory") {
        return;
    }
    let hub = Setup::new().args(&["--admin-listen", "127.0.0.1:0"]).start().await;
    let admin = admin(&hub).await;
    let (code, _, said) = explain(&[NOBODYS, "--admin", &admin]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--memory"), "{said}");
    let (code, _, said) = explain(&["ada", "--admin", &admin]);
    assert_eq!(code, Some(64), "{said}");
    let (code, _, said) = explain(&[NOBODYS, "--admin", &format!("http://127.0.0.1:{}", hub.port)]);
    assert_eq!(code, Some(1));
    assert!(said.contains("admin"), "the clients' port explains nothing: {said}");
    let (code, _, said) = explain(&[NOBODYS, "--data-dir", hub.setup.home().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no log"), "{said}");

    let hub = Setup::on_disk().start().await;
    let (code, told, _) = explain(&[NOBODYS, "--data-dir", hub.setup.data_dir().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(told.contains("has no notification with the id"), "{told}");
}

#[test]
fn invalid_ids_and_directories_get_a_one_line_error() {
    let long = "a".repeat(100_000);
    let (home, pipe) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = Command::new("mkfifo").arg(pipe.path().join("log-00000000000000000001")).status().unwrap();
    assert!(made.success());
    let (home, pipe) = (home.path().to_str().unwrap(), pipe.path().to_str().unwrap());
    let evil = format!("{home}/\u{1b}[31m\u{202e}");
    std::fs::create_dir(&evil).unwrap();
    for (id, directory, expected) in [
        ("\u{1b}[31mx", home, 64),
        ("\u{202e}x\nFORGED", home, 64),
        ("../../etc/passwd", home, 64),
        (&long, home, 64),
        (NOBODYS, &evil, 1),
        (NOBODYS, pipe, 1),
        (NOBODYS, "/dev/zero", 1),
        (NOBODYS, "/proc/self", 1),
    ] {
        let (code, told, said) = explain(&[id, "--data-dir", directory]);
        assert_eq!((code, told.as_str()), (Some(expected), ""), "{said}");
        assert!(said.len() < 1_000 && !said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
        assert!(said.lines().all(|line| !line.starts_with("FORGED")), "{said}");
    }
}

/// Another process that listens on the port while the hub is down.
#[tokio::test]
async fn control_characters_of_a_foreign_answer_never_reach_the_terminal() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let hostile = "The log \u{1b}]0;owned\u{7}\u{1b}[31m\u{202e}evil\u{9b}\r\nnext";
    for status in ["200 OK", "404 Not Found", "500 Oops"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::task::spawn_blocking(move || explain(&[NOBODYS, "--admin", &admin]));
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{hostile}", hostile.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (_, told, said) = asked.await.unwrap();
        let all = told + &said;
        assert!(all.contains("evil") && !all.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}', '\r']), "{all:?}");
    }
}

#[tokio::test]
async fn records_older_than_history_are_erased_in_a_quiet_hub() {
    if left_out_in_cluster("there is no data directory") {
        return;
    }
    let setup = Setup::on_disk().config("[limits]\nretention = \"100ms\"\n[log]\nhistory = \"1s\"");
    let hub = setup.start().await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring_with("chat", json!({"templateParameters": {"customerName": "Grace Hopper"}})).await;
    ada.reject(&id).await;
    assert_eq!(on_disk(&hub, &id)["notifications"][0]["end"]["agentId"], "ada");
    let directory = hub.setup.data_dir();
    let is_there = || {
        let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path());
        // One may go between the look and the reading.
        files
            .filter_map(|file| std::fs::read(file).ok())
            .any(|bytes| bytes.windows(12).any(|part| part == b"Grace Hopper"))
    };
    assert!(is_there());
    let began = std::time::Instant::now();
    while is_there() {
        assert!(began.elapsed() < std::time::Duration::from_secs(120), "it is still there");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // The state may still know the outcome, which providers may ask for; displays and answers are gone.
    let (_, told, said) = explain(&[&id, "--data-dir", directory.to_str().unwrap()]);
    assert!(
        told.contains("records since") && (told.contains("erased") || told.contains("not in the log any more")),
        "{told}{said}"
    );
    assert!(!told.contains("displayed to ada"), "{told}");
}

/// The same from the stream, which every hub has completely: through the admin listener of any hub.
#[tokio::test]
async fn any_hub_of_a_cluster_explains_a_notification() {
    if !in_cluster() {
        return left_out("only in the run against three hubs: it asks each of them");
    }
    let hub = Setup::new().args(&["--admin-listen", "127.0.0.1:0"]).start().await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring("chat").await;
    ada.take_on(&id).await;
    bot.result_of(&id).await;
    // Each of them answers with the address of its own.
    let admin = admin(&hub).await;
    let (code, json, said) = explain(&[&id, "--json", "--admin", &admin]);
    assert_eq!(code, Some(0), "{json}{said}");
    let told: Value = serde_json::from_str(&json).unwrap();
    let names: Vec<String> = events(&told["notifications"][0]).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["notified", "displayed", "accepted", "settled", "session"]);
}
