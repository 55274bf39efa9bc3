//! Mentors and peers that do not do what is asked of them: what RFC 5353 has a registrar do then.

use std::time::Duration;

use bytes::Bytes;
use rserpool::registrar::RegistrarConfig;
use rserpool::transport::{AssociationId, TransportEvent, UserMessage};
use rserpool::wire::{CauseCode, ENRP_PPID, EnrpBody, ErrorCause, PoolEntry, UpdateAction};

use crate::lone::{Lone, element_of, place, presence};
use crate::world::POOL;

const MOMENT: Duration = Duration::from_millis(100);
const TABLE: EnrpBody = EnrpBody::HandleTableRequest { own_children_only: false };

fn list(rejected: bool) -> EnrpBody {
    EnrpBody::ListResponse { rejected, servers: Vec::new() }
}

fn table(rejected: bool) -> EnrpBody {
    EnrpBody::HandleTableResponse { more: false, rejected, pools: Vec::new() }
}

/// A registrar that starts and knows two others; the first one is asked for the list of all.
fn start() -> (Lone, [AssociationId; 2]) {
    let mut lone = Lone::start(|config: &mut RegistrarConfig| {
        config.enrp.peers = vec![place(2), place(3)];
        config.enrp.mentor_discovery_timeout = Duration::from_secs(60);
    });
    lone.run_for(MOMENT);
    let mentors = [2, 3].map(|host| lone.answer(host));
    lone.hear(2, mentors[0], presence(2));
    lone.hear(3, mentors[1], presence(3));
    assert_eq!(lone.asked(mentors[0]), [EnrpBody::ListRequest]);
    (lone, mentors)
}

#[test]
fn a_mentor_that_refuses_or_does_not_answer_is_left_for_the_one_in_reserve() {
    // RFC 5353, 3.2.2.2 and 3.2.3, be it asked for the list or for the table; there is a timer for each (MAX-TIME-NO-RESPONSE).
    for answers in [vec![], vec![list(true)], vec![list(false)], vec![list(false), table(true)]] {
        let (mut lone, [mentor, reserve]) = start();
        let refuses = matches!(
            answers.last(),
            Some(EnrpBody::ListResponse { rejected: true, .. } | EnrpBody::HandleTableResponse { .. })
        );
        for answer in answers {
            lone.hear(2, mentor, answer);
        }
        if !refuses {
            lone.run_for(lone.registrar.config().enrp.max_time_no_response - MOMENT / 10);
            assert_eq!(lone.asked(reserve), []);
            lone.run_for(MOMENT / 10);
        }
        assert_eq!(lone.asked(reserve), [EnrpBody::ListRequest]);
        lone.hear(3, reserve, list(false));
        assert_eq!(lone.asked(reserve), [TABLE]);
        assert!(!lone.registrar.is_serving());
        lone.hear(3, reserve, table(false));
        assert!(lone.registrar.is_serving());
    }
}

#[test]
fn who_does_not_fetch_the_next_part_of_a_table_in_time_gets_the_first_one_again() {
    // RFC 5353, 3.2.3.
    let mut lone = Lone::start(|config| config.enrp.max_table_entries = 1);
    let [teller, slow] = [2, 3].map(|host| lone.befriend(host));
    for host in [11, 12] {
        let (action, takeover_suggested, pool_handle) = (UpdateAction::Add, false, POOL.into());
        let element = element_of(2, host);
        lone.hear(2, teller, EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element });
    }
    let patience = lone.registrar.config().enrp.max_time_no_response;
    for (pause, host) in [(MOMENT, 11), (MOMENT, 12), (MOMENT, 11), (patience + MOMENT / 10, 11)] {
        lone.run_for(pause);
        lone.hear(3, slow, TABLE);
        let pools = vec![PoolEntry { handle: POOL.into(), elements: vec![element_of(2, host)] }];
        let more = host == 11;
        assert_eq!(lone.asked(slow), [EnrpBody::HandleTableResponse { more, rejected: false, pools }]);
        lone.hear(2, teller, presence(2));
    }
}

#[test]
fn the_removal_of_an_element_that_nobody_knows_changes_nothing_and_is_not_answered() {
    // RFC 5353, 3.3.2.
    let mut lone = Lone::start(|_| {});
    let peer = lone.befriend(2);
    let (action, takeover_suggested, pool_handle) = (UpdateAction::Delete, false, POOL.into());
    let element = element_of(2, 11);
    lone.hear(2, peer, EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element });
    assert_eq!((lone.said(peer), lone.elements()), (vec![], vec![]));
}

#[test]
fn what_a_registrar_does_not_understand_it_reports_where_its_type_demands_that() {
    // RFC 5353, 3.7; RFC 5354, 3 and 4.
    let mut lone = Lone::start(|_| {});
    let peer = lone.befriend(2);
    let mut causes = |bytes: Vec<u8>| {
        let message = UserMessage::new(ENRP_PPID, bytes);
        lone.happen(TransportEvent::Message { association: peer, message });
        let errors = lone.asked(peer).into_iter().filter_map(|body| match body {
            EnrpBody::Error(causes) => Some(causes),
            _ => None,
        });
        errors.flatten().collect::<Vec<_>>()
    };
    let unknown = vec![0x4f, 0, 0, 4];
    let cause = ErrorCause::new(CauseCode::UNRECOGNIZED_MESSAGE, Bytes::from(unknown.clone()));
    assert_eq!(causes(unknown), [cause]);
    assert_eq!(causes(vec![0x0f, 0, 0, 4]), []);
    let with_parameter = |kind: u8| vec![5, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 0, kind, 0, 0, 4];
    for (kind, is_reported) in [(0x30, false), (0x70, true), (0xb0, false), (0xf0, true)] {
        let cause = ErrorCause::unrecognized_parameter(Bytes::from(vec![kind, 0, 0, 4]));
        assert_eq!(causes(with_parameter(kind)), Vec::from_iter(is_reported.then_some(cause)));
    }
}
