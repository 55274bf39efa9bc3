//! What is shown in the place of `/proc`.

use sctp_descriptors::{Command, Reply, Style};

use super::client::{THERE, at, clients};

#[test]
fn sockets_and_associations_are_listed() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 7));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 7));
    assert!(there.proc_file("net/sctp/eps").contains("127.0.0.2"));
    let associations = there.proc_file("net/sctp/assocs");
    assert!(associations.contains("127.0.0.2 <-> 127.0.0.1"), "{associations}");
    let established = there.proc_file("net/sctp/snmp");
    assert!(established.starts_with(&format!("{:<32}\t1\n", "SctpCurrEstab")), "{established}");
}

#[test]
fn parameters_are_shown_and_there_are_no_others() {
    let [here, _there] = clients();
    assert_eq!(here.proc_file("sys/net/sctp/rto_max"), "60000\n");
    for missing in ["sys/net/sctp/none", "net/sctp/none", "net/tcp", "sys/net/sctp/../../../etc/passwd"] {
        let (reply, file) = here.ask(0, Command::ProcFile(missing.to_owned()));
        assert_eq!((reply, file.is_none()), (Reply::Errno(libc::ENOENT), true), "{missing}");
    }
}
