//! Registrars through random crashes, partitions and joins: in the end all know the same, and what they know is so.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the federation, and what must be true of it at any time, and in the end |
//! | [`observer`] | what must be true of each registrar's messages |
//! | [`turmoil`] | ten registrars, and whatever can happen to them |
//! | [`contests`] | many registrars that notice a death in the same instant; votes that are split |
//! | [`mixed`] | registrars that behave as RSPLIB's among ours |

mod contests;
mod mixed;
mod observer;
mod turmoil;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use rserpool::registrar::RegistrarEvent;
use rserpool::transport::UserMessage;
use rserpool::wire::{ENRP_PPID, EnrpBody, EnrpMessage, Format, Policy, PoolElement, UpdateAction};
use rserpool::{RegistrarId, Time};

use crate::world::{Deed, POOL, World};
use observer::Observer;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);
/// PEER-HEARTBEAT-CYCLE of the profile, with its variation.
const HEARTBEAT: Duration = Duration::from_millis(282);
/// How long a registrar that answers may have answered without having been heard: it has just started, or has just been cut off.
const DOUBT: Duration = Duration::from_secs(2);

struct Federation {
    world: World,
    rng: StdRng,
    registrars: Vec<u8>,
    elements: Vec<u8>,
    /// Registrars that behave as RSPLIB's.
    rsplib: BTreeSet<u8>,
    /// Whether these doubt a peer as soon as ours do.
    are_hasty: bool,
    /// Whether elements know one registrar only, so that they depend on another one's Keep-Alive with the H flag when it is gone.
    are_dependent: bool,
    is_parted: bool,
    /// Since when a registrar has been reached by all.
    settled: BTreeMap<u8, Time>,
    observer: Observer,
    looked_at: usize,
}

impl Federation {
    /// Registrars and elements that start at the same time. With an even seed all links are equally long.
    fn new(seed: u64, registrars: Vec<u8>, elements: Vec<u8>) -> Self {
        Self::mixed(seed, registrars, elements, BTreeSet::new(), false)
    }

    /// The same, and some of the registrars behave as RSPLIB's: with every other two seeds, 0 and 1 among them, in haste.
    fn mixed(
        seed: u64,
        registrars: Vec<u8>,
        elements: Vec<u8>,
        rsplib: BTreeSet<u8>,
        are_dependent: bool,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let world = if seed.is_multiple_of(2) { World::new() } else { World::with_uneven_delays(seed) };
        let mut federation = Self {
            world,
            rng,
            registrars: registrars.clone(),
            elements: elements.clone(),
            rsplib,
            are_hasty: (seed / 2).is_multiple_of(2),
            are_dependent,
            is_parted: false,
            settled: BTreeMap::new(),
            observer: Observer::new(),
            looked_at: 0,
        };
        registrars.into_iter().for_each(|host| federation.start_registrar(host));
        elements.into_iter().for_each(|host| federation.start_element(host));
        federation
    }

    fn start_registrar(&mut self, host: u8) {
        let others: Vec<u8> = self.registrars.iter().copied().filter(|other| *other != host).collect();
        if self.rsplib.contains(&host) {
            self.world.add_rsplib_registrar(host, &others, self.are_hasty);
        } else {
            self.world.add_peer_registrar_with(host, &others, |config| config.announce_interval = None);
            self.observer.add(RegistrarId(host.into()));
        }
        self.note_reached(host);
    }

    fn start_element(&mut self, host: u8) {
        let count = if self.are_dependent { 1 } else { self.registrars.len() };
        let known: Vec<u8> = self.registrars.iter().copied().sample(&mut self.rng, count);
        self.world.add_element(host, &known, Policy::default());
    }

    fn kill_registrar(&mut self, host: u8) {
        self.world.kill(host);
        self.settled.remove(&host);
    }

    fn freeze_registrar(&mut self, host: u8) {
        self.world.freeze(host);
        self.settled.remove(&host);
    }

    /// Registrars die in the same instant, one way or the other.
    fn strike(&mut self, victims: &[u8]) {
        let freezes = self.rng.random();
        for victim in victims {
            if freezes {
                self.freeze_registrar(*victim);
            } else {
                self.kill_registrar(*victim);
            }
        }
    }

    fn thaw_registrar(&mut self, host: u8) {
        self.world.thaw(host);
        self.note_reached(host);
    }

    /// From now on others reach it, if the network lets them.
    fn note_reached(&mut self, host: u8) {
        if !self.is_parted {
            self.settled.insert(host, self.world.now);
        }
    }

    /// Parts the network in two, at random.
    fn part(&mut self) {
        let hosts = self.registrars.iter().chain(&self.elements);
        let islands: Vec<(u8, u8)> = hosts.map(|host| (*host, self.rng.random_range(0..2))).collect();
        self.world.part(&islands);
        self.is_parted = true;
        self.settled.clear();
    }

    fn heal(&mut self) {
        self.world.heal();
        self.is_parted = false;
        self.live_registrars().into_iter().for_each(|host| self.note_reached(host));
    }

    fn live_registrars(&self) -> Vec<u8> {
        self.registrars.iter().copied().filter(|host| self.world.is_well(*host)).collect()
    }

    /// Whether a registrar has been reached for so long that all must know it.
    fn is_settled(&self, host: u8) -> bool {
        self.settled.get(&host).is_some_and(|since| *since + DOUBT < self.world.now)
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.now < end {
            self.world.run_for(TICK);
            self.judge();
        }
    }

    /// What must be true at any time.
    fn judge(&mut self) {
        self.observer.watch(std::mem::take(&mut self.world.acts));
        for (host, event) in &self.world.registrar_events[self.looked_at..] {
            let target = match event {
                RegistrarEvent::TakeoverBegun { target } => *target,
                RegistrarEvent::TakenOver { target, by, .. } if by.0 == u32::from(*host) => *target,
                _ => continue,
            };
            let answers = self.is_settled(*host) && self.is_settled(target.0 as u8);
            assert!(!answers, "{host} means to take {target} over, or has done so, which answers");
        }
        self.looked_at = self.world.registrar_events.len();
    }

    /// A registrar tells another of the end of an element that is not its own, as RSPLIB's do. Nobody must believe that: the home
    /// answers that the element is there.
    fn lie(&mut self) {
        let settled: Vec<u8> =
            self.registrars.iter().copied().filter(|host| self.is_settled(*host)).collect();
        let Some((liar, listener, element)) = self.choose_lie(&settled) else { return };
        let (id, home) = (element.id, element.home);
        let body = EnrpBody::HandleUpdate {
            action: UpdateAction::Delete,
            takeover_suggested: false,
            pool_handle: POOL.into(),
            element,
        };
        let lie = EnrpMessage { sender: RegistrarId(liar.into()), receiver: RegistrarId::NONE, body };
        let data = lie.encode(&Format::default()).expect("a message");
        self.world.say_as(liar, listener, UserMessage::new(ENRP_PPID, data));
        self.world.run_for(TICK);
        assert!(
            self.world.known_to(listener).iter().any(|known| known.id == id),
            "{listener} believes {liar} that {id} is gone, whose home is {home}"
        );
        let is_answer = |said: &EnrpMessage| match &said.body {
            EnrpBody::HandleUpdate { action: UpdateAction::Add, element, .. } => {
                element.id == id && said.receiver == RegistrarId(liar.into())
            }
            _ => false,
        };
        if home == RegistrarId(listener.into()) {
            let has_answered = self.world.acts.iter().any(|act| match &act.deed {
                Deed::Says(data) => {
                    act.host == listener
                        && is_answer(
                            &EnrpMessage::parse(data, &Format::default()).expect("a message").message,
                        )
                }
                _ => false,
            });
            assert!(has_answered, "{listener} does not contradict {liar}, who says that {id} is gone");
        }
        self.judge();
    }

    /// Who lies to whom, about what: about elements that live with a home that lives.
    fn choose_lie(&mut self, among: &[u8]) -> Option<(u8, u8, PoolElement)> {
        let liar = *among.choose(&mut self.rng)?;
        let listener = *among.choose(&mut self.rng)?;
        if !self.world.are_linked(liar, listener) {
            return None;
        }
        let known = self.world.known_to(listener).into_iter().filter(|element| {
            let home = element.home.0 as u8;
            home != liar && among.contains(&home) && self.world.are_linked(home, element.id.0 as u8)
        });
        Some((liar, listener, known.choose(&mut self.rng)?))
    }

    /// Checksums are those of what is known, at any time.
    fn check_checksums(&self) {
        for host in self.live_registrars() {
            let Some(space) = self.world.registrar_at(host).map(|registrar| registrar.handlespace()) else {
                continue;
            };
            let known = self.world.known_to(host);
            for home in &self.registrars {
                let home = RegistrarId((*home).into());
                let ids = known.iter().filter(|element| element.home == home).map(|element| element.id.0);
                let checksum = space.checksum(home).value();
                assert_eq!(checksum, checksum_of(ids), "what {host} knows of the elements of {home}");
            }
        }
    }

    /// What must be true when nothing has happened for a while.
    fn check(&self) {
        self.check_checksums();
        let live = self.live_registrars();
        let elements = self.elements.iter().copied().filter(|host| self.world.is_well(*host));
        let elements: BTreeSet<u8> = elements.collect();
        for host in &live {
            let known = self.world.known_to(*host).into_iter();
            let homes: BTreeMap<u8, u8> = known.map(|it| (it.id.0 as u8, it.home.0 as u8)).collect();
            let ids: BTreeSet<u8> = homes.keys().copied().collect();
            assert_eq!(ids, elements, "elements that {host} knows");
            for (element, home) in homes {
                let is_home = live.contains(&home) && self.world.are_linked(home, element);
                assert!(is_home, "{host} thinks that {home} is the home of {element}");
            }
        }
    }
}

/// RFC 5353, 3.6.2: the Internet checksum over pool handle and identifier of each element.
pub(crate) fn checksum_of(ids: impl Iterator<Item = u32>) -> u16 {
    let words = ids.flat_map(|id| {
        let padding = vec![0; POOL.len() % 2];
        [POOL.as_bytes(), &padding, &id.to_be_bytes()].concat()
    });
    let bytes: Vec<u8> = words.collect();
    let sum: u64 = bytes.chunks(2).map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    // Carries are added again: the rest of a division by 65,535, which is only zero if all is.
    let folded = if sum == 0 { 0 } else { (sum - 1) % 0xffff + 1 };
    !(folded as u16)
}
