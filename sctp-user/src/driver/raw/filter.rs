//! The kernel filter of a raw socket (classic BPF): each packet of protocol 132 in the namespace would
//! else wake every stack, its own packets included.

use std::ops::RangeInclusive;

use socket2::SockFilter;

/// Longest program that the kernel takes (BPF_MAXINSNS).
const LONGEST: usize = 4096;
/// Instructions before the first range, and after the last one.
const FRAME: usize = 3;
const PER_RANGE: usize = 3;
/// Ranges of ports that one filter can name.
pub(crate) const MOST_RANGES: usize = (LONGEST - FRAME) / PER_RANGE;

const ACCEPT_ALL: u32 = u32::MAX;
/// Where the destination port lies in the SCTP common header (RFC 9260, 3.1).
const DESTINATION_PORT: u32 = 2;

// Opcodes of linux/bpf_common.h.
const LDX_MSH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const LD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LD_HALF_INDEXED: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
const JUMP_GE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_GT: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A filter that lets nothing through: for the time before the leases are known.
pub(crate) fn nothing() -> Vec<SockFilter> {
    vec![SockFilter::new(RETURN, 0, 0, 0)]
}

/// A filter that lets these destination ports through. On IPv4 a raw socket's filter sees the IP header first, on IPv6 the
/// SCTP header. Of more than [`MOST_RANGES`] ranges only the first count.
pub(crate) fn by_port(v4: bool, ranges: &[RangeInclusive<u16>]) -> Vec<SockFilter> {
    program(v4, ranges, ACCEPT_ALL, 0)
}

/// The opposite of [`by_port`]: lets all but these destination ports through.
pub(crate) fn all_but(v4: bool, ranges: &[RangeInclusive<u16>]) -> Vec<SockFilter> {
    program(v4, ranges, 0, ACCEPT_ALL)
}

fn program(v4: bool, ranges: &[RangeInclusive<u16>], inside: u32, outside: u32) -> Vec<SockFilter> {
    let mut program = Vec::with_capacity(FRAME + PER_RANGE * ranges.len());
    if v4 {
        program.push(SockFilter::new(LDX_MSH, 0, 0, 0)); // X = bytes of the IP header
        program.push(SockFilter::new(LD_HALF_INDEXED, 0, 0, DESTINATION_PORT));
    } else {
        program.push(SockFilter::new(LD_HALF, 0, 0, DESTINATION_PORT));
    }
    for range in ranges.iter().take(MOST_RANGES) {
        program.push(SockFilter::new(JUMP_GE, 0, 2, u32::from(*range.start())));
        program.push(SockFilter::new(JUMP_GT, 1, 0, u32::from(*range.end())));
        program.push(SockFilter::new(RETURN, 0, 0, inside));
    }
    program.push(SockFilter::new(RETURN, 0, 0, outside));
    program
}
