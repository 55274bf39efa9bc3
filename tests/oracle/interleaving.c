/* Interleaving of messages (RFC 8260) and the levels of SCTP_FRAGMENT_INTERLEAVE (RFC 6458, 8.1.20). */
#include "oracle.h"

static void interleaves(int fd) {
  USE(fd, SCTP_FRAGMENT_INTERLEAVE, int, 2);
  struct sctp_assoc_value on = {SCTP_FUTURE_ASSOC, 1};
  DO(setsockopt(fd, SOL_SCTP, SCTP_INTERLEAVING_SUPPORTED, &on, sizeof on));
  USE(fd, SCTP_RECVRCVINFO, int, 1);
}

CASE(it_is_negotiated) {
  struct pair pair = pair_of(many, interleaves);
  GET(pair.client, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value, association(pair.client));
  DO(sendto(pair.client, "hello", 5, 0, at(2, 0), IN));
  TAKE(pair.server);
  DO(sendto(pair.client, "again", 5, 0, at(2, 0), IN));
  TAKE(pair.server);
  SEND(pair.client, at(2, 0), "unordered", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 3, .snd_flags = SCTP_UNORDERED));
  TAKE(pair.server);
}

CASE(one_end_alone) {
  int server = many(), client = many();
  interleaves(client);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 1));
  DO(connect(client, at(2, 0), IN));
  GET(client, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value, association(client));
  GET(client, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value);
  SET(client, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value, association(client), 0);
}

CASE(a_big_and_a_small_message) {
  struct pair pair = pair_of(many, interleaves);
  static char big[20000];
  memset(big, 'b', sizeof big);
  CALL(sendto(pair.client, big, sizeof big, 0, at(2, 0), IN));
  SEND(pair.client, at(2, 0), "small", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1));
  size_t got[2] = {0};
  while (got[0] + got[1] < sizeof big + 5 && await(pair.server, POLLIN)) {
    static char data[30000];
    _Alignas(struct cmsghdr) char control[200];
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(pair.server, &message, 0);
    if (length <= 0 || !CMSG_FIRSTHDR(&message)) break;
    struct sctp_rcvinfo info;
    memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof info);
    got[info.rcv_sid & 1] += length;
  }
  FACT("received", "%zu on stream 0, %zu on stream 1", got[0], got[1]);
}

CASE(levels) {
  int fd = many();
  interleaves(fd);
  GET(fd, SCTP_FRAGMENT_INTERLEAVE, int);
  SET(fd, SCTP_FRAGMENT_INTERLEAVE, int, 0);
  GET(fd, SCTP_INTERLEAVING_SUPPORTED, struct sctp_assoc_value);
  SET(fd, SCTP_FRAGMENT_INTERLEAVE, int, -1);
  GET(fd, SCTP_FRAGMENT_INTERLEAVE, int);
}
