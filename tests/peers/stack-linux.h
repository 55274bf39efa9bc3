/* The kernel's SCTP, by libsctp: what `peer.c` needs of a stack. */
#include <fcntl.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int Socket;
#define NO_SOCKET (-1)
#define sctp_setprim sctp_prim
#define STACK_PR_ALL SCTP_PR_SCTP_ALL
#define STACK_SCHEDULER SCTP_STREAM_SCHEDULER

static void stack_init(int udp_port) {
  char command[64];
  snprintf(command, sizeof command, "sysctl -qw net.sctp.udp_port=%d", udp_port);
  if (udp_port && system(command)) fprintf(stderr, "no UDP encapsulation\n");
}

static Socket stack_socket(int family) { return socket(family, SOCK_SEQPACKET | SOCK_NONBLOCK, IPPROTO_SCTP); }

static int stack_set(Socket s, int level, int name, const void *value, socklen_t len) {
  return setsockopt(s, level, name, value, len);
}

static int stack_get(Socket s, int name, void *value, socklen_t len) {
  return getsockopt(s, IPPROTO_SCTP, name, value, &len);
}

static int stack_bindx(Socket s, void *addresses, int count, bool add) {
  return sctp_bindx(s, addresses, count, add ? SCTP_BINDX_ADD_ADDR : SCTP_BINDX_REM_ADDR);
}

static int stack_listen(Socket s) { return listen(s, 5); }

static int stack_connectx(Socket s, void *addresses, int count, sctp_assoc_t *association) {
  return sctp_connectx(s, addresses, count, association);
}

static ssize_t stack_send(Socket s, const void *data, size_t len, struct sctp_sendv_spa *how) {
  struct iovec part = {(void *)data, len};
  return sctp_sendv(s, &part, len > 0, NULL, 0, how, sizeof *how, SCTP_SENDV_SPA, 0);
}

static ssize_t stack_receive(Socket s, void *buffer, size_t len, struct sctp_rcvinfo *info, int *flags) {
  struct iovec part = {buffer, len};
  struct sockaddr_storage from;
  socklen_t from_len = sizeof from, info_len = sizeof *info;
  unsigned type = 0;
  return sctp_recvv(s, &part, 1, (struct sockaddr *)&from, &from_len, info, &info_len, &type, flags);
}

static int stack_paddrs(Socket s, sctp_assoc_t association, struct sockaddr **addresses) {
  return sctp_getpaddrs(s, association, addresses);
}

static void stack_close(Socket s) { close(s); }

static int stack_set_potentially_failed(Socket s, sctp_assoc_t association, unsigned errors) {
  struct sctp_paddrthlds limits = {.spt_assoc_id = association};
  socklen_t len = sizeof limits;
  if (getsockopt(s, IPPROTO_SCTP, SCTP_PEER_ADDR_THLDS, &limits, &len)) return -1;
  limits.spt_pathpfthld = errors;
  return setsockopt(s, IPPROTO_SCTP, SCTP_PEER_ADDR_THLDS, &limits, sizeof limits);
}

/* Waits until a command or a message may be there, `ms` milliseconds at most. */
static void stack_wait(Socket s, int ms) {
  struct pollfd both[] = {{STDIN_FILENO, POLLIN, 0}, {s, POLLIN, 0}};
  poll(both, s == NO_SOCKET ? 1 : 2, ms);
}

static int stack_sysctl(const char *name, unsigned value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/sctp/%s", name);
  FILE *file = fopen(path, "w");
  if (!file) return -1;
  int written = fprintf(file, "%u\n", value);
  return fclose(file) || written < 0 ? -1 : 0;
}
