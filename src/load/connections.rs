//! The connections of a load test: opened in parallel up to a limit, read frame by frame, and reopened after a loss.

use mio::Token;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

use super::engine::{Engine, MS_NS, SECOND_NS, Task};
use super::frame::{self, Parsed};
use super::line::{State, upgraded};
use super::measures::Count;
use deskbell_protocol::close::{CLOSES, ComeBack};

/// The time limit from opening a connection to its welcome.
const OPEN_WITHIN_NS: u64 = 15 * SECOND_NS;

impl Engine {
    pub(crate) fn begin_connections(&mut self) {
        while self.opening < self.part.options.parallel {
            let Some(slot) = self.to_connect.pop_front() else { return };
            let (hub, token) = (&self.part.hub, Token(slot as usize));
            let line = &mut self.lines[slot as usize];
            self.opening += 1;
            match line.start(hub, self.poll.registry(), token, self.now) {
                Ok(()) => {
                    let generation = line.generation;
                    self.after(OPEN_WITHIN_NS, Task::OpenBy { slot, generation });
                }
                Err(error) => {
                    self.opening -= 1;
                    self.failed(error.to_string());
                    return self.after(SECOND_NS, Task::Connect(slot));
                }
            }
        }
    }

    pub(crate) fn open_by(&mut self, slot: usize, generation: u32) {
        let line = &self.lines[slot];
        if line.generation == generation && !matches!(line.state, State::Open | State::Off) {
            self.lost(slot, "no welcome in time");
        }
    }

    pub(crate) fn writable(&mut self, slot: usize) {
        if let Err(error) = self.lines[slot].writable(&self.part.hub) {
            self.lost(slot, &error.to_string());
        }
    }

    /// Reads the available data. `ends`: the same event reports the end of the connection, and no other event will.
    pub(crate) fn readable(&mut self, slot: usize, ends: bool, buffer: &mut [u8]) {
        loop {
            match self.lines[slot].read(buffer) {
                Ok((0, _)) => return,
                Ok((bytes, more)) => {
                    self.lines[slot].heard_at = self.now;
                    self.heard(slot, &buffer[..bytes]);
                    if !(more || ends) || self.lines[slot].state == State::Off {
                        return;
                    }
                }
                Err(error) => return self.lost(slot, &error.to_string()),
            }
        }
    }

    /// Handles bytes of a connection: complete frames, and a part of the next one.
    fn heard(&mut self, slot: usize, bytes: &[u8]) {
        let generation = self.lines[slot].generation;
        let mut joined = self.lines[slot].take_partial();
        let mut rest = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined[..]
        };
        if self.lines[slot].state == State::Upgrading {
            match upgraded(rest) {
                Ok(None) => return self.lines[slot].keep_partial(rest.to_vec()),
                Ok(Some(head)) => {
                    rest = &rest[head..];
                    self.lines[slot].state = State::Hello;
                    self.hello(slot);
                }
                Err(why) => return self.lost(slot, &why),
            }
        }
        loop {
            // The message may have ended the connection.
            if self.lines[slot].state == State::Off || self.lines[slot].generation != generation {
                return;
            }
            match frame::parse(rest) {
                Parsed::Frame { opcode, payload, bytes } => {
                    self.frame(slot, opcode, payload);
                    rest = &rest[bytes..];
                }
                Parsed::Incomplete if rest.is_empty() => return,
                Parsed::Incomplete => return self.lines[slot].keep_partial(rest.to_vec()),
                Parsed::Invalid => return self.lost(slot, "the hub sent an invalid WebSocket frame"),
            }
        }
    }

    fn frame(&mut self, slot: usize, opcode: OpCode, payload: &[u8]) {
        match opcode {
            frame::TEXT => self.text(slot, payload),
            frame::PING => self.send(slot, frame::PONG, payload),
            frame::CLOSE => self.closed(slot, payload),
            _ => {}
        }
    }

    fn text(&mut self, slot: usize, text: &[u8]) {
        let agents = self.desks.len();
        match (self.lines[slot].state, slot < agents) {
            (State::Hello, _) => self.welcome(slot, text),
            (_, true) => self.desk_heard(slot, text),
            (_, false) => self.caller_heard(slot - agents, text),
        }
    }

    fn closed(&mut self, slot: usize, payload: &[u8]) {
        let (code, reason) = payload
            .split_first_chunk::<2>()
            .map_or((1005, &b""[..]), |(code, reason)| (u16::from_be_bytes(*code), reason));
        let why = format!("closed with {code} {}", String::from_utf8_lossy(reason));
        let row = CLOSES.iter().find(|row| row.code == code);
        let stays_away = row.is_some_and(|row| matches!(row.come_back, ComeBack::No | ComeBack::WithFreshToken));
        if stays_away && self.start == u64::MAX {
            self.fatal = Some(format!("the hub sends this tool's clients away: {why}"));
        }
        self.lost(slot, &why);
    }

    /// Handles a lost connection: it is opened again after a random, growing pause.
    pub(crate) fn lost(&mut self, slot: usize, why: &str) {
        if self.lines[slot].state == State::Off {
            return;
        }
        self.failed(why.to_owned());
        self.count(Count::Lost);
        self.gone(slot);
        let line = &mut self.lines[slot];
        let bound = ((200 * MS_NS) << line.failures.min(5)).min(5 * SECOND_NS);
        line.failures += 1;
        let pause = (bound as f64 * self.random.f64()) as u64;
        self.after(pause, Task::Connect(slot as u32));
    }

    /// Handles the end of a connection, by either side.
    pub(crate) fn gone(&mut self, slot: usize) {
        let was_open = self.lines[slot].state == State::Open;
        self.lines[slot].drop_socket(self.poll.registry());
        if !was_open {
            self.opening -= 1;
            return self.begin_connections_soon();
        }
        self.open -= 1;
        if slot < self.desks.len() {
            self.desk_gone(slot);
        }
    }

    /// Schedules the next connection instead of opening it at once, because the caller may be opening others.
    fn begin_connections_soon(&mut self) {
        if let Some(slot) = self.to_connect.pop_front() {
            self.after(0, Task::Connect(slot));
        }
    }

    pub(crate) fn opened(&mut self, slot: usize) {
        let line = &mut self.lines[slot];
        line.state = State::Open;
        line.failures = 0;
        self.open += 1;
        self.opening -= 1;
        self.begin_connections();
    }

    pub(crate) fn send(&mut self, slot: usize, opcode: OpCode, payload: &[u8]) {
        let key = self.random.u32(..).to_be_bytes();
        if let Err(error) = self.lines[slot].send(opcode, payload, key) {
            self.lost(slot, &error.to_string());
        }
    }
}
