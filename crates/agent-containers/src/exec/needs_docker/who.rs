//! For whom commands run, where, and with which variables.

use super::*;

async fn run_as(inside: &Inside, user: &str, text: &str) -> Result<String, ExecError> {
    let request = ExecRequest { user: Some(user.to_owned()), ..inside.request(text) };
    Ok(finish(start(request).await?).await.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_a_name_or_a_number_with_a_group_if_wanted() {
    let inside = Inside::busybox();
    let text = "echo $(id -u):$(id -g) $HOME $USER $LOGNAME $SHELL $PWD";
    let cases = [
        ("", "0:0 /root root root /bin/sh /root"),
        ("root", "0:0 /root root root /bin/sh /root"),
        ("dev", "1000:1000 /home/dev dev dev /bin/sh /home/dev"),
        ("1000", "1000:1000 /home/dev dev dev /bin/sh /home/dev"),
        ("dev:root", "1000:0 /home/dev dev dev /bin/sh /home/dev"),
        ("dev:77", "1000:77 /home/dev dev dev /bin/sh /home/dev"),
        ("4242:77", "4242:77 / 4242 4242 /bin/sh /"),
    ];
    for (user, expected) in cases {
        assert_eq!(run_as(&inside, user, text).await.unwrap(), format!("{expected}\n"), "{user:?}");
    }
    for user in ["nobody-here", "dev:no-group"] {
        let error = run_as(&inside, user, "true").await.unwrap_err();
        assert!(matches!(error, ExecError::NoUser { .. }), "{user}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_user_database_are_seen() {
    let inside = Inside::busybox();
    let engine = engine();
    for (home, expected) in [("/tmp", "/tmp"), ("/no/such/home", "/")] {
        let line = format!("new:x:1234:1234::{home}:/bin/ash");
        let text = format!("sed -i /^new/d /etc/passwd; echo '{line}' >> /etc/passwd");
        assert_eq!(inside.run(&text).await.1, 0);
        let request =
            ExecRequest { user: Some("new".to_owned()), ..inside.request("echo $0 $PWD $HOME") };
        let command = super::super::exec(&engine, &Agent, request).await.unwrap();
        let (output, _, _) = finish(command).await;
        assert_eq!(output, format!("/bin/ash {expected} {home}\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_user_database_there_are_defaults() {
    let inside = Inside::busybox();
    inside.run("rm /etc/passwd").await;
    let text = "echo $(id -u) $HOME $SHELL $PWD";
    assert_eq!(run_as(&inside, "1000", text).await.unwrap(), "1000 / /bin/sh /\n");
    assert_eq!(inside.run(text).await.0, "0 / /bin/sh /\n");
    // A link is followed to where it leads in the container.
    inside.run("mkdir /else; echo me:x:0:0::/else:/bin/sh >/else/users; ln -s ../else/users /etc/passwd").await;
    assert_eq!(inside.run("pwd").await.0, "/else\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dev_container_says_who_and_adds_variables() {
    let label = r#"devcontainer.metadata=[{"remoteUser": "root"},
        {"remoteUser": "dev", "remoteEnv": {"A": "${containerEnv:OWN}!", "B": "remote", "GONE": null,
            "PATH": "/more:${containerEnv:PATH}", "HOST": "<${localEnv:HOME}>", "USER": "remote"}}]"#;
    let options = ["--label", label, "--env", "OWN=own", "--env", "GONE=here", "--user", "7:7"];
    let inside = Inside::of(&options, real().busybox(), &["sleep", "100000"]);
    let request = ExecRequest {
        variables: vec![
            ("B".into(), "client".into()),
            ("C".into(), "1".into()),
            ("C".into(), "x=y z".into()),
            ("HOME".into(), "/client".into()),
            ("WORKSPACE_AGENT".into(), "client".into()),
        ],
        ..inside.request("id -u; env | sort")
    };
    let (output, _, _) = finish(start(request).await.unwrap()).await;
    let names = ["PWD=", "HOSTNAME=", "SHLVL=", "OLDPWD="];
    let lines: Vec<&str> =
        output.lines().filter(|line| !names.iter().any(|name| line.starts_with(name))).collect();
    let expected = [
        "1000",
        "A=own!",
        "B=client",
        "C=x=y z",
        "HOME=/home/dev",
        "HOST=<>",
        "LOGNAME=dev",
        "OWN=own",
        "PATH=/more:/usr/bin:/bin",
        "SHELL=/bin/sh",
        "USER=dev",
        "WORKSPACE_AGENT=true",
        "WORKSPACE_NAME=one",
    ];
    assert_eq!(lines, expected);
    assert_eq!(run_as(&inside, "root", "id -u").await.unwrap(), "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_metadata_the_container_s_own_user_counts() {
    let inside = Inside::of(&["--user", "dev:0"], real().busybox(), &["sleep", "100000"]);
    assert_eq!(inside.run("echo $(id -u):$(id -g) $PWD").await.0, "1000:0 /home/dev\n");
}
