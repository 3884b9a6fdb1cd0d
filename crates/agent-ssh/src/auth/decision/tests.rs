//! Every row of the option and certificate tables, over keys and certificates made here.

use agent_ssh_protocol::{key::HostKey, wire::Put as _};

use super::*;
use crate::auth::authorized_keys::entries;

const NOW: u64 = 1_000_000;
const USER: u32 = 1;
const HOST: u32 = 2;

/// A certificate before it is signed, good for `alice` now.
struct Draft {
    kind: u32,
    principals: Vec<&'static str>,
    valid: (u64, u64),
    critical: Vec<(&'static str, Option<&'static str>)>,
    extensions: Vec<&'static str>,
    is_signature_broken: bool,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            kind: USER,
            principals: vec!["alice"],
            valid: (NOW - 10, NOW + 10),
            critical: Vec::new(),
            extensions: vec![
                "permit-X11-forwarding",
                "permit-agent-forwarding",
                "permit-port-forwarding",
                "permit-pty",
            ],
            is_signature_broken: false,
        }
    }
}

impl Draft {
    fn sign(&self, key: &PublicKey, authority: &HostKey) -> Certificate {
        let public = key.encode();
        let mut blob = Vec::new();
        let algorithm = key.algorithm().trim_end_matches("@openssh.com");
        blob.put_string(format!("{algorithm}-cert-v01@openssh.com").as_bytes());
        blob.put_string(b"nonce");
        // The certified key is written without its type.
        let type_name = 4 + key.algorithm().len();
        blob.put_raw(&public[type_name..]);
        blob.put_u64(7);
        blob.put_u32(self.kind);
        blob.put_string(b"id of alice");
        let mut principals = Vec::new();
        self.principals.iter().for_each(|name| principals.put_string(name.as_bytes()));
        blob.put_string(&principals);
        blob.put_u64(self.valid.0);
        blob.put_u64(self.valid.1);
        blob.put_string(&options(&self.critical));
        let extensions: Vec<_> = self.extensions.iter().map(|name| (*name, None)).collect();
        blob.put_string(&options(&extensions));
        blob.put_string(b"");
        blob.put_string(&authority.public().encode());
        let mut signature = authority.sign("ssh-ed25519", &blob).expect("a signature");
        if self.is_signature_broken {
            *signature.last_mut().expect("bytes") ^= 1;
        }
        blob.put_string(&signature);
        Certificate::decode(&blob).expect("a certificate")
    }
}

fn options(list: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, value) in list {
        let mut data = Vec::new();
        if let Some(value) = value {
            data.put_string(value.as_bytes());
        }
        all.put_string(name.as_bytes());
        all.put_string(&data);
    }
    all
}

/// A key, an authority, and a place to try them.
struct World {
    key: PublicKey,
    authority: HostKey,
}

impl World {
    fn new() -> Self {
        let key = HostKey::generate_ed25519().public().clone();
        Self { key, authority: HostKey::generate_ed25519() }
    }

    /// Decides about the key or a certificate of it. In `lines`, `KEY` is the key and `CA` the
    /// authority's; the authority is trusted without a line when there are none.
    fn decide(&self, lines: &[&str], draft: Option<&Draft>) -> Result<Grant, Refused> {
        let file = lines.join("\n");
        // A key may have the other word in it by chance.
        let file = file.replace("KEY", "\u{1}").replace("CA", "\u{2}");
        let file = file.replace('\u{1}', &self.key.to_openssh_line());
        let file = file.replace('\u{2}', &self.authority.public().to_openssh_line());
        let entries: Vec<Entry> =
            entries(file.as_bytes()).map(|(_, entry)| entry.expect("a good line")).collect();
        let certificate = draft.map(|draft| draft.sign(&self.key, &self.authority));
        let attempt = Attempt {
            key: &self.key,
            certificate: certificate.as_ref(),
            peer: "10.0.0.1".parse().expect("an address"),
            now: NOW,
            verified: None,
        };
        let authorities =
            if lines.is_empty() { vec![self.authority.public().clone()] } else { Vec::new() };
        let principals = [b"alice".to_vec(), b"team".to_vec()];
        decide(
            &attempt,
            &Rules { entries: &entries, authorities: &authorities, principals: &principals },
        )
    }
}

fn check(lines: &[&str], draft: Option<Draft>, expected: Result<(), Refused>) {
    let decided = World::new().decide(lines, draft.as_ref()).map(drop);
    assert_eq!(decided, expected, "{lines:?}");
}

#[test]
fn a_key_needs_a_line_of_its_own() {
    check(&["KEY"], None, Ok(()));
    check(&["CA"], None, Err(Refused::UnknownKey));
    check(&["cert-authority KEY"], None, Err(Refused::UnknownKey));
    check(&["from=\"10.0.0.0/8\" KEY"], None, Ok(()));
    check(&["from=\"192.0.2.1\" KEY"], None, Err(Refused::From));
    check(&["from=\"10.0.0.1/8\" KEY"], None, Err(Refused::From));
    check(&["expiry-time=\"19700112Z\" KEY"], None, Err(Refused::Expired));
    check(&["expiry-time=\"19700112134640Z\" KEY"], None, Ok(()));
    check(&["expiry-time=\"19700112134639Z\" KEY"], None, Err(Refused::Expired));
    check(&["principals=\"alice\" KEY"], None, Err(Refused::StrayPrincipals));
}

#[test]
fn the_first_line_that_admits_a_key_says_what_it_may() {
    let world = World::new();
    let lines = ["from=\"192.0.2.1\" KEY", "no-pty,command=\"a\" KEY", "KEY"];
    let grant = world.decide(&lines, None).unwrap();
    assert!(!grant.pty && grant.port_forwarding);
    assert_eq!(grant.forced.as_deref(), Some(&b"a"[..]));
    let identity = grant.identity.unwrap();
    assert_eq!(identity.key_type, "ssh-ed25519");
    assert_eq!(identity.fingerprint, world.key.fingerprint());
    assert_eq!(identity.certificate_id, None);
}

#[test]
fn a_certificate_needs_an_authority_that_is_trusted() {
    check(&[], Some(Draft::default()), Ok(()));
    check(&["cert-authority CA"], Some(Draft::default()), Ok(()));
    check(&["CA"], Some(Draft::default()), Err(Refused::UnknownAuthority));
    check(&["KEY"], Some(Draft::default()), Err(Refused::UnknownAuthority));
    check(&["cert-authority KEY"], Some(Draft::default()), Err(Refused::UnknownAuthority));
}

#[test]
fn each_row_of_the_certificate_table_refuses() {
    let refused = |draft: Draft, error: CertificateError| {
        let world = World::new();
        for lines in [&[][..], &["cert-authority CA"]] {
            let decided = world.decide(lines, Some(&draft)).map(drop);
            assert_eq!(decided, Err(error.into()), "{lines:?}");
        }
    };
    use CertificateError::*;
    refused(Draft { kind: HOST, ..Draft::default() }, Kind);
    refused(Draft { is_signature_broken: true, ..Draft::default() }, Signature);
    refused(Draft { valid: (NOW + 1, NOW + 2), ..Draft::default() }, NotYetValid);
    refused(Draft { valid: (0, NOW), ..Draft::default() }, Expired);
    refused(Draft { principals: vec![], ..Draft::default() }, Principal);
    refused(Draft { principals: vec!["bob", "Alice", ""], ..Draft::default() }, Principal);
    for (name, value, error) in [
        ("source-address", Some("192.0.2.0/24"), SourceAddress),
        ("source-address", Some("*"), SourceAddress),
        ("force-command", None, Malformed),
        ("unheard-of", None, CriticalOption),
        ("permit-pty", None, CriticalOption),
        ("verify-required", None, Unverifiable),
    ] {
        refused(Draft { critical: vec![(name, value)], ..Draft::default() }, error);
    }
}

#[test]
fn principals_are_those_of_the_line_or_of_the_server() {
    let draft =
        |names: &[&'static str]| Some(Draft { principals: names.into(), ..Draft::default() });
    let unknown = || Err(CertificateError::Principal.into());
    check(&[], draft(&["x", "team"]), Ok(()));
    check(&["cert-authority CA"], draft(&["team"]), Ok(()));
    let own = "cert-authority,principals=\"ops,dev\" CA";
    check(&[own], draft(&["dev"]), Ok(()));
    check(&[own], draft(&["alice"]), unknown());
    check(&[own], draft(&["ops,dev"]), unknown());
    check(&[own, "cert-authority CA"], draft(&["alice"]), Ok(()));
    check(&["cert-authority,principals=\"\" CA"], draft(&["alice"]), unknown());
}

#[test]
fn the_line_of_an_authority_is_asked_as_well() {
    let line = |options: &str| format!("cert-authority,{options} CA");
    check(&[&line("from=\"192.0.2.1\"")], Some(Draft::default()), Err(Refused::From));
    let expired = line("expiry-time=\"19700102Z\"");
    check(&[&expired], Some(Draft::default()), Err(Refused::Expired));
}

#[test]
fn a_feature_needs_the_line_and_the_certificate() {
    let world = World::new();
    let less = Draft { extensions: vec!["permit-pty"], ..Draft::default() };
    let grant = world.decide(&[], Some(&less)).unwrap();
    let features = |grant: &Grant| {
        (grant.pty, grant.port_forwarding, grant.agent_forwarding, grant.x11_forwarding)
    };
    assert_eq!(features(&grant), (true, false, false, false));
    let grant = world.decide(&["cert-authority,no-pty CA"], Some(&Draft::default())).unwrap();
    assert_eq!(features(&grant), (false, true, true, true));
    let restricted = ["cert-authority,restrict,pty CA"];
    let grant = world.decide(&restricted, Some(&less)).unwrap();
    assert_eq!(features(&grant), (true, false, false, false));
    let identity = grant.identity.unwrap();
    assert_eq!(identity.key_type, "ssh-ed25519-cert-v01@openssh.com");
    assert_eq!(identity.certificate_id.as_deref(), Some("id of alice"));
}

#[test]
fn forced_commands_agree_or_refuse() {
    let forced = |line: Option<&str>, certificate: Option<&'static str>| {
        let critical = certificate.map(|command| ("force-command", Some(command)));
        let draft = Draft { critical: critical.into_iter().collect(), ..Draft::default() };
        let line = line.map_or("cert-authority CA".to_owned(), |command| {
            format!("cert-authority,command=\"{command}\" CA")
        });
        World::new().decide(&[&line], Some(&draft)).map(|grant| grant.forced)
    };
    assert_eq!(forced(None, None), Ok(None));
    assert_eq!(forced(Some("a"), None), Ok(Some(b"a".to_vec())));
    assert_eq!(forced(None, Some("a")), Ok(Some(b"a".to_vec())));
    assert_eq!(forced(Some("a"), Some("a")), Ok(Some(b"a".to_vec())));
    let differ = Err(CertificateError::ForcedCommand.into());
    assert_eq!(forced(Some("a"), Some("b")), differ);
    assert_eq!(forced(Some(""), Some("b")), differ);
}

fn security_key() -> PublicKey {
    let ed25519 = HostKey::generate_ed25519().public().encode();
    let mut blob = Vec::new();
    blob.put_string(b"sk-ssh-ed25519@openssh.com");
    blob.put_raw(&ed25519[4 + "ssh-ed25519".len()..]);
    blob.put_string(b"ssh:");
    PublicKey::decode(&blob).expect("a security key")
}

/// Decides about a security key whose signature shows this much.
fn touched(options: &str, user_present: bool, user_verified: bool) -> Result<(), Refused> {
    let key = security_key();
    let line = format!("{options} {}", key.to_openssh_line());
    let entries: Vec<Entry> =
        entries(line.as_bytes()).map(|(_, entry)| entry.expect("a good line")).collect();
    let attempt = Attempt {
        key: &key,
        certificate: None,
        peer: "10.0.0.1".parse().expect("an address"),
        now: NOW,
        verified: Some(Verified { user_present, user_verified }),
    };
    let rules = Rules { entries: &entries, authorities: &[], principals: &[] };
    decide(&attempt, &rules).map(drop)
}

#[test]
fn a_security_key_shows_what_its_line_asks() {
    for (options, present, verified, expected) in [
        ("pty", true, false, Ok(())),
        ("pty", false, false, Err(Refused::Touch)),
        ("pty", false, true, Err(Refused::Touch)),
        ("no-touch-required", false, false, Ok(())),
        ("verify-required", true, true, Ok(())),
        ("verify-required", true, false, Err(Refused::Verification)),
        ("verify-required,no-touch-required", false, true, Ok(())),
        ("no-touch-required,verify-required", false, false, Err(Refused::Verification)),
    ] {
        assert_eq!(touched(options, present, verified), expected, "{options}");
    }
}

/// Decides about a certificate whose key showed this much; `line` is its authority's.
fn certified_touch(
    line: Option<&str>,
    draft: &Draft,
    user_present: bool,
    user_verified: bool,
) -> Result<(), Refused> {
    let world = World { key: security_key(), ..World::new() };
    let certificate = draft.sign(&world.key, &world.authority);
    let authority = world.authority.public();
    let line = line.map(|options| format!("{options} {}", authority.to_openssh_line()));
    let entries: Vec<Entry> = entries(line.unwrap_or_default().as_bytes())
        .map(|(_, entry)| entry.expect("a good line"))
        .collect();
    let trusted = if entries.is_empty() { vec![authority.clone()] } else { Vec::new() };
    let attempt = Attempt {
        key: &world.key,
        certificate: Some(&certificate),
        peer: "10.0.0.1".parse().expect("an address"),
        now: NOW,
        verified: Some(Verified { user_present, user_verified }),
    };
    let principals = [b"alice".to_vec()];
    let rules = Rules { entries: &entries, authorities: &trusted, principals: &principals };
    decide(&attempt, &rules).map(drop)
}

#[test]
fn a_certificate_asks_for_touch_and_verification() {
    let plain = Draft::default();
    let no_touch = Draft { extensions: vec!["no-touch-required"], ..Draft::default() };
    let verify = Draft { critical: vec![("verify-required", None)], ..Draft::default() };
    for (line, draft, present, verified, expected) in [
        (None, &plain, false, false, Err(Refused::Touch)),
        (None, &no_touch, false, false, Ok(())),
        (Some("cert-authority"), &no_touch, false, false, Err(Refused::Touch)),
        (Some("cert-authority,no-touch-required"), &plain, false, false, Err(Refused::Touch)),
        (Some("cert-authority,no-touch-required"), &no_touch, false, false, Ok(())),
        (None, &verify, true, false, Err(Refused::Verification)),
        (None, &verify, true, true, Ok(())),
        (Some("cert-authority,verify-required"), &plain, true, false, Err(Refused::Verification)),
    ] {
        let decided = certified_touch(line, draft, present, verified);
        assert_eq!(decided, expected, "{line:?} {present} {verified}");
    }
}
