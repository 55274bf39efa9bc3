//! What is shown in the place of `/proc`.

use std::fs::File;
use std::io::Read;

use sctp_descriptors::{Command, Reply, Style};

use super::client::{Client, THERE, at, clients};

fn text(client: &Client, name: &str) -> String {
    let (reply, file) = client.ask(0, Command::ProcFile(name.to_owned()));
    assert_eq!(reply, Reply::Done, "{name}");
    let mut text = String::new();
    File::from(file.unwrap()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn sockets_and_associations_are_listed() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 7));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 7));
    assert!(text(&there, "net/sctp/eps").contains("127.0.0.2"));
    let associations = text(&there, "net/sctp/assocs");
    assert!(associations.contains("127.0.0.2 <-> 127.0.0.1"), "{associations}");
    let established = text(&there, "net/sctp/snmp");
    assert!(established.starts_with(&format!("{:<32}\t1\n", "SctpCurrEstab")), "{established}");
}

#[test]
fn parameters_are_shown_and_there_are_no_others() {
    let [here, _there] = clients();
    assert_eq!(text(&here, "sys/net/sctp/rto_max"), "60000\n");
    for missing in ["sys/net/sctp/none", "net/sctp/none", "net/tcp", "sys/net/sctp/../../../etc/passwd"] {
        let (reply, file) = here.ask(0, Command::ProcFile(missing.to_owned()));
        assert_eq!((reply, file.is_none()), (Reply::Errno(libc::ENOENT), true), "{missing}");
    }
}
