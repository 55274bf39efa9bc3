//! Sizes, offsets and numbers against those of C's own headers, where a compiler and `linux/sctp.h` are there.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::constants::CONSTANTS;
use crate::structures::STRUCTURES;

const HEADER: &str = "/usr/include/linux/sctp.h";

/// A program that prints each size, offset and number that we use.
fn program() -> String {
    let mut text = String::from(
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <netinet/in.h>\n\
         #include <sys/socket.h>\n#include <linux/sctp.h>\nint main(void) {\n",
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

#[test]
fn structures_and_numbers_are_those_of_linux_sctp_h() {
    let has_compiler =
        Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_compiler || !Path::new(HEADER).exists() {
        println!("SKIPPED: there is no C compiler (cc), or no {HEADER} (Debian's linux-libc-dev)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (source, binary) = (directory.path().join("layout.c"), directory.path().join("layout"));
    std::fs::File::create(&source).unwrap().write_all(program().as_bytes()).unwrap();
    let compiled = Command::new("cc").arg("-o").args([&binary, &source]).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let printed = String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap();
    let differences: Vec<_> =
        printed.lines().zip(expected().lines().map(String::from)).filter(|(c, ours)| c != ours).collect();
    assert!(differences.is_empty(), "C's and ours: {differences:#?}");
    assert_eq!(printed.lines().count(), expected().lines().count());
}
