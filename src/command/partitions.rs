//! The partitions: their logs are opened and their hubs started and stopped together.
//!
//! A cluster may have several, each a hub of its own with its own stream. Everywhere else there is one.

use std::sync::Arc;
use std::thread;

use tracing::Span;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::hub::{Clock, Hub, HubError, HubHandle, HubSettings, InputQueue, WallClock};
use crate::log::{AnyLog, Disk, History, LogError, Memory, disk};
#[cfg(feature = "cluster")]
use crate::log::{JetStream, jetstream};

/// A partition that does not run yet.
pub(super) struct Opened {
    inputs: Arc<InputQueue>,
    log: AnyLog,
    /// Where several are logged about, which is meant.
    span: Span,
}

impl Opened {
    /// Its log's past, if anything is kept.
    pub(super) fn history(&self) -> Option<Box<dyn History>> {
        self.log.log().history()
    }
}

/// Opens all logs.
pub(super) fn open(config: &Config) -> Result<Vec<Opened>, LogError> {
    let count = if config.cluster.servers.is_empty() { 1 } else { config.cluster.partitions };
    // The first one decides how many there are: of hubs that start at once and count otherwise one makes it, and the
    // others make nothing.
    let first = open_one(config, 0, count)?;
    let rest = thread::scope(|scope| {
        let open = |partition| scope.spawn(move || open_one(config, partition, count));
        let opening: Vec<_> = (1..count).map(open).collect();
        opening.into_iter().map(joined).collect::<Result<Vec<_>, _>>()
    });
    Ok([first].into_iter().chain(rest?).collect())
}

/// Starts the hubs, each as `settings` says. `ended` is called as soon as one of them ends.
pub(super) fn start(
    opened: Vec<Opened>,
    gateway: &Gateway,
    settings: impl Fn() -> HubSettings,
    ended: impl Fn() + Clone + Send + 'static,
) -> Result<Vec<Hub>, HubError> {
    let results = thread::scope(|scope| {
        let start = |(partition, opened): (usize, Opened)| {
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
            // Those who do run say goodbye.
            let _ = stop(hubs);
            Err(error)
        }
    }
}

/// How others see them.
pub(super) fn handles(hubs: &[Hub]) -> Vec<HubHandle> {
    hubs.iter().map(|hub| hub.handle().clone()).collect()
}

/// Stops all at once; why one of them had ended before, if one had.
pub(super) fn stop(hubs: Vec<Hub>) -> Result<(), HubError> {
    for hub in &hubs {
        hub.handle().inputs.stop();
    }
    hubs.into_iter().map(Hub::stop).fold(Ok(()), Result::and)
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn open_one(config: &Config, partition: u32, of: u32) -> Result<Opened, LogError> {
    let inputs = Arc::new(InputQueue::default());
    // An error's, so that no filter that lets anything through leaves it out.
    let span = if of == 1 { Span::none() } else { tracing::error_span!("partition", number = partition) };
    let log = span.in_scope(|| open_log(config, partition, &inputs))?;
    Ok(Opened { inputs, log, span })
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

/// The log of a cluster; it wakes the hub when there is something in it.
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

/// The configuration was refused already.
#[cfg(not(feature = "cluster"))]
fn open_shared_log(_: &Config, _: u32, _: &Arc<InputQueue>) -> Result<AnyLog, LogError> {
    Err(LogError::Device("this deskbell was built without the feature \"cluster\"".to_owned()))
}
