/* The life of a stack in a process: the program may close all descriptors, block nothing, fork; what is inherited works, and what
 * is made anew. Signals come to the program's threads, which can be cancelled.
 *
 *   life ADDRESS
 */
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

static int listen_at(const char *address, int port) {
  struct sockaddr_in name = at(address, port);
  int fd = new_socket(SOCK_STREAM);
  CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 5) == 0);
  return fd;
}

static int connect_to(const char *address, int port) {
  struct sockaddr_in name = at(address, port);
  int fd = new_socket(SOCK_STREAM);
  CHECK(connect(fd, (struct sockaddr *)&name, sizeof name) == 0);
  return fd;
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signal) {
  (void)signal;
  alarms++;
}

static int begun[2];

static void *wait_for_message(void *fd) {
  char buffer[10];
  CHECK(write(begun[1], "", 1) == 1);
  sctp_recvmsg(*(int *)fd, buffer, sizeof buffer, NULL, NULL, NULL, NULL);
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  /* Numbers are as low as without a stack. */
  int listener = listen_at(argv[1], 5010);
  CHECK(listener == 3);

  for (int fd = 3; fd < 1024; fd++) close(fd);
  listener = listen_at(argv[1], 5011);
  CHECK(listener == 3);

  /* A child has its own copy of the socket: closing here does not close there. */
  int ours = connect_to(argv[1], 5011), theirs = accept(listener, NULL, NULL);
  CHECK(theirs >= 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    char byte = 0;
    close(ours);
    CHECK(read(theirs, &byte, 1) == 1 && byte == 'a' && write(theirs, "b", 1) == 1);
    /* And it makes new ones, by the same stack. That is the last thing, so it tells that all went well. */
    int another = connect_to(argv[1], 5011);
    CHECK(write(another, "c", 1) == 1);
    exit(0);
  }
  close(theirs);
  char byte = 0;
  CHECK(write(ours, "a", 1) == 1 && read(ours, &byte, 1) == 1 && byte == 'b');
  int third = accept(listener, NULL, NULL);
  CHECK(third >= 0 && read(third, &byte, 1) == 1 && byte == 'c');
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  /* With the child its copies have gone, and so have the associations. */
  CHECK(read(ours, &byte, 1) == 0 && read(third, &byte, 1) == 0);

  /* No thread of the stack takes a signal: it interrupts the call that waits. */
  struct sigaction action = {.sa_handler = on_alarm};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  alarm(1);
  FAILS(accept(listener, NULL, NULL), EINTR);
  CHECK(alarms == 1);

  /* A thread that waits can be cancelled, through us. */
  ours = connect_to(argv[1], 5011), theirs = accept(listener, NULL, NULL);
  pthread_t thread;
  void *result;
  CHECK(pipe(begun) == 0 && pthread_create(&thread, NULL, wait_for_message, &ours) == 0);
  CHECK(read(begun[0], &byte, 1) == 1);
  CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  CHECK(write(theirs, "d", 1) == 1 && read(ours, &byte, 1) == 1 && byte == 'd');
  printf("done\n");
  return 0;
}
