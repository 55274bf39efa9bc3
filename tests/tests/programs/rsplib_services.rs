//! RSPLIB's services and ours, each with the other's clients: jobs, pictures and scripts.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use system_tests::{Host, Program, finish, hear, is_installed_or_skip, sctp_run_on, start};

use crate::rsplib::{OTHER_REGISTRAR, REGISTRAR, host_or_skip, our_own, registrar};

fn at() -> String {
    format!("-registrar={REGISTRAR}:3863")
}

/// A program of RSPLIB's at this address, which knows the registrar.
fn theirs(host: &Host, address: &str, program: &str, arguments: &[&str]) -> Program {
    let at = at();
    let all: Vec<_> = [program, &at].into_iter().chain(arguments.iter().copied()).collect();
    start(sctp_run_on(host, address), &all)
}

/// A program of ours.
fn ours(host: &Host, address: &str, program: &str, arguments: &[&str]) -> Program {
    let at = at();
    let all: Vec<_> = [at.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    our_own(host, address, program, &all)
}

/// Where a program may write.
struct Folder {
    directory: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// An option that names a file.
    fn option(&self, option: &str, name: &str) -> String {
        format!("-{option}={}", self.path(name))
    }
}

/// An element that never gets a job done, and is taken first; and one that gets it done at once.
const SLOW: [&str; 4] = ["-calcapp", "-policy=Priority:9", "-capcapacity=1", "-identifier=0x51"];
const FAST: [&str; 4] = ["-calcapp", "-policy=Priority:1", "-capcapacity=1000000000", "-identifier=0xfa"];

#[test]
fn a_job_goes_from_rsplib_s_element_to_ours_by_our_client() {
    let Some(host) = host_or_skip() else { return };
    let (folder, mut registrar) = (Folder::new(), registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]));
    let files = [folder.option("capvector", "pe.vec"), folder.option("capscalar", "pe.sca")];
    let all: Vec<_> = SLOW.into_iter().chain(files.iter().map(String::as_str)).collect();
    let mut slow = theirs(&host, "10.98.0.3", "rspserver", &all);
    hear(&mut registrar, "Successfully registered CalcAppPool/$00000051");
    let all: Vec<_> = FAST.into_iter().chain(["-capvector=", "-capscalar="]).collect();
    let _fast = ours(&host, "10.98.0.4", "rspserver", &all);
    hear(&mut registrar, "Successfully registered CalcAppPool/$000000fa");
    let jobs = ["--count=1", "-jobinterval=0.1", "-jobsize=1000000", "-vector=", "-scalar="];
    let mut client = ours(&host, "10.98.0.5", "calcappclient", &jobs);
    hear(&mut client, "connected to 0x00000051");
    hear(&mut slow, "accepted");
    // Its cookies come every five seconds, and a last one when it ends.
    slow.signal(Signal::SIGINT);
    hear(&mut client, "goes on from the cookie: 0x000000fa");
    hear(&mut client, "is done, at last by 0x000000fa");
    finish(client);
}

#[test]
fn a_job_goes_from_our_element_to_rsplib_s_by_rsplib_s_client() {
    let Some(host) = host_or_skip() else { return };
    let (folder, mut registrar) = (Folder::new(), registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]));
    let all: Vec<_> = SLOW.into_iter().chain(["-capvector=", "-capscalar=", "-loglevel=5"]).collect();
    let slow = ours(&host, "10.98.0.3", "rspserver", &all);
    hear(&mut registrar, "Successfully registered CalcAppPool/$00000051");
    let files = [folder.option("capvector", "pe.vec"), folder.option("capscalar", "pe.sca")];
    let all: Vec<_> = FAST.into_iter().chain(files.iter().map(String::as_str)).collect();
    let mut fast = theirs(&host, "10.98.0.4", "rspserver", &all);
    hear(&mut registrar, "Successfully registered CalcAppPool/$000000fa");
    let files = [folder.option("vector", "pu.vec"), folder.option("scalar", "pu.sca")];
    let jobs = ["-jobinterval=0.1", "-jobsize=1000000", &files[0], &files[1]];
    let mut client = theirs(&host, "10.98.0.5", "calcappclient", &jobs);
    hear(&mut client, "Job #1 accepted");
    slow.signal(Signal::SIGTERM);
    hear(&mut fast, "accepted from cookie echo");
    hear(&mut client, "Job #1 completed");
    finish(slow);
    // By then the first one is written down.
    hear(&mut client, "Job #2 accepted");
    // As ours: see services.rs of the tools.
    let heading = fs::read_to_string(folder.path("pu.vec")).expect("their vectors");
    assert!(
        heading.starts_with("ObjectName PID JobID JobSize JobInterval   QueueLength QueuingDelay"),
        "{heading}"
    );
}

const PICTURE: [&str; 6] =
    ["--count=1", "-width=120", "-height=80", "-threads=2", "-nosessions", "-nocolormarks"];

#[test]
fn our_picture_by_rsplib_s_elements_that_fail_is_the_one_computed_here() {
    let Some(host) = host_or_skip() else { return };
    let (folder, mut registrar) = (Folder::new(), registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]));
    // 15 messages for each of two sessions, of which an element gives five at a time.
    let element = |address, identifier| {
        theirs(&host, address, "rspserver", &["-fractal", "-fgpfailureafter=5", identifier])
    };
    let elements = [element("10.98.0.3", "-identifier=0x44"), element("10.98.0.4", "-identifier=0x55")];
    for _ in &elements {
        hear(&mut registrar, "Successfully registered FractalGeneratorPool");
    }
    let draw = |name: &str, more: &[&str]| {
        let prefix = folder.option("imagestorageprefix", name);
        let all: Vec<_> = PICTURE.into_iter().chain([prefix.as_str()]).chain(more.iter().copied()).collect();
        let said = finish(ours(&host, "10.98.0.5", "fractalpooluser", &all));
        (said, fs::read(folder.path(&format!("{name}000001.png"))).expect("a picture"))
    };
    let (said, by_pool) = draw("pool", &[]);
    let (_, here) = draw("here", &["--here"]);
    assert!(by_pool == here, "{said}");
    assert!(said.contains("points by 0x00000044") && said.contains("points by 0x00000055"), "{said}");
}

#[test]
fn rsplib_s_client_gets_its_picture_from_our_element() {
    let Some(host) = host_or_skip() else { return };
    if !is_installed_or_skip("fractalpooluser", "rsplib-services") {
        return;
    }
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]);
    let mut element = ours(&host, "10.98.0.3", "rspserver", &["-fractal", "-loglevel=5"]);
    hear(&mut registrar, "Successfully registered FractalGeneratorPool");
    let mut command = sctp_run_on(&host, "10.98.0.5");
    command.env("QT_QPA_PLATFORM", "offscreen");
    let at = at();
    let _client = start(command, &["fractalpooluser", &at, "-width=200", "-height=80", "-interimagetime=0"]);
    // It ends the session when it has the picture's end, and begins the next one.
    for _ in 0..2 {
        hear(&mut element, "a picture is complete");
        hear(&mut element, "the session is over (Shutdown)");
    }
}

/// A package whose script adds the environment to its input.
fn package(folder: &Folder) -> String {
    let script = "#!/bin/sh\ncat input.txt $2 >$1\n";
    fs::write(folder.path("ssrun"), script).expect("room");
    fs::write(folder.path("input.txt"), "work ").expect("room");
    fs::write(folder.path("environment"), "environment").expect("room");
    let (name, directory) = (folder.path("work.tar.gz"), folder.directory.path());
    let tar = Command::new("tar").args(["czf", &name, "ssrun", "input.txt"]).current_dir(directory).status();
    assert!(tar.expect("tar").success());
    name
}

fn result(folder: &Folder) -> String {
    fs::read_to_string(folder.path("output")).unwrap_or_else(|error| panic!("no output: {error}"))
}

fn work(folder: &Folder) -> [String; 3] {
    let input = format!("-input={}", package(folder));
    [input, folder.option("output", "output"), folder.option("environment", "environment")]
}

#[test]
fn our_element_runs_what_rsplib_s_client_sends() {
    let Some(host) = host_or_skip() else { return };
    let (folder, mut registrar) = (Folder::new(), registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]));
    let mut element = ours(&host, "10.98.0.3", "rspserver", &["-scripting", "--ssallowroot", "-loglevel=5"]);
    hear(&mut registrar, "Successfully registered ScriptingPool");
    let work = work(&folder);
    let arguments: Vec<_> = work.iter().map(String::as_str).collect();
    finish(theirs(&host, "10.98.0.5", "scriptingclient", &arguments));
    assert_eq!(result(&folder), "work environment");
    // The environment is there for the next one.
    let said = finish(theirs(&host, "10.98.0.6", "scriptingclient", &arguments));
    assert!(said.contains("has cached environment"), "{said}");
    hear(&mut element, "a package has ended");
}

#[test]
fn rsplib_s_element_runs_what_our_client_sends() {
    let Some(host) = host_or_skip() else { return };
    let (folder, mut registrar) = (Folder::new(), registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]));
    let _element = theirs(&host, "10.98.0.3", "rspserver", &["-scripting"]);
    hear(&mut registrar, "Successfully registered ScriptingPool");
    let work = work(&folder);
    let arguments: Vec<_> = work.iter().map(String::as_str).collect();
    finish(ours(&host, "10.98.0.5", "scriptingclient", &arguments));
    assert_eq!(result(&folder), "work environment");
}
