//! Recorded and odd answers, and the containers they become.

use serde_json::json;

use super::*;

const ID: &str = "4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d";

fn inspect() -> Value {
    json!({
        "Id": ID,
        "Created": "2030-01-02T03:04:05.678901234Z",
        "Name": "/happy_cat",
        "State": {"Status": "running", "Running": true, "Paused": false, "ExitCode": 0, "Error": ""},
        "Image": "sha256:0",
        "Config": {"Image": "local/busybox:1", "Labels": {"a": "b", "c.d": "é \"x\""}},
        "NetworkSettings": {"Ports": {
            "8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}, {"HostIp": "::", "HostPort": "80"}],
            "9/udp": null,
        }},
        "Mounts": [
            {"Type": "bind", "Source": "/src", "Destination": "/first"},
            {"Type": "tmpfs", "Source": "", "Destination": "/tmp"},
            {"Type": "volume", "Name": "v", "Source": "/data/v", "Destination": "/v"},
            {"Type": "bind", "Source": "/src", "Destination": "/last"},
        ],
    })
}

fn summary() -> Value {
    json!({
        "Id": ID,
        "Names": ["/happy_cat"],
        "Image": "local/busybox:1",
        "ImageID": "sha256:0",
        "Created": 1_893_553_445,
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 8080, "PublicPort": 80, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 8080, "PublicPort": 80, "Type": "tcp"},
            {"PrivatePort": 9, "Type": "udp"},
        ],
        "Labels": {"a": "b", "c.d": "é \"x\""},
        "State": "running",
        "Status": "Up 2 minutes",
        "Mounts": [{"Type": "bind", "Source": "/src", "Destination": "/last"},
                   {"Type": "volume", "Source": "/data/v", "Destination": "/v"}],
    })
}

fn expected() -> Value {
    json!({
        "created_at": "2030-01-02T03:04:05.678Z",
        "id": ID,
        "name": "happy_cat",
        "image": "local/busybox:1",
        "labels": {"a": "b", "c.d": "é \"x\""},
        "running": true,
        "ports": [{"port": 8080, "network": "tcp", "host_ip": "0.0.0.0", "host_port": 80}],
        "status": "running",
        "state": "running",
        "volumes": {"/data/v": "/v", "/src": "/last"},
    })
}

#[test]
fn an_answer_of_inspect_is_a_container() {
    let seen = of_inspect(&inspect(), &summary());
    assert_eq!(serde_json::to_value(&seen.container).unwrap(), expected());
    assert!(seen.warnings.is_empty());
}

#[test]
fn a_summary_alone_tells_nearly_the_same() {
    let mut expected = expected();
    expected["created_at"] = "2030-01-02T03:04:05.000Z".into();
    for seen in [of_summary(&summary()), of_inspect(&json!("no object"), &summary())] {
        assert_eq!(serde_json::to_value(&seen.container).unwrap(), expected);
    }
}

#[test]
fn the_status_tells_how_it_ended() {
    let cases = [
        (true, 0, "", "running", "running"),
        (true, 1, "old", "restarting", "running"),
        (true, 0, "", "paused", "running"),
        (false, 3, "", "exited", "exited with code 3"),
        (false, 0, "", "exited", "exited successfully"),
        (false, 0, "", "created", "exited successfully"),
        (false, 127, "no such file", "created", "exited with code 127: no such file"),
        (false, 0, "odd", "dead", "exited successfully: odd"),
        (false, -1, "", "exited", "exited with code -1"),
    ];
    for (running, code, error, state, expected) in cases {
        let mut inspect = inspect();
        inspect["State"] =
            json!({"Status": state, "Running": running, "ExitCode": code, "Error": error});
        let container = of_inspect(&inspect, &Value::Null).container;
        assert_eq!((container.status.as_str(), container.running), (expected, running));
        assert_eq!(container.state, state);
    }
}

#[test]
fn the_words_of_podman_are_those_of_docker() {
    let cases =
        [("configured", "created"), ("stopped", "exited"), ("dead", "dead"), ("new", "new")];
    for (said, expected) in cases {
        let mut inspect = inspect();
        inspect["State"]["Status"] = said.into();
        assert_eq!(of_inspect(&inspect, &summary()).container.state, expected);
        let mut summary = summary();
        summary["State"] = said.into();
        assert_eq!(of_summary(&summary).container.state, expected);
    }
}

#[test]
fn a_warning_names_the_container() {
    let mut inspect = inspect();
    inspect["NetworkSettings"]["Ports"] =
        json!({"8080/tcp/udp": [{"HostIp": "0.0.0.0", "HostPort": "80"}]});
    let seen = of_inspect(&inspect, &summary());
    assert_eq!(seen.warnings, ["container 4f66ad9a5b2c: invalid port format \"8080/tcp/udp\""]);
    assert_eq!((seen.container.ports[0].port, seen.container.ports[0].host_port), (0, 80));
}

#[test]
fn what_an_odd_answer_lacks_costs_only_itself() {
    for key in ["Id", "Created", "Name", "State", "Config", "NetworkSettings", "Mounts"] {
        for odd in [Value::Null, json!(7), json!([1]), json!({"x": 1})] {
            let mut inspect = inspect();
            inspect[key] = odd;
            let container = of_inspect(&inspect, &summary()).container;
            assert_eq!(container.id, ID, "{key}");
            assert!(container.running && container.name == "happy_cat", "{key}");
        }
    }
    let mut inspect = inspect();
    inspect["Config"]["Labels"] = json!({"good": "x", "odd": 7});
    let labels = of_inspect(&inspect, &summary()).container.labels;
    assert_eq!(labels, BTreeMap::from([("good".to_owned(), "x".to_owned())]));
}

#[test]
fn times_have_offsets_or_are_seconds() {
    let cases = [
        (json!("2030-01-02T05:04:05.6+02:00"), Some("2030-01-02T03:04:05.600Z")),
        (json!("2030-01-02T03:04:05Z"), Some("2030-01-02T03:04:05.000Z")),
        (json!(1_893_553_445), Some("2030-01-02T03:04:05.000Z")),
        (json!("yesterday"), None),
        (json!(i64::MAX), None),
        (Value::Null, None),
    ];
    for (value, expected) in cases {
        assert_eq!(time(&value).map(|time| time.to_string()).as_deref(), expected, "{value}");
    }
}

#[test]
fn the_essence_stays_while_only_time_passes() {
    let old = essence(&summary());
    let mut later = summary();
    later["Status"] = "Up 3 minutes (healthy)".into();
    later["SizeRw"] = 5.into();
    later["Ports"].as_array_mut().unwrap().reverse();
    assert_eq!(essence(&later), old);
    let changes = [
        ("Status", json!("Exited (3) 1 second ago")),
        ("State", json!("paused")),
        ("Names", json!(["/x"])),
        ("Labels", json!({})),
        ("Ports", json!([])),
        ("Created", json!(1)),
    ];
    for (key, value) in changes {
        let mut other = summary();
        other[key] = value;
        assert_ne!(essence(&other), old, "{key}");
    }
    let exited = |code: &str| essence(&json!({"Status": format!("Exited ({code}) 1 hour ago")}));
    assert_ne!(exited("0"), exited("1"));
}
