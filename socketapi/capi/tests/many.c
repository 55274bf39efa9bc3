/* One-to-many sockets with notifications, in one process: implicit set-up, information beside messages, options of associations,
 * peel-off, and the end of both associations (RFC 6458, 3, 6 and 9).
 *
 *   many ADDRESS
 */
#include "check.h"

static struct sctp_sndrcvinfo expect(int fd, const char *text, struct sockaddr_in *from) {
  char buffer[100] = {0};
  struct sctp_sndrcvinfo info = {0};
  socklen_t length = sizeof *from;
  int flags = 0;
  ssize_t got = sctp_recvmsg(fd, buffer, sizeof buffer, (struct sockaddr *)from, &length, &info, &flags);
  CHECK(got == (ssize_t)strlen(text) && strcmp(buffer, text) == 0);
  CHECK(length == sizeof *from && (flags & MSG_EOR) && !(flags & MSG_NOTIFICATION));
  return info;
}

static sctp_assoc_t up(int fd) {
  union sctp_notification event;
  notification(fd, SCTP_ASSOC_CHANGE, &event);
  CHECK(event.sn_assoc_change.sac_state == SCTP_COMM_UP && event.sn_assoc_change.sac_outbound_streams == 10);
  return event.sn_assoc_change.sac_assoc_id;
}

static void over(int fd) {
  union sctp_notification event;
  notification(fd, SCTP_SHUTDOWN_EVENT, &event);
  notification(fd, SCTP_ASSOC_CHANGE, &event);
  CHECK(event.sn_assoc_change.sac_state == SCTP_SHUTDOWN_COMP);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  struct sockaddr_in address = at(argv[1], 5001), from;
  int server = new_socket(SOCK_SEQPACKET), client = new_socket(SOCK_SEQPACKET);
  struct sctp_initmsg streams = {.sinit_num_ostreams = 10, .sinit_max_instreams = 10};
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1};
  for (int i = 0; i < 2; i++) {
    int fd = i ? client : server;
    CHECK(setsockopt(fd, SOL_SCTP, SCTP_INITMSG, &streams, sizeof streams) == 0);
    CHECK(setsockopt(fd, SOL_SCTP, SCTP_EVENTS, &events, sizeof events) == 0);
    subscribe(fd, SCTP_ASSOC_CHANGE);
    subscribe(fd, SCTP_SHUTDOWN_EVENT);
  }
  CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 5) == 0);

  /* RFC 6458, 3.1.4: the first message sets the association up. */
  CHECK(sctp_sendmsg(client, "hello", 5, (struct sockaddr *)&address, sizeof address, htonl(7), 0, 3, 0, 0) == 5);
  sctp_assoc_t here = up(client), there = up(server);
  struct sctp_sndrcvinfo info = expect(server, "hello", &from);
  CHECK(info.sinfo_stream == 3 && info.sinfo_ppid == htonl(7) && info.sinfo_assoc_id == there);

  /* Answered by the association's number. */
  struct sctp_sndrcvinfo answer = {.sinfo_stream = 4, .sinfo_flags = SCTP_UNORDERED, .sinfo_assoc_id = there};
  CHECK(sctp_send(server, "answer", 6, &answer, 0) == 6);
  info = expect(client, "answer", &from);
  CHECK(info.sinfo_stream == 4 && (info.sinfo_flags & SCTP_UNORDERED) && info.sinfo_assoc_id == here);
  CHECK(from.sin_port == htons(5001));

  struct sctp_status status;
  memset(&status, 0, sizeof status);
  socklen_t length = sizeof status;
  CHECK(sctp_opt_info(client, here, SCTP_STATUS, &status, &length) == 0 && length == sizeof status);
  CHECK(status.sstat_state == SCTP_ESTABLISHED && status.sstat_outstrms == 10 && status.sstat_assoc_id == here);
  FAILS(sctp_opt_info(client, here + 1000, SCTP_STATUS, &status, &length), EINVAL);
  FAILS(sctp_opt_info(client, here, SCTP_STATUS, NULL, &length), EFAULT);

  /* RFC 6458, 9.2: the association moves, and its messages come by the new socket. */
  int peeled = sctp_peeloff(server, there);
  CHECK(peeled >= 0);
  int blocks = sctp_peeloff_flags(server, there, SOCK_NONBLOCK);
  CHECK(blocks == -1);
  CHECK(sctp_sendx(client, "again", 5, (struct sockaddr *)&address, 1, NULL, 0) == 5);
  expect(peeled, "again", &from);
  CHECK(send(peeled, "bye", 3, 0) == 3);
  expect(client, "bye", &from);

  /* RFC 6458, 5.3.2: SCTP_EOF ends it in good order. */
  answer = (struct sctp_sndrcvinfo){.sinfo_flags = SCTP_EOF, .sinfo_assoc_id = here};
  CHECK(sctp_send(client, NULL, 0, &answer, 0) == 0);
  over(peeled);
  union sctp_notification event;
  notification(client, SCTP_ASSOC_CHANGE, &event);
  CHECK(event.sn_assoc_change.sac_state == SCTP_SHUTDOWN_COMP);
  CHECK(close(peeled) == 0 && close(client) == 0 && close(server) == 0);
  printf("done\n");
  return 0;
}
