//! Receive buffers: allocated once, lent out without copying, and bounded.
//!
//! A packet that is a slice of a receive buffer keeps the whole buffer alive. So a buffer is lent only
//! when most of it holds packets, and only while few buffers are out; else packets are copied out,
//! each into memory of its own size. What the pool holds can so never grow past its budget, and a
//! small packet never holds a large buffer.

use std::{collections::VecDeque, ops::Range};

use bytes::{Bytes, BytesMut};

use super::sys::buffer;

/// A packet of up to this many bytes is copied always: the copy costs less than what it would hold.
const COPY_UP_TO: usize = 256;
/// A buffer is lent when its packets fill at least one in so many bytes of it.
const LEND_FROM_SHARE: usize = 4;
/// How many lent buffers are asked whether they are free, at each take.
const RECLAIM_TRIES: usize = 2;

/// Buffers of one size.
#[derive(Debug)]
pub(crate) struct Pool {
    size: usize,
    /// Buffers that may be out at the same time.
    budget: usize,
    idle: Vec<BytesMut>,
    /// The empty ends of buffers that are out: the handles by which they come back.
    lent: VecDeque<BytesMut>,
}

impl Pool {
    /// A pool of buffers of `size` bytes that lets at most `budget` bytes of them be held by packets.
    pub(crate) fn new(size: usize, budget: usize) -> Self {
        Self { size, budget: budget / size, idle: Vec::new(), lent: VecDeque::new() }
    }

    /// A buffer of full length; what it contains is arbitrary.
    pub(crate) fn take(&mut self) -> BytesMut {
        self.idle.pop().or_else(|| self.reclaim()).unwrap_or_else(|| BytesMut::zeroed(self.size))
    }

    /// Returns a buffer that holds nothing of interest.
    pub(crate) fn put(&mut self, buffer: BytesMut) {
        self.idle.push(buffer);
    }

    /// Takes the packets at `spans` out of the buffer and hands each to `deliver`.
    /// Spans are in rising order and lie inside the buffer.
    pub(crate) fn deliver(
        &mut self,
        mut buffer: BytesMut,
        spans: &[Range<usize>],
        mut deliver: impl FnMut(usize, Bytes),
    ) {
        let used: usize = spans.iter().map(Range::len).sum();
        if used * LEND_FROM_SHARE < self.size || !self.may_lend() {
            for (index, span) in spans.iter().enumerate() {
                deliver(index, Bytes::copy_from_slice(&buffer[span.clone()]));
            }
            self.idle.push(buffer);
            return;
        }
        let end = spans.last().map_or(0, |span| span.end);
        let packets = buffer.split_to(end).freeze();
        buffer.clear();
        self.lent.push_back(buffer);
        for (index, span) in spans.iter().enumerate() {
            let packet = if span.len() <= COPY_UP_TO {
                Bytes::copy_from_slice(&packets[span.clone()])
            } else {
                packets.slice(span.clone())
            };
            deliver(index, packet);
        }
    }

    fn may_lend(&mut self) -> bool {
        if self.lent.len() < self.budget {
            return true;
        }
        match self.reclaim() {
            Some(buffer) => {
                self.idle.push(buffer);
                true
            }
            None => false,
        }
    }

    /// A lent buffer that nobody holds any more. One that is held goes behind the others, so that
    /// a packet held long does not hide the buffers after it.
    fn reclaim(&mut self) -> Option<BytesMut> {
        for _ in 0..RECLAIM_TRIES {
            let mut buffer = self.lent.pop_front()?;
            if buffer.try_reclaim(self.size) {
                buffer::expose(&mut buffer, self.size);
                return Some(buffer);
            }
            self.lent.push_back(buffer);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 8192;

    fn filled(pool: &mut Pool, value: u8) -> BytesMut {
        let mut buffer = pool.take();
        assert_eq!(buffer.len(), SIZE);
        buffer.fill(value);
        buffer
    }

    #[test]
    fn a_full_buffer_is_lent_and_comes_back_when_its_last_packet_goes() {
        let mut pool = Pool::new(SIZE, 4 * SIZE);
        let buffer = filled(&mut pool, 7);
        let address = buffer.as_ptr();
        let mut packets = Vec::new();
        pool.deliver(buffer, &[0..4096, 4096..8192], |_, packet| packets.push(packet));
        assert_eq!(packets[0].as_ptr(), address, "not copied");
        assert!(packets.iter().all(|packet| packet.len() == 4096 && packet.iter().all(|&byte| byte == 7)));
        packets.pop();
        assert_ne!(pool.take().as_ptr(), address, "still held by a packet");
        packets.pop();
        assert_eq!(pool.take().as_ptr(), address, "used again");
    }

    #[test]
    fn a_small_packet_never_holds_a_large_buffer() {
        let mut pool = Pool::new(SIZE, 4 * SIZE);
        let mut packets = Vec::new();
        let buffer = filled(&mut pool, 1);
        pool.deliver(buffer, std::slice::from_ref(&(0..100)), |_, packet| packets.push(packet));
        let buffer = filled(&mut pool, 2);
        pool.deliver(buffer, &[0..100, 2048..8192], |_, packet| packets.push(packet));
        packets.pop();
        let buffer = pool.take();
        pool.put(buffer);
        assert_eq!((pool.idle.len(), pool.lent.len()), (1, 0), "both small packets are copies");
        assert_eq!([packets[0][0], packets[1][0]], [1, 2]);
    }

    #[test]
    fn past_the_budget_packets_are_copied() {
        let mut pool = Pool::new(SIZE, 2 * SIZE);
        let mut held = Vec::new();
        for value in 0..50 {
            let buffer = filled(&mut pool, value);
            pool.deliver(buffer, std::slice::from_ref(&(0..8000)), |_, packet| held.push(packet));
        }
        assert_eq!((pool.lent.len(), pool.idle.len()), (2, 1));
        assert!((0..50).all(|value| held[usize::from(value)].iter().all(|&byte| byte == value)));
        held.clear();
        let buffer = filled(&mut pool, 99);
        pool.deliver(buffer, std::slice::from_ref(&(0..8000)), |_, packet| held.push(packet));
        assert_eq!(pool.lent.len(), 2, "lent again after one came back");
    }
}
