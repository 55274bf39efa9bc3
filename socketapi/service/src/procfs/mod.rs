//! The files that Linux has below `/proc` where it has SCTP: `sysctls` are those of `sys/net/sctp`, `tables` those of `net/sctp`.

mod sysctls;
mod tables;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;

use nix::sys::memfd::{MFdFlags, memfd_create};
use sctp_abi::Errno;
use sctp_user::stack::SocketKind;

use crate::service::Service;

impl Service {
    /// A descriptor to read a file by.
    ///
    /// # Errors
    /// ENOENT if there is none of this name.
    pub(crate) fn proc_file(&mut self, name: &str) -> Result<OwnedFd, Errno> {
        let text = match name.strip_prefix("sys/net/sctp/") {
            Some(name) => self.sysctl(name).map(|value| value + "\n"),
            None => name.strip_prefix("net/sctp/").and_then(|name| self.table(name)),
        };
        in_memory(text.ok_or(Errno::ENOENT)?.as_bytes()).map_err(|_| Errno::ENOMEM)
    }

    fn sysctl(&self, name: &str) -> Option<String> {
        // What a new socket has is what the stack was set up with.
        let config = self.stack.socket(SocketKind::OneToOne).and_then(|socket| socket.config()).ok()?;
        sysctls::value(name, &config, self.stack.udp_port())
    }
}

/// A file with these bytes, to be read from the beginning.
pub(crate) fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"sctp", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
