//! ASAP and ENRP as RSPLIB writes them.

mod captures;
mod golden;
mod support;
