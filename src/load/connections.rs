//! The connections of a load test: opened a limited number at a time, read frame by frame, reopened when they are lost.

use mio::Token;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

use super::engine::{Engine, MS_NS, SECOND_NS, TimerTask};
use super::frame::{self, Parsed};
use super::measures::Count;
use super::socket::{SocketState, upgraded};
use deskbell_protocol::close::{CLOSES, ComeBack};

/// The time limit from the start of a connection until its welcome.
const OPEN_WITHIN_NS: u64 = 15 * SECOND_NS;

impl Engine {
    pub(crate) fn begin_connections(&mut self) {
        while self.opening < self.share.options.parallel {
            let Some(slot) = self.to_connect.pop_front() else { return };
            let (hub, token) = (&self.share.hub, Token(slot as usize));
            let line = &mut self.sockets[slot as usize];
            self.opening += 1;
            match line.start(hub, self.poll.registry(), token, self.now) {
                Ok(()) => {
                    let generation = line.generation;
                    self.after(OPEN_WITHIN_NS, TimerTask::OpenBy { slot, generation });
                }
                Err(error) => {
                    self.opening -= 1;
                    self.failed(error.to_string());
                    return self.after(SECOND_NS, TimerTask::Connect(slot));
                }
            }
        }
    }

    pub(crate) fn open_by(&mut self, slot: usize, generation: u32) {
        let line = &self.sockets[slot];
        if line.generation == generation && !matches!(line.state, SocketState::Open | SocketState::Off) {
            self.lost(slot, "no welcome in time");
        }
    }

    pub(crate) fn writable(&mut self, slot: usize) {
        if let Err(error) = self.sockets[slot].writable(&self.share.hub) {
            self.lost(slot, &error.to_string());
        }
    }

    /// Reads the available data. `ends` says that the same event reports the end of the connection; no other event will.
    pub(crate) fn readable(&mut self, slot: usize, ends: bool, buffer: &mut [u8]) {
        loop {
            match self.sockets[slot].read(buffer) {
                Ok((0, _)) => return,
                Ok((bytes, more)) => {
                    self.sockets[slot].received_at = self.now;
                    self.received(slot, &buffer[..bytes]);
                    if !(more || ends) || self.sockets[slot].state == SocketState::Off {
                        return;
                    }
                }
                Err(error) => return self.lost(slot, &error.to_string()),
            }
        }
    }

    /// Handles bytes of a connection: whole frames, and a rest that is kept.
    fn received(&mut self, slot: usize, bytes: &[u8]) {
        let generation = self.sockets[slot].generation;
        let mut joined = self.sockets[slot].take_partial();
        let mut rest = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined[..]
        };
        if self.sockets[slot].state == SocketState::Upgrading {
            match upgraded(rest) {
                Ok(None) => return self.sockets[slot].keep_partial(rest.to_vec()),
                Ok(Some(head)) => {
                    rest = &rest[head..];
                    self.sockets[slot].state = SocketState::Hello;
                    self.hello(slot);
                }
                Err(why) => return self.lost(slot, &why),
            }
        }
        loop {
            // The frame may have ended the connection.
            if self.sockets[slot].state == SocketState::Off || self.sockets[slot].generation != generation {
                return;
            }
            match frame::parse(rest) {
                Parsed::Frame { opcode, payload, bytes } => {
                    self.frame(slot, opcode, payload);
                    rest = &rest[bytes..];
                }
                Parsed::Incomplete if rest.is_empty() => return,
                Parsed::Incomplete => return self.sockets[slot].keep_partial(rest.to_vec()),
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
        match (self.sockets[slot].state, slot < agents) {
            (SocketState::Hello, _) => self.welcome(slot, text),
            (_, true) => self.agent_received(slot, text),
            (_, false) => self.provider_received(slot - agents, text),
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

    /// Handles a lost connection: it is reopened after a random pause that grows with each failure.
    pub(crate) fn lost(&mut self, slot: usize, why: &str) {
        if self.sockets[slot].state == SocketState::Off {
            return;
        }
        self.failed(why.to_owned());
        self.count(Count::Lost);
        self.gone(slot);
        let line = &mut self.sockets[slot];
        let bound = ((200 * MS_NS) << line.failures.min(5)).min(5 * SECOND_NS);
        line.failures += 1;
        let pause = (bound as f64 * self.random.f64()) as u64;
        self.after(pause, TimerTask::Connect(slot as u32));
    }

    /// Cleans up after the end of a connection.
    pub(crate) fn gone(&mut self, slot: usize) {
        let was_open = self.sockets[slot].state == SocketState::Open;
        self.sockets[slot].drop_socket(self.poll.registry());
        if !was_open {
            self.opening -= 1;
            return self.begin_connections_soon();
        }
        self.open -= 1;
        if slot < self.desks.len() {
            self.desk_gone(slot);
        }
    }

    /// Opens the next connection with a timer, because the caller may be opening others right now.
    fn begin_connections_soon(&mut self) {
        if let Some(slot) = self.to_connect.pop_front() {
            self.after(0, TimerTask::Connect(slot));
        }
    }

    pub(crate) fn opened(&mut self, slot: usize) {
        let line = &mut self.sockets[slot];
        line.state = SocketState::Open;
        line.failures = 0;
        self.open += 1;
        self.opening -= 1;
        self.begin_connections();
    }

    pub(crate) fn send(&mut self, slot: usize, opcode: OpCode, payload: &[u8]) {
        let key = self.random.u32(..).to_be_bytes();
        if let Err(error) = self.sockets[slot].send(opcode, payload, key) {
            self.lost(slot, &error.to_string());
        }
    }
}
