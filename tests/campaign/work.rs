//! How long a busy provider and its agent wait, and how two such measurements compare.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::light::Light;

/// Between two calls: people do not answer every millisecond.
const PAUSE: Duration = Duration::from_millis(3);

/// Waits in microseconds, measured in one condition.
#[derive(Debug)]
pub(crate) struct Waits {
    /// From the call to its result.
    pub(crate) call: Histogram<u64>,
    /// From the agent's accept to the provider's result.
    pub(crate) accept: Histogram<u64>,
}

impl Default for Waits {
    fn default() -> Self {
        Self { call: Histogram::new(3).unwrap(), accept: Histogram::new(3).unwrap() }
    }
}

impl Waits {
    /// Works with the hub on `port` for the time `look`, and adds the measured waits. It has a thread of its own, so that it waits for the
    /// hub only.
    pub(crate) async fn measure(&mut self, port: u16, name: &str, look: Duration) {
        let name = name.to_owned();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work(port, &name, look)).expect("the others are served")
        };
        let more = tokio::task::spawn_blocking(work).await.unwrap();
        self.call.add(more.call).unwrap();
        self.accept.add(more.accept).unwrap();
    }
}

async fn work(port: u16, name: &str, look: Duration) -> std::io::Result<Waits> {
    let hello = json!({"type": "hello", "role": "agent", "agentId": format!("agent-{name}")});
    let (mut desk, _) = Light::join(port, &hello, None).await?;
    let hello = json!({"type": "hello", "role": "provider", "providerId": format!("bot-{name}")});
    let (mut bot, _) = Light::join(port, &hello, None).await?;
    let mut waits = Waits::default();
    let began = Instant::now();
    while began.elapsed() < look {
        let call = Instant::now();
        let to = json!({"agents": [format!("agent-{name}")]});
        bot.send(&json!({"type": "notify", "templateName": "chat", "to": to})).await?;
        let shown = desk.until(|m| m["type"] == "notification").await?;
        let accept = Instant::now();
        desk.send(&json!({"type": "accept", "notificationId": shown["notificationId"]})).await?;
        bot.until(|m| m["type"] == "result").await?;
        waits.call.record(micros(call)).unwrap();
        waits.accept.record(micros(accept)).unwrap();
        tokio::time::sleep(PAUSE).await;
    }
    Ok(waits)
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap()
}

/// One of these as it is printed, in milliseconds.
pub(crate) struct Shown<'a>(pub(crate) &'a Histogram<u64>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        write!(f, "p50 {:.2} ms, p99 {:.2} ms ({} calls)", ms(0.5), ms(0.99), self.0.len())
    }
}

/// The most that the median wait of the others may grow under an attack. Their p99 is printed and not checked: it varies by more
/// than that without an attack.
const MEDIAN_TIMES_MAX: f64 = 2.0;

/// Whether the median of one is at most [`MEDIAN_TIMES_MAX`] times that of the slower of two others.
pub(crate) fn median_is_held(under: &Histogram<u64>, others: [&Histogram<u64>; 2]) -> bool {
    let median = |of: &Histogram<u64>| of.value_at_quantile(0.5) as f64;
    let slower = others.map(median).into_iter().fold(0.0, f64::max);
    !under.is_empty() && median(under) <= slower * MEDIAN_TIMES_MAX
}

/// How the p99 of one compares with that of another.
pub(crate) fn ratio(this: &Histogram<u64>, other: &Histogram<u64>) -> f64 {
    this.value_at_quantile(0.99) as f64 / other.value_at_quantile(0.99) as f64
}
