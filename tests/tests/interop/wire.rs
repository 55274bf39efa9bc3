//! What was on the wire, as tshark reads it from our stack's capture.

use std::collections::HashMap;

use system_tests::{count_packets, packet_fields};
use tempfile::NamedTempFile;

use crate::ground::Plan;

/// The packets of one association. To be read once its stack is closed.
pub(crate) struct Wire {
    file: NamedTempFile,
}

impl Wire {
    /// Records what the plan will bring about.
    pub(crate) fn record(plan: &mut Plan) -> Self {
        let file = NamedTempFile::new().expect("a temporary file");
        plan.capture = Some(file.path().to_owned());
        Self { file }
    }

    /// How many packets a display filter selects.
    pub(crate) fn count(&self, filter: &str) -> usize {
        count_packets(self.file.path(), filter)
    }

    /// How many packets from `port` hold a chunk of this type.
    pub(crate) fn count_chunks(&self, port: u16, chunk_type: u8) -> usize {
        self.count(&format!("sctp.srcport == {port} and sctp.chunk_type == {chunk_type}"))
    }

    /// A field of each packet that a display filter selects.
    pub(crate) fn fields<const N: usize>(&self, filter: &str, fields: [&str; N]) -> Vec<[Vec<String>; N]> {
        packet_fields(self.file.path(), filter, fields)
    }

    /// How many messages in DATA from `port` have all their fragments here.
    pub(crate) fn whole_messages(&self, port: u16) -> u64 {
        let filter = format!("sctp.srcport == {port} and sctp.chunk_type == 0");
        let fields = ["sctp.data_tsn_raw", "sctp.data_b_bit", "sctp.data_e_bit"];
        let mut fragments = HashMap::new();
        for [tsns, begins, ends] in self.fields(&filter, fields) {
            for ((tsn, begin), end) in tsns.iter().zip(begins).zip(ends) {
                let tsn: u32 = tsn.parse().expect("a TSN");
                fragments.insert(tsn, (begin == "1", end == "1"));
            }
        }
        // A fragment that begins a message right behind one that ends none: the peer has given the first message up.
        let is_whole = |first: u32| {
            let later = (first..=u32::MAX).chain(0..first).skip(1).map_while(|tsn| fragments.get(&tsn));
            let mut rest = later.take_while(|(begin, _)| !begin);
            fragments[&first].1 || rest.any(|&(_, end)| end)
        };
        fragments.iter().filter(|&(&tsn, &(begin, _))| begin && is_whole(tsn)).count() as u64
    }
}
