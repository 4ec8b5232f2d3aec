//! Tokens made by hand, so that they can also be what no library would make. Shared with the unit tests of `auth`.

use std::fmt::Display;

use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::key_file;

pub(crate) fn private(name: &str) -> Vec<u8> {
    PrivatePkcs8KeyDer::from_pem_file(key_file(name)).unwrap().secret_pkcs8_der().to_vec()
}

/// base64url without padding, as tokens have it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().chain([0; 2].iter()).take(3).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        for place in 0..=three.len() {
            text.push(char::from(digits[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// A token of these very parts, signed by `sign`.
pub(crate) fn token_of(header: &Value, claims: impl Display, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let signature = base64(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub(crate) fn by_secret(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    move |message| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

pub(crate) fn by_rsa(file: &str) -> impl Fn(&[u8]) -> Vec<u8> + use<> {
    let key = RsaKeyPair::from_pkcs8(&private(file)).unwrap();
    move |message| {
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

pub(crate) fn by_ec(message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private("ec.key.pem"), &random).unwrap();
    key.sign(&random, message).unwrap().as_ref().to_vec()
}

pub(crate) fn by_ed(message: &[u8]) -> Vec<u8> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&private("ed.key.pem")).unwrap().sign(message).as_ref().to_vec()
}
