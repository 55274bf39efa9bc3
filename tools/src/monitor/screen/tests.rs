//! What is on the screen.

use clap::Parser;
use rserpool::csp::{ComponentAssociation, StatusReport, Workload};
use rserpool::{PeId, RegistrarId};

use super::*;

/// A registrar, three elements of which two have an association, and a line of a liar.
fn components() -> Components {
    let mut components = Components::default();
    let home = ComponentAssociation {
        receiver: RegistrarId(0x11).into(),
        duration: Some(Duration::from_secs(61)),
        flags: 0,
        protocol: 132,
        ppid: 11,
    };
    let report = |sender: ComponentId, status: &str, associations: Vec<ComponentAssociation>| StatusReport {
        sender,
        is_final: false,
        age: Duration::from_secs(3600),
        interval: Duration::from_secs(1),
        location: "here: 192.0.2.1:3863".into(),
        status: status.into(),
        workload: Some(Workload::from_fraction(0.25)),
        associations,
    };
    let reports = [
        report(RegistrarId(0x11).into(), "3[3] PEs in 1 Pool, 0 Peers", vec![]),
        report(PeId(0x21).into(), "1 Session", vec![home]),
        report(PeId(0x22).into(), "\u{1b}[2Jliar\u{202e}", vec![home]),
        report(PeId(0x23).into(), "idle", vec![]),
    ];
    for report in reports {
        components.hear(&report.encode(), [192, 0, 2, 1].into(), Instant::now());
    }
    components
}

/// The screen, line by line without blanks at the ends.
fn draw(arguments: &[&str], view: &mut View, height: u16) -> Vec<String> {
    let options = Options::parse_from(["cspmonitor"].iter().chain(arguments));
    let area = Rect::new(0, 0, 140, height);
    let mut buffer = Buffer::empty(area);
    let components = components();
    Screen { components: &components, options: &options, now: Instant::now() }.draw(view, area, &mut buffer);
    let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned()).collect()
}

#[test]
fn each_component_has_a_line_and_each_association_one_below() {
    let screen = draw(&[], &mut View::default(), 10);
    assert_eq!(screen[0], "Components: 1 PRs  3 PEs  0 PUs");
    let registrar = screen[2].split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        registrar,
        "PR 0x00000011 here: 192.0.2.1:3863 01:00:00 0.0 s 0 25 % 3[3] PEs in 1 Pool, 0 Peers"
    );
    assert!(screen[3].starts_with("PE 0x00000021") && screen[3].ends_with("1 Session"), "{screen:#?}");
    let association = screen[4].split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(association, "-> PR 0x00000011 ASAP 00:01:01");
}

#[test]
fn nothing_of_a_text_reaches_the_terminal_that_commands_it() {
    let screen = draw(&[], &mut View::default(), 10).join("\n");
    assert!(screen.contains("\u{fffd}[2Jliar\u{fffd}"), "{screen}");
    assert!(!screen.contains('\u{1b}'));
}

#[test]
fn of_many_components_as_many_are_shown_as_wanted() {
    let screen =
        draw(&["--compact", "--maxpe=1", "--maxpr=0"], &mut View { is_compact: true, ..View::default() }, 10);
    assert!(screen[2].contains("(1 more are not shown)"), "{screen:#?}");
    assert!(screen[3].starts_with("PE 0x00000021"), "{screen:#?}");
    assert!(screen[4].contains("(2 more are not shown)"), "{screen:#?}");
    assert_eq!(screen[5], "");
}

#[test]
fn keys_scroll_as_far_as_there_is_something() {
    let mut view = View::default();
    let press = |view: &mut View, code| view.press(KeyEvent::new(code, KeyModifiers::NONE));
    draw(&[], &mut view, 5);
    assert!(!press(&mut view, KeyCode::End));
    let screen = draw(&[], &mut view, 5);
    assert!(screen[0].contains("rows 4 to 6 of 6"), "{screen:#?}");
    assert!(screen[4].starts_with("PE 0x00000023"), "{screen:#?}");
    press(&mut view, KeyCode::PageUp);
    press(&mut view, KeyCode::Down);
    assert!(draw(&[], &mut view, 5)[0].contains("rows 2 to 4 of 6"));
    press(&mut view, KeyCode::Char('c'));
    assert!(draw(&[], &mut view, 5)[0].contains("rows 2 to 4 of 4"));
    assert!(press(&mut view, KeyCode::Char('q')));
}

#[test]
fn a_screen_without_room_does_no_harm() {
    for height in 0..4 {
        draw(&[], &mut View::default(), height);
    }
}
