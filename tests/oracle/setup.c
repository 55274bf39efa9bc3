/* Sockets before they have an association: socket, bind, listen, connect, names, and options that say what a socket is. */
#include "oracle.h"

CASE(which_sockets_there_are) {
  FD(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
  FD(socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP));
  FD(socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP));
  FD(socket(AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP));
  FD(socket(AF_INET, SOCK_SEQPACKET, 0));
  FD(socket(AF_INET, SOCK_DGRAM, IPPROTO_SCTP));
  FD(socket(AF_INET, SOCK_RDM, IPPROTO_SCTP));
  FD(socket(AF_UNIX, SOCK_SEQPACKET, IPPROTO_SCTP));
  FD(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP));
  FD(socket(AF_INET, SOCK_STREAM | 0x100000, IPPROTO_SCTP));
  int pair[2];
  CALL(socketpair(AF_INET, SOCK_STREAM, IPPROTO_SCTP, pair));
}

CASE(other_sockets_are_as_ever) {
  int tcp = FD(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
  GET_AT(tcp, SOL_SOCKET, SO_PROTOCOL, int);
  CALL(setsockopt(tcp, SOL_SCTP, SCTP_NODELAY, &(int){1}, sizeof(int)));
  CALL(listen(tcp, 1));
  int udp = FD(socket(AF_INET, SOCK_DGRAM, 0));
  GET_AT(udp, SOL_SOCKET, SO_TYPE, int);
  CALL(sctp_bindx(udp, at(1, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(connect(udp, at(1, 0), IN));
}

static void says_what_it_is(int fd) {
  GET_AT(fd, SOL_SOCKET, SO_TYPE, int);
  GET_AT(fd, SOL_SOCKET, SO_PROTOCOL, int);
  GET_AT(fd, SOL_SOCKET, SO_DOMAIN, int);
  GET_AT(fd, SOL_SOCKET, SO_ACCEPTCONN, int);
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
}

CASE(a_socket_says_what_it_is) {
  says_what_it_is(one());
  says_what_it_is(many());
  says_what_it_is(one6());
  says_what_it_is(many6());
}

CASE(a_listener_says_that_it_listens) {
  int fd = one();
  DO(bind(fd, at(1, 0), IN));
  DO(listen(fd, 1));
  GET_AT(fd, SOL_SOCKET, SO_ACCEPTCONN, int);
  int more = many();
  DO(bind(more, at(1, 1), IN));
  DO(listen(more, 1));
  GET_AT(more, SOL_SOCKET, SO_ACCEPTCONN, int);
}

/* The name that getsockname gives. */
static void states_name(const char *what, int fd) {
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  if (called(what, getsockname(fd, (void *)&name, &length)) == 0) states_address(what, &name, length);
}

CASE(names_of_unbound_sockets) {
  states_name("getsockname of one", one());
  states_name("getsockname of many", many());
  states_name("getsockname of one6", one6());
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getpeername(one(), (void *)&name, &length));
  length = sizeof name;
  CALL(getpeername(many(), (void *)&name, &length));
}

CASE(bind_to_an_address_and_port) {
  int fd = one();
  CALL(bind(fd, at(1, 0), IN));
  states_name("getsockname", fd);
  CALL(bind(fd, at(1, 0), IN));
  CALL(bind(fd, at(1, 1), IN));
  CALL(bind(fd, at(2, 0), IN));
  CALL(bind(fd, at(1, -1), IN));
}

CASE(bind_to_an_address_and_any_port) {
  int fd = many();
  CALL(bind(fd, at(1, -1), IN));
  states_name("getsockname", fd);
}

CASE(bind_to_any_address) {
  int fd = many();
  CALL(bind(fd, any(0), IN));
  states_name("getsockname", fd);
  CALL(bind(fd, at(1, 0), IN));
}

CASE(bind_to_what_cannot_be_bound) {
  struct sockaddr_in elsewhere = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(0xc0000201)};
  struct sockaddr_in multicast = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(0xe0000001)};
  struct sockaddr_in broadcast = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = INADDR_BROADCAST};
  int fd = one();
  CALL(bind(fd, (void *)&elsewhere, IN));
  CALL(bind(fd, (void *)&multicast, IN));
  CALL(bind(fd, (void *)&broadcast, IN));
  CALL(bind(fd, at(1, 0), IN - 1));
  CALL(bind(fd, at(1, 0), 0));
  CALL(bind(fd, at6(0), IN6));
  struct sockaddr unix_name = {.sa_family = AF_UNIX};
  CALL(bind(fd, &unix_name, sizeof unix_name));
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  CALL(bind(fd, &unspecified, sizeof unspecified));
  CALL(bind(fd, NULL, IN));
  CALL(bind(fd, at(1, 0), IN + 8));
}

CASE(a_port_is_taken_once) {
  int first = one(), second = one(), third = many();
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
  CALL(bind(third, at(1, 0), IN));
  CALL(bind(third, any(0), IN));
  CALL(bind(third, at(2, 0), IN));
  CALL(close(first));
  CALL(bind(second, at(1, 0), IN));
}

CASE(a_port_is_shared_with_so_reuseaddr) {
  int first = one(), second = one();
  SET_AT(first, SOL_SOCKET, SO_REUSEADDR, int, 1);
  SET_AT(second, SOL_SOCKET, SO_REUSEADDR, int, 1);
  GET_AT(second, SOL_SOCKET, SO_REUSEADDR, int);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
  CALL(listen(first, 1));
  CALL(listen(second, 1));
}

CASE(a_port_is_shared_with_sctp_reuse_port) {
  int first = one(), second = one();
  GET(first, SCTP_REUSE_PORT, int);
  SET(first, SCTP_REUSE_PORT, int, 1);
  SET(second, SCTP_REUSE_PORT, int, 1);
  GET(first, SCTP_REUSE_PORT, int);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
  SET(second, SCTP_REUSE_PORT, int, 0);
  int style = many();
  SET(style, SCTP_REUSE_PORT, int, 1);
}

CASE(listen_binds_by_itself) {
  int fd = one();
  CALL(listen(fd, 1));
  states_name("getsockname", fd);
  int more = many();
  CALL(listen(more, 1));
  states_name("getsockname", more);
}

CASE(listen_changes_its_mind) {
  int fd = many();
  DO(bind(fd, at(1, 0), IN));
  CALL(listen(fd, 5));
  CALL(listen(fd, 10));
  CALL(listen(fd, 0));
  GET_AT(fd, SOL_SOCKET, SO_ACCEPTCONN, int);
  CALL(listen(fd, -1));
  GET_AT(fd, SOL_SOCKET, SO_ACCEPTCONN, int);
}

CASE(connect_to_nobody) {
  int fd = one(), more = many();
  CALL(connect(fd, at(2, 0), IN));
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
  CALL(connect(fd, at(2, 0), IN));
  CALL(connect(more, at(2, 0), IN));
  CALL(connect(more, at(2, 0), IN));
}

CASE(connect_after_a_refusal) {
  int fd = one(), listener = one();
  CALL(connect(fd, at(2, 0), IN));
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  CALL(connect(fd, at(2, 0), IN));
  CALL(send(fd, "x", 1, 0));
}

CASE(connect_with_wrong_addresses) {
  int fd = one();
  CALL(connect(fd, at(2, 0), IN - 1));
  CALL(connect(fd, at(2, 0), 1));
  CALL(connect(fd, at(2, -1), IN));
  CALL(connect(fd, at6(0), IN6));
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  CALL(connect(fd, &unspecified, sizeof unspecified));
  struct sockaddr unix_name = {.sa_family = AF_UNIX};
  CALL(connect(fd, &unix_name, sizeof unix_name));
  struct sockaddr_in multicast = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(0xe0000001)};
  CALL(connect(fd, (void *)&multicast, IN));
  CALL(connect(fd, NULL, IN));
}

CASE(connect_to_where_no_route_leads) {
  int fd = one(), more = many(), listener = one();
  struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(0xc0000201)};
  CALL(connect(fd, (void *)&far, IN));
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
  CALL(connect(fd, (void *)&far, IN));
  CALL(sendto(more, "hello", 5, 0, (void *)&far, IN));
  CALL(connect(more, (void *)&far, IN));
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  CALL(connect(fd, at(2, 0), IN));
}

CASE(connect_twice) {
  struct pair one = one_pair(), more = many_pair();
  CALL(connect(one.client, at(2, 0), IN));
  CALL(connect(more.client, at(2, 4), IN));
  CALL(connect(one.listener, at(2, 3), IN));
}

CASE(connect_to_itself) {
  int fd = many();
  DO(bind(fd, at(1, 0), IN));
  DO(listen(fd, 1));
  CALL(connect(fd, at(1, 0), IN));
}

CASE(connected_names) {
  struct pair pair = one_pair();
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getpeername(pair.client, (void *)&name, &length));
  states_address("peer of client", &name, length);
  length = sizeof name;
  CALL(getpeername(pair.server, (void *)&name, &length));
  states_address("peer of server", &name, length);
  states_name("name of client", pair.client);
  states_name("name of server", pair.server);
  states_name("name of listener", pair.listener);
}

CASE(names_into_small_buffers) {
  struct pair pair = one_pair();
  unsigned char name[32];
  for (socklen_t room = 0; room <= IN; room += 8) {
    socklen_t length = room;
    memset(name, 0xee, sizeof name);
    CALL(getsockname(pair.client, (void *)name, &length));
    FACT("length", "%u of %u, first byte beyond %x", length, room, name[room]);
  }
  socklen_t length = (socklen_t)-1;
  CALL(getsockname(pair.client, (void *)name, &length));
  CALL(getsockname(pair.client, NULL, &length));
  CALL(getsockname(pair.client, (void *)name, NULL));
}

CASE(names_of_one_to_many_sockets) {
  struct pair pair = many_pair();
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getpeername(pair.client, (void *)&name, &length));
  states_name("name of client", pair.client);
  states_name("name of server", pair.server);
}

CASE(an_unbound_client_gets_a_port) {
  int listener = one(), client = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  CALL(connect(client, at(2, 0), IN));
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  DO(getsockname(client, (void *)&name, &length));
  FACT("the port is given", "%d", ((struct sockaddr_in *)&name)->sin_port != 0);
}
