//! An agent's tab, and an observer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::link::{Came, Link, Manner, Phase, World};
use crate::record::{Client, Nid, Saw, write_nid};
use crate::scene::GROUPS;

/// What an agent does about a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Accept,
    Reject,
    Seen,
}

/// One tab of an agent; the tabs of one agent act each for itself, as hurried people do.
pub(crate) struct Tab {
    world: Arc<World>,
    chance: Chance,
    client: Client,
    tab: u64,
    plans: Vec<(Instant, Nid, Act)>,
    /// Sessions that it will end.
    ends: Vec<(Instant, String)>,
    /// Answers without a reply.
    unanswered: Vec<(String, Nid, Act)>,
    answers: u64,
}

impl Tab {
    pub(crate) fn new(world: &Arc<World>, agent: u64, tab: u64) -> Self {
        Self {
            world: Arc::clone(world),
            chance: Chance::of(world.seed, 1_000 + agent * 10 + tab),
            client: Client { name: format!("agent-{agent}"), ..Client::default() },
            tab,
            plans: Vec::new(),
            ends: Vec::new(),
            unanswered: Vec::new(),
            answers: 0,
        }
    }

    pub(crate) async fn run(mut self) -> Client {
        let mut first = true;
        loop {
            let hello = self.hello(first);
            let Some(mut link) = Link::join(&self.world, &mut self.chance, &hello).await else { continue };
            first = false;
            let over = self.live(&mut link).await;
            self.client.faults.append(&mut link.wrong);
            self.client.connections.push(std::mem::take(&mut link.record));
            drop(link);
            if over {
                return self.client;
            }
            let away = if self.chance.percent(15) { 2000 } else { 150 };
            sleep(self.chance.ms(0, away)).await;
        }
    }

    fn hello(&mut self, first: bool) -> Value {
        let mut hello = json!({"type": "hello", "role": "agent", "agentId": self.client.name});
        if self.world.manner == Manner::Mild {
            // Every group has agents.
            let number: usize = self.client.name["agent-".len()..].parse().unwrap();
            hello["groups"] = json!([GROUPS[number % GROUPS.len()]]);
            return hello;
        }
        if self.tab == 0 && (first || self.chance.percent(10)) {
            let groups: Vec<&str> = GROUPS.into_iter().filter(|_| self.chance.percent(50)).collect();
            hello["groups"] = json!(groups);
        }
        if self.chance.percent(20) {
            hello["presence"] = json!("available");
        }
        hello
    }

    /// Until the connection is over, or the campaign is (true).
    async fn live(&mut self, link: &mut Link) -> bool {
        self.plans.clear();
        for (id, nid, act) in std::mem::take(&mut self.unanswered) {
            if self.chance.percent(60) {
                self.answer(link, id, nid, act).await;
            }
        }
        let leave_at =
            Instant::now() + if self.tab == 0 { self.chance.ms(5000, 60_000) } else { self.chance.ms(500, 9000) };
        let mut presence_at = Instant::now() + self.chance.ms(1000, 8000);
        loop {
            let now = Instant::now();
            let traffic = match self.world.phase() {
                Phase::Traffic => true,
                // Mild agents answer to the end, so that no notification ends by its timer.
                Phase::Quiet => self.world.manner == Manner::Mild,
                Phase::End => {
                    let question = json!({"type": "accept", "id": "end", "notificationId": "0192f0c4-7e3a-7b21-8c55-0123456789ab"});
                    link.finish(&question).await;
                    return link.record.to_the_end;
                }
            };
            let wild = traffic && self.world.manner == Manner::Wild;
            if wild && leave_at <= now {
                return false;
            }
            if wild && presence_at <= now {
                let presence = if self.chance.percent(30) { "away" } else { "available" };
                link.send(&json!({"type": "presence", "presence": presence, "id": "presence"})).await;
                presence_at = now + self.chance.ms(500, 8000);
            }
            while traffic && let Some(at) = self.plans.iter().position(|(at, ..)| *at <= now) {
                let (_, nid, act) = self.plans.swap_remove(at);
                self.answers += 1;
                let id = format!("answer-{}-{}", self.answers, write_nid(nid));
                self.answer(link, id, nid, act).await;
            }
            while traffic && let Some(at) = self.ends.iter().position(|(at, _)| *at <= now) {
                let (_, session) = self.ends.swap_remove(at);
                link.send(&json!({"type": "endSession", "sessionId": session, "id": "endSession"})).await;
            }
            let soon = self.plans.iter().map(|(at, ..)| *at).filter(|_| traffic).min();
            let until = now + Duration::from_millis(50);
            match link.next(soon.map_or(until, |soon| soon.min(until))).await {
                Some(Came::End) => return false,
                Some(Came::Said(saw)) => self.take(&saw),
                None => {}
            }
        }
    }

    async fn answer(&mut self, link: &mut Link, id: String, nid: Nid, act: Act) {
        let notification = write_nid(nid);
        let message = match act {
            Act::Accept => json!({"type": "accept", "id": id, "notificationId": notification}),
            Act::Reject => json!({"type": "reject", "id": id, "notificationId": notification, "reason": "busy"}),
            Act::Seen => json!({"type": "seen", "notificationId": notification}),
        };
        link.send(&message).await;
        if act != Act::Seen {
            self.unanswered.push((id, nid, act));
        }
    }

    fn take(&mut self, saw: &Saw) {
        match saw {
            Saw::Welcome(welcome) => {
                for card in &welcome.desk {
                    self.consider(card.nid);
                }
            }
            Saw::Shown(card) => self.consider(card.nid),
            Saw::Session { session, .. } if self.chance.percent(70) => {
                self.ends.push((Instant::now() + self.chance.ms(100, 3000), session.clone()));
            }
            Saw::Answered { nid, .. } => self.unanswered.retain(|(_, answered, _)| answered != nid),
            Saw::Error { id, .. } => self.unanswered.retain(|(answered, ..)| answered != id),
            _ => {}
        }
    }

    /// Decides what to do about it, and when; sometimes twice, sometimes too late, sometimes nothing.
    fn consider(&mut self, nid: Nid) {
        if self.world.manner == Manner::Mild {
            self.plans.push((Instant::now() + self.chance.ms(20, 150), nid, Act::Accept));
            return;
        }
        let times = if self.chance.percent(15) { 2 } else { 1 };
        for _ in 0..times {
            let act = match self.chance.below(100) {
                0..30 => Act::Accept,
                30..55 => Act::Reject,
                55..80 => Act::Seen,
                _ => continue,
            };
            let longest = if self.chance.percent(10) { 4000 } else { 900 };
            self.plans.push((Instant::now() + self.chance.ms(0, longest), nid, act));
        }
    }
}

/// Watches, and now and then stops reading.
pub(crate) async fn observe(world: Arc<World>, number: u64) -> Client {
    let mut chance = Chance::of(world.seed, 500_000 + number);
    let mut client = Client { name: format!("observer-{number}"), ..Client::default() };
    loop {
        let hello = json!({"type": "hello", "role": "observer"});
        let Some(mut link) = Link::join(&world, &mut chance, &hello).await else { continue };
        let over = loop {
            if world.phase() == Phase::End {
                link.finish(&json!({"type": "ping", "id": "end"})).await;
                break link.record.to_the_end;
            }
            if let Some(Came::End) = link.next(Instant::now() + Duration::from_millis(50)).await {
                break false;
            }
        };
        client.faults.append(&mut link.wrong);
        client.connections.push(std::mem::take(&mut link.record));
        if over {
            return client;
        }
        sleep(chance.ms(0, 300)).await;
    }
}
