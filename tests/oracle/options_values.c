/* Each option: its default, what is set is read again, what is refused. Options of extensions and of paths have files of their
 * own, for more than their values. */
#include "oracle.h"

CASE(rtoinfo) {
  int fd = many();
  GET(fd, SCTP_RTOINFO, struct sctp_rtoinfo);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_initial = 500, .srto_max = 2000, .srto_min = 100);
  GET(fd, SCTP_RTOINFO, struct sctp_rtoinfo);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_initial = 700);
  GET(fd, SCTP_RTOINFO, struct sctp_rtoinfo);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_min = 3000);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_initial = 50);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_max = 600);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_assoc_id = 99999);
  SET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_assoc_id = SCTP_ALL_ASSOC, .srto_initial = 600);
  GET(fd, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_assoc_id = SCTP_CURRENT_ASSOC);
  GET(fd, SCTP_RTOINFO, int);
}

CASE(rtoinfo_of_an_association) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  SET(pair.client, SCTP_RTOINFO, struct sctp_rtoinfo, id, 800, 1000, 400);
  GET(pair.client, SCTP_RTOINFO, struct sctp_rtoinfo, id);
  GET(pair.client, SCTP_RTOINFO, struct sctp_rtoinfo);
  GET(pair.server, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_assoc_id = id);
}

CASE(associnfo) {
  int fd = many();
  GET(fd, SCTP_ASSOCINFO, struct sctp_assocparams);
  SET(fd, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_asocmaxrxt = 3, .sasoc_cookie_life = 9000);
  GET(fd, SCTP_ASSOCINFO, struct sctp_assocparams);
  SET(fd, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_assoc_id = 99999, .sasoc_asocmaxrxt = 3);
  SET(fd, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_peer_rwnd = 5, .sasoc_number_peer_destinations = 4);
  GET(fd, SCTP_ASSOCINFO, struct sctp_assocparams);
  GET(fd, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_assoc_id = 99999);
}

CASE(associnfo_of_an_association) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  struct sctp_assocparams now = {.sasoc_assoc_id = id};
  socklen_t length = sizeof now;
  SET(pair.client, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_assoc_id = id, .sasoc_asocmaxrxt = 4);
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_ASSOCINFO, &now, &length));
  FACT("now", "%u bytes: attempts %u, destinations %u, windows %d %d, life %u", length, now.sasoc_asocmaxrxt,
       now.sasoc_number_peer_destinations, now.sasoc_peer_rwnd > 10000, now.sasoc_local_rwnd > 10000, now.sasoc_cookie_life);
  SET(pair.client, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_assoc_id = id, .sasoc_asocmaxrxt = 11);
  SET(pair.client, SCTP_ASSOCINFO, struct sctp_assocparams, .sasoc_assoc_id = id, .sasoc_asocmaxrxt = 5);
}

CASE(initmsg) {
  int fd = many();
  GET(fd, SCTP_INITMSG, struct sctp_initmsg);
  SET(fd, SCTP_INITMSG, struct sctp_initmsg, .sinit_num_ostreams = 3, .sinit_max_instreams = 4, .sinit_max_attempts = 5, .sinit_max_init_timeo = 6000);
  GET(fd, SCTP_INITMSG, struct sctp_initmsg);
  SET(fd, SCTP_INITMSG, struct sctp_initmsg, .sinit_num_ostreams = 7);
  GET(fd, SCTP_INITMSG, struct sctp_initmsg);
  SET(fd, SCTP_INITMSG, struct sctp_initmsg, .sinit_num_ostreams = 65535);
  SET(fd, SCTP_INITMSG, int, 3);
}

static int out_streams = 3;
static void wants_streams(int fd) {
  struct sctp_initmsg init = {.sinit_num_ostreams = out_streams, .sinit_max_instreams = 6};
  DO(setsockopt(fd, SOL_SCTP, SCTP_INITMSG, &init, sizeof init));
  subscribe(fd, SCTP_ASSOC_CHANGE);
  out_streams += 5;
}

CASE(initmsg_is_negotiated) {
  struct pair pair = pair_of(many, wants_streams);
  TAKE(pair.client);
  TAKE(pair.server);
  struct sctp_status status = {.sstat_assoc_id = association(pair.client)};
  socklen_t length = sizeof status;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &status, &length));
  FACT("streams", "in %u out %u", status.sstat_instrms, status.sstat_outstrms);
}

CASE(nodelay) {
  int fd = one();
  GET(fd, SCTP_NODELAY, int);
  SET(fd, SCTP_NODELAY, int, 5);
  GET(fd, SCTP_NODELAY, int);
  SET(fd, SCTP_NODELAY, int, 0);
  GET(fd, SCTP_NODELAY, int);
  SET(fd, SCTP_NODELAY, char, 1);
  GET(fd, SCTP_NODELAY, short);
  GET(fd, SCTP_NODELAY, long);
}

CASE(autoclose) {
  int fd = many();
  GET(fd, SCTP_AUTOCLOSE, int);
  SET(fd, SCTP_AUTOCLOSE, int, 60);
  GET(fd, SCTP_AUTOCLOSE, int);
  SET(fd, SCTP_AUTOCLOSE, int, -1);
  GET(fd, SCTP_AUTOCLOSE, int);
  SET(fd, SCTP_AUTOCLOSE, char, 1);
}

CASE(primary_addr) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  struct sctp_prim now = {.ssp_assoc_id = id};
  socklen_t length = sizeof now;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_PRIMARY_ADDR, &now, &length));
  FACT("primary", "%u bytes, %s %s", length, id_name(now.ssp_assoc_id), address_name(&now.ssp_addr));
  SET(pair.client, SCTP_PRIMARY_ADDR, struct sctp_prim, id, in_storage(at(2, 0)));
  SET(pair.client, SCTP_PRIMARY_ADDR, struct sctp_prim, id, in_storage(at(3, 0)));
  SET(pair.client, SCTP_PRIMARY_ADDR, struct sctp_prim, 99999, in_storage(at(2, 0)));
  SET(pair.client, SCTP_PRIMARY_ADDR, int, 1);
  GET(many(), SCTP_PRIMARY_ADDR, struct sctp_prim);
}

CASE(set_peer_primary_addr) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  SET(pair.client, SCTP_SET_PEER_PRIMARY_ADDR, struct sctp_setpeerprim, id, in_storage(at(1, 1)));
  SET(pair.client, SCTP_SET_PEER_PRIMARY_ADDR, struct sctp_setpeerprim, 99999, in_storage(at(1, 1)));
  SET(pair.client, SCTP_SET_PEER_PRIMARY_ADDR, int, 1);
  GET(pair.client, SCTP_SET_PEER_PRIMARY_ADDR, struct sctp_setpeerprim, id);
}

CASE(adaptation_layer) {
  int fd = one();
  GET(fd, SCTP_ADAPTATION_LAYER, struct sctp_setadaptation);
  SET(fd, SCTP_ADAPTATION_LAYER, struct sctp_setadaptation, 0xabcd);
  GET(fd, SCTP_ADAPTATION_LAYER, struct sctp_setadaptation);
  SET(fd, SCTP_ADAPTATION_LAYER, char, 1);
}

CASE(disable_fragments) {
  int fd = one();
  GET(fd, SCTP_DISABLE_FRAGMENTS, int);
  SET(fd, SCTP_DISABLE_FRAGMENTS, int, 3);
  GET(fd, SCTP_DISABLE_FRAGMENTS, int);
  SET(fd, SCTP_DISABLE_FRAGMENTS, char, 3);
}

CASE(default_send_param) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo);
  SET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_stream = 3, .sinfo_ppid = htonl(7), .sinfo_context = 9);
  GET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo);
  GET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_assoc_id = id);
  SET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_stream = 4, .sinfo_assoc_id = SCTP_ALL_ASSOC);
  GET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_assoc_id = id);
  SET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_flags = 0x400);
  SET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_flags = SCTP_EOF);
  SET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_stream = 5000, .sinfo_assoc_id = id);
}

CASE(default_sndinfo) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo);
  SET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_sid = 3, .snd_ppid = htonl(7), .snd_context = 9, .snd_flags = SCTP_UNORDERED);
  GET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo);
  GET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = id);
  SET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_sid = 6, .snd_assoc_id = SCTP_CURRENT_ASSOC);
  GET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo);
  GET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = id);
  SET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_flags = 0x400);
  SET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = 99999);
}

CASE(mapped_addresses) {
  int v6 = many6(), v4 = many();
  GET(v6, SCTP_I_WANT_MAPPED_V4_ADDR, int);
  SET(v6, SCTP_I_WANT_MAPPED_V4_ADDR, int, 0);
  GET(v6, SCTP_I_WANT_MAPPED_V4_ADDR, int);
  GET(v4, SCTP_I_WANT_MAPPED_V4_ADDR, int);
  SET(v4, SCTP_I_WANT_MAPPED_V4_ADDR, int, 0);
}

CASE(maxseg) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  int fd = many();
  GET(fd, SCTP_MAXSEG, struct sctp_assoc_value);
  GET(fd, SCTP_MAXSEG, int);
  SET(fd, SCTP_MAXSEG, struct sctp_assoc_value, 0, 1000);
  GET(fd, SCTP_MAXSEG, struct sctp_assoc_value);
  SET(fd, SCTP_MAXSEG, int, 900);
  GET(fd, SCTP_MAXSEG, int);
  SET(fd, SCTP_MAXSEG, int, 1);
  SET(fd, SCTP_MAXSEG, int, 70000);
  SET(fd, SCTP_MAXSEG, int, 0);
  SET(pair.client, SCTP_MAXSEG, struct sctp_assoc_value, id, 500);
  GET(pair.client, SCTP_MAXSEG, struct sctp_assoc_value, id);
  GET(pair.client, SCTP_MAXSEG, struct sctp_assoc_value);
  SET(pair.client, SCTP_MAXSEG, struct sctp_assoc_value, 99999, 500);
}

CASE(delayed_sack) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  int fd = many();
  GET(fd, SCTP_DELAYED_SACK, struct sctp_sack_info);
  SET(fd, SCTP_DELAYED_SACK, struct sctp_sack_info, 0, 300, 3);
  GET(fd, SCTP_DELAYED_SACK, struct sctp_sack_info);
  SET(fd, SCTP_DELAYED_SACK, struct sctp_sack_info, 0, 501, 3);
  SET(fd, SCTP_DELAYED_SACK, struct sctp_sack_info, 0, 0, 1);
  GET(fd, SCTP_DELAYED_SACK, struct sctp_sack_info);
  SET(fd, SCTP_DELAYED_SACK, struct sctp_assoc_value, 0, 250);
  GET(fd, SCTP_DELAYED_ACK_TIME, struct sctp_assoc_value);
  SET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info, id, 100, 5);
  GET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info, id);
  GET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info);
  SET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info, SCTP_ALL_ASSOC, 150, 4);
  GET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info);
  GET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info, id);
  SET(pair.client, SCTP_DELAYED_SACK, struct sctp_sack_info, 99999, 100, 5);
}

CASE(fragment_interleave) {
  int fd = many();
  GET(fd, SCTP_FRAGMENT_INTERLEAVE, int);
  SET(fd, SCTP_FRAGMENT_INTERLEAVE, int, 1);
  GET(fd, SCTP_FRAGMENT_INTERLEAVE, int);
  SET(fd, SCTP_FRAGMENT_INTERLEAVE, int, 2);
  GET(fd, SCTP_FRAGMENT_INTERLEAVE, int);
  SET(fd, SCTP_FRAGMENT_INTERLEAVE, int, 0);
  GET(fd, SCTP_FRAGMENT_INTERLEAVE, int);
  SET(fd, SCTP_FRAGMENT_INTERLEAVE, long, 1);
}

CASE(partial_delivery_point) {
  int fd = many();
  GET(fd, SCTP_PARTIAL_DELIVERY_POINT, int);
  SET(fd, SCTP_PARTIAL_DELIVERY_POINT, int, 4000);
  GET(fd, SCTP_PARTIAL_DELIVERY_POINT, int);
  SET(fd, SCTP_PARTIAL_DELIVERY_POINT, int, 100000000);
  SET(fd, SCTP_PARTIAL_DELIVERY_POINT, char, 1);
}

CASE(context) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value);
  SET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value, 0, 7);
  SET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value, id, 8);
  GET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value);
  GET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value, SCTP_ALL_ASSOC, 9);
  GET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_CONTEXT, struct sctp_assoc_value, 99999, 9);
  SET(pair.client, SCTP_CONTEXT, int, 9);
}

CASE(max_burst) {
  int fd = many();
  GET(fd, SCTP_MAX_BURST, struct sctp_assoc_value);
  GET(fd, SCTP_MAX_BURST, int);
  SET(fd, SCTP_MAX_BURST, struct sctp_assoc_value, 0, 10);
  GET(fd, SCTP_MAX_BURST, struct sctp_assoc_value);
  SET(fd, SCTP_MAX_BURST, int, 12);
  GET(fd, SCTP_MAX_BURST, int);
  SET(fd, SCTP_MAX_BURST, struct sctp_assoc_value, 99999, 10);
}

CASE(auto_asconf) {
  int fd = many();
  GET(fd, SCTP_AUTO_ASCONF, int);
  SET(fd, SCTP_AUTO_ASCONF, int, 0);
  SET(fd, SCTP_AUTO_ASCONF, int, 1);
  DO(bind(fd, at(1, 0), IN));
  SET(fd, SCTP_AUTO_ASCONF, int, 1);
  GET(fd, SCTP_AUTO_ASCONF, int);
}

CASE(receive_information) {
  int fd = many();
  GET(fd, SCTP_RECVRCVINFO, int);
  SET(fd, SCTP_RECVRCVINFO, int, 9);
  GET(fd, SCTP_RECVRCVINFO, int);
  GET(fd, SCTP_RECVNXTINFO, int);
  SET(fd, SCTP_RECVNXTINFO, int, 9);
  GET(fd, SCTP_RECVNXTINFO, int);
  SET(fd, SCTP_RECVNXTINFO, char, 1);
  SET(fd, SCTP_RECVRCVINFO, char, 1);
}

CASE(peer_addr_params) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  int fd = many();
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_hbinterval = 5000, .spp_flags = SPP_HB_ENABLE, .spp_pathmaxrxt = 4);
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_HB_DISABLE);
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_HB_ENABLE | SPP_HB_TIME_IS_ZERO);
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_PMTUD_DISABLE, .spp_pathmtu = 1200);
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_PMTUD_ENABLE);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_SACKDELAY_ENABLE, .spp_sackdelay = 400);
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_SACKDELAY_DISABLE);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_DSCP, .spp_dscp = 0x28);
  GET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_HB_ENABLE | SPP_HB_DISABLE);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_PMTUD_ENABLE | SPP_PMTUD_DISABLE);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_SACKDELAY_ENABLE | SPP_SACKDELAY_DISABLE);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_SACKDELAY_ENABLE, .spp_sackdelay = 501);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_PMTUD_DISABLE, .spp_pathmtu = 100);
  SET(fd, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_flags = SPP_HB_DEMAND);
  SET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, .spp_assoc_id = id, .spp_flags = SPP_HB_DEMAND);
  SET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, id, in_storage(at(2, 0)), .spp_flags = SPP_HB_DEMAND);
  SET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, id, in_storage(at(3, 0)), .spp_flags = SPP_HB_DEMAND);
  SET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, id, .spp_flags = SPP_IPV6_FLOWLABEL, .spp_ipv6_flowlabel = 5);
  SET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, id, in_storage(at(2, 0)), .spp_pathmaxrxt = 2, .spp_hbinterval = 7000, .spp_flags = SPP_HB_ENABLE);
  struct sctp_paddrparams now = {id, in_storage(at(2, 0))};
  socklen_t length = sizeof now;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_PEER_ADDR_PARAMS, &now, &length));
  FACT("now", "%u bytes, %s, interval %u, attempts %u, delay %u, flags %x, dscp %x", length, address_name(&now.spp_address),
       now.spp_hbinterval, now.spp_pathmaxrxt, now.spp_sackdelay, now.spp_flags, now.spp_dscp);
  length = 152;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_PEER_ADDR_PARAMS, &now, &length));
  FACT("the shorter form", "%u bytes", length);
}

CASE(association_counts) {
  struct pair more = many_pair(), single = one_pair();
  GET(more.client, SCTP_GET_ASSOC_NUMBER, uint32_t);
  GET(many(), SCTP_GET_ASSOC_NUMBER, uint32_t);
  GET(single.client, SCTP_GET_ASSOC_NUMBER, uint32_t);
  SET(more.client, SCTP_GET_ASSOC_NUMBER, uint32_t, 1);
  GET(many(), SCTP_GET_ASSOC_ID_LIST, struct { uint32_t n[4]; });
  GET(single.client, SCTP_GET_ASSOC_ID_LIST, struct { uint32_t n[4]; });
}

CASE(status) {
  struct pair pair = one_pair();
  struct sctp_status now = {0};
  socklen_t length = sizeof now;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &now, &length));
  FACT("established", "%u bytes, %d %s, unacked %u, pending %u, streams %u %u", length, now.sstat_state == SCTP_ESTABLISHED,
       id_name(now.sstat_assoc_id), now.sstat_unackdata, now.sstat_penddata, now.sstat_instrms, now.sstat_outstrms);
  FACT("primary", "%s %s, %s", id_name(now.sstat_primary.spinfo_assoc_id), address_name(&now.sstat_primary.spinfo_address),
       now.sstat_primary.spinfo_state == SCTP_ACTIVE ? "SCTP_ACTIVE" : "not active");
  length = 4;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &now, &length));
  GET(one(), SCTP_STATUS, struct sctp_status);
  GET(many(), SCTP_STATUS, struct sctp_status);
  SET(pair.client, SCTP_STATUS, struct sctp_status);
}

CASE(status_of_a_listener) {
  struct pair pair = one_pair();
  GET(pair.listener, SCTP_STATUS, struct sctp_status);
}

CASE(peer_addr_info) {
  struct pair pair = one_pair();
  struct sctp_paddrinfo now = {0, in_storage(at(2, 0))};
  socklen_t length = sizeof now;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_GET_PEER_ADDR_INFO, &now, &length));
  FACT("path", "%u bytes, %s %s, active %d, cwnd %d, rto %u", length, id_name(now.spinfo_assoc_id), address_name(&now.spinfo_address),
       now.spinfo_state == SCTP_ACTIVE, now.spinfo_cwnd > 0, now.spinfo_rto);
  GET(pair.client, SCTP_GET_PEER_ADDR_INFO, struct sctp_paddrinfo, 0, in_storage(at(3, 0)));
  GET(one(), SCTP_GET_PEER_ADDR_INFO, struct sctp_paddrinfo, 0, in_storage(at(3, 0)));
  GET(pair.client, SCTP_GET_PEER_ADDR_INFO, int);
}

CASE(assoc_stats) {
  struct pair pair = one_pair();
  DO(send(pair.client, "one", 3, 0));
  DO(send(pair.client, "two", 3, 0));
  SEND(pair.client, NULL, "three", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_UNORDERED));
  skip(pair.server), skip(pair.server), skip(pair.server);
  struct sctp_assoc_stats now = {0};
  socklen_t length = sizeof now;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_GET_ASSOC_STATS, &now, &length));
  FACT("client", "%u bytes, %s, ordered %llu %llu, unordered %llu %llu, again %llu, doubled %llu", length, id_name(now.sas_assoc_id),
       (long long)now.sas_oodchunks, (long long)now.sas_iodchunks, (long long)now.sas_ouodchunks, (long long)now.sas_iuodchunks,
       (long long)now.sas_rtxchunks, (long long)now.sas_idupchunks);
  FACT("control chunks", "%d %d", now.sas_octrlchunks > 1, now.sas_ictrlchunks > 1);
  length = sizeof now;
  CALL(getsockopt(pair.server, SOL_SCTP, SCTP_GET_ASSOC_STATS, &now, &length));
  FACT("server", "ordered %llu %llu, unordered %llu %llu", (long long)now.sas_oodchunks, (long long)now.sas_iodchunks,
       (long long)now.sas_ouodchunks, (long long)now.sas_iuodchunks);
  GET(one(), SCTP_GET_ASSOC_STATS, struct sctp_assoc_stats);
  GET(pair.client, SCTP_GET_ASSOC_STATS, short);
}

CASE(thresholds) {
  int fd = many();
  GET(fd, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds);
  SET(fd, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds, .spt_pathmaxrxt = 7, .spt_pathpfthld = 2);
  GET(fd, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds);
  GET(fd, SCTP_PEER_ADDR_THLDS_V2, struct sctp_paddrthlds_v2);
  SET(fd, SCTP_PEER_ADDR_THLDS_V2, struct sctp_paddrthlds_v2, .spt_pathmaxrxt = 6, .spt_pathpfthld = 3, .spt_pathcpthld = 9);
  GET(fd, SCTP_PEER_ADDR_THLDS_V2, struct sctp_paddrthlds_v2);
  SET(fd, SCTP_PEER_ADDR_THLDS_V2, struct sctp_paddrthlds_v2, .spt_pathmaxrxt = 6, .spt_pathpfthld = 5, .spt_pathcpthld = 2);
  SET(fd, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds, .spt_assoc_id = 99999, .spt_pathmaxrxt = 7);
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  SET(pair.client, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds, id, in_storage(at(2, 0)), 8, 4);
  struct sctp_paddrthlds now = {id, in_storage(at(2, 0))};
  socklen_t length = sizeof now;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_PEER_ADDR_THLDS, &now, &length));
  FACT("now", "%u bytes, %u %u", length, now.spt_pathmaxrxt, now.spt_pathpfthld);
  SET(pair.client, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds, id, in_storage(at(3, 0)), 8, 4);
}

CASE(potentially_failed_is_shown) {
  int fd = many();
  GET(fd, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, struct sctp_assoc_value);
  SET(fd, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, struct sctp_assoc_value, 0, 2);
  GET(fd, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, struct sctp_assoc_value);
  SET(fd, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, struct sctp_assoc_value, 0, 3);
  SET(fd, SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, struct sctp_assoc_value, 99999, 1);
}

CASE(udp_encapsulation_port) {
  int fd = many();
  GET(fd, SCTP_REMOTE_UDP_ENCAPS_PORT, struct sctp_udpencaps);
  SET(fd, SCTP_REMOTE_UDP_ENCAPS_PORT, struct sctp_udpencaps, .sue_port = htons(9899));
  GET(fd, SCTP_REMOTE_UDP_ENCAPS_PORT, struct sctp_udpencaps);
  SET(fd, SCTP_REMOTE_UDP_ENCAPS_PORT, struct sctp_udpencaps, .sue_assoc_id = 99999);
  SET(fd, SCTP_REMOTE_UDP_ENCAPS_PORT, struct sctp_udpencaps, 0, in_storage(at(2, 0)), htons(9899));
}

CASE(probe_interval) {
  int fd = many();
  GET(fd, SCTP_PLPMTUD_PROBE_INTERVAL, struct sctp_probeinterval);
  SET(fd, SCTP_PLPMTUD_PROBE_INTERVAL, struct sctp_probeinterval, .spi_interval = 6000);
  GET(fd, SCTP_PLPMTUD_PROBE_INTERVAL, struct sctp_probeinterval);
  SET(fd, SCTP_PLPMTUD_PROBE_INTERVAL, struct sctp_probeinterval, .spi_interval = 100);
  SET(fd, SCTP_PLPMTUD_PROBE_INTERVAL, struct sctp_probeinterval, .spi_interval = 0);
  SET(fd, SCTP_PLPMTUD_PROBE_INTERVAL, struct sctp_probeinterval, .spi_assoc_id = 99999);
}

CASE(feature_switches) {
  int fd = many();
  GET(fd, SCTP_PR_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_PR_SUPPORTED, struct sctp_assoc_value, 0, 0);
  GET(fd, SCTP_PR_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_RECONFIG_SUPPORTED, struct sctp_assoc_value, 0, 1);
  GET(fd, SCTP_RECONFIG_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value, 0, 1);
  USE(fd, SCTP_FRAGMENT_INTERLEAVE, int, 2);
  SET(fd, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value, 0, 1);
  GET(fd, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_ASCONF_SUPPORTED, struct sctp_assoc_value, 0, 1);
  GET(fd, SCTP_ASCONF_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, 0, 1);
  GET(fd, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value);
  GET(fd, SCTP_ECN_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_ECN_SUPPORTED, struct sctp_assoc_value, 0, 0);
  GET(fd, SCTP_ECN_SUPPORTED, struct sctp_assoc_value);
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_PR_SUPPORTED, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_PR_SUPPORTED, struct sctp_assoc_value, id, 0);
  GET(pair.client, SCTP_ECN_SUPPORTED, struct sctp_assoc_value, id);
  GET(pair.client, SCTP_PR_SUPPORTED, struct sctp_assoc_value, 99999);
}

CASE(options_that_there_are_not) {
  int fd = many(), first = -1;
  for (int option = 0; option <= 160; option++) {
    char value[4] = {0};
    socklen_t length = sizeof value;
    bool none = option < 160 && getsockopt(fd, SOL_SCTP, option, value, &length) == -1 && errno == ENOPROTOOPT &&
                setsockopt(fd, SOL_SCTP, option, value, sizeof value) == -1 && errno == ENOPROTOOPT;
    if (none && first < 0) first = option;
    if (none || first < 0) continue;
    FACT("no options", "%d to %d", first, option - 1);
    first = -1;
  }
}
