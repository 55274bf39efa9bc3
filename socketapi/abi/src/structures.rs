//! The structures of Linux's SCTP socket interface (`linux/sctp.h`), of RFC 6458, RFC 6525, RFC 7496, RFC 7829, RFC 8260
//! and RFC 6951, and those of sockets in general that come with them.

use crate::layout::{Field, Network, structures};

structures! {
    // Addresses. The family of a sockaddr_storage is where that of the others is.
    sockaddr_in: 16 {
        sin_family: u16 = 0,
        sin_port: Network<u16> = 2,
        sin_addr: [u8; 4] = 4,
    }
    sockaddr_in6: 28 {
        sin6_family: u16 = 0,
        sin6_port: Network<u16> = 2,
        sin6_flowinfo: Network<u32> = 4,
        sin6_addr: [u8; 16] = 8,
        sin6_scope_id: u32 = 24,
    }

    // Control messages (RFC 6458, 5.3).
    cmsghdr: 16 {
        cmsg_len: usize = 0,
        cmsg_level: i32 = 8,
        cmsg_type: i32 = 12,
    }
    sctp_initmsg: 8 {
        sinit_num_ostreams: u16 = 0,
        sinit_max_instreams: u16 = 2,
        sinit_max_attempts: u16 = 4,
        sinit_max_init_timeo: u16 = 6,
    }
    sctp_sndrcvinfo: 32 {
        sinfo_stream: u16 = 0,
        sinfo_ssn: u16 = 2,
        sinfo_flags: u16 = 4,
        sinfo_ppid: Network<u32> = 8,
        sinfo_context: u32 = 12,
        sinfo_timetolive: u32 = 16,
        sinfo_tsn: u32 = 20,
        sinfo_cumtsn: u32 = 24,
        sinfo_assoc_id: i32 = 28,
    }
    sctp_sndinfo: 16 {
        snd_sid: u16 = 0,
        snd_flags: u16 = 2,
        snd_ppid: Network<u32> = 4,
        snd_context: u32 = 8,
        snd_assoc_id: i32 = 12,
    }
    sctp_rcvinfo: 28 {
        rcv_sid: u16 = 0,
        rcv_ssn: u16 = 2,
        rcv_flags: u16 = 4,
        rcv_ppid: Network<u32> = 8,
        rcv_tsn: u32 = 12,
        rcv_cumtsn: u32 = 16,
        rcv_context: u32 = 20,
        rcv_assoc_id: i32 = 24,
    }
    sctp_nxtinfo: 16 {
        nxt_sid: u16 = 0,
        nxt_flags: u16 = 2,
        nxt_ppid: Network<u32> = 4,
        nxt_length: u32 = 8,
        nxt_assoc_id: i32 = 12,
    }
    sctp_prinfo: 8 {
        pr_policy: u16 = 0,
        pr_value: u32 = 4,
    }
    sctp_authinfo: 2 {
        auth_keynumber: u16 = 0,
    }

    // Notifications (RFC 6458, 6.1; RFC 6525, 6.1).
    sctp_assoc_change: 20 {
        sac_type: u16 = 0,
        sac_flags: u16 = 2,
        sac_length: u32 = 4,
        sac_state: u16 = 8,
        sac_error: u16 = 10,
        sac_outbound_streams: u16 = 12,
        sac_inbound_streams: u16 = 14,
        sac_assoc_id: i32 = 16,
    }
    sctp_paddr_change: 148 {
        spc_type: u16 = 0,
        spc_flags: u16 = 2,
        spc_length: u32 = 4,
        spc_aaddr: [u8; 128] = 8,
        spc_state: i32 = 136,
        spc_error: i32 = 140,
        spc_assoc_id: i32 = 144,
    }
    sctp_remote_error: 16 {
        sre_type: u16 = 0,
        sre_flags: u16 = 2,
        sre_length: u32 = 4,
        sre_error: Network<u16> = 8,
        sre_assoc_id: i32 = 12,
    }
    sctp_send_failed: 48 {
        ssf_type: u16 = 0,
        ssf_flags: u16 = 2,
        ssf_length: u32 = 4,
        ssf_error: u32 = 8,
        ssf_info: [u8; 32] = 12,
        ssf_assoc_id: i32 = 44,
    }
    sctp_send_failed_event: 32 {
        ssf_type: u16 = 0,
        ssf_flags: u16 = 2,
        ssf_length: u32 = 4,
        ssf_error: u32 = 8,
        ssfe_info: [u8; 16] = 12,
        ssf_assoc_id: i32 = 28,
    }
    sctp_shutdown_event: 12 {
        sse_type: u16 = 0,
        sse_flags: u16 = 2,
        sse_length: u32 = 4,
        sse_assoc_id: i32 = 8,
    }
    sctp_adaptation_event: 16 {
        sai_type: u16 = 0,
        sai_flags: u16 = 2,
        sai_length: u32 = 4,
        sai_adaptation_ind: u32 = 8,
        sai_assoc_id: i32 = 12,
    }
    sctp_pdapi_event: 24 {
        pdapi_type: u16 = 0,
        pdapi_flags: u16 = 2,
        pdapi_length: u32 = 4,
        pdapi_indication: u32 = 8,
        pdapi_assoc_id: i32 = 12,
        pdapi_stream: u32 = 16,
        pdapi_seq: u32 = 20,
    }
    sctp_authkey_event: 20 {
        auth_type: u16 = 0,
        auth_flags: u16 = 2,
        auth_length: u32 = 4,
        auth_keynumber: u16 = 8,
        auth_altkeynumber: u16 = 10,
        auth_indication: u32 = 12,
        auth_assoc_id: i32 = 16,
    }
    sctp_sender_dry_event: 12 {
        sender_dry_type: u16 = 0,
        sender_dry_flags: u16 = 2,
        sender_dry_length: u32 = 4,
        sender_dry_assoc_id: i32 = 8,
    }
    sctp_stream_reset_event: 12 {
        strreset_type: u16 = 0,
        strreset_flags: u16 = 2,
        strreset_length: u32 = 4,
        strreset_assoc_id: i32 = 8,
    }
    sctp_assoc_reset_event: 20 {
        assocreset_type: u16 = 0,
        assocreset_flags: u16 = 2,
        assocreset_length: u32 = 4,
        assocreset_assoc_id: i32 = 8,
        assocreset_local_tsn: u32 = 12,
        assocreset_remote_tsn: u32 = 16,
    }
    sctp_stream_change_event: 16 {
        strchange_type: u16 = 0,
        strchange_flags: u16 = 2,
        strchange_length: u32 = 4,
        strchange_assoc_id: i32 = 8,
        strchange_instrms: u16 = 12,
        strchange_outstrms: u16 = 14,
    }

    // Options (RFC 6458, 8).
    sctp_rtoinfo: 16 {
        srto_assoc_id: i32 = 0,
        srto_initial: u32 = 4,
        srto_max: u32 = 8,
        srto_min: u32 = 12,
    }
    sctp_assocparams: 20 {
        sasoc_assoc_id: i32 = 0,
        sasoc_asocmaxrxt: u16 = 4,
        sasoc_number_peer_destinations: u16 = 6,
        sasoc_peer_rwnd: u32 = 8,
        sasoc_local_rwnd: u32 = 12,
        sasoc_cookie_life: u32 = 16,
    }
    sctp_setpeerprim: 132 {
        sspp_assoc_id: i32 = 0,
        sspp_addr: [u8; 128] = 4,
    }
    sctp_prim: 132 {
        ssp_assoc_id: i32 = 0,
        ssp_addr: [u8; 128] = 4,
    }
    sctp_setadaptation: 4 {
        ssb_adaptation_ind: u32 = 0,
    }
    sctp_paddrparams: 156 {
        spp_assoc_id: i32 = 0,
        spp_address: [u8; 128] = 4,
        spp_hbinterval: u32 = 132,
        spp_pathmaxrxt: u16 = 136,
        spp_pathmtu: u32 = 138,
        spp_sackdelay: u32 = 142,
        spp_flags: u32 = 146,
        spp_ipv6_flowlabel: u32 = 150,
        spp_dscp: u8 = 154,
    }
    sctp_authchunk: 1 {
        sauth_chunk: u8 = 0,
    }
    sctp_hmacalgo: 4 {
        shmac_num_idents: u32 = 0,
    }
    sctp_authkey: 8 {
        sca_assoc_id: i32 = 0,
        sca_keynumber: u16 = 4,
        sca_keylength: u16 = 6,
    }
    sctp_authkeyid: 8 {
        scact_assoc_id: i32 = 0,
        scact_keynumber: u16 = 4,
    }
    sctp_authchunks: 8 {
        gauth_assoc_id: i32 = 0,
        gauth_number_of_chunks: u32 = 4,
    }
    sctp_sack_info: 12 {
        sack_assoc_id: i32 = 0,
        sack_delay: u32 = 4,
        sack_freq: u32 = 8,
    }
    sctp_assoc_value: 8 {
        assoc_id: i32 = 0,
        assoc_value: u32 = 4,
    }
    sctp_stream_value: 8 {
        assoc_id: i32 = 0,
        stream_id: u16 = 4,
        stream_value: u16 = 6,
    }
    sctp_paddrinfo: 152 {
        spinfo_assoc_id: i32 = 0,
        spinfo_address: [u8; 128] = 4,
        spinfo_state: i32 = 132,
        spinfo_cwnd: u32 = 136,
        spinfo_srtt: u32 = 140,
        spinfo_rto: u32 = 144,
        spinfo_mtu: u32 = 148,
    }
    sctp_status: 176 {
        sstat_assoc_id: i32 = 0,
        sstat_state: i32 = 4,
        sstat_rwnd: u32 = 8,
        sstat_unackdata: u16 = 12,
        sstat_penddata: u16 = 14,
        sstat_instrms: u16 = 16,
        sstat_outstrms: u16 = 18,
        sstat_fragmentation_point: u32 = 20,
        sstat_primary: [u8; 152] = 24,
    }
    sctp_assoc_ids: 4 {
        gaids_number_of_ids: u32 = 0,
    }
    sctp_getaddrs: 8 {
        assoc_id: i32 = 0,
        addr_num: u32 = 4,
    }
    /// Of SCTP_SOCKOPT_CONNECTX3: the addresses are where a pointer says.
    sctp_getaddrs_old: 16 {
        assoc_id: i32 = 0,
        addr_num: i32 = 4,
        addrs: usize = 8,
    }
    sctp_assoc_stats: 256 {
        sas_assoc_id: i32 = 0,
        sas_obs_rto_ipaddr: [u8; 128] = 8,
        sas_maxrto: u64 = 136,
        sas_isacks: u64 = 144,
        sas_osacks: u64 = 152,
        sas_opackets: u64 = 160,
        sas_ipackets: u64 = 168,
        sas_rtxchunks: u64 = 176,
        sas_outofseqtsns: u64 = 184,
        sas_idupchunks: u64 = 192,
        sas_gapcnt: u64 = 200,
        sas_ouodchunks: u64 = 208,
        sas_iuodchunks: u64 = 216,
        sas_oodchunks: u64 = 224,
        sas_iodchunks: u64 = 232,
        sas_octrlchunks: u64 = 240,
        sas_ictrlchunks: u64 = 248,
    }
    sctp_peeloff_arg_t: 8 {
        associd: i32 = 0,
        sd: i32 = 4,
    }
    sctp_peeloff_flags_arg_t: 12 {
        p_arg: [u8; 8] = 0,
        flags: i32 = 8,
    }
    sctp_paddrthlds: 144 {
        spt_assoc_id: i32 = 0,
        spt_address: [u8; 128] = 8,
        spt_pathmaxrxt: u16 = 136,
        spt_pathpfthld: u16 = 138,
    }
    sctp_paddrthlds_v2: 144 {
        spt_assoc_id: i32 = 0,
        spt_address: [u8; 128] = 8,
        spt_pathmaxrxt: u16 = 136,
        spt_pathpfthld: u16 = 138,
        spt_pathcpthld: u16 = 140,
    }
    sctp_prstatus: 24 {
        sprstat_assoc_id: i32 = 0,
        sprstat_sid: u16 = 4,
        sprstat_policy: u16 = 6,
        sprstat_abandoned_unsent: u64 = 8,
        sprstat_abandoned_sent: u64 = 16,
    }
    sctp_default_prinfo: 12 {
        pr_assoc_id: i32 = 0,
        pr_value: u32 = 4,
        pr_policy: u16 = 8,
    }
    sctp_reset_streams: 8 {
        srs_assoc_id: i32 = 0,
        srs_flags: u16 = 4,
        srs_number_streams: u16 = 6,
    }
    sctp_add_streams: 8 {
        sas_assoc_id: i32 = 0,
        sas_instrms: u16 = 4,
        sas_outstrms: u16 = 6,
    }
    sctp_event: 8 {
        se_assoc_id: i32 = 0,
        se_type: u16 = 4,
        se_on: u8 = 6,
    }
    sctp_udpencaps: 144 {
        sue_assoc_id: i32 = 0,
        sue_address: [u8; 128] = 8,
        sue_port: Network<u16> = 136,
    }
    sctp_probeinterval: 144 {
        spi_assoc_id: i32 = 0,
        spi_address: [u8; 128] = 8,
        spi_interval: u32 = 136,
    }
}
