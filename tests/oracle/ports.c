/* Ports belong to addresses: who may be bound where, and who gets what comes in. */
#include "oracle.h"

static int listening(int fd, struct sockaddr *at, socklen_t length) {
  DO(bind(fd, at, length));
  DO(listen(fd, 100));
  return fd;
}

/* Who connected, to whom. */
static void states_ends(const char *what, int fd) {
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  done(what, getsockname(fd, (void *)&name, &length));
  states_address(what, &name, length);
  length = sizeof name;
  done(what, getpeername(fd, (void *)&name, &length));
  states_address(what, &name, length);
}

CASE(two_listeners_with_one_port) {
  int first = listening(one(), at(1, 0), IN), second = listening(one(), at(2, 0), IN);
  int to_second = one(), to_first = one();
  DO(bind(to_second, at(3, 1), IN));
  CALL(connect(to_second, at(2, 0), IN));
  DO(bind(to_first, at(3, 2), IN));
  CALL(connect(to_first, at(1, 0), IN));
  int server = FD(accept(second, NULL, NULL));
  states_ends("accepted by the second", server);
  server = FD(accept(first, NULL, NULL));
  states_ends("accepted by the first", server);
  CALL(connect(one(), at(4, 0), IN));
}

CASE(two_sockets_with_one_port_and_one_peer) {
  int listener = listening(one(), at(3, 0), IN), first = one(), second = one();
  CALL(bind(first, at(1, 1), IN));
  CALL(bind(second, at(2, 1), IN));
  CALL(connect(first, at(3, 0), IN));
  CALL(connect(second, at(3, 0), IN));
  int servers[2] = {FD(accept(listener, NULL, NULL)), FD(accept(listener, NULL, NULL))};
  states_ends("first server", servers[0]);
  states_ends("second server", servers[1]);
  CALL(send(servers[0], "one", 3, 0));
  CALL(send(servers[1], "two", 3, 0));
  TAKE(first);
  TAKE(second);
  CALL(close(first));
  CALL(send(second, "three", 5, 0));
  TAKE(servers[1]);
}

CASE(the_same_peer_of_two_listeners) {
  int first = listening(many(), at(1, 0), IN), second = listening(many(), at(2, 0), IN), client = many();
  DO(bind(client, at(3, 1), IN));
  CALL(sendto(client, "to one", 6, 0, at(1, 0), IN));
  CALL(sendto(client, "to two", 6, 0, at(2, 0), IN));
  TAKE(first);
  TAKE(second);
  CALL(sendto(first, "from one", 8, 0, at(3, 1), IN));
  CALL(sendto(second, "from two", 8, 0, at(3, 1), IN));
  TAKE(client);
  TAKE(client);
}

CASE(wildcards_take_what_is_left_of_no_address) {
  int first = one(), second = one(), six = one6(), only = one6();
  SET_AT(only, IPPROTO_IPV6, IPV6_V6ONLY, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, any(0), IN));
  CALL(bind(six, any6(0), IN6));
  CALL(bind(only, any6(0), IN6));
  CALL(bind(six, at6(0), IN6));
  CALL(bind(second, at(2, 0), IN));
}

CASE(a_wildcard_is_taken_by_all_of_its_family) {
  int first = one(), second = one(), only = one6();
  SET_AT(only, IPPROTO_IPV6, IPV6_V6ONLY, int, 1);
  CALL(bind(first, any(0), IN));
  CALL(bind(second, at(1, 0), IN));
  CALL(bind(second, any(0), IN));
  CALL(bind(only, at6(0), IN6));
}

CASE(an_ipv6_wildcard_takes_ipv4) {
  int six = one6(), second = one();
  CALL(bind(six, any6(0), IN6));
  CALL(bind(second, any(0), IN));
  CALL(bind(second, at(1, 0), IN));
}

CASE(ipv4_beside_only_ipv6) {
  int six = one6(), four = one();
  SET_AT(six, IPPROTO_IPV6, IPV6_V6ONLY, int, 1);
  CALL(bind(six, any6(0), IN6));
  CALL(bind(four, any(0), IN));
  CALL(listen(six, 5));
  CALL(listen(four, 5));
  int old = one(), new = one6();
  DO(bind(old, at(1, 1), IN));
  CALL(connect(old, at(2, 0), IN));
  DO(bind(new, at6(1), IN6));
  CALL(connect(new, at6(0), IN6));
  states_ends("over IPv4", FD(accept(four, NULL, NULL)));
  states_ends("over IPv6", FD(accept(six, NULL, NULL)));
}

CASE(an_ipv4_socket_is_bound_to_ipv4) {
  int four = listening(one(), any(0), IN), client = one6();
  CALL(connect(client, at6(0), IN6));
  struct sockaddr *addresses;
  int count = sctp_getladdrs(four, 0, &addresses);
  for (char *next = (char *)addresses; count-- > 0; next += sctp_getaddrlen(((struct sockaddr *)next)->sa_family))
    if (((struct sockaddr *)next)->sa_family != AF_INET) FACT("family", "%d", ((struct sockaddr *)next)->sa_family);
}

CASE(bindx_of_what_another_has) {
  int first = one(), second = one(), third = one();
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(2, 0), IN));
  CALL(sctp_bindx(second, at(1, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(second, packed(2, at(3, 0), at(1, 0)), 2, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(second, at(3, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(bind(third, at(3, 0), IN));
  CALL(sctp_bindx(second, at(2, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(bind(third, at(2, 0), IN));
}

CASE(a_listener_gets_another_address) {
  int first = listening(one(), at(1, 0), IN), second = listening(one(), at(2, 0), IN);
  CALL(sctp_bindx(first, at(3, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(first, at(1, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(connect(one(), at(1, 0), IN));
  CALL(sctp_bindx(second, at(1, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(connect(one(), at(1, 0), IN));
  FD(accept(second, NULL, NULL));
  CALL(connect(one(), at(3, 0), IN));
  FD(accept(first, NULL, NULL));
  CALL(sctp_bindx(first, at(4, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(first, at(3, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(second, at(3, 0), 1, SCTP_BINDX_ADD_ADDR));
}

CASE(so_reuseaddr_of_one_of_two) {
  int with = one(), without = one();
  SET_AT(with, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(with, at(1, 0), IN));
  CALL(bind(without, at(1, 0), IN));
  CALL(bind(without, at(1, 1), IN));
  int other = one();
  SET_AT(other, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(other, at(1, 1), IN));
}

CASE(so_reuseaddr_beside_a_listener) {
  int first = one(), second = one();
  SET_AT(first, SOL_SOCKET, SO_REUSEADDR, int, 1);
  SET_AT(second, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(listen(first, 5));
  CALL(bind(second, at(1, 0), IN));
  CALL(bind(second, any(0), IN));
  CALL(bind(second, at(2, 0), IN));
  CALL(listen(second, 5));
}

CASE(sctp_reuse_port_beside_a_listener) {
  int first = one(), second = one();
  USE(first, SCTP_REUSE_PORT, int, 1);
  USE(second, SCTP_REUSE_PORT, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(listen(first, 5));
  CALL(bind(second, at(1, 0), IN));
}

CASE(who_may_not_listen_may_connect) {
  int first = one(), second = one(), listener = listening(one(), at(2, 0), IN);
  SET_AT(first, SOL_SOCKET, SO_REUSEADDR, int, 1);
  SET_AT(second, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(first, at(1, 1), IN));
  CALL(bind(second, at(1, 1), IN));
  CALL(listen(first, 5));
  CALL(listen(second, 5));
  CALL(connect(second, at(2, 0), IN));
  states_ends("server", FD(accept(listener, NULL, NULL)));
  CALL(connect(one(), at(1, 1), IN));
  FD(accept(first, NULL, NULL));
}

CASE(listening_goes_from_one_to_the_other) {
  int first = one(), second = one();
  SET_AT(first, SOL_SOCKET, SO_REUSEADDR, int, 1);
  SET_AT(second, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
  CALL(listen(first, 5));
  CALL(close(first));
  CALL(listen(second, 5));
  CALL(connect(one(), at(1, 0), IN));
  FD(accept(second, NULL, NULL));
}

CASE(a_listener_that_comes_again) {
  int listener = one(), client = one(), next = one(), reusing = one();
  SET_AT(listener, SOL_SOCKET, SO_REUSEADDR, int, 1);
  listening(listener, at(2, 0), IN);
  DO(connect(client, at(2, 0), IN));
  int server = DO(accept(listener, NULL, NULL));
  GET_AT(server, SOL_SOCKET, SO_REUSEADDR, int);
  CALL(close(listener));
  CALL(bind(next, at(2, 0), IN));
  SET_AT(reusing, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(reusing, at(2, 0), IN));
  CALL(listen(reusing, 5));
  CALL(send(client, "x", 1, 0));
  TAKE(server);
}

CASE(so_reuseport_of_both) {
  int first = one(), second = one();
  SET_AT(first, SOL_SOCKET, SO_REUSEPORT, int, 1);
  SET_AT(second, SOL_SOCKET, SO_REUSEPORT, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
  CALL(listen(first, 5));
  CALL(listen(second, 5));
}

static int reuses_port(int fd) {
  DO(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)));
  return fd;
}

CASE(so_reuseport_of_one_of_two) {
  int with = reuses_port(one()), without = one();
  CALL(bind(with, at(1, 0), IN));
  CALL(bind(without, at(1, 0), IN));
  SET_AT(without, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(without, at(1, 0), IN));
  int plain = one(), late = reuses_port(one());
  CALL(bind(plain, at(1, 1), IN));
  CALL(bind(late, at(1, 1), IN));
  SET_AT(plain, SOL_SOCKET, SO_REUSEPORT, int, 1);
  CALL(bind(late, at(1, 1), IN));
}

CASE(so_reuseport_on_other_addresses) {
  int first = reuses_port(one()), second = reuses_port(one()), all = reuses_port(one()), both = reuses_port(one());
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(2, 0), IN));
  CALL(bind(all, any(0), IN));
  CALL(sctp_bindx(both, packed(2, at(1, 0), at(2, 0)), 2, SCTP_BINDX_ADD_ADDR));
  CALL(listen(first, 5));
  CALL(listen(second, 5));
  CALL(listen(both, 5));
  CALL(listen(all, 5));
}

CASE(so_reuseport_of_a_wildcard) {
  int first = reuses_port(one()), all = reuses_port(one()), six = reuses_port(one6()), more = reuses_port(one());
  CALL(bind(all, any(0), IN));
  CALL(listen(all, 5));
  CALL(bind(more, any(0), IN));
  CALL(listen(more, 5));
  CALL(bind(six, any6(0), IN6));
  CALL(listen(six, 5));
  CALL(bind(first, at(1, 0), IN));
  CALL(listen(first, 5));
}

CASE(so_reuseport_of_several_addresses) {
  int first = reuses_port(one()), second = reuses_port(one());
  CALL(sctp_bindx(first, packed(2, at(1, 0), at(2, 0)), 2, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(second, packed(2, at(2, 0), at(1, 0)), 2, SCTP_BINDX_ADD_ADDR));
  CALL(listen(first, 5));
  CALL(listen(second, 5));
}

CASE(so_reuseport_and_so_reuseaddr) {
  int first = reuses_port(one()), second = reuses_port(one());
  SET_AT(first, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
  CALL(listen(first, 5));
  CALL(listen(second, 5));
}

CASE(so_reuseport_and_sctp_reuse_port) {
  int first = reuses_port(one()), second = one();
  USE(second, SCTP_REUSE_PORT, int, 1);
  CALL(bind(first, at(1, 0), IN));
  CALL(bind(second, at(1, 0), IN));
}

/* How many are the listeners' among so many that connect. */
#define CONNECTS 64
static void states_share(const char *what, int count, const int *listeners) {
  int each[4] = {0}, sum = 0;
  for (int i = 0; i < count; i++) {
    struct pollfd ready = {.fd = listeners[i], .events = POLLIN};
    for (; poll(&ready, 1, 0) == 1; each[i]++) DO(accept(listeners[i], NULL, NULL));
    sum += each[i];
    FACT(what, "%s", each[i] == 0 ? "nothing" : each[i] == CONNECTS ? "all" : "some");
  }
  FACT("together", "%d", sum);
}

CASE(so_reuseport_divides) {
  int listeners[4];
  for (int i = 0; i < 4; i++) listeners[i] = listening(reuses_port(one()), at(2, 0), IN);
  for (int i = 0; i < CONNECTS; i++) DO(connect(one(), at(2, 0), IN));
  states_share("of four", 4, listeners);
}

CASE(so_reuseport_divides_among_one_to_many) {
  int servers[2], sum = 0;
  for (int i = 0; i < 2; i++) servers[i] = listening(reuses_port(many()), at(2, 0), IN);
  for (int i = 0; i < CONNECTS; i++) DO(connect(one(), at(2, 0), IN));
  for (int i = 0; i < 2; i++) {
    uint32_t count = 0;
    socklen_t length = sizeof count;
    DO(getsockopt(servers[i], SOL_SCTP, SCTP_GET_ASSOC_NUMBER, &count, &length));
    FACT("associations", "%s", count == 0 ? "none" : count == CONNECTS ? "all" : "some");
    sum += count;
  }
  FACT("together", "%d", sum);
}

CASE(so_reuseport_of_both_styles) {
  int first = reuses_port(one()), second = reuses_port(many());
  CALL(bind(first, at(2, 0), IN));
  CALL(bind(second, at(2, 0), IN));
  CALL(listen(first, 5));
  CALL(listen(second, 5));
}

/* What waits at a listener that is closed is lost; what comes later is the others'. */
CASE(so_reuseport_and_a_listener_that_goes) {
  int listeners[2], lost, others, first = 0;
  struct pollfd clients[CONNECTS];
  for (int i = 0; i < 2; i++) listeners[i] = listening(reuses_port(one()), at(2, 0), IN);
  for (int i = 0; i < CONNECTS; i++) {
    clients[i] = (struct pollfd){.fd = one(), .events = POLLIN};
    DO(connect(clients[i].fd, at(2, 0), IN));
  }
  CALL(close(listeners[0]));
  struct pollfd other = {.fd = listeners[1], .events = POLLIN};
  for (others = 0; poll(&other, 1, 0) == 1; others++) DO(accept(listeners[1], NULL, NULL));
  long end = now_ms() + PATIENCE_MS;
  while ((lost = poll(clients, CONNECTS, 0)) + others < CONNECTS && now_ms() < end) poll(NULL, 0, 1);
  while (first < CONNECTS - 1 && clients[first].revents == 0) first++;
  char byte;
  ssize_t got = recv(clients[first].fd, &byte, 1, MSG_DONTWAIT);
  FACT("a client of the first", "%zd %s", got, got < 0 ? error_name(errno) : "");
  FACT("lost", "%s", lost == 0 ? "none" : lost == CONNECTS ? "all" : "some");
  FACT("together", "%d", lost + others);
  for (int i = 0; i < CONNECTS; i++) DO(connect(one(), at(2, 0), IN));
  states_share("of the one that is left", 1, listeners + 1);
  listeners[0] = listening(reuses_port(one()), at(2, 0), IN);
  for (int i = 0; i < CONNECTS; i++) DO(connect(one(), at(2, 0), IN));
  states_share("of two again", 2, listeners);
}

CASE(so_reuseport_of_one_that_listens) {
  int first = reuses_port(one()), second = reuses_port(one());
  CALL(bind(first, at(2, 0), IN));
  CALL(bind(second, at(2, 0), IN));
  CALL(listen(first, 100));
  for (int i = 0; i < CONNECTS; i++) DO(connect(one(), at(2, 0), IN));
  states_share("of the only listener", 1, &first);
  CALL(listen(second, 5));
  CALL(listen(first, 0));
  CALL(connect(one(), at(2, 0), IN));
  FD(accept(second, NULL, NULL));
  CALL(connect(first, at(2, 0), IN));
}

/* An association outlives the option of its listener. */
CASE(so_reuseport_of_what_was_accepted) {
  int listener = listening(reuses_port(one()), at(2, 0), IN), client = one(), next = reuses_port(one()), plain = one();
  DO(connect(client, at(2, 0), IN));
  int server = FD(accept(listener, NULL, NULL));
  GET_AT(server, SOL_SOCKET, SO_REUSEPORT, int);
  SET_AT(server, SOL_SOCKET, SO_REUSEADDR, int, 1);
  CALL(close(listener));
  CALL(bind(plain, at(2, 0), IN));
  CALL(bind(next, at(2, 0), IN));
  CALL(listen(next, 5));
}
