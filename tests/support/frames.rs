//! WebSocket frames, by the byte.

/// A client's frame (masked with zeros, which leaves the payload as it is).
pub(crate) fn frame(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if last { 0x80 } else { 0 }];
    match payload.len() {
        n @ 0..=125 => bytes.push(0x80 | u8::try_from(n).unwrap()),
        n @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Takes the first frame off `unread`: its opcode and payload. `None` until it is whole.
pub(crate) fn take_frame(unread: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (*unread.first()?, *unread.get(1)?);
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(unread.get(2..4)?.try_into().unwrap()))),
        127 => (10, usize::try_from(u64::from_be_bytes(unread.get(2..10)?.try_into().unwrap())).unwrap()),
        n => (2, usize::from(n)),
    };
    if unread.len() < head + length {
        return None;
    }
    let payload = unread.drain(..head + length).skip(head).collect();
    Some((first & 0x0f, payload))
}
