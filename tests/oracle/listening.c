/* Listeners: accept in all forms, the queue and its bound, what an accepted socket inherits. */
#include "oracle.h"

static int listening(int backlog) {
  int fd = one();
  DO(bind(fd, at(2, 0), IN));
  DO(listen(fd, backlog));
  return fd;
}

static int client(int port) {
  int fd = one();
  DO(bind(fd, at(1, port), IN));
  DO(connect(fd, at(2, 0), IN));
  return fd;
}

CASE(accept_names_the_peer) {
  int listener = listening(5);
  client(1);
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  FD(accept(listener, (void *)&from, &length));
  states_address("from", &from, length);
  client(2);
  length = 4;
  memset(&from, 0xee, sizeof from);
  FD(accept(listener, (void *)&from, &length));
  FACT("a name in 4 bytes", "%u, then %x", length, ((unsigned char *)&from)[4]);
}

CASE(accept4_sets_flags) {
  int listener = listening(5);
  client(1);
  int fd = FD(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
  FACT("flags", "%d %d", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
  client(2);
  CALL(accept4(listener, NULL, NULL, 0x1234));
  fd = FD(accept4(listener, NULL, NULL, 0));
  FACT("flags", "%d %d", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
}

CASE(in_the_order_they_came) {
  int listener = listening(5);
  client(1), client(2), client(3);
  for (int i = 0; i < 3; i++) {
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    FD(accept(listener, (void *)&from, &length));
    states_address("from", &from, length);
  }
}

CASE(data_waits_before_accept) {
  int listener = listening(5), fd = client(1);
  CALL(send(fd, "early", 5, 0));
  CALL(send(fd, "bird", 4, 0));
  int server = FD(accept(listener, NULL, NULL));
  TAKE(server);
  TAKE(server);
}

CASE(gone_before_accept) {
  int listener = listening(5), fd = client(1);
  CALL(send(fd, "early", 5, 0));
  CALL(close(fd));
  int server = FD(accept(listener, NULL, NULL));
  TAKE(server);
  TAKE(server);
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getpeername(server, (void *)&name, &length));
}

CASE(the_queue_is_full) {
  listening(1);
  int results[5] = {0};
  for (int i = 0; i < 5; i++) {
    int fd = one();
    results[i] = connect(fd, at(2, 0), IN) == 0 ? 0 : errno;
    FACT("connect", "%s", results[i] ? error_name(results[i]) : "0");
  }
}

CASE(accept_of_what_does_not_listen) {
  int fd = one();
  CALL(accept(fd, NULL, NULL));
  DO(bind(fd, at(1, 5), IN));
  CALL(accept(fd, NULL, NULL));
  listening(1);
  CALL(accept(client(1), NULL, NULL));
  CALL(accept(many(), NULL, NULL));
  CALL(accept(-1, NULL, NULL));
  CALL(accept(0, NULL, NULL));
}

CASE(accept_with_bad_pointers) {
  int listener = listening(5);
  socklen_t length = -1;
  struct sockaddr_storage from;
  client(1);
  CALL(accept(listener, (void *)&from, &length));
  client(2);
  CALL(accept(listener, (void *)&from, NULL));
}

CASE(listen_of_a_connected_socket) {
  listening(5);
  int fd = client(1);
  CALL(listen(fd, 5));
}

CASE(listen_twice) {
  int listener = listening(1);
  CALL(listen(listener, 10));
  client(1);
  FD(accept(listener, NULL, NULL));
}

CASE(listen_stops) {
  int listener = listening(5);
  CALL(listen(listener, 0));
  int fd = one();
  CALL(connect(fd, at(2, 0), IN));
}

CASE(options_are_inherited) {
  int listener = one();
  USE(listener, SCTP_NODELAY, int, 1);
  USE(listener, SCTP_RECVRCVINFO, int, 1);
  USE(listener, SCTP_DISABLE_FRAGMENTS, int, 1);
  USE(listener, SCTP_PARTIAL_DELIVERY_POINT, int, 3000);
  USE(listener, SCTP_FRAGMENT_INTERLEAVE, int, 1);
  USE(listener, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_sid = 3);
  USE(listener, SCTP_RTOINFO, struct sctp_rtoinfo, .srto_min = 400);
  USE(listener, SCTP_ADAPTATION_LAYER, int, 77);
  subscribe(listener, SCTP_SHUTDOWN_EVENT);
  DO(setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int)));
  DO(setsockopt(listener, SOL_SOCKET, SO_LINGER, &(struct linger){1, 3}, sizeof(struct linger)));
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  client(1);
  int server = FD(accept(listener, NULL, NULL));
  GET(server, SCTP_NODELAY, int);
  GET(server, SCTP_RECVRCVINFO, int);
  GET(server, SCTP_DISABLE_FRAGMENTS, int);
  GET(server, SCTP_PARTIAL_DELIVERY_POINT, int);
  GET(server, SCTP_FRAGMENT_INTERLEAVE, int);
  GET(server, SCTP_ADAPTATION_LAYER, int);
  GET(server, SCTP_EVENTS, struct sctp_event_subscribe);
  GET_AT(server, SOL_SOCKET, SO_KEEPALIVE, int);
  GET_AT(server, SOL_SOCKET, SO_LINGER, struct linger);
  struct sctp_sndinfo info = {0};
  socklen_t length = sizeof info;
  DO(getsockopt(server, SOL_SCTP, SCTP_DEFAULT_SNDINFO, &info, &length));
  FACT("default stream", "%u", info.snd_sid);
  struct sctp_rtoinfo rto = {0};
  length = sizeof rto;
  DO(getsockopt(server, SOL_SCTP, SCTP_RTOINFO, &rto, &length));
  FACT("least time-out", "%u", rto.srto_min);
}

CASE(the_accepted_has_the_port_of_the_listener) {
  int listener = listening(5);
  client(1);
  int server = DO(accept(listener, NULL, NULL));
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getsockname(server, (void *)&name, &length));
  states_address("name", &name, length);
  GET_AT(server, SOL_SOCKET, SO_ACCEPTCONN, int);
  GET_AT(server, SOL_SOCKET, SO_TYPE, int);
  CALL(bind(server, at(3, 0), IN));
}
