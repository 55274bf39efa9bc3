use super::*;

mod shapes;

/// PMDCS of these tests.
const P: usize = 1_000;

fn with(cwnd: usize, ssthresh: usize) -> Congestion {
    Congestion::start(Start { cwnd, ssthresh, pmdcs: P }, &AssociationConfig::default())
}

/// `bytes` acknowledged of a full window.
fn acked(bytes: usize, congestion: &Congestion) -> Acknowledged {
    Acknowledged {
        bytes,
        flight_before: congestion.cwnd(),
        flight_after: congestion.cwnd().saturating_sub(bytes),
        rwnd: usize::MAX,
        data_waits: true,
        ..Acknowledged::default()
    }
}

#[test]
fn the_initial_window_is_three_packets_of_ethernet_and_two_of_more() {
    // RFC 9260, 7.2.1
    let config = AssociationConfig::default();
    let cwnd = |pmdcs, ip: &str| Congestion::new(pmdcs, ip.parse().unwrap(), &config).cwnd();
    assert_eq!(cwnd(500, "10.0.0.1"), 2_000);
    assert_eq!(cwnd(1_468, "10.0.0.1"), 4_404);
    assert_eq!(cwnd(1_448, "2001:db8::1"), 4_344);
    assert_eq!(cwnd(9_000, "10.0.0.1"), 18_000);
}

/// RFC 9260, 7.2.
#[test]
fn slow_start_adds_what_was_acknowledged_but_at_most_one_packet() {
    // RFC 9260, 7.2.1
    let mut congestion = with(4 * P, usize::MAX);
    congestion.on_ack(acked(300, &congestion), P);
    assert_eq!(congestion.cwnd(), 4 * P + 300);
    congestion.on_ack(acked(3 * P, &congestion), P);
    assert_eq!(congestion.cwnd(), 5 * P + 300);
}

#[test]
fn a_window_that_was_not_full_does_not_grow() {
    // RFC 9260, 7.2.1 and 7.2.2
    for ssthresh in [usize::MAX, P] {
        let mut congestion = with(4 * P, ssthresh);
        let ack = Acknowledged { flight_before: 4 * P - 1, ..acked(P, &congestion) };
        (0..20).for_each(|_| congestion.on_ack(ack, P));
        assert_eq!(congestion.cwnd(), 4 * P);
    }
}

#[test]
fn each_sack_of_a_batch_counts_if_the_window_was_full_when_the_sender_had_its_turn() {
    let mut congestion = with(4 * P, usize::MAX);
    congestion.on_sent(Time::ZERO, P, 4 * P, P);
    for flight in [4 * P, 2 * P] {
        let ack = Acknowledged { flight_before: flight, ..acked(P, &congestion) };
        congestion.on_ack(ack, P);
    }
    assert_eq!(congestion.cwnd(), 6 * P);
    let last = Acknowledged { flight_before: P, data_waits: false, ..acked(P, &congestion) };
    congestion.on_ack(last, P);
    assert_eq!(congestion.cwnd(), 6 * P, "the application had no more data: the window is not in full use");
}

#[test]
fn the_window_stays_as_it_is_in_fast_recovery() {
    // RFC 9260, 7.2.1 and 7.2.4
    let mut congestion = with(4 * P, 8 * P);
    let ack = Acknowledged { in_fast_recovery: true, ..acked(P, &congestion) };
    congestion.on_ack(ack, P);
    assert_eq!(congestion.cwnd(), 4 * P);
}

/// RFC 9260, 7.2.
#[test]
fn congestion_avoidance_adds_one_packet_for_each_window() {
    // RFC 9260, 7.2.2
    let mut congestion = with(10 * P, 5 * P);
    for _ in 0..4 {
        congestion.on_ack(acked(2 * P, &congestion), P);
        assert_eq!(congestion.cwnd(), 10 * P);
    }
    congestion.on_ack(acked(3 * P, &congestion), P);
    assert_eq!((congestion.cwnd(), congestion.partial_bytes_acked()), (11 * P, P));
    congestion.on_all_acked();
    assert_eq!(congestion.partial_bytes_acked(), 0);
}

#[test]
fn partial_bytes_acked_is_capped_while_the_window_is_not_full() {
    // RFC 9260, 7.2.2, third item
    let mut congestion = with(4 * P, P);
    let ack = Acknowledged { flight_before: P, ..acked(3 * P, &congestion) };
    (0..3).for_each(|_| congestion.on_ack(ack, P));
    assert_eq!((congestion.cwnd(), congestion.partial_bytes_acked()), (4 * P, 4 * P));
}

#[test]
fn a_loss_halves_the_window_and_a_time_out_leaves_one_packet() {
    // RFC 9260, 7.2.3
    let mut congestion = with(20 * P, usize::MAX);
    congestion.on_fast_retransmit(Time::ZERO, P);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (10 * P, 10 * P));
    congestion.on_fast_retransmit(Time::ZERO, P);
    congestion.on_fast_retransmit(Time::ZERO, P);
    assert_eq!(congestion.cwnd(), 4 * P, "the floor");
    congestion.on_timeout(Time::ZERO, P);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (P, 4 * P));
}

/// RFC 9260, 7.2.1.
#[test]
fn after_a_time_out_one_packet_is_in_flight_until_something_is_acknowledged() {
    // RFC 9260, 7.2.3
    let mut congestion = with(20 * P, usize::MAX);
    congestion.on_timeout(Time::ZERO, P);
    assert!(congestion.may_send(Time::ZERO, 0, 0, P));
    assert!(!congestion.may_send(Time::ZERO, 100, 0, P), "however small that packet was");
    congestion.on_ack(acked(100, &congestion), P);
    assert!(congestion.may_send(Time::ZERO, 100, 0, P));
}

/// RFC 9260, 7.2.1.
#[test]
fn a_packet_may_start_below_the_window_and_end_above_it() {
    // RFC 9260, 6.1 B
    let congestion = with(4 * P, usize::MAX);
    assert!(congestion.may_send(Time::ZERO, 4 * P - 1, 0, P));
    assert!(!congestion.may_send(Time::ZERO, 4 * P, 0, P));
}

/// RFC 9260, 7.1, 7.2.2.
#[test]
fn the_window_halves_for_each_idle_rto_down_to_four_packets() {
    // RFC 9260, 7.2.1, last item
    let mut congestion = with(32 * P, usize::MAX);
    assert!(congestion.may_send(Time::ZERO, 15 * P, 1, P));
    assert!(!congestion.may_send(Time::ZERO, 16 * P, 1, P));
    congestion.on_idle(Time::ZERO, 2, P);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (8 * P, 32 * P));
    congestion.on_idle(Time::ZERO, 1_000, P);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (4 * P, 8 * P));
    let mut small = with(P, 7 * P);
    small.on_idle(Time::ZERO, 5, P);
    assert_eq!((small.cwnd(), small.ssthresh()), (P, 7 * P), "idling does not open a window");
}

/// RFC 9260, 6.1 D limits a burst, not the growth of the flight: after a pause, with a large window, the
/// flight multiplies with each round trip even if all of its SACKs are taken in at once.
#[test]
fn a_small_flight_catches_up_with_a_large_window_however_its_sacks_are_batched() {
    let mut congestion = with(1_000 * P, P);
    let (mut flight, mut round_trips) = (4 * P, 0);
    while flight < 1_000 * P {
        for acked_so_far in (2 * P..=flight).step_by(2 * P) {
            let ack = Acknowledged {
                flight_before: flight - acked_so_far + 2 * P,
                flight_after: flight - acked_so_far,
                ..acked(2 * P, &congestion)
            };
            congestion.on_ack(ack, P);
        }
        flight %= 2 * P;
        while congestion.may_send(Time::ZERO, flight, 0, P) {
            flight += P;
            congestion.on_sent(Time::ZERO, P, flight, P);
        }
        round_trips += 1;
    }
    assert!(round_trips <= 6, "{round_trips} round trips");
}

#[test]
fn a_stretched_sack_releases_what_it_acknowledged_and_max_burst_more() {
    // RFC 9260, 6.1 D
    let mut congestion = with(100 * P, usize::MAX);
    let mut flight = 8 * P;
    let ack = Acknowledged { flight_before: flight, flight_after: 0, ..acked(8 * P, &congestion) };
    congestion.on_ack(ack, P);
    flight = 0;
    while congestion.may_send(Time::ZERO, flight, 0, P) {
        flight += P;
        congestion.on_sent(Time::ZERO, P, flight, P);
    }
    assert_eq!(flight, 12 * P);
}

#[test]
fn burst_credit_adds_up_over_a_batch_of_sacks_but_not_over_a_closed_window() {
    let mut congestion = with(100 * P, P);
    let mut ack = acked(2 * P, &congestion);
    for step in 1..=10 {
        ack.flight_after = 100 * P - step * 2 * P;
        congestion.on_ack(ack, P);
    }
    assert_eq!(congestion.burst.credit, 20 * P);
    let closed = Acknowledged { rwnd: 0, ..ack };
    congestion.on_ack(closed, P);
    assert_eq!(congestion.burst.credit, 4 * P);
}

/// RFC 9260, 6.1 A: what is acknowledged a minute late, since the SACKs before were lost, must not stop a path for hours.
#[test]
fn a_pacer_that_measured_nothing_but_a_delay_still_sends_a_least_window_in_a_second() {
    let mut congestion = Congestion::new(
        P,
        [10, 0, 0, 1].into(),
        &AssociationConfig { congestion_control: CongestionControl::Bbr, ..AssociationConfig::default() },
    );
    let [first, late] = [Time::from_millis(1_000), Time::from_millis(61_000)];
    congestion.on_sent(first, P, P, P);
    let latest = Some(LastSent { at: first, retransmitted: false });
    congestion.on_ack(Acknowledged { now: late, latest, ..acked(P, &congestion) }, P);
    let (mut now, mut sent) = (late, 0);
    while sent < 8 {
        now = congestion.deadline().unwrap_or(now).max(now);
        congestion.handle_timeout(now);
        assert!(congestion.may_send(now, 0, 0, P));
        congestion.on_sent(now, P, P, P);
        sent += 1;
    }
    assert!(now <= late + core::time::Duration::from_secs(2), "{now:?}");
}

/// A user's own controller: a window that never changes.
#[derive(Debug)]
struct Fixed(usize);

impl Controller for Fixed {
    fn cwnd(&self) -> usize {
        self.0
    }

    fn on_ack(&mut self, _ack: &Acknowledged, _pmdcs: usize) {}

    fn on_fast_retransmit(&mut self, _now: Time, _pmdcs: usize) {}

    fn on_timeout(&mut self, _now: Time, _pmdcs: usize) {}
}

#[derive(Debug)]
struct Doubling;

impl ControllerFactory for Doubling {
    fn make(&self, start: &Start) -> Box<dyn Controller> {
        Box::new(Fixed(2 * start.cwnd))
    }
}

#[test]
fn the_algorithm_can_be_the_users_own_and_changed_while_data_flows() {
    let own = CongestionControl::Custom(std::sync::Arc::new(Doubling));
    let config = AssociationConfig { congestion_control: own.clone(), ..AssociationConfig::default() };
    let mut congestion = with(8 * P, 6 * P);
    congestion.update_config(P, &config);
    assert_eq!(congestion.cwnd(), 16 * P, "it starts from the present window");
    congestion.update_config(P, &config);
    congestion.on_timeout(Time::ZERO, P);
    assert_eq!(congestion.cwnd(), 16 * P, "the same choice again changes nothing");
    assert!(!congestion.may_send(Time::ZERO, 1, 0, P), "what all algorithms share holds for the user's own");
    congestion.update_config(P, &AssociationConfig::default());
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (16 * P, usize::MAX));
}
