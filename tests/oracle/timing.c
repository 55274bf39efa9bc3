/* Time-outs, signals, SIGPIPE. */
#include "oracle.h"

#include <sys/time.h>

static volatile int signals;
static char data[100];

static void count(int number) {
  (void)number;
  signals++;
}

static void on_alarm(int flags) {
  struct sigaction action = {.sa_handler = count, .sa_flags = flags};
  struct itimerval soon = {.it_interval = {0, 50000}, .it_value = {0, 50000}};
  DO(sigaction(SIGALRM, &action, NULL));
  DO(setitimer(ITIMER_REAL, &soon, NULL));
}

static bool took(long start, long least) { return now_ms() - start >= least; }

CASE(receive_times_out) {
  struct pair pair = one_pair();
  SET_AT(pair.server, SOL_SOCKET, SO_RCVTIMEO, struct timeval, 0, 100000);
  long start = now_ms();
  CALL(recv(pair.server, data, 10, 0));
  FACT("not too early", "%d", took(start, 95));
  CALL(read(pair.server, data, 10));
  CALL(send(pair.client, "x", 1, 0));
  CALL(recv(pair.server, data, 10, 0));
}

CASE(receive_of_a_one_to_many_socket_times_out) {
  int fd = many();
  SET_AT(fd, SOL_SOCKET, SO_RCVTIMEO, struct timeval, 0, 100000);
  CALL(recv(fd, data, 10, 0));
}

CASE(accept_times_out) {
  int listener = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  SET_AT(listener, SOL_SOCKET, SO_RCVTIMEO, struct timeval, 0, 100000);
  long start = now_ms();
  CALL(accept(listener, NULL, NULL));
  FACT("not too early", "%d", took(start, 95));
}

CASE(send_times_out) {
  struct pair pair = one_pair();
  static char big[4000];
  DO(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &(int){20000}, sizeof(int)));
  SET_AT(pair.client, SOL_SOCKET, SO_SNDTIMEO, struct timeval, 0, 200000);
  int sent = 0;
  while (sent < 10000 && send(pair.client, big, sizeof big, 0) > 0) sent++;
  FACT("full", "%s", error_name(errno));
}

CASE(receive_is_interrupted) {
  struct pair pair = one_pair();
  on_alarm(0);
  CALL(recv(pair.server, data, 10, 0));
  CALL(read(pair.server, data, 10));
  struct iovec part = {data, 10};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CALL(recvmsg(pair.server, &message, 0));
  FACT("signals", "%d", signals >= 3);
}

CASE(accept_is_interrupted) {
  int listener = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  on_alarm(0);
  CALL(accept(listener, NULL, NULL));
}

CASE(send_is_interrupted) {
  struct pair pair = one_pair();
  static char big[4000];
  DO(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &(int){20000}, sizeof(int)));
  ssize_t sent;
  on_alarm(0);
  do sent = send(pair.client, big, sizeof big, 0);
  while (sent > 0);
  called("send until it waits", sent);
}

CASE(poll_is_interrupted) {
  struct pair pair = one_pair();
  struct pollfd poller = {pair.server, POLLIN, 0};
  on_alarm(SA_RESTART);
  CALL(poll(&poller, 1, 5000));
}

/* With SA_RESTART a receive goes on; a child ends it. */
CASE(receive_goes_on_after_a_signal) {
  struct pair pair = one_pair();
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int i = 0; i < 3; i++) poll(NULL, 0, 60), kill(parent, SIGUSR1);
    send(pair.client, "at last", 7, 0);
    _exit(0);
  }
  struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
  DO(sigaction(SIGUSR1, &action, NULL));
  CALL(recv(pair.server, data, 10, 0));
  waitpid(child, NULL, 0);
}

/* A receive with a time-out is not restarted. */
CASE(receive_with_a_time_out_does_not_go_on) {
  struct pair pair = one_pair();
  DO(setsockopt(pair.server, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){5, 0}, sizeof(struct timeval)));
  on_alarm(SA_RESTART);
  CALL(recv(pair.server, data, 10, 0));
}

CASE(a_pipe_that_is_broken) {
  struct pair pair = one_pair();
  struct sigaction action = {.sa_handler = count};
  DO(sigaction(SIGPIPE, &action, NULL));
  DO(shutdown(pair.client, SHUT_WR));
  CALL(send(pair.client, "x", 1, 0));
  FACT("signals", "%d", signals);
  CALL(write(pair.client, "x", 1));
  FACT("signals", "%d", signals);
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  FACT("signals", "%d", signals);
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CALL(sendmsg(pair.client, &message, 0));
  FACT("signals", "%d", signals);
  CALL(writev(pair.client, &part, 1));
  FACT("signals", "%d", signals);
}

CASE(a_pipe_that_never_was) {
  struct sigaction action = {.sa_handler = count};
  DO(sigaction(SIGPIPE, &action, NULL));
  int fd = one();
  CALL(send(fd, "x", 1, 0));
  FACT("signals", "%d", signals);
}

CASE(a_pipe_that_kills) {
  struct pair pair = one_pair();
  pid_t child = fork();
  if (child == 0) {
    shutdown(pair.client, SHUT_WR);
    send(pair.client, "x", 1, 0);
    _exit(0);
  }
  int status;
  DO(waitpid(child, &status, 0));
  FACT("killed", "%d by %s", WIFSIGNALED(status), WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "nothing");
}
