/* A server listens as root and becomes nobody; its children and threads use SCTP as before.
 * usage: drop_privileges ADDRESS PORT [child]: with `child`, only a child that was forked becomes nobody */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PATIENCE 20000 /* ms */
#define NOBODY 65534

static struct sockaddr_in at = {.sin_family = AF_INET};

/* Says hello over a connection of its own. */
static int client(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(fd >= 0);
  CHECK(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
  CHECK(send(fd, "hello", 5, 0) == 5);
  CHECK(close(fd) == 0);
  return failures != 0;
}

static void *client_thread(void *unused) {
  client();
  return unused;
}

static void serve(int listener) {
  char bytes[10];
  struct pollfd waits = {listener, POLLIN, 0};
  CHECK(poll(&waits, 1, PATIENCE) == 1);
  int fd = accept(listener, NULL, NULL);
  CHECK(recv(fd, bytes, sizeof bytes, 0) == 5);
  CHECK(close(fd) == 0);
}

/* A worker that becomes nobody accepts, says so, and has sockets of its own. */
static int worker(int listener, int served) {
  CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  serve(listener);
  CHECK(write(served, "", 1) == 1);
  client();
  return failures != 0;
}

static int with_worker(int listener) {
  int status = -1, served[2];
  char byte;
  CHECK(pipe(served) == 0);
  pid_t child = fork();
  if (child == 0) return worker(listener, served[1]);
  CHECK(close(served[1]) == 0);
  client();
  /* Else this one might take its own connection, and the worker none. */
  CHECK(read(served[0], &byte, 1) == 1);
  serve(listener);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  if (failures == 0) printf("went on\n");
  return failures != 0;
}

int main(int argc, char **argv) {
  int status = -1;
  at.sin_port = htons(atoi(argv[2]));
  inet_pton(AF_INET, argv[1], &at.sin_addr);
  int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 5) == 0);
  if (argc > 3) return with_worker(listener);
  CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  pid_t child = fork();
  if (child == 0) return client();
  serve(listener);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, client_thread, NULL) == 0);
  serve(listener);
  CHECK(pthread_join(thread, NULL) == 0);
  if ((child = fork()) == 0) {
    serve(listener);
    return failures != 0;
  }
  client();
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  if (failures == 0) printf("went on\n");
  return failures != 0;
}
