//! What is chosen from two offers, what two sides agree on, and the keys drawn from it.

use proptest::prelude::*;

use super::negotiate::NoCommon;
use super::{
    Ephemeral, HOST_KEY_ALGORITHMS, KexError, KexInit, Method, Role, SharedSecret, Transcript,
    derive, negotiate,
};
use crate::cipher::{Cipher, Mac, Suite};
use crate::wire::{Malformed, Put};

const METHODS: [Method; 4] =
    [Method::Curve25519, Method::NistP256, Method::NistP384, Method::NistP521];

/// Returns an offer with these lists: methods, host keys, then ciphers and MACs for both ways.
fn offer([methods, host_keys, ciphers, macs]: [&str; 4], guess: bool) -> KexInit {
    let mut payload = vec![20];
    payload.put_raw(&[7; 16]);
    for list in [methods, host_keys, ciphers, ciphers, macs, macs, "zlib,none", "none", "", "en"] {
        payload.put_string(list.as_bytes());
    }
    payload.put_bool(guess);
    payload.put_u32(0);
    KexInit::decode(&payload).unwrap()
}

const PLAIN: [&str; 4] = ["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256"];

fn server() -> KexInit {
    KexInit::ours(Role::Server, &["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"], true)
}

#[test]
fn the_server_offers_what_the_document_lists() {
    let payload = KexInit::ours(Role::Server, &["ssh-ed25519"], true).encode();
    let mut expected = Vec::new();
    let ciphers = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,\
                   aes256-ctr,aes192-ctr,aes128-ctr";
    let macs = "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512,\
                hmac-sha2-256";
    for list in [
        "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
         ecdh-sha2-nistp521,kex-strict-s-v00@openssh.com",
        "ssh-ed25519",
        ciphers,
        ciphers,
        macs,
        macs,
        "none",
        "none",
        "",
        "",
    ] {
        expected.put_string(list.as_bytes());
    }
    expected.put_raw(&[0; 5]);
    assert_eq!(payload[0], 20);
    assert_eq!(payload[17..], expected);
    assert_ne!(payload[1..17], server().encode()[1..17]);
}

#[test]
fn our_two_ends_agree() {
    let client = KexInit::ours(Role::Client, HOST_KEY_ALGORITHMS, true);
    let chosen = negotiate(&client, &server()).unwrap();
    assert_eq!(chosen.method, Method::Curve25519);
    assert_eq!(chosen.host_key, "ssh-ed25519");
    assert_eq!(chosen.suite(Role::Client).cipher, Cipher::ChaCha20Poly1305);
    assert!(chosen.strict && chosen.client_takes_ext_info && !chosen.server_takes_ext_info);

    let again = KexInit::ours(Role::Client, HOST_KEY_ALGORITHMS, false);
    let chosen = negotiate(&again, &server()).unwrap();
    assert!(!chosen.strict && !chosen.client_takes_ext_info);
}

#[test]
fn the_first_of_the_client_that_the_server_has_is_chosen() {
    let client = offer(
        [
            "sntrup761x25519-sha512,ecdh-sha2-nistp384,curve25519-sha256",
            "ssh-rsa,rsa-sha2-256,rsa-sha2-512",
            "3des-cbc,aes192-ctr,aes128-gcm@openssh.com",
            "hmac-sha1,hmac-sha2-256,hmac-sha2-512-etm@openssh.com",
        ],
        false,
    );
    let chosen = negotiate(&client, &server()).unwrap();
    assert_eq!(chosen.method, Method::NistP384);
    assert_eq!(chosen.host_key, "rsa-sha2-256");
    let suite = Suite { cipher: Cipher::Aes192Ctr, mac: Mac::HmacSha256 };
    assert_eq!((chosen.client_to_server, chosen.server_to_client), (suite, suite));
    assert!(!chosen.strict && !chosen.client_takes_ext_info);
}

#[test]
fn nothing_in_common_names_what_is_missing() {
    let check = |place: usize, list: &str, what: &'static str| {
        let mut lists = PLAIN;
        lists[place] = list;
        assert_eq!(negotiate(&offer(lists, false), &server()), Err(NoCommon { what }));
    };
    check(0, "diffie-hellman-group14-sha256", "key exchange method");
    // A marker is no method, even when both sides list it.
    check(0, "kex-strict-s-v00@openssh.com", "key exchange method");
    check(0, "", "key exchange method");
    check(1, "ssh-rsa,ssh-dss", "host key algorithm");
    check(2, "aes128-cbc", "cipher");
    check(3, "hmac-md5", "MAC");
    assert!(negotiate(&offer(PLAIN, false), &server()).is_ok());
}

#[test]
fn a_cipher_that_authenticates_needs_no_mac() {
    let client = offer([PLAIN[0], PLAIN[1], "aes256-gcm@openssh.com", "hmac-md5"], false);
    assert_eq!(negotiate(&client, &server()).unwrap().client_to_server.cipher, Cipher::Aes256Gcm);
}

#[test]
fn a_guess_is_wrong_unless_the_first_names_are_the_same() {
    let check = |methods, host_keys, guess, expected| {
        let client = offer([methods, host_keys, PLAIN[2], PLAIN[3]], guess);
        let chosen = negotiate(&client, &server()).unwrap();
        assert_eq!(chosen.discard_client_guess, expected, "{methods} {host_keys}");
        assert!(!chosen.discard_server_guess);
    };
    check("curve25519-sha256", "rsa-sha2-512", true, false);
    check("curve25519-sha256", "ssh-ed25519", true, true);
    check("ecdh-sha2-nistp256", "rsa-sha2-512", true, true);
    check("ecdh-sha2-nistp256", "ssh-ed25519", false, false);
}

#[test]
fn another_message_is_no_offer() {
    let expected = Malformed::expected("the offer of a key exchange");
    assert_eq!(KexInit::decode(&[21]).unwrap_err(), expected);
}

#[test]
fn two_sides_share_a_secret() {
    for method in METHODS {
        let (one, other) = (Ephemeral::new(method), Ephemeral::new(method));
        let (one_public, other_public) = (one.public().to_vec(), other.public().to_vec());
        assert_ne!(one_public, other_public);
        let one = one.agree(&other_public).unwrap();
        let other = other.agree(&one_public).unwrap();
        assert_eq!(one.mpint, other.mpint, "{method:?}");
    }
}

#[test]
fn a_public_key_that_gives_no_secret_is_refused() {
    for method in METHODS {
        let public = Ephemeral::new(method).public().to_vec();
        let mut off_curve = public.clone();
        off_curve[public.len() - 1] ^= 1;
        let mut compressed = public[..public.len().div_ceil(2)].to_vec();
        compressed[0] = 2;
        let mut peers = vec![vec![], vec![0], vec![0; public.len()], compressed];
        peers.push(public[..public.len() - 1].to_vec());
        if method != Method::Curve25519 {
            peers.push(off_curve);
        }
        for peer in peers {
            let refused = Ephemeral::new(method).agree(&peer);
            assert_eq!(refused.unwrap_err(), KexError, "{method:?} {peer:?}");
        }
    }
}

/// Checks the exchange hash and four keys against another implementation.
fn check_keys(method: Method, hash: &str, [iv, key, client_mac, server_key]: [&str; 4]) {
    // The first number is zero, and the second would read as a sign.
    let secret = SharedSecret::new(&[&[0, 0x90][..], &(0..30).collect::<Vec<_>>()].concat());
    let transcript = Transcript {
        client_id: b"SSH-2.0-client",
        server_id: b"SSH-2.0-server",
        client_init: b"\x14c",
        server_init: b"\x14s",
        host_key: b"host",
        client_public: b"cp",
        server_public: b"sp",
    };
    let exchange = transcript.hash(method, &secret);
    assert_eq!(to_hex(exchange.as_ref()), hash);
    let draw = |sender, suite| derive(method, &secret, &exchange, &exchange, sender, suite);
    let keys = draw(Role::Client, Suite { cipher: Cipher::Aes256Ctr, mac: Mac::HmacSha512 });
    assert_eq!(to_hex(&keys.iv), iv);
    assert_eq!(to_hex(&keys.key), key);
    assert_eq!(to_hex(&keys.mac), client_mac);
    let keys = draw(Role::Server, Suite { cipher: Cipher::ChaCha20Poly1305, mac: Mac::HmacSha512 });
    assert_eq!(to_hex(&keys.key), server_key);
    assert!(keys.iv.is_empty() && keys.mac.is_empty());
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn keys_are_drawn_with_the_hash_of_the_method() {
    check_keys(
        Method::Curve25519,
        "917a6dd1010453e6779ac6bf70530fd1535e4e0c573fbe1e5d8c0240e5d2c59b",
        [
            "b1decddb4e2c85a9bdbb3b69a8c7b4b6",
            "ba3bb13ac6de9dba511b6e82955e782469c9aae1a50925f93412817f0dcb8188",
            "57c47ac7a37fffea9d82881e796ab773c9719175124cbf84fae829f9998e6a2022de746ea50334bcec00\
             5e26ba9e9cbd76c1e6963127dbd9f806e75574ddb414",
            "e50c9c12bbb4a427f93d0f062011ba8c245a2ce9f42911a14274351ec91e36572d6d5bf365bc6632d93f\
             98bf408ac3584dc07a303083ff6be881fca185fe352f",
        ],
    );
    check_keys(
        Method::NistP384,
        "a9bf22e9b865f2b6132db24adad9ba5f15ba39baaa4b37b103b1d1d21e88435b8f0a10f598785cd823588e23\
         1596f5dd",
        [
            "cbcaeb056105abef8772ada4877f3708",
            "2ff8950d493a75a19b902f87962f25f01867c778fd20f4de5ce4845b1401901d",
            "63f531af9a1fc4e45390bf5e273399c42f6a6e6aebeede6ed2dc8a524f6d582f1f595a4bd0d492c16644\
             26032e21feaeb443ff777b52d43ec0a0392bd34ce6ba",
            "cb030d4d607cb0258f7cc3bddf65ad375c2269f1515d8dd2e5fe3461165dedbe7ddffd0ae8a1f6773028\
             1f7c28d95bb14a793ee7823d6b0d68e0f9829edbc098",
        ],
    );
    check_keys(
        Method::NistP521,
        "796bd087566a71270b718d0e50e7c66308c792f5cc438accd0e3d03eb6781364c8488db2d7b703f846e66503\
         d32490a105ec9326ac3b5730004102ee92f03eca",
        [
            "f6b9f0e9c882e081ee7662a76b407449",
            "3c4abea8a09a7d3ebcddf949435d249db2ae43f6c2b4794db5328ee233aefc03",
            "71fd5dbad6649dde9992e529d107665d7dc878746b46a5fa68675d5083bb7cdc05abde8c8dac5fa527f5\
             8d5be3bc03565773174b36fa914a945b280a2bc5c8b8",
            "25b56075e6ed3d148c6079bc22b0537e531cf05f5353df9e979d90fa58dca232688642b04faa815cecf3\
             553922de09ad8381911b795a1ff2665a875314cf881a",
        ],
    );
}

#[test]
fn secrets_are_not_shown() {
    let secret = SharedSecret::new(&[1; 32]);
    let ephemeral = Ephemeral::new(Method::NistP521);
    assert_eq!(format!("{secret:?} {ephemeral:?}"), "SharedSecret { .. } Ephemeral { .. }");
}

proptest! {
    #[test]
    fn any_bytes_are_an_offer_or_refused(bytes: Vec<u8>) {
        let payload = [&[20; 17][..], &bytes].concat();
        if let Ok(client) = KexInit::decode(&payload) {
            let _ = negotiate(&client, &server());
        }
        for method in METHODS {
            prop_assert!(Ephemeral::new(method).agree(&bytes).is_err() || bytes.len() == 32);
        }
    }
}
