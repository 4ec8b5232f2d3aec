//! The providers of a workspace: their ids and tokens, their open notifications and their retained results.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::OpenSlot;
use super::audiences::Arrival;
use crate::ids::{ConnectionId, Name, NotificationId};
use crate::outcome::Settled;

/// The most providers without a connection, an open notification or a retained result that are remembered, so that a late
/// `resume` learns that it missed results. Those whose last result was forgotten first are removed first. It is the
/// default of `rememberedAgents`.
const IDLE_PROVIDERS_MAX: usize = 100_000;

/// The notification that belongs to an id or a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NotificationRef {
    /// An open notification.
    Open(OpenSlot),
    /// The number of a settled one.
    Settled(u64),
}

/// One provider. The entries of retained notifications are not part of a snapshot: see [`ProvidersSnapshot`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Provider {
    pub(crate) connections: Vec<ConnectionId>,
    /// The ids of its notifies, open or retained.
    #[serde(serialize_with = "only_open")]
    ids: BTreeMap<Name, NotificationRef>,
    /// Its cancellation tokens: each belongs to the open notification, else to the one settled last.
    #[serde(serialize_with = "only_open")]
    tokens: BTreeMap<Name, NotificationRef>,
    /// Its open notifications, by arrival.
    pub(crate) open: BTreeMap<Arrival, OpenSlot>,
    /// Counters of its retained ones.
    #[serde(skip)]
    retained: BTreeSet<u64>,
    /// The number of its result that was forgotten last; 0 if none was.
    forgotten: u64,
}

impl Provider {
    pub(crate) fn by_id(&self, id: &str) -> Option<NotificationRef> {
        self.ids.get(id).copied()
    }

    pub(crate) fn by_token(&self, token: &str) -> Option<NotificationRef> {
        self.tokens.get(token).copied()
    }

    fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.open.is_empty() && self.retained.is_empty()
    }
}

/// All providers of a workspace, and all retained results.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "ProvidersSnapshot")]
pub(crate) struct Providers {
    by_name: BTreeMap<Name, Provider>,
    settled: BTreeMap<u64, Arc<Settled>>,
    #[serde(skip)]
    by_notification: BTreeMap<NotificationId, u64>,
    /// Idle providers, by the number of the result that was forgotten last.
    idle: BTreeSet<(u64, Name)>,
    /// The highest number of a forgotten result whose provider is forgotten too.
    forgotten_floor: u64,
    /// How many providers have a connection.
    pub(crate) connected: u32,
}

/// [`Providers`] in a snapshot. Retained results are most of a snapshot, so each name is written only once.
#[derive(Deserialize)]
struct ProvidersSnapshot {
    by_name: BTreeMap<Name, Provider>,
    settled: BTreeMap<u64, Arc<Settled>>,
    idle: BTreeSet<(u64, Name)>,
    forgotten_floor: u64,
    connected: u32,
}

impl From<ProvidersSnapshot> for Providers {
    fn from(written: ProvidersSnapshot) -> Self {
        let ProvidersSnapshot { by_name, settled, idle, forgotten_floor, connected } = written;
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
    /// Adds the entries of a retained result. Call it in the order of settling.
    fn retain(&mut self, settled: &Settled) {
        let number = settled.number;
        self.retained.insert(number);
        let entries = [(&mut self.ids, &settled.id), (&mut self.tokens, &settled.cancellation_token)];
        for (index, name) in entries {
            let Some(name) = name else { continue };
            // A token belongs to the open notification.
            if !matches!(index.get(name), Some(NotificationRef::Open(_))) {
                index.insert(name.clone(), NotificationRef::Settled(number));
            }
        }
    }
}

fn only_open<S: Serializer>(index: &BTreeMap<Name, NotificationRef>, serializer: S) -> Result<S::Ok, S::Error> {
    let open: BTreeMap<_, _> = index.iter().filter(|(_, held)| matches!(held, NotificationRef::Open(_))).collect();
    open.serialize(serializer)
}

impl Providers {
    pub(crate) fn get(&self, name: &str) -> Option<&Provider> {
        self.by_name.get(name)
    }

    /// The provider with this name, created if need be.
    pub(crate) fn ensure(&mut self, name: &Name) -> &mut Provider {
        let provider = self.by_name.entry(name.clone()).or_default();
        if provider.is_idle() {
            self.idle.remove(&(provider.forgotten, name.clone()));
        }
        provider
    }

    /// Adds an open notification.
    pub(crate) fn open(
        &mut self,
        name: &Name,
        id: Option<&Name>,
        token: Option<&Name>,
        arrival: Arrival,
        slot: OpenSlot,
    ) {
        let provider = self.ensure(name);
        provider.open.insert(arrival, slot);
        if let Some(id) = id {
            provider.ids.insert(id.clone(), NotificationRef::Open(slot));
        }
        if let Some(token) = token {
            provider.tokens.insert(token.clone(), NotificationRef::Open(slot));
        }
    }

    /// An open notification is settled, and retained from here on.
    pub(crate) fn settle(&mut self, settled: Arc<Settled>, arrival: Arrival) {
        let number = settled.number;
        let name = &settled.provider_id;
        let provider =
            self.by_name.get_mut(name).unwrap_or_else(|| panic!("provider {name} of arrival {arrival} is gone"));
        assert!(provider.open.remove(&arrival).is_some(), "arrival {arrival} was not open for provider {name}");
        provider.retained.insert(number);
        if let Some(id) = &settled.id {
            provider.ids.insert(id.clone(), NotificationRef::Settled(number));
        }
        if let Some(token) = &settled.cancellation_token {
            provider.tokens.insert(token.clone(), NotificationRef::Settled(number));
        }
        self.by_notification.insert(settled.notification_id, number);
        self.settled.insert(number, settled);
    }

    pub(crate) fn settled(&self, number: u64) -> Option<&Arc<Settled>> {
        self.settled.get(&number)
    }

    pub(crate) fn by_notification(&self, id: NotificationId) -> Option<&Arc<Settled>> {
        self.settled.get(self.by_notification.get(&id)?)
    }

    pub(crate) fn oldest(&self) -> Option<&Arc<Settled>> {
        self.settled.values().next()
    }

    /// All retained results, oldest first.
    pub(crate) fn retained(&self) -> impl Iterator<Item = &Settled> {
        self.settled.values().map(|settled| &**settled)
    }

    pub(crate) fn retained_len(&self) -> usize {
        self.settled.len()
    }

    /// Forgets the oldest retained result.
    pub(crate) fn forget_oldest(&mut self) {
        let Some((number, settled)) = self.settled.pop_first() else { return };
        self.by_notification.remove(&settled.notification_id);
        let name = &settled.provider_id;
        let Some(provider) = self.by_name.get_mut(name) else { return };
        assert!(provider.retained.remove(&number), "result {number} was not retained for provider {name}");
        provider.forgotten = number;
        if let Some(id) = &settled.id
            && provider.ids.get(id) == Some(&NotificationRef::Settled(number))
        {
            provider.ids.remove(id);
        }
        if let Some(token) = &settled.cancellation_token
            && provider.tokens.get(token) == Some(&NotificationRef::Settled(number))
        {
            provider.tokens.remove(token);
        }
        self.collect(name);
    }

    /// Forgets a provider without a connection, an open notification and a retained result, or keeps only the number of its
    /// last forgotten result.
    pub(crate) fn collect(&mut self, name: &Name) {
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

    /// The retained results of a provider after `number`, oldest first.
    pub(crate) fn after(&self, name: &str, number: u64) -> Vec<Arc<Settled>> {
        let Some(provider) = self.by_name.get(name) else { return Vec::new() };
        provider.retained.range(number + 1..).filter_map(|number| self.settled.get(number).cloned()).collect()
    }

    /// Whether a result of this provider after `number` may have been forgotten.
    pub(crate) fn missed_after(&self, name: &str, number: u64) -> bool {
        let forgotten = self.by_name.get(name).map_or(0, |provider| provider.forgotten);
        // Of a forgotten provider only the floor is known.
        number < if forgotten == 0 { self.forgotten_floor } else { forgotten }
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.settled.is_empty() && self.forgotten_floor == 0
    }
}

#[cfg(test)]
impl Providers {
    /// Checks that every index agrees with `open` (slot and content, by arrival) and with the retained results.
    pub(crate) fn check(&self, open: &BTreeMap<Arrival, (OpenSlot, &crate::content::Content)>) {
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

    fn check_one(
        &self,
        name: &Name,
        provider: &Provider,
        open: &BTreeMap<Arrival, (OpenSlot, &crate::content::Content)>,
    ) {
        let idle = self.idle.contains(&(provider.forgotten, name.clone()));
        assert_eq!(idle, provider.is_idle(), "{name} idle");
        assert!(!idle || provider.forgotten > 0, "{name} is kept for nothing");
        let retained: Vec<_> = self.settled.iter().filter(|(_, settled)| settled.provider_id == *name).collect();
        assert!(provider.retained.iter().eq(retained.iter().map(|(number, _)| *number)), "{name} retained");
        let own: Vec<_> = open.iter().filter(|(_, (_, content))| content.provider_id == *name).collect();
        assert!(provider.open.iter().eq(own.iter().map(|(arrival, (slot, _))| (*arrival, slot))), "{name} open");
        let (mut ids, mut tokens) = (BTreeMap::new(), BTreeMap::new());
        for (number, settled) in retained {
            ids.extend(settled.id.clone().map(|id| (id, NotificationRef::Settled(*number))));
            tokens.extend(settled.cancellation_token.clone().map(|token| (token, NotificationRef::Settled(*number))));
        }
        for (_, (slot, content)) in own {
            ids.extend(content.id.clone().map(|id| (id, NotificationRef::Open(*slot))));
            tokens.extend(content.cancellation_token.clone().map(|token| (token, NotificationRef::Open(*slot))));
        }
        assert_eq!(provider.ids, ids, "{name} ids");
        assert_eq!(provider.tokens, tokens, "{name} tokens");
    }
}
