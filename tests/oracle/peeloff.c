/* Peeled off associations. */
#include "oracle.h"

/* libsctp 1.0.19 declares this function and lacks it. */
int sctp_peeloff_flags(int fd, sctp_assoc_t id, unsigned flags) {
  sctp_peeloff_flags_arg_t argument = {.p_arg = {.associd = id}, .flags = flags};
  socklen_t length = sizeof argument;
  return getsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_PEELOFF_FLAGS, &argument, &length);
}

CASE(peeling_off) {
  struct pair pair = many_pair();
  USE(pair.server, SCTP_RECVRCVINFO, int, 1);
  sctp_assoc_t id = association(pair.server);
  int peeled = FD(sctp_peeloff(pair.server, id));
  GET_AT(peeled, SOL_SOCKET, SO_TYPE, int);
  GET_AT(peeled, SOL_SOCKET, SO_PROTOCOL, int);
  FACT("close on exec", "%d", fcntl(peeled, F_GETFD));
  FACT("the same id", "%d", association(peeled) == id);
  GET(pair.server, SCTP_GET_ASSOC_NUMBER, uint32_t);
  GET(peeled, SCTP_GET_ASSOC_NUMBER, uint32_t);
  DO(sendto(pair.client, "to the peeled", 13, 0, at(2, 0), IN));
  TAKE(peeled);
  CALL(send(peeled, "back", 4, 0));
  TAKE(pair.client);
  CALL(sendto(peeled, "by address", 10, 0, at(1, 1), IN));
  TAKE(pair.client);
  CALL(sendto(peeled, "elsewhere", 9, 0, at(1, 3), IN));
  SEND(peeled, NULL, "by id", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = id));
  TAKE(pair.client);
  CALL(sctp_peeloff(pair.server, id));
  CALL(sctp_peeloff(peeled, id));
}

CASE(names_of_the_peeled) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getsockname(peeled, (void *)&name, &length));
  states_address("name", &name, length);
  length = sizeof name;
  CALL(getpeername(peeled, (void *)&name, &length));
  states_address("peer", &name, length);
}

CASE(the_peeled_is_no_listener) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  CALL(listen(peeled, 1));
  CALL(accept(peeled, NULL, NULL));
  CALL(connect(peeled, at(3, 0), IN));
  CALL(connect(peeled, at(1, 1), IN));
  CALL(bind(peeled, at(3, 0), IN));
  GET_AT(peeled, SOL_SOCKET, SO_ACCEPTCONN, int);
}

CASE(what_waits_moves_along) {
  struct pair pair = many_pair();
  DO(sendto(pair.client, "one", 3, 0, at(2, 0), IN));
  DO(sendto(pair.client, "two", 3, 0, at(2, 0), IN));
  await(pair.server, POLLIN);
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  TAKE(peeled);
  TAKE(peeled);
  char data[10];
  CALL(recv(pair.server, data, 10, MSG_DONTWAIT));
}

CASE(what_waits_of_others_stays) {
  struct pair pair = many_pair();
  int other = many();
  DO(bind(other, at(1, 2), IN));
  DO(sendto(pair.client, "moves", 5, 0, at(2, 0), IN));
  DO(sendto(other, "stays", 5, 0, at(2, 0), IN));
  sctp_assoc_t first = association(pair.server);
  int peeled = FD(sctp_peeloff(pair.server, first));
  TAKE(peeled);
  TAKE(pair.server);
  TAKE_ALL(peeled);
}

CASE(flags_of_the_new_descriptor) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff_flags(pair.server, association(pair.server), SOCK_NONBLOCK | SOCK_CLOEXEC));
  FACT("close on exec", "%d", fcntl(peeled, F_GETFD));
  FACT("non-blocking", "%d", (fcntl(peeled, F_GETFL) & O_NONBLOCK) != 0);
  char data[10];
  CALL(recv(peeled, data, 10, 0));
}

CASE(peeling_off_what_is_not_there) {
  struct pair more = many_pair(), single = one_pair();
  CALL(sctp_peeloff(more.server, 99999));
  CALL(sctp_peeloff(more.server, 0));
  CALL(sctp_peeloff(more.server, SCTP_ALL_ASSOC));
  CALL(sctp_peeloff(single.client, association(single.client)));
  CALL(sctp_peeloff_flags(more.server, 99999, SOCK_CLOEXEC));
  CALL(sctp_peeloff(-1, 1));
  int value[2] = {0};
  socklen_t length = 4;
  CALL(getsockopt(more.server, SOL_SCTP, SCTP_SOCKOPT_PEELOFF, value, &length));
  length = 8;
  CALL(getsockopt(more.server, SOL_SCTP, SCTP_SOCKOPT_PEELOFF_FLAGS, value, &length));
}

CASE(peeloff_as_an_option) {
  struct pair pair = many_pair();
  sctp_peeloff_arg_t argument = {.associd = association(pair.server)};
  socklen_t length = sizeof argument;
  int result = getsockopt(pair.server, SOL_SCTP, SCTP_SOCKOPT_PEELOFF, &argument, &length);
  FACT("the result is the descriptor", "%d, %u bytes", result == argument.sd && result > 2, length);
}

CASE(options_move_along) {
  struct pair pair = many_pair();
  USE(pair.server, SCTP_NODELAY, int, 1);
  USE(pair.server, SCTP_AUTOCLOSE, int, 30);
  USE(pair.server, SCTP_RECVRCVINFO, int, 1);
  subscribe(pair.server, SCTP_SHUTDOWN_EVENT);
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  GET(peeled, SCTP_NODELAY, int);
  GET(peeled, SCTP_AUTOCLOSE, int);
  GET(peeled, SCTP_RECVRCVINFO, int);
  GET(peeled, SCTP_EVENTS, struct sctp_event_subscribe);
}

CASE(the_peeled_ends) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  subscribe(pair.client, SCTP_SHUTDOWN_EVENT);
  CALL(close(peeled));
  TAKE(pair.client);
  GET(pair.server, SCTP_GET_ASSOC_NUMBER, uint32_t);
}

CASE(the_peeled_is_shut_down) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  CALL(shutdown(peeled, SHUT_WR));
  CALL(send(peeled, "x", 1, MSG_NOSIGNAL));
}

CASE(the_first_socket_closes_before) {
  struct pair pair = many_pair();
  int peeled = FD(sctp_peeloff(pair.server, association(pair.server)));
  CALL(close(pair.server));
  CALL(send(peeled, "still", 5, 0));
  TAKE(pair.client);
  CALL(sendto(pair.client, "there", 5, 0, at(2, 0), IN));
  TAKE(peeled);
}
