//! Which system calls the supervisor hears of: the filter, in classic BPF.
//!
//! A filter sees numbers, not what a descriptor is. So our descriptors have high numbers, from a threshold on, and calls on
//! low ones are not disturbed, with two exceptions. Options at level SOL_SCTP are heard of on any descriptor. And a program that
//! is started with a socket as its standard streams, as inetd does, is heard when it uses them as one: calls that are of
//! sockets only on all three, reads on the first. What it writes the kernel's own call can do.

use core::mem::offset_of;
use std::collections::HashMap;

use libc::{c_long, seccomp_data, sock_filter};

/// How this machine's system calls are marked (`AUDIT_ARCH_…`); `None`: not a machine that we know.
pub(crate) const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else {
    None
};

/// From here on numbers are those of the x32 ABI, whose structures differ.
const FIRST_OF_X32: u32 = 0x4000_0000;
/// Linux's number; the crate `libc` lacks it.
const SIOCATMARK: u32 = 0x8905;
/// No descriptor has this number or a higher one; negative ones look as if.
const NO_DESCRIPTOR: u32 = 1 << 30;
/// Standard input is below.
const FIRST_OF_OUTPUT: u32 = 1;
/// Standard input, output and error are below.
const FIRST_OF_OTHERS: u32 = 3;

/// Heard of on our descriptors only.
const DATA: [c_long; 5] =
    [libc::SYS_write, libc::SYS_writev, libc::SYS_pwritev2, libc::SYS_close, libc::SYS_dup];

/// Heard of on standard input too.
const READS: [c_long; 3] = [libc::SYS_read, libc::SYS_readv, libc::SYS_preadv2];

/// Calls of sockets only: heard of on standard descriptors too.
const SOCKETS: [c_long; 14] = [
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
];

const OPTIONS: [c_long; 2] = [libc::SYS_getsockopt, libc::SYS_setsockopt];

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Label {
    Socket,
    Copy,
    Request,
    Option,
    SocketCall,
    Read,
    Ours,
    Bounded,
    Allow,
    Notify,
}

/// The filter, for descriptors of ours from `threshold` on.
pub(crate) fn program(architecture: u32, threshold: u32) -> Vec<sock_filter> {
    let mut code = Assembler::default();
    code.load(offset_of!(seccomp_data, arch));
    code.unless_equal(architecture, Label::Allow);
    code.load(offset_of!(seccomp_data, nr));
    code.if_at_least(FIRST_OF_X32, Label::Allow);
    let targets = [
        (&DATA[..], Label::Ours),
        (&READS, Label::Read),
        (&SOCKETS, Label::SocketCall),
        (&OPTIONS, Label::Option),
    ];
    for (calls, label) in targets {
        calls.iter().for_each(|call| code.if_equal(*call as u32, label));
    }
    code.if_equal(libc::SYS_socket as u32, Label::Socket);
    code.if_equal(libc::SYS_fcntl as u32, Label::Copy);
    code.if_equal(libc::SYS_ioctl as u32, Label::Request);
    code.answer(libc::SECCOMP_RET_ALLOW);

    code.place(Label::Socket);
    code.load(argument(2));
    code.if_equal(libc::IPPROTO_SCTP as u32, Label::Notify);
    code.answer(libc::SECCOMP_RET_ALLOW);

    code.place(Label::Option);
    code.load(argument(1));
    code.if_equal(libc::IPPROTO_SCTP as u32, Label::Notify);
    code.place(Label::SocketCall);
    code.load(argument(0));
    code.if_at_least(threshold, Label::Bounded);
    code.if_at_least(FIRST_OF_OTHERS, Label::Allow);
    code.answer(libc::SECCOMP_RET_USER_NOTIF);

    code.place(Label::Read);
    code.load(argument(0));
    code.if_at_least(threshold, Label::Bounded);
    code.if_at_least(FIRST_OF_OUTPUT, Label::Allow);
    code.answer(libc::SECCOMP_RET_USER_NOTIF);

    code.place(Label::Request);
    code.load(argument(1));
    code.if_equal(libc::FIONREAD as u32, Label::Ours);
    code.if_equal(libc::TIOCOUTQ as u32, Label::Ours);
    code.if_equal(SIOCATMARK, Label::Ours);
    code.answer(libc::SECCOMP_RET_ALLOW);

    code.place(Label::Copy);
    code.load(argument(1));
    code.if_equal(libc::F_DUPFD as u32, Label::Ours);
    code.unless_equal(libc::F_DUPFD_CLOEXEC as u32, Label::Allow);
    code.place(Label::Ours);
    code.load(argument(0));
    code.unless_at_least(threshold, Label::Allow);
    code.place(Label::Bounded);
    code.if_at_least(NO_DESCRIPTOR, Label::Allow);
    code.place(Label::Notify);
    code.answer(libc::SECCOMP_RET_USER_NOTIF);
    code.place(Label::Allow);
    code.answer(libc::SECCOMP_RET_ALLOW);
    code.finish()
}

/// Where the low half of an argument is, which is all of an `int`.
fn argument(number: usize) -> usize {
    let low_half = if cfg!(target_endian = "little") { 0 } else { 4 };
    offset_of!(seccomp_data, args) + number * size_of::<u64>() + low_half
}

/// Puts the program together; jumps go to labels, which all are further on.
#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    places: HashMap<Label, usize>,
}

struct Instruction {
    code: u32,
    constant: u32,
    if_true: Option<Label>,
    if_false: Option<Label>,
}

impl Assembler {
    fn place(&mut self, label: Label) {
        self.places.insert(label, self.code.len());
    }

    fn load(&mut self, offset: usize) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, None, None);
    }

    fn answer(&mut self, action: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, action, None, None);
    }

    fn if_equal(&mut self, constant: u32, label: Label) {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, constant, Some(label), None);
    }

    fn unless_equal(&mut self, constant: u32, label: Label) {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, constant, None, Some(label));
    }

    fn if_at_least(&mut self, constant: u32, label: Label) {
        self.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, constant, Some(label), None);
    }

    fn unless_at_least(&mut self, constant: u32, label: Label) {
        self.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, constant, None, Some(label));
    }

    fn push(&mut self, code: u32, constant: u32, if_true: Option<Label>, if_false: Option<Label>) {
        self.code.push(Instruction { code, constant, if_true, if_false });
    }

    fn finish(self) -> Vec<sock_filter> {
        let distance = |from: usize, to: Option<Label>| {
            to.and_then(|label| self.places.get(&label)).map_or(0, |place| (place - from - 1) as u8)
        };
        let whole = |(at, step): (usize, &Instruction)| sock_filter {
            code: step.code as u16,
            jt: distance(at, step.if_true),
            jf: distance(at, step.if_false),
            k: step.constant,
        };
        self.code.iter().enumerate().map(whole).collect()
    }
}

#[cfg(test)]
mod tests;
