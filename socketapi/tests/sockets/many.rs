//! Many threads on one socket.

use std::collections::HashSet;
use std::sync::Arc;

use socketapi::{SctpSocket, SctpStream, SendInfo};

use crate::support::{LONG, Pair, start};

#[test]
fn threads_that_send_and_read_on_one_stream_lose_and_double_nothing() {
    Pair::each(|pair| {
        const THREADS: u32 = 4;
        const MESSAGES: u32 = 500;
        let (server, client) = pair.connected();
        let (server, client) = (Arc::new(server), Arc::new(client));
        server.set_read_timeout(Some(LONG));
        let readers: Vec<_> = (0..THREADS)
            .map(|_| {
                let server = Arc::clone(&server);
                start(move || {
                    let mut seen = Vec::new();
                    while let Some(message) = server.recv_message().unwrap() {
                        seen.push(message.info.ppid);
                    }
                    seen
                })
            })
            .collect();
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let client = Arc::clone(&client);
                start(move || {
                    for number in 0..MESSAGES {
                        let info = SendInfo::new().stream(thread as u16).ppid(thread * MESSAGES + number);
                        client.send(&[1; 300], &info).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.finish());
        client.shutdown().unwrap();
        let seen: Vec<u32> = readers.into_iter().flat_map(|reader| reader.finish()).collect();
        assert_eq!(seen.len(), (THREADS * MESSAGES) as usize);
        assert_eq!(seen.into_iter().collect::<HashSet<_>>().len(), (THREADS * MESSAGES) as usize);
    });
}

#[test]
fn each_of_many_waiting_threads_gets_its_own_messages() {
    Pair::each(|pair| {
        const STREAMS: usize = 6;
        const ROUNDS: usize = 100;
        let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
        let port = server.local_addrs().unwrap()[0].port();
        server.set_read_timeout(Some(LONG));
        let clients: Vec<_> = (0..STREAMS)
            .map(|number| {
                let client = SctpStream::connect(&pair.client, (pair.server_address, port)).unwrap();
                start(move || {
                    client.set_read_timeout(Some(LONG));
                    for round in 0..ROUNDS {
                        let text = format!("{number} {round}");
                        client.send(text.as_bytes(), &SendInfo::new()).unwrap();
                        let echo = client.recv_message().unwrap().unwrap();
                        assert_eq!(echo.into_bytes(), text.as_bytes());
                    }
                    client
                })
            })
            .collect();
        for _ in 0..STREAMS * ROUNDS {
            let message = server.recv_message().unwrap();
            let association = message.info.association;
            server.send_bytes(association, message.into_bytes(), &SendInfo::new()).unwrap();
        }
        clients.into_iter().for_each(|client| drop(client.finish()));
    });
}
