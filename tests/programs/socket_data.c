/* Reads and writes a connected one-to-one socket in all the ways that C has, as programs do for a kernel with SCTP. Both ends
 * of the association are in this process.
 * usage: socket_data ADDRESS [supervised] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in address;

/* The two ends of an association: `ends[0]` has connected to a listener, `ends[1]` was accepted. */
static void connected(int ends[2]) {
  int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  struct sockaddr_in at = address;
  socklen_t length = sizeof at;
  ends[0] = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&at, &length) != 0 ||
      connect(ends[0], (struct sockaddr *)&at, sizeof at) != 0) {
    perror("connecting");
    exit(1);
  }
  ends[1] = accept(listener, NULL, NULL);
  if (ends[1] < 0) {
    perror("accept");
    exit(1);
  }
  close(listener);
}

static void disconnect(int ends[2]) {
  close(ends[0]);
  close(ends[1]);
}

static int says(const char *got, const char *wanted) { return memcmp(got, wanted, strlen(wanted)) == 0; }

/* Every way to write meets every way to read. */
static void test_all_calls(int ends[2]) {
  char one[3], two[16];
  struct iovec out[2] = {{"ab", 2}, {"cdef", 4}}, in[2] = {{one, sizeof one}, {two, sizeof two}};
  struct msghdr sent = {.msg_iov = out, .msg_iovlen = 2}, got = {.msg_iov = in, .msg_iovlen = 2};
  struct mmsghdr many[2] = {{.msg_hdr = sent}, {.msg_hdr = sent}}, all[3] = {{.msg_hdr = got}, {.msg_hdr = got}, {.msg_hdr = got}};

  CHECK(write(ends[0], "write", 5) == 5 && readv(ends[1], in, 2) == 5 && says(one, "wri") && says(two, "te"));
  CHECK(writev(ends[0], out, 2) == 6 && read(ends[1], two, sizeof two) == 6 && says(two, "abcdef"));
  CHECK(send(ends[0], "send", 4, 0) == 4 && recv(ends[1], two, sizeof two, 0) == 4 && says(two, "send"));
  CHECK(sendmsg(ends[0], &sent, 0) == 6 && recvmsg(ends[1], &got, 0) == 6 && says(one, "abc") && says(two, "def"));
  CHECK((got.msg_flags & (MSG_EOR | MSG_TRUNC | MSG_CTRUNC)) == MSG_EOR && got.msg_controllen == 0);
  CHECK(pwritev2(ends[0], out, 2, -1, 0) == 6 && preadv2(ends[1], in, 2, -1, 0) == 6 && says(two, "def"));
  REFUSED(preadv2(ends[1], in, 2, 7, 0), ESPIPE);
  REFUSED(preadv2(ends[1], in, 2, -1, RWF_NOWAIT), EOPNOTSUPP);
  char *volatile nothing = NULL;
  REFUSED(send(ends[0], nothing, 5, 0), EFAULT);
  CHECK(writev(ends[0], out, 0) == 0 && readv(ends[1], in, 0) == 0);
  CHECK(sendmmsg(ends[0], many, 2, 0) == 2 && many[1].msg_len == 6);
  CHECK(recvmmsg(ends[1], all, 2, 0, NULL) == 2 && all[0].msg_len == 6 && all[1].msg_len == 6);
  CHECK(sendmmsg(ends[0], many, 1, 0) == 1 && recvmmsg(ends[1], all, 3, MSG_WAITFORONE, NULL) == 1);
  CHECK(syscall(SYS_sendto, ends[0], "raw", 3L, 0L, NULL, 0L) == 3);
  CHECK(syscall(SYS_read, ends[1], two, sizeof two) == 3 && says(two, "raw"));
}

/* RFC 6458, 4.1.8: recvfrom tells whom the message is of. */
static void test_addresses(int ends[2]) {
  struct sockaddr_in of, peer;
  socklen_t length = sizeof of, peer_length = sizeof peer;
  char room[8];
  CHECK(send(ends[0], "x", 1, 0) == 1);
  CHECK(recvfrom(ends[1], room, sizeof room, 0, (struct sockaddr *)&of, &length) == 1 && length == sizeof of);
  CHECK(getpeername(ends[1], (struct sockaddr *)&peer, &peer_length) == 0);
  CHECK(of.sin_port == peer.sin_port && of.sin_addr.s_addr == peer.sin_addr.s_addr);
  struct iovec in = {room, sizeof room};
  struct msghdr message = {.msg_name = &of, .msg_namelen = sizeof of, .msg_iov = &in, .msg_iovlen = 1};
  memset(&of, 0, sizeof of);
  CHECK(send(ends[0], "y", 1, 0) == 1 && recvmsg(ends[1], &message, 0) == 1);
  CHECK(message.msg_namelen == sizeof of && of.sin_port == peer.sin_port);
}

/* RFC 6458, 4.1.8 and 6.1: what a read had no room for stays, and only its end has MSG_EOR. */
static void test_short_reads(int ends[2]) {
  char room[64];
  struct iovec in = {room, 4};
  struct msghdr message = {.msg_iov = &in, .msg_iovlen = 1};
  CHECK(write(ends[0], "0123456789", 10) == 10 && write(ends[0], "next", 4) == 4);
  CHECK(recvmsg(ends[1], &message, 0) == 4 && says(room, "0123") && !(message.msg_flags & MSG_EOR));
  CHECK(recv(ends[1], room, sizeof room, MSG_PEEK) == 6 && says(room, "456789"));
  CHECK(recv(ends[1], room, 2, MSG_PEEK) == 2 && says(room, "45"));
  message.msg_flags = 0;
  in.iov_len = sizeof room;
  CHECK(recvmsg(ends[1], &message, MSG_PEEK) == 6 && message.msg_flags & MSG_EOR);
  CHECK(recvmsg(ends[1], &message, 0) == 6 && says(room, "456789") && message.msg_flags & MSG_EOR);
  CHECK(read(ends[1], room, 0) == 0);
  CHECK(read(ends[1], room, sizeof room) == 4 && says(room, "next"));
}

/* Far longer than a record of the descriptor's. */
static void test_long_messages(int ends[2]) {
  enum { LENGTH = 200000 };
  char *sent = malloc(LENGTH), *got = malloc(LENGTH + 1);
  int buffer = 4 * LENGTH;
  for (int at = 0; at < LENGTH; at++) sent[at] = at * 7;
  for (int end = 0; end < 2; end++) {
    setsockopt(ends[end], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    setsockopt(ends[end], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  }
  CHECK(send(ends[0], sent, LENGTH, 0) == LENGTH);
  size_t all = 0;
  int flags = 0;
  while (!(flags & MSG_EOR) && all <= LENGTH) {
    struct iovec in = {got + all, LENGTH + 1 - all};
    struct msghdr message = {.msg_iov = &in, .msg_iovlen = 1};
    ssize_t length = recvmsg(ends[1], &message, 0);
    CHECK(length > 0);
    if (length <= 0) break;
    all += length;
    flags = message.msg_flags;
  }
  CHECK(all == LENGTH && memcmp(sent, got, LENGTH) == 0);
  REFUSED(send(ends[0], sent, 0, 0), EINVAL);
  free(sent);
  free(got);
}

static void test_nothing_there(int ends[2]) {
  char room[8];
  struct timeval limit = {.tv_usec = 20000};
  REFUSED(recv(ends[1], room, sizeof room, MSG_DONTWAIT), EAGAIN);
  CHECK(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  REFUSED(recv(ends[1], room, sizeof room, 0), EAGAIN);
  CHECK(fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) | O_NONBLOCK) == 0);
  REFUSED(read(ends[1], room, sizeof room), EAGAIN);
  int one = 1;
  CHECK(ioctl(ends[0], FIONBIO, &one) == 0);
  REFUSED(read(ends[0], room, sizeof room), EAGAIN);
}

static void test_waiting_bytes(int ends[2]) {
  int waiting = -1;
  char room[16];
  struct pollfd readable = {.fd = ends[1], .events = POLLIN};
  CHECK(ioctl(ends[1], FIONREAD, &waiting) == 0 && waiting == 0);
  CHECK(write(ends[0], "0123456789", 10) == 10 && poll(&readable, 1, 30000) == 1);
  CHECK(ioctl(ends[1], FIONREAD, &waiting) == 0 && waiting == 10);
  CHECK(read(ends[1], room, 4) == 4 && ioctl(ends[1], FIONREAD, &waiting) == 0 && waiting == 6);
  CHECK(read(ends[1], room, sizeof room) == 6);
  REFUSED(ioctl(ends[0], SIOCOUTQ, &waiting), ENOTTY);
  struct stat found;
  CHECK(fstat(ends[0], &found) == 0 && S_ISSOCK(found.st_mode));
}

/* Copies are the same socket, and numbers that are used again are not. */
/* Descriptors have the lowest number that is free; not where a supervisor gives them out. */
static int lowest_numbers;

static void test_copies(int ends[2]) {
  char room[8];
  int copies[3] = {dup(ends[1]), fcntl(ends[1], F_DUPFD_CLOEXEC, 50), dup2(ends[1], 60)};
  for (int at = 0; at < 3; at++) {
    CHECK(write(ends[0], "copy", 4) == 4 && read(copies[at], room, sizeof room) == 4 && says(room, "copy"));
  }
  for (int at = 0; at < 3; at++) {
    int pipes[2];
    CHECK(pipe(pipes) == 0 && dup2(pipes[0], copies[at]) == copies[at]);
    CHECK(write(pipes[1], "pipe", 4) == 4 && read(copies[at], room, sizeof room) == 4 && says(room, "pipe"));
    close(pipes[0]);
    close(pipes[1]);
    CHECK(close_range(copies[at], copies[at], 0) == 0);
  }
  /* Standard I/O closes where nobody sees it; the next descriptor has the number. */
  int number = dup(ends[1]);
  FILE *stream = fdopen(number, "r");
  CHECK(write(ends[0], "a line\n", 7) == 7 && fgets(room, sizeof room, stream) && says(room, "a line"));
  CHECK(recv(number, room, sizeof room, MSG_DONTWAIT) == -1 && errno == EAGAIN);
  fclose(stream);
  FILE *other = tmpfile();
  if (lowest_numbers) CHECK(fileno(other) == number);
  number = fileno(other);
  CHECK(write(number, "file", 4) == 4 && lseek(number, 0, SEEK_SET) == 0);
  CHECK(read(number, room, sizeof room) == 4 && says(room, "file"));
  fclose(other);
}

static void test_descriptors_in_messages(int ends[2]) {
  int plain[2], number = -1;
  char control[CMSG_SPACE(sizeof number)] = {0}, room[8];
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, plain) == 0);
  /* The number that the next descriptor gets is known as another's. */
  int next = dup(plain[0]);
  CHECK(write(next, "y", 1) == 1 && read(plain[1], room, 1) == 1);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof number);
  memcpy(CMSG_DATA(header), &ends[1], sizeof number);
  CHECK(sendmsg(plain[0], &message, 0) == 1);
  close(next);
  part.iov_base = room;
  CHECK(recvmsg(plain[1], &message, 0) == 1);
  memcpy(&number, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof number);
  CHECK(number == next);
  CHECK(write(ends[0], "came", 4) == 4 && recv(number, room, sizeof room, 0) == 4 && says(room, "came"));
  CHECK(getpeername(number, (struct sockaddr *)&(struct sockaddr_in){0}, &(socklen_t){16}) == 0);
  close(number);
  close(plain[0]);
  close(plain[1]);
}

static void test_files(int ends[2]) {
  char sent[3000], got[3000];
  for (size_t at = 0; at < sizeof sent; at++) sent[at] = at * 3;
  FILE *file = tmpfile();
  int pipes[2];
  off_t offset = 1000;
  CHECK(write(fileno(file), sent, sizeof sent) == sizeof sent && lseek(fileno(file), 500, SEEK_SET) == 500);
  CHECK(sendfile(ends[0], fileno(file), &offset, 1500) == 1500 && offset == 2500);
  CHECK(read(ends[1], got, sizeof got) == 1500 && memcmp(got, sent + 1000, 1500) == 0);
  CHECK(sendfile(ends[0], fileno(file), NULL, 9999) == 2500 && lseek(fileno(file), 0, SEEK_CUR) == 3000);
  CHECK(read(ends[1], got, sizeof got) == 2500 && memcmp(got, sent + 500, 2500) == 0);
  CHECK(pipe(pipes) == 0 && write(pipes[1], sent, 700) == 700);
  CHECK(splice(pipes[0], NULL, ends[0], NULL, 700, 0) == 700);
  CHECK(splice(ends[1], NULL, pipes[1], NULL, 4096, 0) == 700);
  CHECK(read(pipes[0], got, sizeof got) == 700 && memcmp(got, sent, 700) == 0);
  fclose(file);
  close(pipes[0]);
  close(pipes[1]);
}

static void *wait_for_data(void *end) {
  char room[8];
  recv(*(int *)end, room, sizeof room, 0);
  return NULL;
}

static void *wait_for_room(void *end) {
  static char much[20000];
  while (sendto(*(int *)end, much, sizeof much, 0, NULL, 0) > 0) {}
  return NULL;
}

static void *wait_for_peers(void *listener) {
  accept(*(int *)listener, NULL, NULL);
  return NULL;
}

/* A call that waits is a cancellation point. By then it waits, most likely; if not yet, it is cancelled as it begins to. */
static void cancel(void *(*waits)(void *), int *fd) {
  pthread_t waiting;
  void *result = NULL;
  CHECK(pthread_create(&waiting, NULL, waits, fd) == 0);
  poll(NULL, 0, 50);
  CHECK(pthread_cancel(waiting) == 0 && pthread_join(waiting, &result) == 0 && result == PTHREAD_CANCELED);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number) {
  (void)number;
  alarms++;
}

/* Writes for later, when a call waits, from a handler. */
static int late_end;
static void write_late(int number) {
  (void)number;
  if (++alarms == 3) write(late_end, "late", 4);
}

static void every_20_ms(void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  struct itimerval soon = {.it_value.tv_usec = 20000, .it_interval.tv_usec = 20000}, never = {0};
  alarms = 0;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, handler == SIG_DFL ? &never : &soon, NULL);
}

static void test_waiting(int ends[2]) {
  char room[8];
  int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
  cancel(wait_for_data, &ends[1]);
  cancel(wait_for_peers, &listener);
  every_20_ms(count_alarm, 0);
  REFUSED(read(ends[1], room, sizeof room), EINTR);
  REFUSED(accept(listener, NULL, NULL), EINTR);
  late_end = ends[0];
  every_20_ms(write_late, SA_RESTART);
  CHECK(read(ends[1], room, sizeof room) == 4 && says(room, "late") && alarms >= 3);
  every_20_ms(SIG_DFL, 0);
  cancel(wait_for_room, &ends[0]);
  close(listener);
}

/* Children go on with what they inherit, and so does the parent. */
static void test_children(int ends[2]) {
  char room[8];
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    struct sctp_status state = {0};
    socklen_t length = sizeof state;
    int fine = write(ends[0], "child", 5) == 5 && getsockopt(ends[0], SOL_SCTP, SCTP_STATUS, &state, &length) == 0;
    _exit(fine && state.sstat_state == SCTP_ESTABLISHED ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(read(ends[1], room, sizeof room) == 5 && says(room, "child"));
  child = vfork();
  if (child == 0) {
    dup2(ends[0], 1);
    execlp("printf", "printf", "exec", NULL);
    _exit(1);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(read(ends[1], room, sizeof room) == 4 && says(room, "exec"));
  CHECK(write(ends[0], "again", 5) == 5 && read(ends[1], room, sizeof room) == 5 && says(room, "again"));
}

static volatile sig_atomic_t pipe_signals;

static void count_signal(int number) {
  (void)number;
  pipe_signals++;
}

/* RFC 6458, 4.1.7: after shutdown nothing is sent, but the rest is read. */
static void test_the_end(int ends[2]) {
  char room[8];
  struct sigaction action = {.sa_handler = count_signal};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  sigaction(SIGPIPE, &action, NULL);
  CHECK(write(ends[0], "last", 4) == 4 && shutdown(ends[0], SHUT_WR) == 0);
  REFUSED(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK(pipe_signals == 0);
  REFUSED(write(ends[0], "x", 1), EPIPE);
  CHECK(pipe_signals == 1);
  CHECK(read(ends[1], room, sizeof room) == 4 && says(room, "last") && read(ends[1], room, sizeof room) == 0);
  REFUSED(recv(ends[0], room, sizeof room, 0), ENOTCONN);
  pipe_signals = 0;
  REFUSED(sendmsg(ends[1], &message, MSG_NOSIGNAL), EPIPE);
  CHECK(pipe_signals == 0);
  REFUSED(sendmsg(ends[1], &message, 0), EPIPE);
  CHECK(pipe_signals == 1);
}

/* RFC 6458, 4.1.7: what has come is read still, and the peer sees an end in good order. */
static void test_shutting_down_both(int ends[2]) {
  char room[64];
  struct pollfd polled = {.fd = ends[1], .events = POLLIN};
  CHECK(write(ends[0], "unread", 6) == 6 && poll(&polled, 1, 10000) == 1);
  CHECK(shutdown(ends[1], SHUT_RDWR) == 0);
  CHECK(recv(ends[0], room, sizeof room, 0) == 0);
  int error = -1;
  socklen_t length = sizeof error;
  CHECK(getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0);
  CHECK(read(ends[1], room, sizeof room) == 6 && says(room, "unread"));
}

/* A program that has no number left for one more goes on with what it has. */
static void test_no_numbers_left(int ends[2]) {
  pid_t child = fork();
  if (child == 0) {
    struct rlimit few = {64, 64};
    struct sctp_status status;
    socklen_t length = sizeof status;
    failures = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    CHECK(getsockopt(ends[0], SOL_SCTP, SCTP_STATUS, &status, &length) == 0);
    while (dup(0) >= 0) continue;
    REFUSED(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), EMFILE);
    while (dup(0) >= 0) continue;
    CHECK(getsockopt(ends[0], SOL_SCTP, SCTP_STATUS, &status, &length) == 0);
    _exit(failures);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* All numbers are closed, as daemons do, and sockets work as before. */
static void test_closing_all(void) {
  int ends[2];
  char room[8];
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    connected(ends);
    close_range(3, ~0U, 0);
    int file = open("/dev/null", O_WRONLY);
    connected(ends);
    int fine = write(ends[0], "new", 3) == 3 && read(ends[1], room, sizeof room) == 3 && file == 3;
    _exit(fine ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) return 2;
  lowest_numbers = argc == 2;
  static void (*const tests[])(int[2]) = {
      test_all_calls, test_addresses, test_short_reads, test_long_messages, test_nothing_there,
      test_waiting_bytes, test_copies, test_descriptors_in_messages, test_files, test_waiting,
      test_children, test_no_numbers_left, test_the_end, test_shutting_down_both,
  };
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = inet_addr(argv[1]);
  /* Nothing waits for ever. */
  pid_t self = getpid();
  if (fork() == 0) {
    for (int waited = 0; waited < 50 && getppid() == self; waited++) poll(NULL, 0, 1000);
    if (getppid() == self) kill(self, SIGKILL);
    _exit(0);
  }
  for (size_t at = 0; at < sizeof tests / sizeof *tests; at++) {
    int ends[2];
    connected(ends);
    tests[at](ends);
    disconnect(ends);
  }
  test_closing_all();
  printf("%d failures\n", failures);
  return failures != 0;
}
