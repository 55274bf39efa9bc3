//! Files of all kinds: ELF headers are made here, so that no compiler is needed.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// A 64-bit ELF file, little-endian, with this machine and interpreter.
fn elf(machine: u16, interpreter: Option<&str>) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let segments = u16::from(interpreter.is_some());
    file.extend(2_u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend([0_u64.to_le_bytes(), 64_u64.to_le_bytes(), 0_u64.to_le_bytes()].concat());
    file.extend(0_u32.to_le_bytes());
    for half in [64, 56, segments, 64, 0, 0_u16] {
        file.extend(half.to_le_bytes());
    }
    if let Some(interpreter) = interpreter {
        let len = interpreter.len() as u64 + 1;
        file.extend([3_u32.to_le_bytes(), 4_u32.to_le_bytes()].concat());
        for word in [64 + 56, 0, 0, len, len, 1_u64] {
            file.extend(word.to_le_bytes());
        }
        file.extend(interpreter.as_bytes());
        file.push(0);
    }
    file
}

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
const X86_64: u16 = object::elf::EM_X86_64.0;

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    file
}

/// A program beside a shim for glibc.
fn checked(bytes: &[u8]) -> Result<(), Refusal> {
    let folder = tempfile::tempdir().unwrap();
    let shim = write(&folder, "shim", &elf(X86_64, Some(GLIBC)));
    check(&write(&folder, "program", bytes), &shim)
}

#[test]
fn dynamic_programs_of_the_same_kind_are_good() {
    checked(&elf(X86_64, Some(GLIBC))).unwrap();
    checked(&elf(X86_64, Some("/nix/store/x/lib/ld-strange"))).unwrap();
}

#[test]
fn others_are_refused_with_the_reason() {
    assert!(matches!(checked(&elf(X86_64, None)), Err(Refusal::Static(_))));
    assert!(matches!(
        checked(&elf(X86_64, Some(MUSL))),
        Err(Refusal::Library { program: Library::Musl, .. })
    ));
    let error = checked(&elf(object::elf::EM_AARCH64.0, Some(GLIBC))).unwrap_err().to_string();
    assert!(error.contains("ARM64, 64 bits") && error.contains("x86-64, 64 bits"), "{error}");
}

#[test]
fn scripts_are_judged_by_their_interpreters() {
    let folder = tempfile::tempdir().unwrap();
    let shim = write(&folder, "shim", &elf(X86_64, Some(GLIBC)));
    let interpreter = write(&folder, "interpreter", &elf(X86_64, None));
    let script = write(&folder, "script", format!("#! {} -x\nhello\n", interpreter.display()).as_bytes());
    let of_script = write(&folder, "of-script", format!("#!{}\n", script.display()).as_bytes());
    for file in [&script, &of_script] {
        let Err(Refusal::Static(named)) = check(file, &shim) else { panic!("{}", file.display()) };
        assert_eq!(named, interpreter);
    }
    let itself = folder.path().join("itself");
    let itself = write(&folder, "itself", format!("#!{}\n", itself.display()).as_bytes());
    check(&itself, &shim).unwrap();
}

/// The section headers of `elf`, with this one section behind the name table.
fn with_section(mut file: Vec<u8>, name: &str) -> Vec<u8> {
    let names = [b"\0".as_slice(), name.as_bytes(), b"\0"].concat();
    let (names_at, headers_at) = (file.len() as u64, (file.len() + names.len()) as u64);
    file.extend(&names);
    for (name, kind, len) in [(0_u32, 0_u32, 0), (0, 3, names.len() as u64), (1, 1, 0)] {
        file.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
        for word in [0, 0, names_at, len, 0, 1, 0_u64] {
            file.extend(word.to_le_bytes());
        }
    }
    file[40..48].copy_from_slice(&headers_at.to_le_bytes());
    file[60..64].copy_from_slice(&[3, 0, 1, 0]);
    file
}

#[test]
fn programs_of_go_get_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let of_go = with_section(elf(X86_64, Some(GLIBC)), ".go.buildinfo");
    let hint = hint(&write(&folder, "go", &of_go)).unwrap();
    assert!(hint.contains("--seccomp"), "{hint}");
    let other = with_section(elf(X86_64, Some(GLIBC)), ".comment");
    assert_eq!(super::hint(&write(&folder, "other", &other)), None);
}

#[test]
fn what_is_no_program_is_left_to_the_kernel() {
    for bytes in [&b""[..], b"#!", b"#!\n", b"\x7fELF", b"hello", &elf(X86_64, Some(GLIBC))[..100]] {
        checked(bytes).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    check(&folder.path().join("none"), &folder.path().join("none")).unwrap();
}

#[test]
fn programs_that_change_their_user_are_refused_to_others_than_that_user() {
    let folder = tempfile::tempdir().unwrap();
    let shim = write(&folder, "shim", &elf(X86_64, Some(GLIBC)));
    let program = write(&folder, "program", &elf(X86_64, Some(GLIBC)));
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    check(&program, &shim).unwrap();
    if !geteuid().is_root() {
        return println!("SKIPPED: needs root, to give a file away");
    }
    std::os::unix::fs::chown(&program, Some(65_534), None).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    assert!(matches!(check(&program, &shim), Err(Refusal::SetId(_))));
}

#[test]
fn programs_are_found_as_a_shell_finds_them() {
    assert!(find(OsStr::new("sh")).unwrap().is_absolute());
    assert_eq!(find(OsStr::new("./none")), Some("./none".into()));
    assert_eq!(find(OsStr::new("no-such-program-anywhere")), None);
}
