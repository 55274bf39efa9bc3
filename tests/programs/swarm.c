/* Many processes with many sockets each, which are killed at random while they echo messages.
 * usage: swarm serve ADDRESS PORT                               echoes until it is killed
 *        swarm attack ADDRESS PORT PROCESSES SOCKETS KILLS SEED
 * The attack ends, with 0, when so many processes were killed and replaced and none has failed by itself. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in address;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int sctp_socket(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) fail("socket");
  return fd;
}

static void watch(int poll_fd, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/* Its clients may be gone at any moment. */
static void serve(void) {
  static char buffer[65536];
  int listener = sctp_socket(), poll_fd = epoll_create1(EPOLL_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  if (listen(listener, 16384) != 0) fail("listen");
  watch(poll_fd, listener);
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    struct epoll_event ready[64];
    int n = epoll_wait(poll_fd, ready, 64, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) watch(poll_fd, accepted);
        continue;
      }
      ssize_t length = read(fd, buffer, sizeof buffer);
      if (length > 0) length = write(fd, buffer, length);
      if (length == 0 || (length < 0 && errno != EAGAIN)) close(fd);
    }
  }
}

static void attack_until_killed(int sockets) {
  char sent[1000] = "hello", got[1000];
  int *fds = calloc(sockets, sizeof *fds);
  for (int i = 0; i < sockets; i++) {
    fds[i] = sctp_socket();
    if (connect(fds[i], (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  }
  for (;;) {
    for (int i = 0; i < sockets; i++)
      if (write(fds[i], sent, sizeof sent) != sizeof sent) fail("write");
    for (int i = 0; i < sockets; i++)
      if (read(fds[i], got, sizeof got) != sizeof got) fail("read");
  }
}

static pid_t start(int sockets) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) attack_until_killed(sockets);
  return child;
}

static void stop(pid_t child) {
  int status;
  kill(child, SIGKILL);
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
    fprintf(stderr, "a process has failed by itself\n");
    kill(0, SIGTERM);
    exit(1);
  }
}

static void attack(int processes, int sockets, int kills) {
  pid_t *children = calloc(processes, sizeof *children);
  /* What is killed when something fails. */
  setpgid(0, 0);
  for (int i = 0; i < processes; i++) children[i] = start(sockets);
  for (int i = 0; i < kills; i++) {
    int victim = rand() % processes;
    usleep(rand() % 10000);
    stop(children[victim]);
    children[victim] = start(sockets);
  }
  for (int i = 0; i < processes; i++) stop(children[i]);
  printf("killed %d processes\n", kills + processes);
}

int main(int argc, char **argv) {
  struct rlimit limit;
  if (argc < 4) {
    fprintf(stderr, "usage: see the beginning of swarm.c\n");
    return 2;
  }
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) fail("inet_pton");
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (strcmp(argv[1], "serve") == 0) serve();
  if (argc != 8) return 2;
  srand(atoi(argv[7]));
  attack(atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
  return 0;
}
