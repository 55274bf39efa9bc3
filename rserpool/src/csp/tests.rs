//! Reports there and back; and whatever else may come in a datagram.

use proptest::prelude::*;

use super::*;

fn report() -> StatusReport {
    StatusReport {
        sender: RegistrarId(0x1111_0001).into(),
        is_final: false,
        age: Duration::from_micros(1_250_000),
        interval: Duration::from_millis(250),
        location: "here: 10.98.0.1:3863".into(),
        status: "1 PEs in 1 Pools".into(),
        workload: Some(Workload::from_fraction(0.5)),
        associations: vec![ComponentAssociation {
            receiver: PeId(0xec40).into(),
            duration: Some(Duration::from_secs(3)),
            flags: 0,
            protocol: 132,
            ppid: 11,
        }],
    }
}

#[test]
fn a_report_is_what_rsplib_sends() {
    let bytes = report().encode();
    assert_eq!(bytes.len(), 288 + 24);
    assert_eq!(bytes[..8], [1, 0, 1, 0x38, 0, 0, 2, 0]);
    assert_eq!(bytes[8..16], [1, 0, 0, 0, 0x11, 0x11, 0, 1]);
    assert_eq!(bytes[16..28], [0, 0, 0, 0, 0, 0x13, 0x12, 0xd0, 0, 3, 0xd0, 0x90]);
    assert_eq!(&bytes[28..49], b"here: 10.98.0.1:3863\0");
    assert_eq!(&bytes[156..173], b"1 PEs in 1 Pools\0");
    assert_eq!(bytes[284..288], [0x7f, 0xff, 0, 1]);
    assert_eq!(bytes[288..296], [2, 0, 0, 0, 0, 0, 0xec, 0x40]);
    assert_eq!(bytes[304..312], [0, 0, 0, 132, 0, 0, 0, 11]);
}

#[test]
fn what_is_wrong_is_told() {
    let good = report().encode();
    let parse_changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        StatusReport::parse(&bytes).unwrap_err()
    };
    assert_eq!(StatusReport::parse(&good[..287]), Err(ReportError::Truncated { length: 287 }));
    assert_eq!(parse_changed(0, 2), ReportError::UnknownType { message_type: 2 });
    assert_eq!(parse_changed(7, 1), ReportError::UnknownVersion { version: 0x0201 });
    assert_eq!(parse_changed(287, 2), ReportError::BadLength { told: 312, associations: 2, length: 312 });
    assert_eq!(parse_changed(3, 0), ReportError::BadLength { told: 256, associations: 1, length: 312 });
    assert_eq!(parse_changed(286, 0xff), ReportError::TooMany { associations: 0xff01 });
    let longer = [&good[..], &[0; 24]].concat();
    assert_eq!(
        StatusReport::parse(&longer),
        Err(ReportError::BadLength { told: 312, associations: 1, length: 336 })
    );
}

#[test]
fn texts_that_are_too_long_are_cut_where_a_character_ends() {
    let mut report = report();
    report.status = "\u{e4}".repeat(100);
    assert_eq!(StatusReport::parse(&report.encode()).unwrap().status, "\u{e4}".repeat(63));
    report.status = "before\0behind".into();
    assert_eq!(StatusReport::parse(&report.encode()).unwrap().status, "before");
}

#[test]
fn a_text_that_fills_its_field_needs_no_zero() {
    let mut bytes = report().encode();
    bytes[28..156].fill(b'x');
    assert_eq!(StatusReport::parse(&bytes).unwrap().location, "x".repeat(128));
}

#[test]
fn more_associations_than_fit_are_left_out() {
    let mut report = report();
    report.associations = vec![report.associations[0]; 70_000];
    let bytes = report.encode();
    assert!(bytes.len() < 65_507, "{}", bytes.len());
    assert_eq!(StatusReport::parse(&bytes).unwrap().associations.len(), MAX_ASSOCIATIONS);
}

#[test]
fn components_have_the_names_that_rsplib_gives_them() {
    assert_eq!(ComponentId::from(RegistrarId(0x11)).to_string(), "PR 0x00000011");
    assert_eq!(ComponentId::from(PeId(0xec40)).to_string(), "PE 0x0000ec40");
    let user = ComponentId::new(Group::PoolUser, u64::MAX);
    assert_eq!((user.group(), user.object()), (Group::PoolUser, (1 << 56) - 1));
}

fn component() -> impl Strategy<Value = ComponentId> {
    any::<u64>().prop_map(ComponentId)
}

fn association() -> impl Strategy<Value = ComponentAssociation> {
    (component(), any::<Option<u32>>(), any::<u16>(), any::<u16>(), any::<u32>()).prop_map(
        |(receiver, millis, flags, protocol, ppid)| {
            let duration = millis.map(|millis| Duration::from_millis(millis.into()));
            ComponentAssociation { receiver, duration, flags, protocol, ppid }
        },
    )
}

prop_compose! {
    fn any_report()(
        sender in component(),
        is_final in any::<bool>(),
        age in any::<u32>(),
        interval in any::<u32>(),
        location in "[^\0]{0,31}",
        status in "[^\0]{0,31}",
        workload in any::<Option<u16>>(),
        associations in prop::collection::vec(association(), 0..9),
    ) -> StatusReport {
        StatusReport {
            sender,
            is_final,
            age: Duration::from_micros(age.into()),
            interval: Duration::from_micros(interval.into()),
            location,
            status,
            workload: workload.filter(|load| *load != NO_WORKLOAD).map(Workload),
            associations,
        }
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(report in any_report()) {
        prop_assert_eq!(StatusReport::parse(&report.encode()), Ok(report));
    }

    #[test]
    fn no_datagram_does_harm(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        report in any_report(),
        at in 0_usize..312,
        value in any::<u8>(),
    ) {
        let _ = StatusReport::parse(&bytes);
        bytes = report.encode();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        if let Ok(other) = StatusReport::parse(&bytes) {
            prop_assert!(other.associations.len() * ASSOCIATION_LEN + FIXED_LEN == bytes.len());
        }
    }
}
