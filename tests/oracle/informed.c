/* Messages with information (SCTP_SNDINFO, SCTP_SNDRCV) beside those without, on one-to-one sockets. */
#include "oracle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static void tells(int fd) {
  USE(fd, SCTP_NODELAY, int, 1);
  USE(fd, SCTP_RECVRCVINFO, int, 1);
}

CASE(with_and_without_information_in_order) {
  struct pair pair = pair_of(one, tells);
  DO(send(pair.client, "bare", 4, 0));
  SEND(pair.client, NULL, "sndinfo", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(1)));
  SEND(pair.client, NULL, "sndrcv", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_ppid = htonl(2), .sinfo_context = 9));
  SEND(pair.client, NULL, "and prinfo", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(3)), CMSG(SCTP_PRINFO, struct sctp_prinfo, .pr_policy = SCTP_PR_SCTP_NONE));
  SEND(pair.client, NULL, "no such stream", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 10));
  SEND(pair.client, NULL, "time to live", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_ppid = htonl(4), .sinfo_timetolive = 60000));
  DO(write(pair.client, "bare again", 10));
  SEND(pair.client, NULL, "at once", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_SACK_IMMEDIATELY, .snd_ppid = 5));
  SEND(pair.client, at(2, 0), "to an address", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(6)));
  SEND(pair.client, NULL, "with flags", MSG_DONTWAIT | MSG_NOSIGNAL, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_ppid = htonl(7)));
  CALL(sctp_sendmsg(pair.client, "by a function", 13, NULL, 0, htonl(8), 0, 0, 0, 0));
  for (int i = 0; i < 10; i++) TAKE(pair.server);
  SEND(pair.client, NULL, "unordered", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 9, .snd_flags = SCTP_UNORDERED, .snd_ppid = htonl(10)));
  TAKE(pair.server);
  CALL(sctp_sendmsg(pair.client, "unordered", 9, NULL, 0, htonl(11), SCTP_UNORDERED, 3, 0, 0));
  TAKE(pair.server);
  SEND(pair.client, NULL, "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1));
}

/* Some of them are empty. */
CASE(information_and_messages_of_many_pieces) {
  struct pair pair = pair_of(one, tells);
  static const int counts[] = {1, 2, 7, 8, 9, 40, 1024, 1025};
  struct iovec parts[1025];
  for (int i = 0; i < 1025; i++) parts[i] = (struct iovec){"pieces" + i % 7, i % 7 < 6 ? 1 : 0};
  for (int i = 0; i < 8; i++) {
    struct {
      struct cmsghdr header;
      struct sctp_sndinfo info;
    } control = {{sizeof control, SOL_SCTP, SCTP_SNDINFO}, {.snd_sid = i, .snd_ppid = htonl(counts[i])}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = counts[i], .msg_control = &control, .msg_controllen = sizeof control};
    if (CALL(sendmsg(pair.client, &message, 0)) >= 0) TAKE(pair.server);
  }
}

CASE(several_messages_with_information_in_one_call) {
  struct pair pair = pair_of(one, tells);
  struct {
    struct cmsghdr header;
    struct sctp_sndinfo info;
  } control[4];
  struct iovec part = {"message", 7};
  struct mmsghdr messages[4] = {0};
  for (int i = 0; i < 4; i++) {
    control[i].header = (struct cmsghdr){sizeof *control, SOL_SCTP, SCTP_SNDINFO};
    control[i].info = (struct sctp_sndinfo){.snd_sid = i == 3 ? 10 : i, .snd_ppid = htonl(100 + i)};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control[i], .msg_controllen = sizeof *control};
  }
  messages[1].msg_hdr.msg_controllen = 0;
  CALL(sendmmsg(pair.client, messages, 4, 0));
  for (int i = 0; i < 4; i++) FACT("length", "%u", messages[i].msg_len);
  for (int i = 0; i < 3; i++) TAKE(pair.server);
  CALL(sendmmsg(pair.client, messages + 3, 1, 0));
}

#define THREADS 5
#define MESSAGES 200

/* Each sends on a stream of its own, by turns in other ways. */
struct sender {
  int fd, stream;
};

static void *send_many(void *argument) {
  struct sender *sender = argument;
  for (uint32_t i = 0; i < MESSAGES; i++) {
    const struct sctp_sndinfo info = {.snd_sid = sender->stream, .snd_ppid = htonl(i)};
    const struct sctp_prinfo whole = {0};
    if (i % 5 == 4)
      DO(send_with(sender->fd, NULL, &i, sizeof i, 0, SCTP_SNDINFO, &info, sizeof info, SCTP_PRINFO, &whole, sizeof whole, -1));
    else
      DO(send_with(sender->fd, NULL, &i, sizeof i, 0, SCTP_SNDINFO, &info, sizeof info, -1));
    if (i % 50 == 49) DO(send(sender->fd, "bare", 4, 0));
  }
  return NULL;
}

/* RFC 6458, 5.3.4: what each has said goes with its own. */
CASE(information_of_several_threads) {
  struct pair pair = pair_of(one, tells);
  struct sender senders[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    senders[i] = (struct sender){pair.client, i + 1};
    DO(pthread_create(&threads[i], NULL, send_many, &senders[i]));
  }
  uint32_t next[10] = {0};
  int wrong = 0, bare = 0;
  for (int i = 0; i < THREADS * (MESSAGES + MESSAGES / 50); i++) {
    uint32_t number = 0;
    struct sctp_rcvinfo info = {0};
    socklen_t length = 0, room = sizeof info;
    unsigned type = 0;
    int flags = 0;
    struct iovec part = {&number, sizeof number};
    DO(sctp_recvv(pair.server, &part, 1, NULL, &length, &info, &room, &type, &flags));
    if (info.rcv_sid == 0) {
      bare++;
      continue;
    }
    wrong += type != SCTP_RECVV_RCVINFO || number != next[info.rcv_sid % 10] || ntohl(info.rcv_ppid) != number;
    next[info.rcv_sid % 10]++;
  }
  for (int i = 0; i < THREADS; i++) DO(pthread_join(threads[i], NULL));
  FACT("without information", "%d", bare);
  FACT("wrong", "%d", wrong);
  for (int i = 1; i <= THREADS; i++) FACT("stream", "%d: %u", i, next[i]);
}

static ssize_t send_numbered(int fd, uint32_t number, int flags) {
  static const char payload[1000];
  const struct sctp_sndinfo info = {.snd_sid = 3, .snd_context = number, .snd_ppid = htonl(number)};
  return send_with(fd, NULL, payload, sizeof payload, flags, SCTP_SNDINFO, &info, sizeof info, -1);
}

/* Numbered from 1 on, until there is no room, also when some comes back: Linux acknowledges late. errno is the last one's. */
static uint32_t fill_numbered(int fd, uint32_t first, int flags) {
  struct pollfd poller = {fd, POLLOUT, 0};
  uint32_t next = first;
  do
    while (send_numbered(fd, next, flags) > 0) next++;
  while (poll(&poller, 1, 500) > 0);
  return next - first;
}

/* Reads so many messages; how many are not the next one. */
static uint32_t wrong_among(uint32_t count, int fd) {
  uint32_t wrong = 0;
  for (uint32_t i = 1; i <= count; i++) {
    static char payload[2000];
    struct sctp_rcvinfo info = {0};
    socklen_t length = 0, room = sizeof info;
    unsigned type = 0;
    int flags = 0;
    struct iovec part = {payload, sizeof payload};
    wrong += DO(sctp_recvv(fd, &part, 1, NULL, &length, &info, &room, &type, &flags)) != 1000;
    wrong += ntohl(info.rcv_ppid) != i || info.rcv_sid != 3;
  }
  return wrong;
}

/* The peer reads nothing. */
CASE(no_room_for_messages_with_information) {
  struct pair pair = pair_of(one, tells);
  uint32_t count = fill_numbered(pair.client, 1, MSG_DONTWAIT);
  FACT("no room", "%s", error_name(errno));
  DO(fcntl(pair.client, F_SETFL, O_NONBLOCK));
  count += fill_numbered(pair.client, count + 1, 0);
  FACT("no room", "%s", error_name(errno));
  READY(pair.client);
  FACT("wrong", "%u", wrong_among(count, pair.server));
  FACT("writable", "%d", await(pair.client, POLLOUT));
  SEND(pair.client, NULL, "room", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1));
  TAKE(pair.server);
  TAKE_ALL(pair.server);
}

#define MORE_THAN_FITS 5000

struct waiting {
  int fd;
  atomic_int id;
};

static void *send_more_than_fits(void *argument) {
  struct waiting *waiting = argument;
  waiting->id = syscall(SYS_gettid);
  for (uint32_t i = 1; i <= MORE_THAN_FITS; i++) DO(send_numbered(waiting->fd, i, 0));
  return NULL;
}

CASE(messages_with_information_that_wait_for_room) {
  struct pair pair = pair_of(one, tells);
  struct waiting waiting = {pair.client, 0};
  pthread_t thread;
  DO(pthread_create(&thread, NULL, send_more_than_fits, &waiting));
  while (!waiting.id) usleep(1000);
  settle(waiting.id, ANY_FD);
  FACT("wrong", "%u", wrong_among(MORE_THAN_FITS, pair.server));
  DO(pthread_join(thread, NULL));
  TAKE_ALL(pair.server);
}

CASE(a_time_out_of_a_message_with_information) {
  struct pair pair = pair_of(one, tells);
  struct timeval time = {0, 200000};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
  long begun;
  do begun = now_ms();
  while (send_numbered(pair.client, 0, 0) > 0);
  FACT("no room", "%s", error_name(errno));
  FACT("in time", "%d", now_ms() - begun >= 190);
}

/* RFC 6458, 6.1.11: all that the peer has not got, whoever had it still. */
static void states_failures(int kind) {
  struct pair pair = pair_of(one, tells);
  subscribe(pair.client, kind);
  uint32_t count = fill_numbered(pair.client, 1, MSG_DONTWAIT), last = 0, wrong = 0;
  struct linger now = {1, 0};
  DO(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(close(pair.server));
  for (;;) {
    static union {
      char bytes[8000];
      struct sctp_send_failed_event event;
      struct sctp_send_failed old;
    } told;
    int flags = 0;
    ssize_t length = sctp_recvmsg(pair.client, &told, sizeof told, NULL, NULL, NULL, &flags);
    if (length <= 0) break;
    bool is_old = kind == SCTP_SEND_FAILED;
    uint32_t context = is_old ? told.old.ssf_info.sinfo_context : told.event.ssfe_info.snd_context;
    size_t head = is_old ? sizeof told.old : sizeof told.event;
    wrong += !(flags & MSG_NOTIFICATION) || told.event.ssf_type != kind || (size_t)length != head + 1000;
    wrong += last != 0 && context != last + 1;
    last = context;
  }
  FACT("all up to the last", "%d", last == count);
  FACT("wrong", "%u", wrong);
  CALL(send_numbered(pair.client, 0, MSG_NOSIGNAL));
}

CASE(contexts_of_messages_that_fail) {
  states_failures(SCTP_SEND_FAILED_EVENT);
}

CASE(contexts_of_messages_that_fail_by_the_old_notification) {
  states_failures(SCTP_SEND_FAILED);
}

CASE(information_where_nothing_can_be_sent) {
  int fd = one();
  SEND(fd, NULL, "x", MSG_NOSIGNAL, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 0));
  struct pair pair = pair_of(one, tells);
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(1)));
  DO(shutdown(pair.client, SHUT_WR));
  SEND(pair.client, NULL, "y", MSG_NOSIGNAL, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 0));
  TAKE(pair.server);
  TAKE(pair.server);
  SEND(pair.server, NULL, "z", MSG_NOSIGNAL, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 0));
  DO(close(pair.client));
  SEND(pair.client, NULL, "closed", MSG_NOSIGNAL, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 0));
}

/* What was sent comes before what ends the association. */
CASE(information_before_a_close) {
  struct pair pair = pair_of(one, tells);
  for (uint32_t i = 0; i < 6; i++)
    DO(sctp_sendmsg(pair.client, &i, sizeof i, NULL, 0, htonl(i), 0, i / 2, 0, 0));
  DO(close(pair.client));
  for (int i = 0; i < 7; i++) TAKE(pair.server);
}

/* The number means something else when the next message is sent. */
CASE(information_and_numbers_that_are_used_anew) {
  struct pair pair = pair_of(one, tells), other = pair_of(one, tells);
  int ends[2];
  DO(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
  SEND(pair.client, NULL, "first", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(1)));
  DO(dup2(other.client, pair.client));
  SEND(pair.client, NULL, "second", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(2)));
  DO(dup2(ends[0], pair.client));
  SEND(pair.client, NULL, "third", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_ppid = htonl(3)));
  char got[20];
  FACT("at the other", "%zd", recv(ends[1], got, sizeof got, 0));
  TAKE(other.server);
  TAKE(pair.server);
  TAKE(pair.server);
}

/* The default is to give messages up, or not to. */
CASE(information_and_defaults) {
  struct pair pair = pair_of(one, tells);
  SET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_sid = 5, .snd_ppid = htonl(50), .snd_flags = SCTP_UNORDERED);
  SEND(pair.client, NULL, "own", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1));
  TAKE(pair.server);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, .pr_policy = SCTP_PR_SCTP_TTL, .pr_value = 60000);
  SEND(pair.client, NULL, "own", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 2));
  SEND(pair.client, NULL, "own", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 3));
  TAKE(pair.server);
  TAKE(pair.server);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, .pr_policy = SCTP_PR_SCTP_NONE);
  SEND(pair.client, NULL, "own", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 4));
  TAKE(pair.server);
}
