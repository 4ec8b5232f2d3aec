//! How a partition start_joining, start_joining rejoined, and ends.

use std::collections::VecDeque;
use std::sync::Arc;

use deskbell_core::entry::{Entry, Input};
use deskbell_core::{Core, Incarnation, Name};

use super::super::clock::Clock;
use super::super::codec::{decode_snapshot, encode_snapshot};
use super::super::delivery::Delivery;
use super::super::delivery_quota::DeliveryQuota;
use super::super::group::GroupBuilder;
use super::super::membership::Liveness;
use super::{Health, HubError, HubSettings, Partition};
use crate::log::{Log, RecordNumber};

impl<D: Delivery> Partition<D> {
    /// Reads the log to its end and start_joining. Whatever hub wrote a log of this hub's own before is gone, its connections
    /// with it; among the hubs of a shared log it start_joining with the first [`poll`](Self::poll)s, and is ready when these
    /// say so.
    ///
    /// # Errors
    /// [`HubError`]: the log cannot be read, folded, or written.
    pub fn start(log: Box<dyn Log>, delivery: D, clock: &dyn Clock, settings: HubSettings) -> Result<Self, HubError> {
        let (core, applied) = newest_snapshot(&*log)?;
        let rates = DeliveryQuota::new(settings.deliveries_per_second);
        let liveness = log.is_shared().then(Liveness::default);
        let mut partition = Self {
            core,
            log,
            delivery,
            settings,
            rates,
            group: 1,
            applied,
            in_flight: None,
            leaves: VecDeque::new(),
            health: Health::Good,
            liveness,
            removed: false,
            owes_record: false,
            metrics: Arc::default(),
        };
        partition.catch_up(clock)?;
        let mut leaving = Vec::new();
        if partition.liveness.is_none() {
            leaving.extend(partition.core.incarnations());
        }
        partition.begin(clock, &leaving)?;
        Ok(partition)
    }

    /// Comes back as another incarnation, after [`HubError::Removed`] or where the log was trimmed past what this hub
    /// had read: its clients are cut off, what it missed is read, and it start_joining as at a start.
    ///
    /// # Errors
    /// [`HubError`]: as at a start; it may be tried again.
    pub fn rejoin(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        let incarnation = (self.settings.next_incarnation)();
        self.delivery.disconnect_all();
        self.delivery.flush();
        self.in_flight = None;
        self.leaves.clear();
        if !self.removed {
            self.log.restart()?;
            (self.core, self.applied) = newest_snapshot(&*self.log)?;
        }
        self.catch_up(clock)?;
        let before = std::mem::replace(&mut self.settings.incarnation, incarnation);
        self.delivery.rejoin(incarnation);
        self.removed = false;
        self.group = 1;
        if let Some(liveness) = &mut self.liveness {
            liveness.rejoin();
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
        if let Some(liveness) = &mut self.liveness {
            // The first groups that a shared log takes; until one of them is back nothing else is.
            liveness.start_joining(leaving.to_vec());
            return Ok(());
        }
        let mut builder = GroupBuilder::default();
        self.gather_beginning(&mut builder, leaving);
        let in_flight = self.seal(builder, self.moment(clock));
        self.log.append(&in_flight.bytes)?;
        self.group += 1;
        self.catch_up(clock)
    }

    /// What a hub says first: that it is there, who is not any more, and which limits hold.
    pub(super) fn gather_beginning(&self, builder: &mut GroupBuilder, leaving: &[Incarnation]) {
        let entry = |input| Entry { workspace: Name::default(), input };
        builder.bytes.push(&entry(Input::Started { epoch: self.settings.epoch }));
        for &incarnation in leaving {
            builder.bytes.push(&entry(Input::Removed { incarnation }));
        }
        if *self.core.limits() != self.settings.limits {
            builder.bytes.push(&entry(Input::Configured(self.settings.limits.clone())));
        }
    }

    /// Tells the other hubs of a shared log that this one goes; [`poll`](Self::poll) says [`HubError::Removed`] when
    /// they know. `false`: there are no others.
    pub fn announce_leave(&mut self, clock: &dyn Clock) -> bool {
        if self.liveness.is_none() {
            return false;
        }
        let mut builder = GroupBuilder::default();
        let incarnation = self.settings.incarnation;
        builder.bytes.push(&Entry { workspace: Name::default(), input: Input::Removed { incarnation } });
        let moment = self.moment(clock);
        self.append(builder, moment)
    }

    /// The end of an orderly stop: a snapshot of everything, so that the next start, of whatever version, finds no
    /// records after it. Of a shared log only the last hub leaves one.
    pub fn finish(self) {
        let last = self.liveness.is_none() || self.core.incarnations().next().is_none();
        if let Some(mut history) = self.log.history().filter(|_| last) {
            let bytes = encode_snapshot(&self.core);
            match history.save_snapshot(self.applied, &bytes, &self.settings.retention) {
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
