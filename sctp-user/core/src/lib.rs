//! SCTP (RFC 9260) as a state machine: no I/O, no clock, no threads, no unsafe.
//!
//! An [`Endpoint`](endpoint::Endpoint) holds associations. Who drives it brings packets and the time, and
//! takes away packets, events and the next deadline. Methods come in four kinds: `handle_*` takes input
//! from below, `poll_*` yields output, plain verbs are commands of the layer above, and getters have no
//! prefix. Any order of calls is right; but input and commands make output, so drain it after them.
//!
//! # The driver loop
//!
//! This is all that a driver does. Here the "network" is two queues in memory, and the time is made up;
//! a real driver reads a socket until its next deadline and asks the system for the time.
//!
//! ```
//! use sctp_core::config::{AssociationConfig, EndpointConfig};
//! use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
//! use sctp_core::event::{AssociationId, Event};
//! use sctp_core::message::SendOptions;
//! use sctp_core::net::{Ecn, PathAddress};
//! use sctp_core::time::Time;
//! use bytes::Bytes;
//! use std::net::IpAddr;
//!
//! struct Host {
//!     address: IpAddr,
//!     endpoint: Endpoint,
//!     arrived: Vec<Bytes>,
//! }
//!
//! /// One turn: input, output, events. What left goes to `peer`.
//! fn turn(now: Time, host: &mut Host, peer: &mut Host, mut on_event: impl FnMut(&mut Endpoint, AssociationId, Event)) {
//!     // 1. Packets that have arrived, and the end of the batch.
//!     let path = PathAddress { local: Some(host.address), remote: peer.address, remote_udp_port: 0 };
//!     for datagram in host.arrived.drain(..) {
//!         host.endpoint.handle_packet(now, path, Ecn::NotCapable, datagram);
//!     }
//!     host.endpoint.handle_batch_end(now);
//!     // 2. Deadlines that have passed.
//!     if host.endpoint.poll_timeout().is_some_and(|deadline| deadline <= now) {
//!         host.endpoint.handle_timeout(now);
//!     }
//!     // 3. Events; the commands that they lead to may make more of them, and packets.
//!     while let Some((id, event)) = host.endpoint.poll_event() {
//!         on_event(&mut host.endpoint, id, event);
//!     }
//!     // 4. Packets to send: runs of equal size, one path each, for one call with segmentation offload.
//!     let mut buffer = Vec::new();
//!     while let Some(transmit) = host.endpoint.poll_transmit(now, &mut buffer, 16) {
//!         peer.arrived.extend(buffer.chunks(transmit.segment_size).map(Bytes::copy_from_slice));
//!         buffer.clear();
//!     }
//!     // 5. Sleep until a packet comes, or until `poll_timeout`.
//! }
//!
//! let host = |address: &str, seed| Host {
//!     address: address.parse().unwrap(),
//!     endpoint: Endpoint::new(EndpointConfig::default(), [seed; 32]),
//!     arrived: Vec::new(),
//! };
//! let (mut client, mut server) = (host("192.0.2.1", 1), host("192.0.2.2", 2));
//!
//! let mut now = Time::from_millis(0);
//! server.endpoint.listen(7, ListenOptions::default()).unwrap();
//! let request = ConnectRequest {
//!     local_port: 50_000,
//!     local_addresses: Vec::new(),
//!     peers: vec![PathAddress::to(server.address)],
//!     peer_port: 7,
//!     config: AssociationConfig::default(),
//! };
//! let id = client.endpoint.connect(now, request).unwrap();
//! client.endpoint.send(now, id, &SendOptions::default(), Bytes::from_static(b"hello")).unwrap();
//!
//! let mut heard = Vec::new();
//! while heard.is_empty() {
//!     turn(now, &mut client, &mut server, |_, _, _| {});
//!     turn(now, &mut server, &mut client, |endpoint, id, event| {
//!         if let Event::Readable = event {
//!             heard.extend(std::iter::from_fn(|| endpoint.receive(now, id)));
//!         }
//!     });
//!     now += std::time::Duration::from_millis(1);
//! }
//! assert_eq!(heard.remove(0).into_bytes(), "hello");
//! ```
//!
//! # The map
//!
//! | module | holds |
//! |---|---|
//! | [`endpoint`] | demultiplexing, listening, state cookies, packets out of the blue, batches |
//! | [`association`] | the state machine, one file for each procedure |
//! | [`path`] | RTT, RTO, congestion window, state of each address pair |
//! | [`tx`], [`rx`] | the sending and the receiving half of an association |
//! | [`wire`] | packets, chunks, parameters, causes |
//! | [`auth`] | keys and codes of authenticated chunks |
//! | [`extensions`] | which extensions both sides agreed on |
//! | [`stream_set`] | streams that are reset |
//! | [`reliability`] | when a message is given up |
//! | [`arrival`] | the order in which messages and events came |
//! | [`config`], [`event`], [`message`], [`error`], [`net`] | what the interface speaks of |
//! | [`time`], [`serial`], [`rng`] | the clock type, wrapping numbers, injected randomness |

pub mod arrival;
pub mod association;
pub mod auth;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod extensions;
pub mod message;
pub mod multipath;
pub mod net;
pub mod path;
pub mod reliability;
pub mod rng;
pub mod rx;
pub mod serial;
mod steps;
pub mod stream_set;
pub mod time;
pub mod tx;
pub mod wire;
