//! What the hub gives one shard to do, sorted by connection: each connection is written to once.

use std::ops::Range;

use bytes::Bytes;

use crate::gateway::fanout::connection_serial::ConnectionSerial;
use crate::gateway::fanout::outbox::Weight;
use crate::protocol::Close;

/// Deliveries at which a round takes no more batches: sorting so many takes about a millisecond, and nothing else
/// runs on the thread meanwhile.
const DELIVERIES_PER_ROUND: usize = 128 * 1024;
/// A batch of so few deliveries overtakes a heavy round: a few results must not wait for thousands of marks.
const OVERTAKING_MAX: usize = 16;
/// Deliveries from which on a round is heavy: up to here it takes about a millisecond, and what is joined costs less.
const HEAVY_MIN: usize = 256;
/// Bytes up to which frames for one connection are joined: a socket takes no more by one write.
const JOINED_BYTES_MAX: usize = crate::gateway::shared::settings::SEND_BUFFER_BYTES as usize;

/// What one group of entries gives one shard to do.
#[derive(Debug, Default)]
pub(crate) struct ShardBatch {
    /// In order.
    pub(crate) sendings: Vec<Broadcast>,
    /// Connections to close, after that.
    pub(crate) closes: Vec<(u64, Close)>,
    /// All of that partition that are there then are closed.
    pub(crate) close_all: Option<(usize, Close)>,
}

/// One frame for many.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) frame: Bytes,
    pub(crate) kind: FrameKind,
    /// The serials of this shard's connections.
    pub(crate) targets: Vec<u64>,
}

/// What a frame is to the connection that gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Its welcome.
    Welcome,
    /// A result that it asked to have again.
    Replayed,
    /// Anything else.
    News,
}

impl ShardBatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.sendings.is_empty() && self.closes.is_empty() && self.close_all.is_none()
    }

    /// Whether it is little, and closes nobody.
    pub(crate) fn is_light(&self) -> bool {
        let deliveries: usize = self.sendings.iter().map(|sending| sending.targets.len()).sum();
        deliveries <= OVERTAKING_MAX && self.closes.is_empty() && self.close_all.is_none()
    }
}

impl FrameKind {
    pub(crate) fn weight(self) -> Weight {
        match self {
            Self::Welcome | Self::Replayed => Weight::Free,
            Self::News => Weight::Counted,
        }
    }
}

/// All that is to be done at the moment. Kept from round to round for its memory.
#[derive(Debug, Default)]
pub(crate) struct WritePlan {
    sendings: Vec<Broadcast>,
    closes: Vec<(u64, Close)>,
    close_all: Vec<(usize, Close)>,
    deliveries: usize,
    stops: Vec<Target>,
    /// Places in `sendings`, stop by stop, each stop's in order.
    places: Vec<u32>,
    /// By slot: the number of the connection's stop, from 1. All 0 between rounds.
    stop_of: Vec<u32>,
}

/// One connection in a round.
#[derive(Debug)]
struct Target {
    serial: u64,
    /// Where its part of `places` ends, and the next one's begins.
    end: u32,
    /// It has got them before its turn.
    was_taken_ahead: bool,
}

impl WritePlan {
    /// Takes a batch in, behind the others.
    pub(crate) fn add(&mut self, batch: ShardBatch) {
        self.deliveries += batch.sendings.iter().map(|sending| sending.targets.len()).sum::<usize>();
        self.sendings.extend(batch.sendings);
        self.closes.extend(batch.closes);
        self.close_all.extend(batch.close_all);
    }

    /// Whether further batches should wait for the next round.
    pub(crate) fn is_full(&self) -> bool {
        self.deliveries >= DELIVERIES_PER_ROUND
    }

    /// Sorts what was added by connection, leaving out connections that are not `here` any more. Of those that are,
    /// no two have the same slot.
    pub(crate) fn sort(&mut self, here: impl Fn(u64) -> bool) {
        for sending in &self.sendings {
            for &serial in sending.targets.iter().filter(|serial| here(**serial)) {
                Target::of(serial, &mut self.stops, &mut self.stop_of).end += 1;
            }
        }
        let mut begin = 0;
        for stop in &mut self.stops {
            begin += std::mem::replace(&mut stop.end, begin);
        }
        self.places.resize(begin as usize, 0);
        for (place, sending) in (0..).zip(&self.sendings) {
            for &serial in &sending.targets {
                // None of those that are here is another one's slot.
                if let Some(stop) = Target::found(serial, &mut self.stops, &self.stop_of) {
                    self.places[stop.end as usize] = place;
                    stop.end += 1;
                }
            }
        }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.sendings.is_empty() && !self.closes_any()
    }

    /// Whether it takes long enough for a batch of little to go before the rest.
    pub(crate) fn is_heavy(&self) -> bool {
        self.deliveries >= HEAVY_MIN
    }

    /// Whether it closes somebody: then nobody overtakes, who would get something behind a close frame.
    pub(crate) fn closes_any(&self) -> bool {
        !self.closes.is_empty() || !self.close_all.is_empty()
    }

    /// What there is for a connection that has not got it, in order; it gets it by this and no more by the round.
    /// `done`: of a sorted round so many connections have got theirs.
    pub(crate) fn take_ahead(&mut self, serial: u64, done: usize) -> Vec<(Bytes, FrameKind)> {
        if !self.stops.is_empty() {
            let slot = ConnectionSerial::unpack(serial).slot as usize;
            // Counted from 1; a slot that was given to another connection since has nothing to get here.
            let number = self.stop_of.get(slot).map_or(0, |number| *number as usize);
            if number <= done || self.stops[number - 1].serial != serial || self.stops[number - 1].was_taken_ahead {
                return Vec::new();
            }
            self.stops[number - 1].was_taken_ahead = true;
            return self.parcel(number - 1).sendings().map(|sending| (sending.frame.clone(), sending.kind)).collect();
        }
        let mut taken = Vec::new();
        for sending in &mut self.sendings {
            // Everybody gets a frame once.
            if let Some(at) = sending.targets.iter().position(|target| *target == serial) {
                sending.targets.swap_remove(at);
                taken.push((sending.frame.clone(), sending.kind));
            }
        }
        taken
    }

    fn parcel(&self, at: usize) -> TargetFrames<'_> {
        let begin = at.checked_sub(1).map_or(0, |before| self.stops[before].end);
        TargetFrames { sendings: &self.sendings, places: &self.places[begin as usize..self.stops[at].end as usize] }
    }

    /// How many connections there are to write to.
    pub(crate) fn stops(&self) -> usize {
        self.stops.len()
    }

    /// The connections numbered `range`, each with its sendings, but for those who have got them.
    pub(crate) fn parcels(&self, range: Range<usize>) -> impl Iterator<Item = (u64, TargetFrames<'_>)> {
        let waiting = range.filter(|&at| !self.stops[at].was_taken_ahead);
        waiting.map(|at| (self.stops[at].serial, self.parcel(at)))
    }

    /// Partitions all of whose connections are to be closed when all is sent.
    pub(crate) fn close_all(&self) -> &[(usize, Close)] {
        &self.close_all
    }

    /// Connections to close, after what is sent.
    pub(crate) fn closes(&self) -> &[(u64, Close)] {
        &self.closes
    }

    /// The round is over.
    pub(crate) fn clear(&mut self) {
        self.sendings.clear();
        self.closes.clear();
        self.close_all.clear();
        self.deliveries = 0;
        for stop in &self.stops {
            self.stop_of[stop.slot()] = 0;
        }
        self.stops.clear();
        self.places.clear();
    }
}

impl Target {
    fn of<'a>(serial: u64, stops: &'a mut Vec<Self>, stop_of: &mut Vec<u32>) -> &'a mut Self {
        let slot = ConnectionSerial::unpack(serial).slot as usize;
        if slot >= stop_of.len() {
            stop_of.resize(slot + 1, 0);
        }
        if stop_of[slot] == 0 {
            stops.push(Self { serial, end: 0, was_taken_ahead: false });
            stop_of[slot] = stops.len() as u32;
        }
        &mut stops[stop_of[slot] as usize - 1]
    }

    /// The stop that [`of`](Self::of) made of a connection, if it did.
    fn found<'a>(serial: u64, stops: &'a mut [Self], stop_of: &[u32]) -> Option<&'a mut Self> {
        let number = *stop_of.get(ConnectionSerial::unpack(serial).slot as usize)?;
        stops.get_mut((number as usize).checked_sub(1)?).filter(|stop| stop.serial == serial)
    }

    fn slot(&self) -> usize {
        ConnectionSerial::unpack(self.serial).slot as usize
    }
}

/// What one connection gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetFrames<'a> {
    sendings: &'a [Broadcast],
    places: &'a [u32],
}

impl<'a> TargetFrames<'a> {
    /// Its frames, in order.
    pub(crate) fn frames(self) -> impl Iterator<Item = (&'a Bytes, Weight)> {
        self.sendings().map(|sending| (&sending.frame, sending.kind.weight()))
    }

    /// Whether a welcome is among them.
    pub(crate) fn welcomes(self) -> bool {
        self.sendings().any(|sending| sending.kind == FrameKind::Welcome)
    }

    fn sendings(self) -> impl Iterator<Item = &'a Broadcast> {
        self.places.iter().map(move |&place| &self.sendings[place as usize])
    }
}

/// The frames of one parcel, joined. Most connections of a round get the same, so it is kept for the next one.
#[derive(Debug, Default)]
pub(crate) struct JoinedFrames {
    places: Vec<u32>,
    bytes: Vec<u8>,
}

impl JoinedFrames {
    /// The bytes of the parcel's frames one after the other; nothing if they are too many to be worth it.
    pub(crate) fn of<'a>(&'a mut self, parcel: TargetFrames<'a>) -> &'a [u8] {
        if let [only] = parcel.places {
            return &parcel.sendings[*only as usize].frame;
        }
        if self.places != parcel.places {
            self.places.clear();
            self.places.extend_from_slice(parcel.places);
            self.bytes.clear();
            let bytes: usize = parcel.frames().map(|(frame, _)| frame.len()).sum();
            if bytes <= JOINED_BYTES_MAX {
                parcel.frames().for_each(|(frame, _)| self.bytes.extend_from_slice(frame));
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(slot: u32) -> u64 {
        ConnectionSerial { shard: 0, generation: 0, slot }.pack()
    }

    fn sending(word: &'static str, slots: &[u32]) -> Broadcast {
        let targets = slots.iter().map(|&slot| serial(slot)).collect();
        Broadcast { frame: Bytes::from_static(word.as_bytes()), kind: FrameKind::News, targets }
    }

    fn sorted(round: &mut WritePlan, gone: &[u32]) -> Vec<(u32, Vec<u8>)> {
        let mut joined = JoinedFrames::default();
        round.sort(|serial| !gone.contains(&ConnectionSerial::unpack(serial).slot));
        let each = |(serial, parcel)| (ConnectionSerial::unpack(serial).slot, joined.of(parcel).to_vec());
        round.parcels(0..round.stops()).map(each).collect()
    }

    #[test]
    fn every_connection_gets_its_frames_in_order_by_one_stop() {
        let mut round = WritePlan::default();
        let batch = |sendings| ShardBatch { sendings, ..ShardBatch::default() };
        round.add(batch(vec![sending("a", &[7]), sending("b", &[1, 2, 7])]));
        round.add(batch(vec![sending("c", &[2]), sending("d", &[1, 2])]));
        let words = |of: Vec<(u32, Vec<u8>)>| -> Vec<_> {
            of.into_iter().map(|(slot, bytes)| (slot, String::from_utf8(bytes).unwrap())).collect()
        };
        let told = words(sorted(&mut round, &[]));
        assert_eq!(told, [(7, "ab".to_owned()), (1, "bd".to_owned()), (2, "bcd".to_owned())]);
        let rest: Vec<_> = round.parcels(2..3).map(|(serial, _)| serial).collect();
        assert_eq!(rest, [serial(2)]);
        round.clear();
        round.add(batch(vec![sending("e", &[2, 7, 9])]));
        assert_eq!(words(sorted(&mut round, &[7])), [(2, "e".to_owned()), (9, "e".to_owned())]);
    }

    #[test]
    fn who_is_told_before_its_turn_gets_what_was_to_come_before_it_and_once() {
        let words =
            |taken: Vec<(Bytes, FrameKind)>| taken.into_iter().flat_map(|(frame, _)| frame).collect::<Vec<u8>>();
        let mut round = WritePlan::default();
        let much =
            || ShardBatch { sendings: vec![sending("a", &[1, 2, 3, 4]), sending("b", &[3])], ..ShardBatch::default() };
        round.add(much());
        assert_eq!(words(round.take_ahead(serial(3), 0)), b"ab");
        assert!(round.take_ahead(serial(3), 0).is_empty() && round.take_ahead(serial(9), 0).is_empty());
        assert_eq!(sorted(&mut round, &[]).len(), 3, "the others");
        round.clear();
        round.add(much());
        round.sort(|_| true);
        assert!(round.take_ahead(serial(1), 1).is_empty(), "it was the first, and has got it");
        assert_eq!(words(round.take_ahead(serial(3), 1)), b"ab");
        let another = ConnectionSerial { shard: 0, generation: 1, slot: 2 }.pack();
        assert!(round.take_ahead(serial(3), 1).is_empty() && round.take_ahead(another, 1).is_empty());
        let rest: Vec<_> = round.parcels(1..4).map(|(serial, _)| ConnectionSerial::unpack(serial).slot).collect();
        assert_eq!(rest, [2, 4]);
        round.clear();
        round.add(ShardBatch { sendings: vec![sending("e", &[3])], ..ShardBatch::default() });
        assert_eq!(sorted(&mut round, &[]), [(3, b"e".to_vec())]);
    }

    #[test]
    fn little_is_what_goes_to_few_and_closes_nobody() {
        let of = |count: u32| ShardBatch {
            sendings: vec![sending("a", &(0..count).collect::<Vec<_>>())],
            ..ShardBatch::default()
        };
        let (few, many) = (of(OVERTAKING_MAX as u32), of(OVERTAKING_MAX as u32 + 1));
        assert!(few.is_light() && !many.is_light());
        assert!(!ShardBatch { closes: vec![(serial(9), Close::GoingAway)], ..of(1) }.is_light());
        let mut round = WritePlan::default();
        assert!(round.is_empty());
        round.add(of(HEAVY_MIN as u32));
        assert!(round.is_heavy() && !round.closes_any() && !round.is_empty());
        round.add(ShardBatch { closes: vec![(serial(9), Close::GoingAway)], ..ShardBatch::default() });
        assert!(round.closes_any());
        round.clear();
        assert!(round.is_empty() && !round.is_heavy());
    }

    #[test]
    fn too_many_bytes_are_not_joined() {
        let frame = Bytes::from(vec![b'x'; JOINED_BYTES_MAX / 2]);
        let of = |count| {
            let sending = || Broadcast { frame: frame.clone(), kind: FrameKind::News, targets: vec![serial(0)] };
            let mut round = WritePlan::default();
            round.add(ShardBatch {
                sendings: std::iter::repeat_with(sending).take(count).collect(),
                ..ShardBatch::default()
            });
            sorted(&mut round, &[]).swap_remove(0).1.len()
        };
        assert_eq!((of(1), of(2), of(3)), (JOINED_BYTES_MAX / 2, JOINED_BYTES_MAX, 0));
    }

    #[test]
    fn a_round_takes_whole_batches_until_it_is_full() {
        let mut round = WritePlan::default();
        let all: Vec<u32> = (0..50_000).collect();
        for full in [false, false, true] {
            round.add(ShardBatch { sendings: vec![sending("a", &all)], ..ShardBatch::default() });
            assert_eq!(round.is_full(), full);
        }
        round.clear();
        assert!(!round.is_full() && round.stops() == 0);
    }
}
