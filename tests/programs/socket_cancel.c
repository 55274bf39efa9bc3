/* Cancels threads in every call that waits: as they begin it, at any moment of it, and while they wait, as programs do for a
 * kernel with SCTP. Nothing is lost by that, and the sockets go on.
 * usage: socket_cancel ADDRESS [silent]
 * With `silent` no packet arrives there. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in address;
static int pipes[2];
static char much[20000];

static struct iovec part = {much, sizeof much};
#define MESSAGE {.msg_iov = &part, .msg_iovlen = 1}

/* A call that waits, on this descriptor. */
typedef void call(int fd);

static void do_read(int fd) { read(fd, much, 10); }
static void do_readv(int fd) { readv(fd, &part, 1); }
static void do_recv(int fd) { recv(fd, much, 10, 0); }
static void do_recvfrom(int fd) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  recvfrom(fd, much, 10, 0, (struct sockaddr *)&from, &length);
}
static void do_recvmsg(int fd) {
  struct msghdr message = MESSAGE;
  recvmsg(fd, &message, 0);
}
static void do_recvmmsg(int fd) {
  struct mmsghdr messages[2] = {{.msg_hdr = MESSAGE}, {.msg_hdr = MESSAGE}};
  recvmmsg(fd, messages, 2, 0, NULL);
}
static void do_splice_out(int fd) { splice(fd, NULL, pipes[1], NULL, 100, 0); }
static void do_splice_in(int fd) { splice(pipes[0], NULL, fd, NULL, 100, 0); }
static void do_accept(int fd) { accept(fd, NULL, NULL); }
static void do_accept4(int fd) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  accept4(fd, (struct sockaddr *)&from, &length, SOCK_CLOEXEC);
}
static void do_connect(int fd) { connect(fd, (struct sockaddr *)&address, sizeof address); }

/* These are repeated until there is no room. */
static void do_write(int fd) { while (write(fd, much, sizeof much) > 0) {} }
static void do_writev(int fd) { while (writev(fd, &part, 1) > 0) {} }
static void do_send(int fd) { while (send(fd, much, sizeof much, 0) > 0) {} }
static void do_sendto(int fd) { while (sendto(fd, much, sizeof much, 0, NULL, 0) > 0) {} }
static void do_sendmsg(int fd) {
  struct msghdr message = MESSAGE;
  while (sendmsg(fd, &message, 0) > 0) {}
}
/* Control messages and addresses go another way to the service. */
static void do_sendmsg_with_information(int fd) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct sctp_sndinfo))];
  } control = {{.cmsg_len = CMSG_LEN(sizeof(struct sctp_sndinfo)), .cmsg_level = IPPROTO_SCTP, .cmsg_type = SCTP_SNDINFO}};
  struct msghdr message = MESSAGE;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  while (sendmsg(fd, &message, 0) > 0) {}
}
static void do_sendto_an_address(int fd) {
  while (sendto(fd, much, sizeof much, 0, (struct sockaddr *)&address, sizeof address) > 0) {}
}
static void do_sendmmsg(int fd) {
  struct mmsghdr messages[2] = {{.msg_hdr = MESSAGE}, {.msg_hdr = MESSAGE}};
  while (sendmmsg(fd, messages, 2, 0) > 0) {}
}

/* None of these waits, but each is a cancellation point. */
static void do_recv_without_waiting(int fd) { for (;;) recv(fd, much, 10, MSG_DONTWAIT); }

struct thread {
  call *does;
  int fd, go[2], cleaned;
};

static void clean(void *cleaned) { ++*(int *)cleaned; }

static void *run(void *argument) {
  struct thread *thread = argument;
  char byte;
  pthread_cleanup_push(clean, &thread->cleaned);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  while (read(thread->go[0], &byte, 1) < 0) {}
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  thread->does(thread->fd);
  pthread_cleanup_pop(0);
  return NULL;
}

/* Cancels a new thread so long after it has begun with the call, in microseconds: before that, if negative. */
static void cancelled_after(const char *what, call *does, int fd, int microseconds) {
  struct thread thread = {.does = does, .fd = fd};
  pthread_t id;
  void *result = NULL;
  int before = failures;
  CHECK(pipe(thread.go) == 0 && pthread_create(&id, NULL, run, &thread) == 0);
  if (microseconds < 0) CHECK(pthread_cancel(id) == 0);
  CHECK(write(thread.go[1], "g", 1) == 1);
  if (microseconds >= 0) {
    usleep(microseconds);
    CHECK(pthread_cancel(id) == 0);
  }
  CHECK(pthread_join(id, &result) == 0 && result == PTHREAD_CANCELED && thread.cleaned == 1);
  if (failures != before) printf("cancelled %d us after the beginning of %s\n", microseconds, what);
  close(thread.go[0]);
  close(thread.go[1]);
}

/* At its first call of all, while it waits (most likely), and at moments in between. */
static void cancelled(const char *what, call *does, int fd) {
  cancelled_after(what, does, fd, -1);
  for (int moment = 0; moment < 20; moment++) cancelled_after(what, does, fd, moment * 30);
  cancelled_after(what, does, fd, 20000);
}
#define CANCELLED(call, fd) cancelled(#call, call, fd)

static int new_socket(int kind) {
  int fd = socket(AF_INET, kind, IPPROTO_SCTP);
  if (fd < 0) {
    perror("socket");
    exit(1);
  }
  return fd;
}

static int listener(int kind) {
  int fd = new_socket(kind);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 5) == 0);
  return fd;
}

/* Reads up what was written, to a last message. */
static void drain(int from, int to) {
  struct pollfd wanted = {.fd = to, .events = POLLIN};
  ssize_t got = 0;
  for (int sent = 0; got >= 0 && (!sent || got != 5);) {
    if (!sent) sent = send(from, "whole", 5, MSG_DONTWAIT) == 5;
    if (sent || poll(&wanted, 1, 10) > 0) got = recv(to, much, sizeof much, 0);
  }
  CHECK(got == 5 && memcmp(much, "whole", 5) == 0);
}

static void test_reading(int ends[2]) {
  char got[10];
  CANCELLED(do_read, ends[0]);
  CANCELLED(do_readv, ends[0]);
  CANCELLED(do_recv, ends[0]);
  CANCELLED(do_recvfrom, ends[0]);
  CANCELLED(do_recvmsg, ends[0]);
  CANCELLED(do_recvmmsg, ends[0]);
  CANCELLED(do_splice_out, ends[0]);
  CANCELLED(do_splice_in, ends[0]);
  CANCELLED(do_recv_without_waiting, ends[0]);
  CHECK(send(ends[1], "whole", 5, 0) == 5 && recv(ends[0], got, sizeof got, 0) == 5 && memcmp(got, "whole", 5) == 0);
}

static void test_writing(int ends[2]) {
  call *calls[] = {do_write, do_writev, do_send, do_sendto, do_sendmsg, do_sendmsg_with_information, do_sendmmsg};
  for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
    char name[20];
    snprintf(name, sizeof name, "write %zu", at);
    cancelled(name, calls[at], ends[0]);
    drain(ends[0], ends[1]);
  }
}

/* A pending cancellation changes nothing for who does not let itself be cancelled. */
static void *uncancelled(void *end) {
  char got[10];
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  pthread_cancel(pthread_self());
  CHECK(recv(*(int *)end, got, sizeof got, 0) == 4);
  int state = PTHREAD_CANCEL_ENABLE;
  CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state) == 0 && state == PTHREAD_CANCEL_DISABLE);
  return end;
}

static void test_who_may_not_be_cancelled(int ends[2]) {
  pthread_t id;
  void *result = NULL;
  CHECK(pthread_create(&id, NULL, uncancelled, &ends[0]) == 0 && send(ends[1], "late", 4, 0) == 4);
  CHECK(pthread_join(id, &result) == 0 && result == &ends[0]);
}

static void test_accepting(void) {
  int waits = listener(SOCK_STREAM), client = new_socket(SOCK_STREAM);
  CANCELLED(do_accept, waits);
  CANCELLED(do_accept4, waits);
  CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
  int server = accept(waits, NULL, NULL);
  CHECK(server >= 0);
  close(waits);
  test_reading((int[]){client, server});
  test_who_may_not_be_cancelled((int[]){client, server});
  test_writing((int[]){client, server});
  close(client);
  close(server);
}

static void test_one_to_many(void) {
  int server = listener(SOCK_SEQPACKET), client = new_socket(SOCK_SEQPACKET);
  CANCELLED(do_recvmsg, server);
  CANCELLED(do_recvfrom, server);
  cancelled_after("sendto", do_sendto_an_address, client, -1);
  cancelled_after("sendto", do_sendto_an_address, client, 500000);
  close(client);
  close(server);
}

static void test_setting_up(void) {
  int client = new_socket(SOCK_STREAM), many = new_socket(SOCK_SEQPACKET);
  cancelled_after("connect", do_connect, client, -1);
  cancelled_after("connect", do_connect, client, 20000);
  /* The set-up that was waited for goes on. */
  REFUSED(connect(client, (struct sockaddr *)&address, sizeof address), EALREADY);
  /* Its message need not be waited for in the end. */
  CHECK(setsockopt(many, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) == 0);
  cancelled_after("sendto", do_sendto_an_address, many, 20000);
}

int main(int count, char **arguments) {
  if (count < 2 || inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: socket_cancel ADDRESS [silent]\n");
    return 2;
  }
  address.sin_family = AF_INET;
  address.sin_port = htons(6001);
  CHECK(pipe(pipes) == 0);
  signal(SIGPIPE, SIG_IGN);
  if (count > 2) {
    test_setting_up();
  } else {
    test_accepting();
    test_one_to_many();
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
