/* Threads: one waits in a call while another one closes the descriptor, or puts another file at its number. */
#include "oracle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static char much[20000];

/* A call of a thread's own. */
struct waiting {
  long (*call)(int fd);
  int fd;
  atomic_int id;
  long result;
  int error;
  pthread_t thread;
};

static void *run(void *argument) {
  struct waiting *waiting = argument;
  waiting->id = syscall(SYS_gettid);
  waiting->result = waiting->call(waiting->fd);
  waiting->error = errno;
  return NULL;
}

/* Begins with a call, which has to wait, and goes on when it does. */
static void begin(struct waiting *waiting, long (*call)(int fd), int fd) {
  waiting->call = call;
  waiting->fd = fd;
  DO(pthread_create(&waiting->thread, NULL, run, waiting));
  while (!waiting->id) usleep(1000);
  settle(waiting->id, fd);
}

/* States what the call returned. */
static void ends(const char *what, struct waiting *waiting) {
  DO(pthread_join(waiting->thread, NULL));
  errno = waiting->error;
  called(what, waiting->result);
}

static long receives(int fd) { return recv(fd, much, sizeof much, 0); }
static long reads(int fd) { return read(fd, much, sizeof much); }
static long receives_a_message(int fd) {
  struct iovec part = {much, sizeof much};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return recvmsg(fd, &message, 0);
}
/* These are repeated, so that they wait at last. */
static long sends(int fd) {
  ssize_t sent;
  while ((sent = send(fd, much, sizeof much, MSG_NOSIGNAL)) > 0) {}
  return sent;
}
static long sends_with_information(int fd) {
  ssize_t sent;
  do sent = send_with(fd, NULL, much, sizeof much, MSG_NOSIGNAL, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1), NO_CMSG);
  while (sent > 0);
  return sent;
}
static long accepts(int fd) {
  int accepted = accept(fd, NULL, NULL);
  return accepted < 0 ? -1 : send(accepted, "accepted", 8, 0);
}

static bool is_readable(int fd) {
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  return poll(&wanted, 1, 0) == 1;
}

/* The association ends when the call returns, not before. */
static void closed_while(const char *what, long (*call)(int fd)) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  begin(&waiting, call, pair.client);
  CALL(close(pair.client));
  FACT("the other end is readable", "%d", is_readable(pair.server));
  CALL(send(pair.server, "late", 4, 0));
  ends(what, &waiting);
  TAKE(pair.server);
}

CASE(what_is_received_from_is_closed) { closed_while("recv", receives); }
CASE(what_is_read_is_closed) { closed_while("read", reads); }
CASE(what_a_message_is_received_from_is_closed) { closed_while("recvmsg", receives_a_message); }

CASE(what_is_received_from_is_closed_and_ends) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  begin(&waiting, receives, pair.client);
  CALL(close(pair.client));
  CALL(close(pair.server));
  ends("recv", &waiting);
}

CASE(what_is_received_from_is_closed_and_aborted) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  begin(&waiting, receives, pair.client);
  CALL(close(pair.client));
  DO(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
  CALL(close(pair.server));
  ends("recv", &waiting);
}

CASE(another_socket_is_put_where_one_is_received_from) {
  struct pair pair = one_pair(), other = one_pair();
  struct waiting waiting = {0};
  begin(&waiting, receives, pair.client);
  FACT("dup2", "%d", dup2(other.client, pair.client) == pair.client);
  CALL(send(other.server, "for the new one", 15, 0));
  await(pair.client, POLLIN);
  CALL(send(pair.server, "late", 4, 0));
  ends("recv", &waiting);
  TAKE(pair.client);
  TAKE(pair.server);
}

CASE(a_pipe_is_put_where_a_socket_is_read) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  int ends_of_pipe[2];
  DO(pipe(ends_of_pipe));
  begin(&waiting, reads, pair.client);
  FACT("dup2", "%d", dup2(ends_of_pipe[0], pair.client) == pair.client);
  CALL(write(ends_of_pipe[1], "for the pipe", 12));
  CALL(send(pair.server, "late", 4, 0));
  ends("read", &waiting);
  CALL(read(pair.client, much, sizeof much));
  TAKE(pair.server);
}

CASE(what_is_received_from_is_closed_and_a_copy_is_not) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  int copy = FD(dup(pair.client));
  begin(&waiting, receives, pair.client);
  CALL(close(pair.client));
  CALL(send(pair.server, "late", 4, 0));
  ends("recv", &waiting);
  CALL(send(copy, "still", 5, 0));
  TAKE(pair.server);
}

CASE(a_one_to_many_socket_is_closed_while_it_receives) {
  struct pair pair = many_pair();
  struct waiting waiting = {0};
  begin(&waiting, receives_a_message, pair.server);
  CALL(close(pair.server));
  CALL(sendto(pair.client, "late", 4, 0, at(2, pair.port), IN));
  ends("recvmsg", &waiting);
  await(pair.client, POLLIN);
  TAKE_ALL(pair.client);
}

/* Reads all that was sent, to the end: it comes when the call that waits has returned. The next one has no descriptor. */
static void drain(int fd) {
  ssize_t got;
  while ((got = recv(fd, much, sizeof much, 0)) > 0) {}
  called("the last recv", got);
}

static void closed_while_full(const char *what, long (*call)(int fd)) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  begin(&waiting, call, pair.client);
  CALL(close(pair.client));
  drain(pair.server);
  ends(what, &waiting);
}

CASE(what_is_sent_to_is_closed) { closed_while_full("send", sends); }
CASE(what_a_message_is_sent_to_is_closed) { closed_while_full("sendmsg", sends_with_information); }

CASE(a_listener_is_closed_while_it_accepts) {
  int listener = one(), client = one();
  struct waiting waiting = {0};
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  begin(&waiting, accepts, listener);
  CALL(close(listener));
  CALL(connect(client, at(2, 0), IN));
  ends("accept", &waiting);
  TAKE(client);
  CALL(connect(one(), at(2, 0), IN));
}

CASE(a_listener_is_replaced_while_it_accepts) {
  int listener = one(), client = one(), other = one();
  struct waiting waiting = {0};
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  begin(&waiting, accepts, listener);
  FACT("dup2", "%d", dup2(other, listener) == listener);
  CALL(connect(client, at(2, 0), IN));
  ends("accept", &waiting);
  TAKE(client);
  CALL(accept(listener, NULL, NULL));
}

static void handle(int signal) { (void)signal; }

/* After a signal the kernel begins the call anew, with what the number is then. */
static void signalled(const char *what, long (*call)(int fd), int flags, bool is_replaced) {
  struct pair pair = one_pair(), other = one_pair();
  struct waiting waiting = {0};
  struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
  DO(sigaction(SIGUSR1, &action, NULL));
  begin(&waiting, call, pair.client);
  if (is_replaced) DO(dup2(other.client, pair.client));
  else CALL(close(pair.client));
  CALL(pthread_kill(waiting.thread, SIGUSR1));
  if (is_replaced && flags) CALL(send(other.server, "for the new one", 15, 0));
  ends(what, &waiting);
  TAKE(pair.server);
}

CASE(a_signal_ends_waiting_at_what_was_closed) { signalled("recv", receives, 0, false); }
CASE(a_signal_ends_waiting_at_what_was_replaced) { signalled("recv", receives, 0, true); }
CASE(a_call_begins_anew_at_what_was_closed) { signalled("recv", receives, SA_RESTART, false); }
CASE(a_call_begins_anew_at_what_was_replaced) { signalled("recv", receives, SA_RESTART, true); }
CASE(a_read_begins_anew_at_what_was_replaced) { signalled("read", reads, SA_RESTART, true); }

/* It is the last one to have the socket that waits for the association's end. */
CASE(what_lingers_is_closed_while_it_receives) {
  struct pair pair = one_pair();
  struct waiting waiting = {0};
  struct linger linger = {1, 1};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  fill(pair.client);
  begin(&waiting, receives, pair.client);
  long start = now_ms();
  CALL(close(pair.client));
  FACT("close waits", "%d", now_ms() - start > 900);
  CALL(send(pair.server, "late", 4, 0));
  ends("recv", &waiting);
  FACT("recv waits", "%d", now_ms() - start > 900);
}
