//! The providers of a workspace: their ids and tokens, what is open, what is retained for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::ids::{ConnectionId, Name, NotificationId};
use super::outcome::Settled;

/// Providers without anything open, retained or connected whose last forgotten result is still known, so that
/// a late `resume` is told that it missed something. The oldest go first; the number is the contract's for agents.
const IDLE_PROVIDERS_MAX: usize = 100_000;

/// A notification that an id or token leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Held {
    /// Slot of an open one.
    Open(u32),
    /// Number of a settled one.
    Settled(u64),
}

/// One provider. What leads to retained notifications stands in these too and is not written: see [`Written`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Provider {
    pub(super) connections: Vec<ConnectionId>,
    /// The ids of its notifies, open or retained.
    #[serde(serialize_with = "only_open")]
    ids: BTreeMap<Name, Held>,
    /// Its tokens, open or retained: the open one, else the one settled last.
    #[serde(serialize_with = "only_open")]
    tokens: BTreeMap<Name, Held>,
    /// Slots of its open notifications, by arrival.
    pub(super) open: BTreeMap<u64, u32>,
    /// Numbers of its retained ones.
    #[serde(skip)]
    retained: BTreeSet<u64>,
    /// The number of the last of its results that was forgotten; 0: none was.
    forgotten: u64,
}

impl Provider {
    pub(super) fn by_id(&self, id: &str) -> Option<Held> {
        self.ids.get(id).copied()
    }

    pub(super) fn by_token(&self, token: &str) -> Option<Held> {
        self.tokens.get(token).copied()
    }

    fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.open.is_empty() && self.retained.is_empty()
    }
}

/// All providers of a workspace, and everything settled that is retained.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Written")]
pub(super) struct Providers {
    by_name: BTreeMap<Name, Provider>,
    settled: BTreeMap<u64, Arc<Settled>>,
    #[serde(skip)]
    by_notification: BTreeMap<NotificationId, u64>,
    /// Idle providers, by the number of the result forgotten last.
    idle: BTreeSet<(u64, Name)>,
    /// The highest number that was forgotten of a provider which is itself forgotten.
    forgotten_floor: u64,
    /// How many have a connection.
    pub(super) connected: u32,
}

/// [`Providers`] as a snapshot has them: what is retained is most of a snapshot, so it says each name once.
#[derive(Deserialize)]
struct Written {
    by_name: BTreeMap<Name, Provider>,
    settled: BTreeMap<u64, Arc<Settled>>,
    idle: BTreeSet<(u64, Name)>,
    forgotten_floor: u64,
    connected: u32,
}

impl From<Written> for Providers {
    fn from(written: Written) -> Self {
        let Written { by_name, settled, idle, forgotten_floor, connected } = written;
        let by_notification = settled.iter().map(|(&number, settled)| (settled.notification_id, number)).collect();
        let mut providers = Self { by_name, settled, by_notification, idle, forgotten_floor, connected };
        for settled in providers.settled.values() {
            if let Some(provider) = providers.by_name.get_mut(&settled.provider_id) {
                provider.retain(settled);
            }
        }
        providers
    }
}

impl Provider {
    /// Finds its way to a retained one, of several in the order of their settling, again.
    fn retain(&mut self, settled: &Settled) {
        let number = settled.number;
        self.retained.insert(number);
        let led_by = [(&mut self.ids, &settled.id), (&mut self.tokens, &settled.cancellation_token)];
        for (index, name) in led_by {
            let Some(name) = name else { continue };
            // One that is open again is what its token means.
            if !matches!(index.get(name), Some(Held::Open(_))) {
                index.insert(name.clone(), Held::Settled(number));
            }
        }
    }
}

fn only_open<S: Serializer>(index: &BTreeMap<Name, Held>, serializer: S) -> Result<S::Ok, S::Error> {
    let open: BTreeMap<_, _> = index.iter().filter(|(_, held)| matches!(held, Held::Open(_))).collect();
    open.serialize(serializer)
}

impl Providers {
    pub(super) fn get(&self, name: &str) -> Option<&Provider> {
        self.by_name.get(name)
    }

    /// The provider, made if need be.
    pub(super) fn ensure(&mut self, name: &Name) -> &mut Provider {
        let provider = self.by_name.entry(name.clone()).or_default();
        if provider.is_idle() {
            self.idle.remove(&(provider.forgotten, name.clone()));
        }
        provider
    }

    /// A notify is held.
    pub(super) fn opened(&mut self, name: &Name, id: Option<&Name>, token: Option<&Name>, arrival: u64, slot: u32) {
        let provider = self.ensure(name);
        provider.open.insert(arrival, slot);
        if let Some(id) = id {
            provider.ids.insert(id.clone(), Held::Open(slot));
        }
        if let Some(token) = token {
            provider.tokens.insert(token.clone(), Held::Open(slot));
        }
    }

    /// It is settled, and retained from here on.
    pub(super) fn settle(&mut self, settled: Arc<Settled>, arrival: u64) {
        let number = settled.number;
        if let Some(provider) = self.by_name.get_mut(&settled.provider_id) {
            provider.open.remove(&arrival);
            provider.retained.insert(number);
            if let Some(id) = &settled.id {
                provider.ids.insert(id.clone(), Held::Settled(number));
            }
            if let Some(token) = &settled.cancellation_token {
                provider.tokens.insert(token.clone(), Held::Settled(number));
            }
        }
        self.by_notification.insert(settled.notification_id, number);
        self.settled.insert(number, settled);
    }

    pub(super) fn settled(&self, number: u64) -> Option<&Arc<Settled>> {
        self.settled.get(&number)
    }

    pub(super) fn by_notification(&self, id: NotificationId) -> Option<&Arc<Settled>> {
        self.settled.get(self.by_notification.get(&id)?)
    }

    pub(super) fn oldest(&self) -> Option<&Arc<Settled>> {
        self.settled.values().next()
    }

    /// Everything retained, oldest settled first.
    pub(super) fn retained(&self) -> impl Iterator<Item = &Settled> {
        self.settled.values().map(|settled| &**settled)
    }

    pub(super) fn retained_len(&self) -> usize {
        self.settled.len()
    }

    /// The oldest retained one is forgotten.
    pub(super) fn forget_oldest(&mut self) {
        let Some((number, settled)) = self.settled.pop_first() else { return };
        self.by_notification.remove(&settled.notification_id);
        let name = &settled.provider_id;
        let Some(provider) = self.by_name.get_mut(name) else { return };
        provider.retained.remove(&number);
        provider.forgotten = number;
        if let Some(id) = &settled.id
            && provider.ids.get(id) == Some(&Held::Settled(number))
        {
            provider.ids.remove(id);
        }
        if let Some(token) = &settled.cancellation_token
            && provider.tokens.get(token) == Some(&Held::Settled(number))
        {
            provider.tokens.remove(token);
        }
        self.tidy(name);
    }

    /// Forgets what need not be known of a provider that has nothing left here.
    pub(super) fn tidy(&mut self, name: &Name) {
        let Some(provider) = self.by_name.get(name) else { return };
        if !provider.is_idle() {
            return;
        }
        if provider.forgotten == 0 {
            self.by_name.remove(name);
            return;
        }
        self.idle.insert((provider.forgotten, name.clone()));
        if self.idle.len() > IDLE_PROVIDERS_MAX
            && let Some((number, name)) = self.idle.pop_first()
        {
            self.forgotten_floor = self.forgotten_floor.max(number);
            self.by_name.remove(&name);
        }
    }

    /// The retained results of a provider after `number`, oldest settled first.
    pub(super) fn after(&self, name: &str, number: u64) -> Vec<Arc<Settled>> {
        let Some(provider) = self.by_name.get(name) else { return Vec::new() };
        provider.retained.range(number + 1..).filter_map(|number| self.settled.get(number).cloned()).collect()
    }

    /// Whether a result of this provider after `number` may have been forgotten.
    pub(super) fn missed_after(&self, name: &str, number: u64) -> bool {
        let forgotten = self.by_name.get(name).map_or(0, |provider| provider.forgotten);
        // Of a provider that is itself forgotten only the floor is known.
        number < if forgotten == 0 { self.forgotten_floor } else { forgotten }
    }

    /// Whether nothing is left to know.
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.settled.is_empty() && self.forgotten_floor == 0
    }
}

#[cfg(test)]
impl Providers {
    /// That every index says what `open` (slot and content, by arrival) and the retained results say.
    pub(super) fn check(&self, open: &BTreeMap<u64, (u32, &super::content::Content)>) {
        let connected = self.by_name.values().filter(|provider| !provider.connections.is_empty()).count();
        assert_eq!(self.connected as usize, connected);
        let by_notification = self.settled.iter().map(|(&number, settled)| (settled.notification_id, number));
        assert!(self.by_notification.iter().map(|(&id, &number)| (id, number)).eq({
            let mut sorted: Vec<_> = by_notification.collect();
            sorted.sort_unstable();
            sorted
        }));
        for (name, provider) in &self.by_name {
            self.check_one(name, provider, open);
        }
        for settled in self.settled.values() {
            assert!(self.by_name.contains_key(&settled.provider_id), "retained for nobody");
        }
    }

    fn check_one(&self, name: &Name, provider: &Provider, open: &BTreeMap<u64, (u32, &super::content::Content)>) {
        let idle = self.idle.contains(&(provider.forgotten, name.clone()));
        assert_eq!(idle, provider.is_idle(), "{name} idle");
        assert!(!idle || provider.forgotten > 0, "{name} is kept for nothing");
        let retained: Vec<_> = self.settled.iter().filter(|(_, settled)| settled.provider_id == *name).collect();
        assert!(provider.retained.iter().eq(retained.iter().map(|(number, _)| *number)), "{name} retained");
        let own: Vec<_> = open.iter().filter(|(_, (_, content))| content.provider_id == *name).collect();
        assert!(provider.open.iter().eq(own.iter().map(|(arrival, (slot, _))| (*arrival, slot))), "{name} open");
        let (mut ids, mut tokens) = (BTreeMap::new(), BTreeMap::new());
        for (number, settled) in retained {
            ids.extend(settled.id.clone().map(|id| (id, Held::Settled(*number))));
            tokens.extend(settled.cancellation_token.clone().map(|token| (token, Held::Settled(*number))));
        }
        for (_, (slot, content)) in own {
            ids.extend(content.id.clone().map(|id| (id, Held::Open(*slot))));
            tokens.extend(content.cancellation_token.clone().map(|token| (token, Held::Open(*slot))));
        }
        assert_eq!(provider.ids, ids, "{name} ids");
        assert_eq!(provider.tokens, tokens, "{name} tokens");
    }
}
