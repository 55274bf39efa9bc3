use std::collections::VecDeque;
use std::time::Duration;

use socketapi::Transport;

use super::super::network::Binding;
use super::*;
use crate::Profile;
use crate::transport::{AssociationId, Peer, Side};

/// Connects to nobody when its time has come.
struct Late {
    due: Option<Time>,
    commands: VecDeque<Command>,
    has_failed: bool,
    panics: bool,
}

impl Machine for Late {
    type Topic = ();

    fn handle_event(&mut self, event: TransportEvent, _now: Time) {
        self.has_failed |= matches!(event, TransportEvent::Lost { .. });
    }

    fn handle_timeout(&mut self, _now: Time) {
        assert!(!self.panics, "on purpose");
        self.due = None;
        let (association, peer) = (AssociationId::Outgoing(1), Peer { addresses: Vec::new(), port: 1 });
        self.commands.push_back(Command::Connect { association, side: Side::Asap, peer });
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.due
    }

    fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    fn handle_own_events(&mut self, _tasks: &mut Tasks<()>) {}
}

const LIMIT: Duration = Duration::from_secs(20);

/// A machine whose time comes so late, or not by itself.
fn late(host: u8, delay: Option<Duration>) -> Runner<Late> {
    let builder = Stack::builder().transport(Transport::Udp).address([127, 79, 30, host]).udp_port(0);
    let stack = builder.build().unwrap();
    let config = Profile::Fast.sctp_settings().association_config();
    let binding = Binding { side: Side::Asap, addresses: Vec::new(), port: 0, listen: false, config };
    let network = Network::open(&stack, binding).unwrap();
    let due = delay.map(|delay| stack.now() + delay);
    let machine = Late { due, commands: VecDeque::new(), has_failed: false, panics: false };
    Runner::start("late", &stack, machine, network).unwrap()
}

#[test]
fn what_a_time_out_has_caused_at_once_is_heard_at_once() {
    let runner = late(2, Some(Duration::from_millis(50)));
    let deadline = Some(Instant::now() + LIMIT);
    assert!(runner.wait(deadline, |engine| engine.machine.has_failed.then_some(())).is_ok());
}

#[test]
fn a_time_that_a_call_has_brought_forward_is_kept() {
    let runner = late(3, None);
    // Then it sleeps.
    assert!(runner.goes_round(LIMIT) && runner.goes_round(LIMIT));
    let mut due = Some(Time::ZERO);
    let deadline = Some(Instant::now() + LIMIT);
    let heard = runner.wait(deadline, |engine| {
        engine.machine.due = due.take().or(engine.machine.due);
        engine.machine.has_failed.then_some(())
    });
    assert!(heard.is_ok());
}

#[test]
fn nobody_waits_for_a_thread_that_has_panicked() {
    let runner = late(4, None);
    let mut due = Some(Time::ZERO);
    let heard = runner.wait(Some(Instant::now() + LIMIT), |engine| {
        engine.machine.panics = true;
        engine.machine.due = due.take().or(engine.machine.due);
        None::<()>
    });
    assert!(matches!(heard, Err(Error::Panicked)), "{heard:?}");
}
