/* Messages in pieces: small buffers, peeking, partial delivery. */
#include "oracle.h"

static void take_piece(int fd, size_t room, int flags) {
  char data[5000];
  _Alignas(struct cmsghdr) char control[200];
  struct iovec part = {data, room};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (!await(fd, POLLIN)) FACT("piece", "nothing came");
  ssize_t length = recvmsg(fd, &message, flags | MSG_DONTWAIT);
  FACT("piece", "%zd %s %s, control %zu", length, message_flags(message.msg_flags), length > 0 ? bytes_text(data, length) : "",
       message.msg_controllen);
}

CASE(a_message_in_small_buffers) {
  struct pair pair = one_pair();
  DO(send(pair.client, "abcdefghij", 10, 0));
  DO(send(pair.client, "next", 4, 0));
  take_piece(pair.server, 4, 0);
  take_piece(pair.server, 4, 0);
  take_piece(pair.server, 4, 0);
  take_piece(pair.server, 4, 0);
}

CASE(a_message_in_a_buffer_that_fits_exactly) {
  struct pair pair = one_pair();
  DO(send(pair.client, "abcd", 4, 0));
  DO(send(pair.client, "next", 4, 0));
  take_piece(pair.server, 4, 0);
  take_piece(pair.server, 100, 0);
}

CASE(pieces_carry_receive_information) {
  struct pair pair = many_pair();
  USE(pair.server, SCTP_RECVRCVINFO, int, 1);
  USE(pair.server, SCTP_RECVNXTINFO, int, 1);
  DO(sendto(pair.client, "abcdefghij", 10, 0, at(2, 0), IN));
  DO(sendto(pair.client, "next", 4, 0, at(2, 0), IN));
  take_piece(pair.server, 4, 0);
  take_piece(pair.server, 40, 0);
  take_piece(pair.server, 40, 0);
}

CASE(pieces_by_read) {
  struct pair pair = one_pair();
  char data[10];
  DO(send(pair.client, "abcdefghij", 10, 0));
  CALL(read(pair.server, data, 3));
  CALL(recv(pair.server, data, 3, 0));
  CALL(read(pair.server, data, 0));
  CALL(read(pair.server, data, 10));
  FACT("the rest", "%s", bytes_text(data, 4));
}

CASE(peeking_changes_nothing) {
  struct pair pair = one_pair();
  char data[20];
  DO(send(pair.client, "abcdefghij", 10, 0));
  await(pair.server, POLLIN);
  CALL(recv(pair.server, data, 20, MSG_PEEK));
  CALL(recv(pair.server, data, 4, MSG_PEEK));
  FACT("peeked", "%s", bytes_text(data, 4));
  take_piece(pair.server, 4, MSG_PEEK);
  take_piece(pair.server, 4, 0);
  take_piece(pair.server, 4, MSG_PEEK);
  take_piece(pair.server, 40, MSG_PEEK);
  take_piece(pair.server, 40, 0);
  CALL(recv(pair.server, data, 20, MSG_PEEK | MSG_DONTWAIT));
}

CASE(peeking_with_msg_trunc) {
  struct pair pair = one_pair();
  char data[20];
  DO(send(pair.client, "abcdefghij", 10, 0));
  await(pair.server, POLLIN);
  CALL(recv(pair.server, data, 4, MSG_PEEK | MSG_TRUNC));
  CALL(recv(pair.server, data, 4, MSG_TRUNC));
  CALL(recv(pair.server, data, 20, MSG_DONTWAIT));
}

CASE(no_room_at_all) {
  struct pair pair = one_pair();
  DO(send(pair.client, "abc", 3, 0));
  take_piece(pair.server, 0, 0);
  take_piece(pair.server, 10, 0);
}

CASE(pieces_of_two_associations) {
  struct pair pair = many_pair();
  int other = many();
  DO(bind(other, at(1, 2), IN));
  DO(connect(other, at(2, 0), IN));
  DO(sendto(pair.client, "first first", 11, 0, at(2, 0), IN));
  DO(sendto(other, "second", 6, 0, at(2, 0), IN));
  take_piece(pair.server, 6, 0);
  take_piece(pair.server, 60, 0);
  take_piece(pair.server, 60, 0);
}

/* A message that the receive buffer cannot hold arrives in pieces, each a receive of its own. */
CASE(partial_delivery) {
  int listener = one(), client = one();
  USE(listener, SCTP_PARTIAL_DELIVERY_POINT, int, 2000);
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  DO(connect(client, at(2, 0), IN));
  int server = DO(accept(listener, NULL, NULL));
  GET(server, SCTP_PARTIAL_DELIVERY_POINT, int);
  static char data[60000];
  memset(data, 'p', sizeof data);
  CALL(send(client, data, sizeof data, 0));
  CALL(send(client, "after", 5, 0));
  size_t got = 0;
  bool ended = false;
  while (!ended && await(server, POLLIN)) {
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t length = recvmsg(server, &message, 0);
    if (length <= 0) break;
    got += length;
    ended = message.msg_flags & MSG_EOR;
  }
  FACT("the whole message", "%zu, ended %d", got, ended);
  TAKE(server);
}

/* The association ends while a message is delivered in part. */
CASE(partial_delivery_is_aborted) {
  int server = many(), client = many();
  USE(server, SCTP_PARTIAL_DELIVERY_POINT, int, 2000);
  DO(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &(int){8000}, sizeof(int)));
  subscribe(server, SCTP_PARTIAL_DELIVERY_EVENT), subscribe(server, SCTP_ASSOC_CHANGE);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 1));
  USE(client, SCTP_NODELAY, int, 1);
  DO(connect(client, at(2, 0), IN));
  TAKE(server);
  static char data[60000];
  memset(data, 'p', sizeof data);
  CALL(sendto(client, data, sizeof data, 0, at(2, 0), IN));
  struct iovec part = {data, 1000};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  await(server, POLLIN);
  CALL(recvmsg(server, &message, 0));
  FACT("the first piece", "%s", message_flags(message.msg_flags));
  SEND(client, at(2, 0), "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ABORT));
  int notifications = 0;
  while (notifications < 2 && await(server, POLLIN)) {
    part.iov_len = sizeof data;
    ssize_t length = recvmsg(server, &message, MSG_DONTWAIT);
    if (length > 0 && !(message.msg_flags & MSG_NOTIFICATION)) continue;
    states_message("server", &message, length);
    notifications++;
  }
}

/* RFC 6458, 8.1.20: until a message that is delivered in part has ended, what else may be read? */
static void delivered_in_part(int level) {
  int server = many(), client = many(), other = many();
  USE(server, SCTP_PARTIAL_DELIVERY_POINT, int, 2000);
  USE(server, SCTP_FRAGMENT_INTERLEAVE, int, level);
  DO(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &(int){8000}, sizeof(int)));
  subscribe(server, SCTP_ASSOC_CHANGE);
  USE(client, SCTP_MAXSEG, struct sctp_assoc_value, 0, 1000);
  DO(bind(server, at(2, level), IN));
  DO(listen(server, 1));
  DO(connect(client, at(2, level), IN));
  skip(server);
  static char data[60000];
  memset(data, 'p', sizeof data);
  DO(sendto(client, data, sizeof data, 0, at(2, level), IN));
  struct iovec part = {data, 1000};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  await(server, POLLIN);
  DO(recvmsg(server, &message, 0));
  FACT("the first piece", "%s", message_flags(message.msg_flags));
  DO(bind(other, at(1, level + 4), IN));
  DO(connect(other, at(2, level), IN));
  DO(sendto(other, "other", 5, 0, at(2, level), IN));
  bool ended = false;
  for (int told = 0, tries = 0; told < 3 && tries < 1000 && await(server, POLLIN); tries++) {
    part.iov_len = sizeof data;
    ssize_t length = recvmsg(server, &message, MSG_DONTWAIT);
    if (length > 10 && !(message.msg_flags & MSG_NOTIFICATION)) {
      if (!(ended = message.msg_flags & MSG_EOR)) continue;
      FACT("the message", "ended");
    } else {
      states_message("server", &message, length);
    }
    told++;
  }
}

CASE(what_waits_for_a_message_in_part) { delivered_in_part(0); }
CASE(what_does_not_wait_for_a_message_in_part) { delivered_in_part(1); }
