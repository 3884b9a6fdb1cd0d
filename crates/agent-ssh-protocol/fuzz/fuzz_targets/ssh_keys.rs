//! Any bytes as a public key, a certificate or a signature: no panic, and a key that is read is
//! written so that it is read again.
#![no_main]

use agent_ssh_protocol::key::{Certificate, PublicKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (blob, signature) = input;
    if let Ok(key) = PublicKey::decode(blob) {
        check(&key, signature);
    }
    if let Ok(certificate) = Certificate::decode(blob) {
        check(&certificate.key, signature);
        check(&certificate.signature_key, signature);
        let _ = certificate.verify_signature();
    }
});

fn check(key: &PublicKey, signature: &[u8]) {
    assert_eq!(PublicKey::decode(&key.encode()).as_ref(), Ok(key));
    for algorithm in key.signature_algorithms() {
        let _ = key.verify(algorithm, b"message", signature);
    }
}
