//! One thread of a load test: a loop over sockets and timers. The files `connections`, `desks` and `callers` have the
//! rest of its methods.

use std::cmp::Ordering as Order;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use mio::{Events, Poll};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frame;
use super::lag::{Shares, Usage};
use super::measures::{Count, Latency, Measures};
use super::message_fields::AgentName;
use super::options::Arrivals;
use super::promises::PromiseChecker;
use super::schedule::Schedule;
use super::share::LoadShare;
use super::socket::{LoadSocket, SocketState};
use deskbell_protocol::outbound::ClientLimits;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;
pub(crate) const MS_NS: u64 = 1_000_000;
/// The run starts when all clients are connected. They have this time, and some time for each client.
const CONNECT_WITHIN_NS: u64 = 30 * SECOND_NS;
const CONNECT_EACH_NS: u64 = 5 * MS_NS;
/// A connection without any data for this time is lost. By default a hub sends a ping every 15 s.
const SILENT_NS: u64 = 60 * SECOND_NS;
/// The pause between the last connection and the run.
const SETTLE_NS: u64 = 300 * MS_NS;
/// Timers and arrivals that are handled before the sockets are polled again.
const BATCH_MAX: usize = 128;
/// A drain lasts at most this many times the time allowed without progress.
const DRAINS_MAX: u64 = 30;
const READ_BYTES: usize = 64 << 10;
/// The most different failure texts that are counted.
const FAILURES_MAX: usize = 50;

/// The time limit for connecting this number of clients.
pub(crate) fn connect_within_ns(clients: usize) -> u64 {
    CONNECT_WITHIN_NS + clients as u64 * CONNECT_EACH_NS
}

/// A task of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerTask {
    /// Opens a connection.
    Connect(u32),
    /// Gives up a connection that is not open yet.
    OpenBy { slot: u32, generation: u32 },
    /// An agent answers.
    Answer { slot: u32, number: u64 },
    /// A provider cancels.
    Cancel(u64),
    /// A provider repeats a notify.
    Repeat(u64),
    /// An agent drops its connection.
    Churn,
    /// Runs once a second.
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timer {
    at: u64,
    task: TimerTask,
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Order {
        // The heap returns its greatest element first.
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

/// The results of a thread.
#[derive(Debug)]
pub(crate) struct ThreadResult {
    pub(crate) measures: Measures,
    pub(crate) checker: PromiseChecker,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) usage: Shares,
    pub(crate) limits: Option<ClientLimits>,
    pub(crate) audiences: usize,
    /// The length of the run in ns.
    pub(crate) run_ns: u64,
}

/// The state of an agent.
#[derive(Debug, Default)]
pub(crate) struct LoadAgent {
    pub(crate) name: Option<AgentName>,
    /// The notifies that are displayed on its connection. The hub's `displayLimit` bounds them.
    pub(crate) displayed: Vec<u64>,
    /// Its answers without a reply, with their scheduled times.
    pub(crate) answers: Vec<(u64, u64)>,
}

/// The state of a provider.
#[derive(Debug, Default)]
pub(crate) struct LoadProvider {
    /// The position of its latest result.
    pub(crate) position: Option<String>,
    pub(crate) was_open: bool,
    /// When its connection was welcomed.
    pub(crate) open_since: u64,
}

/// The state of a thread.
pub(crate) struct Engine {
    pub(crate) share: LoadShare,
    /// The number of the thread.
    thread: usize,
    pub(crate) poll: Poll,
    /// The connections: agents first, then providers.
    pub(crate) sockets: Vec<LoadSocket>,
    pub(crate) desks: Vec<LoadAgent>,
    pub(crate) callers: Vec<LoadProvider>,
    timers: BinaryHeap<Timer>,
    pub(crate) to_connect: VecDeque<u32>,
    pub(crate) opening: usize,
    pub(crate) open: usize,
    pub(crate) now: u64,
    pub(crate) start: u64,
    pub(crate) measured_from: u64,
    schedule: Option<Schedule>,
    pub(crate) checker: PromiseChecker,
    pub(crate) measures: Measures,
    pub(crate) random: Rng,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) limits: Option<ClientLimits>,
    /// Why the run cannot be made.
    pub(crate) fatal: Option<String>,
    running: bool,
}

impl Engine {
    /// # Errors
    /// The system has no more resources for a poll.
    pub(crate) fn new(part: LoadShare, thread: usize) -> io::Result<Self> {
        let clients = part.agents.len() + part.providers.len();
        let run = part.options.ramp + part.options.duration;
        Ok(Self {
            thread,
            poll: Poll::new()?,
            sockets: (0..clients).map(|_| LoadSocket::new()).collect(),
            desks: part.agents.iter().map(|_| LoadAgent::default()).collect(),
            callers: part.providers.iter().map(|_| LoadProvider::default()).collect(),
            timers: BinaryHeap::new(),
            to_connect: (0..clients as u32).collect(),
            opening: 0,
            open: 0,
            now: part.shared.now(),
            start: u64::MAX,
            measured_from: u64::MAX,
            schedule: None,
            checker: PromiseChecker::default(),
            measures: Measures::new(run.as_nanos() as u64),
            random: Rng::with_seed(part.seed),
            failures: BTreeMap::new(),
            limits: None,
            fatal: None,
            running: false,
            share: part,
        })
    }

    /// Connects, runs, waits for open notifications, and returns the results.
    ///
    /// # Errors
    /// Why the run could not be made.
    pub(crate) fn run(mut self) -> Result<ThreadResult, String> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES];
        self.connect(&mut events, &mut buffer)?;
        let usage = Usage::begin();
        self.load(&mut events, &mut buffer)?;
        let usage = usage.shares();
        let run_ns = self.now.saturating_sub(self.start);
        self.drain(&mut events, &mut buffer)?;
        self.checker.finish();
        self.tell_live();
        self.share.shared.live[self.thread].done.store(true, Ordering::Relaxed);
        Ok(ThreadResult {
            measures: self.measures,
            checker: self.checker,
            failures: self.failures,
            usage,
            limits: self.limits,
            audiences: self.share.audiences.len(),
            run_ns,
        })
    }

    fn connect(&mut self, events: &mut Events, buffer: &mut [u8]) -> Result<(), String> {
        let within = connect_within_ns(self.sockets.len());
        let deadline = self.now + within;
        self.after(SECOND_NS, TimerTask::Tick);
        self.begin_connections();
        while self.open < self.sockets.len() {
            self.turn(deadline, events, buffer)?;
            if self.now >= deadline {
                let (open, all) = (self.open, self.sockets.len());
                let why = self.failures.iter().max_by_key(|(_, count)| **count).map_or("none", |(why, _)| why);
                return Err(format!("{open} of {all} clients connected in {} s; {why}", within / SECOND_NS));
            }
        }
        self.callers_know_their_audiences()?;
        let (shared, threads) = (&self.share.shared, self.share.options.threads as u64);
        if shared.ready.fetch_add(1, Ordering::SeqCst) + 1 == threads {
            shared.start.store(shared.now() + SETTLE_NS, Ordering::SeqCst);
        }
        loop {
            match self.share.shared.start.load(Ordering::SeqCst) {
                0 => self.turn(self.now + 20 * MS_NS, events, buffer)?,
                start => {
                    self.begin_run(start);
                    return Ok(());
                }
            }
        }
    }

    fn begin_run(&mut self, start: u64) {
        let options = &self.share.options;
        let (ramp, duration) = (options.ramp.as_nanos() as u64, options.duration.as_nanos() as u64);
        let poisson = (options.arrivals == Arrivals::Poisson).then(|| self.random.fork());
        self.schedule = Some(Schedule::new(self.share.rate, ramp, ramp + duration, poisson));
        self.start = start;
        self.measured_from = start + ramp;
        if self.share.churn > 0.0 {
            self.at(start, TimerTask::Churn);
        }
    }

    fn load(&mut self, events: &mut Events, buffer: &mut [u8]) -> Result<(), String> {
        let end = self.measured_from + self.share.options.duration.as_nanos() as u64;
        self.running = true;
        while self.now < end && !self.share.shared.is_stopped() {
            self.turn(end, events, buffer)?;
        }
        self.running = false;
        self.schedule = None;
        Ok(())
    }

    /// Waits until everything is settled. Notifications that no agent will answer are cancelled at once, all others after half
    /// of the allowed time without progress. A slow hub that makes progress gets more time.
    fn drain(&mut self, events: &mut Events, buffer: &mut [u8]) -> Result<(), String> {
        self.share.shared.live[self.thread].draining.store(true, Ordering::Relaxed);
        let drain = self.share.options.drain.as_nanos() as u64;
        let give_up = self.now + drain * DRAINS_MAX;
        self.withdraw(false);
        for part in [drain / 2, drain] {
            let (mut seen, mut since) = (self.checker.endings(), self.now);
            while !self.checker.is_done() && self.now < give_up && self.now < since + part {
                self.turn(self.now + 20 * MS_NS, events, buffer)?;
                if self.checker.endings() != seen {
                    (seen, since) = (self.checker.endings(), self.now);
                }
            }
            if part < drain {
                self.withdraw(true);
            }
        }
        Ok(())
    }

    /// Waits for the next event or timer, at most until `until`, and handles it.
    fn turn(&mut self, until: u64, events: &mut Events, buffer: &mut [u8]) -> Result<(), String> {
        let due = [self.timers.peek().map(|timer| timer.at), self.next_arrival()].into_iter().flatten().min();
        self.now = self.share.shared.now();
        let wait = due.map_or(until, |due| due.min(until)).saturating_sub(self.now).min(100 * MS_NS);
        self.wait(Duration::from_nanos(wait), events).map_err(|error| format!("the system's poll: {error}"))?;
        for event in &*events {
            self.now = self.share.shared.now();
            let slot = event.token().0;
            if event.is_writable() {
                self.writable(slot);
            }
            let ends = event.is_error() || event.is_read_closed();
            if event.is_readable() || ends {
                self.readable(slot, ends, buffer);
            }
        }
        self.now = self.share.shared.now();
        self.due();
        self.fatal.take().map_or(Ok(()), Err)
    }

    /// The library waits for whole milliseconds, which is longer than a hub needs for an ack. A short wait therefore uses the
    /// system's finer clock.
    fn wait(&mut self, time: Duration, events: &mut Events) -> io::Result<()> {
        const SHORT: Duration = Duration::from_millis(5);
        let mut time = time;
        if !time.is_zero() && time < SHORT {
            let mut fds = [PollFd::new(self.poll.registry(), PollFlags::IN)];
            let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
            match poll(&mut fds, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => time = Duration::ZERO,
                Err(error) => return Err(error.into()),
            }
        } else if time >= SHORT {
            // The wait may be this much too long.
            time -= Duration::from_millis(2);
        }
        match self.poll.poll(events, Some(time)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            waited => waited,
        }
    }

    fn due(&mut self) {
        for _ in 0..BATCH_MAX {
            let Some(timer) = self.timers.peek().copied().filter(|timer| timer.at <= self.now) else { break };
            self.timers.pop();
            match timer.task {
                TimerTask::Connect(slot) => {
                    self.to_connect.push_back(slot);
                    self.begin_connections();
                }
                TimerTask::OpenBy { slot, generation } => self.open_by(slot as usize, generation),
                TimerTask::Answer { slot, number } => self.answer(slot as usize, number, timer.at),
                TimerTask::Cancel(number) => self.cancel(number, timer.at),
                TimerTask::Repeat(number) => self.send_notify(number),
                TimerTask::Churn => self.churn(timer.at),
                TimerTask::Tick => self.tick(timer.at),
            }
        }
        for _ in 0..BATCH_MAX {
            let Some(at) = self.next_arrival().filter(|&at| at <= self.now) else { break };
            if let Some(schedule) = &mut self.schedule {
                schedule.advance();
            }
            self.arrival(at);
        }
    }

    fn next_arrival(&self) -> Option<u64> {
        let schedule = self.schedule.as_ref().filter(|_| self.running)?;
        schedule.next().map(|at| at + self.start)
    }

    pub(crate) fn at(&mut self, at: u64, task: TimerTask) {
        self.timers.push(Timer { at, task });
    }

    pub(crate) fn after(&mut self, ns: u64, task: TimerTask) {
        self.at(self.now + ns, task);
    }

    /// Nanoseconds since the start of the run.
    pub(crate) fn run_time(&self) -> u64 {
        self.now.saturating_sub(self.start)
    }

    pub(crate) fn count(&mut self, what: Count) {
        if self.start != u64::MAX {
            self.measures.add(what, self.run_time());
        }
    }

    pub(crate) fn took(&mut self, which: Latency, from: u64, measured: bool) {
        self.measures.took(which, self.now.saturating_sub(from), measured, self.run_time());
    }

    pub(crate) fn failed(&mut self, why: String) {
        if self.failures.len() < FAILURES_MAX || self.failures.contains_key(&why) {
            *self.failures.entry(why).or_default() += 1;
        }
    }

    /// A random time between half and one and a half of `time`.
    pub(crate) fn about(&mut self, time: Duration) -> u64 {
        (time.as_nanos() as f64 * (0.5 + self.random.f64())) as u64
    }

    fn churn(&mut self, at: u64) {
        let pause = (1e9 / self.share.churn) as u64;
        self.at(at + pause.max(1), TimerTask::Churn);
        let slot = self.random.usize(..self.desks.len());
        if !self.running || self.sockets[slot].state != SocketState::Open {
            return;
        }
        self.count(Count::Churned);
        if self.random.f64() < 0.5 {
            let key = self.random.u32(..).to_be_bytes();
            // The connection ends in any case.
            let _ = self.sockets[slot].send(frame::CLOSE, &1000_u16.to_be_bytes(), key);
        }
        self.gone(slot);
        let pause = self.about(Duration::from_millis(200));
        self.after(pause, TimerTask::Connect(slot as u32));
    }

    fn tick(&mut self, at: u64) {
        self.at(at.max(self.now.saturating_sub(SECOND_NS)) + SECOND_NS, TimerTask::Tick);
        self.checker.forget(self.now);
        self.tell_live();
        for slot in 0..self.sockets.len() {
            if self.sockets[slot].state == SocketState::Open
                && self.now.saturating_sub(self.sockets[slot].received_at) > SILENT_NS
            {
                self.lost(slot, "the hub is silent");
            }
        }
    }

    fn tell_live(&self) {
        let live = &self.share.shared.live[self.thread];
        let set = |figure: &std::sync::atomic::AtomicU64, value| figure.store(value, Ordering::Relaxed);
        set(&live.open, self.open as u64);
        set(&live.asked, self.measures.count(Count::Asked));
        set(&live.acked, self.measures.count(Count::Acked));
        set(&live.resulted, self.measures.count(Count::Resulted));
        set(&live.deliveries, self.measures.count(Count::Deliveries));
        set(&live.unended, self.checker.unended());
        set(&live.broken, self.checker.broken.total());
        if let Some(span) = self.measures.spans.iter().rev().nth(1) {
            set(&live.ack_p50, span.ack.value_at_quantile(0.5));
            set(&live.ack_p99, span.ack.value_at_quantile(0.99));
        }
    }
}
