/* Bulk data and ping-pong over plain sockets, the same over TCP and over SCTP: what benches/shim measures sctp-run with.
 * usage: stream sctp|tcp serve ADDRESS PORT                      one client after the other, until it is killed
 *        stream sctp|tcp bulk ADDRESS PORT SIZE SECONDS [PPID]   prints Mbit/s of payload, when the server has all
 *        stream sctp|tcp ping-pong ADDRESS PORT SIZE COUNT [PPID]  prints the median, in microseconds
 * With a PPID each message of the client's is sent with that, as sctp_sendmsg does it.
 * The first byte of a message is what it is: 'd' data to be counted, 'q' to be sent back, 'e' the end, which is
 * answered by the count of bytes. Over TCP, which has no messages, ping-pong only. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 17];
static uint32_t ppid;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void serve_one(int fd) {
  uint64_t count = 0;
  ssize_t length;
  while ((length = read(fd, buffer, sizeof buffer)) > 0) {
    if (buffer[0] == 'd') count += length;
    if (buffer[0] == 'q' && write(fd, buffer, length) != length) fail("write");
    if (buffer[0] == 'e' && write(fd, &count, sizeof count) != sizeof count) fail("write");
  }
  close(fd);
}

/* SCTP sends small messages together as TCP does (Nagle) in bulk; a question leaves at once. */
static void no_delay(int fd, int protocol) {
  int on = 1;
  if (protocol == IPPROTO_TCP) {
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("TCP_NODELAY");
    /* SCTP_NODELAY is 3; SOL_SCTP is the protocol's number. */
  } else if (setsockopt(fd, IPPROTO_SCTP, 3, &on, sizeof on) != 0) {
    fail("SCTP_NODELAY");
  }
}

static void serve(int fd, int protocol, struct sockaddr_in *address) {
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)address, sizeof *address) != 0) fail("bind");
  if (listen(fd, 5) != 0) fail("listen");
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    int client = accept(fd, NULL, NULL);
    if (client < 0) fail("accept");
    no_delay(client, protocol);
    serve_one(client);
  }
}

/* SCTP_SNDRCV is 1, and its structure this one. */
static ssize_t send_one(int fd, size_t size) {
  struct {
    struct cmsghdr header;
    struct {
      uint16_t stream, ssn, flags;
      uint32_t ppid, context, time_to_live, tsn, cumulative_tsn;
      int32_t association;
    } info;
  } control = {{sizeof control, IPPROTO_SCTP, 1}, {.ppid = htonl(ppid)}};
  struct iovec part = {buffer, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  return ppid == 0 ? write(fd, buffer, size) : sendmsg(fd, &message, 0);
}

static void bulk(int fd, size_t size, double seconds) {
  uint64_t sent = 0, count = 0;
  double begun = now();
  memset(buffer, 'd', size);
  for (int i = 0; i % 64 != 0 || now() - begun < seconds; i++, sent += size)
    if (send_one(fd, size) != (ssize_t)size) fail("write");
  if (write(fd, "e", 1) != 1 || read(fd, &count, sizeof count) != sizeof count) fail("the server's count");
  if (count != sent) {
    fprintf(stderr, "the server has %llu bytes of %llu\n", (unsigned long long)count, (unsigned long long)sent);
    exit(1);
  }
  printf("%.1f\n", count * 8e-6 / (now() - begun));
}

static int compare(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

static void ping_pong(int fd, size_t size, int count) {
  double *times = calloc(count, sizeof *times);
  for (int i = 0; i < count; i++) {
    double begun = now();
    memset(buffer, 'q', size);
    if (send_one(fd, size) != (ssize_t)size) fail("write");
    if (recv(fd, buffer, size, MSG_WAITALL) != (ssize_t)size) fail("recv");
    times[i] = now() - begun;
  }
  qsort(times, count, sizeof *times, compare);
  printf("%.1f\n", times[count / 2] * 1e6);
}

int main(int argc, char **argv) {
  int protocol = argc > 1 && strcmp(argv[1], "tcp") == 0 ? IPPROTO_TCP : IPPROTO_SCTP;
  if (argc < 5) {
    fprintf(stderr, "usage: see the beginning of stream.c\n");
    return 2;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[4]))};
  int fd = socket(AF_INET, SOCK_STREAM, protocol);
  signal(SIGPIPE, SIG_IGN);
  if (fd < 0) fail("socket");
  if (inet_pton(AF_INET, argv[3], &address.sin_addr) != 1) fail("inet_pton");
  if (strcmp(argv[2], "serve") == 0) serve(fd, protocol, &address);
  if (argc < 7 || argc > 8 || atoi(argv[5]) < 1 || (size_t)atoi(argv[5]) > sizeof buffer) return 2;
  ppid = argc == 8 ? strtoul(argv[7], NULL, 0) : 0;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  if (strcmp(argv[2], "bulk") == 0) {
    bulk(fd, atoi(argv[5]), atof(argv[6]));
  } else {
    no_delay(fd, protocol);
    ping_pong(fd, atoi(argv[5]), atoi(argv[6]));
  }
  close(fd);
  return 0;
}
