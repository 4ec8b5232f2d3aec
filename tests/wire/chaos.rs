//! Random conversations of several desks and providers, with crashes in between, checked against invariants:
//! one outcome for each acknowledged notification, the same for every receiver; each desk shows nothing twice,
//! takes off only what it shows, never shows more than fits; all tabs of an agent agree with a fresh welcome.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{Client, Dice, Hub, Setup, text};

const DISPLAY_LIMIT: usize = 2;
const AGENTS: [&str; 3] = ["ada", "bob", "cleo"];
const PROVIDERS: [&str; 2] = ["bot", "line"];
const STEPS: usize = 400;

const CONFIG: &str = r#"
[limits]
displayLimit = 2
queueLimit = 5
messagesPerSecond = 100000
regroupTime = "200ms"

[[templates]]
name = "late"
title = "t"
timeout = "200ms"
autoAcceptOnTimeout = true

[[templates]]
name = "gone"
title = "t"
timeout = "150ms"
queueTimeout = "100ms"
"#;

/// One browser tab and its state.
struct Tab {
    client: Client,
    shown: BTreeSet<String>,
    sessions: BTreeSet<String>,
}

/// What all clients received.
#[derive(Default)]
struct Book {
    acknowledged: BTreeSet<String>,
    outcomes: BTreeMap<String, Value>,
    recent: Vec<String>,
}

struct Play {
    hub: Hub,
    dice: Dice,
    book: Book,
    desks: Vec<Vec<Tab>>,
    providers: Vec<Client>,
    positions: Vec<Value>,
    rings: usize,
    log: Vec<String>,
}

impl Book {
    fn outcome(&mut self, message: &Value) {
        let (id, value) = (text(&message["notificationId"]), &message["value"]);
        if value.is_null() {
            return;
        }
        let told = json!([value, message["agentId"]]);
        // The reply to a cancel does not name the agent.
        let told = if message["msdyn_name"] == "CancelEvent" { json!([value]) } else { told };
        let first = self.outcomes.entry(id.clone()).or_insert_with(|| told.clone());
        assert_eq!(first[0], told[0], "two outcomes of {id}: {message}");
        if first[1].is_string() && told.get(1).is_some() {
            assert_eq!(first[1], told[1], "two winners of {id}: {message}");
        } else if told.get(1).is_some() {
            *first = told;
        }
    }
}

impl Tab {
    fn new(client: Client) -> Self {
        let all = |list: &str, field: &str| -> BTreeSet<String> {
            client.welcome[list].as_array().unwrap().iter().map(|item| text(&item[field])).collect()
        };
        let (shown, sessions) = (all("notifications", "notificationId"), all("sessions", "sessionId"));
        assert!(shown.len() <= DISPLAY_LIMIT, "{}", client.welcome);
        Self { client, shown, sessions }
    }

    async fn absorb(&mut self, book: &mut Book) {
        for message in self.client.rest().await {
            match message["type"].as_str().unwrap() {
                "notification" => {
                    let id = text(&message["notificationId"]);
                    assert!(self.shown.insert(id.clone()), "shown twice: {message}");
                    assert!(self.shown.len() <= DISPLAY_LIMIT, "more than fits: {message}");
                    book.recent.push(id);
                }
                "closed" => {
                    assert!(self.shown.remove(&text(&message["notificationId"])), "closed, not shown: {message}");
                    book.outcome(&message);
                }
                "result" if message["notificationId"].is_string() => book.outcome(&message),
                "session" => drop(self.sessions.insert(text(&message["sessionId"]))),
                "sessionEnded" => {
                    assert!(self.sessions.remove(&text(&message["sessionId"])), "ended, not there: {message}");
                }
                "error" => assert_eq!(message["code"], "notFound", "{message}"),
                "presence" | "kpi" | "activity" | "result" => {}
                other => panic!("{other}: {message}"),
            }
        }
    }
}

async fn absorb_provider(client: &mut Client, position: &mut Value, book: &mut Book) {
    for message in client.rest().await {
        match message["type"].as_str().unwrap() {
            "ack" => drop(book.acknowledged.insert(text(&message["notificationId"]))),
            "result" if message["msdyn_name"] == "NotifyEvent" => {
                book.outcome(&message);
                *position = message["position"].clone();
            }
            "result" if message["msdyn_name"] == "CancelEvent" => book.outcome(&message),
            "result" => {}
            "error" => assert!(matches!(message["code"].as_str(), Some("notFound")), "{message}"),
            other => panic!("{other}: {message}"),
        }
    }
}

impl Play {
    async fn begin(seed: u64) -> Self {
        let hub = Setup::on_disk().config(CONFIG).start().await;
        let mut play = Self {
            hub,
            dice: Dice::seeded(seed),
            book: Book::default(),
            desks: AGENTS.iter().map(|_| Vec::new()).collect(),
            providers: Vec::new(),
            positions: vec![json!(true); PROVIDERS.len()],
            rings: 0,
            log: Vec::new(),
        };
        play.all_join().await;
        play
    }

    async fn all_join(&mut self) {
        for (n, provider) in PROVIDERS.iter().enumerate() {
            let hello = json!({"role": "provider", "providerId": provider, "resume": self.positions[n]});
            let client = self.hub.join(hello).await;
            assert_ne!(client.welcome["missed"], true, "{}", client.welcome);
            self.providers.push(client);
        }
        for n in 0..AGENTS.len() {
            self.open_tab(n).await;
        }
    }

    async fn open_tab(&mut self, agent: usize) {
        let tab = Tab::new(self.hub.agent(AGENTS[agent]).await);
        self.book.recent.extend(tab.shown.iter().cloned());
        self.desks[agent].push(tab);
    }

    async fn step(&mut self) {
        let (agent, provider) = (self.dice.roll(AGENTS.len()), self.dice.roll(PROVIDERS.len()));
        match self.dice.roll(20) {
            0..=4 => self.ring(provider).await,
            5..=12 => self.answer(agent).await,
            13 => {
                let token = format!("t-{}", self.dice.roll(self.rings + 1));
                self.providers[provider].send(json!({"type": "cancel", "cancellationToken": token})).await;
            }
            14 | 15 => {
                let presence = ["away", "available", "available"][self.dice.roll(3)];
                if let Some(tab) = self.desks[agent].first_mut() {
                    tab.client.send(json!({"type": "presence", "presence": presence})).await;
                }
            }
            16 if self.desks[agent].len() < 3 => self.open_tab(agent).await,
            17 => {
                // Abruptly, without a closing handshake.
                self.desks[agent].pop();
            }
            18 => {
                let session = format!("s-{provider}-{}", self.dice.roll(3));
                let call = ["kpi", "activity", "endSession"][self.dice.roll(3)];
                self.providers[provider].send(json!({"type": call, "sessionId": session, "count": 1})).await;
            }
            _ => self.agree(agent).await,
        }
    }

    async fn ring(&mut self, provider: usize) {
        self.rings += 1;
        let template = ["chat", "chat", "first", "auto", "late", "gone"][self.dice.roll(6)];
        let to = match self.dice.roll(4) {
            0 => json!({"agents": [AGENTS[self.dice.roll(3)]]}),
            1 => json!({"agents": [AGENTS[self.dice.roll(3)], "nobody"]}),
            _ => json!({}),
        };
        let session = format!("s-{provider}-{}", self.dice.roll(3));
        let call = json!({"type": "notify", "id": format!("n-{}", self.rings), "templateName": template, "to": to,
            "cancellationToken": format!("t-{}", self.rings), "sessionId": session});
        self.providers[provider].send(call).await;
    }

    async fn answer(&mut self, agent: usize) {
        let Some(tab) = self.desks[agent].first_mut() else { return };
        let about = match self.dice.roll(3) {
            0 => self.book.recent.last().cloned(),
            _ => tab.shown.first().cloned(),
        };
        let Some(about) = about else { return };
        let kind = ["accept", "accept", "reject"][self.dice.roll(3)];
        tab.client
            .send(json!({"type": kind, "notificationId": about, "id": format!("answer-{}", self.log.len())}))
            .await;
        self.log.push(about);
    }

    async fn absorb(&mut self) {
        for (client, position) in self.providers.iter_mut().zip(&mut self.positions) {
            absorb_provider(client, position, &mut self.book).await;
        }
        for tab in self.desks.iter_mut().flatten() {
            tab.absorb(&mut self.book).await;
        }
    }

    /// All tabs of the agent show what a fresh welcome shows.
    async fn agree(&mut self, agent: usize) {
        if self.desks[agent].is_empty() {
            return;
        }
        let mut fresh = Tab::new(self.hub.agent(AGENTS[agent]).await);
        // A timer may run out between two of them; then they agree a moment later.
        for _ in 0..20 {
            fresh.absorb(&mut self.book).await;
            for tab in &mut self.desks[agent] {
                tab.absorb(&mut self.book).await;
            }
            let same = |tab: &Tab| tab.shown == fresh.shown && tab.sessions == fresh.sessions;
            if self.desks[agent].iter().all(same) {
                return;
            }
        }
        panic!("the tabs of {} do not agree", AGENTS[agent]);
    }

    /// kill -9 with whatever is under way, and everyone comes back.
    async fn crash(mut self) -> Self {
        self.desks.iter_mut().for_each(Vec::clear);
        self.providers.clear();
        let setup = self.hub.kill_9();
        let mut play = Self { hub: setup.start().await, ..self };
        play.all_join().await;
        play
    }

    /// Cancels all open notifications; then every acknowledged one has its outcome.
    async fn end(mut self) {
        self.absorb().await;
        for (n, provider) in PROVIDERS.iter().enumerate() {
            let hello = json!({"role": "provider", "providerId": provider, "resume": true});
            let mut client = self.hub.join(hello).await;
            for open in client.welcome["open"].as_array().unwrap().clone() {
                client.send(json!({"type": "cancel", "cancellationToken": open["cancellationToken"]})).await;
            }
            absorb_provider(&mut client, &mut self.positions[n], &mut self.book).await;
        }
        self.absorb().await;
        for id in &self.book.acknowledged {
            assert!(self.book.outcomes.contains_key(id), "{id} was acknowledged and has no outcome");
        }
        for tab in self.desks.iter().flatten() {
            assert!(tab.shown.is_empty(), "left on a desk: {:?}", tab.shown);
        }
        let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
        for outcome in self.book.outcomes.values() {
            *reasons.entry(outcome[0]["responseReason"].as_str().unwrap()).or_default() += 1;
        }
        println!("{} rings, outcomes {reasons:?}", self.rings);
        assert!(reasons.len() > 4, "the conversation was too tame");
    }
}

async fn play(seed: u64) {
    println!("seed {seed}");
    let mut play = Play::begin(seed).await;
    for step in 0..STEPS {
        play.step().await;
        if step % 7 == 0 {
            play.absorb().await;
        }
        if step == STEPS / 3 || step == STEPS * 2 / 3 {
            play = play.crash().await;
        }
    }
    play.end().await;
}

#[tokio::test]
async fn random_conversations_with_crashes_keep_the_invariants() {
    let seeds = std::env::var("WIRE_SEEDS").map_or(2, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        play(seed).await;
    }
}
