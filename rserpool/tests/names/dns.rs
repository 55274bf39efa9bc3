//! A DNS server that says what a test wants, and changes its mind when the test does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// How long answers count, in seconds.
const TIME_TO_LIVE: u32 = 1;

#[derive(Default)]
struct Zone {
    records: BTreeMap<Name, Vec<RData>>,
    is_failing: bool,
    broken: BTreeSet<(Name, RecordType)>,
    questions: usize,
}

/// Answers until it is dropped.
pub(crate) struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

impl DnsServer {
    pub(crate) fn start(address: [u8; 4]) -> Self {
        let socket = UdpSocket::bind(SocketAddr::from((address, 0))).expect("an address of our own");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
        let address = socket.local_addr().expect("it is bound");
        let zone: Arc<Mutex<Zone>> = Arc::default();
        let of_thread = Arc::downgrade(&zone);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Some(zone) = of_thread.upgrade() {
                let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
                let question = Message::from_vec(&buffer[..length]).expect("a question");
                let answer = zone.lock().expect("nobody panics").answer(question);
                socket.send_to(&answer.to_vec().expect("an answer"), client).expect("loopback");
            }
        });
        Self { address, zone }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn change(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().expect("nobody panics"));
    }

    /// A name stands for these addresses only.
    pub(crate) fn set_addresses(&self, host: &str, addresses: &[IpAddr]) {
        let records = addresses.iter().map(|address| match *address {
            IpAddr::V4(v4) => RData::A(v4.into()),
            IpAddr::V6(v6) => RData::AAAA(v6.into()),
        });
        self.change(|zone| drop(zone.records.insert(name(host), records.collect())));
    }

    /// A service has these targets only: priority, weight, port, name.
    pub(crate) fn set_service(&self, service: &str, targets: &[(u16, u16, u16, &str)]) {
        let records = targets.iter().map(|(priority, weight, port, target)| {
            RData::SRV(SRV::new(*priority, *weight, *port, name(target)))
        });
        self.change(|zone| drop(zone.records.insert(name(service), records.collect())));
    }

    /// Whether it says that it cannot answer (SERVFAIL).
    pub(crate) fn set_failing(&self, is_failing: bool) {
        self.change(|zone| zone.is_failing = is_failing);
    }

    /// It cannot answer for this name only.
    pub(crate) fn break_name(&self, host: &str) {
        [RecordType::A, RecordType::AAAA].into_iter().for_each(|family| self.break_family(host, family));
    }

    /// It cannot answer for this name's addresses of one family.
    pub(crate) fn break_family(&self, host: &str, family: RecordType) {
        self.change(|zone| zone.broken.extend([(name(host), family)]));
    }

    /// How many questions it has had.
    pub(crate) fn questions(&self) -> usize {
        self.zone.lock().expect("nobody panics").questions
    }
}

impl Zone {
    fn is_broken(&self, name: &Name, records: RecordType) -> bool {
        self.is_failing || self.broken.contains(&(name.clone(), records))
    }

    fn answer(&mut self, question: Message) -> Message {
        self.questions += 1;
        let query = question.queries[0].clone();
        let mut answer = question.into_response();
        answer.edns = None;
        answer.metadata.response_code = match self.records.get(query.name()) {
            _ if self.is_broken(query.name(), query.query_type()) => ResponseCode::ServFail,
            None => ResponseCode::NXDomain,
            Some(records) => {
                let fitting = records.iter().filter(|record| record.record_type() == query.query_type());
                let record =
                    |data: &RData| Record::from_rdata(query.name().clone(), TIME_TO_LIVE, data.clone());
                answer.answers = fitting.map(record).collect();
                ResponseCode::NoError
            }
        };
        answer
    }
}
