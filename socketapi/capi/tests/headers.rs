//! The headers: functions are what cbindgen makes of the sources, and compilers of C and C++ take everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cbindgen::{Builder, Config};

/// Set it to have the headers written.
const BLESS: &str = "SCTP_USER_BLESS";

/// Types of the C library and of `netinet/sctp.h` that functions take pointers to.
const STRUCTURES: [&str; 6] = ["sockaddr", "iovec", "msghdr", "pollfd", "timeval", "sctp_sndrcvinfo"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The functions of these sources, with what is written by hand around them (`include/NAME.head` and `.foot`).
fn generate(name: &str, sources: &[&str], documented: bool) -> String {
    let part = |ending| fs::read_to_string(folder("include").join(format!("{name}.{ending}")));
    let mut config = Config::from_file(folder("cbindgen.toml")).expect("a configuration");
    config.documentation = documented;
    config.header = Some(part("head").expect("a head").trim_end().to_owned());
    config.trailer = part("foot").ok().map(|foot| foot.trim_end().to_owned());
    for structure in STRUCTURES {
        config.export.rename.insert(structure.into(), format!("struct {structure}"));
    }
    let builder = Builder::new().with_config(config);
    let builder =
        sources.iter().fold(builder, |builder, source| builder.with_src(folder("src").join(source)));
    let mut header = Vec::new();
    builder.generate().expect("functions").write(&mut header);
    // What is a promise to Rust's compiler is a sentence to readers of C.
    String::from_utf8(header).expect("UTF-8").replace(" # Safety\n", "")
}

fn is_up_to_date(name: &str, sources: &[&str], documented: bool) {
    let file = folder("include").join(name);
    let wanted = generate(name, sources, documented);
    if std::env::var_os(BLESS).is_some() {
        fs::write(&file, &wanted).expect("the header is written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{} is not what its sources say: run this test with {BLESS}=1", file.display());
}

#[test]
fn functions_are_those_of_the_sources() {
    is_up_to_date("sctp_user.h", &["associations.rs", "send.rs", "receive.rs", "host.rs"], true);
    is_up_to_date("ext_socket.h", &["ext.rs"], false);
}

/// Compiles a file of `#include`s only.
fn compile(compiler: &str, language: &str, headers: &[&str]) {
    let text: String = headers.iter().map(|header| format!("#include <{header}>\n")).collect();
    let place = tempfile::tempdir().expect("a temporary folder");
    let source = place.path().join("headers");
    fs::write(&source, format!("{text}int main(void) {{ return sctp_getaddrlen(0); }}\n")).expect("written");
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", &format!("-std={language}"), "-I"]);
    let kind = if language.contains("++") { "c++" } else { "c" };
    let output = command.arg(folder("include")).args(["-x", kind]).arg(&source).output();
    let output = output.expect("the compiler runs");
    assert!(output.status.success(), "{headers:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn compilers_of_c_and_cpp_take_the_headers_in_any_order() {
    for (compiler, language) in [("cc", "c99"), ("cc", "gnu17"), ("c++", "gnu++17")] {
        if Command::new(compiler).arg("--version").output().is_err() {
            println!("SKIPPED: {compiler} is missing: install the packages gcc and g++");
            continue;
        }
        for headers in [
            &["netinet/sctp.h"][..],
            &["sctp_user.h"],
            &["ext_socket.h"],
            &["ext_socket.h", "sctp_user.h", "netinet/sctp.h", "ext_socket.h"],
            &["netinet/sctp.h", "linux/sctp.h"],
            &["stdint.h", "sys/socket.h", "linux/sctp.h", "ext_socket.h"],
        ] {
            compile(compiler, language, headers);
        }
    }
}
