//! What is kept of reports, also of those of liars.

use rserpool::csp::{ComponentAssociation, Group};

use super::*;

fn report(object: u64, status: &str) -> StatusReport {
    StatusReport {
        sender: ComponentId::new(Group::PoolElement, object),
        is_final: false,
        age: Duration::from_secs(1),
        interval: Duration::from_secs(1),
        location: "here".into(),
        status: status.into(),
        workload: None,
        associations: Vec::new(),
    }
}

fn source(number: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
}

/// What became of the component of a report.
fn hear(components: &mut Components, report: &StatusReport, from: u32) -> Option<Change> {
    components.hear(&report.encode(), source(from), Instant::now()).map(|(_, change, _)| change)
}

#[test]
fn components_come_change_and_end() {
    let mut components = Components::default();
    assert_eq!(hear(&mut components, &report(1, "idle"), 1), Some(Change::Came));
    assert_eq!(
        hear(&mut components, &StatusReport { age: Duration::from_secs(2), ..report(1, "idle") }, 1),
        None
    );
    assert_eq!(hear(&mut components, &report(1, "busy"), 1), Some(Change::Changed));
    let to = ComponentAssociation {
        receiver: ComponentId::new(Group::Registrar, 7),
        duration: None,
        flags: 0,
        protocol: 132,
        ppid: 11,
    };
    let connected = StatusReport { associations: vec![to], ..report(1, "busy") };
    assert_eq!(hear(&mut components, &connected, 1), Some(Change::Changed));
    assert_eq!(
        hear(&mut components, &StatusReport { is_final: true, ..report(1, "") }, 1),
        Some(Change::Ended)
    );
    assert_eq!(hear(&mut components, &StatusReport { is_final: true, ..report(1, "") }, 1), None);
    assert_eq!(components.iter().count(), 0);
}

#[test]
fn who_is_silent_is_forgotten() {
    let mut components = Components::default();
    let (begin, patience) = (Instant::now(), Duration::from_secs(30));
    for (object, at) in [(1, 0), (2, 20)] {
        let heard = begin + Duration::from_secs(at);
        components.hear(&report(object, "").encode(), source(1), heard).expect("it is new");
    }
    assert!(components.purge(patience, begin + Duration::from_secs(29)).is_empty());
    let gone = components.purge(patience, begin + Duration::from_secs(30));
    let gone: Vec<_> = gone.iter().map(|(id, change, _)| (id.object(), *change)).collect();
    assert_eq!(gone, [(1, Change::Silent)]);
    assert_eq!(components.iter().count(), 1);
}

#[test]
fn one_sender_cannot_take_all_the_room_and_nobody_more() {
    let mut components = Components::default();
    for object in 1..=MAX_PER_SOURCE as u64 + 10 {
        hear(&mut components, &report(object, ""), 1);
    }
    assert_eq!((components.iter().count(), components.refused), (MAX_PER_SOURCE, 10));
    assert_eq!(hear(&mut components, &report(1 << 40, ""), 2), Some(Change::Came));
    // What others have reported of is not lost because this one has no room.
    assert_eq!(hear(&mut components, &report(1 << 40, "mine"), 1), None);
    assert_eq!(components.iter().count(), MAX_PER_SOURCE + 1);
    for object in 1..=2 * MAX_COMPONENTS as u64 {
        hear(&mut components, &report((1 << 41) + object, ""), 1000 + object as u32);
    }
    assert_eq!(components.iter().count(), MAX_COMPONENTS);
    // Who is known is heard all the same, and who ends leaves its place to another.
    assert_eq!(hear(&mut components, &report(1, "alive"), 1), Some(Change::Changed));
    hear(&mut components, &StatusReport { is_final: true, ..report(1, "") }, 1);
    assert_eq!(hear(&mut components, &report(1 << 42, ""), 3), Some(Change::Came));
}

#[test]
fn of_many_associations_some_are_kept_and_all_are_counted() {
    let mut components = Components::default();
    let to = ComponentAssociation {
        receiver: ComponentId::new(Group::Registrar, 7),
        duration: None,
        flags: 0,
        protocol: 132,
        ppid: 11,
    };
    hear(&mut components, &StatusReport { associations: vec![to; 1000], ..report(1, "") }, 1);
    let (_, component) = components.iter().next().unwrap();
    assert_eq!((component.associations, component.report.associations.len()), (1000, MAX_ASSOCIATIONS));
}

#[test]
fn what_is_no_report_is_counted() {
    let mut components = Components::default();
    assert!(components.hear(b"nothing", source(1), Instant::now()).is_none());
    assert_eq!(components.malformed, 1);
}
