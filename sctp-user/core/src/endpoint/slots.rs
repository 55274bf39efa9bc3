//! Where associations live: slots that are used again, under a new generation each time, so that the
//! id of an association that is gone names nobody.

use super::ListenerId;
use super::demux::{Demux, PeerKey, TagKey};
use crate::association::Association;
use crate::event::AssociationId;
use crate::time::Time;
use core::net::IpAddr;
use smallvec::SmallVec;

/// Index of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(pub(super) u32);

/// An association with what the endpoint notes about it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: AssociationId,
    pub(super) association: Association,
    /// Whose it is, if it waits to be accepted or has been.
    pub(super) listener: Option<ListenerId>,
    /// It stands in the ready list.
    pub(super) ready: bool,
    /// It stands in the list of those that got DATA since the last batch end.
    pub(super) in_batch: bool,
    /// The deadline under which it stands in the timer list; not later than its own.
    pub(super) deadline: Option<Time>,
    /// The peer addresses under which it stands in the demultiplexing table.
    registered: SmallVec<[IpAddr; 2]>,
    /// The tag under which it stands there.
    registered_tag: Option<TagKey>,
}

impl Entry {
    /// Enters all of the peer's addresses in the table, and the tag if it may be found by it.
    pub(super) fn register(&mut self, slot: Slot, demux: &mut Demux) {
        self.registered = self.association.paths().iter().map(|path| path.address.remote).collect();
        self.registered.iter().for_each(|&address| demux.insert(self.key(address), slot));
        let (local_port, peer_port) = (self.association.local_port(), self.association.peer_port());
        let tag = self.association.lookup_tag();
        self.registered_tag = tag.map(|local_tag| TagKey { local_port, peer_port, local_tag });
        self.registered_tag.iter().for_each(|key| demux.insert_tag(*key, slot));
    }

    /// Takes them out again.
    pub(super) fn unregister(&mut self, slot: Slot, demux: &mut Demux) {
        for address in core::mem::take(&mut self.registered) {
            demux.remove(&self.key(address), slot);
        }
        self.registered_tag.take().iter().for_each(|key| demux.remove_tag(key, slot));
    }

    /// Whether more to send is nothing new: it has its turn, nothing to say, and no deadline of its sending half comes
    /// before the one noted.
    pub(super) fn is_busy_sending(&self) -> bool {
        let deadline = self.association.sending_deadline();
        let is_noted = deadline.is_none_or(|at| self.deadline.is_some_and(|noted| noted <= at));
        self.ready && is_noted && !self.association.has_events()
    }

    fn key(&self, peer_address: IpAddr) -> PeerKey {
        let (local_port, peer_port) = (self.association.local_port(), self.association.peer_port());
        PeerKey { local_port, peer_port, peer_address }
    }
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    entry: Option<Box<Entry>>,
}

/// All associations of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Slots {
    places: Vec<Place>,
    free: Vec<u32>,
    len: usize,
}

impl Slots {
    /// Associations that there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a slot for `association`.
    pub(super) fn insert(&mut self, association: Association, listener: Option<ListenerId>) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.places.get_mut(index as usize) {
            let id = AssociationId { slot: index, generation: place.generation };
            place.entry = Some(Box::new(Entry {
                id,
                association,
                listener,
                ready: false,
                in_batch: false,
                deadline: None,
                registered: SmallVec::new(),
                registered_tag: None,
            }));
            self.len += 1;
        }
        Slot(index)
    }

    /// Frees a slot; what was in it.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Box<Entry>> {
        let place = self.places.get_mut(slot.0 as usize)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot.0);
        self.len -= 1;
        Some(entry)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.places.get(slot.0 as usize)?.entry.as_deref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.places.get_mut(slot.0 as usize)?.entry.as_deref_mut()
    }

    /// The slot of `id`, if it is still the same association that lives there.
    pub(super) fn find(&self, id: AssociationId) -> Option<Slot> {
        let slot = Slot(id.slot);
        (self.get(slot)?.id == id).then_some(slot)
    }

    /// The slots in use.
    pub(super) fn all(&self) -> Vec<Slot> {
        let used = self.places.iter().zip(0..).filter(|(place, _)| place.entry.is_some());
        used.map(|(_, index)| Slot(index)).collect()
    }

    /// All associations.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().filter_map(|place| place.entry.as_deref())
    }
}
