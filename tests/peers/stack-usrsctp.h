/* usrsctp, by its own interface: what `peer.c` needs of a stack. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

typedef struct socket *Socket;
#define NO_SOCKET NULL
#define STACK_PR_ALL 0xf /* RFC 7496, 4.3: SCTP_PR_SCTP_ALL, which its header lacks */
#define STACK_SCHEDULER SCTP_PLUGGABLE_SS

/* Linux answers ICMP protocol unreachable for what a raw socket has no room for, and that ends associations. */
static void enlarge_raw_sockets(void) {
  int room = 8 << 20;
  for (int fd = 3; fd < 64; fd++) setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
}

static void stack_init(int udp_port) {
  usrsctp_init(udp_port, NULL, NULL);
  usrsctp_sysctl_set_sctp_debug_on(0);
  enlarge_raw_sockets();
}

static Socket stack_socket(int family) {
  Socket s = usrsctp_socket(family, SOCK_SEQPACKET, IPPROTO_SCTP, NULL, NULL, 0, NULL);
  if (s) usrsctp_set_non_blocking(s, 1);
  return s;
}

static int stack_set(Socket s, int level, int name, const void *value, socklen_t len) {
  return usrsctp_setsockopt(s, level, name, value, len);
}

static int stack_get(Socket s, int name, void *value, socklen_t len) {
  return usrsctp_getsockopt(s, IPPROTO_SCTP, name, value, &len);
}

static int stack_bindx(Socket s, void *addresses, int count, bool add) {
  return usrsctp_bindx(s, addresses, count, add ? SCTP_BINDX_ADD_ADDR : SCTP_BINDX_REM_ADDR);
}

static int stack_listen(Socket s) { return usrsctp_listen(s, 5); }

static int stack_connectx(Socket s, void *addresses, int count, sctp_assoc_t *association) {
  return usrsctp_connectx(s, addresses, count, association);
}

static ssize_t stack_send(Socket s, const void *data, size_t len, struct sctp_sendv_spa *how) {
  return usrsctp_sendv(s, data, len, NULL, 0, how, sizeof *how, SCTP_SENDV_SPA, 0);
}

static ssize_t stack_receive(Socket s, void *buffer, size_t len, struct sctp_rcvinfo *info, int *flags) {
  struct sockaddr_storage from;
  socklen_t from_len = sizeof from, info_len = sizeof *info;
  unsigned type = 0;
  return usrsctp_recvv(s, buffer, len, (struct sockaddr *)&from, &from_len, info, &info_len, &type, flags);
}

static int stack_paddrs(Socket s, sctp_assoc_t association, struct sockaddr **addresses) {
  return usrsctp_getpaddrs(s, association, addresses);
}

static void stack_close(Socket s) { usrsctp_close(s); }

/* Of associations to come. */
static int stack_set_potentially_failed(Socket s, sctp_assoc_t association, unsigned errors) {
  (void)s;
  (void)association;
  return usrsctp_sysctl_set_sctp_path_pf_threshold(errors);
}

/* Waits until a command is there, `ms` milliseconds at most; a socket of usrsctp is no descriptor: it is asked often. */
static void stack_wait(Socket s, int ms) {
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  poll(&input, 1, s && (ms < 0 || ms > 1) ? 1 : ms);
}

#define SYSCTL(field) \
  if (!strcmp(name, #field)) return usrsctp_sysctl_set_sctp_##field(value);

static int stack_sysctl(const char *name, unsigned value) {
  SYSCTL(ecn_enable)
  SYSCTL(pr_enable)
  SYSCTL(auth_enable)
  SYSCTL(asconf_enable)
  SYSCTL(reconfig_enable)
  SYSCTL(nrsack_enable)
  SYSCTL(enable_sack_immediately)
  SYSCTL(cmt_on_off)
  SYSCTL(sendspace)
  SYSCTL(recvspace)
  SYSCTL(shutdown_guard_time_default)
  return -1;
}
