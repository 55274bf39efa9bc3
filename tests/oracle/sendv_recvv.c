/* sctp_sendv and sctp_recvv, and the functions of libsctp before them. */
#include "oracle.h"

/* sctp_sendmsg knows no MSG_NOSIGNAL. */
__attribute__((constructor)) static void no_signal(void) { signal(SIGPIPE, SIG_IGN); }

static struct iovec part = {"hello", 5};

static void tells(int fd) { USE(fd, SCTP_RECVRCVINFO, int, 1); }

CASE(sendv_without_information) {
  struct pair pair = pair_of(one, tells);
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0));
  TAKE(pair.server);
  struct iovec parts[] = {{"in ", 3}, {"two parts", 9}};
  CALL(sctp_sendv(pair.client, parts, 2, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0));
  TAKE(pair.server);
}

CASE(sendv_with_send_information) {
  struct pair pair = pair_of(one, tells);
  struct sctp_sndinfo info = {.snd_sid = 3, .snd_ppid = htonl(0x33), .snd_flags = SCTP_UNORDERED};
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0));
  TAKE(pair.server);
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &info, 3, SCTP_SENDV_SNDINFO, 0));
}

CASE(sendv_with_reliability) {
  struct pair pair = pair_of(one, tells);
  struct sctp_prinfo info = {.pr_policy = SCTP_PR_SCTP_TTL, .pr_value = 5000};
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &info, sizeof info, SCTP_SENDV_PRINFO, 0));
  TAKE(pair.server);
  struct sctp_prinfo wrong = {.pr_policy = 0x70, .pr_value = 5000};
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &wrong, sizeof wrong, SCTP_SENDV_PRINFO, 0));
}

CASE(sendv_with_a_key) {
  struct pair pair = pair_of(one, tells);
  struct sctp_authinfo info = {.auth_keynumber = 0};
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &info, sizeof info, SCTP_SENDV_AUTHINFO, 0));
  info.auth_keynumber = 9;
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &info, sizeof info, SCTP_SENDV_AUTHINFO, 0));
}

CASE(sendv_with_several_kinds_of_information) {
  struct pair pair = pair_of(one, tells);
  struct sctp_sendv_spa all = {
      .sendv_flags = SCTP_SEND_SNDINFO_VALID | SCTP_SEND_PRINFO_VALID,
      .sendv_sndinfo = {.snd_sid = 2, .snd_ppid = htonl(0x22)},
      .sendv_prinfo = {.pr_policy = SCTP_PR_SCTP_RTX, .pr_value = 2},
  };
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &all, sizeof all, SCTP_SENDV_SPA, 0));
  TAKE(pair.server);
  all.sendv_flags = SCTP_SEND_SNDINFO_VALID;
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &all, sizeof all, SCTP_SENDV_SPA, 0));
  TAKE(pair.server);
  all.sendv_flags = SCTP_SEND_AUTHINFO_VALID;
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &all, sizeof all, SCTP_SENDV_SPA, 0));
  all.sendv_flags = 0;
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &all, sizeof all, SCTP_SENDV_SPA, 0));
  all.sendv_flags = 8;
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, &all, sizeof all, SCTP_SENDV_SPA, 0));
  TAKE_ALL(pair.server);
}

CASE(sendv_to_addresses) {
  int server = many(), client = many();
  tells(server);
  DO(sctp_bindx(server, packed(2, at(2, 0), at(3, 0)), 2, SCTP_BINDX_ADD_ADDR));
  DO(listen(server, 1));
  DO(bind(client, at(1, 1), IN));
  struct sctp_sndinfo info = {.snd_sid = 1};
  CALL(sctp_sendv(client, &part, 1, packed(2, at(2, 0), at(3, 0)), 2, &info, sizeof info, SCTP_SENDV_SNDINFO, 0));
  TAKE(server);
  struct sockaddr *addresses;
  CALL(sctp_getpaddrs(client, association(client), &addresses));
  sctp_freepaddrs(addresses);
  CALL(sctp_sendv(client, &part, 1, at(2, 0), 1, &info, sizeof info, SCTP_SENDV_SNDINFO, 0));
  TAKE(server);
  CALL(sctp_sendv(client, &part, 1, at(2, 0), -1, &info, sizeof info, SCTP_SENDV_SNDINFO, 0));
}

CASE(sendv_as_it_should_not_be) {
  struct pair pair = one_pair();
  CALL(sctp_sendv(pair.client, &part, 1, NULL, 0, NULL, 0, 77, 0));
  CALL(sctp_sendv(pair.client, NULL, 0, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0));
  CALL(sctp_sendv(-1, &part, 1, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0));
}

/* What sctp_recvv says. */
static void recvv(int fd, size_t room) {
  char data[100];
  unsigned char info[100];
  struct iovec into = {data, sizeof data};
  struct sockaddr_storage from;
  socklen_t from_length = sizeof from, info_length = room;
  unsigned kind = 99;
  int flags = 0;
  if (!await(fd, POLLIN)) FACT("recvv", "nothing came");
  long length = CALL(sctp_recvv(fd, &into, 1, (void *)&from, &from_length, info, &info_length, &kind, &flags));
  if (length < 0) return;
  FACT("recvv", "%s %s, info of kind %s, %u bytes", message_flags(flags), bytes_text(data, length),
       kind == SCTP_RECVV_NOINFO ? "SCTP_RECVV_NOINFO" : kind == SCTP_RECVV_RCVINFO ? "SCTP_RECVV_RCVINFO"
       : kind == SCTP_RECVV_NXTINFO ? "SCTP_RECVV_NXTINFO" : kind == SCTP_RECVV_RN ? "SCTP_RECVV_RN" : "unknown", info_length);
  states_address("from", &from, from_length);
  struct sctp_recvv_rn both;
  memcpy(&both, info, sizeof both);
  if (kind == SCTP_RECVV_RCVINFO || kind == SCTP_RECVV_RN)
    FACT("receive information", "stream %u ppid %x", both.recvv_rcvinfo.rcv_sid, ntohl(both.recvv_rcvinfo.rcv_ppid));
  if (kind == SCTP_RECVV_RN)
    FACT("next information", "stream %u length %u", both.recvv_nxtinfo.nxt_sid, both.recvv_nxtinfo.nxt_length);
}

static void send_two(int fd) {
  struct sctp_sndinfo first = {.snd_sid = 1, .snd_ppid = htonl(0x11)};
  struct sctp_sndinfo second = {.snd_sid = 2, .snd_ppid = htonl(0x22)};
  DO(sctp_sendv(fd, &part, 1, NULL, 0, &first, sizeof first, SCTP_SENDV_SNDINFO, 0));
  DO(sctp_sendv(fd, &part, 1, NULL, 0, &second, sizeof second, SCTP_SENDV_SNDINFO, 0));
}

CASE(recvv_without_information) {
  struct pair pair = one_pair();
  send_two(pair.client);
  recvv(pair.server, 100);
}

CASE(recvv_with_receive_information) {
  struct pair pair = pair_of(one, tells);
  send_two(pair.client);
  recvv(pair.server, 100);
  recvv(pair.server, sizeof(struct sctp_rcvinfo));
  send_two(pair.client);
  recvv(pair.server, 4);
}

CASE(recvv_with_next_information) {
  struct pair pair = one_pair();
  USE(pair.server, SCTP_RECVNXTINFO, int, 1);
  send_two(pair.client);
  recvv(pair.server, 100);
  recvv(pair.server, 100);
}

CASE(recvv_with_both) {
  struct pair pair = pair_of(one, tells);
  USE(pair.server, SCTP_RECVNXTINFO, int, 1);
  send_two(pair.client);
  recvv(pair.server, 100);
  recvv(pair.server, 100);
  send_two(pair.client);
  recvv(pair.server, 30);
}

CASE(sendmsg_of_the_library) {
  struct pair pair = pair_of(many, tells);
  CALL(sctp_sendmsg(pair.client, "hello", 5, at(2, 0), IN, htonl(0x44), SCTP_UNORDERED, 4, 0, 12));
  TAKE(pair.server);
  CALL(sctp_sendmsg(pair.client, "hello", 5, at(2, 0), IN, htonl(0x44), 0, 4, 10000, 12));
  TAKE(pair.server);
  CALL(sctp_sendmsg(pair.client, "hello", 5, at(2, 0), IN, 0, 0, 400, 0, 0));
  CALL(sctp_sendmsg(pair.client, "hello", 5, NULL, 0, 0, 0, 0, 0, 0));
  CALL(sctp_sendmsg(pair.client, NULL, 0, at(2, 0), IN, 0, SCTP_EOF, 0, 0, 0));
}

CASE(send_of_the_library) {
  struct pair pair = pair_of(many, tells);
  struct sctp_sndrcvinfo info = {.sinfo_stream = 5, .sinfo_ppid = htonl(0x55), .sinfo_assoc_id = association(pair.client)};
  CALL(sctp_send(pair.client, "hello", 5, &info, 0));
  TAKE(pair.server);
  CALL(sctp_send(pair.client, "hello", 5, &info, MSG_DONTWAIT));
  TAKE(pair.server);
  info.sinfo_assoc_id = 99999;
  CALL(sctp_send(pair.client, "hello", 5, &info, MSG_NOSIGNAL));
  CALL(sctp_send(pair.client, "hello", 5, NULL, MSG_NOSIGNAL));
}

CASE(recvmsg_of_the_library) {
  struct pair pair = many_pair();
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1};
  DO(setsockopt(pair.server, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  DO(sctp_sendmsg(pair.client, "hello", 5, at(2, 0), IN, htonl(0x44), SCTP_UNORDERED, 4, 0, 12));
  char data[100];
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  struct sctp_sndrcvinfo info = {0};
  int flags = 0;
  CALL(sctp_recvmsg(pair.server, data, sizeof data, (void *)&from, &length, &info, &flags));
  states_address("from", &from, length);
  FACT("info", "stream %u ppid %x flags %x %s", info.sinfo_stream, ntohl(info.sinfo_ppid), info.sinfo_flags, message_flags(flags));
  DO(sctp_sendmsg(pair.client, "hello", 5, at(2, 0), IN, 0, 0, 4, 0, 0));
  CALL(sctp_recvmsg(pair.server, data, 2, NULL, NULL, NULL, &flags));
  FACT("flags", "%s", message_flags(flags));
  CALL(sctp_recvmsg(pair.server, data, 20, NULL, NULL, NULL, NULL));
}

CASE(opt_info_of_the_library) {
  struct pair pair = many_pair();
  struct sctp_status status = {0};
  socklen_t length = sizeof status;
  sctp_assoc_t id = association(pair.client);
  CALL(sctp_opt_info(pair.client, id, SCTP_STATUS, &status, &length));
  FACT("status", "%u bytes, state %d, streams %u %u, primary %s %d", length, status.sstat_state, status.sstat_instrms,
       status.sstat_outstrms, address_name(&status.sstat_primary.spinfo_address), status.sstat_primary.spinfo_state);
  CALL(sctp_opt_info(pair.client, 99999, SCTP_STATUS, &status, &length));
  int on = 0;
  length = sizeof on;
  CALL(sctp_opt_info(pair.client, id, SCTP_NODELAY, &on, &length));
  CALL(sctp_opt_info(pair.client, id, 9999, &on, &length));
  struct sctp_rtoinfo rto = {0};
  length = sizeof rto;
  CALL(sctp_opt_info(pair.client, id, SCTP_RTOINFO, &rto, &length));
  FACT("the id is set", "%d", rto.srto_assoc_id == id);
}

CASE(lengths_of_addresses) {
  CALL(sctp_getaddrlen(AF_INET));
  CALL(sctp_getaddrlen(AF_INET6));
}
