//! Keys, certificates and signatures against files that `ssh-keygen` wrote.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use ring::digest::{SHA512, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{
    BadSignature, Certificate, CertificateKind, HostKey, KeyError, PublicKey, SIGNATURE_ALGORITHMS,
    Verified, is_certificate_algorithm, signature_algorithm,
};
use crate::wire::{Malformed, Put, Reader};

const ED25519: &str = include_str!("fixtures/ed25519");
const ECDSA_P256: &str = include_str!("fixtures/ecdsa256");
const ECDSA_P384: &str = include_str!("fixtures/ecdsa384");
const ECDSA_P521: &str = include_str!("fixtures/ecdsa521");
const RSA: &str = include_str!("fixtures/rsa2048");

/// The first and the last of these have secret numbers that begin with a zero byte.
const HOST_KEYS: [&str; 5] = [ECDSA_P256, ECDSA_P384, ED25519, RSA, ECDSA_P521];

/// Lines of a name, the bits and the fingerprint that `ssh-keygen -l` prints, and the key.
const PUBLIC_KEYS: &str = include_str!("fixtures/public_keys.txt");

/// Lines of a name, and a certificate by `ssh-keygen -s`.
const CERTIFICATES: &str = include_str!("fixtures/certificates.txt");

/// Lines of a key's name, and its signature over `a message` by `ssh-keygen -Y sign`.
const SIGNATURES: &str = include_str!("fixtures/signatures.txt");

fn line(lines: &'static str, name: &str) -> Vec<&'static str> {
    let found = lines.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    found.into_iter().find(|words| words[0] == name).expect(name)
}

fn public_key(name: &str) -> PublicKey {
    let words = line(PUBLIC_KEYS, name);
    PublicKey::from_openssh_line_parts(words[3], words[4]).unwrap()
}

fn certificate(name: &str) -> Result<Certificate, KeyError> {
    let words = line(CERTIFICATES, name);
    Certificate::from_openssh_line_parts(words[1], words[2])
}

/// Returns what `ssh-keygen -Y sign -n file` signed in place of the message, and the signature.
fn file_signature(name: &str) -> (Vec<u8>, Vec<u8>) {
    let blob = BASE64_STANDARD.decode(line(SIGNATURES, name)[1]).unwrap();
    let mut reader = Reader::new(blob.strip_prefix(b"SSHSIG").unwrap());
    reader.u32().unwrap();
    reader.string().unwrap();
    let mut message = b"SSHSIG".to_vec();
    for _ in 0..3 {
        message.put_string(reader.string().unwrap());
    }
    message.put_string(digest(&SHA512, b"a message\n").as_ref());
    (message, reader.string().unwrap().to_vec())
}

#[test]
fn public_keys_are_read_and_written_as_ssh_keygen_does() {
    for words in PUBLIC_KEYS.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
        let key = PublicKey::from_openssh_line_parts(words[3], words[4]).unwrap();
        assert_eq!(key.bits().to_string(), words[1]);
        assert_eq!(key.fingerprint(), words[2]);
        assert_eq!(key.to_openssh_line(), words[3..].join(" "));
        assert_eq!(PublicKey::decode(&key.encode()), Ok(key));
    }
}

#[test]
fn a_key_of_another_type_than_its_line_says_is_refused() {
    let base64 = line(PUBLIC_KEYS, "ed25519")[4];
    let refused = PublicKey::from_openssh_line_parts("ssh-rsa", base64);
    let (named, actual) = ("ssh-rsa".to_owned(), "ssh-ed25519".to_owned());
    assert_eq!(refused, Err(KeyError::OtherType { named, actual }));
    let refused = PublicKey::from_openssh_line_parts("ssh-ed25519", "AAAA!");
    assert_eq!(refused, Err(KeyError::Base64));
}

#[test]
fn a_certificate_is_no_plain_key_and_a_plain_key_no_certificate() {
    let blob = BASE64_STANDARD.decode(line(CERTIFICATES, "ed25519")[2]).unwrap();
    let name = "ssh-ed25519-cert-v01@openssh.com".to_owned();
    assert_eq!(PublicKey::decode(&blob), Err(KeyError::UnsupportedType { name }));
    let name = "ssh-ed25519".to_owned();
    let refused = Certificate::decode(&public_key("ed25519").encode());
    assert_eq!(refused, Err(KeyError::UnsupportedType { name }));
}

#[test]
fn keys_that_are_too_short_or_out_of_form_are_refused() {
    let mut rsa = Vec::new();
    rsa.put_string(b"ssh-rsa");
    rsa.put_mpint(&[1, 0, 1]);
    let mut longest_refused = rsa.clone();
    longest_refused.put_mpint(&[&[0x7f][..], &[0xff; 255]].concat());
    assert_eq!(PublicKey::decode(&longest_refused), Err(KeyError::RsaSize { bits: 2047 }));
    rsa.put_mpint(&[0xff; 1025]);
    assert_eq!(PublicKey::decode(&rsa), Err(KeyError::RsaSize { bits: 8200 }));

    let mut ecdsa = Vec::new();
    ecdsa.put_string(b"ecdsa-sha2-nistp256");
    let mut other_curve = ecdsa.clone();
    other_curve.put_string(b"nistp384");
    other_curve.put_string(&[4; 97]);
    let expected = Malformed::expected("the curve of the key's type");
    assert_eq!(PublicKey::decode(&other_curve), Err(expected.into()));
    ecdsa.put_string(b"nistp256");
    ecdsa.put_string(&[2; 33]);
    let expected = Malformed::expected("an uncompressed point");
    assert_eq!(PublicKey::decode(&ecdsa), Err(expected.into()));

    let mut longer = public_key("ed25519").encode();
    longer.push(0);
    assert_eq!(PublicKey::decode(&longer), Err(Malformed::expected("the end").into()));
}

#[test]
fn signatures_by_ssh_keygen_are_good() {
    for (name, algorithm) in [
        ("ed25519", "ssh-ed25519"),
        ("ecdsa256", "ecdsa-sha2-nistp256"),
        ("ecdsa384", "ecdsa-sha2-nistp384"),
        ("ecdsa521", "ecdsa-sha2-nistp521"),
        ("rsa2048", "rsa-sha2-512"),
        ("rsa3072", "rsa-sha2-512"),
    ] {
        let (message, signature) = file_signature(name);
        let key = public_key(name);
        let both = Verified { user_present: true, user_verified: true };
        assert_eq!(key.verify(algorithm, &message, &signature), Ok(both), "{name}");
        assert_eq!(key.verify(algorithm, b"another", &signature), Err(BadSignature), "{name}");
        assert_eq!(key.verify("rsa-sha2-256", &message, &signature), Err(BadSignature));
        let longer = [&signature[..], &[0]].concat();
        assert_eq!(key.verify(algorithm, &message, &longer), Err(BadSignature), "{name}");
    }
}

#[test]
fn a_security_key_says_whether_somebody_was_there() {
    let (message, signature) = file_signature("sk_ed25519");
    let name = "sk-ssh-ed25519@openssh.com";
    assert_eq!(
        public_key("sk_ed25519").verify(name, &message, &signature),
        Ok(Verified { user_present: true, user_verified: false })
    );
    let (message, signature) = file_signature("sk_ecdsa");
    let name = "sk-ecdsa-sha2-nistp256@openssh.com";
    assert_eq!(
        public_key("sk_ecdsa").verify(name, &message, &signature),
        Ok(Verified { user_present: true, user_verified: true })
    );
    // Flags that were changed on the way.
    let mut signature = signature;
    let flags = signature.len() - 5;
    signature[flags] = 4;
    assert_eq!(public_key("sk_ecdsa").verify(name, &message, &signature), Err(BadSignature));
}

#[test]
fn a_security_key_that_nobody_touched_says_so() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let mut blob = Vec::new();
    blob.put_string(b"sk-ssh-ed25519@openssh.com");
    blob.put_string(pair.public_key().as_ref());
    blob.put_string(b"ssh:");
    let mut signed = digest(&ring::digest::SHA256, b"ssh:").as_ref().to_vec();
    signed.put_raw(&[0, 0, 0, 0, 9]);
    signed.put_raw(digest(&ring::digest::SHA256, b"message").as_ref());
    let mut signature = Vec::new();
    signature.put_string(b"sk-ssh-ed25519@openssh.com");
    signature.put_string(pair.sign(&signed).as_ref());
    signature.put_raw(&[0, 0, 0, 0, 9]);
    let key = PublicKey::decode(&blob).unwrap();
    assert!(key.is_security_key());
    assert_eq!(
        key.verify("sk-ssh-ed25519@openssh.com", b"message", &signature),
        Ok(Verified { user_present: false, user_verified: false })
    );
}

#[test]
fn host_keys_sign_what_their_public_half_verifies() {
    for pem in HOST_KEYS {
        let key = HostKey::from_openssh(pem).unwrap();
        for algorithm in key.algorithms() {
            let signature = key.sign(algorithm, b"message").unwrap();
            key.public().verify(algorithm, b"message", &signature).unwrap();
            let refused = key.public().verify(algorithm, b"massage", &signature);
            assert_eq!(refused, Err(BadSignature));
        }
        assert!(key.sign("ssh-rsa", b"message").is_err());
    }
    let key = HostKey::from_openssh(RSA).unwrap();
    assert_eq!(key.algorithms(), ["rsa-sha2-512", "rsa-sha2-256"]);
}

#[test]
fn a_signature_with_sha_1_is_never_good() {
    let key = HostKey::from_openssh(RSA).unwrap();
    let signature = key.sign("rsa-sha2-256", b"message").unwrap();
    let mut reader = Reader::new(&signature);
    reader.string().unwrap();
    let mut renamed = Vec::new();
    renamed.put_string(b"ssh-rsa");
    renamed.put_string(reader.string().unwrap());
    for algorithm in ["ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256"] {
        let refused = key.public().verify(algorithm, b"message", &renamed);
        assert_eq!(refused, Err(BadSignature));
    }
}

#[test]
fn an_rsa_signature_without_its_leading_zeros_is_good() {
    let key = HostKey::from_openssh(RSA).unwrap();
    let (message, value) = (0..10_000_u32)
        .map(|number| {
            let message = number.to_be_bytes();
            let signature = key.sign("rsa-sha2-256", &message).unwrap();
            (message, signature[4 + "rsa-sha2-256".len() + 4..].to_vec())
        })
        .find(|(_, value)| value[0] == 0)
        .unwrap();
    let mut shorter = Vec::new();
    shorter.put_string(b"rsa-sha2-256");
    shorter.put_string(&value[1..]);
    assert!(key.public().verify("rsa-sha2-256", &message, &shorter).is_ok());
}

#[test]
fn host_keys_are_the_same_after_a_file() {
    let generated = HostKey::generate_ed25519();
    let again = HostKey::from_openssh(&generated.to_openssh()).unwrap();
    assert_eq!(again.public(), generated.public());
    let signature = again.sign("ssh-ed25519", b"message").unwrap();
    assert!(generated.public().verify("ssh-ed25519", b"message", &signature).is_ok());
    for pem in HOST_KEYS {
        let key = HostKey::from_openssh(pem).unwrap();
        let again = HostKey::from_openssh(&key.to_openssh()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.private, key.private);
    }
}

#[test]
fn files_that_are_no_host_keys_say_why() {
    let check = |pem: &str, expected: KeyError| {
        assert_eq!(HostKey::from_openssh(pem).unwrap_err(), expected);
    };
    check(include_str!("fixtures/encrypted"), KeyError::Encrypted);
    check(include_str!("fixtures/rsa1024"), KeyError::RsaSize { bits: 1024 });
    let name = "ssh-dss".to_owned();
    check(include_str!("fixtures/dsa"), KeyError::UnsupportedType { name });
    check("", KeyError::NotAPrivateKey);
    check(PUBLIC_KEYS, KeyError::NotAPrivateKey);
    check(&ED25519[..200], KeyError::NotAPrivateKey);
    check("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIC\n", KeyError::Encrypted);
    check(&ED25519.replace("\nQyNTU", "\n?yNTU"), KeyError::Base64);
}

#[test]
fn halves_of_two_keys_are_no_host_key() {
    let (one, other) = (HostKey::generate_ed25519(), HostKey::generate_ed25519());
    let mixed = super::file::write(&one.public().encode(), &other.private);
    assert_eq!(HostKey::from_openssh(&mixed).unwrap_err(), KeyError::InvalidPrivateKey);
}

#[test]
fn a_host_key_does_not_show_its_secret() {
    let key = HostKey::from_openssh(ED25519).unwrap();
    let seed = format!("{:?}", &key.private[key.private.len() - 64..][..4]);
    let shown = format!("{key:?}");
    assert!(!shown.contains(seed.trim_matches(['[', ']'])) && shown.contains("Ed25519"), "{shown}");
}

#[test]
fn a_certificate_has_what_it_was_made_with() {
    let certificate = certificate("ed25519").unwrap();
    assert_eq!(certificate.key, public_key("ed25519"));
    assert_eq!(certificate.kind, CertificateKind::User);
    assert_eq!(certificate.serial, u64::MAX);
    assert_eq!(certificate.key_id, b"an id");
    assert_eq!(certificate.principals, [b"alice".to_vec(), b"bob".to_vec()]);
    assert_eq!(certificate.valid_after, 1_704_067_200);
    assert_eq!(certificate.valid_before, 1_893_456_000);
    let options: Vec<_> = certificate
        .critical_options
        .iter()
        .map(|(name, value)| {
            let value = Reader::new(value).string().unwrap_or_default();
            (std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap())
        })
        .collect();
    assert_eq!(
        options,
        [
            ("force-command", "echo forced"),
            ("source-address", "10.0.0.0/8,::1"),
            ("verify-required", ""),
        ]
    );
    let names: Vec<_> =
        certificate.extensions.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
    assert_eq!(
        names,
        [
            "login@example.com",
            "permit-X11-forwarding",
            "permit-agent-forwarding",
            "permit-port-forwarding",
            "permit-user-rc",
        ]
    );
    let authority = certificate.signature_key.fingerprint();
    assert_eq!(authority, "SHA256:GfQrlDbdt8uvTZ71YgLoGbGjvMZIYiLHfLC1C7n2qyc");
    certificate.verify_signature().unwrap();
}

#[test]
fn certificates_of_every_type_are_read() {
    for name in ["ecdsa256", "ecdsa384", "ecdsa521", "rsa2048", "sk_ed25519", "sk_ecdsa"] {
        let certificate = certificate(name).unwrap();
        assert_eq!(certificate.key, public_key(name));
        assert_eq!(certificate.principals, [b"alice"]);
        assert_eq!((certificate.valid_after, certificate.valid_before), (0, u64::MAX));
        assert_eq!(certificate.verify_signature(), Ok(()), "{name}");
    }
    assert_eq!(certificate("host").unwrap().kind, CertificateKind::Host);
    assert!(certificate("no_principals").unwrap().principals.is_empty());
}

#[test]
fn an_authority_may_sign_with_every_algorithm_but_sha_1() {
    for name in ["rsa_sha2_512", "rsa_sha2_256", "ca_p521"] {
        assert_eq!(certificate(name).unwrap().verify_signature(), Ok(()), "{name}");
    }
    assert_eq!(certificate("rsa_sha1").unwrap().verify_signature(), Err(BadSignature));
    assert_eq!(certificate("ca_weak"), Err(KeyError::RsaSize { bits: 1024 }));
}

#[test]
fn a_certificate_that_was_changed_is_not_signed() {
    let blob = BASE64_STANDARD.decode(line(CERTIFICATES, "ed25519")[2]).unwrap();
    for position in 0..blob.len() {
        let mut changed = blob.clone();
        changed[position] ^= 1;
        if let Ok(certificate) = Certificate::decode(&changed) {
            assert_eq!(certificate.verify_signature(), Err(BadSignature), "byte {position}");
        }
    }
}

#[test]
fn a_certificate_as_authority_and_names_with_nul_are_refused() {
    let authority = BASE64_STANDARD.decode(line(CERTIFICATES, "ed25519")[2]).unwrap();
    let name = "ssh-ed25519-cert-v01@openssh.com".to_owned();
    let refused = Certificate::decode(&built(1, b"id", &[b"alice"], &authority));
    assert_eq!(refused, Err(KeyError::UnsupportedType { name }));

    let authority = public_key("ed25519").encode();
    assert!(Certificate::decode(&built(2, b"id", &[b"alice".as_slice(); 256], &authority)).is_ok());
    let many = Certificate::decode(&built(1, b"id", &[b"alice".as_slice(); 257], &authority));
    assert_eq!(many, Err(KeyError::TooManyPrincipals));
    let kind = Certificate::decode(&built(3, b"id", &[], &authority));
    assert_eq!(kind, Err(KeyError::UnsupportedKind { number: 3 }));
    let nul = Err(KeyError::from(Malformed::expected("a name without NUL")));
    assert_eq!(Certificate::decode(&built(1, b"i\0d", &[], &authority)), nul);
    assert_eq!(Certificate::decode(&built(1, b"id", &[b"alice\0"], &authority)), nul);
}

/// Returns a certificate with an empty signature.
fn built(kind: u32, key_id: &[u8], principals: &[&[u8]], authority: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    for principal in principals {
        list.put_string(principal);
    }
    let mut blob = Vec::new();
    blob.put_string(b"ssh-ed25519-cert-v01@openssh.com");
    blob.put_string(&[1; 32]);
    blob.put_string(&[2; 32]);
    blob.put_u64(7);
    blob.put_u32(kind);
    blob.put_string(key_id);
    blob.put_string(&list);
    blob.put_u64(0);
    blob.put_u64(u64::MAX);
    for empty in [&[][..]; 3] {
        blob.put_string(empty);
    }
    blob.put_string(authority);
    blob.put_string(b"");
    blob
}

#[test]
fn the_algorithm_of_a_signature_is_that_of_the_plain_key() {
    for name in SIGNATURE_ALGORITHMS {
        assert_eq!(signature_algorithm(name), Some(*name));
        assert!(!is_certificate_algorithm(name));
        let stem = name.trim_end_matches("@openssh.com");
        let certificate = format!("{stem}-cert-v01@openssh.com");
        assert_eq!(signature_algorithm(&certificate), Some(*name));
        assert!(is_certificate_algorithm(&certificate));
    }
    for name in ["ssh-rsa", "ssh-dss", "ssh-rsa-cert-v01@openssh.com", "sk-ssh-ed25519", "", "x"] {
        assert_eq!(signature_algorithm(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_refused(bytes: Vec<u8>) {
        let _ = PublicKey::decode(&bytes);
        let _ = Certificate::decode(&bytes);
    }

    #[test]
    fn changed_keys_and_certificates_are_read_or_refused(
        position: prop::sample::Index,
        byte: u8,
        length: prop::sample::Index,
        which in 0..14_usize,
    ) {
        let words: Vec<_> = CERTIFICATES.lines().nth(which).unwrap().split(' ').collect();
        let mut blob = BASE64_STANDARD.decode(words[2]).unwrap();
        *position.get_mut(&mut blob) = byte;
        let shorter = &blob[..length.index(blob.len())];
        prop_assert!(Certificate::decode(shorter).is_err());
        if let Ok(certificate) = Certificate::decode(&blob) {
            let _ = certificate.verify_signature();
            let key = certificate.key.encode();
            prop_assert_eq!(PublicKey::decode(&key), Ok(certificate.key));
        }
    }

    #[test]
    fn any_signature_is_refused_without_a_panic(bytes: Vec<u8>, value: Vec<u8>) {
        for words in PUBLIC_KEYS.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
            let key = PublicKey::from_openssh_line_parts(words[3], words[4]).unwrap();
            for algorithm in key.signature_algorithms() {
                prop_assert_eq!(key.verify(algorithm, b"message", &bytes), Err(BadSignature));
                let mut framed = Vec::new();
                framed.put_string(algorithm.as_bytes());
                framed.put_string(&value);
                framed.put_raw(&[0; 5]);
                prop_assert_eq!(key.verify(algorithm, b"message", &framed), Err(BadSignature));
            }
        }
    }

    #[test]
    fn any_text_is_a_host_key_or_refused(base64 in "[A-Za-z0-9+/\\n]{0,400}") {
        let body = format!("b3BlbnNzaC1rZXktdjEA{base64}");
        let pem = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"
        );
        prop_assert!(HostKey::from_openssh(&pem).is_err());
    }
}
