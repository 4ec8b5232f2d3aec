//! Workspaces spread over several streams: each is as if it were alone, and no partition's trouble is another's.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use crate::fixture::{CONFIG, Cluster, await_ready, http};
use crate::harness::{Client, Hub, NOBODYS, Setup, accepted, cancelled, has, text, with};
use crate::nats;
use crate::proxy::Proxy;

const SECRET: &str = "a secret of these tests, long enough to be one";

const PARTITIONS: usize = 3;

/// Workspaces and their partitions, of three: `$((0x$(printf %s NAME | sha1sum | cut -c1-8) % 3))`.
const WORKSPACES: [(&str, usize); 4] = [("acme", 0), ("hooli", 1), ("default", 2), ("globex", 0)];

fn config(partitions: usize) -> String {
    format!("{CONFIG}\n[cluster]\npartitions = {partitions}\n")
}

/// Asks for tokens, and has an admin listener.
fn guarded(setup: Setup) -> Setup {
    let file = setup.home().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    setup.args(&["--auth-secret-file", file.to_str().unwrap(), "--admin-listen", "127.0.0.1:0"])
}

async fn three_hubs() -> Option<Cluster> {
    let mut cluster = Cluster::start(1, 0).await?;
    for _ in 0..3 {
        let hub = guarded(cluster.setup(&config(PARTITIONS))).start().await;
        cluster.hubs.push(hub);
    }
    Some(cluster)
}

/// Somebody of a workspace, at a hub.
async fn join(hub: &Hub, workspace: &str, sub: &str, role: &str, more: Value) -> Client {
    let token = token(&json!({"sub": sub, "role": role, "workspace": workspace}));
    hub.join(with(json!({"role": role, "token": token}), more)).await
}

/// A token with these claims that does not expire.
fn token(claims: &Value) -> String {
    let claims = with(claims.clone(), json!({"exp": 32_503_680_000_u64}));
    let encoded = [json!({"alg": "HS256", "typ": "JWT"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = encoded.join(".");
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// The response of a hub's admin listener.
async fn ask(hub: &Hub, method: &str, path: &str, body: Value) -> String {
    let body = body.to_string();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", admin(hub))).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json");
    let whole = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    tokio::io::AsyncWriteExt::write_all(&mut stream, whole.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    answer
}

/// The port of its admin listener.
fn admin(hub: &Hub) -> u16 {
    let said = hub.stderr.so_far();
    let rest = said.split_once("admin listener on http://127.0.0.1:").unwrap().1;
    rest.lines().next().unwrap().trim().parse().unwrap()
}

async fn metric(hub: &Hub, series: &str) -> f64 {
    let metrics = http(admin(hub), "/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {series} in {metrics}"))
}

/// Whether a partition's stream has this word in any of its records.
fn stream_holds(server: &nats::Server, partition: usize, word: &str) -> bool {
    let info: Value =
        serde_json::from_str(&server.request(&format!("$JS.API.STREAM.INFO.DESKBELL_{partition}"), "")).unwrap();
    let last = info["state"]["last_seq"].as_u64().unwrap();
    (1..=last).any(|number| {
        let subject = format!("$JS.API.STREAM.MSG.GET.DESKBELL_{partition}");
        let record: Value = serde_json::from_str(&server.request(&subject, &format!(r#"{{"seq":{number}}}"#))).unwrap();
        let bytes = STANDARD.decode(record["message"]["data"].as_str().unwrap()).unwrap();
        bytes.windows(word.len()).any(|some| some == word.as_bytes())
    })
}

#[tokio::test]
async fn each_workspace_lives_in_its_own_partition_across_all_hubs_and_sees_nothing_of_the_others() {
    let Some(cluster) = three_hubs().await else { return };
    let [a, b, c] = &cluster.hubs[..] else { panic!() };
    let mut all = Vec::new();
    // The same names, ids and tokens in each.
    for (workspace, _) in WORKSPACES {
        let mut watcher = join(c, workspace, "eve", "observer", json!({})).await;
        let ada = join(b, workspace, "ada", "agent", json!({})).await;
        let bob = join(c, workspace, "bob", "agent", json!({})).await;
        let mut bot = join(a, workspace, "bot", "provider", json!({})).await;
        has(&bot.welcome, json!({"workspace": workspace, "open": []}));
        let call = json!({"type": "notify", "id": "n-1", "templateName": "chat", "sessionId": "s-1",
            "cancellationToken": "t-1", "templateParameters": {"customerName": format!("customer-of-{workspace}")}});
        let ack = bot.call(call).await;
        has(&ack, json!({"type": "ack", "duplicate": false}));
        watcher.take("the notify", |m| m["event"] == "notified").await;
        all.push((workspace, text(&ack["notificationId"]), bot, ada, bob, watcher));
    }
    for (workspace, id, bot, ada, bob, watcher) in &mut all {
        for agent in [&mut *ada, &mut *bob] {
            has(&agent.shown(id).await, json!({"title": format!("customer-of-{workspace} wants to chat")}));
        }
        has(&ada.accept(id).await, json!({"value": accepted(), "won": true}));
        has(&bob.accept(id).await, json!({"value": accepted(), "won": false}));
        let result = bot.result_of(id).await;
        has(&result, json!({"id": "n-1", "value": accepted(), "agentId": "ada"}));
        // Nobody else's session is marked, and nobody else's call has that token.
        bot.call(json!({"type": "kpi", "sessionId": "s-1", "details": *workspace})).await;
        has(&ada.expect("kpi").await, json!({"sessionId": "s-1", "details": *workspace}));
        has(&bob.expect("kpi").await, json!({"details": *workspace}));
        watcher.take("the outcome", |m| m["event"] == "settled" && m["notificationId"] == id.as_str()).await;
        let joined = |m: &Value| m["type"] == "stats" && m["agents"] == 2 && m["providers"] == 1;
        watcher.take("its own numbers", joined).await;
        // Missed results are found at another hub.
        let mut again = join(b, workspace, "bot", "provider", json!({"resume": true})).await;
        has(&again.result_of(id).await, json!({"value": accepted(), "agentId": "ada"}));
        let second = again.ring_with("chat", json!({"id": "n-2", "cancellationToken": "t-2"})).await;
        let cancel = again.call(json!({"type": "cancel", "cancellationToken": "t-2"})).await;
        has(&cancel, json!({"value": cancelled(), "notificationId": second}));
        again.leave().await;
    }
    let server = &cluster.servers[0];
    for (workspace, home) in WORKSPACES {
        let word = format!("customer-of-{workspace}");
        for partition in 0..PARTITIONS {
            assert_eq!(stream_holds(server, partition, &word), partition == home, "{workspace} in {partition}");
        }
    }
    // One hub answers for all partitions.
    for hub in &cluster.hubs {
        assert_eq!(http(hub.port, "/readyz").await.split("\r\n\r\n").nth(1), Some("ready\n"));
        assert_eq!(metric(hub, "deskbell_hubs").await, 3.0);
        for partition in 0..PARTITIONS {
            assert_eq!(metric(hub, &format!("deskbell_partition_ready{{partition=\"{partition}\"}}")).await, 1.0);
        }
    }
    let mut notifications = 0.0;
    for hub in &cluster.hubs {
        notifications += metric(hub, "deskbell_notifications_total").await;
    }
    assert_eq!(notifications, 2.0 * WORKSPACES.len() as f64);
    let clients = http(admin(b), "/clients").await;
    for (workspace, id, _, ada, ..) in &all {
        let connection = text(&ada.welcome["connectionId"]);
        assert!(clients.contains(&connection), "{connection} of {workspace} in {clients}");
        let story = http(admin(c), &format!("/explain?id={id}")).await;
        let story: Value = serde_json::from_str(story.split_once("\r\n\r\n").unwrap().1).expect(&story);
        has(&story["notifications"][0], json!({"workspace": *workspace, "notificationId": id}));
        assert_eq!(story["notifications"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_killed_hubs_agents_leave_every_partition_and_come_back_elsewhere() {
    let Some(mut cluster) = three_hubs().await else { return };
    let mut all = Vec::new();
    for (workspace, _) in WORKSPACES {
        let mut watcher = join(&cluster.hubs[0], workspace, "eve", "observer", json!({})).await;
        let mut bot = join(&cluster.hubs[0], workspace, "bot", "provider", json!({})).await;
        let mut ada = join(&cluster.hubs[2], workspace, "ada", "agent", json!({})).await;
        watcher.take("ada to join", |m| m["event"] == "agentJoined").await;
        let id = bot.ring("chat").await;
        ada.shown(&id).await;
        all.push((workspace, id, bot, watcher));
    }
    drop(cluster.hubs.remove(2).kill_9());
    for (workspace, id, bot, watcher) in &mut all {
        watcher.take("ada to leave", |m| m["event"] == "agentLeft" && m["agentId"] == "ada").await;
        let mut ada = join(&cluster.hubs[1], workspace, "ada", "agent", json!({})).await;
        has(&ada.welcome["notifications"][0], json!({"notificationId": *id}));
        ada.accept(id).await;
        has(&bot.result_of(id).await, json!({"value": accepted(), "agentId": "ada"}));
    }
    // All hubs stop in an orderly way; each restarts from the state that the last one left.
    for hub in std::mem::take(&mut cluster.hubs) {
        hub.terminate();
        assert_eq!(hub.exit().await.code, Some(0));
    }
    let hub = guarded(cluster.setup(&config(PARTITIONS))).start().await;
    for (workspace, id, ..) in &all {
        let mut bot = join(&hub, workspace, "bot", "provider", json!({"resume": true})).await;
        has(&bot.result_of(id).await, json!({"value": accepted(), "agentId": "ada"}));
    }
}

#[tokio::test]
async fn a_partition_that_is_cut_off_is_named_drops_its_own_clients_and_comes_back() {
    let Some(mut cluster) = Cluster::start(1, 0).await else { return };
    let proxy = Proxy::to(cluster.servers[0].port()).await;
    let over = Setup::new().without_data_dir().config(&config(PARTITIONS)).args(&["--cluster", &proxy.url()]);
    for setup in [guarded(cluster.setup(&config(PARTITIONS))), guarded(over)] {
        let hub = setup.start().await;
        cluster.hubs.push(hub);
    }
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let mut bot = join(a, "hooli", "bot", "provider", json!({})).await;
    let mut hooli = join(b, "hooli", "ada", "agent", json!({})).await;
    let before = text(&hooli.welcome["connectionId"]);
    let mut others = Vec::new();
    for workspace in ["acme", "default"] {
        let bot = join(a, workspace, "bot", "provider", json!({})).await;
        others.push((bot, join(b, workspace, "ada", "agent", json!({})).await));
    }
    let silent = b.connect().await;

    proxy.cut_only("\"name\":\"deskbell-1\"");
    await_ready(b, false, Duration::from_secs(10)).await;
    let said = http(b.port, "/readyz").await;
    assert!(said.ends_with("of the partitions 0 to 2, these are not ready: 1\n"), "{said}");
    assert_eq!(metric(b, "deskbell_ready").await, 0.0);
    for (partition, ready) in [(0, 1.0), (1, 0.0), (2, 1.0)] {
        assert_eq!(metric(b, &format!("deskbell_partition_ready{{partition=\"{partition}\"}}")).await, ready);
    }
    hooli.expect_close(1013).await;
    let meanwhile = bot.ring("chat").await;
    // The others have not noticed.
    for (bot, ada) in &mut others {
        let id = bot.ring("chat").await;
        ada.take_on(&id).await;
        has(&bot.result_of(&id).await, json!({"value": accepted()}));
    }

    proxy.cut(false);
    await_ready(b, true, Duration::from_secs(30)).await;
    b.says(&["partition{number=1}", "this hub rejoins"]).await;
    let mut hooli = join(b, "hooli", "ada", "agent", json!({})).await;
    has(&hooli.welcome["notifications"][0], json!({"notificationId": meanwhile}));
    hooli.accept(&meanwhile).await;
    has(&bot.result_of(&meanwhile).await, json!({"value": accepted()}));
    // It is another incarnation, and the operator knows it by that.
    let now = text(&hooli.welcome["connectionId"]);
    assert_ne!(now.rsplit_once('-').unwrap().0, before.rsplit_once('-').unwrap().0);
    let clients = http(admin(b), "/clients").await;
    assert!(clients.contains(&now), "{now} in {clients}");
    for (_, ada) in &mut others {
        ada.round_trip().await;
    }
    drop(silent);
}

#[tokio::test]
async fn another_number_of_partitions_than_the_streams_have_is_refused() {
    let Some(cluster) = Cluster::start(1, 0).await else { return };
    let with = |partitions| cluster.setup(&config(partitions));
    // Without the setting there is one partition, and its stream has the same settings as before partitions existed.
    let hub = cluster.setup(CONFIG).start().await;
    hub.terminate();
    hub.exit().await;
    let refused = async |partitions, have: &str| {
        let exit = with(partitions).fail().await;
        assert_eq!(exit.code, Some(1));
        let expected = format!("the stream DESKBELL_0 is one of {have}, and [cluster] partitions says {partitions}");
        assert!(exit.stderr.contains(&expected), "{}", exit.stderr);
    };
    refused(2, "1").await;
    with(1).start().await.provider("bot").await;

    let Some(other) = Cluster::start(1, 0).await else { return };
    let _three = other.setup(&config(3)).start().await;
    for partitions in [1, 2, 4] {
        let exit = other.setup(&config(partitions)).fail().await;
        assert_eq!(exit.code, Some(1));
        let expected = format!("one of 3, and [cluster] partitions says {partitions}");
        assert!(exit.stderr.contains(&expected) && exit.stderr.contains("set partitions = 3"), "{}", exit.stderr);
    }
    // Another one that counts as it does is welcome.
    other.setup(&config(3)).start().await.provider("bot").await;
}

/// Whatever an intruder knows of another workspace's partition, at the hub that holds both.
#[tokio::test]
async fn ids_tokens_positions_and_admin_actions_stay_within_their_workspace() {
    let Some(cluster) = Cluster::start(1, 0).await else { return };
    let hub = guarded(cluster.setup(&config(PARTITIONS))).start().await;
    let mut sides = Vec::new();
    // In three partitions; globex is in that of acme.
    for (workspace, _) in WORKSPACES {
        let ada = join(&hub, workspace, "ada", "agent", json!({})).await;
        let mut bot = join(&hub, workspace, "bot", "provider", json!({})).await;
        let more = json!({"cancellationToken": format!("t-{workspace}"), "sessionId": format!("s-{workspace}")});
        let settled = bot.ring_with("chat", more).await;
        sides.push((workspace, ada, bot, settled));
    }
    let mut positions = Vec::new();
    for (_, ada, bot, id) in &mut sides {
        ada.take_on(id).await;
        positions.push(text(&bot.result_of(id).await["position"]));
    }
    let known: Vec<(&str, String)> = sides.iter().map(|(workspace, .., id)| (*workspace, id.clone())).collect();
    for (workspace, ada, bot, _) in &mut sides {
        for (other, id) in known.iter().filter(|(other, _)| other != workspace) {
            // Word for word the answer for something that does not exist.
            for (kind, field, theirs, nobodys) in [
                ("accept", "notificationId", id.clone(), NOBODYS.to_owned()),
                ("reject", "notificationId", id.clone(), NOBODYS.to_owned()),
                ("cancel", "cancellationToken", format!("t-{other}"), "t-none".to_owned()),
                ("activity", "sessionId", format!("s-{other}"), "s-none".to_owned()),
                ("endSession", "sessionId", format!("s-{other}"), "s-none".to_owned()),
            ] {
                let client = if field == "notificationId" { &mut *ada } else { &mut *bot };
                let mut said = Vec::new();
                for value in [&theirs, &nobodys] {
                    let call = json!({"type": kind, "id": "i", "correlationId": NOBODYS, field: value, "count": 1});
                    said.push(client.call(call).await.to_string().replace(value.as_str(), "X"));
                }
                assert_eq!(said[0], said[1], "{kind} of {other} in {workspace}");
                assert!(said[0].contains("\"notFound\""), "{}", said[0]);
            }
        }
        // Positions of the others give nothing of theirs.
        for position in &positions {
            let mut again = join(&hub, workspace, "bot", "provider", json!({"resume": position})).await;
            for told in again.rest().await {
                let own = known.iter().find(|(of, _)| of == workspace).map(|(_, id)| id.as_str());
                assert_eq!(told["notificationId"].as_str(), own, "{told}");
            }
            again.leave().await;
        }
    }
    // A connectionId that mixes two partitions is nobody's; one of a partition closes that one.
    let ids: Vec<String> = sides.iter().map(|(_, ada, ..)| text(&ada.welcome["connectionId"])).collect();
    let (incarnation, serial) = (ids[1].split_once('-').unwrap().0, ids[0].split_once('-').unwrap().1);
    let mixed = ask(&hub, "POST", "/disconnect", json!({"connectionId": format!("{incarnation}-{serial}")})).await;
    assert!(mixed.contains(" 404 "), "{mixed}");
    let closed = ask(&hub, "POST", "/disconnect", json!({"connectionId": ids[0], "comeBack": true})).await;
    assert!(closed.contains("\"disconnected\":1"), "{closed}");
    let (_, mut ada, ..) = sides.remove(0);
    ada.expect_close(1001).await;
    // One workspace's ada, though all are called so.
    let revoked = ask(&hub, "POST", "/revoke", json!({"subject": "ada", "workspace": "globex"})).await;
    assert!(revoked.contains("\"disconnected\":1"), "{revoked}");
    for (workspace, mut ada, mut bot, _) in sides {
        bot.round_trip().await;
        match workspace {
            "globex" => ada.expect_close(4401).await,
            _ => ada.round_trip().await,
        }
    }
}

#[tokio::test]
async fn a_revocation_at_one_hub_holds_at_every_hub_and_after_all_have_restarted() {
    let Some(mut cluster) = three_hubs().await else { return };
    let hello = |sub: &str| json!({"role": "agent", "token": token(&json!({"sub": sub, "role": "agent", "iat": 1}))});
    let mut ada = cluster.hubs[1].join(hello("ada")).await;
    let mut bob = cluster.hubs[2].join(hello("bob")).await;
    // Without a workspace: in every partition.
    let revoked = ask(&cluster.hubs[0], "POST", "/revoke", json!({"subject": "ada"})).await;
    assert!(revoked.contains("\"disconnected\":0"), "{revoked}");
    ada.expect_close(4401).await;
    bob.round_trip().await;
    drop((ada, bob));
    let hubs = std::mem::take(&mut cluster.hubs);
    for hub in hubs {
        hub.terminate();
        assert_eq!(hub.exit().await.code, Some(0));
    }
    let hub = guarded(cluster.setup(&config(PARTITIONS))).start().await;
    let mut client = hub.connect().await;
    client.send(with(hello("ada"), json!({"type": "hello"}))).await;
    assert_eq!(client.first_or_close().await, Err(4401));
    let listed = ask(&hub, "GET", "/revoked", json!({})).await;
    assert_eq!(listed.matches("\"subject\":\"ada\"").count(), 1, "{listed}");
    let lifted = ask(&hub, "DELETE", "/revoke", json!({"subject": "ada"})).await;
    assert!(lifted.contains(" 200 "), "{lifted}");
    hub.join(hello("ada")).await;
}
