//! Tables of what OpenSSH's parser makes of options, and properties over any bytes.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<KeyOptions, OptionError> {
    KeyOptions::parse(text.as_bytes())
}

fn check(text: &str, expected: impl FnOnce(&mut KeyOptions)) {
    let mut options = KeyOptions::default();
    expected(&mut options);
    assert_eq!(parse(text), Ok(options), "{text}");
}

fn nothing_allowed(options: &mut KeyOptions) {
    options.pty = false;
    options.port_forwarding = false;
    options.agent_forwarding = false;
    options.x11_forwarding = false;
}

fn host_port(host: &str, port: Option<u16>) -> HostPort {
    HostPort { host: host.into(), port }
}

#[test]
fn flags_are_read_in_any_case_and_the_last_wins() {
    check("", |_| {});
    check("restrict", nothing_allowed);
    check("RESTRICT,PTY", |options| {
        nothing_allowed(options);
        options.pty = true;
    });
    check("pty,restrict", nothing_allowed);
    check("no-pty", |options| options.pty = false);
    check("no-pty,pty", |_| {});
    check("pty,no-pty", |options| options.pty = false);
    check("No-Port-Forwarding", |options| options.port_forwarding = false);
    check("no-agent-forwarding", |options| options.agent_forwarding = false);
    check("no-X11-forwarding", |options| options.x11_forwarding = false);
    check("restrict,port-forwarding,agent-forwarding,X11-forwarding", |options| {
        options.pty = false;
    });
    check("cert-authority", |options| options.cert_authority = true);
    check("no-touch-required", |options| options.touch_required = false);
    check("no-touch-required,touch-required", |_| {});
    check("verify-required", |options| options.verify_required = true);
    check("user-rc,no-user-rc", |_| {});
}

#[test]
fn values_keep_their_bytes_but_for_quoted_quotes() {
    check(r#"command="echo \"a\" b\n\\ ""#, |options| {
        options.command = Some(br#"echo "a" b\n\\ "#.to_vec());
    });
    check(r#"command="a,b c",no-pty"#, |options| {
        options.command = Some(b"a,b c".to_vec());
        options.pty = false;
    });
    check(r#"command="""#, |options| options.command = Some(Vec::new()));
    check(r#"from="10.0.0.0/8,!10.0.0.1""#, |options| {
        options.from = Some(b"10.0.0.0/8,!10.0.0.1".to_vec());
    });
    check(r#"cert-authority,principals="a,b""#, |options| {
        options.cert_authority = true;
        options.principals = Some(b"a,b".to_vec());
    });
    check(r#"environment="A=b",environment="C_1=",tunnel="0",tunnel="Any""#, |_| {});
}

#[test]
fn the_earliest_expiry_counts() {
    check(r#"expiry-time="20240229Z",expiry-time="19700102Z""#, |options| {
        options.expires = Some(86_400);
    });
    check(r#"expiry-time="19700102Z",expiry-time="20240229Z""#, |options| {
        options.expires = Some(86_400);
    });
}

#[test]
fn permits_add_up() {
    check(r#"permitopen="db:5432",permitopen="[::1]:*",permitopen="*:80""#, |options| {
        options.permit_open =
            vec![host_port("db", Some(5432)), host_port("::1", None), host_port("*", Some(80))];
    });
    check(r#"permitlisten="8080",permitlisten="localhost:*",permitlisten="[::]:1""#, |options| {
        options.permit_listen = vec![
            host_port("*", Some(8080)),
            host_port("localhost", None),
            host_port("::", Some(1)),
        ];
    });
}

#[test]
fn what_openssh_refuses_is_refused() {
    use OptionError::*;
    for (text, expected) in [
        ("unheard-of", Unknown),
        ("no-restrict", Unknown),
        ("no-cert-authority", Unknown),
        ("pty-", Unknown),
        ("pty=\"yes\"", Unknown),
        ("command", Unknown),
        ("unheard-of=\"x\"", Unknown),
        (",pty", Unknown),
        ("pty,,pty", Unknown),
        ("pty,", Trailing),
        ("pty pty", Unknown),
        ("command=\"a\"b", Unknown),
        ("command=a", NoStartQuote),
        ("command=", NoStartQuote),
        ("command=\"a", NoEndQuote),
        ("command=\"a\\\"", NoEndQuote),
        ("command=\"a\",command=\"a\"", Twice("command")),
        ("from=\"a\",from=\"a\"", Twice("from")),
        ("principals=\"a\",principals=\"a\"", Twice("principals")),
        ("expiry-time=\"tomorrow\"", ExpiryTime),
        ("environment=\"A\"", Environment),
        ("environment=\"A-B=c\"", Environment),
        ("tunnel=\"\"", Tunnel),
        ("tunnel=\"x\"", Tunnel),
        ("permitopen=\"80\"", Permit),
        ("permitopen=\"host\"", Permit),
        ("permitopen=\"host:\"", Permit),
        ("permitopen=\"host:0\"", Permit),
        ("permitopen=\"host:65536\"", Permit),
        ("permitopen=\"host:1x\"", Permit),
        ("permitopen=\"::1:80\"", Permit),
        ("permitopen=\"[::1]80\"", Permit),
        ("permitopen=\"[::1:80\"", Permit),
        ("permitopen=\"a/b:80\"", Permit),
        ("permitlisten=\"\"", Permit),
        ("permitlisten=\"0\"", Permit),
        ("permitlisten=\"::1\"", Permit),
    ] {
        assert_eq!(parse(text), Err(expected), "{text}");
    }
    let long = format!("permitopen=\"{}:80\"", "h".repeat(MAX_HOST_BYTES + 1));
    assert_eq!(parse(&long), Err(Permit));
}

proptest! {
    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = KeyOptions::parse(&text);
    }

    #[test]
    fn no_likely_text_panics(
        text in r#"((no-)?(restrict|pty|command|from|permitopen|permitlisten|expiry-time)(="[a-z0-9:\[\]*\\]{0,6}"?)?,?){0,4}"#,
    ) {
        let _ = KeyOptions::parse(text.as_bytes());
    }

    #[test]
    fn any_command_survives_quoting(command in r#"[ -~]{0,40}"#) {
        // A backslash before the closing quote can not be written, in OpenSSH either.
        prop_assume!(!command.contains('\\'));
        let text = format!("command=\"{}\"", command.replace('"', "\\\""));
        prop_assert_eq!(parse(&text).unwrap().command, Some(command.into_bytes()));
    }
}
