//! `docs/rust-api.md` names every option of Linux and every section of RFC 6458, and nothing that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the page: source, C, Rust.
fn rows() -> Vec<[String; 3]> {
    let page = fs::read_to_string(root().join("docs/rust-api.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows = page.lines().filter(|line| line.starts_with("| ")).map(cells);
    rows.filter_map(|cells: Vec<String>| cells.try_into().ok()).collect()
}

/// The words of a text that are made of letters, digits and `_`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

#[test]
fn each_option_of_linux_has_a_row() {
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().flat_map(|[_, c, _]| words(c)).collect();
    let missing: Vec<_> =
        sctp_abi::options::TABLE.iter().map(|row| row.name).filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "not in docs/rust-api.md: {missing:?}");
}

#[test]
fn each_section_of_rfc_6458_that_a_program_can_use_has_a_row() {
    const SECTIONS: [(&str, RangeInclusive<u32>); 10] = [
        ("3.1", 1..=6),
        ("4.1", 1..=9),
        ("5.3", 1..=10),
        ("6.1", 1..=11),
        ("6.2", 1..=2),
        ("7", 1..=5),
        ("8.1", 1..=32),
        ("8.2", 1..=6),
        ("8.3", 1..=5),
        ("9", 1..=13),
    ];
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().flat_map(|[source, ..]| source.split(", ")).collect();
    let all = SECTIONS
        .into_iter()
        .flat_map(|(chapter, numbers)| numbers.map(move |number| format!("{chapter}.{number}")));
    let missing: Vec<_> = all.filter(|section| !named.contains(section.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/rust-api.md: {missing:?}");
}

/// The text of all sources below a folder.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| match path.extension() {
        None => sources(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
        Some(_) => String::new(),
    });
    texts.collect()
}

/// Whether the sources have such a function, field or variant.
fn is_there(sources: &str, name: &str) -> bool {
    let forms = ["fn {}(", "fn {}<", "pub {}: ", "    {},\n", "    {}(", "    {} {\n"];
    forms.iter().any(|form| sources.contains(&form.replace("{}", name)))
}

#[test]
fn what_the_page_names_is_there() {
    let folders = ["socketapi/src", "sctp-user/src/stack", "sctp-user/core/src"];
    let sources: String = folders.iter().map(|folder| sources(&root().join(folder))).collect();
    let rows = rows();
    let quoted = rows.iter().flat_map(|[.., rust]| rust.split('`').skip(1).step_by(2));
    let names = quoted.filter(|text| !text.starts_with("std::")).filter_map(|text| text.rsplit_once("::"));
    let names: Vec<_> = names.map(|(_, name)| name).filter(|name| *name != "SctpStream").collect();
    assert!(names.len() > 150, "{} names", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !is_there(&sources, name)).collect();
    assert!(missing.is_empty(), "docs/rust-api.md names what is not there: {missing:?}");
}
