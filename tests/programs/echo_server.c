/* An SCTP echo server as people write them for a kernel with SCTP: plain sockets, nothing of this project.
 * usage: echo_server ADDRESS PORT fork|epoll CONNECTIONS
 * Ends, with 0, when that many connections have come and gone. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listening_socket(const char *address, int port) {
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) fail("socket");
  if (inet_pton(AF_INET, address, &local.sin_addr) != 1) fail("inet_pton");
  if (bind(fd, (struct sockaddr *)&local, sizeof local) != 0) fail("bind");
  if (listen(fd, 16) != 0) fail("listen");
  return fd;
}

/* Echoes one message; 0 at the end of the association. */
static int echo_once(int fd) {
  static char buffer[65536];
  ssize_t got = read(fd, buffer, sizeof buffer);
  if (got < 0) return errno == EAGAIN ? 1 : 0;
  if (got == 0) return 0;
  if (write(fd, buffer, got) != got) fail("write");
  return 1;
}

static void serve_by_fork(int listener, int connections) {
  for (int i = 0; i < connections; i++) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int fd = accept(listener, (struct sockaddr *)&peer, &length);
    if (fd < 0) fail("accept");
    printf("connection from port %d\n", ntohs(peer.sin_port));
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      close(listener);
      while (echo_once(fd)) {
      }
      exit(0);
    }
    close(fd);
  }
  for (int i = 0; i < connections; i++) {
    int status;
    if (wait(&status) < 0 || status != 0) fail("child");
  }
}

static void serve_by_epoll(int listener, int connections) {
  int open = 0, ended = 0, poll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (poll_fd < 0) fail("epoll_create1");
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event) != 0) fail("epoll_ctl");
  while (ended < connections) {
    struct epoll_event ready[16];
    int n = epoll_wait(poll_fd, ready, 16, 30000);
    if (n <= 0) fail("epoll_wait");
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) fail("accept4");
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = accepted};
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, accepted, &event) != 0) fail("epoll_ctl");
        printf("connection %d\n", ++open);
        fflush(stdout);
      } else if (!echo_once(fd)) {
        close(fd);
        open--;
        ended++;
      }
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: echo_server ADDRESS PORT fork|epoll CONNECTIONS\n");
    return 2;
  }
  int listener = listening_socket(argv[1], atoi(argv[2]));
  printf("listening\n");
  fflush(stdout);
  if (strcmp(argv[3], "fork") == 0)
    serve_by_fork(listener, atoi(argv[4]));
  else
    serve_by_epoll(listener, atoi(argv[4]));
  printf("done\n");
  return 0;
}
