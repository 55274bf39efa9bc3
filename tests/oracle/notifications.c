/* Notifications: their bytes, their order, how they are subscribed to, how they are read. */
#include "oracle.h"

CASE(setup_and_shutdown_of_one_to_many_sockets) {
  struct pair pair = pair_of(many, subscribe_all);
  TAKE(pair.client);
  TAKE(pair.server);
  DO(sendto(pair.client, "hello", 5, 0, at(2, 0), IN));
  TAKE(pair.server);
  TAKE(pair.client);
  SEND(pair.client, at(2, 0), "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF));
  TAKE(pair.server);
  TAKE(pair.server);
  TAKE(pair.client);
  TAKE_ALL(pair.client);
  TAKE_ALL(pair.server);
}

CASE(setup_and_shutdown_of_one_to_one_sockets) {
  struct pair pair = pair_of(one, subscribe_all);
  /* Whether what comes next is there already depends on who is faster. */
  USE(pair.client, SCTP_RECVNXTINFO, int, 0);
  USE(pair.server, SCTP_RECVNXTINFO, int, 0);
  TAKE(pair.client);
  TAKE(pair.server);
  DO(send(pair.client, "hello", 5, 0));
  TAKE(pair.server);
  TAKE(pair.client);
  CALL(shutdown(pair.client, SHUT_WR));
  TAKE(pair.server);
  TAKE(pair.server);
  TAKE(pair.client);
  TAKE(pair.client);
  TAKE(pair.server);
}

CASE(an_abort_with_a_reason) {
  struct pair pair = pair_of(many, subscribe_all);
  skip(pair.client), skip(pair.server), skip(pair.client), skip(pair.server);
  SEND(pair.client, at(2, 0), "enough", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ABORT));
  TAKE(pair.server);
  TAKE(pair.client);
  TAKE_ALL(pair.client);
  TAKE_ALL(pair.server);
}

CASE(an_abort_by_linger) {
  struct pair pair = pair_of(one, subscribe_all);
  skip(pair.server), skip(pair.server);
  struct linger now = {1, 0};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  CALL(close(pair.client));
  TAKE(pair.server);
}

CASE(a_refused_set_up) {
  int fd = many();
  subscribe_all(fd);
  SEND(fd, at(2, 0), "lost", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1, .snd_flags = SCTP_UNORDERED, .snd_ppid = htonl(5), .snd_context = 77));
  TAKE(fd);
  TAKE(fd);
  TAKE_ALL(fd);
}

CASE(a_refused_set_up_tells_of_the_old_send_failed) {
  int fd = many();
  struct sctp_event_subscribe events = {.sctp_send_failure_event = 1};
  CALL(setsockopt(fd, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  SEND(fd, at(2, 0), "lost", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 1, .sinfo_ppid = htonl(5), .sinfo_context = 77));
  TAKE(fd);
}

static void tells_adaptation(int fd) {
  subscribe(fd, SCTP_ADAPTATION_INDICATION);
  static uint32_t value = 0x01020304;
  DO(setsockopt(fd, SOL_SCTP, SCTP_ADAPTATION_LAYER, &value, sizeof value));
  value += 0x10101010;
}

CASE(adaptation_indications) {
  struct pair pair = pair_of(many, tells_adaptation);
  TAKE(pair.client);
  TAKE(pair.server);
  GET(pair.client, SCTP_ADAPTATION_LAYER, uint32_t);
}

CASE(no_adaptation_indication_by_itself) {
  struct pair pair = pair_of(one, nothing);
  subscribe(pair.client, SCTP_ADAPTATION_INDICATION);
  DO(send(pair.server, "only this", 9, 0));
  TAKE(pair.client);
  GET(pair.client, SCTP_ADAPTATION_LAYER, uint32_t);
}

CASE(sender_dry_is_told_at_once_if_it_is) {
  struct pair pair = one_pair();
  struct sctp_event event = {.se_assoc_id = 0, .se_type = SCTP_SENDER_DRY_EVENT, .se_on = 1};
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_EVENT, &event, sizeof event));
  TAKE(pair.client);
  DO(send(pair.client, "x", 1, 0));
  TAKE(pair.client);
}

CASE(sender_dry_by_the_old_subscription) {
  struct pair pair = one_pair();
  struct sctp_event_subscribe events = {.sctp_sender_dry_event = 1};
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  TAKE(pair.client);
  GET(pair.client, SCTP_EVENTS, struct sctp_event_subscribe);
}

CASE(one_subscription_does_not_end_another) {
  int fd = many();
  subscribe(fd, SCTP_ASSOC_CHANGE);
  subscribe(fd, SCTP_PEER_ADDR_CHANGE);
  GET(fd, SCTP_EVENTS, struct sctp_event_subscribe);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_ASSOC_CHANGE, .se_on = 0);
  GET(fd, SCTP_EVENTS, struct sctp_event_subscribe);
  GET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_PEER_ADDR_CHANGE);
  GET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_ASSOC_CHANGE);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_PEER_ADDR_CHANGE, .se_on = 7);
  GET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_PEER_ADDR_CHANGE);
}

CASE(subscriptions_to_everything_there_is) {
  int fd = many();
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_DATA_IO_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_PEER_ADDR_CHANGE, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_SEND_FAILED, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_REMOTE_ERROR, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_SHUTDOWN_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_PARTIAL_DELIVERY_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_ADAPTATION_INDICATION, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_AUTHENTICATION_INDICATION, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_SENDER_DRY_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_STREAM_RESET_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_ASSOC_RESET_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_STREAM_CHANGE_EVENT, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_SEND_FAILED_EVENT, .se_on = 1);
  GET(fd, SCTP_EVENTS, struct sctp_event_subscribe);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = SCTP_SEND_FAILED_EVENT + 1, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_type = 1, .se_on = 1);
  SET(fd, SCTP_EVENT, struct sctp_event, .se_assoc_id = 99999, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1);
  GET(fd, SCTP_EVENT, struct sctp_event, .se_assoc_id = SCTP_CURRENT_ASSOC, .se_type = SCTP_ASSOC_CHANGE);
}

CASE(the_old_subscription_of_many_lengths) {
  int fd = many();
  struct sctp_event_subscribe events = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  for (socklen_t length = 0; length <= 16; length += 4) {
    CALL(setsockopt(fd, SOL_SCTP, SCTP_EVENTS, (char[16]){1, 1, 1, 1, 1}, length));
    socklen_t given = length;
    struct sctp_event_subscribe now = {0};
    CALL(getsockopt(fd, SOL_SCTP, SCTP_EVENTS, &now, &given));
    FACT("length", "%u of %u: %s", given, length, words_text(&now, given < sizeof now ? given : sizeof now));
  }
  CALL(setsockopt(fd, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  GET(fd, SCTP_EVENTS, struct sctp_event_subscribe);
}

CASE(a_subscription_of_one_association) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  struct sctp_event event = {.se_assoc_id = id, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1};
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_EVENT, &event, sizeof event));
  GET(pair.client, SCTP_EVENT, struct sctp_event, .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = SCTP_ASSOC_CHANGE);
  GET(pair.client, SCTP_EVENT, struct sctp_event, .se_assoc_id = id, .se_type = SCTP_ASSOC_CHANGE);
  SEND(pair.client, at(2, 0), "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ABORT));
  TAKE(pair.client);
}

CASE(a_subscription_of_associations_to_come) {
  struct pair pair = many_pair();
  struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1};
  CALL(setsockopt(pair.server, SOL_SCTP, SCTP_EVENT, &event, sizeof event));
  SEND(pair.client, at(2, 0), "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ABORT));
  DO(sendto(pair.client, "again", 5, 0, at(2, 0), IN));
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(a_notification_into_a_small_buffer) {
  struct pair pair = pair_of(many, subscribe_all);
  char data[12];
  _Alignas(struct cmsghdr) char control[200];
  for (int i = 0; i < 2; i++) {
    struct iovec part = {data, i ? sizeof data : 8};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    await(pair.client, POLLIN);
    ssize_t length = recvmsg(pair.client, &message, 0);
    FACT("a piece", "%zd %s, control %zu", length, message_flags(message.msg_flags), message.msg_controllen);
    FACT("bytes", "%s", words_text(data, 8 - 4 * i));
  }
}

CASE(a_notification_by_read) {
  struct pair pair = many_pair();
  int fresh = many();
  subscribe(fresh, SCTP_ASSOC_CHANGE);
  DO(connect(fresh, at(2, 0), IN));
  struct sctp_assoc_change change;
  CALL(read(fresh, &change, sizeof change));
  FACT("type", "%x %u", change.sac_type, change.sac_length);
  (void)pair;
}

CASE(notifications_and_receive_information) {
  struct pair pair = pair_of(many, subscribe_all);
  skip(pair.client), skip(pair.server);
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1, .sctp_association_event = 1};
  DO(setsockopt(pair.server, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  DO(sendto(pair.client, "data", 4, 0, at(2, 0), IN));
  SEND(pair.client, at(2, 0), "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF));
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(peeking_at_a_notification) {
  struct pair pair = pair_of(many, subscribe_all);
  TAKE_FLAGS(pair.client, MSG_PEEK);
  TAKE_FLAGS(pair.client, MSG_PEEK);
  TAKE(pair.client);
}

/* Two addresses of the server; the client is told of both paths. */
CASE(addresses_of_the_peer) {
  int server = many(), client = many();
  DO(sctp_bindx(server, packed(2, at(2, 0), at(3, 0)), 2, SCTP_BINDX_ADD_ADDR));
  DO(listen(server, 1));
  DO(bind(client, at(1, 1), IN));
  subscribe(client, SCTP_PEER_ADDR_CHANGE);
  DO(connect(client, at(2, 0), IN));
  TAKE(client);
  SET(client, SCTP_PRIMARY_ADDR, struct sctp_prim, .ssp_assoc_id = association(client), .ssp_addr = in_storage(at(3, 0)));
  TAKE(client);
  TAKE_ALL(client);
}
