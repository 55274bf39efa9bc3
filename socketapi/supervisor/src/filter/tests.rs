use super::*;

const THRESHOLD: u32 = 512;
const MACHINE: u32 = 0xc000_003e;

/// What the filter says of a call: true if it is told of it.
fn is_notified(architecture: u32, number: c_long, arguments: [i64; 6]) -> bool {
    let mut data = Vec::new();
    data.extend((number as u32).to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend([0; 8]);
    arguments.iter().for_each(|argument| data.extend(argument.to_ne_bytes()));
    let program = program(MACHINE, THRESHOLD);
    let (mut at, mut loaded) = (0, 0);
    loop {
        let step = program[at];
        let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
        at += 1 + match u32::from(step.code) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                let from = step.k as usize;
                loaded = u32::from_ne_bytes(data[from..from + 4].try_into().expect("four bytes"));
                0
            }
            code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => jump(loaded == step.k),
            code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => jump(loaded >= step.k),
            code if code == libc::BPF_RET | libc::BPF_K => return step.k == libc::SECCOMP_RET_USER_NOTIF,
            code => panic!("an instruction that the filter does not use: {code}"),
        };
    }
}

fn is_heard(number: c_long, arguments: &[i64]) -> bool {
    let mut all = [0; 6];
    all.iter_mut().zip(arguments).for_each(|(to, from)| *to = *from);
    is_notified(MACHINE, number, all)
}

#[test]
fn sockets_of_protocol_132_are_heard_of_and_no_others() {
    assert!(is_heard(libc::SYS_socket, &[2, 1, 132]));
    assert!(!is_heard(libc::SYS_socket, &[2, 1, 6]));
    assert!(!is_heard(libc::SYS_socket, &[2, 1, 0]));
}

#[test]
fn data_calls_are_heard_of_from_the_threshold_on() {
    for call in DATA {
        assert!(is_heard(call, &[512]) && is_heard(call, &[100_000]), "{call}");
        for other in [0, 2, 3, 511, -1, i64::from(libc::AT_FDCWD)] {
            assert!(!is_heard(call, &[other]), "{call} of {other}");
        }
    }
}

#[test]
fn reads_are_heard_of_on_standard_input_too() {
    for call in READS {
        assert!(is_heard(call, &[0]) && is_heard(call, &[512]), "{call}");
        assert!(!is_heard(call, &[1]) && !is_heard(call, &[511]) && !is_heard(call, &[-1]), "{call}");
    }
}

#[test]
fn calls_of_sockets_are_heard_of_on_standard_descriptors_too() {
    for call in SOCKETS {
        assert!(is_heard(call, &[0]) && is_heard(call, &[2]) && is_heard(call, &[512]), "{call}");
        assert!(!is_heard(call, &[3]) && !is_heard(call, &[511]) && !is_heard(call, &[-1]), "{call}");
    }
}

#[test]
fn options_of_sctp_are_heard_of_on_every_descriptor() {
    for call in OPTIONS {
        assert!(is_heard(call, &[7, 132, 1]));
        assert!(!is_heard(call, &[7, libc::SOL_SOCKET.into(), 1]));
        assert!(is_heard(call, &[600, libc::SOL_SOCKET.into(), 1]));
    }
}

#[test]
fn copies_and_requests_are_heard_of_by_what_they_ask_for() {
    assert!(is_heard(libc::SYS_fcntl, &[600, libc::F_DUPFD.into()]));
    assert!(is_heard(libc::SYS_fcntl, &[600, libc::F_DUPFD_CLOEXEC.into()]));
    assert!(!is_heard(libc::SYS_fcntl, &[600, libc::F_SETFL.into()]));
    assert!(!is_heard(libc::SYS_fcntl, &[6, libc::F_DUPFD.into()]));
    assert!(is_heard(libc::SYS_ioctl, &[600, libc::FIONREAD as i64]));
    assert!(!is_heard(libc::SYS_ioctl, &[600, libc::FIONBIO as i64]));
    assert!(!is_heard(libc::SYS_ioctl, &[6, libc::FIONREAD as i64]));
}

#[test]
fn other_calls_and_calls_of_other_machines_pass() {
    assert!(!is_heard(libc::SYS_openat, &[600]));
    assert!(!is_heard(libc::SYS_epoll_wait, &[600]));
    assert!(!is_notified(0x4000_0003, libc::SYS_socket, [2, 1, 132, 0, 0, 0]));
    assert!(!is_heard(libc::SYS_socket | i64::from(FIRST_OF_X32), &[2, 1, 132]));
}
