/*
 * SCTP sockets on Linux: structures and numbers of RFC 6458, RFC 6525, RFC 6951, RFC 7496, RFC 7829 and RFC 8260, as the kernel
 * has them, for programs that link libsctp_user. It takes the place of libsctp's header; of the kernel's, too
 * (linux/sctp.h), which may be included as well, before or after.
 *
 * The functions are in sctp_user.h, which this header includes.
 */
#ifndef SCTP_USER_NETINET_SCTP_H
#define SCTP_USER_NETINET_SCTP_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What programs ask for before they use it. */
#define HAVE_SCTP 1
#define HAVE_KERNEL_SCTP 1
#define HAVE_SCTP_MULTIBUF 1
#define HAVE_SCTP_NOCONNECT 1
#define HAVE_SCTP_PRSCTP 1
#define HAVE_SCTP_CONNECTX 1
#define HAVE_SCTP_SENDV 1
#define HAVE_SCTP_SAC_LEN 1

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif
#ifndef SOL_SCTP
#define SOL_SCTP 132
#endif

#ifndef MSG_NOTIFICATION
#define MSG_NOTIFICATION 0x8000
#endif
#ifndef MSG_EOF
#define MSG_EOF MSG_FIN
#endif

/* sctp_sendv and sctp_recvv (RFC 6458, 9.12 and 9.13). */
#define SCTP_SENDV_NOINFO 0
#define SCTP_SENDV_SNDINFO 1
#define SCTP_SENDV_PRINFO 2
#define SCTP_SENDV_AUTHINFO 3
#define SCTP_SENDV_SPA 4
#define SCTP_SEND_SNDINFO_VALID 1
#define SCTP_SEND_PRINFO_VALID 2
#define SCTP_SEND_AUTHINFO_VALID 4
#define SCTP_RECVV_NOINFO 0
#define SCTP_RECVV_RCVINFO 1
#define SCTP_RECVV_NXTINFO 2
#define SCTP_RECVV_RN 3

/* Schedulers (RFC 8260, 3) that older kernels did not have. */
#define SCTP_SS_FC 3
#define SCTP_SS_WFQ 4

/* What follows is in linux/sctp.h as well. */
#if !defined(_SCTP_H) && !defined(_UAPI_SCTP_H)
#define _SCTP_H
#define _UAPI_SCTP_H

typedef int32_t sctp_assoc_t;

/* sctp_bindx (RFC 6458, 9.1). */
#define SCTP_BINDX_ADD_ADDR 1
#define SCTP_BINDX_REM_ADDR 2

/* Associations that are none (RFC 6458, 7.2). */
#define SCTP_FUTURE_ASSOC 0
#define SCTP_CURRENT_ASSOC 1
#define SCTP_ALL_ASSOC 2

/* Options. */
#define SCTP_RTOINFO 0
#define SCTP_ASSOCINFO 1
#define SCTP_INITMSG 2
#define SCTP_NODELAY 3
#define SCTP_AUTOCLOSE 4
#define SCTP_SET_PEER_PRIMARY_ADDR 5
#define SCTP_PRIMARY_ADDR 6
#define SCTP_ADAPTATION_LAYER 7
#define SCTP_DISABLE_FRAGMENTS 8
#define SCTP_PEER_ADDR_PARAMS 9
#define SCTP_DEFAULT_SEND_PARAM 10
#define SCTP_EVENTS 11
#define SCTP_I_WANT_MAPPED_V4_ADDR 12
#define SCTP_MAXSEG 13
#define SCTP_STATUS 14
#define SCTP_GET_PEER_ADDR_INFO 15
#define SCTP_DELAYED_SACK 16
#define SCTP_CONTEXT 17
#define SCTP_FRAGMENT_INTERLEAVE 18
#define SCTP_PARTIAL_DELIVERY_POINT 19
#define SCTP_MAX_BURST 20
#define SCTP_AUTH_CHUNK 21
#define SCTP_HMAC_IDENT 22
#define SCTP_AUTH_KEY 23
#define SCTP_AUTH_ACTIVE_KEY 24
#define SCTP_AUTH_DELETE_KEY 25
#define SCTP_PEER_AUTH_CHUNKS 26
#define SCTP_LOCAL_AUTH_CHUNKS 27
#define SCTP_GET_ASSOC_NUMBER 28
#define SCTP_GET_ASSOC_ID_LIST 29
#define SCTP_AUTO_ASCONF 30
#define SCTP_PEER_ADDR_THLDS 31
#define SCTP_RECVRCVINFO 32
#define SCTP_RECVNXTINFO 33
#define SCTP_DEFAULT_SNDINFO 34
#define SCTP_AUTH_DEACTIVATE_KEY 35
#define SCTP_REUSE_PORT 36
#define SCTP_PEER_ADDR_THLDS_V2 37
#define SCTP_SOCKOPT_BINDX_ADD 100
#define SCTP_SOCKOPT_BINDX_REM 101
#define SCTP_SOCKOPT_PEELOFF 102
#define SCTP_SOCKOPT_CONNECTX_OLD 107
#define SCTP_GET_PEER_ADDRS 108
#define SCTP_GET_LOCAL_ADDRS 109
#define SCTP_SOCKOPT_CONNECTX 110
#define SCTP_SOCKOPT_CONNECTX3 111
#define SCTP_GET_ASSOC_STATS 112
#define SCTP_PR_SUPPORTED 113
#define SCTP_DEFAULT_PRINFO 114
#define SCTP_PR_ASSOC_STATUS 115
#define SCTP_PR_STREAM_STATUS 116
#define SCTP_RECONFIG_SUPPORTED 117
#define SCTP_ENABLE_STREAM_RESET 118
#define SCTP_RESET_STREAMS 119
#define SCTP_RESET_ASSOC 120
#define SCTP_ADD_STREAMS 121
#define SCTP_SOCKOPT_PEELOFF_FLAGS 122
#define SCTP_STREAM_SCHEDULER 123
#define SCTP_STREAM_SCHEDULER_VALUE 124
#define SCTP_INTERLEAVING_SUPPORTED 125
#define SCTP_EVENT 127
#define SCTP_ASCONF_SUPPORTED 128
#define SCTP_AUTH_SUPPORTED 129
#define SCTP_ECN_SUPPORTED 130
#define SCTP_EXPOSE_POTENTIALLY_FAILED_STATE 131
#define SCTP_REMOTE_UDP_ENCAPS_PORT 132
#define SCTP_PLPMTUD_PROBE_INTERVAL 133

/* Control messages (RFC 6458, 5.3). */
#define SCTP_INIT 0
#define SCTP_SNDRCV 1
#define SCTP_SNDINFO 2
#define SCTP_RCVINFO 3
#define SCTP_NXTINFO 4
#define SCTP_PRINFO 5
#define SCTP_AUTHINFO 6
#define SCTP_DSTADDRV4 7
#define SCTP_DSTADDRV6 8

/* Flags of messages (RFC 6458, 5.3.2 and 5.3.4). */
#define SCTP_UNORDERED 0x1
#define SCTP_ADDR_OVER 0x2
#define SCTP_ABORT 0x4
#define SCTP_SACK_IMMEDIATELY 0x8
#define SCTP_SENDALL 0x40
#define SCTP_EOF 0x200
#define SCTP_NOTIFICATION 0x8000

/* Policies of partial reliability (RFC 7496, 4.1), and the mask of them. */
#define SCTP_PR_SCTP_NONE 0x0
#define SCTP_PR_SCTP_TTL 0x10
#define SCTP_PR_SCTP_RTX 0x20
#define SCTP_PR_SCTP_PRIO 0x30
#define SCTP_PR_SCTP_MASK 0x30
#define SCTP_PR_SCTP_ALL 0x80

/* Notifications (RFC 6458, 6.1; RFC 6525, 6.1). */
#define SCTP_DATA_IO_EVENT 0x8000
#define SCTP_ASSOC_CHANGE 0x8001
#define SCTP_PEER_ADDR_CHANGE 0x8002
#define SCTP_SEND_FAILED 0x8003
#define SCTP_REMOTE_ERROR 0x8004
#define SCTP_SHUTDOWN_EVENT 0x8005
#define SCTP_PARTIAL_DELIVERY_EVENT 0x8006
#define SCTP_ADAPTATION_INDICATION 0x8007
#define SCTP_AUTHENTICATION_EVENT 0x8008
#define SCTP_SENDER_DRY_EVENT 0x8009
#define SCTP_STREAM_RESET_EVENT 0x800a
#define SCTP_ASSOC_RESET_EVENT 0x800b
#define SCTP_STREAM_CHANGE_EVENT 0x800c
#define SCTP_SEND_FAILED_EVENT 0x800d

/* What happened to an association, or to an address of the peer (RFC 6458, 6.1.1 and 6.1.2). */
#define SCTP_COMM_UP 0
#define SCTP_COMM_LOST 1
#define SCTP_RESTART 2
#define SCTP_SHUTDOWN_COMP 3
#define SCTP_CANT_STR_ASSOC 4
#define SCTP_ADDR_AVAILABLE 0
#define SCTP_ADDR_UNREACHABLE 1
#define SCTP_ADDR_REMOVED 2
#define SCTP_ADDR_ADDED 3
#define SCTP_ADDR_MADE_PRIM 4
#define SCTP_ADDR_CONFIRMED 5
#define SCTP_ADDR_POTENTIALLY_FAILED 6
#define SCTP_FAILED_THRESHOLD 0
#define SCTP_RECEIVED_SACK 1
#define SCTP_HEARTBEAT_SUCCESS 2

/* Flags and indications of other notifications. */
#define SCTP_DATA_UNSENT 0
#define SCTP_DATA_SENT 1
#define SCTP_STREAM_RESET_INCOMING_SSN 0x1
#define SCTP_STREAM_RESET_OUTGOING_SSN 0x2
#define SCTP_STREAM_RESET_DENIED 0x4
#define SCTP_STREAM_RESET_FAILED 0x8
#define SCTP_PARTIAL_DELIVERY_ABORTED 0
#define SCTP_AUTH_NEW_KEY 0
#define SCTP_AUTH_FREE_KEY 1
#define SCTP_AUTH_NO_AUTH 2

/* States of associations and paths (RFC 6458, 8.2.1 and 8.2.2). */
#define SCTP_CLOSED 1
#define SCTP_COOKIE_WAIT 2
#define SCTP_COOKIE_ECHOED 3
#define SCTP_ESTABLISHED 4
#define SCTP_SHUTDOWN_PENDING 5
#define SCTP_SHUTDOWN_SENT 6
#define SCTP_SHUTDOWN_RECEIVED 7
#define SCTP_SHUTDOWN_ACK_SENT 8
#define SCTP_INACTIVE 0
#define SCTP_PF 1
#define SCTP_ACTIVE 2
#define SCTP_UNCONFIRMED 3

/* Parameters of a path (RFC 6458, 8.1.12). */
#define SPP_HB_ENABLE 0x1
#define SPP_HB_DISABLE 0x2
#define SPP_HB_DEMAND 0x4
#define SPP_PMTUD_ENABLE 0x8
#define SPP_PMTUD_DISABLE 0x10
#define SPP_SACKDELAY_ENABLE 0x20
#define SPP_SACKDELAY_DISABLE 0x40
#define SPP_HB_TIME_IS_ZERO 0x80
#define SPP_IPV6_FLOWLABEL 0x100
#define SPP_DSCP 0x200

/* Re-configuration (RFC 6525, 6.3). */
#define SCTP_ENABLE_RESET_STREAM_REQ 0x1
#define SCTP_ENABLE_RESET_ASSOC_REQ 0x2
#define SCTP_ENABLE_CHANGE_ASSOC_REQ 0x4
#define SCTP_STREAM_RESET_INCOMING 0x1
#define SCTP_STREAM_RESET_OUTGOING 0x2

/* Schedulers (RFC 8260, 3). */
#define SCTP_SS_FCFS 0
#define SCTP_SS_PRIO 1
#define SCTP_SS_RR 2
#define SCTP_SS_DEFAULT SCTP_SS_FCFS
#define SCTP_SS_MAX SCTP_SS_WFQ

/* Other names that are in use. */
#define SCTP_DELAYED_ACK_TIME SCTP_DELAYED_SACK
#define SCTP_DELAYED_ACK SCTP_DELAYED_SACK
#define SCTP_PR_SCTP_MAX SCTP_PR_SCTP_PRIO
#define SCTP_PR_POLICY(flags) ((flags) & SCTP_PR_SCTP_MASK)
#define SCTP_ADDR_PF SCTP_ADDR_POTENTIALLY_FAILED
#define SCTP_POTENTIALLY_FAILED SCTP_PF
#define SCTP_EMPTY 0
#define SCTP_UNKNOWN 0xffff
#define SPP_HB (SPP_HB_ENABLE | SPP_HB_DISABLE)
#define SPP_PMTUD (SPP_PMTUD_ENABLE | SPP_PMTUD_DISABLE)
#define SPP_SACKDELAY (SPP_SACKDELAY_ENABLE | SPP_SACKDELAY_DISABLE)
#define SCTP_ENABLE_STRRESET_MASK 0x7

/* Algorithms (RFC 4895, 8). */
#define SCTP_AUTH_HMAC_ID_SHA1 1
#define SCTP_AUTH_HMAC_ID_SHA256 3

/* What begins on a multiple of four bytes and has no holes. */
#define SCTP_USER_PACKED __attribute__((packed, aligned(4)))

/* Control messages (RFC 6458, 5.3). */
struct sctp_initmsg {
  uint16_t sinit_num_ostreams;
  uint16_t sinit_max_instreams;
  uint16_t sinit_max_attempts;
  uint16_t sinit_max_init_timeo;
};
struct sctp_sndrcvinfo {
  uint16_t sinfo_stream;
  uint16_t sinfo_ssn;
  uint16_t sinfo_flags;
  uint32_t sinfo_ppid;
  uint32_t sinfo_context;
  uint32_t sinfo_timetolive;
  uint32_t sinfo_tsn;
  uint32_t sinfo_cumtsn;
  sctp_assoc_t sinfo_assoc_id;
};
struct sctp_sndinfo {
  uint16_t snd_sid;
  uint16_t snd_flags;
  uint32_t snd_ppid;
  uint32_t snd_context;
  sctp_assoc_t snd_assoc_id;
};
struct sctp_rcvinfo {
  uint16_t rcv_sid;
  uint16_t rcv_ssn;
  uint16_t rcv_flags;
  uint32_t rcv_ppid;
  uint32_t rcv_tsn;
  uint32_t rcv_cumtsn;
  uint32_t rcv_context;
  sctp_assoc_t rcv_assoc_id;
};
struct sctp_nxtinfo {
  uint16_t nxt_sid;
  uint16_t nxt_flags;
  uint32_t nxt_ppid;
  uint32_t nxt_length;
  sctp_assoc_t nxt_assoc_id;
};
struct sctp_prinfo {
  uint16_t pr_policy;
  uint32_t pr_value;
};
struct sctp_authinfo {
  uint16_t auth_keynumber;
};

/* Notifications (RFC 6458, 6.1; RFC 6525, 6.1). */
struct sctp_assoc_change {
  uint16_t sac_type;
  uint16_t sac_flags;
  uint32_t sac_length;
  uint16_t sac_state;
  uint16_t sac_error;
  uint16_t sac_outbound_streams;
  uint16_t sac_inbound_streams;
  sctp_assoc_t sac_assoc_id;
  uint8_t sac_info[];
};
struct sctp_paddr_change {
  uint16_t spc_type;
  uint16_t spc_flags;
  uint32_t spc_length;
  struct sockaddr_storage spc_aaddr;
  int spc_state;
  int spc_error;
  sctp_assoc_t spc_assoc_id;
} SCTP_USER_PACKED;
struct sctp_remote_error {
  uint16_t sre_type;
  uint16_t sre_flags;
  uint32_t sre_length;
  uint16_t sre_error; /* network byte order */
  sctp_assoc_t sre_assoc_id;
  uint8_t sre_data[];
};
struct sctp_send_failed {
  uint16_t ssf_type;
  uint16_t ssf_flags;
  uint32_t ssf_length;
  uint32_t ssf_error;
  struct sctp_sndrcvinfo ssf_info;
  sctp_assoc_t ssf_assoc_id;
  uint8_t ssf_data[];
};
struct sctp_send_failed_event {
  uint16_t ssf_type;
  uint16_t ssf_flags;
  uint32_t ssf_length;
  uint32_t ssf_error;
  struct sctp_sndinfo ssfe_info;
  sctp_assoc_t ssf_assoc_id;
  uint8_t ssf_data[];
};
struct sctp_shutdown_event {
  uint16_t sse_type;
  uint16_t sse_flags;
  uint32_t sse_length;
  sctp_assoc_t sse_assoc_id;
};
struct sctp_adaptation_event {
  uint16_t sai_type;
  uint16_t sai_flags;
  uint32_t sai_length;
  uint32_t sai_adaptation_ind;
  sctp_assoc_t sai_assoc_id;
};
struct sctp_pdapi_event {
  uint16_t pdapi_type;
  uint16_t pdapi_flags;
  uint32_t pdapi_length;
  uint32_t pdapi_indication;
  sctp_assoc_t pdapi_assoc_id;
  uint32_t pdapi_stream;
  uint32_t pdapi_seq;
};
struct sctp_authkey_event {
  uint16_t auth_type;
  uint16_t auth_flags;
  uint32_t auth_length;
  uint16_t auth_keynumber;
  uint16_t auth_altkeynumber;
  uint32_t auth_indication;
  sctp_assoc_t auth_assoc_id;
};
struct sctp_sender_dry_event {
  uint16_t sender_dry_type;
  uint16_t sender_dry_flags;
  uint32_t sender_dry_length;
  sctp_assoc_t sender_dry_assoc_id;
};
struct sctp_stream_reset_event {
  uint16_t strreset_type;
  uint16_t strreset_flags;
  uint32_t strreset_length;
  sctp_assoc_t strreset_assoc_id;
  uint16_t strreset_stream_list[];
};
struct sctp_assoc_reset_event {
  uint16_t assocreset_type;
  uint16_t assocreset_flags;
  uint32_t assocreset_length;
  sctp_assoc_t assocreset_assoc_id;
  uint32_t assocreset_local_tsn;
  uint32_t assocreset_remote_tsn;
};
struct sctp_stream_change_event {
  uint16_t strchange_type;
  uint16_t strchange_flags;
  uint32_t strchange_length;
  sctp_assoc_t strchange_assoc_id;
  uint16_t strchange_instrms;
  uint16_t strchange_outstrms;
};
union sctp_notification {
  struct {
    uint16_t sn_type;
    uint16_t sn_flags;
    uint32_t sn_length;
  } sn_header;
  struct sctp_assoc_change sn_assoc_change;
  struct sctp_paddr_change sn_paddr_change;
  struct sctp_remote_error sn_remote_error;
  struct sctp_send_failed sn_send_failed;
  struct sctp_shutdown_event sn_shutdown_event;
  struct sctp_adaptation_event sn_adaptation_event;
  struct sctp_pdapi_event sn_pdapi_event;
  struct sctp_authkey_event sn_authkey_event;
  struct sctp_sender_dry_event sn_sender_dry_event;
  struct sctp_stream_reset_event sn_strreset_event;
  struct sctp_assoc_reset_event sn_assocreset_event;
  struct sctp_stream_change_event sn_strchange_event;
  struct sctp_send_failed_event sn_send_failed_event;
};

/* Options (RFC 6458, 8). */
struct sctp_event_subscribe {
  uint8_t sctp_data_io_event;
  uint8_t sctp_association_event;
  uint8_t sctp_address_event;
  uint8_t sctp_send_failure_event;
  uint8_t sctp_peer_error_event;
  uint8_t sctp_shutdown_event;
  uint8_t sctp_partial_delivery_event;
  uint8_t sctp_adaptation_layer_event;
  uint8_t sctp_authentication_event;
  uint8_t sctp_sender_dry_event;
  uint8_t sctp_stream_reset_event;
  uint8_t sctp_assoc_reset_event;
  uint8_t sctp_stream_change_event;
  uint8_t sctp_send_failure_event_event;
};
struct sctp_event {
  sctp_assoc_t se_assoc_id;
  uint16_t se_type;
  uint8_t se_on;
};
struct sctp_rtoinfo {
  sctp_assoc_t srto_assoc_id;
  uint32_t srto_initial;
  uint32_t srto_max;
  uint32_t srto_min;
};
struct sctp_assocparams {
  sctp_assoc_t sasoc_assoc_id;
  uint16_t sasoc_asocmaxrxt;
  uint16_t sasoc_number_peer_destinations;
  uint32_t sasoc_peer_rwnd;
  uint32_t sasoc_local_rwnd;
  uint32_t sasoc_cookie_life;
};
struct sctp_setpeerprim {
  sctp_assoc_t sspp_assoc_id;
  struct sockaddr_storage sspp_addr;
} SCTP_USER_PACKED;
struct sctp_prim {
  sctp_assoc_t ssp_assoc_id;
  struct sockaddr_storage ssp_addr;
} SCTP_USER_PACKED;
#define sctp_setprim sctp_prim /* RFC 6458, 8.1.9 */
struct sctp_setadaptation {
  uint32_t ssb_adaptation_ind;
};
struct sctp_paddrparams {
  sctp_assoc_t spp_assoc_id;
  struct sockaddr_storage spp_address;
  uint32_t spp_hbinterval;
  uint16_t spp_pathmaxrxt;
  uint32_t spp_pathmtu;
  uint32_t spp_sackdelay;
  uint32_t spp_flags;
  uint32_t spp_ipv6_flowlabel;
  uint8_t spp_dscp;
} SCTP_USER_PACKED;
struct sctp_authchunk {
  uint8_t sauth_chunk;
};
struct sctp_hmacalgo {
  uint32_t shmac_num_idents;
  uint16_t shmac_idents[];
};
#define shmac_number_of_idents shmac_num_idents /* RFC 6458, 8.1.17 */
struct sctp_authkey {
  sctp_assoc_t sca_assoc_id;
  uint16_t sca_keynumber;
  uint16_t sca_keylength;
  uint8_t sca_key[];
};
struct sctp_authkeyid {
  sctp_assoc_t scact_assoc_id;
  uint16_t scact_keynumber;
};
struct sctp_authchunks {
  sctp_assoc_t gauth_assoc_id;
  uint32_t gauth_number_of_chunks;
  uint8_t gauth_chunks[];
};
struct sctp_sack_info {
  sctp_assoc_t sack_assoc_id;
  uint32_t sack_delay;
  uint32_t sack_freq;
};
struct sctp_assoc_value {
  sctp_assoc_t assoc_id;
  uint32_t assoc_value;
};
struct sctp_stream_value {
  sctp_assoc_t assoc_id;
  uint16_t stream_id;
  uint16_t stream_value;
};
struct sctp_paddrinfo {
  sctp_assoc_t spinfo_assoc_id;
  struct sockaddr_storage spinfo_address;
  int32_t spinfo_state;
  uint32_t spinfo_cwnd;
  uint32_t spinfo_srtt;
  uint32_t spinfo_rto;
  uint32_t spinfo_mtu;
} SCTP_USER_PACKED;
struct sctp_status {
  sctp_assoc_t sstat_assoc_id;
  int32_t sstat_state;
  uint32_t sstat_rwnd;
  uint16_t sstat_unackdata;
  uint16_t sstat_penddata;
  uint16_t sstat_instrms;
  uint16_t sstat_outstrms;
  uint32_t sstat_fragmentation_point;
  struct sctp_paddrinfo sstat_primary;
};
struct sctp_assoc_ids {
  uint32_t gaids_number_of_ids;
  sctp_assoc_t gaids_assoc_id[];
};
struct sctp_getaddrs {
  sctp_assoc_t assoc_id;
  uint32_t addr_num;
  uint8_t addrs[];
};
struct sctp_getaddrs_old {
  sctp_assoc_t assoc_id;
  int addr_num;
  struct sockaddr *addrs;
};
struct sctp_assoc_stats {
  sctp_assoc_t sas_assoc_id;
  struct sockaddr_storage sas_obs_rto_ipaddr;
  uint64_t sas_maxrto;
  uint64_t sas_isacks;
  uint64_t sas_osacks;
  uint64_t sas_opackets;
  uint64_t sas_ipackets;
  uint64_t sas_rtxchunks;
  uint64_t sas_outofseqtsns;
  uint64_t sas_idupchunks;
  uint64_t sas_gapcnt;
  uint64_t sas_ouodchunks;
  uint64_t sas_iuodchunks;
  uint64_t sas_oodchunks;
  uint64_t sas_iodchunks;
  uint64_t sas_octrlchunks;
  uint64_t sas_ictrlchunks;
};
typedef struct {
  sctp_assoc_t associd;
  int sd;
} sctp_peeloff_arg_t;
typedef struct {
  sctp_peeloff_arg_t p_arg;
  unsigned flags;
} sctp_peeloff_flags_arg_t;
struct sctp_paddrthlds {
  sctp_assoc_t spt_assoc_id;
  struct sockaddr_storage spt_address;
  uint16_t spt_pathmaxrxt;
  uint16_t spt_pathpfthld;
};
struct sctp_paddrthlds_v2 {
  sctp_assoc_t spt_assoc_id;
  struct sockaddr_storage spt_address;
  uint16_t spt_pathmaxrxt;
  uint16_t spt_pathpfthld;
  uint16_t spt_pathcpthld;
};
struct sctp_prstatus {
  sctp_assoc_t sprstat_assoc_id;
  uint16_t sprstat_sid;
  uint16_t sprstat_policy;
  uint64_t sprstat_abandoned_unsent;
  uint64_t sprstat_abandoned_sent;
};
struct sctp_default_prinfo {
  sctp_assoc_t pr_assoc_id;
  uint32_t pr_value;
  uint16_t pr_policy;
};
struct sctp_reset_streams {
  sctp_assoc_t srs_assoc_id;
  uint16_t srs_flags;
  uint16_t srs_number_streams;
  uint16_t srs_stream_list[];
};
struct sctp_add_streams {
  sctp_assoc_t sas_assoc_id;
  uint16_t sas_instrms;
  uint16_t sas_outstrms;
};
struct sctp_udpencaps {
  sctp_assoc_t sue_assoc_id;
  struct sockaddr_storage sue_address;
  uint16_t sue_port; /* network byte order */
};
struct sctp_probeinterval {
  sctp_assoc_t spi_assoc_id;
  struct sockaddr_storage spi_address;
  uint32_t spi_interval;
};

#endif /* linux/sctp.h */

/* sctp_sendv and sctp_recvv (RFC 6458, 9.12 and 9.13). */
struct sctp_sendv_spa {
  uint32_t sendv_flags;
  struct sctp_sndinfo sendv_sndinfo;
  struct sctp_prinfo sendv_prinfo;
  struct sctp_authinfo sendv_authinfo;
};
struct sctp_recvv_rn {
  struct sctp_rcvinfo recvv_rcvinfo;
  struct sctp_nxtinfo recvv_nxtinfo;
};

#include <sctp_user.h>

#endif /* SCTP_USER_NETINET_SCTP_H */
