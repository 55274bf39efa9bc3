/* A thread waits in a call, while the program does what could disturb it: closes what is open, forks, is out of numbers, handles a
 * signal by the same call, cancels the thread. Nothing stays open that the program does not know of.
 * usage: socket_threads ADDRESS [silent]
 * With `silent` no packet arrives there. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "waits.h"

static struct sockaddr_in address;
#define ADDRESS (struct sockaddr *)&address, sizeof address

static int new_socket(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) {
    perror("socket");
    exit(1);
  }
  return fd;
}

struct pair {
  int client, server;
};

/* Two ends of an association; nothing else is left open. */
static struct pair new_pair(void) {
  struct pair pair = {.client = new_socket()};
  int listener = new_socket();
  socklen_t length = sizeof address;
  address.sin_port = 0;
  CHECK(bind(listener, ADDRESS) == 0 && listen(listener, 5) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0 && connect(pair.client, ADDRESS) == 0);
  CHECK((pair.server = accept(listener, NULL, NULL)) >= 0);
  CHECK(close(listener) == 0);
  return pair;
}

/* A thread that receives what comes first. */
struct receiver {
  int fd;
  atomic_int id;
  char got[20];
  ssize_t result;
  int error;
  pthread_t thread;
};

static void *receive(void *argument) {
  struct receiver *receiver = argument;
  receiver->id = syscall(SYS_gettid);
  receiver->result = recv(receiver->fd, receiver->got, sizeof receiver->got - 1, 0);
  receiver->error = errno;
  return NULL;
}

static void *set_up(void *argument) {
  struct receiver *caller = argument;
  caller->id = syscall(SYS_gettid);
  caller->result = connect(caller->fd, ADDRESS);
  caller->error = errno;
  return NULL;
}

/* Goes on when the thread waits there. */
static void settle(struct receiver *receiver, int fd) {
  while (!receiver->id) usleep(1000);
  CHECK(waits_at(receiver->id, fd));
}

static void begin_with(struct receiver *receiver, void *(*call)(void *), int fd) {
  *receiver = (struct receiver){.fd = fd};
  CHECK(pthread_create(&receiver->thread, NULL, call, receiver) == 0);
  settle(receiver, fd);
}
static void begin(struct receiver *receiver, int fd) { begin_with(receiver, receive, fd); }

static void ends_with(struct receiver *receiver, const char *text) {
  CHECK(pthread_join(receiver->thread, NULL) == 0);
  CHECK(receiver->result == (ssize_t)strlen(text) && strcmp(receiver->got, text) == 0);
}

/* Comes to an end, without waiting longer than that takes. */
static void ends(int fd) {
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  char byte;
  CHECK(poll(&wanted, 1, 10000) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
}

static int is_readable(int fd) {
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  return poll(&wanted, 1, 0) == 1;
}

static int lowest_free_number(void) {
  int fd = dup(2);
  close(fd);
  return fd;
}

static void test_that_numbers_are_as_ever(void) {
  struct pair pair = new_pair();
  struct receiver receiver;
  int lowest = lowest_free_number();
  begin(&receiver, pair.client);
  CHECK(lowest_free_number() == lowest);
  CHECK(send(pair.server, "late", 4, 0) == 4);
  ends_with(&receiver, "late");
  CHECK(close(pair.client) == 0);
  ends(pair.server);
  CHECK(close(pair.server) == 0);
}

/* Whatever is open above its own is closed: in one go, or one by one. */
static void test_that_all_is_closed(int one_by_one) {
  struct pair pair = new_pair();
  struct receiver receiver;
  begin(&receiver, pair.client);
  if (one_by_one) for (int fd = pair.server + 1; fd < 2000; fd++) close(fd);
  else CHECK(close_range(pair.server + 1, ~0U, 0) == 0);
  CHECK(close(pair.client) == 0 && open("/dev/null", O_RDONLY) == pair.client);
  CHECK(send(pair.server, "late", 4, 0) == 4);
  ends_with(&receiver, "late");
  ends(pair.server);
  close(pair.client);
  close(pair.server);
}

/* What the program forks meanwhile does not hold the association. */
static void test_fork(void) {
  struct pair pair = new_pair();
  struct receiver receiver;
  int hold[2];
  char byte;
  CHECK(pipe(hold) == 0);
  begin(&receiver, pair.client);
  pid_t child = fork();
  if (child == 0) {
    close(pair.client);
    close(pair.server);
    close(hold[1]);
    _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
  }
  CHECK(close(hold[0]) == 0 && close(pair.client) == 0 && !is_readable(pair.server));
  CHECK(send(pair.server, "late", 4, 0) == 4);
  ends_with(&receiver, "late");
  ends(pair.server);
  int status;
  CHECK(close(hold[1]) == 0 && waitpid(child, &status, 0) == child && status == 0);
  close(pair.server);
}

static void test_cancellation(void) {
  struct pair pair = new_pair();
  struct receiver receiver;
  void *result = NULL;
  begin(&receiver, pair.client);
  CHECK(close(pair.client) == 0 && !is_readable(pair.server));
  CHECK(pthread_cancel(receiver.thread) == 0);
  CHECK(pthread_join(receiver.thread, &result) == 0 && result == PTHREAD_CANCELED);
  ends(pair.server);
  close(pair.server);
}

static struct pair inner;

/* Waits, too. */
static void handle(int signal) {
  char got[10];
  (void)signal;
  int before = errno;
  CHECK(recv(inner.client, got, sizeof got, 0) == 5);
  errno = before;
}

static void test_handlers(void) {
  struct pair pair = new_pair();
  struct receiver receiver;
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  inner = new_pair();
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  begin(&receiver, pair.client);
  CHECK(pthread_kill(receiver.thread, SIGUSR1) == 0);
  settle(&receiver, inner.client);
  CHECK(close(inner.client) == 0);
  CHECK(send(inner.server, "inner", 5, 0) == 5);
  ends(inner.server);
  CHECK(send(pair.server, "outer", 5, 0) == 5);
  ends_with(&receiver, "outer");
  CHECK(close(pair.client) == 0);
  ends(pair.server);
  close(inner.server);
  close(pair.server);
}

static void *send_all(void *argument) {
  static char much[20000];
  struct receiver *sender = argument;
  sender->id = syscall(SYS_gettid);
  do sender->result = send(sender->fd, much, sizeof much, MSG_NOSIGNAL);
  while (sender->result > 0);
  sender->error = errno;
  return NULL;
}

static void *send_all_with_a_header(void *argument) {
  static char much[20000];
  struct receiver *sender = argument;
  struct iovec part = {much, sizeof much};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(16)];
  } control = {{.cmsg_len = CMSG_LEN(16), .cmsg_level = IPPROTO_SCTP, .cmsg_type = 2 /* SCTP_SNDINFO */}};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  sender->id = syscall(SYS_gettid);
  do sender->result = sendmsg(sender->fd, &message, MSG_NOSIGNAL);
  while (sender->result > 0);
  sender->error = errno;
  return NULL;
}

/* Who waits for room that there never will be hears that the socket is shut down. What was sent before comes to the peer. */
static void test_shutting_down(void *(*call)(void *), int how) {
  struct pair pair = new_pair();
  struct receiver sender;
  char got[20000];
  ssize_t length;
  begin_with(&sender, call, pair.client);
  CHECK(shutdown(pair.client, how) == 0);
  CHECK(pthread_join(sender.thread, NULL) == 0 && sender.result == -1 && sender.error == EPIPE);
  while ((length = recv(pair.server, got, sizeof got, 0)) > 0) CHECK(length == sizeof got);
  CHECK(length == 0);
  close(pair.client);
  close(pair.server);
}

/* The program may have all numbers that it may have; without one there is no copy to be had. */
static void test_limits(void) {
  struct pair pair = new_pair();
  struct receiver receiver;
  struct rlimit limit, few;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  few = (struct rlimit){520, limit.rlim_max};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  begin(&receiver, pair.client);
  CHECK(send(pair.server, "late", 4, 0) == 4);
  ends_with(&receiver, "late");
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  close(pair.client);
  ends(pair.server);
  close(pair.server);
}

/* A number above all is the program's, whatever the threads hold. */
static void test_high_numbers(void) {
  struct pair pair = new_pair(), other = new_pair();
  struct receiver receiver;
  begin(&receiver, pair.client);
  for (int fd = 500; fd < 520; fd++) {
    char name[40];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    CHECK(dup2(other.client, fd) == fd);
    snprintf(name, sizeof name, "by %d", fd);
    CHECK(send(fd, name, strlen(name), 0) == (ssize_t)strlen(name));
    CHECK(getpeername(fd, (struct sockaddr *)&peer, &length) == 0);
  }
  CHECK(send(pair.server, "late", 4, 0) == 4);
  ends_with(&receiver, "late");
  for (int fd = 500; fd < 520; fd++) CHECK(send(fd, "still", 5, 0) == 5 && close(fd) == 0);
  int all[] = {pair.client, pair.server, other.client, other.server};
  for (int at = 0; at < 4; at++) close(all[at]);
}

/* The set-up goes on while somebody waits for it. */
static void test_setting_up(void) {
  struct receiver caller;
  int fd = new_socket(), null = open("/dev/null", O_RDONLY);
  char byte;
  address.sin_port = htons(6001);
  /* SCTP_INITMSG: two attempts, of 100 ms. */
  CHECK(setsockopt(fd, SOL_SCTP, 2, (unsigned short[]){10, 10, 2, 100}, 8) == 0);
  begin_with(&caller, set_up, fd);
  CHECK(dup2(null, fd) == fd && read(fd, &byte, 1) == 0);
  CHECK(pthread_join(caller.thread, NULL) == 0 && caller.result == -1 && caller.error == ETIMEDOUT);
}

int main(int count, char **arguments) {
  if (count < 2 || inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: socket_threads ADDRESS [silent]\n");
    return 2;
  }
  address.sin_family = AF_INET;
  if (count > 2) {
    test_setting_up();
  } else {
    int lowest = lowest_free_number();
    test_that_numbers_are_as_ever();
    test_that_all_is_closed(0);
    test_that_all_is_closed(1);
    test_fork();
    test_cancellation();
    test_handlers();
    test_limits();
    test_high_numbers();
    test_shutting_down(send_all, SHUT_WR);
    test_shutting_down(send_all, SHUT_RDWR);
    test_shutting_down(send_all_with_a_header, SHUT_WR);
    test_shutting_down(send_all_with_a_header, SHUT_RDWR);
    CHECK(lowest_free_number() == lowest);
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
