//! How a partition starts, rejoins a shared log, and stops.

use std::collections::VecDeque;
use std::sync::Arc;

use deskbell_core::entry::{Entry, Input};
use deskbell_core::rules::RulesRange;
use deskbell_core::{Core, Incarnation, Name};
use tokio::sync::watch;

use super::super::checked_apply::apply_record;
use super::super::clock::Clock;
use super::super::codec::{check_rules, decode_snapshot, encode_snapshot};
use super::super::delivery::Delivery;
use super::super::delivery_quota::DeliveryQuota;
use super::super::group::GroupBuilder;
use super::super::membership::{Membership, OwnIncarnation, SnapshotDuty};
use super::super::settings::HubSettings;
use super::{Health, HubError, Partition};
use crate::log::{AnyLog, Log, RecordNumber};

impl<D: Delivery> Partition<D> {
    /// Reads the log to its end and joins. A hub that wrote an own log before is gone, with its connections. A hub of a
    /// shared log joins with the first [`poll`](Self::poll)s, and is ready when they report it.
    ///
    /// # Errors
    /// [`HubError`]: the log cannot be read, applied, or written.
    pub fn start(
        log: impl Into<AnyLog>,
        delivery: D,
        clock: &dyn Clock,
        settings: HubSettings,
    ) -> Result<Self, HubError> {
        let membership = Membership::new(log.into());
        let (core, applied) = newest_snapshot(membership.log(), settings.rules)?;
        let quota = DeliveryQuota::new(settings.deliveries_per_second);
        let mut partition = Self {
            core,
            membership,
            delivery,
            settings,
            quota,
            group: 1,
            applied,
            in_flight: None,
            leaves: VecDeque::new(),
            health: Health::Good,
            removed: false,
            owes_record: false,
            metrics: Arc::default(),
            revocations: watch::Sender::default(),
        };
        partition.catch_up(clock)?;
        partition.membership.caught_up(partition.core.now(), clock);
        let leaving = partition.membership.gone_at_start(&partition.core);
        partition.join(clock, &leaving)?;
        Ok(partition)
    }

    /// Whether this hub continues as another incarnation after `error`: it was removed from a shared log, or the log was
    /// trimmed while it was away.
    #[must_use]
    pub fn can_rejoin(&self, error: &HubError) -> bool {
        match error {
            HubError::Removed => true,
            HubError::Log(error) => self.membership.can_rejoin(error),
            _ => false,
        }
    }

    /// Rejoins as another incarnation if [`can_rejoin`](Self::can_rejoin): the clients are disconnected, missed records
    /// are read, and the hub joins as at a start.
    ///
    /// # Errors
    /// [`HubError`], as at a start; may be tried again.
    pub fn rejoin(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        let incarnation = (self.settings.next_incarnation)();
        self.delivery.disconnect_all();
        self.delivery.flush();
        self.in_flight = None;
        self.leaves.clear();
        if !self.removed {
            self.membership.restart_log()?;
            (self.core, self.applied) = newest_snapshot(self.membership.log(), self.settings.rules)?;
        }
        self.catch_up(clock)?;
        let before = std::mem::replace(&mut self.settings.incarnation, incarnation);
        self.delivery.rejoin(incarnation);
        self.removed = false;
        self.group = 1;
        self.membership.reset();
        self.join(clock, &[before])
    }

    /// Applies what is in the log already. No client is connected, so nothing is delivered.
    fn catch_up(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        while let Some(stored) = self.membership.log_mut().next()? {
            let record = self.decode(&stored, clock)?;
            apply_record(&mut self.core, stored.number, &record, |_, _| {})?;
            check_rules(stored.number, &self.core, self.settings.rules)?;
            self.applied = stored.number;
        }
        self.publish_revocations();
        Ok(())
    }

    fn join(&mut self, clock: &dyn Clock, leaving: &[Incarnation]) -> Result<(), HubError> {
        if self.membership.start_joining(leaving) {
            return Ok(());
        }
        let mut builder = GroupBuilder::new(&self.core);
        self.add_start(&mut builder, leaving);
        let in_flight = self.seal(builder, self.now(clock));
        self.membership.log_mut().append(&in_flight.bytes)?;
        self.group += 1;
        self.catch_up(clock)
    }

    /// The first entries of a hub: that it has started, which hubs are gone, and which limits hold.
    pub(super) fn add_start(&self, builder: &mut GroupBuilder, leaving: &[Incarnation]) {
        let entry = |input| Entry { workspace: Name::default(), input };
        builder.bytes.push(&entry(Input::started(self.settings.epoch, self.settings.rules.newest)));
        for &incarnation in leaving {
            builder.bytes.push(&entry(Input::Removed { incarnation }));
        }
        if *self.core.limits() != self.settings.limits {
            builder.bytes.push(&entry(Input::Configured(self.settings.limits.clone())));
        }
    }

    /// Tells the other hubs of a shared log that this one leaves; [`poll`](Self::poll) returns [`HubError::Removed`] once
    /// they know. `false`: the log is not shared.
    pub fn announce_leave(&mut self, clock: &dyn Clock) -> bool {
        if !self.membership.announces_leave() {
            return false;
        }
        let mut builder = GroupBuilder::new(&self.core);
        let incarnation = self.settings.incarnation;
        builder.bytes.push(&Entry { workspace: Name::default(), input: Input::Removed { incarnation } });
        let now = self.now(clock);
        self.append(builder, now)
    }

    /// The end of an orderly stop: a snapshot of everything, so that the next start finds no records after it. Of the hubs
    /// of a shared log only the last one writes it.
    pub fn finish(self) {
        let duty = self.membership.snapshot_duty(&OwnIncarnation::new(self.settings.incarnation));
        if let Some(mut duty) = duty.filter(|_| self.membership.makes_final_snapshot(&self.core)) {
            let bytes = encode_snapshot(&self.core);
            match duty.store().save_snapshot(self.applied, &bytes, &self.settings.retention) {
                Ok(()) => tracing::info!(record = self.applied, bytes = bytes.len(), "snapshot written"),
                Err(error) => tracing::error!(%error, "no snapshot was written; the next start reads the log instead"),
            }
        }
        if let Err(error) = self.membership.into_log().close() {
            tracing::error!(%error, "the log was not closed; nothing is lost");
        }
    }

    /// The duty of the thread that makes snapshots while this partition runs.
    pub(in crate::hub) fn snapshot_duty(&self, own: &OwnIncarnation) -> Option<SnapshotDuty> {
        self.membership.snapshot_duty(own)
    }
}

/// The state of the newest snapshot, and the last record in it.
fn newest_snapshot(log: &dyn Log, ours: RulesRange) -> Result<(Core, RecordNumber), HubError> {
    let snapshot = log.history().map(|mut history| history.snapshot()).transpose()?.flatten();
    Ok(match snapshot {
        Some((number, bytes)) => (decode_snapshot(number, &bytes, ours)?, number),
        None => (Core::default(), 0),
    })
}
