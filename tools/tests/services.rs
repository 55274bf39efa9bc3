//! The services of `rspserver` with their clients, as separate processes over UDP encapsulation. Addresses are 127.81.x.x.

use nix::sys::signal::Signal;

use support::Site;

mod support;

const TERMINAL: &str = env!("CARGO_BIN_EXE_rspterminal");

#[test]
fn the_time_of_day_is_told_to_each_who_comes() {
    let site = Site { network: 81, test: 1 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-daytime"]);
    // The element ends the session then, and the terminal with it.
    let output = site.client(TERMINAL, &["-poolhandle=DaytimePool"], "");
    let said = String::from_utf8_lossy(&output.stdout);
    let first = said.lines().next().expect("a line");
    let (day, time) = first.rsplit_once(' ').expect("date and time");
    assert!(day.contains("day, ") && day.contains("-20") && time.matches(':').count() == 2, "{said}");
}

#[test]
fn what_is_discarded_is_not_answered() {
    let site = Site { network: 81, test: 2 };
    let _registrar = site.registrar();
    let server = site.server(3, &["-discard", "-loglevel=7"]);
    let output = site.client(TERMINAL, &["-poolhandle=DiscardPool", "--linger=0.1"], "nothing\n");
    assert!(output.status.success() && output.stdout.is_empty());
    let (ended_well, _) = server.end(Signal::SIGTERM);
    assert!(ended_well);
}

#[test]
fn characters_come_as_fast_as_they_are_read_until_the_server_ends() {
    let site = Site { network: 81, test: 3 };
    let registrar = site.registrar();
    let server = site.server(3, &["-chargen"]);
    let mut reader = site.start(TERMINAL, 9, &["-poolhandle=CharGenPool", "--linger=3600"]);
    for first in ["!\"#$%&'()*+", "ABCDEFGHIJK", "abcdefghijk"] {
        reader.wait_for(first);
    }
    let (ended_well, _) = server.end(Signal::SIGTERM);
    assert!(ended_well);
    drop((reader, registrar));
}

#[test]
fn a_server_that_comes_and_goes_leaves_its_pool_each_time() {
    let site = Site { network: 81, test: 4 };
    let mut registrar = site.registrar();
    let _server = site.server(3, &["-echo", "-uptime=0.2", "-downtime=0.05"]);
    for _ in 0..3 {
        registrar.wait_for("EchoPool: 0x");
        registrar.wait_for("(deregistered)");
    }
}

#[test]
fn a_picture_whose_elements_fail_again_and_again_is_the_same_as_one_that_is_computed_here() {
    let site = Site { network: 81, test: 5 };
    let _registrar = site.registrar();
    // Three messages of a session's six, then the other element goes on.
    let arguments = ["-fractal", "-fgpfailureafter=3", "-fgpcookiemaxpackets=2"];
    let _servers = [site.server(3, &arguments), site.server(4, &arguments)];
    let folder = tempfile::tempdir().expect("a folder");
    let draw = |name: &str, more: &[&str]| {
        let prefix = format!("-imagestorageprefix={}/{name}-", folder.path().display());
        let all =
            ["--count=1", "-width=100", "-height=70", "-threads=4", "-nosessions", "-nocolormarks", &prefix];
        let all: Vec<_> = all.into_iter().chain(more.iter().copied()).collect();
        let output = site.client(env!("CARGO_BIN_EXE_fractalpooluser"), &all, "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        (said, std::fs::read(folder.path().join(format!("{name}-000001.png"))).expect("a picture"))
    };
    let (said, by_pool) = draw("pool", &[]);
    let (_, here) = draw("here", &["--here"]);
    assert!(by_pool == here, "{} and {} bytes", by_pool.len(), here.len());
    assert_eq!(said.matches(" points by 0x").count(), 2, "both elements have a part in it: {said}");
    let (_, coloured) = draw("elements", &["--colour-by-element"]);
    assert!(coloured != by_pool);
}

#[test]
fn a_job_goes_on_at_another_element_from_the_cookie() {
    let site = Site { network: 81, test: 6 };
    let _registrar = site.registrar();
    // One calculation per second: it will never be done there.
    let files = ["-capvector=", "-capscalar="];
    let slow = ["-calcapp", "-identifier=0x51", "-policy=Priority:9", "-capcapacity=1", files[0], files[1]];
    let fast = ["-calcapp", "-identifier=0xfa", "-policy=Priority:1", "-capcapacity=1e9", files[0], files[1]];
    let (slow, _fast) = (site.server(3, &slow), site.server(4, &fast));
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| format!("{}/{name}", folder.path().display());
    let (vector, scalar) = (format!("-vector={}", file("user.vec")), format!("-scalar={}", file("user.sca")));
    let arguments = ["--count=1", "-jobinterval=0.1", "-jobsize=1e6", "-loglevel=5", &vector, &scalar];
    let mut client = site.start(env!("CARGO_BIN_EXE_calcappclient"), 9, &arguments);
    client.wait_for("connected to 0x00000051");
    let (ended_well, _) = slow.end(Signal::SIGTERM);
    assert!(ended_well);
    client.wait_for("goes on from the cookie: 0x000000fa");
    client.wait_for("is done, at last by 0x000000fa");
    client.wait_for_end();
    let vectors = std::fs::read_to_string(file("user.vec")).expect("vectors");
    let lines: Vec<_> = vectors.lines().collect();
    assert!(lines[0].starts_with("ObjectName PID JobID JobSize") && lines.len() == 2, "{vectors}");
    assert_eq!(lines[1].split_whitespace().count(), 16, "{vectors}");
    let scalars = std::fs::read_to_string(file("user.sca")).expect("totals");
    assert!(
        scalars.contains("\"CalcAppPU Total Jobs Completed\"") && scalars.contains("Total CalcAppRequests"),
        "{scalars}"
    );
}
