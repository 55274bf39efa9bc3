#![doc = include_str!("lib.md")]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the offsets of C's structures are those of 64-bit machines");

mod address;
pub mod constants;
pub mod control;
mod defaults;
pub mod errno;
mod events;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod header_tests;
mod ids;
mod layout;
pub mod notification;
pub mod options;
mod settings;
mod stack;
mod structures;
mod target;

pub use address::{Form, decode};
pub use defaults::defaults;
pub use errno::Errno;
pub use events::Events;
pub use ids::AssocIds;
pub use settings::{DefaultSend, Manner, Settings};
pub use stack::{Effects, StackTarget};
pub use target::{Command, Style, Target};
