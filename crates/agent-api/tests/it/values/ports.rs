//! Values of ports: what listens.

use agent_api::{ListListeningPortsResponse, ListeningPort, Network};

use super::Values;

pub(super) fn visit(values: &mut impl Values) {
    values.json(vec![Network::Tcp, Network::Udp, Network::Unknown]);
    values.json(ports());
    values.json(vec![
        ListListeningPortsResponse::default(),
        ListListeningPortsResponse { ports: ports() },
    ]);
}

fn ports() -> Vec<ListeningPort> {
    vec![
        ListeningPort {
            process_name: "node".to_owned(),
            network: Network::Tcp,
            port: 3000,
            address: "127.0.0.1".parse().unwrap(),
            pid: Some(4242),
            process_id: Some("0b9a4c0e-6a55-4d7a-9a44-0f5b6f1f7c21".parse().unwrap()),
        },
        ListeningPort {
            process_name: String::new(),
            network: Network::Tcp,
            port: 65535,
            address: "::".parse().unwrap(),
            pid: None,
            process_id: None,
        },
    ]
}
