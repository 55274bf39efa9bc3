//! The broker: a thread of one stack that keeps the port table of the network namespace, and answers
//! packets to ports that nobody has.

use std::{
    io,
    os::fd::AsFd,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::eventfd::{EfdFlags, EventFd},
};

use super::{
    answer::{Answer, RateLimit},
    channel::{Channel, Listener, Peer},
    message::Message,
    table::{ClientId, LeaseTable, Refusal},
};
use crate::driver::{
    Received,
    pool::Pool,
    raw::{
        filter,
        socket::{self, RawSocket},
    },
    sys::message::Outgoing,
};
use crate::threads;

/// After another broker's death the other stacks have this long to renew their leases before new ones
/// are given and packets are answered.
const RENEWAL_TIME: Duration = Duration::from_secs(1);
/// Stacks served at a time.
const MOST_CLIENTS: usize = 256;
/// How long a stack waits that cannot be accepted, since this process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(20);
/// What the kernel holds of packets for nobody; a flood of them should be lost.
const RECEIVE_BUFFER: usize = 256 << 10;

/// A running broker. It ends with this value.
#[derive(Debug)]
pub(crate) struct BrokerHandle {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl BrokerHandle {
    /// Starts the broker behind a name that we won. A `successor` waits for the leases of the survivors.
    pub(crate) fn start(listener: Listener, successor: bool, answer: Option<Answer>) -> io::Result<Self> {
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let mut broker = Broker::new(listener, successor, answer);
        let stopped = Arc::clone(&stop);
        let thread = threads::spawn("sctp-broker", move || broker.run(&stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Client {
    id: ClientId,
    channel: Channel,
    peer: Peer,
}

struct Broker {
    listener: Listener,
    clients: Vec<Client>,
    last_id: ClientId,
    table: LeaseTable,
    /// Until then only renewals are served.
    renewals_until: Option<Instant>,
    /// Empty if packets to nobody are not to be answered.
    sockets: Vec<RawSocket>,
    pool: Pool,
    answer: Option<Answer>,
    limit: RateLimit,
}

impl Broker {
    fn new(listener: Listener, successor: bool, answer: Option<Answer>) -> Self {
        let now = Instant::now();
        let families: &[bool] = if answer.is_some() { &[true, false] } else { &[] };
        let sockets = families
            .iter()
            .filter_map(|&v4| {
                RawSocket::open(v4, RECEIVE_BUFFER)
                    .inspect_err(|error| tracing::debug!(v4, %error, "packets to nobody get no answer"))
                    .ok()
            })
            .collect();
        let broker = Self {
            listener,
            clients: Vec::new(),
            last_id: 0,
            table: LeaseTable::default(),
            renewals_until: successor.then(|| now + RENEWAL_TIME),
            sockets,
            pool: Pool::new(socket::BUFFER, 0),
            answer,
            limit: RateLimit::new(now),
        };
        broker.set_filters();
        broker
    }

    fn run(&mut self, stop: &EventFd) {
        tracing::debug!("this stack is the port broker of its network namespace");
        loop {
            let Ok(ready) = self.wait(stop) else { continue };
            let [stopped, listening, others @ ..] = &ready[..] else { return };
            if *stopped {
                return;
            }
            let (sockets, clients) = others.split_at(self.sockets.len());
            if sockets.contains(&true) {
                self.answer_packets();
            }
            for index in (0..clients.len()).rev().filter(|&index| clients[index]) {
                self.serve(index);
            }
            if *listening {
                self.accept();
            }
        }
    }

    /// Which descriptors have something: stop, listener, raw sockets, clients.
    fn wait(&self, stop: &EventFd) -> Result<Vec<bool>, Errno> {
        let sockets = self.sockets.iter().map(|socket| socket.socket.as_fd());
        let clients = self.clients.iter().map(|client| client.channel.as_fd());
        let mut polled: Vec<PollFd<'_>> = [stop.as_fd(), self.listener.as_fd()]
            .into_iter()
            .chain(sockets)
            .chain(clients)
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        poll(&mut polled, PollTimeout::NONE)?;
        Ok(polled.iter().map(|polled| polled.any().unwrap_or(true)).collect())
    }

    fn accept(&mut self) {
        let channel = match self.listener.accept() {
            Ok(channel) => channel,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                tracing::warn!(%error, "a stack is not served by the port broker");
                // It stays readable.
                return thread::sleep(PAUSE);
            }
        };
        match channel.peer() {
            Ok(peer) if peer.is_trusted() && self.clients.len() < MOST_CLIENTS => {
                self.last_id += 1;
                self.clients.push(Client { id: self.last_id, channel, peer });
            }
            peer => tracing::warn!(?peer, "a process was not served: it is another user's, or one too many"),
        }
    }

    /// Handles one message of a client, or its end.
    fn serve(&mut self, index: usize) {
        let client = &self.clients[index];
        let request = match client.channel.receive() {
            Ok(Some(request)) => request,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            _ => return self.end(index),
        };
        let id = client.id;
        let answered = match self.handle(id, request) {
            Some(reply) => self.clients[index].channel.send(&reply),
            None => Ok(()),
        };
        if answered.is_err() {
            self.end(index);
        }
    }

    fn end(&mut self, index: usize) {
        let client = self.clients.swap_remove(index);
        self.table.forget(client.id);
        self.set_filters();
    }

    fn handle(&mut self, client: ClientId, request: Message) -> Option<Message> {
        let is_renewal = matches!(&request, Message::Lease { renewal: true, .. } | Message::Release(_));
        if !is_renewal && self.waits_for_renewals() {
            return Some(Message::Wait);
        }
        let reply = match request {
            Message::Lease { lease, .. } => match self.table.lease(client, lease.clone()) {
                Ok(()) => Message::Granted(lease),
                Err(Refusal::Taken(holder)) => Message::Taken { lease, pid: self.pid_of(holder) },
                Err(Refusal::Exhausted) => Message::Exhausted,
            },
            Message::LeaseBlock => match self.table.lease_block(client) {
                Ok(lease) => Message::Granted(lease),
                Err(_) => Message::Exhausted,
            },
            Message::Release(lease) => {
                self.table.release(client, &lease);
                self.set_filters();
                return None;
            }
            other => {
                tracing::warn!(?other, "a stack of another version asks the port broker");
                return Some(Message::OtherVersion { version: super::message::VERSION });
            }
        };
        self.set_filters();
        Some(reply)
    }

    fn waits_for_renewals(&mut self) -> bool {
        let waits = self.renewals_until.is_some_and(|until| Instant::now() < until);
        if !waits {
            self.renewals_until = None;
        }
        waits
    }

    fn pid_of(&self, holder: ClientId) -> i32 {
        self.clients.iter().find(|client| client.id == holder).map_or(0, |client| client.peer.pid)
    }

    /// The kernel keeps packets of leased ports from us: each socket that hears them slows the sender.
    fn set_filters(&self) {
        let addressed = self.table.addressed_ranges();
        for socket in &self.sockets {
            let ranges = self.table.wildcard_ranges(socket.is_v4());
            let program = filter::all_but(socket.is_v4(), &ranges, &addressed);
            if let Err(error) = socket.set_filter(&program) {
                tracing::warn!(%error, "the port broker hears packets that are not for it");
            }
        }
    }

    fn answer_packets(&mut self) {
        let mut packets: Vec<Received> = Vec::new();
        for socket in &mut self.sockets {
            if let Err(error) =
                socket.receive(&mut self.pool, &mut |packet| packets.push(packet), &mut |_| {})
            {
                tracing::warn!(%error, "the port broker cannot read");
            }
        }
        if self.waits_for_renewals() {
            return;
        }
        for packet in packets {
            self.answer_packet(packet);
        }
    }

    fn answer_packet(&mut self, packet: Received) {
        let path = packet.path;
        let Some(port) = packet.datagram.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]])) else {
            return;
        };
        if self.table.is_leased(path.local, port) || !self.limit.allows(Instant::now()) {
            return;
        }
        let Some(bytes) = self.answer.and_then(|answer| answer(&path, packet.datagram)) else { return };
        let outgoing = Outgoing { source: path.local, ..Outgoing::to(path.remote, 0, &bytes) };
        if let Some(socket) = self.sockets.iter().find(|socket| socket.is_v4() == path.remote.is_ipv4()) {
            // An answer that cannot leave is like one lost on the way: the peer sends again.
            socket.send(&[outgoing], &mut None, &mut |_| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_cannot_be_accepted_does_not_keep_a_core_busy() {
        let mut broker = Broker::new(Listener::broken(), false, None);
        let begun = Instant::now();
        broker.accept();
        assert!(broker.clients.is_empty() && begun.elapsed() >= PAUSE);
    }
}
