//! A hub with a server that is cut off from the other servers moves to another server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::campaign::{AGREE_AFTER_FAULTS, BRIEF, Shared, agent, provider};
use crate::fixture::{CONFIG, Cluster, WAYS, await_ready, setup, three_that_can_be_cut_apart};
use crate::nats;
use crate::proxy::Proxy;
use crate::state::digests;

/// The number of the server that leads the stream.
fn leader(servers: &[nats::Server]) -> usize {
    let began = Instant::now();
    loop {
        let info = servers[0].ask("$JS.API.STREAM.INFO.DESKBELL_0", "");
        let info: Value = serde_json::from_str(&info).unwrap_or_default();
        let name = info["cluster"]["leader"].as_str().and_then(|name| name.strip_prefix("server-"));
        if let Some(number) = name.and_then(|number| number.parse().ok()) {
            return number;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nobody leads the stream: {info}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_leaves_a_server_that_is_cut_off_from_the_other_servers() {
    if !nats::is_there() {
        return;
    }
    let (servers, ways) = three_that_can_be_cut_apart().await;
    let config = format!("{CONFIG}\n{BRIEF}");
    let mut cluster = Cluster::of(servers, 1, &config).await;
    // The worst to lose is the one that leads; but of old servers it may keep what the others never had.
    let mut victim = leader(&cluster.servers);
    if nats::version() < AGREE_AFTER_FAULTS {
        victim = (victim + 1) % 3;
    }
    // The second hub finds only that one at its start.
    let hubs_ways = cluster.ways().await;
    hubs_ways.iter().enumerate().filter(|(n, _)| *n != victim).for_each(|(_, way)| way.cut(true));
    cluster.hubs.push(setup(&config, hubs_ways.iter().map(Proxy::url)).start().await);
    hubs_ways.iter().for_each(|way| way.cut(false));
    let warning = "bring the servers up to 2.10 or later";
    let warned = cluster.hubs[1].stderr.so_far().lines().any(|line| line.contains("WARN") && line.contains(warning));
    assert_eq!(warned, nats::version() < AGREE_AFTER_FAULTS);
    let [a, b] = &cluster.hubs[..] else { panic!() };

    let (stop, stopped) = watch::channel(false);
    let book = Shared::default();
    let at = |port| watch::channel(vec![port]).1;
    let clients = [
        tokio::spawn(provider("bot-a".into(), at(a.port), Arc::clone(&book), stopped.clone())),
        tokio::spawn(provider("bot-b".into(), at(b.port), Arc::clone(&book), stopped.clone())),
        tokio::spawn(agent("ada".into(), at(a.port), Arc::clone(&book), stopped.clone())),
        tokio::spawn(agent("bob".into(), at(b.port), Arc::clone(&book), stopped.clone())),
    ];
    let settled = async |more: usize| {
        let enough = book.lock().unwrap().outcomes.len() + more;
        let began = Instant::now();
        while book.lock().unwrap().outcomes.len() < enough {
            assert!(began.elapsed() < Duration::from_secs(60), "not {more} outcomes in a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    settled(20).await;

    let cut = |cut| ways.iter().zip(WAYS).filter(|(_, of)| of.contains(&victim)).for_each(|(way, _)| way.cut(cut));
    cut(true);
    let began = Instant::now();
    await_ready(b, false, Duration::from_secs(20)).await;
    await_ready(b, true, Duration::from_secs(60)).await;
    println!("server {victim} cut off from the others: its hub serves again after {:?}", began.elapsed());
    b.says(&["this hub goes to the next NATS server"]).await;
    await_ready(a, true, Duration::from_secs(60)).await;
    // They serve while it still is.
    settled(20).await;
    cut(false);

    cluster.servers[victim].await_jetstream();
    stop.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
    let digests = digests(&cluster.servers[0], cluster.hubs.len());
    assert!(digests.iter().all(|digest| *digest == digests[0]), "the hubs' states differ");
    assert_eq!(book.lock().unwrap().faults(), (0, 0, 0));
}
