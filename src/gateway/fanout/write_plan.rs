//! The write plan of one shard: frames sorted by connection, so that each connection is written to once.

use std::ops::Range;

use bytes::Bytes;

use crate::gateway::connection::connection_serial::ConnectionSerial;
use crate::gateway::connection::outbox::Weight;
use crate::gateway::fanout::shard_batch::{Broadcast, FrameKind, ShardBatch};
use crate::gateway::shared::bounds::SEND_BUFFER_BYTES;
use crate::protocol::Close;

/// A plan with this many deliveries takes no further batches. Sorting them takes about a millisecond, in which nothing else
/// runs on the thread.
const DELIVERIES_PER_PLAN: usize = 128 * 1024;
/// A plan with this many deliveries is heavy. A lighter one is written within about a millisecond, and joining its frames
/// saves more than overtaking would.
const HEAVY_MIN: usize = 256;
/// Frames for one connection are joined up to this many bytes: a socket takes no more in one write.
const JOINED_BYTES_MAX: usize = SEND_BUFFER_BYTES as usize;

/// Everything that the shard has to send now. It is reused for its memory.
#[derive(Debug, Default)]
pub(crate) struct WritePlan {
    broadcasts: Vec<Broadcast>,
    closes: Vec<(u64, Close)>,
    close_all: Vec<(usize, Close)>,
    deliveries: usize,
    targets: Vec<Target>,
    /// Indexes into `broadcasts`, target by target, each target's in order.
    indexes: Vec<u32>,
    /// By slot: the number of the connection's target, from 1. All 0 between plans.
    target_by_slot: Vec<u32>,
}

/// One connection in a plan.
#[derive(Debug)]
struct Target {
    serial: u64,
    /// Where its part of `indexes` ends, and the next one's begins.
    end: u32,
    /// Whether its frames were sent before its turn.
    is_taken: bool,
}

impl WritePlan {
    /// Adds a batch behind the others.
    pub(crate) fn add(&mut self, batch: ShardBatch) {
        self.deliveries += batch.deliveries();
        self.broadcasts.extend(batch.broadcasts);
        self.closes.extend(batch.closes);
        self.close_all.extend(batch.close_all);
    }

    /// Whether further batches should wait for the next plan.
    pub(crate) fn is_full(&self) -> bool {
        self.deliveries >= DELIVERIES_PER_PLAN
    }

    /// Sorts the frames by connection and leaves out connections that are not `here` any more. No two connections that
    /// are here have the same slot.
    pub(crate) fn sort(&mut self, here: impl Fn(u64) -> bool) {
        for broadcast in &self.broadcasts {
            for &serial in broadcast.targets.iter().filter(|serial| here(**serial)) {
                Target::of(serial, &mut self.targets, &mut self.target_by_slot).end += 1;
            }
        }
        let mut begin = 0;
        for target in &mut self.targets {
            begin += std::mem::replace(&mut target.end, begin);
        }
        self.indexes.resize(begin as usize, 0);
        for (index, broadcast) in (0..).zip(&self.broadcasts) {
            for &serial in &broadcast.targets {
                // The slot of a connection that is not here may belong to another one: `found` compares the serial.
                if let Some(target) = Target::found(serial, &mut self.targets, &self.target_by_slot) {
                    self.indexes[target.end as usize] = index;
                    target.end += 1;
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.broadcasts.is_empty() && !self.closes_any()
    }

    /// Whether writing it takes so long that a light batch should overtake it.
    pub(crate) fn is_heavy(&self) -> bool {
        self.deliveries >= HEAVY_MIN
    }

    /// Whether it closes any connection. Then no batch may overtake it, since nothing may follow a close frame.
    pub(crate) fn closes_any(&self) -> bool {
        !self.closes.is_empty() || !self.close_all.is_empty()
    }

    /// Takes out the frames that a connection has not received, in order; the plan will not send them again. In a sorted
    /// plan the first `done` targets have received theirs.
    pub(crate) fn take_ahead(&mut self, serial: u64, done: usize) -> Vec<(Bytes, FrameKind)> {
        if !self.targets.is_empty() {
            let slot = ConnectionSerial::unpack(serial).slot as usize;
            // Counted from 1. If the slot was given to another connection since, there is nothing to take.
            let number = self.target_by_slot.get(slot).map_or(0, |number| *number as usize);
            if number <= done || self.targets[number - 1].serial != serial || self.targets[number - 1].is_taken {
                return Vec::new();
            }
            self.targets[number - 1].is_taken = true;
            let frames = self.frames_of(number - 1);
            return frames.broadcasts().map(|broadcast| (broadcast.frame.clone(), broadcast.kind)).collect();
        }
        let mut taken = Vec::new();
        for broadcast in &mut self.broadcasts {
            // A connection is a target of a broadcast at most once.
            if let Some(at) = broadcast.targets.iter().position(|target| *target == serial) {
                broadcast.targets.swap_remove(at);
                taken.push((broadcast.frame.clone(), broadcast.kind));
            }
        }
        taken
    }

    fn frames_of(&self, at: usize) -> TargetFrames<'_> {
        let begin = at.checked_sub(1).map_or(0, |before| self.targets[before].end);
        let indexes = &self.indexes[begin as usize..self.targets[at].end as usize];
        TargetFrames { broadcasts: &self.broadcasts, indexes }
    }

    /// The number of connections to write to.
    pub(crate) fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The connections numbered `range` with their frames, except connections that received theirs ahead.
    pub(crate) fn frames(&self, range: Range<usize>) -> impl Iterator<Item = (u64, TargetFrames<'_>)> {
        let waiting = range.filter(|&at| !self.targets[at].is_taken);
        waiting.map(|at| (self.targets[at].serial, self.frames_of(at)))
    }

    /// The partitions to close completely after the frames are sent.
    pub(crate) fn close_all(&self) -> &[(usize, Close)] {
        &self.close_all
    }

    /// The connections to close after the frames are sent.
    pub(crate) fn closes(&self) -> &[(u64, Close)] {
        &self.closes
    }

    /// Empties the plan and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.broadcasts.clear();
        self.closes.clear();
        self.close_all.clear();
        self.deliveries = 0;
        for target in &self.targets {
            self.target_by_slot[target.slot()] = 0;
        }
        self.targets.clear();
        self.indexes.clear();
    }
}

impl Target {
    /// The target of a connection; added if there is none yet.
    fn of<'a>(serial: u64, targets: &'a mut Vec<Self>, target_by_slot: &mut Vec<u32>) -> &'a mut Self {
        let slot = ConnectionSerial::unpack(serial).slot as usize;
        if slot >= target_by_slot.len() {
            target_by_slot.resize(slot + 1, 0);
        }
        if target_by_slot[slot] == 0 {
            targets.push(Self { serial, end: 0, is_taken: false });
            target_by_slot[slot] = targets.len() as u32;
        }
        &mut targets[target_by_slot[slot] as usize - 1]
    }

    /// The target of a connection, if there is one.
    fn found<'a>(serial: u64, targets: &'a mut [Self], target_by_slot: &[u32]) -> Option<&'a mut Self> {
        let number = *target_by_slot.get(ConnectionSerial::unpack(serial).slot as usize)?;
        targets.get_mut((number as usize).checked_sub(1)?).filter(|target| target.serial == serial)
    }

    fn slot(&self) -> usize {
        ConnectionSerial::unpack(self.serial).slot as usize
    }
}

/// The frames for one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetFrames<'a> {
    broadcasts: &'a [Broadcast],
    indexes: &'a [u32],
}

impl<'a> TargetFrames<'a> {
    /// The frames in order, each with its weight in the outbox.
    pub(crate) fn frames(self) -> impl Iterator<Item = (&'a Bytes, Weight)> {
        self.broadcasts().map(|broadcast| (&broadcast.frame, broadcast.kind.weight()))
    }

    /// Whether the connection's welcome is among them.
    pub(crate) fn has_welcome(self) -> bool {
        self.broadcasts().any(|broadcast| broadcast.kind == FrameKind::Welcome)
    }

    fn broadcasts(self) -> impl Iterator<Item = &'a Broadcast> {
        self.indexes.iter().map(move |&index| &self.broadcasts[index as usize])
    }
}

/// The frames of one connection as one run of bytes. Most connections of a plan receive the same frames, so the bytes are
/// kept for the next connection.
#[derive(Debug, Default)]
pub(crate) struct JoinedFrames {
    indexes: Vec<u32>,
    bytes: Vec<u8>,
}

impl JoinedFrames {
    /// The bytes of all frames, one after the other; empty if they are too many to be worth joining.
    pub(crate) fn of<'a>(&'a mut self, frames: TargetFrames<'a>) -> &'a [u8] {
        if let [only] = frames.indexes {
            return &frames.broadcasts[*only as usize].frame;
        }
        if self.indexes != frames.indexes {
            self.indexes.clear();
            self.indexes.extend_from_slice(frames.indexes);
            self.bytes.clear();
            let bytes: usize = frames.frames().map(|(frame, _)| frame.len()).sum();
            if bytes <= JOINED_BYTES_MAX {
                frames.frames().for_each(|(frame, _)| self.bytes.extend_from_slice(frame));
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fanout::shard_batch::OVERTAKING_MAX;

    fn serial(slot: u32) -> u64 {
        ConnectionSerial { shard: 0, generation: 0, slot }.pack()
    }

    fn broadcast(word: &'static str, slots: &[u32]) -> Broadcast {
        let targets = slots.iter().map(|&slot| serial(slot)).collect();
        Broadcast { frame: Bytes::from_static(word.as_bytes()), kind: FrameKind::Regular, targets }
    }

    fn sorted(plan: &mut WritePlan, gone: &[u32]) -> Vec<(u32, Vec<u8>)> {
        let mut joined = JoinedFrames::default();
        plan.sort(|serial| !gone.contains(&ConnectionSerial::unpack(serial).slot));
        let each = |(serial, frames)| (ConnectionSerial::unpack(serial).slot, joined.of(frames).to_vec());
        plan.frames(0..plan.targets()).map(each).collect()
    }

    #[test]
    fn every_connection_receives_its_frames_in_order_by_one_write() {
        let mut plan = WritePlan::default();
        let batch = |broadcasts| ShardBatch { broadcasts, ..ShardBatch::default() };
        plan.add(batch(vec![broadcast("a", &[7]), broadcast("b", &[1, 2, 7])]));
        plan.add(batch(vec![broadcast("c", &[2]), broadcast("d", &[1, 2])]));
        let words = |of: Vec<(u32, Vec<u8>)>| -> Vec<_> {
            of.into_iter().map(|(slot, bytes)| (slot, String::from_utf8(bytes).unwrap())).collect()
        };
        let frames = words(sorted(&mut plan, &[]));
        assert_eq!(frames, [(7, "ab".to_owned()), (1, "bd".to_owned()), (2, "bcd".to_owned())]);
        let rest: Vec<_> = plan.frames(2..3).map(|(serial, _)| serial).collect();
        assert_eq!(rest, [serial(2)]);
        plan.clear();
        plan.add(batch(vec![broadcast("e", &[2, 7, 9])]));
        assert_eq!(words(sorted(&mut plan, &[7])), [(2, "e".to_owned()), (9, "e".to_owned())]);
    }

    #[test]
    fn frames_taken_ahead_are_complete_in_order_and_sent_once() {
        let words =
            |taken: Vec<(Bytes, FrameKind)>| taken.into_iter().flat_map(|(frame, _)| frame).collect::<Vec<u8>>();
        let mut plan = WritePlan::default();
        let much = || ShardBatch {
            broadcasts: vec![broadcast("a", &[1, 2, 3, 4]), broadcast("b", &[3])],
            ..ShardBatch::default()
        };
        plan.add(much());
        assert_eq!(words(plan.take_ahead(serial(3), 0)), b"ab");
        assert!(plan.take_ahead(serial(3), 0).is_empty() && plan.take_ahead(serial(9), 0).is_empty());
        assert_eq!(sorted(&mut plan, &[]).len(), 3, "the others");
        plan.clear();
        plan.add(much());
        plan.sort(|_| true);
        assert!(plan.take_ahead(serial(1), 1).is_empty(), "it was the first, and has received them");
        assert_eq!(words(plan.take_ahead(serial(3), 1)), b"ab");
        let another = ConnectionSerial { shard: 0, generation: 1, slot: 2 }.pack();
        assert!(plan.take_ahead(serial(3), 1).is_empty() && plan.take_ahead(another, 1).is_empty());
        let rest: Vec<_> = plan.frames(1..4).map(|(serial, _)| ConnectionSerial::unpack(serial).slot).collect();
        assert_eq!(rest, [2, 4]);
        plan.clear();
        plan.add(ShardBatch { broadcasts: vec![broadcast("e", &[3])], ..ShardBatch::default() });
        assert_eq!(sorted(&mut plan, &[]), [(3, b"e".to_vec())]);
    }

    #[test]
    fn a_light_batch_has_few_deliveries_and_closes_no_connection() {
        let of = |count: u32| ShardBatch {
            broadcasts: vec![broadcast("a", &(0..count).collect::<Vec<_>>())],
            ..ShardBatch::default()
        };
        let (few, many) = (of(OVERTAKING_MAX as u32), of(OVERTAKING_MAX as u32 + 1));
        assert!(few.is_light() && !many.is_light());
        assert!(!ShardBatch { closes: vec![(serial(9), Close::GoingAway)], ..of(1) }.is_light());
        let mut plan = WritePlan::default();
        assert!(plan.is_empty());
        plan.add(of(HEAVY_MIN as u32));
        assert!(plan.is_heavy() && !plan.closes_any() && !plan.is_empty());
        plan.add(ShardBatch { closes: vec![(serial(9), Close::GoingAway)], ..ShardBatch::default() });
        assert!(plan.closes_any());
        plan.clear();
        assert!(plan.is_empty() && !plan.is_heavy());
    }

    #[test]
    fn too_many_bytes_are_not_joined() {
        let frame = Bytes::from(vec![b'x'; JOINED_BYTES_MAX / 2]);
        let of = |count| {
            let broadcast = || Broadcast { frame: frame.clone(), kind: FrameKind::Regular, targets: vec![serial(0)] };
            let mut plan = WritePlan::default();
            plan.add(ShardBatch {
                broadcasts: std::iter::repeat_with(broadcast).take(count).collect(),
                ..ShardBatch::default()
            });
            sorted(&mut plan, &[]).swap_remove(0).1.len()
        };
        assert_eq!((of(1), of(2), of(3)), (JOINED_BYTES_MAX / 2, JOINED_BYTES_MAX, 0));
    }

    #[test]
    fn a_plan_takes_whole_batches_until_it_is_full() {
        let mut plan = WritePlan::default();
        let all: Vec<u32> = (0..50_000).collect();
        for full in [false, false, true] {
            plan.add(ShardBatch { broadcasts: vec![broadcast("a", &all)], ..ShardBatch::default() });
            assert_eq!(plan.is_full(), full);
        }
        plan.clear();
        assert!(!plan.is_full() && plan.targets() == 0);
    }
}
