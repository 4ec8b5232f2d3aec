//! A provider of the campaign: it rings, cancels and marks, repeats unacknowledged calls, and resumes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::link::{Came, Link, Manner, Phase, World};
use crate::record::{Client, Notified, Saw};
use crate::scene::{AGENTS_NAMED, CALM, GROUPS, TEMPLATES};

/// After this time without an answer on a working connection, a call is repeated, once no new calls are sent.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

pub(crate) struct Provider {
    world: Arc<World>,
    chance: Chance,
    client: Client,
    position: Option<String>,
    calls: u32,
    /// Marks that are not confirmed yet, by the call's id.
    unconfirmed: BTreeMap<String, (String, Option<String>)>,
}

impl Provider {
    pub(crate) fn new(world: &Arc<World>, number: u64) -> Self {
        let client = Client { name: format!("provider-{number}"), ..Client::default() };
        let chance = Chance::of(world.seed, number);
        let world = Arc::clone(world);
        Self { world, chance, client, position: None, calls: 0, unconfirmed: BTreeMap::new() }
    }

    pub(crate) async fn run(mut self) -> Client {
        loop {
            let resume = self.position.clone().map_or(Value::Bool(true), Value::String);
            let hello = json!({"type": "hello", "role": "provider", "providerId": self.client.name, "resume": resume});
            let Some(mut link) = Link::join(&self.world, &mut self.chance, &hello).await else { continue };
            let over = self.live(&mut link).await;
            self.client.faults.append(&mut link.wrong);
            self.client.connections.push(std::mem::take(&mut link.record));
            drop(link);
            if over {
                return self.client;
            }
            sleep(self.chance.ms(0, 200)).await;
        }
    }

    /// Until the connection is over, or the campaign is (true).
    async fn live(&mut self, link: &mut Link) -> bool {
        self.repeat(link).await;
        let (mut act_at, mut repeat_at) = (Instant::now(), Instant::now() + REPEAT_AFTER);
        loop {
            let now = Instant::now();
            match self.world.phase() {
                Phase::Traffic if act_at <= now => {
                    self.act(link).await;
                    let (from, to) = self.world.provider_pause;
                    act_at = now + self.chance.ms(from, to);
                }
                Phase::Quiet if repeat_at <= now => {
                    self.repeat(link).await;
                    repeat_at = now + REPEAT_AFTER;
                }
                Phase::End => {
                    link.finish(&json!({"type": "endSession", "sessionId": "nobody's", "id": "end"})).await;
                    return link.record.to_the_end;
                }
                _ => {}
            }
            let until = Instant::now() + Duration::from_millis(50);
            match link.next(if self.world.phase() == Phase::Traffic { act_at.min(until) } else { until }).await {
                Some(Came::End) => return false,
                Some(Came::Said(saw)) => self.take(&saw),
                None => {}
            }
        }
    }

    /// Everything that was not acknowledged, under its first id; now and then something that was.
    async fn repeat(&mut self, link: &mut Link) {
        let unacknowledged = |n: &Notified| n.nid.is_none();
        let mut texts: Vec<String> =
            self.client.notified.values().filter(|n| unacknowledged(n)).map(|n| n.text.clone()).collect();
        if self.chance.percent(30) && self.calls > 0 {
            let earlier = u32::try_from(self.chance.below(u64::from(self.calls))).unwrap();
            texts.extend(self.client.notified.get(&earlier).map(|n| n.text.clone()));
        }
        for text in texts {
            link.send_text(text).await;
        }
        for (id, (session, details)) in &self.unconfirmed {
            link.send(&kpi(id, session, details.as_deref())).await;
        }
    }

    fn take(&mut self, saw: &Saw) {
        match saw {
            Saw::Ack { call, nid, .. } => {
                if let Some(notified) = self.client.notified.get_mut(call) {
                    notified.nid.get_or_insert(*nid);
                }
            }
            Saw::Result(settled) => {
                self.position = Some(settled.position.clone());
                if let Some(notified) = self.client.notified.get_mut(&settled.call) {
                    notified.nid.get_or_insert(settled.nid);
                    if !std::mem::replace(&mut notified.settled, true) {
                        self.world.unresolved.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            }
            Saw::Done { id } => {
                if let Some((session, details)) = self.unconfirmed.remove(id) {
                    self.client.marks.insert(session, details);
                }
            }
            _ => {}
        }
    }

    async fn act(&mut self, link: &mut Link) {
        if self.world.manner == Manner::Mild {
            return self.notify(link).await;
        }
        match self.chance.below(100) {
            0..72 => self.notify(link).await,
            72..84 => self.cancel(link).await,
            84..91 => self.mark(link).await,
            roll => {
                let session = self.own_session();
                let message = if roll < 97 {
                    json!({"type": "activity", "sessionId": session, "count": self.chance.below(9), "id": "activity"})
                } else {
                    json!({"type": "endSession", "sessionId": session, "id": "endSession"})
                };
                link.send(&message).await;
            }
        }
    }

    async fn notify(&mut self, link: &mut Link) {
        let call = self.calls;
        self.calls += 1;
        let mild = self.world.manner == Manner::Mild;
        let template = if mild { CALM } else { self.chance.pick(&TEMPLATES).name };
        let token = self.chance.percent(60).then(|| format!("token-{call}"));
        let mut message = json!({"type": "notify", "id": format!("call-{call}"), "templateName": template});
        let mut parameters = json!({"card": format!("{}/{call}", self.client.name)});
        if self.chance.percent(10) {
            parameters["note"] = Value::String("x".repeat(900));
        }
        message["templateParameters"] = parameters;
        message["to"] = match self.chance.below(10) {
            _ if mild => json!({"groups": [*self.chance.pick(&GROUPS)]}),
            0 => json!({}),
            1..6 => json!({"groups": [*self.chance.pick(&GROUPS)]}),
            6..9 => json!({"agents": [format!("agent-{}", self.chance.below(AGENTS_NAMED))]}),
            _ => json!({"agents": ["agent-0"], "groups": [*self.chance.pick(&GROUPS)]}),
        };
        if let Some(token) = &token {
            message["cancellationToken"] = Value::String(token.clone());
        }
        if !mild && self.chance.percent(25) {
            message["sessionId"] = Value::String(self.own_session());
        }
        let text = message.to_string();
        let notified = Notified { template, text: text.clone(), token, nid: None, settled: false };
        self.client.notified.insert(call, notified);
        self.world.unresolved.fetch_add(1, Ordering::Relaxed);
        self.world.notified.fetch_add(1, Ordering::Relaxed);
        link.send_text(text).await;
    }

    /// Cancels a recent notification, open or not.
    async fn cancel(&mut self, link: &mut Link) {
        let back = u32::try_from(self.chance.below(8)).unwrap();
        let Some(call) = self.calls.checked_sub(back + 1) else { return };
        let Some(token) = self.client.notified.get(&call).and_then(|n| n.token.clone()) else { return };
        link.send(&json!({"type": "cancel", "cancellationToken": token, "id": format!("cancel-{call}")})).await;
    }

    /// Sets or clears a mark of its own, one at a time, so that the last confirmed state must be the hub's state.
    async fn mark(&mut self, link: &mut Link) {
        let session = if self.chance.percent(30) {
            // One that may be at a desk; the only expectation is that everybody receives the same.
            let message = json!({"type": "kpi", "sessionId": self.own_session(), "id": "kpi",
                                 "shouldReset": self.chance.percent(50)});
            return link.send(&message).await;
        } else {
            format!("mark-{}-{}", self.client.name, self.chance.below(3))
        };
        if !self.unconfirmed.is_empty() {
            return;
        }
        self.calls += 1;
        let id = format!("kpi-{}", self.calls);
        let details = self.chance.percent(60).then(|| format!("breach {}", self.calls));
        link.send(&kpi(&id, &session, details.as_deref())).await;
        self.unconfirmed.insert(id, (session, details));
    }

    fn own_session(&mut self) -> String {
        format!("session-{}-{}", self.client.name, self.chance.below(4))
    }
}

fn kpi(id: &str, session: &str, details: Option<&str>) -> Value {
    let mut message = json!({"type": "kpi", "id": id, "sessionId": session, "shouldReset": details.is_none()});
    if let Some(details) = details {
        message["details"] = Value::String(details.to_owned());
    }
    message
}
