/* Sets and reads options of one-to-one sockets, as programs do for a kernel with SCTP, and connects a socket of this process
 * with another one of it. What libsctp does through options is done through options.
 * usage: socket_options ADDRESS OTHER_ADDRESS [silent]
 * Both addresses are of this host; with `silent` no packet arrives there. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/sctp.h>

#include "check.h"

static struct sockaddr_in addresses[2];

static int new_socket(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) {
    perror("socket");
    exit(1);
  }
  return fd;
}

static int set(int fd, int option, const void *value, socklen_t length) {
  return setsockopt(fd, SOL_SCTP, option, value, length);
}

/* Reads an option, whose length must be the buffer's. */
static int get(int fd, int option, void *value, socklen_t length) {
  socklen_t reported = length;
  int result = getsockopt(fd, SOL_SCTP, option, value, &reported);
  if (result == 0 && reported != length) {
    errno = 0;
    return -1;
  }
  return result;
}

static int get_int(int fd, int level, int option) {
  int value = -1;
  socklen_t length = sizeof value;
  if (getsockopt(fd, level, option, &value, &length) != 0 || length != sizeof value) return -1;
  return value;
}

static int set_int(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value);
}

/* Both addresses, with this port. */
static void with_port(struct sockaddr_in list[2], int port) {
  memcpy(list, addresses, sizeof addresses);
  list[0].sin_port = list[1].sin_port = htons(port);
}

static int port_of(int fd) {
  struct sockaddr_in local;
  socklen_t length = sizeof local;
  if (getsockname(fd, (struct sockaddr *)&local, &length) != 0) return -1;
  return ntohs(local.sin_port);
}

/* SCTP_GET_PEER_ADDRS or SCTP_GET_LOCAL_ADDRS: how many addresses; the structure is in `room`. */
static int count_addresses(int fd, int option, int association, char room[400]) {
  struct sctp_getaddrs *list = (struct sctp_getaddrs *)room;
  socklen_t length = 400;
  memset(room, 0, 400);
  list->assoc_id = association;
  if (getsockopt(fd, SOL_SCTP, option, room, &length) != 0) return -1;
  return list->addr_num;
}

/* An address of the peer's can be used once a HEARTBEAT was acknowledged. */
static void await_confirmed(int fd, const struct sockaddr_in *address) {
  for (int waited = 0; waited < 30000; waited++) {
    struct sctp_paddrinfo info = {0};
    memcpy(&info.spinfo_address, address, sizeof *address);
    if (get(fd, SCTP_GET_PEER_ADDR_INFO, &info, sizeof info) == 0 && info.spinfo_state == SCTP_ACTIVE) return;
    poll(NULL, 0, 1);
  }
  CHECK(!"confirmed within 30 s");
}

static int listener_with_streams(int streams) {
  struct sctp_initmsg init = {.sinit_num_ostreams = streams};
  struct sockaddr_in both[2];
  int fd = new_socket();
  with_port(both, 0);
  CHECK(set(fd, SCTP_INITMSG, &init, sizeof init) == 0);
  CHECK(set(fd, SCTP_SOCKOPT_BINDX_ADD, both, sizeof both) == 0);
  CHECK(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0);
  CHECK(listen(fd, 8) == 0);
  CHECK(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
  CHECK(port_of(fd) > 0);
  return fd;
}

static int accepted(int listener) {
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) {
    perror("accept");
    exit(1);
  }
  return fd;
}

static void values(void) {
  struct sctp_rtoinfo rto = {.srto_initial = 500, .srto_max = 2000, .srto_min = 200}, got_rto = {0};
  struct sctp_initmsg init = {.sinit_num_ostreams = 7, .sinit_max_instreams = 9}, got_init;
  struct sctp_assoc_value maxseg = {.assoc_value = 1000}, got_maxseg = {0};
  struct sctp_event_subscribe events = {.sctp_association_event = 1, .sctp_shutdown_event = 1}, got_events;
  int fd = new_socket();
  CHECK(get_int(fd, SOL_SCTP, SCTP_NODELAY) == 0);
  CHECK(set_int(fd, SOL_SCTP, SCTP_NODELAY, 1) == 0);
  CHECK(get_int(fd, SOL_SCTP, SCTP_NODELAY) == 1);
  CHECK(set(fd, SCTP_RTOINFO, &rto, sizeof rto) == 0);
  CHECK(get(fd, SCTP_RTOINFO, &got_rto, sizeof got_rto) == 0);
  CHECK(memcmp(&rto, &got_rto, sizeof rto) == 0);
  CHECK(set(fd, SCTP_INITMSG, &init, sizeof init) == 0);
  CHECK(get(fd, SCTP_INITMSG, &got_init, sizeof got_init) == 0);
  CHECK(got_init.sinit_num_ostreams == 7 && got_init.sinit_max_instreams == 9);
  CHECK(set(fd, SCTP_MAXSEG, &maxseg, sizeof maxseg) == 0);
  CHECK(get(fd, SCTP_MAXSEG, &got_maxseg, sizeof got_maxseg) == 0);
  CHECK(got_maxseg.assoc_value == 1000);
  CHECK(get_int(fd, SOL_SCTP, SCTP_MAXSEG) == 1000);
  CHECK(set(fd, SCTP_EVENTS, &events, sizeof events) == 0);
  CHECK(get(fd, SCTP_EVENTS, &got_events, sizeof got_events) == 0);
  CHECK(memcmp(&events, &got_events, sizeof events) == 0);
  close(fd);
}

static void lengths_and_errors(void) {
  struct sctp_status status = {0};
  struct sctp_rtoinfo rto = {0};
  char long_value[200] = {0};
  int fd = new_socket(), value = 1;
  socklen_t length = sizeof long_value;
  /* Too long: cut to what there is, and told. */
  CHECK(getsockopt(fd, SOL_SCTP, SCTP_RTOINFO, long_value, &length) == 0 && length == sizeof rto);
  length = 1;
  memset(long_value, 9, sizeof long_value);
  CHECK(getsockopt(fd, SOL_SCTP, SCTP_EVENTS, long_value, &length) == 0 && length == 1);
  CHECK(long_value[0] == 0 && long_value[1] == 9);
  length = 3;
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, &value, &length), EINVAL);
  length = -1;
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, &value, &length), EINVAL);
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, &value, NULL), EFAULT);
  length = sizeof value;
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, NULL, &length), EFAULT);
  REFUSED(set(fd, SCTP_NODELAY, NULL, sizeof value), EFAULT);
  REFUSED(set(fd, SCTP_NODELAY, &value, 3), EINVAL);
  REFUSED(set(fd, SCTP_NODELAY, &value, -1), EINVAL);
  REFUSED(set(fd, SCTP_RTOINFO, &rto, sizeof rto - 1), EINVAL);
  REFUSED(set(fd, 9999, &value, sizeof value), ENOPROTOOPT);
  REFUSED(get(fd, 9999, &value, sizeof value), ENOPROTOOPT);
  REFUSED(set(fd, SCTP_STATUS, &status, sizeof status), ENOPROTOOPT);
  REFUSED(get(fd, SCTP_STATUS, &status, sizeof status), EINVAL);
  REFUSED(set_int(fd, IPPROTO_TCP, 1, 1), ENOPROTOOPT);
  REFUSED(shutdown(fd, SHUT_WR), ENOTCONN);
  REFUSED(shutdown(fd, 7), EINVAL);
  close(fd);
  REFUSED(set(fd, SCTP_NODELAY, &value, sizeof value), EBADF);
}

static void options_of_all_sockets(void) {
  struct linger linger = {.l_onoff = 1, .l_linger = 3};
  socklen_t length = sizeof linger;
  int fd = new_socket();
  CHECK(get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM);
  CHECK(get_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_SCTP);
  CHECK(get_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET);
  CHECK(get_int(fd, SOL_SOCKET, SO_ERROR) == 0);
  CHECK(set_int(fd, SOL_SOCKET, SO_SNDBUF, 50000) == 0);
  CHECK(get_int(fd, SOL_SOCKET, SO_SNDBUF) == 100000);
  CHECK(set_int(fd, SOL_SOCKET, SO_RCVBUF, 1) == 0);
  CHECK(get_int(fd, SOL_SOCKET, SO_RCVBUF) == 2304);
  CHECK(get_int(fd, SOL_SOCKET, SO_REUSEADDR) == 0);
  CHECK(set_int(fd, SOL_SOCKET, SO_REUSEADDR, 5) == 0);
  CHECK(get_int(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
  memset(&linger, 0, sizeof linger);
  CHECK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0);
  CHECK(linger.l_onoff == 1 && linger.l_linger == 3);
  REFUSED(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(int)), EINVAL);
  REFUSED(set_int(fd, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
  CHECK(set_int(fd, IPPROTO_IP, IP_TOS, 0xbb) == 0);
  /* The ECN field of a stream socket is the protocol's. */
  CHECK(get_int(fd, IPPROTO_IP, IP_TOS) == 0xb8);
  CHECK(set_int(fd, IPPROTO_IP, IP_TTL, 9) == 0);
  CHECK(get_int(fd, IPPROTO_IP, IP_TTL) == 9);
  REFUSED(set_int(fd, IPPROTO_IP, IP_TTL, 256), EINVAL);
  REFUSED(set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, 1), ENOPROTOOPT);
  close(fd);
}

/* RFC 6458, 8.1.27. */
static void shared_ports(void) {
  struct sockaddr_in both[2];
  int fds[3] = {new_socket(), new_socket(), new_socket()};
  with_port(both, 0);
  CHECK(set_int(fds[0], SOL_SCTP, SCTP_REUSE_PORT, 1) == 0);
  CHECK(set_int(fds[1], SOL_SCTP, SCTP_REUSE_PORT, 1) == 0);
  CHECK(bind(fds[0], (struct sockaddr *)&both[0], sizeof both[0]) == 0);
  with_port(both, port_of(fds[0]));
  CHECK(bind(fds[1], (struct sockaddr *)&both[0], sizeof both[0]) == 0);
  REFUSED(bind(fds[2], (struct sockaddr *)&both[0], sizeof both[0]), EADDRINUSE);
  CHECK(listen(fds[1], 1) == 0);
  CHECK(connect(fds[2], (struct sockaddr *)&both[0], sizeof both[0]) == 0);
  for (int i = 0; i < 3; i++) close(fds[i]);
}

static void bound_addresses(void) {
  struct sockaddr_in both[2];
  char list[400];
  int fd = new_socket();
  with_port(both, 0);
  CHECK(count_addresses(fd, SCTP_GET_LOCAL_ADDRS, 0, list) == 0);
  CHECK(bind(fd, (struct sockaddr *)&both[0], sizeof both[0]) == 0);
  REFUSED(bind(fd, (struct sockaddr *)&both[0], sizeof both[0]), EINVAL);
  REFUSED(set(fd, SCTP_SOCKOPT_BINDX_REM, &both[0], sizeof both[0]), EBUSY);
  CHECK(set(fd, SCTP_SOCKOPT_BINDX_ADD, &both[1], sizeof both[1]) == 0);
  CHECK(count_addresses(fd, SCTP_GET_LOCAL_ADDRS, 0, list) == 2);
  CHECK(set(fd, SCTP_SOCKOPT_BINDX_REM, &both[0], sizeof both[0]) == 0);
  CHECK(count_addresses(fd, SCTP_GET_LOCAL_ADDRS, 0, list) == 1);
  REFUSED(set(fd, SCTP_SOCKOPT_BINDX_ADD, both, sizeof both[0] - 1), EINVAL);
  close(fd);
}

/* What was set before the association began holds for it. */
static void an_association(void) {
  struct sctp_initmsg init = {.sinit_num_ostreams = 4};
  struct sctp_rtoinfo rto = {.srto_initial = 700, .srto_max = 4000, .srto_min = 300}, got_rto = {0};
  struct sctp_status status = {0};
  struct sctp_prim primary = {0};
  struct sockaddr_in both[2], *found;
  char list[400];
  int listener = listener_with_streams(6), fd = new_socket();
  with_port(both, port_of(listener));
  CHECK(set(fd, SCTP_INITMSG, &init, sizeof init) == 0);
  CHECK(set(fd, SCTP_RTOINFO, &rto, sizeof rto) == 0);
  CHECK(connect(fd, (struct sockaddr *)&both[0], sizeof both[0]) == 0);
  int served = accepted(listener);
  CHECK(get(fd, SCTP_STATUS, &status, sizeof status) == 0);
  CHECK(status.sstat_state == SCTP_ESTABLISHED && status.sstat_assoc_id > SCTP_ALL_ASSOC);
  CHECK(status.sstat_outstrms == 4 && status.sstat_instrms == 6);
  CHECK(get(served, SCTP_STATUS, &status, sizeof status) == 0);
  CHECK(status.sstat_outstrms == 6 && status.sstat_instrms == 4);
  CHECK(get(fd, SCTP_RTOINFO, &got_rto, sizeof got_rto) == 0 && got_rto.srto_max == 4000);
  CHECK(count_addresses(fd, SCTP_GET_PEER_ADDRS, 0, list) == 2);
  found = (struct sockaddr_in *)(list + sizeof(struct sctp_getaddrs));
  CHECK(found[0].sin_port == both[0].sin_port && found[1].sin_port == both[0].sin_port);
  CHECK(count_addresses(fd, SCTP_GET_LOCAL_ADDRS, 1, list) >= 2);
  await_confirmed(fd, &both[1]);
  memcpy(&primary.ssp_addr, &both[1], sizeof both[1]);
  CHECK(set(fd, SCTP_PRIMARY_ADDR, &primary, sizeof primary) == 0);
  memset(&primary, 0, sizeof primary);
  CHECK(get(fd, SCTP_PRIMARY_ADDR, &primary, sizeof primary) == 0);
  CHECK(((struct sockaddr_in *)&primary.ssp_addr)->sin_addr.s_addr == both[1].sin_addr.s_addr);
  CHECK(set_int(fd, SOL_SCTP, SCTP_NODELAY, 1) == 0);
  REFUSED(connect(fd, (struct sockaddr *)&both[0], sizeof both[0]), EISCONN);
  REFUSED(set(fd, SCTP_SOCKOPT_CONNECTX, &both[0], sizeof both[0]), EISCONN);
  REFUSED(listen(fd, 1), EINVAL);
  CHECK(shutdown(fd, SHUT_RD) == 0);
  CHECK(write(fd, "x", 1) == 1);
  CHECK(read(served, list, sizeof list) == 1);
  CHECK(shutdown(fd, SHUT_WR) == 0);
  CHECK(read(served, list, sizeof list) == 0);
  close(fd);
  close(served);
  close(listener);
}

/* All three forms of sctp_connectx, with and without waiting. */
static void connecting_to_a_list(void) {
  struct sockaddr_in both[2];
  char list[400];
  int listener = listener_with_streams(2);
  with_port(both, port_of(listener));

  int fd = new_socket();
  CHECK(set(fd, SCTP_SOCKOPT_CONNECTX, both, sizeof both) > SCTP_ALL_ASSOC);
  CHECK(count_addresses(fd, SCTP_GET_PEER_ADDRS, 0, list) == 2);
  close(accepted(listener));
  close(fd);

  fd = new_socket();
  CHECK(set(fd, SCTP_SOCKOPT_CONNECTX_OLD, both, sizeof both) == 0);
  close(accepted(listener));
  close(fd);

  fd = new_socket();
  struct sctp_getaddrs_old asked = {.addr_num = sizeof both, .addrs = (struct sockaddr *)both};
  socklen_t length = sizeof asked;
  CHECK(getsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX3, &asked, &length) == 0);
  CHECK(length == sizeof(sctp_assoc_t) && asked.assoc_id > SCTP_ALL_ASSOC);
  close(accepted(listener));
  close(fd);

  fd = new_socket();
  fcntl(fd, F_SETFL, O_NONBLOCK);
  asked.assoc_id = 0;
  length = sizeof asked;
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX3, &asked, &length), EINPROGRESS);
  CHECK(length == sizeof(sctp_assoc_t) && asked.assoc_id > SCTP_ALL_ASSOC);
  struct pollfd wanted = {.fd = fd, .events = POLLOUT};
  CHECK(poll(&wanted, 1, 30000) == 1);
  CHECK(get_int(fd, SOL_SOCKET, SO_ERROR) == 0);
  close(accepted(listener));
  close(fd);

  fd = new_socket();
  asked.addr_num = 0;
  length = sizeof asked;
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX3, &asked, &length), EINVAL);
  asked.addr_num = sizeof both;
  asked.addrs = NULL;
  REFUSED(getsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX3, &asked, &length), EFAULT);
  close(fd);
  close(listener);
}

/* Nobody answers in time: SO_SNDTIMEO bounds the wait, and the set-up goes on. */
static void a_silent_peer(void) {
  struct timeval soon = {.tv_usec = 100000};
  struct sockaddr_in peer[2];
  int fd = new_socket();
  with_port(peer, 9);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon) == 0);
  REFUSED(connect(fd, (struct sockaddr *)peer, sizeof peer[0]), EINPROGRESS);
  REFUSED(connect(fd, (struct sockaddr *)peer, sizeof peer[0]), EALREADY);
  REFUSED(set(fd, SCTP_SOCKOPT_CONNECTX, peer, sizeof peer), EALREADY);
  close(fd);
}

/* A socket whose set-up failed is as good as before. */
static void trying_again(void) {
  struct sockaddr_in both[2], nobody[2];
  struct sctp_initmsg init = {.sinit_num_ostreams = 3};
  struct sctp_status status = {0};
  int listener = listener_with_streams(2), closed = listener_with_streams(2), fd = new_socket();
  with_port(both, port_of(listener));
  with_port(nobody, port_of(closed));
  close(closed);
  CHECK(set(fd, SCTP_INITMSG, &init, sizeof init) == 0);
  REFUSED(connect(fd, (struct sockaddr *)nobody, sizeof nobody[0]), ECONNREFUSED);
  int port = port_of(fd);
  REFUSED(set(fd, SCTP_SOCKOPT_CONNECTX, nobody, sizeof nobody), ECONNREFUSED);
  CHECK(connect(fd, (struct sockaddr *)both, sizeof both[0]) == 0);
  CHECK(port_of(fd) == port);
  CHECK(get(fd, SCTP_STATUS, &status, sizeof status) == 0);
  CHECK(status.sstat_state == SCTP_ESTABLISHED && status.sstat_outstrms == 3);
  int served = accepted(listener);
  char byte = 0;
  CHECK(write(fd, "y", 1) == 1 && read(served, &byte, 1) == 1 && byte == 'y');
  close(served);
  close(fd);
  close(listener);
}

/* Closing with a linger of zero aborts. */
static void lingering(void) {
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  struct sockaddr_in both[2];
  char byte;
  int listener = listener_with_streams(2), fd = new_socket();
  with_port(both, port_of(listener));
  CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  CHECK(connect(fd, (struct sockaddr *)both, sizeof both[0]) == 0);
  int served = accepted(listener);
  close(fd);
  REFUSED(read(served, &byte, 1), ECONNRESET);
  CHECK(get_int(served, SOL_SOCKET, SO_TYPE) == SOCK_STREAM);
  close(served);
  close(listener);
}

/* Sockets of IPv6 take IPv4, and show it mapped unless told otherwise. */
static void mapped_addresses(void) {
  struct sockaddr_in6 peer = {.sin6_family = AF_INET6};
  struct sockaddr_storage shown;
  socklen_t length = sizeof shown;
  int listener = listener_with_streams(2), fd = socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(get_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6);
  CHECK(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
  CHECK(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
  CHECK(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0);
  CHECK(get_int(fd, SOL_SCTP, SCTP_I_WANT_MAPPED_V4_ADDR) == 1);
  peer.sin6_port = htons(port_of(listener));
  peer.sin6_addr.s6_addr[10] = peer.sin6_addr.s6_addr[11] = 0xff;
  memcpy(&peer.sin6_addr.s6_addr[12], &addresses[0].sin_addr, 4);
  CHECK(connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0);
  REFUSED(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), EINVAL);
  CHECK(getpeername(fd, (struct sockaddr *)&shown, &length) == 0 && length == sizeof peer);
  CHECK(memcmp(&((struct sockaddr_in6 *)&shown)->sin6_addr, &peer.sin6_addr, 16) == 0);
  CHECK(set_int(fd, SOL_SCTP, SCTP_I_WANT_MAPPED_V4_ADDR, 0) == 0);
  length = sizeof shown;
  CHECK(getpeername(fd, (struct sockaddr *)&shown, &length) == 0 && shown.ss_family == AF_INET);
  close(accepted(listener));
  close(fd);
  close(listener);
}

static void at_exit(void) {
  int fd = new_socket();
  if (get_int(fd, SOL_SCTP, SCTP_NODELAY) != 0) _exit(3);
  close(fd);
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) {
    fprintf(stderr, "usage: socket_options ADDRESS OTHER_ADDRESS [silent]\n");
    return 2;
  }
  for (int i = 0; i < 2; i++) {
    addresses[i].sin_family = AF_INET;
    if (inet_pton(AF_INET, argv[1 + i], &addresses[i].sin_addr) != 1) return 2;
  }
  if (argc == 4) {
    a_silent_peer();
    printf("%d failures\n", failures);
    return failures != 0;
  }
  atexit(at_exit);
  values();
  lengths_and_errors();
  options_of_all_sockets();
  shared_ports();
  bound_addresses();
  an_association();
  connecting_to_a_list();
  trying_again();
  lingering();
  mapped_addresses();
  printf("%d failures\n", failures);
  return failures != 0;
}
