//! Going through a proxy: whole requests for `http:`, nothing for loopback. Tunnels are
//! tested beside the dialer, where a certificate can be trusted.

use agent_sdk::{AgentClient, AgentConn, Config, Proxies, Target, Token};

use crate::peer::Peer;

fn through(target: &str, proxy: &Peer) -> AgentClient {
    let proxies = Proxies {
        all: Some(format!("http://user:secret@{}", proxy.address)),
        ..Proxies::default()
    };
    let target: Target = target.parse().unwrap();
    let target = target.with_proxies(proxies).with_token(Token::new("hunter2").unwrap());
    AgentClient::connect(target, Config::default()).unwrap()
}

#[tokio::test]
async fn a_proxy_gets_whole_requests_for_http() {
    let (proxy, mut requests) = Peer::recording(r#"{"message": "hello"}"#).await;
    let client = through("http://agent.invalid:4040", &proxy);
    client.get_greeting().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.line, "GET http://agent.invalid:4040/ HTTP/1.1");
    assert_eq!(request.header("host"), Some("agent.invalid:4040"));
    assert_eq!(request.header("proxy-authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
}

#[tokio::test]
async fn loopback_is_reached_directly() {
    let (proxy, _requests) = Peer::recording(r#"{"message": "proxied"}"#).await;
    let (peer, mut requests) = Peer::recording(r#"{"message": "direct"}"#).await;
    let client = through(&format!("http://{}", peer.address), &proxy);
    assert_eq!(client.get_greeting().await.unwrap().message, "direct");
    let request = requests.recv().await.unwrap();
    assert_eq!(request.header("proxy-authorization"), None);
    assert_eq!(proxy.accepted(), 0);
}
