//! Connections that are carried through the session's connection, in both directions; not the
//! session, and not who listens.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use agent_sdk::ssh::{
    Channel, Connection, Event, Incoming, Open, OpenError, OpenFailure, RequestError,
    wire::{Malformed, Put as _, Reader},
};
use bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    listeners::Bound,
    relay::{self, BoxedStream, relay},
    remarks::Say,
    socks::Wish,
    spec::{Connect, Listen, Spec},
    x11,
};
use crate::Error;

/// What the agent may ask connections for.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// Where the ports and sockets that it listens on lead.
    remote: Vec<(Listening, Connect)>,
    /// The socket of the person's keys.
    pub(super) keys: Option<PathBuf>,
    /// The person's display.
    pub(super) display: Option<x11::Forward>,
}

/// Something the agent listens on.
#[derive(Debug, PartialEq, Eq)]
enum Listening {
    /// A port, at the address as it was asked for.
    Tcp(Vec<u8>, u32),
    Unix(Vec<u8>),
}

impl Granted {
    /// Asks the agent to listen; gives the port where it had the choice.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it does not, within [`Error::Ssh`] when it is gone.
    pub(super) async fn listen(
        &mut self,
        connection: &Connection,
        Spec { listen, connect }: Spec,
    ) -> Result<Option<u16>, Error> {
        let (name, payload) = match &listen {
            Listen::Tcp { bind, port } => {
                ("tcpip-forward", host_and_port(bind.as_deref().unwrap_or("localhost"), *port))
            }
            Listen::Unix(path) => {
                let mut payload = Vec::new();
                payload.put_string(path.as_os_str().as_encoded_bytes());
                ("streamlocal-forward@openssh.com", payload)
            }
        };
        let reply = connection.request(name, &payload).await.map_err(|error| {
            let message = format!("the agent does not listen on {listen}: {error}");
            let refused = Error::Refused { operation: "ssh", message };
            match error {
                RequestError::Failed => refused,
                RequestError::Closed => Error::Ssh(Box::new(refused)),
            }
        })?;
        let (listening, chosen) = match listen {
            Listen::Tcp { bind, port } => {
                let chosen = match port {
                    0 => Reader::new(&reply).u32().ok().and_then(|port| port.try_into().ok()),
                    _ => None,
                };
                let bind = bind.unwrap_or_else(|| "localhost".to_owned()).into_bytes();
                (Listening::Tcp(bind, chosen.unwrap_or(port).into()), chosen)
            }
            Listen::Unix(path) => {
                (Listening::Unix(path.into_os_string().into_encoded_bytes()), None)
            }
        };
        self.remote.push((listening, connect));
        Ok(chosen)
    }

    /// Connects what the agent asks for, until the connection ends.
    pub(super) async fn serve(self, mut incoming: Incoming, say: Say) {
        let granted = Arc::new(self);
        let mut channels = JoinSet::new();
        loop {
            tokio::select! {
                event = incoming.next() => match event {
                    Some(Event::Open(open)) => {
                        let (granted, say) = (Arc::clone(&granted), say.clone());
                        channels.spawn(async move { granted.answer(open, &say).await });
                    }
                    // Nothing else is granted; a request that is dropped fails.
                    Some(_) => {}
                    None => return,
                },
                Some(_) = channels.join_next(), if !channels.is_empty() => {}
            }
        }
    }

    async fn answer(&self, open: Open, say: &Say) {
        let target = match &*open.kind {
            b"forwarded-tcpip" => tcp_listening(&open.payload).ok().and_then(|it| self.leads(&it)),
            b"forwarded-streamlocal@openssh.com" => {
                let path = Reader::new(&open.payload).string().map(|path| path.to_vec());
                path.ok().and_then(|path| self.leads(&Listening::Unix(path)))
            }
            b"auth-agent@openssh.com" => self.keys.clone().map(Connect::Unix),
            b"x11" => return self.show(open, say).await,
            _ => return open.refuse(OpenFailure::UnknownChannelType, "unknown channel type"),
        };
        let stream = match target {
            Some(Connect::Tcp { host, port }) => relay::tcp(&host, port).await,
            Some(Connect::Unix(path)) => relay::unix(&path).await,
            // One that is dropped is refused.
            Some(Connect::Socks) | None => return,
        };
        match stream {
            Ok(stream) => relay(stream, open.accept(), Bytes::new()).await,
            Err(error) => {
                let why = agent_sdk::api::io_text(&error);
                say.remark(format!("a forwarded connection was refused: {why}"));
                open.refuse(OpenFailure::ConnectFailed, &why);
            }
        }
    }

    fn leads(&self, listening: &Listening) -> Option<Connect> {
        let known = self.remote.iter().find(|(known, _)| known == listening);
        known.map(|(_, connect)| connect.clone())
    }

    async fn show(&self, open: Open, say: &Say) {
        let Some(display) = &self.display else { return };
        let mut channel = open.accept();
        match display.connect(&mut channel.input).await {
            Ok((stream, first)) => relay(stream, channel, first).await,
            Err(error) => {
                let why = agent_sdk::api::io_text(&error);
                say.remark(format!("an X11 connection was refused: {why}"));
            }
        }
    }
}

fn tcp_listening(payload: &[u8]) -> Result<Listening, Malformed> {
    let mut reader = Reader::new(payload);
    Ok(Listening::Tcp(reader.string()?.to_vec(), reader.u32()?))
}

fn host_and_port(host: &str, port: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_string(host.as_bytes());
    payload.put_u32(port.into());
    payload
}

/// Carries what comes in on the listeners to the agent, until it is dropped.
pub(super) async fn carry(bound: Bound, connection: Connection, say: Say) {
    let mut channels = JoinSet::new();
    loop {
        tokio::select! {
            (stream, from) = bound.accept() => {
                let (connection, say) = (connection.clone(), say.clone());
                let (connect, listen) = (bound.connect.clone(), bound.listen.to_string());
                channels.spawn(async move {
                    if let Err(why) = carry_one(stream, from, connect, &connection).await {
                        say.remark(format!("{listen}: {why}"));
                    }
                });
            }
            Some(_) = channels.join_next(), if !channels.is_empty() => {}
        }
    }
}

async fn carry_one(
    mut stream: BoxedStream,
    from: Option<SocketAddr>,
    connect: Connect,
    connection: &Connection,
) -> Result<(), String> {
    let channel = match connect {
        Connect::Tcp { host, port } => open_tcp(connection, &host, port, from).await,
        Connect::Unix(path) => {
            let mut payload = Vec::new();
            payload.put_string(path.as_os_str().as_encoded_bytes());
            payload.put_string(b"");
            payload.put_u32(0);
            connection.open("direct-streamlocal@openssh.com", &payload).await
        }
        Connect::Socks => {
            let wish = Wish::read(&mut stream).await.map_err(|e| e.to_string())?;
            let opened = open_tcp(connection, &wish.host, wish.port, from).await;
            wish.answer(&mut stream, opened.is_ok()).await.map_err(|e| e.to_string())?;
            opened
        }
    };
    let channel = channel.map_err(|error| error.to_string())?;
    relay(stream, channel, Bytes::new()).await;
    Ok(())
}

async fn open_tcp(
    connection: &Connection,
    host: &str,
    port: u16,
    from: Option<SocketAddr>,
) -> Result<Channel, OpenError> {
    let mut payload = host_and_port(host, port);
    let from = from.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    payload.put_raw(&host_and_port(&from.ip().to_string(), from.port()));
    connection.open("direct-tcpip", &payload).await
}
