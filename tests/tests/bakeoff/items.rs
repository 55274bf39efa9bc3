//! The items of the score draft, in its order, with its points.

use std::any::type_name;

use crate::cases::{audits, elements, peers, registrar, takeover, updates, users};
use crate::ground::{Evidence, Ground};

type Test = Box<dyn Fn(&Ground) -> Evidence + Sync>;

/// What points are given for.
pub(crate) struct Item {
    /// The section, and the item's number in it.
    pub(crate) number: String,
    pub(crate) points: u32,
    pub(crate) what: &'static str,
    /// Where the test is: `elements::registers`.
    pub(crate) test_name: &'static str,
    /// Panics if something is not as it should be.
    pub(crate) test: Test,
    /// RSPLIB cannot do the other side.
    pub(crate) without_rsplib: bool,
}

impl Item {
    fn new<F>(points: u32, what: &'static str, test: F) -> Self
    where
        F: Fn(&Ground) -> Evidence + Sync + 'static,
    {
        let (_, name) = type_name::<F>().split_once("cases::").expect("it is one of the cases");
        // Without the policy.
        let test_name = name.split('<').next().unwrap_or(name);
        Self { number: String::new(), points, what, test_name, test: Box::new(test), without_rsplib: false }
    }

    fn without_rsplib(self) -> Self {
        Self { without_rsplib: true, ..self }
    }

    /// What the words on the command line are looked for in.
    pub(crate) fn name(&self) -> String {
        format!("{}: {} ({})", self.number, self.what, self.test_name)
    }
}

/// A section's items.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) items: Vec<Item>,
}

/// All 44 items.
pub(crate) fn all() -> Vec<Section> {
    let sections = vec![
        ("2.1 Our pool element at RSPLIB's registrar", element_items()),
        ("2.2 Our pool user at RSPLIB's registrar", user_items()),
        ("2.3 Our registrar with RSPLIB's elements and users", registrar_items()),
        ("3.1 Our registrar beside RSPLIB's: peers", peer_items()),
        ("3.2 Updates", update_items()),
        ("3.3 Synchronization", synchronization_items()),
        ("3.4 Takeover", takeover_items()),
    ];
    sections.into_iter().map(|(title, items)| numbered(title, items)).collect()
}

fn numbered(title: &'static str, mut items: Vec<Item>) -> Section {
    let section = title.split(' ').next().unwrap_or_default();
    for (item, number) in items.iter_mut().zip(1..) {
        item.number = format!("{section}-{number}");
    }
    Section { title, items }
}

fn element_items() -> Vec<Item> {
    vec![
        Item::new(2, "registers in a round robin pool", elements::registers),
        Item::new(
            2,
            "is rejected with another policy than the pool's, and does not try again",
            elements::is_rejected,
        ),
        Item::new(2, "renews its registration", elements::registers_again),
        Item::new(2, "deregisters", elements::deregisters),
        Item::new(2, "answers keep-alives", elements::answers_keep_alives),
        Item::new(
            5,
            "answers a keep-alive with the H bit, and then registers with the new home",
            elements::changes_its_home,
        ),
        Item::new(5, "finds a registrar by its announces, and registers", elements::hears_announces),
        Item::new(1, "registers with the policy least used", elements::uses::<0x4000_0001>),
        Item::new(1, "registers with the policy weighted round robin", elements::uses::<2>),
        Item::new(1, "registers with the policy random", elements::uses::<3>),
        Item::new(1, "registers with the policy weighted random", elements::uses::<4>),
    ]
}

fn user_items() -> Vec<Item> {
    vec![
        Item::new(5, "resolves the handle of a round robin pool", users::resolves::<1>),
        Item::new(2, "reports an element that it cannot reach", users::reports_the_unreachable),
        Item::new(5, "finds a registrar by its announces, and resolves", users::hears_announces),
        Item::new(1, "resolves the handle of a least used pool", users::resolves::<0x4000_0001>),
        Item::new(1, "resolves the handle of a weighted round robin pool", users::resolves::<2>),
        Item::new(1, "resolves the handle of a random pool", users::resolves::<3>),
        Item::new(1, "resolves the handle of a weighted random pool", users::resolves::<4>),
    ]
}

fn registrar_items() -> Vec<Item> {
    vec![
        Item::new(2, "registers an element in a round robin pool", registrar::registers),
        Item::new(2, "rejects a round robin element in a least used pool", registrar::rejects),
        Item::new(
            5,
            "rejects an element none of whose addresses belongs to its association",
            registrar::rejects_foreign_addresses,
        ),
        Item::new(
            5,
            "registers an element without those of its addresses that do not belong to its association",
            registrar::leaves_foreign_addresses_out,
        ),
        Item::new(
            5,
            "removes an element after three reports that it is unreachable",
            registrar::believes_three_reports,
        ),
        Item::new(2, "sends keep-alives regularly", registrar::sends_keep_alives),
        Item::new(2, "removes an element that does not answer them", registrar::removes_the_silent),
    ]
}

fn peer_items() -> Vec<Item> {
    vec![
        Item::new(2, "sends a Presence to a new registrar", peers::sends_a_presence),
        Item::new(
            2,
            "sends Presences as often as the heartbeat cycle says",
            peers::sends_presences_regularly,
        ),
        Item::new(5, "asks a new registrar for its peers, and knows them then", peers::asks_for_peers),
        Item::new(2, "tells a new registrar of its peers", peers::tells_its_peers),
        Item::new(5, "asks a new registrar for its handlespace, and has it then", peers::asks_for_the_table),
        Item::new(5, "the same with a table in several parts (M bit)", peers::asks_for_the_rest_of_the_table),
        Item::new(2, "tells a new registrar its handlespace", peers::tells_the_table),
        Item::new(
            10,
            "the same with a table in several parts (M bit), each from where the one before ended",
            peers::tells_the_rest_of_the_table,
        ),
        Item::new(5, "adds a registrar that tells of its presence by multicast", peers::hears_presences),
    ]
}

fn update_items() -> Vec<Item> {
    vec![
        Item::new(2, "adds an element that a Handle Update adds", updates::adds),
        Item::new(2, "changes an element that a Handle Update changes", updates::changes),
        Item::new(2, "removes an element that a Handle Update removes", updates::removes),
    ]
}

fn synchronization_items() -> Vec<Item> {
    vec![
        Item::new(
            5,
            "notices by the checksum that an element is missing, and asks for the table (W bit)",
            audits::finds_the_new,
        ),
        Item::new(
            5,
            "notices by the checksum that an element is no more, and asks for the table (W bit)",
            audits::drops_the_old,
        ),
        Item::new(
            10,
            "the same with many of both, more than a message holds (W and M bits)",
            audits::exchanges_many,
        ),
    ]
}

fn takeover_items() -> Vec<Item> {
    vec![
        Item::new(5, "notices that a registrar is gone, and begins a takeover", takeover::begins),
        Item::new(5, "acknowledges another's takeover, and gives its own up", takeover::gives_up),
        Item::new(10, "changes the homes as another's Takeover Server says", takeover::hears_of_takeovers)
            .without_rsplib(),
        Item::new(
            10,
            "takes over from a registrar that is gone, and tells its elements",
            takeover::takes_over,
        ),
    ]
}
