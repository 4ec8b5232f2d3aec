//! Which key is in a `PUBLIC KEY` block: its SubjectPublicKeyInfo, in DER, of the three kinds that tokens are signed
//! with. Anything else, and anything written another way than DER allows, is no key.

/// AlgorithmIdentifier of rsaEncryption, with its NULL.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// AlgorithmIdentifier of id-ecPublicKey on prime256v1.
const P256: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// AlgorithmIdentifier of id-Ed25519.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// A key that tokens can be checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: &'a [u8], e: &'a [u8] },
    /// A point of P-256, uncompressed: 65 bytes.
    P256(&'a [u8]),
    /// 32 bytes.
    Ed25519(&'a [u8]),
}

/// Reads a SubjectPublicKeyInfo.
pub(super) fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let info = whole(der, SEQUENCE)?;
    let (algorithm, rest) = part(info, SEQUENCE)?;
    let (unused_bits, key) = whole(rest, BIT_STRING)?.split_first()?;
    match algorithm {
        _ if *unused_bits != 0 => None,
        RSA => rsa(key),
        P256 => (key.len() == 65 && key[0] == 4).then_some(PublicKey::P256(key)),
        ED25519 => (key.len() == 32).then_some(PublicKey::Ed25519(key)),
        _ => None,
    }
}

fn rsa(der: &[u8]) -> Option<PublicKey<'_>> {
    let (n, rest) = part(whole(der, SEQUENCE)?, INTEGER)?;
    let e = whole(rest, INTEGER)?;
    Some(PublicKey::Rsa { n: positive(n)?, e: positive(e)? })
}

/// An INTEGER's bytes, if it is above zero, without the zero that makes it positive.
fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
        [first, ..] if (1..0x80).contains(first) => Some(integer),
        _ => None,
    }
}

/// The content of the one element that `input` is.
fn whole(input: &[u8], tag: u8) -> Option<&[u8]> {
    part(input, tag).filter(|(_, rest)| rest.is_empty()).map(|(content, _)| content)
}

/// The content of the element that `input` begins with, and what follows it.
fn part(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], mut rest) = input.split_first_chunk()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        // A key's lengths fit into two bytes.
        let count = usize::from(first & 0x7f);
        if !(1..=2).contains(&count) || rest.len() < count {
            return None;
        }
        let (bytes, after) = rest.split_at(count);
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
        if length < 0x80 || (count == 2 && length < 0x100) {
            return None;
        }
    }
    (found == tag && rest.len() >= length).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence(parts: &[&[u8]]) -> Vec<u8> {
        element(SEQUENCE, &parts.concat())
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut der = vec![tag];
        match length {
            0..0x80 => der.push(u8::try_from(length).unwrap()),
            0x80..0x100 => der.extend([0x81, u8::try_from(length).unwrap()]),
            _ => der.extend([0x82, u8::try_from(length >> 8).unwrap(), length as u8]),
        }
        der.extend_from_slice(content);
        der
    }

    #[test]
    fn three_kinds_of_keys_are_told_apart() {
        let ed = sequence(&[&sequence(&[ED25519]), &element(BIT_STRING, &[[0].as_slice(), &[7; 32]].concat())]);
        assert_eq!(public_key(&ed), Some(PublicKey::Ed25519(&[7; 32])));
        let point = [[4].as_slice(), &[9; 64]].concat();
        let ec = sequence(&[&sequence(&[P256]), &element(BIT_STRING, &[[0].as_slice(), &point].concat())]);
        assert_eq!(public_key(&ec), Some(PublicKey::P256(&point)));
        let modulus = [[0].as_slice(), &[0xff; 256]].concat();
        let key = sequence(&[&element(INTEGER, &modulus), &element(INTEGER, &[1, 0, 1])]);
        let rsa = sequence(&[&sequence(&[RSA]), &element(BIT_STRING, &[[0].as_slice(), &key].concat())]);
        assert_eq!(public_key(&rsa), Some(PublicKey::Rsa { n: &[0xff; 256], e: &[1, 0, 1] }));
        for damaged in [&rsa[..rsa.len() - 1], &[rsa.clone(), vec![0]].concat(), &ed[1..], &[]] {
            assert_eq!(public_key(damaged), None);
        }
    }

    #[test]
    fn a_length_has_one_form_only_the_shortest() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x101, 0xffff] {
            let content = vec![5; length];
            assert_eq!(whole(&element(INTEGER, &content), INTEGER), Some(&content[..]), "{length} bytes");
        }
        let long = |header: &[u8], length: usize| [header, &vec![5; length]].concat();
        for not_the_shortest in [
            long(&[INTEGER, 0x81, 0x7f], 0x7f),
            long(&[INTEGER, 0x82, 0x00, 0x80], 0x80),
            long(&[INTEGER, 0x82, 0x00, 0xff], 0xff),
            long(&[INTEGER, 0x83, 0x00, 0x01, 0x00], 0x100),
            long(&[INTEGER, 0x80], 0),
        ] {
            assert_eq!(
                whole(&not_the_shortest, INTEGER),
                None,
                "{:x?}",
                &not_the_shortest[..4.min(not_the_shortest.len())]
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(der in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = public_key(&der);
        }
    }
}
