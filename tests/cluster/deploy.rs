//! What `docs/deploy` shows is what runs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::fixture::{CONFIG, await_ready};
use crate::harness::Setup;
use crate::nats;

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
async fn what_opens_the_servers_is_never_said() {
    let wrong = Setup::new().without_data_dir().args(&["--cluster", "http://ada:s3cret@a:1"]).fail().await;
    assert_eq!(wrong.code, Some(64));
    assert!(!wrong.stderr.contains("s3cret") && wrong.stderr.contains("is no NATS server"), "{}", wrong.stderr);
    let both = Setup::new().args(&["--cluster", "nats://127.0.0.1:1"]).fail().await;
    assert_eq!(both.code, Some(64), "in memory and in a cluster: {}", both.stderr);
}

#[test]
fn the_unit_and_the_load_balancer_are_well_formed_where_that_can_be_asked() {
    let asked = [
        ("haproxy", vec!["-c".into(), "-f".into(), shown("haproxy.cfg").into_os_string()]),
        ("systemd-analyze", vec!["verify".into(), "--man=no".into(), shown("deskbell@.service").into_os_string()]),
    ];
    for (program, arguments) in asked {
        let Ok(output) = Command::new(program).args(arguments).output() else {
            println!("skipped: no {program} on this machine");
            continue;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(program != "haproxy" || output.status.success(), "{said}");
        // The program itself is not installed where the unit says.
        let said: Vec<&str> =
            said.lines().filter(|line| line.contains("deskbell@") && !line.contains("not executable")).collect();
        assert!(said.is_empty(), "{program}: {said:?}");
    }
}
