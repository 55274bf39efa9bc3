//! Sizes, offsets and numbers against those of C's headers: Linux's, where it is installed, and that of `libsctp_user`.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::constants::CONSTANTS;
use crate::structures::STRUCTURES;

/// A program that prints each size, offset and number that we use.
fn program(header: &str) -> String {
    let mut text = format!(
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <netinet/in.h>\n\
         #include <sys/socket.h>\n#include <{header}>\nint main(void) {{\n",
    );
    for structure in STRUCTURES {
        let name = c_name(structure.name);
        text += &format!("printf(\"{} %zu\\n\", sizeof({name}));\n", structure.name);
        for (field, ..) in structure.fields {
            text += &format!(
                "printf(\"{}.{field} %zu %zu\\n\", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));\n",
                structure.name
            );
        }
    }
    for (name, _) in CONSTANTS {
        text += &format!("printf(\"{name} %lld\\n\", (long long)({name}));\n");
    }
    text + "return 0;\n}\n"
}

fn c_name(name: &str) -> String {
    if name.ends_with("_t") { name.into() } else { format!("struct {name}") }
}

/// What the program should print.
fn expected() -> String {
    let mut text = String::new();
    for structure in STRUCTURES {
        text += &format!("{} {}\n", structure.name, structure.size);
        for (field, at, size) in structure.fields {
            text += &format!("{}.{field} {at} {size}\n", structure.name);
        }
    }
    CONSTANTS.iter().for_each(|(name, value)| text += &format!("{name} {value}\n"));
    text
}

/// Compares a header that lies in this folder.
fn compare(folder: &Path, header: &str) {
    let has_compiler =
        Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_compiler || !folder.join(header).exists() {
        println!("SKIPPED: there is no C compiler (cc), or no {header} in {}", folder.display());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (source, binary) = (directory.path().join("layout.c"), directory.path().join("layout"));
    std::fs::File::create(&source).unwrap().write_all(program(header).as_bytes()).unwrap();
    let mut compiler = Command::new("cc");
    let compiled = compiler.arg("-I").arg(folder).arg("-o").args([&binary, &source]).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let printed = String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap();
    let differences: Vec<_> =
        printed.lines().zip(expected().lines().map(String::from)).filter(|(c, ours)| c != ours).collect();
    assert!(differences.is_empty(), "C's and ours: {differences:#?}");
    assert_eq!(printed.lines().count(), expected().lines().count());
}

#[test]
fn structures_and_numbers_are_those_of_linux_sctp_h() {
    compare(Path::new("/usr/include"), "linux/sctp.h");
}

#[test]
fn structures_and_numbers_are_those_of_our_header_for_c() {
    compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../capi/include"), "netinet/sctp.h");
}
