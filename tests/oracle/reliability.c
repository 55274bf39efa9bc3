/* Partial reliability (RFC 3758; RFC 7496; RFC 6458, 5.3.7 and 8.1). */
#include "oracle.h"

CASE(default_prinfo) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, 0, 3000, SCTP_PR_SCTP_TTL);
  GET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo);
  GET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id, 4, SCTP_PR_SCTP_RTX);
  GET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id, 5, SCTP_PR_SCTP_PRIO);
  GET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, SCTP_ALL_ASSOC, 6, SCTP_PR_SCTP_NONE);
  GET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, id, 5, 0x70);
  SET(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, 99999, 5, SCTP_PR_SCTP_TTL);
}

CASE(policies_of_messages) {
  struct pair pair = one_pair();
  SEND(pair.client, NULL, "none", 0, CMSG(SCTP_PRINFO, struct sctp_prinfo, SCTP_PR_SCTP_NONE, 0));
  TAKE(pair.server);
  SEND(pair.client, NULL, "ttl", 0, CMSG(SCTP_PRINFO, struct sctp_prinfo, SCTP_PR_SCTP_TTL, 60000));
  TAKE(pair.server);
  SEND(pair.client, NULL, "rtx", 0, CMSG(SCTP_PRINFO, struct sctp_prinfo, SCTP_PR_SCTP_RTX, 3));
  TAKE(pair.server);
  SEND(pair.client, NULL, "prio", 0, CMSG(SCTP_PRINFO, struct sctp_prinfo, SCTP_PR_SCTP_PRIO, 3));
  TAKE(pair.server);
  SEND(pair.client, NULL, "wrong", 0, CMSG(SCTP_PRINFO, struct sctp_prinfo, 0x40, 3));
  SEND(pair.client, NULL, "flags", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_PR_SCTP_TTL));
  SEND(pair.client, NULL, "old", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_timetolive = 60000));
  TAKE(pair.server);
  SEND(pair.client, NULL, "short", 0, CMSG(SCTP_PRINFO, char, 1));
}

CASE(statistics) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, struct sctp_prstatus, id, 0, SCTP_PR_SCTP_TTL);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, struct sctp_prstatus, id, 0, SCTP_PR_SCTP_ALL);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, struct sctp_prstatus, id, 0, SCTP_PR_SCTP_NONE);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, struct sctp_prstatus, id, 0, 0x70);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, struct sctp_prstatus, 99999, 0, SCTP_PR_SCTP_TTL);
  GET(pair.client, SCTP_PR_STREAM_STATUS, struct sctp_prstatus, id, 1, SCTP_PR_SCTP_RTX);
  GET(pair.client, SCTP_PR_STREAM_STATUS, struct sctp_prstatus, id, 99, SCTP_PR_SCTP_RTX);
  GET(pair.client, SCTP_PR_STREAM_STATUS, struct sctp_prstatus, id, 1, SCTP_PR_SCTP_ALL);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, int);
}

/* A message that cannot be sent while the peer's window is closed, and that lives 1 ms only, is abandoned. */
CASE(messages_are_abandoned) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  subscribe(pair.client, SCTP_SEND_FAILED_EVENT);
  static char big[4000], into[70000];
  DO(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &(int){190000}, sizeof(int)));
  DO(setsockopt(pair.server, SOL_SOCKET, SO_RCVBUF, &(int){30000}, sizeof(int)));
  size_t sent = 0, got = 0;
  while (sent < 40000000 && sendto(pair.client, big, sizeof big, MSG_DONTWAIT, at(2, 0), IN) > 0) sent += sizeof big;
  FACT("full", "%s", error_name(errno));
  DO(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &(int){210000}, sizeof(int)));
  SEND(pair.client, at(2, 0), "short-lived", MSG_DONTWAIT, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1, .snd_ppid = htonl(3)), CMSG(SCTP_PRINFO, struct sctp_prinfo, SCTP_PR_SCTP_TTL, 1));
  for (long end = now_ms() + 60; now_ms() < end;) continue;
  while (got < sent && await(pair.server, POLLIN)) {
    ssize_t length = recv(pair.server, into, sizeof into, MSG_DONTWAIT);
    if (length <= 0) break;
    got += length;
  }
  FACT("all others came", "%d", got == sent);
  TAKE(pair.client);
  GET(pair.client, SCTP_PR_ASSOC_STATUS, struct sctp_prstatus, id, 0, SCTP_PR_SCTP_TTL);
  GET(pair.client, SCTP_PR_STREAM_STATUS, struct sctp_prstatus, id, 1, SCTP_PR_SCTP_TTL);
}

static void receives_little(int fd) {
  DO(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){3000}, sizeof(int)));
  DO(setsockopt(fd, SOL_SCTP, SCTP_MAXSEG, &(struct sctp_assoc_value){0, 500}, sizeof(struct sctp_assoc_value)));
}

/* Nobody reads, so that the window is closed when it would be sent. */
CASE(a_message_of_several_fragments_expires) {
  struct pair pair = pair_of(many, receives_little);
  struct sctp_status status = {.sstat_assoc_id = association(pair.client)};
  socklen_t length = sizeof status;
  static char much[100000];
  DO(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &status, &length));
  subscribe(pair.client, SCTP_SEND_FAILED_EVENT);
  DO(sendto(pair.client, much, status.sstat_rwnd + 100, 0, at(2, 0), IN));
  USE(pair.client, SCTP_DEFAULT_PRINFO, struct sctp_default_prinfo, association(pair.client), 300, SCTP_PR_SCTP_TTL);
  CALL(sendto(pair.client, much, 1500, 0, at(2, 0), IN));
  await(pair.client, POLLIN);
  for (int i = 0; i < 3; i++) TAKE_FLAGS(pair.client, MSG_DONTWAIT);
}
