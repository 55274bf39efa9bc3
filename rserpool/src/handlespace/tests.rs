use std::net::IpAddr;

use rand::SeedableRng;

use super::*;
use crate::wire::{Life, PolicyField, PolicyType, TransportUse};

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn handlespace(limits: Limits) -> Handlespace<()> {
    Handlespace::new(limits, &mut rng())
}

fn element(id: u32, policy: Policy) -> PoolElement {
    PoolElement {
        id: PeId(id),
        home: RegistrarId(1),
        life: Life::INFINITE,
        user_transport: Transport::sctp(7, [IpAddr::from([10, 0, 0, 1])], TransportUse::DataOnly),
        policy,
        asap_transport: None,
    }
}

fn register(
    space: &mut Handlespace<()>,
    pool: &str,
    info: PoolElement,
) -> Result<Registered, RegistrationError> {
    space.register(&pool.into(), info, || ())
}

fn selected(space: &mut Handlespace<()>, pool: &str, count: usize) -> Vec<u32> {
    let mut keys = Vec::new();
    space.select(&pool.into(), count, None, &mut rng(), &mut keys);
    keys.into_iter().map(|key| space.get(key).unwrap().info.id.0).collect()
}

#[test]
fn a_pool_lives_from_its_first_element_to_its_last() {
    // RFC 5352, 3.1 rule 1 and 3.2.
    let mut space = handlespace(Limits::default());
    let first = register(&mut space, "P", element(1, Policy::default())).unwrap();
    assert!(first.is_new && space.pool(&"P".into()).is_some());
    let second = register(&mut space, "P", element(2, Policy::default())).unwrap();
    assert_eq!(selected(&mut space, "P", 5), [1, 2]);
    assert_eq!(space.remove(first.key).unwrap().info.id, PeId(1));
    assert!(space.remove(first.key).is_none());
    space.remove(second.key).unwrap();
    assert!(space.is_empty() && space.pool(&"P".into()).is_none());
    assert!(selected(&mut space, "P", 5).is_empty());
}

#[test]
fn registering_again_replaces_what_is_known() {
    // RFC 5352, 3.1 rule 3.
    let mut space = handlespace(Limits::default());
    register(&mut space, "P", element(1, Policy::least_used(5))).unwrap();
    register(&mut space, "P", element(2, Policy::least_used(6))).unwrap();
    let again = register(&mut space, "P", element(1, Policy::least_used(7))).unwrap();
    assert!(!again.is_new);
    assert_eq!((space.len(), selected(&mut space, "P", 2)), (2, vec![2, 1]));
}

#[test]
fn an_element_unlike_its_pool_is_rejected_with_the_rfcs_cause() {
    // RFC 5352, 3.1 rule 2; RFC 5354, 3.12.6, 3.12.8, 3.12.9.
    let mut space = handlespace(Limits::default());
    register(&mut space, "P", element(1, Policy::default())).unwrap();
    let code = |space: &mut Handlespace<()>, info| register(space, "P", info).unwrap_err().cause().code;
    assert_eq!(code(&mut space, element(1, Policy::least_used(0))), CauseCode::INCONSISTENT_POLICY);
    let mut tcp = element(2, Policy::default());
    tcp.user_transport.protocol = Protocol::Tcp;
    assert_eq!(code(&mut space, tcp), CauseCode::INCONSISTENT_TRANSPORT_TYPE);
    let mut control = element(2, Policy::default());
    control.user_transport.protocol = Protocol::Sctp(TransportUse::DataAndControl);
    assert_eq!(code(&mut space, control), CauseCode::INCONSISTENT_CONTROL_USE);
    assert_eq!(space.len(), 1);
}

#[test]
fn the_causes_details_tell_what_the_pool_has() {
    let error = RegistrationError::PolicyDiffers { pool: Policy::default() };
    assert_eq!(error.cause().info, [0, 8, 0, 8, 0, 0, 0, 1][..]);
}

#[test]
fn a_policy_that_nobody_knows_here_is_kept_as_it_is_and_served_round_robin() {
    let mut space = handlespace(Limits::default());
    let policy = |number| Policy::own(0xb000_4711, [number, 2, 3]);
    let keys = [8, 7].map(|id| register(&mut space, "P", element(id, policy(id))).unwrap().key);
    assert_eq!([0, 1].map(|_| selected(&mut space, "P", 1)), [[8], [7]]);
    assert_eq!(space.get(keys[1]).unwrap().info.policy, policy(7));
    assert_eq!(space.pool(&"P".into()).unwrap().policy(), Policy::new(PolicyType::Unknown(0xb000_4711)));
}

#[test]
fn limits_are_kept() {
    let mut space = handlespace(Limits { pools: 1, elements: 2, addresses: 1 });
    register(&mut space, "P", element(1, Policy::default())).unwrap();
    let full = |result: Result<_, RegistrationError>| match result.unwrap_err() {
        RegistrationError::Full { what, .. } => what,
        other => panic!("{other}"),
    };
    assert_eq!(full(register(&mut space, "Q", element(1, Policy::default()))), "pools");
    register(&mut space, "P", element(2, Policy::default())).unwrap();
    assert_eq!(full(register(&mut space, "P", element(3, Policy::default()))), "elements");
    let mut multihomed = element(1, Policy::default());
    multihomed.user_transport.addresses =
        [1, 2].map(|host| IpAddr::from([10, 0, 0, host])).into_iter().collect();
    assert_eq!(full(register(&mut space, "P", multihomed)), "addresses of an element");
    register(&mut space, "P", element(2, Policy::default())).expect("renewal needs no room");
}

#[test]
fn the_checksum_follows_elements_to_their_new_home() {
    let mut space = handlespace(Limits::default());
    let (first, second) = (RegistrarId(1), RegistrarId(2));
    let key = register(&mut space, "EchoPool", element(0x1122_3344, Policy::default())).unwrap().key;
    assert_eq!(space.checksum(first).value().to_be_bytes(), [0x4d, 0xeb]);
    let moved = PoolElement { home: second, ..element(0x1122_3344, Policy::default()) };
    register(&mut space, "EchoPool", moved).unwrap();
    assert_eq!(space.checksum(first), PeChecksum::default());
    assert_eq!(space.checksum(second).value().to_be_bytes(), [0x4d, 0xeb]);
    assert_eq!(space.keys_of(second).collect::<Vec<_>>(), [key]);
    space.remove(key);
    assert_eq!(space.checksum(second), PeChecksum::default());
}

#[test]
fn pools_of_different_policies_live_side_by_side() {
    let mut space = handlespace(Limits::default());
    for (index, policy_type) in PolicyType::all().enumerate() {
        let policy = Policy::new(policy_type).with(PolicyField::Weight, 1);
        register(&mut space, &format!("pool {index}"), element(1, policy)).unwrap();
    }
    assert_eq!(space.pools().count(), 16);
    assert!((0..16).all(|index| selected(&mut space, &format!("pool {index}"), 3) == [1]));
}
