#![doc = include_str!("language.md")]

/// How scenarios are written, as text (the documentation of this module).
pub const LANGUAGE: &str = include_str!("language.md");

mod application;
mod node;
mod parse;
mod run;
mod script;

pub use parse::ParseError;
pub use run::{Lab, Report};
pub use script::Script;

#[cfg(test)]
mod tests;
