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
    let server = site.server(3, &["-discard"]);
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

#[test]
fn a_user_that_is_told_to_end_in_the_middle_of_a_job_does_not_begin_another() {
    let site = Site { network: 81, test: 13 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-calcapp", "-capcapacity=1", "-capvector=", "-capscalar="]);
    let arguments = ["-jobinterval=0.001", "-vector=", "-scalar="];
    let mut client = site.start(env!("CARGO_BIN_EXE_calcappclient"), 9, &arguments);
    client.wait_for("connected to 0x");
    let (ended_well, said) = client.end(Signal::SIGTERM);
    assert!(ended_well && !said.contains("connected to"), "{said}");
}

/// A package whose script says so much on standard output and adds the environment to its input.
fn package(folder: &std::path::Path, script: &str) -> String {
    std::fs::write(folder.join("ssrun"), script).expect("room");
    std::fs::write(folder.join("input.txt"), "work ").expect("room");
    let archive = folder.join("work.tar.gz");
    let mut tar = std::process::Command::new("tar");
    tar.arg("czf").arg(&archive).args(["ssrun", "input.txt"]).current_dir(folder);
    assert!(tar.status().expect("tar").success());
    archive.display().to_string()
}

const SCRIPTING_CLIENT: &str = env!("CARGO_BIN_EXE_scriptingclient");

#[test]
fn a_script_runs_with_its_environment_which_is_uploaded_once() {
    let site = Site { network: 81, test: 7 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-scripting", "--ssallowroot", "-ssmaxthreads=1"]);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let input = format!("-input={}", package(folder.path(), "#!/bin/sh\ncat input.txt $2 >$1\n"));
    // More than one message.
    std::fs::write(at("environment"), "environment".repeat(10_000)).expect("room");
    let environment = format!("-environment={}", at("environment").display());
    for hint in ["is ready", "the environment is there already"] {
        let output = format!("-output={}", at("output").display());
        let output = site.client(SCRIPTING_CLIENT, &[&input, &environment, &output, "-retrydelay=100"], "");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(hint), "{said}");
        let result = std::fs::read_to_string(at("output")).expect("output");
        assert_eq!(result, format!("work {}", "environment".repeat(10_000)));
        std::fs::remove_file(at("output")).expect("it is there");
    }
}

#[test]
fn a_script_that_fails_is_tried_again_and_its_last_output_is_there() {
    let site = Site { network: 81, test: 8 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-scripting", "--ssallowroot"]);
    let folder = tempfile::tempdir().expect("a folder");
    let input = format!("-input={}", package(folder.path(), "#!/bin/sh\necho so far >$1; exit 7\n"));
    let output = format!("-output={}", folder.path().join("output").display());
    let arguments = [&input, &output, "-maxretry=2", "-retrydelay=100"];
    let ended = site.client(SCRIPTING_CLIENT, &arguments, "");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("the script ended with status 7: trial 2"), "{said}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("ended with status 7, see "));
    assert_eq!(std::fs::read_to_string(folder.path().join("output")).expect("output"), "so far\n");
}

#[test]
fn a_script_is_ended_with_its_user_and_its_element_s_directory_is_gone() {
    let site = Site { network: 81, test: 9 };
    let _registrar = site.registrar();
    let server = site.server(3, &["-scripting", "--ssallowroot"]);
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!(
        "#!/bin/sh\npwd >{0}/where.new; mv {0}/where.new {0}/where; sleep 1000\n",
        folder.path().display()
    );
    let input = format!("-input={}", package(folder.path(), &script));
    let output = format!("-output={}", folder.path().join("output").display());
    let mut client = site.start(SCRIPTING_CLIENT, 9, &[&input, &output]);
    client.wait_for("the script is run");
    let wait_for = |is_so: &dyn Fn() -> bool| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !is_so() {
            assert!(std::time::Instant::now() < end, "it is not so");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    wait_for(&|| folder.path().join("where").exists());
    let directory = std::fs::read_to_string(folder.path().join("where")).expect("it says where it is");
    assert!(std::path::Path::new(directory.trim()).exists());
    let (ended_well, _) = client.end(Signal::SIGTERM);
    assert!(!ended_well, "nothing is done");
    wait_for(&|| !std::path::Path::new(directory.trim()).exists());
    let (ended_well, _) = server.end(Signal::SIGTERM);
    assert!(ended_well);
}

#[test]
fn output_for_which_there_is_no_room_is_an_error_and_leaves_what_was() {
    let site = Site { network: 81, test: 11 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-scripting", "--ssallowroot"]);
    let folder = tempfile::tempdir().expect("a folder");
    let input = package(folder.path(), "#!/bin/sh\nhead -c 100000 /dev/zero >$1\n");
    let place = folder.path().join("output");
    std::fs::write(&place, "before").expect("room");
    let options = [format!("-input={input}"), format!("-output={}", place.display())];
    let mut client = std::process::Command::new("/bin/sh");
    client.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"", SCRIPTING_CLIENT]);
    let ended =
        client.args(site.member_arguments(9, &[&options[0], &options[1]])).output().expect("it starts");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("cannot write {}: ", place.display())), "{errors}");
    assert_eq!(std::fs::read_to_string(&place).expect("it is there"), "before");
}

#[test]
fn an_element_that_takes_nothing_of_an_upload_is_left() {
    let site = Site { network: 81, test: 12 };
    let _registrar = site.registrar();
    let server = site.server(3, &["-scripting", "--ssallowroot"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    // More than is on its way before the element stands still.
    let file = std::fs::File::create(&input).expect("room");
    file.set_len(900 << 20).expect("room");
    let options = [format!("-input={}", input.display()), format!("-output={}", output.display())];
    // The fast profile would give the association up before.
    let patience = ["--profile=rsplib", "-transmittimeout=1000", "-retrydelay=100"];
    let options = [&options[0], &options[1], patience[0], patience[1], patience[2]];
    let mut client = site.start(SCRIPTING_CLIENT, 9, &options);
    client.wait_for("is ready");
    let tell = |signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(server.id().cast_signed()), signal);
    tell(Signal::SIGSTOP).expect("it runs");
    client.wait_for("the element takes nothing");
    tell(Signal::SIGCONT).expect("it is there");
}

#[test]
fn root_does_not_run_what_strangers_send_unless_it_is_told_to() {
    if !nix::unistd::geteuid().is_root() {
        return println!("SKIPPED: needs root");
    }
    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_rspserver"));
    let output = server.args(["-scripting", "--udp", "--local=127.81.10.3"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--ssallowroot"));
}
