//! Registrations that say what cannot be, or what not everybody could read (RFC 5352, 3.1 rule 5).

use std::ops::Range;

use rserpool::transport::AssociationId;
use rserpool::wire::{AsapMessage, CauseCode, Life, PoolElement};
use rserpool::{PeId, PoolHandle};

use crate::memberships::{description, register};
use crate::stranger::FORMAT;
use crate::world::{POOL, Place, World};

/// What a stranger hears of its registration.
fn rejection(
    world: &mut World,
    (place, association): (Place, AssociationId),
    registration: Vec<u8>,
) -> AsapMessage {
    world.say_bytes(place, association, registration);
    let mut told = world.told(place);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

#[test]
fn a_registration_is_answered_whatever_is_wrong_with_its_values() {
    // RFC 5352, 3.1 rule 5; RFC 5354, 3.12.4: with the parameter in which it is.
    const TRANSPORT: Range<usize> = 36..52;
    const POLICY: Range<usize> = 52..60;
    let mut world = World::new();
    world.add_registrar(1);
    let stranger = world.stranger_at_registrar(31);
    let written = |pool_handle: &[u8], element: PoolElement| {
        let pool_handle = PoolHandle::new(pool_handle);
        AsapMessage::Registration { pool_handle, element }.encode(&FORMAT).expect("a message").to_vec()
    };
    let good = written(POOL.as_bytes(), description(31, |_| {}));
    let changed = |at: usize, value, parameter: Range<usize>| {
        let mut bytes = good.clone();
        bytes[at] = value;
        let parameter = bytes[parameter].to_vec();
        (POOL.as_bytes().to_vec(), bytes, parameter)
    };
    let lifeless = written(POOL.as_bytes(), description(31, |element| element.life = Life::from_millis(0)));
    let (long, nameless) = (vec![b'x'; PoolHandle::MAX_INTEROPERABLE_LEN + 1], Vec::new());
    let of_handle = |handle: &[u8]| [&[0, 9, 0, handle.len() as u8 + 4][..], handle].concat();
    let cases = [
        // A use of the transport that there is not; an address that is none; weighted round robin without a weight.
        changed(43, 2, TRANSPORT),
        changed(44, 0x80, TRANSPORT),
        changed(59, 2, POLICY),
        (POOL.as_bytes().to_vec(), lifeless.clone(), lifeless[20..].to_vec()),
        (long.clone(), written(&long, description(31, |_| {})), of_handle(&long)),
        (nameless.clone(), written(&nameless, description(31, |_| {})), of_handle(&nameless)),
    ];
    for (pool_handle, registration, parameter) in cases {
        let answer = rejection(&mut world, stranger, registration);
        let AsapMessage::RegistrationResponse { rejected: true, pool_handle: of, pe_id: PeId(31), errors } =
            answer
        else {
            panic!("{answer:?}");
        };
        assert_eq!(of, PoolHandle::new(pool_handle));
        let [cause] = &errors[..] else { panic!("{errors:?}") };
        assert_eq!((cause.code, &cause.info[..parameter.len()]), (CauseCode::INVALID_VALUES, &parameter[..]));
    }
    let nowhere = description(31, |element| element.user_transport.port = 0);
    assert_eq!(register(&mut world, stranger, nowhere), Err(vec![CauseCode::INVALID_VALUES]));
    assert!(world.registrar(1).handlespace().is_empty());
}

#[test]
fn a_pool_may_have_a_long_name_where_no_rsplib_listens() {
    let mut world = World::new();
    world.add_registrar_with(1, |config| config.format.long_pool_handles = true);
    let (place, association) = world.stranger_at_registrar(31);
    let long = PoolHandle::new([b'x'; 100]);
    let (pool_handle, element) = (long.clone(), description(31, |_| {}));
    world.say(place, association, &AsapMessage::Registration { pool_handle, element });
    let (subscribe, pool_handle, items) = (false, long, None);
    world.say(place, association, &AsapMessage::HandleResolution { subscribe, pool_handle, items });
    let told = world.told(place);
    assert!(
        matches!(
            &told[..],
            [
                AsapMessage::RegistrationResponse { rejected: false, .. },
                AsapMessage::HandleResolutionResponse { elements, .. }
            ] if elements.len() == 1
        ),
        "{told:?}"
    );
}
