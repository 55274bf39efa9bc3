//! Whether a preload shim has an effect on a program: what the file itself says.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, getegid, geteuid};
use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, ReadCache, ReadRef};

/// What is said of programs on which a shim has no effect.
const ALTERNATIVE: &str = "`sctp-run --seccomp` serves such programs";
/// The kernel follows no more scripts whose interpreters are scripts.
const MOST_SCRIPTS: usize = 5;
/// The kernel reads no more of a script's first line.
const LONGEST_LINE: u64 = 256;

/// Why a shim has no effect on a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing is loaded into it.
    #[error("{} is statically linked, so that no preload shim gets into it; {ALTERNATIVE}", .0.display())]
    Static(PathBuf),
    /// The loader ignores LD_PRELOAD for it.
    #[error(
        "{} changes its user or group when it starts (set-uid or set-gid), so that the loader ignores preload shims; run it as its \
         owner",
        .0.display()
    )]
    SetId(PathBuf),
    /// It is for another processor.
    #[error("{} is for another processor ({program}) than the preload shim ({shim}): build the shim for it", file.display())]
    Architecture {
        /// The program.
        file: PathBuf,
        /// Its processor.
        program: String,
        /// The shim's.
        shim: String,
    },
    /// It uses another C library.
    #[error(
        "{} uses the C library {program}, and the preload shim {shim}: name a shim that was built for {program} with \
         --preload{}; {ALTERNATIVE}",
        file.display(),
        how_to_build(*program)
    )]
    Library {
        /// The program.
        file: PathBuf,
        /// Its C library.
        program: Library,
        /// The shim's.
        shim: Library,
    },
}

/// A C library, as far as shims tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The GNU C library.
    Glibc,
    /// musl, as in Alpine Linux.
    Musl,
}

impl std::fmt::Display for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        })
    }
}

/// How to get a shim that is not built by default.
fn how_to_build(library: Library) -> &'static str {
    match library {
        Library::Glibc => "",
        Library::Musl => {
            ", or put it beside sctp-run as libsctp_preload-musl.so (`rustup target add x86_64-unknown-linux-musl`, `cargo build \
             --release --target x86_64-unknown-linux-musl -p sctp-preload`)"
        }
    }
}

/// What an ELF file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Elf {
    /// Processor: machine, and 32 or 64 bits.
    machine: (u16, u8),
    /// What loads it; none: it is static, or a library.
    interpreter: Option<Vec<u8>>,
    library: Option<Library>,
    /// Made by Go's compiler.
    is_of_go: bool,
}

/// The file that `execvp` would run; `None` if there is none.
pub fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let is_program = |file: &PathBuf| file.is_file() && access(file, AccessFlags::X_OK).is_ok();
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(is_program)
}

/// Whether a shim has an effect on a program, as far as the files tell. What cannot be read, or is no program that is known
/// here, is the kernel's to judge.
///
/// # Errors
/// [`Refusal`].
pub fn check(program: &Path, shim: &Path) -> Result<(), Refusal> {
    let mut file = program.to_owned();
    for _ in 0..MOST_SCRIPTS {
        match interpreter_of_script(&file) {
            Some(interpreter) => file = interpreter,
            None => return check_binary(&file, shim),
        }
    }
    Ok(())
}

/// What else there is to say of a program that a shim gets into.
pub fn hint(program: &Path) -> Option<String> {
    let told = || {
        let program = program.display();
        format!(
            "{program} was built by Go, which mostly calls the kernel itself: if it finds no SCTP, {ALTERNATIVE}"
        )
    };
    read(program)?.is_of_go.then(told)
}

fn check_binary(file: &Path, shim: &Path) -> Result<(), Refusal> {
    let (Some(elf), Some(shims)) = (read(file), read(shim)) else { return Ok(()) };
    if elf.machine != shims.machine {
        let (program, shim) = (processor(elf.machine), processor(shims.machine));
        return Err(Refusal::Architecture { file: file.to_owned(), program, shim });
    }
    if elf.interpreter.is_none() {
        return Err(Refusal::Static(file.to_owned()));
    }
    if file.metadata().is_ok_and(|metadata| changes_id(&metadata)) {
        return Err(Refusal::SetId(file.to_owned()));
    }
    match (elf.library, shims.library) {
        (Some(program), Some(shim)) if program != shim => {
            Err(Refusal::Library { file: file.to_owned(), program, shim })
        }
        _ => Ok(()),
    }
}

/// `None` if it is no script. What is not found there is not found by the kernel either.
fn interpreter_of_script(file: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    File::open(file).ok()?.take(LONGEST_LINE).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let interpreter = line.split(|byte| byte.is_ascii_whitespace()).next()?;
    (!interpreter.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(interpreter)))
}

fn changes_id(metadata: &Metadata) -> bool {
    let of_user = metadata.mode() & 0o4000 != 0 && metadata.uid() != geteuid().as_raw();
    // Without the group's right to execute it the bit means something else.
    let of_group = metadata.mode() & 0o2010 == 0o2010 && metadata.gid() != getegid().as_raw();
    of_user || of_group
}

fn read(file: &Path) -> Option<Elf> {
    let mut file = File::open(file).ok()?;
    file.rewind().ok()?;
    let data = ReadCache::new(file);
    match FileKind::parse(&data).ok()? {
        FileKind::Elf32 => parse::<FileHeader32<Endianness>, _>(&data, 32),
        FileKind::Elf64 => parse::<FileHeader64<Endianness>, _>(&data, 64),
        _ => None,
    }
}

fn parse<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R, bits: u8) -> Option<Elf> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let interpreter = segments.iter().find_map(|segment| segment.interpreter(endian, data).ok().flatten());
    let library = match interpreter {
        Some(interpreter) => library_of(interpreter),
        None => needed(header, endian, data).iter().find_map(|name| library_of(name)),
    };
    Some(Elf {
        machine: (header.e_machine(endian).0, bits),
        interpreter: interpreter.map(Into::into),
        library,
        is_of_go: is_of_go(header, endian, data),
    })
}

fn is_of_go<'data, H: FileHeader>(header: &H, endian: H::Endian, data: impl ReadRef<'data>) -> bool {
    let sections = header.sections(endian, data);
    sections.is_ok_and(|sections| sections.section_by_name(endian, b".go.buildinfo").is_some())
}

/// The libraries that it needs.
fn needed<'data, H: FileHeader>(
    header: &H,
    endian: H::Endian,
    data: impl ReadRef<'data>,
) -> Vec<&'data [u8]> {
    use object::read::elf::Dyn;
    let names = || {
        let sections = header.sections(endian, data).ok()?;
        let (entries, strings) = sections.dynamic(endian, data).ok()??;
        let strings = sections.strings(endian, data, strings).ok()?;
        let needed = entries.iter().filter(|entry| entry.tag(endian) == object::elf::DT_NEEDED);
        Some(needed.filter_map(|entry| entry.string(endian, strings).ok()).collect())
    };
    names().unwrap_or_default()
}

/// By a loader, or by a library that is needed.
fn library_of(name: &[u8]) -> Option<Library> {
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    if has(b"musl") {
        Some(Library::Musl)
    } else if has(b"ld-linux") || has(b"libc.so.6") || has(b"/ld64.so") {
        Some(Library::Glibc)
    } else {
        None
    }
}

fn processor((machine, bits): (u16, u8)) -> String {
    let name = match object::elf::Machine(machine) {
        object::elf::EM_X86_64 => "x86-64",
        object::elf::EM_386 => "x86",
        object::elf::EM_AARCH64 => "ARM64",
        object::elf::EM_ARM => "ARM",
        object::elf::EM_RISCV => "RISC-V",
        _ => return format!("ELF machine {machine}, {bits} bits"),
    };
    format!("{name}, {bits} bits")
}

#[cfg(test)]
mod tests;
