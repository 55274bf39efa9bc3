/* A server with as many associations as its client asks for, and that client: plain sockets, nothing of this project.
 * usage: crowd serve ADDRESS PORT epoll-lt|epoll-et|fork|one-to-many PROCESSES   echoes until it is killed
 *        crowd connect ADDRESS PORT SOCKETS ROUNDS
 * All processes of a server accept at one listening socket; with `fork` each association gets one more of its own. The client sets all its associations up, echoes a message
 * over each in each round, checks them all, and closes; it says what it has done, and waits for a line of standard
 * input before it goes on. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>

#ifndef SOL_SCTP
#define SOL_SCTP 132
#endif

static struct sockaddr_in address;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int sctp_socket(int style) {
  int fd = socket(AF_INET, style, IPPROTO_SCTP);
  if (fd < 0) fail("socket");
  return fd;
}

static int listening_socket(int style) {
  int fd = sctp_socket(style);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  if (listen(fd, 16384) != 0) fail("listen");
  return fd;
}

static void watch(int poll_fd, int fd, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/* What can be done without waiting: with EPOLLET all of it, else one thing, since epoll will say so again. */
static void accept_what_waits(int listener, int poll_fd, unsigned events) {
  do {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    /* Another process may have been faster. */
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) fail("accept4");
    watch(poll_fd, fd, events);
  } while (events & EPOLLET);
}

/* 0 at the end of the association. */
static int echo_what_waits(int fd, unsigned events) {
  static char buffer[65536];
  do {
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length < 0 && errno == EAGAIN) return 1;
    if (length < 0) fail("read");
    if (length == 0) return 0;
    if (write(fd, buffer, length) != length) fail("write");
  } while (events & EPOLLET);
  return 1;
}

static void serve_by_epoll(int listener, unsigned events) {
  int poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (poll_fd < 0) fail("epoll_create1");
  watch(poll_fd, listener, events);
  for (;;) {
    struct epoll_event ready[64];
    int n = epoll_wait(poll_fd, ready, 64, -1);
    for (int i = 0; i < n; i++) {
      if (ready[i].data.fd == listener)
        accept_what_waits(listener, poll_fd, events);
      else if (!echo_what_waits(ready[i].data.fd, events))
        close(ready[i].data.fd);
    }
  }
}

static void die_with_parent(void) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void serve_by_fork(int listener) {
  /* Nobody waits for the children. */
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      die_with_parent();
      close(listener);
      while (echo_what_waits(fd, 0)) {
      }
      exit(0);
    }
    close(fd);
  }
}

/* RFC 6458, 5.3.4 and 5.3.5: each answer goes to the association that its question came by. */
static void serve_one_to_many(int fd) {
  static char buffer[65536];
  int on = 1;
  if (setsockopt(fd, SOL_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) != 0) fail("SCTP_RECVRCVINFO");
  for (;;) {
    char control[CMSG_SPACE(sizeof(struct sctp_rcvinfo))];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(fd, &message, 0);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (length < 0 || header == NULL) fail("recvmsg");
    struct sctp_rcvinfo received;
    memcpy(&received, CMSG_DATA(header), sizeof received);
    struct sctp_sndinfo info = {.snd_sid = received.rcv_sid, .snd_assoc_id = received.rcv_assoc_id};
    char send_control[CMSG_SPACE(sizeof info)] = {0};
    part.iov_len = length;
    message = (struct msghdr){
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = send_control, .msg_controllen = sizeof send_control};
    header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SCTP;
    header->cmsg_type = SCTP_SNDINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(header), &info, sizeof info);
    if (sendmsg(fd, &message, 0) != length) fail("sendmsg");
  }
}

static void serve(const char *mode, int processes) {
  int many = strcmp(mode, "one-to-many") == 0, by_fork = strcmp(mode, "fork") == 0;
  int listener = listening_socket(many ? SOCK_SEQPACKET : SOCK_STREAM);
  if (!many && !by_fork && fcntl(listener, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  for (int i = 1; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      die_with_parent();
      break;
    }
  }
  printf("listening\n");
  fflush(stdout);
  if (many)
    serve_one_to_many(listener);
  else if (by_fork)
    serve_by_fork(listener);
  else
    serve_by_epoll(listener, EPOLLIN | (strcmp(mode, "epoll-et") == 0 ? EPOLLET : 0));
}

/* Says how long it took since standard input had the line before. */
static void said_and_done(const char *what, int count) {
  static double begun;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double seconds = now.tv_sec + now.tv_nsec * 1e-9;
  if (count > 0) {
    printf("%s %d in %.2f s\n", what, count, seconds - begun);
    fflush(stdout);
    if (getchar() == EOF) exit(1);
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  begun = now.tv_sec + now.tv_nsec * 1e-9;
}

static void connect_crowd(int sockets, int rounds) {
  int *fds = calloc(sockets, sizeof *fds);
  char sent[200] = {0}, got[400];
  said_and_done("", 0);
  for (int i = 0; i < sockets; i++) {
    fds[i] = sctp_socket(SOCK_STREAM);
    if (connect(fds[i], (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  }
  said_and_done("connected", sockets);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < sockets; i++) {
      snprintf(sent, sizeof sent, "socket %d, round %d", i, round);
      if (write(fds[i], sent, sizeof sent) != sizeof sent) fail("write");
    }
    for (int i = 0; i < sockets; i++) {
      snprintf(sent, sizeof sent, "socket %d, round %d", i, round);
      if (read(fds[i], got, sizeof got) != sizeof sent) fail("read");
      if (strcmp(got, sent) != 0) {
        fprintf(stderr, "'%s' came instead of '%s'\n", got, sent);
        exit(1);
      }
    }
  }
  said_and_done("echoed", sockets * rounds);
  for (int i = 0; i < sockets; i++) close(fds[i]);
  said_and_done("closed", sockets);
}

int main(int argc, char **argv) {
  struct rlimit limit;
  if (argc != 6) {
    fprintf(stderr, "usage: see the beginning of crowd.c\n");
    return 2;
  }
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) fail("inet_pton");
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (strcmp(argv[1], "serve") == 0)
    serve(argv[4], atoi(argv[5]));
  else
    connect_crowd(atoi(argv[4]), atoi(argv[5]));
  return 0;
}
