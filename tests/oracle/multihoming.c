/* Several addresses: bindx, connectx, getpaddrs, getladdrs. */
#include "oracle.h"

static void states_addresses(const char *what, int count, struct sockaddr *addresses) {
  const char *next = (void *)addresses;
  FACT(what, "%d", count);
  for (int i = 0; i < count; i++) {
    FACT(what, "%s", address_name(next));
    next += sctp_getaddrlen(((struct sockaddr *)next)->sa_family);
  }
}

static void states_local(int fd, sctp_assoc_t id) {
  struct sockaddr *addresses = NULL;
  int count = CALL(sctp_getladdrs(fd, id, &addresses));
  states_addresses("local", count, addresses);
  if (count > 0) CALL(sctp_freeladdrs(addresses));
}

static void states_peer(int fd, sctp_assoc_t id) {
  struct sockaddr *addresses = NULL;
  int count = CALL(sctp_getpaddrs(fd, id, &addresses));
  states_addresses("peer's", count, addresses);
  if (count > 0) CALL(sctp_freepaddrs(addresses));
}

CASE(bindx_adds) {
  int fd = many();
  CALL(sctp_bindx(fd, packed(2, at(1, 0), at(2, 0)), 2, SCTP_BINDX_ADD_ADDR));
  states_local(fd, 0);
  CALL(sctp_bindx(fd, packed(1, at(3, 0)), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, packed(1, at(3, 0)), 1, SCTP_BINDX_ADD_ADDR));
  states_local(fd, 0);
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  CALL(getsockname(fd, (void *)&name, &length));
  states_address("name", &name, length);
}

CASE(bindx_removes) {
  int fd = many();
  DO(sctp_bindx(fd, packed(3, at(1, 0), at(2, 0), at(3, 0)), 3, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, packed(1, at(2, 0)), 1, SCTP_BINDX_REM_ADDR));
  states_local(fd, 0);
  CALL(sctp_bindx(fd, packed(1, at(2, 0)), 1, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(fd, packed(1, at(4, 0)), 1, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(fd, packed(1, at(3, 0)), 1, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(fd, packed(1, at(1, 0)), 1, SCTP_BINDX_REM_ADDR));
  states_local(fd, 0);
}

CASE(bindx_after_bind) {
  int fd = one();
  DO(bind(fd, at(1, 0), IN));
  CALL(sctp_bindx(fd, at(2, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, at(3, 1), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, at(3, -1), 1, SCTP_BINDX_ADD_ADDR));
  states_local(fd, 0);
}

CASE(bindx_of_what_cannot_be_bound) {
  int fd = many();
  struct sockaddr_in elsewhere = *(struct sockaddr_in *)at(1, 0);
  elsewhere.sin_addr.s_addr = htonl(0xc0000201);
  CALL(sctp_bindx(fd, (void *)&elsewhere, 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, at(1, 0), 1, 3));
  CALL(sctp_bindx(fd, at(1, 0), 1, 0));
  CALL(sctp_bindx(fd, at(1, 0), 0, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, at(1, 0), -1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(fd, packed(2, at(1, 0), (void *)&elsewhere), 2, SCTP_BINDX_ADD_ADDR));
  states_local(fd, 0);
  CALL(sctp_bindx(-1, at(1, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_BINDX_ADD, at(1, 0), 5));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_BINDX_REM, at(1, 0), IN));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_BINDX_ADD, at(1, 0), IN));
}

CASE(bindx_of_several_ports) {
  int fd = many();
  CALL(sctp_bindx(fd, packed(2, at(1, 0), at(2, 1)), 2, SCTP_BINDX_ADD_ADDR));
  states_local(fd, 0);
}

CASE(local_addresses_of_an_unbound_socket) {
  int fd = many();
  struct sockaddr *addresses = NULL;
  CALL(sctp_getladdrs(fd, 0, &addresses));
  DO(bind(fd, at(1, 0), IN));
  states_local(fd, 0);
  states_local(fd, 99999);
  states_peer(fd, 0);
}

static int server_of(int count) {
  int fd = many();
  DO(sctp_bindx(fd, packed(2, at(2, 0), at(3, 0)), count, SCTP_BINDX_ADD_ADDR));
  DO(listen(fd, 5));
  return fd;
}

CASE(addresses_of_an_association) {
  int server = server_of(2), client = many();
  DO(sctp_bindx(client, packed(2, at(1, 1), at(4, 1)), 2, SCTP_BINDX_ADD_ADDR));
  CALL(connect(client, at(2, 0), IN));
  states_local(client, association(client));
  states_peer(client, association(client));
  states_local(server, association(server));
  states_peer(server, association(server));
  states_peer(client, 99999);
}

CASE(connectx_to_all_addresses) {
  server_of(2);
  int client = many();
  DO(bind(client, at(1, 1), IN));
  sctp_assoc_t id = 0;
  CALL(sctp_connectx(client, packed(2, at(2, 0), at(3, 0)), 2, &id));
  FACT("the id", "%d", id == association(client));
  states_peer(client, id);
  CALL(sctp_connectx(client, packed(2, at(2, 0), at(3, 0)), 2, &id));
  CALL(sctp_connectx(client, packed(1, at(3, 0)), 1, NULL));
}

CASE(connectx_of_a_one_to_one_socket) {
  int listener = one(), client = one();
  DO(sctp_bindx(listener, packed(2, at(2, 0), at(3, 0)), 2, SCTP_BINDX_ADD_ADDR));
  DO(listen(listener, 1));
  CALL(sctp_connectx(client, packed(2, at(2, 0), at(3, 0)), 2, NULL));
  int server = FD(accept(listener, NULL, NULL));
  states_peer(client, 0);
  CALL(send(client, "hello", 5, 0));
  char data[10];
  CALL(recv(server, data, 10, 0));
  CALL(sctp_connectx(client, at(2, 0), 1, NULL));
}

CASE(connectx_as_it_should_not_be) {
  int fd = many();
  sctp_assoc_t id = 0;
  CALL(sctp_connectx(fd, at(2, 0), 0, &id));
  CALL(sctp_connectx(fd, at(2, 0), -1, &id));
  CALL(sctp_connectx(fd, packed(2, at(2, 0), at(3, 1)), 2, &id));
  CALL(sctp_connectx(fd, at(2, -1), 1, &id));
  CALL(sctp_connectx(fd, at(2, 0), 1, &id));
  CALL(sctp_connectx(-1, at(2, 0), 1, &id));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX_OLD, at(2, 0), 3));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX, at(2, 0), IN));
}

CASE(connectx_by_its_options) {
  server_of(2);
  int old = many(), middle = many(), last = many();
  CALL(setsockopt(old, SOL_SCTP, SCTP_SOCKOPT_CONNECTX_OLD, at(2, 0), IN));
  int id = setsockopt(middle, SOL_SCTP, SCTP_SOCKOPT_CONNECTX, at(2, 0), IN);
  FACT("the result is the id", "%d", id > 0 && id == association(middle));
  struct { sctp_assoc_t id; int length; struct sockaddr *addresses; } argument = {0, IN, at(2, 0)};
  socklen_t length = sizeof argument;
  CALL(getsockopt(last, SOL_SCTP, SCTP_SOCKOPT_CONNECTX3, &argument, &length));
  FACT("the id is in the structure", "%d", argument.id == association(last));
}

CASE(addresses_as_options) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  struct { struct sctp_getaddrs head; unsigned char room[64]; } all = {.head.assoc_id = id};
  socklen_t length = sizeof all;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_GET_PEER_ADDRS, &all, &length));
  FACT("peer's", "%u bytes, %u: %s", length, all.head.addr_num, address_name(all.head.addrs));
  length = 8;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_GET_PEER_ADDRS, &all, &length));
  length = 10;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_GET_LOCAL_ADDRS, &all, &length));
  length = sizeof all;
  CALL(getsockopt(pair.client, SOL_SCTP, SCTP_GET_LOCAL_ADDRS, &all, &length));
  FACT("local", "%u bytes, %u: %s", length, all.head.addr_num, address_name(all.head.addrs));
}

CASE(a_message_by_another_path) {
  int server = server_of(2), client = many();
  DO(bind(client, at(1, 1), IN));
  subscribe(client, SCTP_PEER_ADDR_CHANGE);
  DO(connect(client, at(2, 0), IN));
  skip(client);
  SEND(client, at(3, 0), "hello", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ADDR_OVER));
  TAKE(server);
  SEND(client, at(4, 0), "hello", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ADDR_OVER, .snd_assoc_id = association(client)));
}

CASE(addresses_in_control_messages) {
  int server = server_of(2), client = many();
  USE(server, SCTP_RECVRCVINFO, int, 1);
  DO(bind(client, at(1, 1), IN));
  struct in_addr second = ((struct sockaddr_in *)at(3, 0))->sin_addr;
  SEND(client, at(2, 0), "to both", 0, CMSG(SCTP_DSTADDRV4, struct in_addr, second.s_addr));
  TAKE(server);
  states_peer(client, association(client));
  SEND(client, at(2, 0), "x", 0, CMSG(SCTP_DSTADDRV4, char, 1));
  SEND(client, at(2, 0), "x", 0, CMSG(SCTP_DSTADDRV6, struct in6_addr, .s6_addr = {1}));
}

CASE(bindx_while_connected) {
  struct pair pair = many_pair();
  CALL(sctp_bindx(pair.client, at(4, 1), 1, SCTP_BINDX_ADD_ADDR));
  states_local(pair.client, 0);
  states_peer(pair.server, association(pair.server));
}

/* RFC 6458, 9.1: no new association gets what is removed of the socket; those that there are keep it. */
CASE(an_address_in_use_is_removed) {
  int server = server_of(2), client = many(), other = one(), taker = many();
  DO(bind(client, at(1, 1), IN));
  DO(connect(client, at(2, 0), IN));
  sctp_assoc_t there = association(server);
  CALL(sctp_bindx(server, packed(2, at(2, 0), at(4, 0)), 2, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(server, packed(2, at(2, 0), at(3, 0)), 2, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(server, at(2, 0), 1, SCTP_BINDX_REM_ADDR));
  states_local(server, 0);
  states_local(server, there);
  states_peer(client, association(client));
  CALL(sendto(client, "there", 5, 0, at(2, 0), IN));
  TAKE(server);
  CALL(sendto(server, "back", 4, 0, at(1, 1), IN));
  TAKE(client);
  CALL(connect(other, at(2, 0), IN));
  CALL(connect(other, at(3, 0), IN));
  CALL(sctp_bindx(server, at(2, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(server, at(3, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(bind(taker, at(2, 0), IN));
  CALL(listen(taker, 1));
  CALL(connect(one(), at(2, 0), IN));
  CALL(sendto(client, "still", 5, 0, at(2, 0), IN));
  TAKE(server);
  CALL(sctp_bindx(server, at(2, 0), 1, SCTP_BINDX_ADD_ADDR));
  int peeled = FD(sctp_peeloff(server, there));
  states_local(peeled, 0);
  CALL(sctp_bindx(peeled, at(3, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(close(server));
  CALL(sendto(client, "yet", 3, 0, at(2, 0), IN));
  TAKE(peeled);
}

CASE(an_accepted_socket_loses_an_address) {
  int listener = one(), client = one();
  DO(sctp_bindx(listener, packed(2, at(2, 0), at(3, 0)), 2, SCTP_BINDX_ADD_ADDR));
  DO(listen(listener, 1));
  DO(sctp_bindx(client, packed(2, at(1, 1), at(4, 1)), 2, SCTP_BINDX_ADD_ADDR));
  DO(connect(client, at(2, 0), IN));
  int server = FD(accept(listener, NULL, NULL));
  CALL(sctp_bindx(server, at(2, 0), 1, SCTP_BINDX_REM_ADDR));
  states_local(server, 0);
  CALL(sctp_bindx(client, at(1, 1), 1, SCTP_BINDX_REM_ADDR));
  states_local(client, 0);
  CALL(sctp_bindx(client, at(4, 1), 1, SCTP_BINDX_REM_ADDR));
  states_local(listener, 0);
  CALL(send(client, "there", 5, 0));
  TAKE(server);
  CALL(send(server, "back", 4, 0));
  TAKE(client);
}

CASE(a_wildcard_loses_an_address) {
  int server = many(), client = many();
  DO(bind(server, any(0), IN));
  DO(listen(server, 1));
  DO(bind(client, at(1, 1), IN));
  DO(connect(client, at(1, 0), IN));
  CALL(sctp_bindx(server, at(1, 0), 1, SCTP_BINDX_REM_ADDR));
  CALL(sctp_bindx(server, any(0), 1, SCTP_BINDX_REM_ADDR));
}

static void reconfigures_addresses(int fd) {
  struct sctp_assoc_value on = {SCTP_FUTURE_ASSOC, 1};
  DO(setsockopt(fd, SOL_SCTP, SCTP_AUTH_SUPPORTED, &on, sizeof on));
  DO(setsockopt(fd, SOL_SCTP, SCTP_ASCONF_SUPPORTED, &on, sizeof on));
  subscribe(fd, SCTP_PEER_ADDR_CHANGE);
}

CASE(addresses_are_added_and_removed) {
  struct pair pair = pair_of(many, reconfigures_addresses);
  sctp_assoc_t there = association(pair.server);
  CALL(sctp_bindx(pair.client, at(4, 1), 1, SCTP_BINDX_ADD_ADDR));
  TAKE(pair.server);
  TAKE(pair.server);
  states_peer(pair.server, there);
  SET(pair.client, SCTP_SET_PEER_PRIMARY_ADDR, struct sctp_setpeerprim, association(pair.client), in_storage(at(4, 1)));
  TAKE(pair.server);
  CALL(sctp_bindx(pair.client, at(1, 1), 1, SCTP_BINDX_REM_ADDR));
  TAKE(pair.server);
  states_peer(pair.server, there);
  SET(pair.client, SCTP_SET_PEER_PRIMARY_ADDR, struct sctp_setpeerprim, association(pair.client), in_storage(at(3, 1)));
}

/* The peer does not change addresses, so that the socket alone does. */
CASE(addresses_change_beside_a_peer_that_cannot) {
  int server = many(), client = many();
  reconfigures_addresses(server);
  subscribe(client, SCTP_PEER_ADDR_CHANGE);
  DO(sctp_bindx(server, packed(2, at(2, 0), at(3, 0)), 2, SCTP_BINDX_ADD_ADDR));
  DO(listen(server, 1));
  DO(bind(client, at(1, 1), IN));
  DO(connect(client, at(2, 0), IN));
  sctp_assoc_t there = association(server);
  CALL(sctp_bindx(server, at(4, 0), 1, SCTP_BINDX_ADD_ADDR));
  CALL(sctp_bindx(server, at(3, 0), 1, SCTP_BINDX_REM_ADDR));
  states_local(server, 0);
  states_local(server, there);
  states_peer(client, association(client));
}

/* Waits until the peer has so many addresses. Linux removes all addresses of a call in one ASCONF, we in one after the other (RFC
 * 5061 allows both), and what a notification is from is the primary address when it is read. */
static void await_addresses(int fd, sctp_assoc_t id, int count) {
  for (long end = now_ms() + PATIENCE_MS;; usleep(5000)) {
    struct sockaddr *addresses = NULL;
    int found = sctp_getpaddrs(fd, id, &addresses);
    if (found > 0) sctp_freepaddrs(addresses);
    if (found == count) return;
    if (now_ms() < end) continue;
    fact("await_addresses", "the peer has %d, which spoils the case", found);
    return;
  }
}

/* What the association uses is removed, and the address that its peer sends to. */
CASE(the_address_in_use_goes) {
  struct pair pair = pair_of(many, reconfigures_addresses);
  sctp_assoc_t there = association(pair.server);
  for (int host = 3; host <= 4; host++) {
    CALL(sctp_bindx(pair.client, at(host, 1), 1, SCTP_BINDX_ADD_ADDR));
    TAKE(pair.server);
    TAKE(pair.server);
  }
  CALL(sctp_bindx(pair.client, packed(2, at(1, 1), at(3, 1)), 2, SCTP_BINDX_REM_ADDR));
  await_addresses(pair.server, there, 1);
  for (int i = 0; i < 2; i++) TAKE(pair.server);
  states_local(pair.client, 0);
  states_local(pair.client, association(pair.client));
  states_peer(pair.server, there);
  CALL(sctp_bindx(pair.client, at(4, 1), 1, SCTP_BINDX_REM_ADDR));
  CALL(sendto(pair.server, "there", 5, 0, at(4, 1), IN));
  TAKE(pair.client);
}

CASE(primary_of_two) {
  server_of(2);
  int client = many();
  DO(bind(client, at(1, 1), IN));
  subscribe(client, SCTP_PEER_ADDR_CHANGE);
  DO(connect(client, at(2, 0), IN));
  skip(client);
  sctp_assoc_t id = association(client);
  SET(client, SCTP_PRIMARY_ADDR, struct sctp_prim, id, in_storage(at(3, 0)));
  TAKE(client);
  struct sctp_status status = {.sstat_assoc_id = id};
  socklen_t length = sizeof status;
  CALL(getsockopt(client, SOL_SCTP, SCTP_STATUS, &status, &length));
  FACT("primary", "%s", address_name(&status.sstat_primary.spinfo_address));
  struct sctp_paddrinfo path = {id, in_storage(at(2, 0))};
  length = sizeof path;
  CALL(getsockopt(client, SOL_SCTP, SCTP_GET_PEER_ADDR_INFO, &path, &length));
  FACT("the other path", "active %d", path.spinfo_state == SCTP_ACTIVE);
}
