//! A driver that never says what became of the associations that it was to set up: a registrar does not wait for ever.

use std::time::Duration;

use rserpool::Time;
use rserpool::registrar::{RegistrarEvent, RemovalReason};
use rserpool::transport::{AssociationId, Command, Side};
use rserpool::wire::{EnrpBody, UpdateAction};

use crate::lone::{Lone, element_of, place};
use crate::world::POOL;

const SECOND: Duration = Duration::from_secs(1);
/// The set-ups that have been begun from an endpoint: each with its association, its beginning, and when it was given up.
fn set_ups(lone: &Lone, from: Side) -> Vec<(AssociationId, Time, Option<Time>)> {
    let begun = lone.commands.iter().filter_map(|(at, command)| match command {
        Command::Connect { association, side, .. } if *side == from => Some((*association, *at)),
        _ => None,
    });
    let end = |wanted: AssociationId| {
        let is_end = |command: &Command| *command == Command::Abort { association: wanted };
        lone.commands.iter().find(|(_, command)| is_end(command)).map(|(at, _)| *at)
    };
    begun.map(|(association, at)| (association, at, end(association))).collect()
}

/// Each set-up but the last was given up in time, and the next one begun only then.
fn assert_bounded(set_ups: &[(AssociationId, Time, Option<Time>)], limit: Duration) {
    for pair in set_ups.windows(2) {
        let [(_, begun, ended), (_, next, _)] = *pair else { unreachable!("windows of two") };
        assert_eq!(ended, Some(begun + limit));
        assert!(next >= begun + limit, "two at once: {set_ups:?}");
    }
}

#[test]
fn a_peer_that_cannot_be_connected_to_is_tried_again_also_if_nobody_says_so() {
    let mut lone = Lone::start(|config| config.enrp.peers = vec![place(2)]);
    let limit = lone.registrar.config().connect_timeout;
    lone.run_for(10 * SECOND);
    let set_ups = set_ups(&lone, Side::Enrp);
    assert!(set_ups.len() >= 7, "{set_ups:?}");
    assert_bounded(&set_ups, limit);
    assert!(lone.registrar.is_serving());
}

#[test]
fn an_element_of_a_registrar_that_is_gone_and_that_cannot_be_connected_to_is_removed_also_if_nobody_says_so()
{
    let mut lone = Lone::start(|_| {});
    let limit = lone.registrar.config().connect_timeout;
    let peer = lone.befriend(2);
    lone.hear(
        2,
        peer,
        EnrpBody::HandleUpdate {
            action: UpdateAction::Add,
            takeover_suggested: false,
            pool_handle: POOL.into(),
            element: element_of(2, 11),
        },
    );
    assert_eq!(lone.registrar.handlespace().len(), 1);
    // From here on the peer says nothing any more.
    lone.run_for(10 * SECOND);
    let set_ups = set_ups(&lone, Side::Asap);
    assert_eq!(set_ups.len(), usize::from(lone.registrar.config().enrp.max_claims));
    assert_bounded(&set_ups, limit);
    let (_, begun, ended) = set_ups[set_ups.len() - 1];
    assert_eq!(ended, Some(begun + limit));
    let removal = lone.events().into_iter().find_map(|event| match event {
        RegistrarEvent::Removed { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!((removal, lone.registrar.handlespace().len()), (Some(RemovalReason::AssociationLost), 0));
}
