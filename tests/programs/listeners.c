/* Servers that were forked beforehand, each with a listener of its own for the same port (SO_REUSEPORT): what comes in is divided
 * among them, and goes on when one of them is killed.
 * usage: listeners ADDRESS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { SERVERS = 4, CLIENTS = 200, LATER = 60, MOST = 1024 };

static struct sockaddr_in address;
static pid_t servers[SERVERS];

static int bound(int style) {
  int fd = socket(AF_INET, style, IPPROTO_SCTP), on = 1;
  socklen_t length = sizeof address;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
    perror("a socket");
    exit(1);
  }
  return fd;
}

/* Answers each message with the number of the server. */
static void serve_one_to_one(int listener, char number) {
  static struct pollfd all[MOST];
  int count = 1;
  all[0] = (struct pollfd){listener, POLLIN, 0};
  while (poll(all, count, -1) > 0) {
    if (all[0].revents && count < MOST) {
      all[count] = (struct pollfd){accept(listener, NULL, NULL), POLLIN, 0};
      if (all[count].fd < 0) _exit(1);
      count++;
    }
    for (int i = count - 1; i > 0; i--) {
      char question;
      if (!all[i].revents || (read(all[i].fd, &question, 1) == 1 && write(all[i].fd, &number, 1) == 1)) continue;
      close(all[i].fd);
      all[i] = all[--count];
    }
  }
}

static void serve_one_to_many(int fd, char number) {
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char question;
    if (recvfrom(fd, &question, 1, 0, (struct sockaddr *)&from, &length) == 1)
      sendto(fd, &number, 1, 0, (struct sockaddr *)&from, length);
  }
}

static void start(int style, int number) {
  int ready[2];
  char byte;
  if (pipe(ready) != 0 || (servers[number] = fork()) < 0) exit(1);
  if (servers[number] == 0) {
    int fd = bound(style);
    if (listen(fd, MOST) != 0 || write(ready[1], "r", 1) != 1) _exit(1);
    (style == SOCK_STREAM ? serve_one_to_one : serve_one_to_many)(fd, (char)number);
    _exit(1);
  }
  close(ready[1]);
  CHECK(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
}

static void stop(int number) {
  kill(servers[number], SIGKILL);
  CHECK(waitpid(servers[number], NULL, 0) == servers[number]);
}

/* The number of the server that answers; -1 if none does. */
static int ask(int fd) {
  char number;
  if (send(fd, "?", 1, MSG_NOSIGNAL) != 1 || recv(fd, &number, 1, 0) != 1) return -1;
  return number;
}

static int connected(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
  return fd;
}

/* Connects so often; who answers whom, and how many are each server's. */
static void connect_all(int count, int *fds, int *numbers, int *shares) {
  memset(shares, 0, SERVERS * sizeof *shares);
  for (int i = 0; i < count; i++) fds[i] = connected();
  for (int i = 0; i < count; i++) {
    numbers[i] = ask(fds[i]);
    CHECK(numbers[i] >= 0);
    if (numbers[i] >= 0) shares[numbers[i]]++;
  }
}

static void test_style(int style) {
  int fds[CLIENTS], numbers[CLIENTS], later[LATER], of_later[LATER], shares[SERVERS];
  address.sin_port = 0;
  /* Keeps the port while none of them listens yet; takes nothing. */
  int first = bound(style);
  for (int i = 0; i < SERVERS; i++) start(style, i);
  connect_all(CLIENTS, fds, numbers, shares);
  for (int i = 0; i < SERVERS; i++) CHECK(shares[i] > 0);

  /* With one of them go its associations, and no others. */
  stop(0);
  for (int i = 0; i < CLIENTS; i++) CHECK(ask(fds[i]) == (numbers[i] == 0 ? -1 : numbers[i]));
  connect_all(LATER, later, of_later, shares);
  CHECK(shares[0] == 0);
  for (int i = 1; i < SERVERS; i++) CHECK(shares[i] > 0);
  for (int i = 0; i < LATER; i++) close(later[i]);

  /* One that comes again gets its share. */
  start(style, 0);
  connect_all(LATER, later, of_later, shares);
  for (int i = 0; i < SERVERS; i++) CHECK(shares[i] > 0);

  for (int i = 0; i < SERVERS; i++) stop(i);
  for (int i = 0; i < CLIENTS; i++) close(fds[i]);
  for (int i = 0; i < LATER; i++) close(later[i]);
  int late = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  REFUSED(connect(late, (struct sockaddr *)&address, sizeof address), ECONNREFUSED);
  close(late);
  close(first);
}

int main(int count, char **arguments) {
  if (count != 2 || inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: listeners ADDRESS\n");
    return 2;
  }
  address.sin_family = AF_INET;
  test_style(SOCK_STREAM);
  test_style(SOCK_SEQPACKET);
  printf("%d failures\n", failures);
  return failures != 0;
}
