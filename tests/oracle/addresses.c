/* IPv6, and IPv4 addresses that are mapped into it. */
#include "oracle.h"

static void states_name(const char *what, int fd) {
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  if (called(what, getsockname(fd, (void *)&name, &length)) == 0) states_address(what, &name, length);
}

static void states_peer(const char *what, int fd) {
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  if (called(what, getpeername(fd, (void *)&name, &length)) == 0) states_address(what, &name, length);
}

CASE(one_to_one_over_ipv6) {
  struct pair pair = pair_of(one6, nothing);
  states_name("name of client", pair.client);
  states_name("name of server", pair.server);
  states_peer("peer of client", pair.client);
  states_peer("peer of server", pair.server);
  CALL(send(pair.client, "hello", 5, 0));
  TAKE(pair.server);
}

CASE(one_to_many_over_ipv6) {
  struct pair pair = pair_of(many6, subscribe_all);
  TAKE(pair.client);
  TAKE(pair.server);
  CALL(sendto(pair.client, "hello", 5, 0, at6(0), IN6));
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(ipv4_by_a_mapped_address) {
  int listener = one6(), client = one6();
  CALL(bind(listener, mapped(2, 0), IN6));
  states_name("name of listener", listener);
  CALL(listen(listener, 5));
  CALL(bind(client, mapped(1, 1), IN6));
  CALL(connect(client, mapped(2, 0), IN6));
  int server = FD(accept(listener, NULL, NULL));
  states_name("name of client", client);
  states_peer("peer of client", client);
  states_peer("peer of server", server);
  CALL(send(client, "hello", 5, 0));
  TAKE(server);
}

CASE(ipv4_client_and_ipv6_server) {
  int listener = one6(), client = one();
  CALL(bind(listener, any6(0), IN6));
  states_name("name of listener", listener);
  DO(listen(listener, 5));
  DO(bind(client, at(1, 1), IN));
  CALL(connect(client, at(2, 0), IN));
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  int server = FD(accept(listener, (void *)&from, &length));
  states_address("from", &from, length);
  CALL(send(client, "hello", 5, 0));
  TAKE(server);
}

CASE(plain_ipv4_addresses_on_an_ipv6_socket) {
  int listener = many6(), client = many6();
  SET(listener, SCTP_I_WANT_MAPPED_V4_ADDR, int, 0);
  CALL(bind(listener, at(2, 0), IN));
  states_name("name of listener", listener);
  DO(listen(listener, 5));
  CALL(bind(client, at(1, 1), IN));
  states_name("name of client", client);
  CALL(sendto(client, "hello", 5, 0, at(2, 0), IN));
  TAKE(listener);
}

CASE(only_ipv6) {
  int listener = one6(), client = one();
  SET_AT(listener, IPPROTO_IPV6, IPV6_V6ONLY, int, 1);
  CALL(bind(listener, mapped(2, 0), IN6));
  CALL(bind(listener, any6(0), IN6));
  DO(listen(listener, 5));
  CALL(connect(client, at(2, 0), IN));
}

CASE(ipv6_addresses_on_an_ipv4_socket) {
  int fd = one();
  CALL(bind(fd, at6(0), IN6));
  CALL(connect(fd, at6(0), IN6));
  CALL(bind(fd, mapped(1, 0), IN6));
  CALL(sctp_bindx(fd, at6(0), 1, SCTP_BINDX_ADD_ADDR));
}

CASE(short_ipv6_addresses) {
  int fd = one6();
  CALL(bind(fd, at6(0), 24));
  CALL(bind(fd, at6(0), 23));
  CALL(bind(fd, at6(0), IN));
  struct sockaddr_in6 elsewhere = *(struct sockaddr_in6 *)at6(0);
  elsewhere.sin6_addr.s6_addr[0] = 0x20, elsewhere.sin6_addr.s6_addr[1] = 1;
  CALL(bind(fd, (void *)&elsewhere, IN6));
  elsewhere = *(struct sockaddr_in6 *)at6(0);
  memset(&elsewhere.sin6_addr, 0, 16);
  elsewhere.sin6_addr.s6_addr[0] = 0xfe, elsewhere.sin6_addr.s6_addr[1] = 0x80, elsewhere.sin6_addr.s6_addr[15] = 1;
  CALL(bind(fd, (void *)&elsewhere, IN6));
}

CASE(both_families_at_once) {
  int fd = many6(), client = many6();
  CALL(sctp_bindx(fd, packed(2, at6(0), at(2, 0)), 2, SCTP_BINDX_ADD_ADDR));
  struct sockaddr *addresses;
  CALL(sctp_getladdrs(fd, 0, &addresses));
  FACT("first", "%s", address_name(addresses));
  FACT("second", "%s", address_name((char *)addresses + sctp_getaddrlen(addresses->sa_family)));
  DO(listen(fd, 5));
  DO(bind(client, at6(1), IN6));
  CALL(sendto(client, "hello", 5, 0, at6(0), IN6));
  TAKE(fd);
}
