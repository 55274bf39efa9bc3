/* What a supervisor of system calls must not change: signals, copies of descriptors, limits. For static linking.
 * usage: supervised signals|copies|limit|early|wrong|end ADDRESS PORT
 * Prints "passed", or what is wrong; ends with 0 or 1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what) do { if (!(what)) { printf("line %d: %s: %s\n", __LINE__, #what, strerror(errno)); exit(1); } } while (0)

static struct sockaddr_in address;
static volatile sig_atomic_t signals;

static void count(int signal) {
  (void)signal;
  signals++;
}

static int listener(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(fd >= 0);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  CHECK(listen(fd, 5) == 0);
  return fd;
}

static int client(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(fd >= 0);
  CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
  return fd;
}

static void alarm_in(int flags, int milliseconds) {
  struct sigaction action = {.sa_handler = count, .sa_flags = flags};
  struct itimerval timer = {.it_value.tv_usec = milliseconds * 1000};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void *connect_once_signalled(void *unused) {
  while (signals < 2) poll(NULL, 0, 5);
  return (void *)(long)client();
}

/* signal(7): accept fails with EINTR, or is done again, as SA_RESTART says; with a time-out it is not done again. */
static void test_signals(void) {
  struct timeval second = {.tv_sec = 30}, moment = {.tv_usec = 50000};
  pthread_t thread;
  void *connected;
  int fd = listener();
  alarm_in(0, 100);
  CHECK(accept(fd, NULL, NULL) < 0 && errno == EINTR && signals == 1);
  alarm_in(SA_RESTART, 100);
  CHECK(pthread_create(&thread, NULL, connect_once_signalled, NULL) == 0);
  int in = accept(fd, NULL, NULL);
  CHECK(in >= 0 && signals == 2);
  CHECK(pthread_join(thread, &connected) == 0);
  alarm_in(SA_RESTART, 100);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) == 0);
  CHECK(accept(fd, NULL, NULL) < 0 && errno == EINTR && signals == 3);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment) == 0);
  CHECK(accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
  /* What came is not lost to the handler. */
  char got[2][10];
  struct iovec parts[2] = {{got[0], 10}, {got[1], 10}};
  struct mmsghdr two[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
                           {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
  CHECK(send((int)(long)connected, "first", 5, 0) == 5);
  alarm_in(SA_RESTART, 100);
  CHECK(recvmmsg(in, two, 2, 0, NULL) == 1 && signals == 4);
  CHECK(two[0].msg_len == 5 && memcmp(got[0], "first", 5) == 0);
}

static void expect(int fd, const char *message) {
  char got[100];
  ssize_t length = recv(fd, got, sizeof got, 0);
  CHECK(length == (ssize_t)strlen(message) && memcmp(got, message, length) == 0);
}

/* Copies are the same socket: in this process, in a child, and in the place of standard input. */
static void test_copies(void) {
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  int fd = listener(), out = client(), in = accept(fd, NULL, NULL), status;
  CHECK(in >= 0);
  int copy = dup(out), closing = fcntl(out, F_DUPFD_CLOEXEC, 0);
  CHECK(copy >= 0 && closing >= 0 && copy != closing && copy != out);
  CHECK(fcntl(closing, F_GETFD) == FD_CLOEXEC && fcntl(copy, F_GETFD) == 0);
  CHECK(close(out) == 0);
  CHECK(send(copy, "by a copy", 9, 0) == 9);
  expect(in, "by a copy");
  pid_t child = fork();
  if (child == 0) {
    CHECK(send(closing, "by a child", 10, 0) == 10);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  expect(in, "by a child");
  CHECK(dup2(copy, 0) == 0);
  CHECK(write(0, "as standard input", 17) == 17);
  expect(in, "as standard input");
  CHECK(getpeername(0, (struct sockaddr *)&peer, &length) == 0 && peer.sin_port == address.sin_port);
  CHECK(send(in, "there and back", 14, 0) == 14);
  expect(0, "there and back");
  CHECK(close(0) == 0 && close(copy) == 0);
  CHECK(recv(in, &peer, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
  CHECK(close(closing) == 0);
  CHECK(recv(in, &peer, 1, 0) == 0);
}

/* Numbers are below the limit, and free again when they are closed. */
static void test_limit(void) {
  struct rlimit limit;
  int fds[1000], made = 0;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = 600;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  while (made < 1000 && (fds[made] = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)) >= 0) {
    CHECK(fds[made] < 600);
    made++;
  }
  CHECK(made > 50 && made < 600 && errno == EMFILE);
  CHECK(close(fds[7]) == 0);
  CHECK(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP) == fds[7]);
  CHECK(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP) < 0 && errno == EMFILE);
}

static void send_on(int fd, const char *message, int stream, int ppid) {
  struct sctp_sndrcvinfo info = {.sinfo_stream = stream, .sinfo_ppid = ppid};
  struct iovec part = {.iov_base = (void *)message, .iov_len = strlen(message)};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof info)] = {0};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *beside = CMSG_FIRSTHDR(&header);
  beside->cmsg_level = IPPROTO_SCTP;
  beside->cmsg_type = SCTP_SNDRCV;
  beside->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(beside), &info, sizeof info);
  CHECK(sendmsg(fd, &header, 0) == (ssize_t)part.iov_len);
}

static void expect_on(int fd, const char *message, int stream, int ppid) {
  struct sctp_sndrcvinfo info;
  char got[100];
  struct iovec part = {.iov_base = got, .iov_len = sizeof got};
  _Alignas(struct cmsghdr) char control[200];
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &header, 0);
  CHECK(length == (ssize_t)strlen(message) && memcmp(got, message, length) == 0 && header.msg_flags == MSG_EOR);
  struct cmsghdr *beside = CMSG_FIRSTHDR(&header);
  CHECK(beside != NULL && beside->cmsg_type == SCTP_SNDRCV);
  memcpy(&info, CMSG_DATA(beside), sizeof info);
  CHECK(info.sinfo_stream == stream && info.sinfo_ppid == (unsigned)ppid);
}

/* A server subscribes when it has accepted; by then it may have got something. */
static void test_early(void) {
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1};
  char piece[4];
  int fd = listener(), out = client(), in = accept(fd, NULL, NULL);
  CHECK(in >= 0);
  send_on(out, "partly read", 1, 11);
  send_on(out, "unread", 2, 22);
  CHECK(recv(in, piece, sizeof piece, 0) == 4);
  CHECK(setsockopt(in, IPPROTO_SCTP, SCTP_EVENTS, &events, sizeof events) == 0);
  send_on(out, "later", 3, 33);
  expect_on(in, "ly read", 1, 11);
  expect_on(in, "unread", 2, 22);
  expect_on(in, "later", 3, 33);
}

#define FAILS(call, error) CHECK((call) < 0 && errno == (error))

/* Wrong pointers and sizes are the caller's own trouble, and only for this call. */
static void test_wrong(void) {
  static char large[2 << 20];
  static struct iovec many[2000];
  void *volatile nowhere = (void *)8;
  struct sockaddr_in name;
  socklen_t length = sizeof name, negative = -1;
  int fd = listener(), out = client(), in = accept(fd, NULL, NULL), value = 0;
  FAILS(bind(fd, nowhere, sizeof name), EFAULT);
  FAILS(bind(fd, (struct sockaddr *)&address, 1 << 20), EINVAL);
  FAILS(connect(fd, (struct sockaddr *)&address, -1), EINVAL);
  FAILS(getsockname(fd, nowhere, &length), EFAULT);
  FAILS(getsockname(fd, (struct sockaddr *)&name, nowhere), EFAULT);
  FAILS(getsockname(fd, (struct sockaddr *)&name, &negative), EINVAL);
  FAILS(getsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, nowhere, &length), EFAULT);
  FAILS(setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, nowhere, sizeof value), EFAULT);
  FAILS(setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, &value, -1), EINVAL);
  FAILS(write(out, nowhere, 100), EFAULT);
  FAILS(write(out, large, sizeof large), EMSGSIZE);
  FAILS(sendto(out, "x", 1, 0, nowhere, sizeof name), EFAULT);
  FAILS(sendmsg(out, nowhere, 0), EFAULT);
  FAILS(sendmsg(out, &(struct msghdr){.msg_iov = many, .msg_iovlen = 2000}, 0), EMSGSIZE);
  FAILS(sendmsg(out, &(struct msghdr){.msg_iov = nowhere, .msg_iovlen = 1}, 0), EFAULT);
  FAILS(sendmsg(out, &(struct msghdr){.msg_control = large, .msg_controllen = 1 << 20}, 0), ENOBUFS);
  FAILS(recvmsg(in, nowhere, 0), EFAULT);
  FAILS(accept4(fd, NULL, NULL, 1 << 20), EINVAL);
  CHECK(send(out, "and then", 8, 0) == 8);
  expect(in, "and then");
  CHECK(send(out, "lost", 4, 0) == 4 && send(out, "not lost", 8, 0) == 8);
  FAILS(read(in, nowhere, 100), EFAULT);
  expect(in, "not lost");
}

/* A signal that ends the process ends it in a call that waits. */
static void test_end(void) {
  int fd = listener();
  printf("pid %d\n", getpid());
  fflush(stdout);
  accept(fd, NULL, NULL);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  address.sin_family = AF_INET;
  address.sin_port = htons(atoi(argv[3]));
  CHECK(inet_pton(AF_INET, argv[2], &address.sin_addr) == 1);
  if (strcmp(argv[1], "signals") == 0) test_signals();
  if (strcmp(argv[1], "copies") == 0) test_copies();
  if (strcmp(argv[1], "limit") == 0) test_limit();
  if (strcmp(argv[1], "early") == 0) test_early();
  if (strcmp(argv[1], "wrong") == 0) test_wrong();
  if (strcmp(argv[1], "end") == 0) test_end();
  puts("passed");
  return 0;
}
