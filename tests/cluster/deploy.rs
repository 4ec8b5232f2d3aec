//! The commands and files of `docs/deploy` work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::campaign::Line;
use crate::fixture::{CONFIG, Cluster, await_ready, http};
use crate::harness::Setup;
use crate::harness::left_out::is_missing;
use crate::nats;
use crate::proxy::Proxy;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shown(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy").join(file)
}

#[tokio::test]
async fn three_servers_of_the_shown_configuration_carry_hubs_that_know_the_password() {
    if !nats::is_there() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ports: Vec<(u16, u16)> = (0..3).map(|_| (nats::free_port(), nats::free_port())).collect();
    let routes: Vec<String> = ports.iter().map(|(_, route)| format!("\"nats://127.0.0.1:{route}\"")).collect();
    let _servers: Vec<Running> = ports
        .iter()
        .enumerate()
        .map(|(n, (client, route))| {
            let server = Command::new("nats-server")
                .arg("-c")
                .arg(shown("nats.conf"))
                .env("NATS_NAME", format!("server-{n}"))
                .env("NATS_LISTEN", format!("127.0.0.1:{client}"))
                .env("NATS_CLUSTER_LISTEN", format!("127.0.0.1:{route}"))
                .env("NATS_ROUTES", format!("[{}]", routes.join(", ")))
                .env("NATS_STORE", home.path().join(n.to_string()))
                .env("NATS_USER", "deskbell")
                .env("NATS_PASSWORD", "s3cret")
                .stderr(Stdio::null())
                .spawn();
            Running(server.unwrap())
        })
        .collect();
    let urls: Vec<String> = ports.iter().map(|(client, _)| format!("\"nats://127.0.0.1:{client}\"")).collect();
    let secret = home.path().join("nats");
    let config =
        |secret: &str| format!("{CONFIG}\n[cluster]\nservers = [{}]\npasswordFile = \"{secret}\"\n", urls.join(","));
    std::fs::write(&secret, "deskbell:s3cret\n").unwrap();
    let setup = Setup::new().without_data_dir().config(&config(&secret.display().to_string()));
    let (a, b) = (setup.start().await, setup.start().await);
    for hub in [&a, &b] {
        await_ready(hub, true, Duration::from_secs(20)).await;
        assert!(!hub.stderr.so_far().contains("s3cret"));
    }
    a.says(&["replicas=3"]).await;
    let mut bot = a.provider("bot").await;
    let mut ada = b.agent("ada").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
}

#[tokio::test]
async fn credentials_of_the_servers_are_never_logged() {
    let wrong = Setup::new().without_data_dir().args(&["--cluster", "http://ada:s3cret@a:1"]).fail().await;
    assert_eq!(wrong.code, Some(64));
    assert!(!wrong.stderr.contains("s3cret") && wrong.stderr.contains("is no NATS server"), "{}", wrong.stderr);
    let both = Setup::new().args(&["--cluster", "nats://127.0.0.1:1"]).fail().await;
    assert_eq!(both.code, Some(64), "in memory and in a cluster: {}", both.stderr);
}

/// A text with other words for some of its own, each of which must be there.
fn with(text: &str, others: &[(&str, &str)]) -> String {
    others.iter().fold(text.to_owned(), |text, (own, other)| {
        assert!(text.contains(own), "{own:?} is not in:\n{text}");
        text.replace(own, other)
    })
}

/// Joins through this port, however often it takes.
async fn come_in(port: u16, hello: &Value) -> (Line, Value) {
    let began = Instant::now();
    loop {
        let mut line = Line::to(port);
        if let Some(welcome) = line.connect(hello).await {
            return (line, welcome);
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nobody lets {hello} in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Reads on to a message of this type.
async fn read_to(line: &mut Line, kind: &str) -> Value {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(30), "no {kind}");
        match line.read(Duration::from_secs(30)).await.expect("the connection stands") {
            Some(message) if message["type"] == kind => return message,
            _ => {}
        }
    }
}

/// Processes that a shell has started; they end with this.
struct Started {
    shell: Child,
    pids: PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        let pids = std::fs::read_to_string(&self.pids).unwrap_or_default();
        let _ = Command::new("kill").arg("-9").args(pids.split_whitespace()).status();
        let _ = self.shell.wait();
    }
}

#[tokio::test]
async fn the_commands_of_docs_deploy_start_three_hubs_on_one_machine() {
    if !nats::is_there() {
        return;
    }
    let readme = std::fs::read_to_string(shown("README.md")).unwrap();
    let commands = readme.split_once("## On one machine").and_then(|(_, rest)| rest.split_once("```sh\n"));
    let commands = commands.and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let home = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..4).map(|_| nats::free_port()).collect();
    let store = home.path().join("store").display().to_string();
    let hubs = format!("{} {} {}", ports[0], ports[1], ports[2]);
    let others = [
        ("nats-server -a 127.0.0.1 -js", &*format!("nats-server -a 127.0.0.1 -p {} -js", ports[3])),
        ("/tmp/deskbell-nats", &store),
        ("4222", &ports[3].to_string()),
        ("8081 8082 8083", &hubs),
    ];
    let script = format!("{}\njobs -p > pids.new && mv pids.new pids\nwait\n", with(commands, &others));
    let built = Path::new(env!("CARGO_BIN_EXE_deskbell")).parent().unwrap();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(home.path()).env("PATH", path);
    let shell = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _started = Started { shell: shell.unwrap(), pids: home.path().join("pids") };

    let agent = json!({"type": "hello", "role": "agent", "agentId": "ada"});
    let (mut ada, _) = come_in(ports[0], &agent).await;
    let (mut bot, _) = come_in(ports[1], &json!({"type": "hello", "role": "provider", "providerId": "bot"})).await;
    let (mut bob, _) = come_in(ports[2], &json!({"type": "hello", "role": "agent", "agentId": "bob"})).await;
    bot.send(&json!({"type": "notify", "templateName": "msdyn_chat_incoming_unauthenticated"})).await;
    let id = read_to(&mut bob, "notification").await["notificationId"].clone();
    assert_eq!(read_to(&mut ada, "notification").await["notificationId"], id);
    ada.send(&json!({"type": "accept", "id": "a", "notificationId": id})).await;
    assert_eq!(read_to(&mut bot, "result").await["agentId"], "ada");
    // The pages that the guide says to open.
    for (port, page) in [(ports[0], "/desk"), (ports[1], "/console")] {
        assert!(readme.contains(&format!("{page}>")) && http(port, page).await.starts_with("HTTP/1.1 200"), "{page}");
    }
}

#[tokio::test]
#[ignore = "`tests/run --outside` runs it: it needs haproxy"]
async fn outside_clients_behind_haproxy_are_spread_over_the_hubs_and_reconnect_to_a_ready_one() {
    let program = ["haproxy", "/usr/sbin/haproxy"].into_iter().find(|haproxy| {
        Command::new(haproxy).arg("-v").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    let Some(haproxy) = program else {
        return is_missing("haproxy", "Debian: apt-get install haproxy");
    };
    let Some(mut cluster) = Cluster::start(1, 2).await else { return };
    let way = Proxy::to(cluster.servers[0].port()).await;
    let setup = Setup::new().without_data_dir().config(CONFIG).args(&["--cluster", &way.url()]);
    cluster.hubs.push(setup.start().await);
    let home = tempfile::tempdir().unwrap();
    let port = nats::free_port();
    let ports: Vec<String> = cluster.hubs.iter().map(|hub| format!("127.0.0.1:{}", hub.port)).collect();
    let text = std::fs::read_to_string(shown("haproxy.cfg")).unwrap();
    let others = [
        ("bind :80", &*format!("bind 127.0.0.1:{port}")),
        ("127.0.0.1:8081", &ports[0]),
        ("127.0.0.1:8082", &ports[1]),
        ("127.0.0.1:8083", &ports[2]),
        // As many as this machine may open is another question.
        ("maxconn 100000", "maxconn 100"),
    ];
    let file = home.path().join("haproxy.cfg");
    std::fs::write(&file, with(&text, &others)).unwrap();
    let mut balancer = Command::new(haproxy);
    balancer.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let _balancer = Running(balancer.spawn().unwrap());

    let hello = |n: usize| json!({"type": "hello", "role": "agent", "agentId": format!("agent-{n}")});
    let (mut agents, mut at) = (Vec::new(), BTreeSet::new());
    for n in 0..3 {
        let (line, welcome) = come_in(port, &hello(n)).await;
        let hub = hub_of(&welcome);
        at.insert(hub.clone());
        agents.push((line, hub));
    }
    assert_eq!(at.len(), 3, "one at each hub");
    let (mut bot, _) = come_in(port, &json!({"type": "hello", "role": "provider", "providerId": "bot"})).await;
    bot.send(&json!({"type": "notify", "id": "n", "templateName": "chat"})).await;
    for (agent, _) in &mut agents {
        read_to(agent, "notification").await;
    }
    // One hub is killed, another is cut off from its log: their clients reconnect at the one that is left.
    let (_, welcome) = come_in(cluster.hubs[1].port, &json!({"type": "hello", "role": "observer"})).await;
    let left = hub_of(&welcome);
    cluster.hubs.remove(0).kill_9();
    way.cut(true);
    for (n, (agent, hub)) in agents.iter_mut().enumerate().filter(|(_, (_, hub))| *hub != left) {
        let began = Instant::now();
        while agent.read(Duration::from_secs(1)).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(30), "it stays at {hub}");
        }
        let (line, welcome) = come_in(port, &hello(n)).await;
        assert_eq!((hub_of(&welcome), welcome["notifications"].as_array().unwrap().len()), (left.clone(), 1));
        (*agent, *hub) = (line, left.clone());
    }
    let (mut bot, _) = come_in(port, &json!({"type": "hello", "role": "provider", "providerId": "other"})).await;
    bot.send(&json!({"type": "notify", "id": "m", "templateName": "chat"})).await;
    for (agent, _) in &mut agents {
        read_to(agent, "notification").await;
    }
}

/// Which hub welcomes: its connections' ids say it.
fn hub_of(welcome: &Value) -> String {
    welcome["connectionId"].as_str().and_then(|id| id.split_once('-')).unwrap().0.to_owned()
}

#[test]
fn the_unit_is_well_formed_where_that_can_be_asked() {
    let unit = shown("deskbell@.service");
    let Ok(output) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit).output() else {
        return is_missing("systemd-analyze", "Debian: apt-get install systemd");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // The program is not installed at the path in the unit.
    let said: Vec<&str> =
        said.lines().filter(|line| line.contains("deskbell@") && !line.contains("not executable")).collect();
    assert!(said.is_empty(), "{said:?}");
}
