//! Tests of options, on sockets of real stacks.

mod oracle;
mod random;
mod table;
mod values;
