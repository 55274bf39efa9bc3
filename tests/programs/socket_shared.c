/* Sockets that several threads and processes use at the same time: whatever comes is got by one of them, and once.
 * usage: socket_shared ADDRESS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { SHARERS = 4, MESSAGES = 1000, CONNECTIONS = 40, STOP = -1 };

static struct sockaddr_in address;

static int bound(int style, struct sockaddr_in *at) {
  int fd = socket(AF_INET, style, IPPROTO_SCTP);
  socklen_t length = sizeof *at;
  *at = address;
  if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) != 0 || listen(fd, CONNECTIONS) != 0 ||
      getsockname(fd, (struct sockaddr *)at, &length) != 0) {
    perror("a socket");
    exit(1);
  }
  return fd;
}

static int connected(const struct sockaddr_in *to) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(connect(fd, (const struct sockaddr *)to, sizeof *to) == 0);
  return fd;
}

/* Servers that were forked beforehand accept from one listener. */
static void test_processes_accept(void) {
  struct sockaddr_in at;
  int listener = bound(SOCK_STREAM, &at), answered = 0;
  pid_t children[SHARERS];
  for (int child = 0; child < SHARERS; child++) {
    children[child] = fork();
    if (children[child] != 0) continue;
    for (;;) {
      char question;
      int peer = accept(listener, NULL, NULL);
      if (peer < 0 || read(peer, &question, 1) != 1) _exit(1);
      if (question == 'q') _exit(0);
      if (write(peer, "answer", 6) != 6) _exit(1);
      close(peer);
    }
  }
  for (int at_once = 0; at_once < CONNECTIONS; at_once += 8) {
    int fds[8];
    char answer[8];
    for (int each = 0; each < 8; each++) fds[each] = connected(&at);
    for (int each = 0; each < 8; each++) CHECK(write(fds[each], "?", 1) == 1);
    for (int each = 0; each < 8; each++) {
      answered += read(fds[each], answer, sizeof answer) == 6;
      close(fds[each]);
    }
  }
  CHECK(answered == CONNECTIONS);
  for (int child = 0; child < SHARERS; child++) {
    int fd = connected(&at), status = -1;
    CHECK(write(fd, "q", 1) == 1);
    CHECK(wait(&status) > 0 && status == 0);
    close(fd);
  }
  close(listener);
}

static int got[MESSAGES];

/* Receives numbers until it is told to stop. */
static void *reader(void *fd) {
  for (;;) {
    int number;
    ssize_t length = recv(*(int *)fd, &number, sizeof number, 0);
    if (length != sizeof number) return "something else";
    if (number == STOP) return NULL;
    if (number < 0 || number >= MESSAGES) return "no number that was sent";
    __atomic_fetch_add(&got[number], 1, __ATOMIC_RELAXED);
  }
}

static void share(int reads, int writes, const struct sockaddr_in *to) {
  pthread_t threads[SHARERS];
  socklen_t length = to ? sizeof *to : 0;
  memset(got, 0, sizeof got);
  for (int at = 0; at < SHARERS; at++) CHECK(pthread_create(&threads[at], NULL, reader, &reads) == 0);
  for (int number = 0; number < MESSAGES + SHARERS; number++) {
    int message = number < MESSAGES ? number : STOP;
    CHECK(sendto(writes, &message, sizeof message, 0, (const struct sockaddr *)to, length) == sizeof message);
  }
  for (int at = 0; at < SHARERS; at++) {
    void *complaint = "none yet";
    CHECK(pthread_join(threads[at], &complaint) == 0);
    if (complaint) printf("a reader got %s\n", (char *)complaint), failures++;
  }
  int once = 0;
  for (int number = 0; number < MESSAGES; number++) once += got[number] == 1;
  CHECK(once == MESSAGES);
}

static void test_threads_read_one_to_one(void) {
  struct sockaddr_in at;
  int listener = bound(SOCK_STREAM, &at), client = connected(&at), server = accept(listener, NULL, NULL);
  share(server, client, NULL);
  close(client);
  close(server);
  close(listener);
}

static void test_threads_read_one_to_many(void) {
  struct sockaddr_in server_at, client_at;
  int server = bound(SOCK_SEQPACKET, &server_at), client = bound(SOCK_SEQPACKET, &client_at);
  share(server, client, &server_at);
  close(client);
  close(server);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = inet_addr(argv[1]);
  alarm(50);
  test_processes_accept();
  test_threads_read_one_to_one();
  test_threads_read_one_to_many();
  printf("%d failures\n", failures);
  return failures != 0;
}
