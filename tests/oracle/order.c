/* What programs are told in which order, and what calls leave as it was. */
#include "oracle.h"

/* Several associations begin, each with a message, before the program reads. */
CASE(messages_and_notifications_in_order) {
  int server = many(), clients[3] = {many(), many(), many()};
  subscribe(server, SCTP_ASSOC_CHANGE);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 5));
  for (int i = 0; i < 3; i++) {
    DO(bind(clients[i], at(1, 1 + i), IN));
    DO(sendto(clients[i], "first", 5, 0, at(2, 0), IN));
  }
  for (int i = 0; i < 6; i++) TAKE(server);
}

CASE(several_messages_before_a_notification) {
  struct pair pair = many_pair();
  subscribe(pair.server, SCTP_ASSOC_CHANGE);
  DO(sendto(pair.client, "one", 3, 0, at(2, 0), IN));
  await(pair.server, POLLIN);
  int other = many();
  DO(bind(other, at(1, 2), IN));
  DO(sendto(other, "other", 5, 0, at(2, 0), IN));
  for (int i = 0; i < 3; i++) TAKE(pair.server);
}

static void resets(int fd) {
  USE(fd, SCTP_NODELAY, int, 1);
  struct sctp_assoc_value on = {SCTP_FUTURE_ASSOC, 1}, all = {SCTP_FUTURE_ASSOC, SCTP_ENABLE_STRRESET_MASK};
  DO(setsockopt(fd, SOL_SCTP, SCTP_RECONFIG_SUPPORTED, &on, sizeof on));
  DO(setsockopt(fd, SOL_SCTP, SCTP_ENABLE_STREAM_RESET, &all, sizeof all));
  subscribe(fd, SCTP_STREAM_RESET_EVENT);
}

static void reset_streams(int fd) {
  struct sctp_reset_streams all = {.srs_assoc_id = association(fd), .srs_flags = SCTP_STREAM_RESET_OUTGOING};
  // Linux refuses while messages are not acknowledged.
  while (setsockopt(fd, SOL_SCTP, SCTP_RESET_STREAMS, &all, sizeof all) != 0 && errno == EAGAIN) usleep(10000);
  TAKE(fd);
}

/* Of one association: each in its place. */
static void notification_between_messages(int (*new)(void)) {
  struct pair pair = pair_of(new, resets);
  const struct sockaddr *to = new == many ? at(2, pair.port) : NULL;
  DO(sendto(pair.client, "one", 3, 0, to, to ? IN : 0));
  DO(sendto(pair.client, "two", 3, 0, to, to ? IN : 0));
  DO(sendto(pair.client, "three", 5, 0, to, to ? IN : 0));
  reset_streams(pair.client);
  DO(sendto(pair.client, "four", 4, 0, to, to ? IN : 0));
  reset_streams(pair.client);
  for (int i = 0; i < 6; i++) TAKE(pair.server);
}

CASE(a_notification_between_messages) {
  notification_between_messages(many);
  notification_between_messages(one);
}

/* Of several: as they came, not in turn. */
CASE(messages_of_several_associations) {
  struct pair pair = many_pair();
  int other = many();
  DO(bind(other, at(1, 2), IN));
  DO(connect(other, at(2, 0), IN));
  USE(pair.client, SCTP_NODELAY, int, 1);
  USE(other, SCTP_NODELAY, int, 1);
  const char *texts[] = {"a", "b", "c", "d", "e", "f", "g"};
  for (int i = 0; i < 7; i++) {
    int from = i < 3 || i == 6 ? pair.client : other;
    DO(sendto(from, texts[i], 1, 0, at(2, 0), IN));
    usleep(20000);
  }
  for (int i = 0; i < 7; i++) TAKE(pair.server);
}

/* What is read first is told by a peek; a socket of its own takes along what is there. */
CASE(order_when_an_association_is_peeled_off) {
  struct pair pair = pair_of(many, resets);
  int other = many();
  DO(bind(other, at(1, 2), IN));
  DO(connect(other, at(2, 0), IN));
  sctp_assoc_t id = association(pair.server);
  DO(sendto(pair.client, "one", 3, 0, at(2, 0), IN));
  usleep(20000);
  DO(sendto(other, "other", 5, 0, at(2, 0), IN));
  DO(sendto(pair.client, "two", 3, 0, at(2, 0), IN));
  reset_streams(pair.client);
  DO(sendto(pair.client, "three", 5, 0, at(2, 0), IN));
  usleep(20000);
  TAKE_FLAGS(pair.server, MSG_PEEK);
  DO(sendto(other, "more", 4, 0, at(2, 0), IN));
  usleep(20000);
  int peeled = FD(sctp_peeloff(pair.server, id));
  for (int i = 0; i < 4; i++) TAKE(peeled);
  TAKE(pair.server);
  TAKE(pair.server);
  READY(pair.server);
  READY(peeled);
}

/* Room that a message does not need. */
static void states_room(int fd) {
  char room[40];
  memset(room, '-', sizeof room);
  DO(recv(fd, room, sizeof room, 0));
  FACT("the whole room", "%s", bytes_text(room, sizeof room));
}

CASE(what_is_behind_a_message_stays) {
  struct pair pair = one_pair();
  DO(send(pair.client, "few", 3, 0));
  states_room(pair.server);
  pair = many_pair();
  DO(sendto(pair.client, "few", 3, 0, at(2, 4), IN));
  states_room(pair.server);
  subscribe(pair.server, SCTP_SHUTDOWN_EVENT);
  DO(sendto(pair.client, "fewer", 5, 0, at(2, 4), IN));
  await(pair.server, POLLIN);
  states_room(pair.server);
}

/* A call that does not fail leaves errno as it was. */
#define KEEPS(call)                                                       \
  do {                                                                      \
    errno = 0;                                                                \
    long result = (call);                                                       \
    FACT("errno after " #call, "%s", result < 0 ? "a failure" : errno ? error_name(errno) : "0"); \
  } while (0)

CASE(errno_stays) {
  char room[10];
  int value, plain = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t length = sizeof value;
  struct pair pair = one_pair();
  KEEPS(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
  KEEPS(bind(plain, at(1, 9), IN));
  KEEPS(send(pair.client, "hello", 5, 0));
  KEEPS(recv(pair.server, room, sizeof room, 0));
  KEEPS(getsockopt(pair.client, SOL_SCTP, SCTP_NODELAY, &value, &length));
  KEEPS(setsockopt(pair.client, SOL_SCTP, SCTP_NODELAY, &value, sizeof value));
  KEEPS(getpeername(pair.client, (void *)room, &(socklen_t){0}));
  KEEPS(shutdown(pair.client, SHUT_WR));
  KEEPS(recv(pair.server, room, sizeof room, 0));
  KEEPS(close(pair.server));
}

CASE(what_a_listener_cannot) {
  struct pair pair = one_pair();
  CALL(send(pair.listener, "x", 1, MSG_NOSIGNAL));
  CALL(sendto(pair.listener, "x", 1, MSG_NOSIGNAL, at(1, 1), IN));
  SEND(pair.listener, at(1, 1), "x", MSG_NOSIGNAL, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 0));
}

CASE(the_peer_of_a_peeled_off_socket) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  CALL(connect(pair.server, at(1, 1), IN));
  CALL(connect(peeled, at(1, 1), IN));
  CALL(sctp_connectx(pair.server, at(1, 1), 1, NULL));
}

/* An address that says all, and the number of another socket's association. */
CASE(numbers_of_other_sockets) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.server);
  SET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, id, in_storage(at(2, 0)), 5000);
  GET(pair.client, SCTP_PEER_ADDR_PARAMS, struct sctp_paddrparams, id, in_storage(at(2, 0)));
  SET(pair.client, SCTP_PEER_ADDR_THLDS, struct sctp_paddrthlds, id, in_storage(at(2, 0)), 7);
}

static void receives_little(int fd) {
  DO(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){3000}, sizeof(int)));
  DO(setsockopt(fd, SOL_SCTP, SCTP_MAXSEG, &(struct sctp_assoc_value){0, 500}, sizeof(struct sctp_assoc_value)));
}

/* RFC 9260, 6.2: what the program has not read is in the receive buffer, so nothing more is sent, and a message expires. */
CASE(what_is_not_read_closes_the_window) {
  struct pair pair = pair_of(many, receives_little);
  struct sctp_status status = {.sstat_assoc_id = association(pair.client)};
  socklen_t length = sizeof status;
  static char much[100000], got[100000];
  DO(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &status, &length));
  subscribe(pair.client, SCTP_SEND_FAILED_EVENT);
  DO(sendto(pair.client, much, status.sstat_rwnd + 100, 0, at(2, 0), IN));
  SEND(pair.client, at(2, 0), "short-lived", 0, CMSG(SCTP_PRINFO, struct sctp_prinfo, SCTP_PR_SCTP_TTL, 500));
  SEND(pair.client, at(2, 0), "lasting", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 0));
  usleep(1500000);
  size_t all = 0;
  while (all < status.sstat_rwnd + 100) all += DO(recv(pair.server, got, sizeof got, 0));
  FACT("all of it", "%d", all == status.sstat_rwnd + 100);
  TAKE(pair.server);
  TAKE(pair.client);
}

/* What one socket of a host does is done at the others when the call returns. */
CASE(closed_before_accept) {
  int listener = one(), client = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  DO(connect(client, at(2, 0), IN));
  DO(send(client, "last words", 10, 0));
  DO(close(client));
  int server = FD(accept(listener, NULL, NULL));
  CALL(send(server, "x", 1, MSG_NOSIGNAL));
  TAKE(server);
}

/* Ended before it was accepted, without a message. */
static void leaves(int fd, int how) {
  struct linger now = {1, 0};
  if (how == 1) DO(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(how == 2 ? shutdown(fd, SHUT_WR) : close(fd));
}

CASE(ended_before_accept) {
  for (int how = 0; how < 3; how++) {
    int listener = one(), clients[2] = {one(), one()};
    DO(bind(listener, at(2, how), IN));
    DO(listen(listener, 5));
    for (int i = 0; i < 2; i++) DO(connect(clients[i], at(2, how), IN));
    for (int i = 0; i < 2; i++) leaves(clients[i], how);
    for (int i = 0; i < 2; i++) {
      int server = FD(accept(listener, NULL, NULL));
      char byte;
      CALL(recv(server, &byte, 1, 0));
      CALL(send(server, "x", 1, MSG_NOSIGNAL));
    }
  }
}
