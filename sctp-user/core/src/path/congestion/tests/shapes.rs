//! The window of each algorithm, round trip by round trip, on a line with a queue. Read a change here like one of code.

use super::super::*;
use super::P;
use core::time::Duration;
use std::collections::VecDeque;

/// Of the line without a queue.
const RTT: Duration = Duration::from_millis(40);
/// Bytes a second: 50 packets are in flight at full rate.
const RATE: u64 = 1_250_000;
/// Packets that may wait.
const QUEUE: u64 = 50;

/// A packet on its way; its acknowledgement comes at `back_at`, unless it is lost.
struct Packet {
    number: u64,
    sent_at: Time,
    back_at: Time,
    lost: bool,
}

/// A sender with data without end, and the line.
struct Line {
    congestion: Congestion,
    now: Time,
    /// When the line has sent all that waits.
    free_at: Time,
    on_way: VecDeque<Packet>,
    next: u64,
    recovery_end: u64,
    /// Loses every so many-th packet; 0: none.
    loses_each: u64,
    /// The most bytes that left at one instant.
    burst: usize,
    /// The most packets that waited.
    longest_queue: u64,
    /// Packets acknowledged.
    delivered: u64,
}

impl Line {
    fn new(control: CongestionControl) -> Self {
        let config = AssociationConfig { congestion_control: control, ..AssociationConfig::default() };
        Self {
            congestion: Congestion::new(P, [10, 0, 0, 1].into(), &config),
            now: Time::from_millis(1_000),
            free_at: Time::ZERO,
            on_way: VecDeque::new(),
            next: 1,
            recovery_end: 0,
            loses_each: 0,
            burst: 0,
            longest_queue: 0,
            delivered: 0,
        }
    }

    fn flight(&self) -> usize {
        self.on_way.len() * P
    }

    fn send(&mut self) {
        let mut sent = 0;
        while self.congestion.may_send(self.now, self.flight(), 0, P) {
            let line = Duration::from_nanos(P as u64 * 1_000_000_000 / RATE);
            let waiting = (self.free_at - self.now).as_nanos() as u64 / line.as_nanos() as u64;
            let lost = waiting >= QUEUE || (self.loses_each > 0 && self.next.is_multiple_of(self.loses_each));
            if waiting < QUEUE {
                self.free_at = self.free_at.max(self.now) + line;
            }
            self.longest_queue = self.longest_queue.max(waiting);
            let back_at = self.free_at + RTT;
            self.on_way.push_back(Packet { number: self.next, sent_at: self.now, back_at, lost });
            self.next += 1;
            sent += P;
            self.congestion.on_sent(self.now, P, self.flight(), P);
        }
        self.burst = self.burst.max(sent);
    }

    /// Lets the next acknowledgement come, or the next packet leave.
    fn step(&mut self) {
        self.send();
        let ack_at = self.on_way.iter().find(|packet| !packet.lost).map(|packet| packet.back_at);
        self.now =
            [ack_at, self.congestion.deadline()].into_iter().flatten().min().expect("something happens");
        self.congestion.handle_timeout(self.now);
        if ack_at == Some(self.now) {
            self.acknowledge();
        }
    }

    /// What left before the packet that is acknowledged, and was lost, is noticed.
    fn acknowledge(&mut self) {
        let flight_before = self.flight();
        let lost = self.on_way.iter().take_while(|packet| packet.lost).count();
        let lost: Vec<_> = self.on_way.drain(..lost).collect();
        let Some(acked) = self.on_way.pop_front() else { return };
        self.delivered += 1;
        let ack = Acknowledged {
            now: self.now,
            bytes: P,
            flight_before,
            flight_after: self.flight(),
            rwnd: usize::MAX,
            data_waits: true,
            in_fast_recovery: acked.number < self.recovery_end,
            latest: Some(LastSent { at: acked.sent_at, retransmitted: false }),
            ..Acknowledged::default()
        };
        self.congestion.on_ack(ack, P);
        lost.iter().for_each(|_| self.congestion.on_lost(self.now, P));
        if lost.iter().any(|packet| packet.number >= self.recovery_end) {
            self.recovery_end = self.next;
            self.congestion.on_fast_retransmit(self.now, P);
        }
    }

    /// A small message each half of a round trip, and its acknowledgement a round trip later; no other data waits.
    fn talk(&mut self, messages: usize) {
        const LEN: usize = 40;
        let mut before = None;
        for _ in 0..messages {
            let in_flight = LEN * (1 + usize::from(before.is_some()));
            self.congestion.on_sent(self.now, LEN, in_flight, P);
            let earlier = before.replace(self.now);
            self.now += RTT / 2;
            self.congestion.handle_timeout(self.now);
            let Some(at) = earlier else { continue };
            let ack = Acknowledged {
                now: self.now,
                bytes: LEN,
                flight_before: in_flight,
                flight_after: LEN,
                rwnd: usize::MAX,
                latest: Some(LastSent { at, retransmitted: false }),
                ..Acknowledged::default()
            };
            self.congestion.on_ack(ack, P);
        }
    }

    /// A round trip in which somebody else sends so many packets over the same line.
    fn round_trip_beside(&mut self, packets: u32) {
        for _ in 0..10 {
            self.run_for(RTT / 10);
            let line = Duration::from_nanos(P as u64 * 1_000_000_000 / RATE);
            self.free_at = self.free_at.max(self.now) + line * packets / 10;
        }
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
        }
    }

    /// The window in packets after each of so many spans.
    fn windows(&mut self, spans: usize, each: Duration) -> Vec<usize> {
        let window = |line: &mut Self| {
            line.run_for(each);
            line.congestion.cwnd() / P
        };
        (0..spans).map(|_| window(self)).collect()
    }
}

#[test]
fn rfc_9260_doubles_until_the_queue_grows_and_after_a_loss_climbs_from_half() {
    // RFC 9260, 7.2.1 to 7.2.3; RFC 9406, 4.2
    let mut line = Line::new(CongestionControl::Rfc9260);
    let windows = line.windows(12, RTT);
    assert_eq!(windows, [5, 9, 17, 33, 65, 115, 142, 75, 75, 76, 76, 77]);
    let windows = line.windows(30, Duration::from_secs(1));
    assert_eq!(
        windows,
        [
            92, 56, 75, 90, 53, 72, 88, 50, 70, 86, 99, 68, 84, 97, 65, 82, 96, 62, 80, 94, 59, 77, 92, 56,
            75, 90, 53, 73, 88, 50
        ]
    );
}

#[test]
fn cubic_slows_its_start_when_the_queue_grows_and_comes_back_along_its_curve() {
    // RFC 9438, 4.10; RFC 9406, 4.2
    let mut line = Line::new(CongestionControl::Cubic);
    let windows = line.windows(12, RTT);
    assert_eq!(windows, [5, 9, 17, 33, 65, 115, 142, 106, 106, 106, 107, 75]);
    let windows = line.windows(30, Duration::from_secs(1));
    assert_eq!(
        windows,
        [
            85, 90, 97, 79, 92, 98, 72, 81, 88, 95, 74, 89, 97, 71, 80, 87, 94, 72, 88, 96, 70, 79, 86, 94,
            70, 87, 96, 100, 79, 85
        ]
    );
}

#[test]
fn bbr_finds_the_rate_and_keeps_the_queue_short() {
    let mut line = Line::new(CongestionControl::Bbr);
    let windows = line.windows(12, RTT);
    assert_eq!(windows, [5, 9, 12, 17, 25, 33, 46, 65, 80, 99, 106, 106]);
    line.longest_queue = 0;
    let windows = line.windows(6, Duration::from_secs(1));
    assert_eq!(windows, [106; 6]);
    assert!(line.longest_queue < QUEUE / 2, "{} packets waited", line.longest_queue);
}

#[test]
fn bbr_gives_half_to_a_newcomer_in_slow_start_and_nothing_to_one_who_grows_slowly() {
    let left_by = |newcomer: &[u32]| {
        let mut line = Line::new(CongestionControl::Bbr);
        line.run_for(Duration::from_millis(5_300));
        newcomer.iter().for_each(|&packets| line.round_trip_beside(packets));
        line.run_for(2 * RTT);
        line.congestion.cwnd() / P
    };
    let alone = left_by(&[]);
    assert!(left_by(&[1; 10]) >= alone, "of {alone} packets");
    let left = left_by(&[8, 12, 18, 27]);
    assert!((alone * 3 / 10..=alone * 6 / 10).contains(&left), "{left} of {alone} packets");
}

#[test]
fn single_losses_do_not_slow_bbr_down() {
    let [rfc_9260, bbr] = [CongestionControl::Rfc9260, CongestionControl::Bbr].map(|control| {
        let mut line = Line { loses_each: 100, ..Line::new(control) };
        line.run_for(Duration::from_secs(20));
        line.delivered
    });
    let all = 20 * RATE / P as u64;
    assert!(rfc_9260 < all / 3 && bbr > all / 100 * 95, "{rfc_9260} and {bbr} of {all} packets");
}

#[test]
fn a_burst_of_bbr_is_a_group_of_packets_even_after_silence() {
    let mut line = Line::new(CongestionControl::Bbr);
    line.run_for(Duration::from_secs(5));
    line.burst = 0;
    line.run_for(Duration::from_secs(5));
    assert!(line.burst <= 3 * P, "{} bytes at once", line.burst);
    line.now += Duration::from_secs(5);
    line.run_for(Duration::from_secs(5));
    assert!(line.burst <= 4 * P, "{} bytes at once", line.burst);
}

#[test]
fn a_few_bytes_before_do_not_make_bbr_start_slowly() {
    let delivered = [0, 2, 100].map(|messages| {
        let mut line = Line::new(CongestionControl::Bbr);
        line.talk(messages);
        line.run_for(Duration::from_secs(1));
        line.delivered
    });
    assert!(delivered.iter().all(|&packets| packets > delivered[0] / 10 * 9), "{delivered:?} packets");
}

#[test]
fn bbr_remembers_the_rate_while_there_is_little_to_send() {
    let mut line = Line::new(CongestionControl::Bbr);
    line.run_for(Duration::from_secs(5));
    line.on_way.clear();
    line.talk(1_000);
    line.delivered = 0;
    line.run_for(Duration::from_secs(1));
    assert!(line.delivered > RATE / P as u64 / 10 * 9, "{} packets", line.delivered);
}
