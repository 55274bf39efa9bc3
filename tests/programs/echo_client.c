/* An SCTP echo client as people write them for a kernel with SCTP: non-blocking connect, poll, SO_ERROR.
 * usage: echo_client ADDRESS PORT MESSAGES
 * Ends with 0 when every message came back as it was sent; with 3 when the connection was refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void await(int fd, short events) {
  struct pollfd wanted = {.fd = fd, .events = events};
  int n = poll(&wanted, 1, 30000);
  if (n < 0) fail("poll");
  if (n == 0) {
    fprintf(stderr, "poll: nothing within 30 s\n");
    exit(1);
  }
}

static int connected_socket(const char *address, int port) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
  int error = 0;
  socklen_t length = sizeof error;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_SCTP);
  if (fd < 0) fail("socket");
  if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) fail("inet_pton");
  if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0) {
    if (errno != EINPROGRESS) fail("connect");
    await(fd, POLLOUT);
  }
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) fail("getsockopt");
  if (error != 0) {
    fprintf(stderr, "connect: %s\n", strerror(error));
    exit(error == ECONNREFUSED ? 3 : 1);
  }
  return fd;
}

int main(int argc, char **argv) {
  static char sent[60000], got[60000];
  if (argc != 4) {
    fprintf(stderr, "usage: echo_client ADDRESS PORT MESSAGES\n");
    return 2;
  }
  int fd = connected_socket(argv[1], atoi(argv[2]));
  for (int i = 0; i < atoi(argv[3]); i++) {
    size_t length = 1 + (i * 7919) % sizeof sent;
    memset(sent, 'a' + i % 26, length);
    while (write(fd, sent, length) != (ssize_t)length) {
      if (errno != EAGAIN) fail("write");
      await(fd, POLLOUT);
    }
    size_t have = 0;
    while (have < length) {
      await(fd, POLLIN);
      ssize_t n = read(fd, got + have, sizeof got - have);
      if (n <= 0) fail("read");
      have += n;
    }
    if (have != length || memcmp(sent, got, length) != 0) {
      fprintf(stderr, "message %d came back changed\n", i);
      return 1;
    }
  }
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0) fail("getpeername");
  printf("echoed %s messages with port %d\n", argv[3], ntohs(peer.sin_port));
  close(fd);
  return 0;
}
