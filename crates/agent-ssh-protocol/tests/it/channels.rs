//! Data through channels.

use bytes::Bytes;

use crate::support::{Pair, Tasks, echo, read_all, soon};

#[tokio::test]
async fn data_comes_back_from_an_echo() {
    let mut pair = Pair::new().await;
    let mut tasks = Tasks::default();
    let (mut near, far) = pair.channel().await;
    tasks.spawn(echo(far));
    soon(near.output.write(Bytes::from_static(b"hello"))).await.unwrap();
    near.output.eof();
    assert_eq!(read_all(&mut near).await, b"hello");
    assert!(near.input.is_at_eof());
}

#[tokio::test]
async fn much_data_comes_back_from_an_echo() {
    let mut pair = Pair::new().await;
    let mut tasks = Tasks::default();
    let (mut near, far) = pair.channel().await;
    tasks.spawn(echo(far));
    let output = near.output.clone();
    let sent: Vec<u8> = (0..64 << 20).map(|at: u32| (at >> 8) as u8 ^ at as u8).collect();
    let bytes = Bytes::from(sent);
    let rest = bytes.clone();
    tasks.spawn(async move {
        let mut rest = rest;
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(100_000));
            output.write(chunk).await.unwrap();
        }
        output.eof();
    });
    assert!(read_all(&mut near).await == bytes);
}
