/* Options at the levels SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6 and others. */
#include "oracle.h"

#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/time.h>

static char data[200];

CASE(linger) {
  int fd = one();
  GET_AT(fd, SOL_SOCKET, SO_LINGER, struct linger);
  SET_AT(fd, SOL_SOCKET, SO_LINGER, struct linger, 1, 5);
  GET_AT(fd, SOL_SOCKET, SO_LINGER, struct linger);
  SET_AT(fd, SOL_SOCKET, SO_LINGER, struct linger, 0, 0);
  GET_AT(fd, SOL_SOCKET, SO_LINGER, struct linger);
  SET_AT(fd, SOL_SOCKET, SO_LINGER, int, 1);
}

CASE(buffers) {
  int fd = one();
  SET_AT(fd, SOL_SOCKET, SO_SNDBUF, int, 50000);
  GET_AT(fd, SOL_SOCKET, SO_SNDBUF, int);
  SET_AT(fd, SOL_SOCKET, SO_RCVBUF, int, 60000);
  GET_AT(fd, SOL_SOCKET, SO_RCVBUF, int);
  SET_AT(fd, SOL_SOCKET, SO_SNDBUF, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_SNDBUF, int);
  SET_AT(fd, SOL_SOCKET, SO_RCVBUF, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_RCVBUF, int);
  SET_AT(fd, SOL_SOCKET, SO_RCVBUF, char, 1);
}

CASE(buffers_are_inherited) {
  int listener = one(), client = one();
  SET_AT(listener, SOL_SOCKET, SO_SNDBUF, int, 50000);
  SET_AT(listener, SOL_SOCKET, SO_RCVBUF, int, 60000);
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  DO(connect(client, at(2, 0), IN));
  int server = FD(accept(listener, NULL, NULL));
  GET_AT(server, SOL_SOCKET, SO_SNDBUF, int);
  GET_AT(server, SOL_SOCKET, SO_RCVBUF, int);
}

CASE(time_outs) {
  int fd = one();
  GET_AT(fd, SOL_SOCKET, SO_RCVTIMEO, struct timeval);
  SET_AT(fd, SOL_SOCKET, SO_RCVTIMEO, struct timeval, 2, 0);
  GET_AT(fd, SOL_SOCKET, SO_RCVTIMEO, struct timeval);
  SET_AT(fd, SOL_SOCKET, SO_SNDTIMEO, struct timeval, 3, 0);
  GET_AT(fd, SOL_SOCKET, SO_SNDTIMEO, struct timeval);
  SET_AT(fd, SOL_SOCKET, SO_RCVTIMEO, struct timeval, 0, 2000000);
  SET_AT(fd, SOL_SOCKET, SO_RCVTIMEO, int, 1);
}

CASE(errors_are_read_once) {
  int fd = one();
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
  SET_AT(fd, SOL_SOCKET, SO_ERROR, int, 5);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  CALL(connect(fd, at(2, 0), IN));
  await(fd, POLLOUT);
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
}

CASE(switches_of_a_socket) {
  int fd = one();
  GET_AT(fd, SOL_SOCKET, SO_KEEPALIVE, int);
  SET_AT(fd, SOL_SOCKET, SO_KEEPALIVE, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_KEEPALIVE, int);
  SET_AT(fd, SOL_SOCKET, SO_REUSEPORT, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_REUSEPORT, int);
  SET_AT(fd, SOL_SOCKET, SO_BROADCAST, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_BROADCAST, int);
  SET_AT(fd, SOL_SOCKET, SO_PRIORITY, int, 4);
  GET_AT(fd, SOL_SOCKET, SO_PRIORITY, int);
  SET_AT(fd, SOL_SOCKET, SO_DONTROUTE, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_DONTROUTE, int);
  SET_AT(fd, SOL_SOCKET, SO_OOBINLINE, int, 1);
  GET_AT(fd, SOL_SOCKET, SO_RCVLOWAT, int);
  GET_AT(fd, SOL_SOCKET, SO_SNDLOWAT, int);
  SET_AT(fd, SOL_SOCKET, SO_TYPE, int, 1);
  SET_AT(fd, SOL_SOCKET, SO_ACCEPTCONN, int, 1);
  GET_AT(fd, SOL_SOCKET, 9999, int);
  SET_AT(fd, SOL_SOCKET, 9999, int, 1);
}

CASE(type_of_service) {
  int fd = one();
  GET_AT(fd, IPPROTO_IP, IP_TOS, int);
  SET_AT(fd, IPPROTO_IP, IP_TOS, int, 0x28);
  GET_AT(fd, IPPROTO_IP, IP_TOS, int);
  SET_AT(fd, IPPROTO_IP, IP_TOS, char, 0x10);
  GET_AT(fd, IPPROTO_IP, IP_TOS, char);
  SET_AT(fd, IPPROTO_IP, IP_TTL, int, 9);
  GET_AT(fd, IPPROTO_IP, IP_TTL, int);
}

CASE(only_ipv6) {
  int fd = one6();
  GET_AT(fd, IPPROTO_IPV6, IPV6_V6ONLY, int);
  SET_AT(fd, IPPROTO_IPV6, IPV6_V6ONLY, int, 1);
  GET_AT(fd, IPPROTO_IPV6, IPV6_V6ONLY, int);
  DO(bind(fd, at6(0), IN6));
  SET_AT(fd, IPPROTO_IPV6, IPV6_V6ONLY, int, 0);
  GET_AT(one(), IPPROTO_IPV6, IPV6_V6ONLY, int);
  SET_AT(fd, IPPROTO_IPV6, IPV6_TCLASS, int, 0x20);
  GET_AT(fd, IPPROTO_IPV6, IPV6_TCLASS, int);
}

CASE(levels_of_others) {
  int fd = one();
  GET_AT(fd, IPPROTO_TCP, TCP_NODELAY, int);
  SET_AT(fd, IPPROTO_TCP, TCP_NODELAY, int, 1);
  SET_AT(fd, IPPROTO_UDP, 1, int, 1);
  SET_AT(fd, 9999, 1, int, 1);
  GET_AT(fd, 9999, 1, int);
  GET_AT(fd, -1, 1, int);
}

CASE(short_values_of_socket_options) {
  int fd = one();
  for (socklen_t room = 0; room <= 8; room += 2) {
    unsigned char value[8];
    memset(value, 0xee, sizeof value);
    socklen_t length = room;
    CALL(getsockopt(fd, SOL_SOCKET, SO_TYPE, value, &length));
    FACT("length", "%u of %u, then %x", length, room, value[room < 8 ? room : 7]);
  }
}

static void states_peer_name(const char *what, int fd, socklen_t room) {
  char name[100] = {0};
  socklen_t length = room;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERNAME, name, &length);
  FACT(what, "%s, room %d, length %d", result == 0 ? "works" : error_name(errno), (int)room, (int)length);
  if (result == 0 && length >= IN) states_address(what, name, length);
}

CASE(name_of_the_peer) {
  struct pair pair = one_pair();
  states_peer_name("of a new socket", one(), IN);
  states_peer_name("of a one-to-many socket", many(), IN);
  states_peer_name("of a listener", pair.listener, IN);
  for (int room = -1; room <= 17; room += 3) states_peer_name("of a client", pair.client, room);
  states_peer_name("of a client", pair.client, IN);
  states_peer_name("of a server", pair.server, IN);
  DO(close(pair.server));
  await_end(pair.client);
  states_peer_name("when the association has ended", pair.client, IN);
  SET_AT(pair.client, SOL_SOCKET, SO_PEERNAME, struct sockaddr_in, AF_INET);
}

CASE(process_of_the_peer) {
  struct pair pair = one_pair();
  GET_AT(one(), SOL_SOCKET, SO_PEERCRED, struct ucred);
  GET_AT(pair.client, SOL_SOCKET, SO_PEERCRED, struct ucred);
  GET_AT(pair.server, SOL_SOCKET, SO_PEERCRED, int);
  SET_AT(pair.client, SOL_SOCKET, SO_PEERCRED, struct ucred, 1);
  GET_AT(pair.client, SOL_SOCKET, SO_PEERGROUPS, int);
}

CASE(requests_of_interfaces) {
  int requests[] = {SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFMTU};
  struct pair pair = one_pair();
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
    struct ifreq interface = {.ifr_name = "lo"};
    CALL(ioctl(pair.client, requests[i], &interface));
    FACT("request", "%x", requests[i]);
    if (i < 2) states_address("address", &interface.ifr_addr, IN);
  }
  struct ifreq none = {.ifr_name = "none"};
  CALL(ioctl(many(), SIOCGIFADDR, &none));
  CALL(ioctl(pair.client, SIOCPROTOPRIVATE, data));
  CALL(ioctl(pair.client, TCGETS, data));
}
