//! How a partition begins, begins anew, and ends.

use std::collections::VecDeque;
use std::sync::Arc;

use deskbell_core::entry::{Entry, Input};
use deskbell_core::{Core, Incarnation, Name};

use super::super::clock::Clock;
use super::super::codec::{decode_snapshot, encode_snapshot};
use super::super::delivery::Delivery;
use super::super::group::Gathered;
use super::super::rates::DeliveryRates;
use super::super::standing::Standing;
use super::{Health, HubError, HubSettings, Partition};
use crate::log::{Log, RecordNumber};

impl<D: Delivery> Partition<D> {
    /// Reads the log to its end and begins. Whatever hub wrote a log of this hub's own before is gone, its connections
    /// with it; among the hubs of a shared log it begins with the first [`turn`](Self::turn)s, and is ready when these
    /// say so.
    ///
    /// # Errors
    /// [`HubError`]: the log cannot be read, folded, or written.
    pub fn start(log: Box<dyn Log>, delivery: D, clock: &dyn Clock, settings: HubSettings) -> Result<Self, HubError> {
        let (core, applied) = newest_snapshot(&*log)?;
        let rates = DeliveryRates::new(settings.deliveries_per_second);
        let standing = log.is_shared().then(Standing::default);
        let mut partition = Self {
            core,
            log,
            delivery,
            settings,
            rates,
            group: 1,
            applied,
            under_way: None,
            leaves: VecDeque::new(),
            health: Health::Good,
            standing,
            removed: false,
            owes_record: false,
            metrics: Arc::default(),
        };
        partition.catch_up(clock)?;
        let mut leaving = Vec::new();
        if partition.standing.is_none() {
            leaving.extend(partition.core.incarnations());
        }
        partition.begin(clock, &leaving)?;
        Ok(partition)
    }

    /// Comes back as another incarnation, after [`HubError::Removed`] or where the log was trimmed past what this hub
    /// had read: its clients are cut off, what it missed is read, and it begins as at a start.
    ///
    /// # Errors
    /// [`HubError`]: as at a start; it may be tried again.
    pub fn begin_anew(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        let incarnation = (self.settings.next_incarnation)();
        self.delivery.cut_off_all();
        self.delivery.flush();
        self.under_way = None;
        self.leaves.clear();
        if !self.removed {
            self.log.restart()?;
            (self.core, self.applied) = newest_snapshot(&*self.log)?;
        }
        self.catch_up(clock)?;
        let before = std::mem::replace(&mut self.settings.incarnation, incarnation);
        self.delivery.begin_anew(incarnation);
        self.removed = false;
        self.group = 1;
        if let Some(standing) = &mut self.standing {
            standing.begin_anew();
        }
        self.begin(clock, &[before])
    }

    /// Applies what is in the log already. Nobody is connected, so nobody is told.
    pub(super) fn catch_up(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        while let Some(stored) = self.log.next()? {
            let record = self.decode(&stored, clock)?;
            self.core.apply(&record, |_, _| {});
            self.applied = stored.number;
        }
        Ok(())
    }

    fn begin(&mut self, clock: &dyn Clock, leaving: &[Incarnation]) -> Result<(), HubError> {
        if let Some(standing) = &mut self.standing {
            // The first groups that a shared log takes; until one of them is back nothing else is.
            standing.begins(leaving.to_vec());
            return Ok(());
        }
        let mut gathered = Gathered::default();
        self.gather_beginning(&mut gathered, leaving);
        let under_way = self.seal(gathered, self.moment(clock));
        self.log.append(&under_way.bytes)?;
        self.group += 1;
        self.catch_up(clock)
    }

    /// What a hub says first: that it is there, who is not any more, and which limits hold.
    pub(super) fn gather_beginning(&self, gathered: &mut Gathered, leaving: &[Incarnation]) {
        let entry = |input| Entry { workspace: Name::default(), input };
        gathered.bytes.push(&entry(Input::Started { epoch: self.settings.epoch }));
        for &incarnation in leaving {
            gathered.bytes.push(&entry(Input::Removed { incarnation }));
        }
        if *self.core.limits() != self.settings.limits {
            gathered.bytes.push(&entry(Input::Configured(self.settings.limits.clone())));
        }
    }

    /// Tells the other hubs of a shared log that this one goes; [`turn`](Self::turn) says [`HubError::Removed`] when
    /// they know. `false`: there are no others.
    pub fn say_goodbye(&mut self, clock: &dyn Clock) -> bool {
        if self.standing.is_none() {
            return false;
        }
        let mut gathered = Gathered::default();
        let incarnation = self.settings.incarnation;
        gathered.bytes.push(&Entry { workspace: Name::default(), input: Input::Removed { incarnation } });
        let moment = self.moment(clock);
        self.append(gathered, moment)
    }

    /// The end of an orderly stop: a snapshot of everything, so that the next start, of whatever version, finds no
    /// records after it. Of a shared log only the last hub leaves one.
    pub fn finish(self) {
        let last = self.standing.is_none() || self.core.incarnations().next().is_none();
        if let Some(mut history) = self.log.history().filter(|_| last) {
            let bytes = encode_snapshot(&self.core);
            match history.keep(self.applied, &bytes, &self.settings.keep) {
                Ok(()) => tracing::info!(record = self.applied, bytes = bytes.len(), "snapshot written"),
                Err(error) => tracing::error!(%error, "no snapshot was written; the next start reads the log instead"),
            }
        }
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "the log was not closed; nothing is lost");
        }
    }
}

/// The state to begin with, and the last record in it.
fn newest_snapshot(log: &dyn Log) -> Result<(Core, RecordNumber), HubError> {
    let snapshot = log.history().map(|mut history| history.snapshot()).transpose()?.flatten();
    Ok(match snapshot {
        Some((number, bytes)) => (decode_snapshot(number, &bytes)?, number),
        None => (Core::default(), 0),
    })
}
