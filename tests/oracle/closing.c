/* The end of associations: shutdown, close, linger, abort, and what both ends see then. */
#include "oracle.h"

static char data[100];

CASE(shutdown_of_writing) {
  struct pair pair = one_pair();
  CALL(shutdown(pair.client, SHUT_WR));
  CALL(recv(pair.server, data, sizeof data, 0));
  CALL(recv(pair.client, data, sizeof data, 0));
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  CALL(send(pair.server, "x", 1, MSG_NOSIGNAL));
  READY(pair.client);
  READY(pair.server);
  CALL(shutdown(pair.client, SHUT_WR));
  CALL(getpeername(pair.client, (void *)data, &(socklen_t){sizeof data}));
}

CASE(shutdown_of_reading) {
  struct pair pair = one_pair();
  CALL(shutdown(pair.client, SHUT_RD));
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  TAKE(pair.server);
  CALL(send(pair.server, "y", 1, MSG_NOSIGNAL));
  TAKE(pair.client);
}

CASE(shutdown_of_both) {
  struct pair pair = one_pair();
  DO(send(pair.client, "last words", 10, 0));
  CALL(shutdown(pair.client, SHUT_RDWR));
  TAKE(pair.server);
  TAKE(pair.server);
  CALL(recv(pair.client, data, sizeof data, 0));
}

CASE(shutdown_with_a_wrong_direction) {
  struct pair pair = one_pair();
  CALL(shutdown(pair.client, 3));
  CALL(shutdown(pair.client, -1));
  CALL(shutdown(one(), SHUT_RD));
  CALL(shutdown(one(), SHUT_WR));
  CALL(shutdown(pair.listener, SHUT_RDWR));
  CALL(shutdown(pair.listener, SHUT_RD));
  CALL(shutdown(pair.listener, SHUT_WR));
  CALL(shutdown(-1, SHUT_WR));
}

CASE(data_before_shutdown_arrives) {
  struct pair pair = one_pair();
  static char big[30000];
  DO(send(pair.client, big, sizeof big, 0));
  DO(send(pair.client, "last", 4, 0));
  CALL(shutdown(pair.client, SHUT_WR));
  size_t got = 0;
  static char into[40000];
  for (ssize_t length; (length = recv(pair.server, into, sizeof into, 0)) > 0;) got += length;
  FACT("all of it", "%zu", got);
}

CASE(the_other_end_may_still_send) {
  struct pair pair = one_pair();
  DO(send(pair.client, "unread", 6, 0));
  CALL(shutdown(pair.client, SHUT_WR));
  TAKE(pair.server);
  await(pair.server, POLLIN);
  CALL(send(pair.server, "x", 1, MSG_NOSIGNAL));
  CALL(recv(pair.client, data, sizeof data, 0));
}

CASE(close_ends_the_association) {
  struct pair pair = one_pair();
  DO(send(pair.client, "last words", 10, 0));
  CALL(close(pair.client));
  TAKE(pair.server);
  TAKE(pair.server);
  CALL(send(pair.server, "x", 1, MSG_NOSIGNAL));
  CALL(getpeername(pair.server, (void *)data, &(socklen_t){sizeof data}));
  READY(pair.server);
}

CASE(close_with_unread_data_aborts) {
  struct pair pair = one_pair();
  DO(send(pair.client, "unread", 6, 0));
  await(pair.server, POLLIN);
  CALL(close(pair.server));
  await(pair.client, POLLIN);
  CALL(recv(pair.client, data, sizeof data, 0));
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
}

CASE(close_with_linger_of_zero_aborts) {
  struct pair pair = one_pair();
  struct linger now = {1, 0};
  CALL(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  CALL(close(pair.client));
  await(pair.server, POLLIN);
  READY(pair.server);
  CALL(recv(pair.server, data, sizeof data, 0));
  CALL(recv(pair.server, data, sizeof data, 0));
  CALL(send(pair.server, "x", 1, MSG_NOSIGNAL));
  CALL(getpeername(pair.server, (void *)data, &(socklen_t){sizeof data}));
  CALL(getsockname(pair.server, (void *)data, &(socklen_t){sizeof data}));
}

CASE(close_with_linger_waits) {
  struct pair pair = one_pair();
  struct linger while_sending = {1, 5};
  CALL(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &while_sending, sizeof while_sending));
  DO(send(pair.client, "last words", 10, 0));
  CALL(close(pair.client));
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(an_abort_and_so_error) {
  struct pair pair = one_pair();
  struct linger now = {1, 0};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(close(pair.client));
  await(pair.server, POLLIN);
  GET_AT(pair.server, SOL_SOCKET, SO_ERROR, int);
  GET_AT(pair.server, SOL_SOCKET, SO_ERROR, int);
  CALL(recv(pair.server, data, sizeof data, 0));
}

/* However the error was found, nothing is left to poll for. */
CASE(an_abort_that_is_read_at_once) {
  struct pair pair = one_pair();
  struct linger now = {1, 0};
  DO(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(close(pair.server));
  ssize_t length;
  do length = recv(pair.client, data, sizeof data, MSG_DONTWAIT);
  while (length < 0 && errno == EAGAIN);
  FACT("the error", "%zd %s", length, length < 0 ? error_name(errno) : "none");
  READY(pair.client);
  CALL(recv(pair.client, data, sizeof data, MSG_DONTWAIT));
  READY(pair.client);
}

CASE(an_abort_after_data) {
  struct pair pair = one_pair();
  struct linger now = {1, 0};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(send(pair.client, "before", 6, 0));
  await(pair.server, POLLIN);
  DO(close(pair.client));
  TAKE(pair.server);
  TAKE(pair.server);
  CALL(recv(pair.server, data, sizeof data, MSG_DONTWAIT));
}

CASE(close_of_a_listener) {
  struct pair pair = one_pair();
  int waiting = one();
  DO(connect(waiting, at(2, 0), IN));
  CALL(close(pair.listener));
  await(waiting, POLLIN);
  CALL(recv(waiting, data, sizeof data, 0));
  CALL(send(pair.client, "still", 5, 0));
  TAKE(pair.server);
  CALL(connect(one(), at(2, 0), IN));
}

CASE(close_of_a_one_to_many_socket) {
  struct pair pair = many_pair();
  subscribe(pair.client, SCTP_SHUTDOWN_EVENT), subscribe(pair.client, SCTP_ASSOC_CHANGE);
  CALL(close(pair.server));
  TAKE(pair.client);
  TAKE(pair.client);
  GET(pair.client, SCTP_GET_ASSOC_NUMBER, uint32_t);
}

CASE(the_port_is_free_after_the_end) {
  struct pair pair = one_pair();
  CALL(close(pair.client));
  TAKE(pair.server);
  CALL(close(pair.server));
  CALL(close(pair.listener));
  int again = one();
  CALL(bind(again, at(2, 0), IN));
  CALL(listen(again, 1));
}

CASE(status_after_the_end) {
  struct pair pair = one_pair();
  DO(close(pair.client));
  TAKE(pair.server);
  GET(pair.server, SCTP_STATUS, struct sctp_status);
  GET(pair.server, SCTP_NODELAY, int);
  GET_AT(pair.server, SOL_SOCKET, SO_TYPE, int);
  CALL(connect(pair.server, at(2, 0), IN));
}

CASE(a_closed_descriptor) {
  int fd = one();
  CALL(close(fd));
  CALL(close(fd));
  CALL(send(fd, "x", 1, MSG_NOSIGNAL));
  CALL(recv(fd, data, 1, 0));
  CALL(bind(fd, at(1, 0), IN));
  CALL(listen(fd, 1));
  GET(fd, SCTP_NODELAY, int);
  CALL(sctp_bindx(fd, at(1, 0), 1, SCTP_BINDX_ADD_ADDR));
}

static void receives_little(int fd) {
  DO(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){20000}, sizeof(int)));
  DO(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){200000}, sizeof(int)));
}

/* An end that keeps its process waiting: the states of an association that shuts down while data waits. */
CASE(state_while_data_waits) {
  struct pair pair = pair_of(one, receives_little);
  size_t sent = fill(pair.client), got = 0;
  CALL(shutdown(pair.client, SHUT_WR));
  struct sctp_status status = {0};
  socklen_t length = sizeof status;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &status, &length));
  FACT("state", "%s", status.sstat_state == SCTP_SHUTDOWN_PENDING ? "SCTP_SHUTDOWN_PENDING" : "another");
  length = sizeof status;
  CALL(getsockopt(pair.server, SOL_SCTP, SCTP_STATUS, &status, &length));
  FACT("state", "%s", status.sstat_state == SCTP_ESTABLISHED ? "SCTP_ESTABLISHED" : "another");
  static char into[70000];
  for (ssize_t length; (length = recv(pair.server, into, sizeof into, 0)) > 0;) got += length;
  FACT("all of it", "%d", got == sent);
}

CASE(both_halves_shut_down_are_shown) {
  struct pair pair = one_pair();
  CALL(shutdown(pair.client, SHUT_RDWR));
  CALL(recv(pair.server, data, sizeof data, 0));
  READY(pair.client);
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  CALL(recv(pair.client, data, sizeof data, 0));
  READY(pair.client);
}

CASE(halves_shut_down_one_after_the_other_are_shown) {
  struct pair pair = one_pair();
  CALL(shutdown(pair.client, SHUT_RD));
  READY(pair.client);
  CALL(shutdown(pair.client, SHUT_WR));
  CALL(recv(pair.server, data, sizeof data, 0));
  READY(pair.client);
}

CASE(both_ends_shut_down_are_shown) {
  struct pair pair = one_pair();
  CALL(shutdown(pair.client, SHUT_WR));
  CALL(recv(pair.server, data, sizeof data, 0));
  CALL(shutdown(pair.server, SHUT_WR));
  READY(pair.client);
  READY(pair.server);
}

CASE(a_socket_whose_association_has_ended_begins_no_other) {
  struct pair pair = one_pair();
  struct linger now = {1, 0};
  subscribe_all(pair.client);
  DO(send(pair.server, "unread", 6, 0));
  await(pair.client, POLLIN);
  DO(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(close(pair.server));
  READY(pair.client);
  CALL(sendto(pair.client, "x", 1, MSG_NOSIGNAL, at(3, 9), IN));
  CALL(sendto(pair.client, "x", 1, MSG_NOSIGNAL, at(3, 9), IN));
  CALL(connect(pair.client, at(3, 9), IN));
  TAKE(pair.client);
  CALL(sendto(pair.client, "x", 1, MSG_NOSIGNAL, at(3, 9), IN));
}

/* Closes an end whose peer does not read all that was sent, and states how long that took. */
static void closes_with_linger(int flags, int seconds) {
  struct pair pair = one_pair();
  struct linger linger = {1, seconds};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  DO(fcntl(pair.client, F_SETFL, flags));
  fill(pair.client);
  long start = now_ms();
  CALL(close(pair.client));
  FACT("waited", "%d", now_ms() - start >= 900);
}

CASE(close_with_linger_waits_for_a_peer_that_does_not_read) { closes_with_linger(0, 1); }
CASE(close_with_linger_waits_though_others_must_not_wait) { closes_with_linger(O_NONBLOCK, 1); }

CASE(close_of_a_copy_does_not_wait) {
  struct pair pair = one_pair();
  struct linger linger = {1, 1};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  fill(pair.client);
  int copy = DO(dup(pair.client));
  long start = now_ms();
  CALL(close(pair.client));
  FACT("waited", "%d", now_ms() - start >= 900);
  CALL(close(copy));
  FACT("waited", "%d", now_ms() - start >= 900);
}

CASE(close_with_linger_of_a_one_to_many_socket) {
  static char big[4000];
  struct pair pair = many_pair();
  struct linger linger = {1, 1};
  CALL(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  while (sendto(pair.client, big, sizeof big, MSG_DONTWAIT, at(2, 0), IN) > 0) poll(NULL, 0, 1);
  long start = now_ms();
  CALL(close(pair.client));
  FACT("waited", "%d", now_ms() - start >= 900);
}
