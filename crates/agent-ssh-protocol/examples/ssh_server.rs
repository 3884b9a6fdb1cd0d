//! A server without programs, to try clients on: it takes anyone on a port of this machine.
//!
//! `ssh -p PORT 127.0.0.1 echo` sends back what it gets, `sink` counts it, `zeros N` sends N
//! bytes. The first argument is the port, 0 or none for a free one; the second one the bytes after
//! which new keys are made.
#![expect(clippy::print_stdout, reason = "it tells its port to who started it")]

use std::sync::Arc;

use agent_ssh_protocol::key::HostKey;
use agent_ssh_protocol::wire::Reader;
use agent_ssh_protocol::{
    Authenticator, Channel, ChannelClosed, ConnectionConfig, Event, Offer, ServerConfig, accept,
};
use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

struct Anyone;

impl Authenticator for Anyone {
    async fn none(&mut self, _: &[u8]) -> bool {
        true
    }

    async fn public_key(&mut self, _: Offer<'_>) -> bool {
        true
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let mut connection = ConnectionConfig::default();
    if let Some(bytes) = arguments.next() {
        connection.rekey_bytes = bytes.parse()?;
    }
    let config = Arc::new(ServerConfig {
        software: "example_1.0".to_owned(),
        host_keys: vec![Arc::new(HostKey::generate_ed25519())],
        max_auth_tries: 6,
        connection,
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("{}", listener.local_addr()?.port());
    let mut clients = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        clients.spawn(serve(stream, Arc::clone(&config)));
    }
}

async fn serve(stream: TcpStream, config: Arc<ServerConfig>) {
    let accepted = match accept(stream, config, Anyone).await {
        Ok(accepted) => accepted,
        Err(error) => return println!("{error}"),
    };
    let mut incoming = accepted.incoming;
    let mut tasks = JoinSet::new();
    let connection = async {
        while let Some(event) = incoming.next().await {
            if let Event::Open(open) = event {
                tasks.spawn(session(open.accept()));
            }
        }
    };
    let (ended, ()) = tokio::join!(accepted.driver.run(), connection);
    println!("{ended}");
}

async fn session(mut channel: Channel) {
    while let Some(request) = channel.requests.next().await {
        match &*request.name {
            b"exec" => {
                let command = Reader::new(&request.payload).text().unwrap_or_default().to_owned();
                request.succeed();
                // A channel that closes early has nobody to tell.
                let _ = run(&mut channel, &command).await;
                channel.output.request("exit-status", &[0; 4]);
                channel.output.eof();
                channel.output.close();
            }
            b"env" => request.succeed(),
            _ => request.fail(),
        }
    }
}

async fn run(channel: &mut Channel, command: &str) -> Result<(), ChannelClosed> {
    let output = &channel.output;
    if let Some(count) = command.strip_prefix("zeros ") {
        let mut left: usize = count.parse().unwrap_or_default();
        let zeros = Bytes::from(vec![0; 32 << 10]);
        while left > 0 {
            let bytes = zeros.slice(..left.min(zeros.len()));
            left -= bytes.len();
            output.write(bytes).await?;
        }
        return Ok(());
    }
    let mut count = 0;
    while let Some(data) = channel.input.read().await {
        count += data.bytes.len();
        if command == "echo" {
            output.write(data.bytes).await?;
        }
    }
    if command == "sink" {
        output.write(Bytes::from(format!("{count}\n"))).await?;
    }
    Ok(())
}
