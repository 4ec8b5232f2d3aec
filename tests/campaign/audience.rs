//! Ten thousand agents that read everything, and the provider that makes the hub send them as much as is allowed.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::apart::Done;
use crate::light::{Light, frame};

/// Agents that connect at the same time.
const JOINING: u64 = 200;

/// Below `messagesPerSecond`, so that `deliveriesPerSecond` is what refuses.
const BETWEEN_MARKS: Duration = Duration::from_millis(6);

/// The agents alone, or with him.
pub(crate) const AUDIENCE: &str = "audience";
pub(crate) const SHOUT: &str = "shout";

/// All of them are there when this returns; they stay as long as the process.
pub(crate) async fn begin(what: &str, port: u16, agents: u64, done: &'static Done) {
    match what {
        AUDIENCE => listen(port, agents, done).await,
        SHOUT => {
            let mut shouter = Shouter::join(port).await.expect("the shouting provider joins");
            shouter.shout(done).await.expect("a mark");
            tokio::spawn(async move {
                loop {
                    sleep(BETWEEN_MARKS).await;
                    shouter.shout(done).await.expect("the shouting provider stays");
                }
            });
        }
        _ => panic!("nobody is {what}"),
    }
}

async fn listen(port: u16, agents: u64, done: &'static Done) {
    for first in (0..agents).step_by(JOINING as usize) {
        let mut joining = JoinSet::new();
        for number in first..(first + JOINING).min(agents) {
            let hello =
                json!({"type": "hello", "role": "agent", "agentId": format!("agent-{number}"), "groups": ["all"]});
            joining.spawn(async move { Light::join(port, &hello, None).await.expect("an agent joins").0 });
        }
        for mut light in joining.join_all().await {
            tokio::spawn(async move {
                let mut buffer = [0; 2048];
                while let Ok(bytes @ 1..) = light.stream.read(&mut buffer).await {
                    Done::add(&done.read, bytes);
                }
            });
        }
    }
}

struct Shouter {
    light: Light,
    call: Vec<u8>,
}

impl Shouter {
    async fn join(port: u16) -> std::io::Result<Self> {
        let hello = json!({"type": "hello", "role": "provider", "providerId": "shouter"});
        let (light, _) = Light::join(port, &hello, None).await?;
        let call = frame(&json!({"type": "kpi", "sessionId": "s", "details": "x".repeat(200)}).to_string());
        Ok(Self { light, call })
    }

    async fn shout(&mut self, done: &Done) -> std::io::Result<()> {
        self.light.stream.write_all(&self.call).await?;
        match self.light.next().await?["type"].as_str() {
            Some("result") => Done::add(&done.sent, 1),
            _ => Done::add(&done.refused, 1),
        }
        Ok(())
    }
}
