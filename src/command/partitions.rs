//! Opens the logs of all partitions, and starts and stops their hubs together.
//!
//! A cluster can have several partitions. Each is a hub of its own with its own stream. Without a cluster there is one.

use std::sync::Arc;
use std::thread;

use tracing::Span;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::hub::{Clock, Hub, HubError, HubHandle, HubSettings, InputQueue, WallClock};
use crate::log::{AnyLog, Disk, History, LogError, Memory, disk};
#[cfg(feature = "cluster")]
use crate::log::{JetStream, jetstream};

/// A partition with an open log that does not run yet.
pub(super) struct OpenedPartition {
    inputs: Arc<InputQueue>,
    log: AnyLog,
    /// Names the partition in the log, if there are several.
    span: Span,
}

impl OpenedPartition {
    /// The history of its log, if the log keeps one.
    pub(super) fn history(&self) -> Option<Box<dyn History>> {
        self.log.log().history()
    }
}

/// Opens all logs.
pub(super) fn open(config: &Config) -> Result<Vec<OpenedPartition>, LogError> {
    let count = if config.cluster.servers.is_empty() { 1 } else { config.cluster.partitions };
    // Open the first stream before the others. If hubs with different partition counts start at once, only one of them
    // creates it, and the others create nothing.
    let first = open_one(config, 0, count)?;
    let rest = thread::scope(|scope| {
        let open = |partition| scope.spawn(move || open_one(config, partition, count));
        let opening: Vec<_> = (1..count).map(open).collect();
        opening.into_iter().map(joined).collect::<Result<Vec<_>, _>>()
    });
    Ok([first].into_iter().chain(rest?).collect())
}

/// Starts the hubs with `settings`. Calls `ended` as soon as one of them ends.
pub(super) fn start(
    opened: Vec<OpenedPartition>,
    gateway: &Gateway,
    settings: impl Fn() -> HubSettings,
    ended: impl Fn() + Clone + Send + 'static,
) -> Result<Vec<Hub>, HubError> {
    let results = thread::scope(|scope| {
        let start = |(partition, opened): (usize, OpenedPartition)| {
            let settings = settings();
            let delivery = gateway.delivery(partition, settings.incarnation);
            let (ended, clock): (_, Arc<dyn Clock>) = (ended.clone(), Arc::new(WallClock));
            scope.spawn(move || {
                let _within = opened.span.enter();
                Hub::start(opened.log, delivery, opened.inputs, clock, settings, ended)
            })
        };
        let starting: Vec<_> = opened.into_iter().enumerate().map(start).collect();
        starting.into_iter().map(joined).collect::<Vec<_>>()
    });
    let (mut hubs, mut failed) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(hub) => hubs.push(hub),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        None => Ok(hubs),
        Some(error) => {
            // The hubs that run must leave the cluster in order.
            let _ = stop(hubs);
            Err(error)
        }
    }
}

/// The handles of the hubs.
pub(super) fn handles(hubs: &[Hub]) -> Vec<HubHandle> {
    hubs.iter().map(|hub| hub.handle().clone()).collect()
}

/// Stops all hubs at once. Returns the error of a hub that had ended before.
pub(super) fn stop(hubs: Vec<Hub>) -> Result<(), HubError> {
    for hub in &hubs {
        hub.handle().inputs.stop();
    }
    hubs.into_iter().map(Hub::stop).fold(Ok(()), Result::and)
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn open_one(config: &Config, partition: u32, of: u32) -> Result<OpenedPartition, LogError> {
    let inputs = Arc::new(InputQueue::default());
    // At level error, so that every filter that shows events shows the span too.
    let span = if of == 1 { Span::none() } else { tracing::error_span!("partition", number = partition) };
    let log = span.in_scope(|| open_log(config, partition, &inputs))?;
    Ok(OpenedPartition { inputs, log, span })
}

fn open_log(config: &Config, partition: u32, inputs: &Arc<InputQueue>) -> Result<AnyLog, LogError> {
    if !config.cluster.servers.is_empty() {
        return open_shared_log(config, partition, inputs);
    }
    if config.server.memory {
        return Ok(Box::new(Memory::default()).into());
    }
    let options = disk::Options::new(&config.server.data_dir, || WallClock.now().0).wait_lock(config.wait_lock);
    let (log, recovery) = Disk::open(&options)?;
    tracing::info!(directory = %config.server.data_dir.display(), records = recovery.last, "data directory opened");
    Ok(Box::new(log).into())
}

/// Opens the log of a cluster, which wakes the hub when a record arrives.
#[cfg(feature = "cluster")]
fn open_shared_log(config: &Config, partition: u32, inputs: &Arc<InputQueue>) -> Result<AnyLog, LogError> {
    let cluster = &config.cluster;
    let servers = jetstream::Servers {
        urls: cluster.servers.clone(),
        creds_file: cluster.creds_file.clone(),
        password_file: cluster.password_file.clone(),
    };
    let inputs = Arc::clone(inputs);
    let place = jetstream::StreamPartition { partition, of: cluster.partitions };
    Ok(AnyLog::Shared(Box::new(JetStream::open(&servers, place, Arc::new(move || inputs.wake()))?)))
}

/// A build without clusters never calls this: the configuration check has reported the setting.
#[cfg(not(feature = "cluster"))]
fn open_shared_log(_: &Config, _: u32, _: &Arc<InputQueue>) -> Result<AnyLog, LogError> {
    Err(LogError::device("this binary was built without the feature \"cluster\""))
}
