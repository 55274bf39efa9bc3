//! Tests of the whole: real peers, real networks, programs.
