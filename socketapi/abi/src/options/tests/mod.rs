//! Tests of options, on sockets of real stacks.

mod ip;
mod oracle;
mod paths;
mod random;
mod table;
mod values;
