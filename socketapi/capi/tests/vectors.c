/* sctp_sendv and sctp_recvv with every kind of information (RFC 6458, 9.12 and 9.13).
 *
 *   vectors ADDRESS
 */
#include "check.h"

static int server, client;

static ssize_t send_with(void *info, socklen_t length, unsigned kind) {
  static struct sockaddr_in address;
  struct iovec parts[2] = {{.iov_base = "two ", .iov_len = 4}, {.iov_base = "parts", .iov_len = 5}};
  socklen_t size = sizeof address;
  CHECK(getsockname(server, (struct sockaddr *)&address, &size) == 0);
  return sctp_sendv(client, parts, 2, (struct sockaddr *)&address, 1, info, length, kind, 0);
}

/* Receives the message, and what came beside it. */
static unsigned receive(void *info, socklen_t *length) {
  char first[3], second[100];
  struct iovec parts[2] = {{.iov_base = first, .iov_len = sizeof first}, {.iov_base = second, .iov_len = sizeof second}};
  struct sockaddr_storage from;
  socklen_t size = sizeof from;
  unsigned kind = 99;
  int flags = 0;
  CHECK(sctp_recvv(server, parts, 2, (struct sockaddr *)&from, &size, info, length, &kind, &flags) == 9);
  CHECK(memcmp(first, "two", 3) == 0 && memcmp(second, " parts", 6) == 0 && (flags & MSG_EOR));
  CHECK(from.ss_family == AF_INET && size == sizeof(struct sockaddr_in));
  return kind;
}

static struct sctp_rcvinfo received(void) {
  struct sctp_rcvinfo info;
  socklen_t length = sizeof info;
  CHECK(receive(&info, &length) == SCTP_RECVV_RCVINFO && length == sizeof info);
  return info;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  struct sockaddr_in address = at(argv[1], 5002);
  server = new_socket(SOCK_SEQPACKET), client = new_socket(SOCK_SEQPACKET);
  CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 5) == 0);

  /* Nothing was asked for, so nothing comes. */
  struct sctp_recvv_rn both;
  socklen_t length = sizeof both;
  CHECK(send_with(NULL, 0, SCTP_SENDV_NOINFO) == 9);
  CHECK(receive(&both, &length) == SCTP_RECVV_NOINFO && length == 0);

  switch_on(server, SCTP_RECVRCVINFO);
  struct sctp_sndinfo how = {.snd_sid = 1, .snd_flags = SCTP_UNORDERED, .snd_ppid = htonl(9)};
  CHECK(send_with(&how, sizeof how, SCTP_SENDV_SNDINFO) == 9);
  struct sctp_rcvinfo info = received();
  CHECK(info.rcv_sid == 1 && info.rcv_ppid == htonl(9) && (info.rcv_flags & SCTP_UNORDERED));

  struct sctp_prinfo reliability = {.pr_policy = SCTP_PR_SCTP_TTL, .pr_value = 10000};
  CHECK(send_with(&reliability, sizeof reliability, SCTP_SENDV_PRINFO) == 9);
  CHECK(received().rcv_sid == 0);

  struct sctp_sendv_spa all = {.sendv_flags = SCTP_SEND_SNDINFO_VALID | SCTP_SEND_PRINFO_VALID,
                               .sendv_sndinfo = {.snd_sid = 2},
                               .sendv_prinfo = {.pr_policy = SCTP_PR_SCTP_RTX, .pr_value = 3}};
  CHECK(send_with(&all, sizeof all, SCTP_SENDV_SPA) == 9 && send_with(&how, sizeof how, SCTP_SENDV_SNDINFO) == 9);

  /* RFC 6458, 5.3.6: what comes next, once it is there. */
  switch_on(server, SCTP_RECVNXTINFO);
  int waits = 0;
  while (waits < 18) {
    struct pollfd entry = {.fd = server, .events = POLLIN};
    CHECK(poll(&entry, 1, 10000) == 1);
    char peeked[100];
    struct iovec part = {.iov_base = peeked, .iov_len = sizeof peeked};
    int flags = MSG_PEEK;
    unsigned kind;
    length = sizeof both;
    CHECK(sctp_recvv(server, &part, 1, NULL, NULL, &both, &length, &kind, &flags) == 9);
    waits = kind == SCTP_RECVV_RN ? 18 : 9;
  }
  CHECK(both.recvv_rcvinfo.rcv_sid == 2 && both.recvv_nxtinfo.nxt_sid == 1 && both.recvv_nxtinfo.nxt_length == 9);
  /* Room for one of both only. */
  info = received();
  CHECK(info.rcv_sid == 2);
  CHECK(received().rcv_sid == 1);

  /* RFC 6458, 9.12: what is not what it says it is. */
  FAILS(send_with(&how, sizeof how, SCTP_SENDV_NOINFO), EINVAL);
  FAILS(send_with(&how, sizeof how - 1, SCTP_SENDV_SNDINFO), EINVAL);
  FAILS(send_with(NULL, 0, SCTP_SENDV_PRINFO), EINVAL);
  FAILS(send_with(&how, sizeof how, 77), EINVAL);
  FAILS(sctp_sendv(client, NULL, 1, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0), EFAULT);
  FAILS(sctp_sendv(-1, NULL, 0, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0), EBADF);
  printf("done\n");
  return 0;
}
