/* Streams: reset, added, scheduled (RFC 6525; RFC 8260; RFC 6458, 8). */
#include "oracle.h"

struct reset {
  sctp_assoc_t id;
  uint16_t flags, count, list[4];
};

static void reconfigures(int fd) {
  struct sctp_assoc_value on = {SCTP_FUTURE_ASSOC, 1}, all = {SCTP_FUTURE_ASSOC, SCTP_ENABLE_STRRESET_MASK};
  DO(setsockopt(fd, SOL_SCTP, SCTP_RECONFIG_SUPPORTED, &on, sizeof on));
  DO(setsockopt(fd, SOL_SCTP, SCTP_ENABLE_STREAM_RESET, &all, sizeof all));
  subscribe(fd, SCTP_STREAM_RESET_EVENT), subscribe(fd, SCTP_ASSOC_RESET_EVENT), subscribe(fd, SCTP_STREAM_CHANGE_EVENT);
  USE(fd, SCTP_RECVRCVINFO, int, 1);
}

CASE(what_may_be_reset) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value);
  SET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value, 0, SCTP_ENABLE_RESET_STREAM_REQ);
  GET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value);
  GET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value, id, SCTP_ENABLE_RESET_ASSOC_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ);
  GET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value, 0, 8);
  SET(pair.client, SCTP_ENABLE_STREAM_RESET, struct sctp_assoc_value, 99999, 1);
}

CASE(without_the_extension) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, id, SCTP_STREAM_RESET_OUTGOING, 1, {0});
  SET(pair.client, SCTP_RESET_ASSOC, sctp_assoc_t, id);
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 0, 2);
}

static void send_on(int fd, int stream) {
  struct sctp_sndinfo info = {.snd_sid = stream, .snd_assoc_id = association(fd)};
  struct iovec part = {"data", 4};
  DO(sctp_sendv(fd, &part, 1, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0));
}

CASE(outgoing_streams_are_reset) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  send_on(pair.client, 1), send_on(pair.client, 1);
  TAKE(pair.server);
  TAKE(pair.server);
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, id, SCTP_STREAM_RESET_OUTGOING, 2, {1, 3});
  TAKE(pair.client);
  TAKE(pair.server);
  send_on(pair.client, 1);
  TAKE(pair.server);
}

CASE(all_outgoing_streams_are_reset) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_RESET_STREAMS, &(struct reset){id, SCTP_STREAM_RESET_OUTGOING, 0, {0}}, 8));
  TAKE(pair.client);
  TAKE(pair.server);
}

CASE(incoming_streams_are_reset) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_RESET_STREAMS, &(struct reset){id, SCTP_STREAM_RESET_INCOMING, 1, {2}}, 10));
  TAKE(pair.client);
  TAKE(pair.server);
}

CASE(incoming_streams_that_were_used_are_reset) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  send_on(pair.server, 2);
  TAKE(pair.client);
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_RESET_STREAMS, &(struct reset){id, SCTP_STREAM_RESET_INCOMING, 1, {2}}, 10));
  TAKE(pair.client);
  TAKE(pair.server);
  send_on(pair.server, 2);
  TAKE(pair.client);
}

CASE(wrong_resets) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, id, 0, 1, {0});
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, id, 4, 1, {0});
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, id, SCTP_STREAM_RESET_OUTGOING, 1, {99});
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, 99999, SCTP_STREAM_RESET_OUTGOING, 1, {0});
  SET(pair.client, SCTP_RESET_STREAMS, int, 0);
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_RESET_STREAMS, &(struct reset){id, SCTP_STREAM_RESET_OUTGOING, 9, {0}}, 10));
}

CASE(a_peer_that_denies) {
  struct pair pair = pair_of(many, reconfigures);
  struct sctp_assoc_value none = {association(pair.server), 0};
  sctp_assoc_t id = association(pair.client);
  CALL(setsockopt(pair.server, SOL_SCTP, SCTP_ENABLE_STREAM_RESET, &none, sizeof none));
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_RESET_STREAMS, &(struct reset){id, SCTP_STREAM_RESET_INCOMING, 1, {2}}, 10));
  TAKE(pair.client);
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 0, 2);
  TAKE(pair.client);
}

CASE(an_endpoint_that_does_not_allow_itself) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  struct sctp_assoc_value none = {id, 0};
  CALL(setsockopt(pair.client, SOL_SCTP, SCTP_ENABLE_STREAM_RESET, &none, sizeof none));
  SET(pair.client, SCTP_RESET_STREAMS, struct reset, id, SCTP_STREAM_RESET_OUTGOING, 1, {0});
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 0, 2);
  SET(pair.client, SCTP_RESET_ASSOC, sctp_assoc_t, id);
}

CASE(the_association_is_reset) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  send_on(pair.client, 1);
  TAKE(pair.server);
  SET(pair.client, SCTP_RESET_ASSOC, sctp_assoc_t, id);
  TAKE(pair.client);
  TAKE(pair.server);
  send_on(pair.client, 1);
  TAKE(pair.server);
  SET(pair.client, SCTP_RESET_ASSOC, sctp_assoc_t, 99999);
}

CASE(streams_are_added) {
  struct pair pair = pair_of(many, reconfigures);
  sctp_assoc_t id = association(pair.client);
  SEND(pair.client, at(2, 0), "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 11));
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 0, 2);
  TAKE(pair.client);
  TAKE(pair.server);
  SEND(pair.client, at(2, 0), "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 11));
  TAKE(pair.server);
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 3, 0);
  TAKE(pair.client);
  TAKE(pair.server);
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 0, 0);
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, id, 0, 65535);
  SET(pair.client, SCTP_ADD_STREAMS, struct sctp_add_streams, 99999, 0, 1);
  struct sctp_status status = {.sstat_assoc_id = id};
  socklen_t length = sizeof status;
  DO(getsockopt(pair.client, SOL_SCTP, SCTP_STATUS, &status, &length));
  FACT("streams", "in %u out %u", status.sstat_instrms, status.sstat_outstrms);
}

CASE(scheduler) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value);
  SET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, 0, SCTP_SS_PRIO);
  GET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value);
  GET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, id, SCTP_SS_RR);
  GET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, SCTP_ALL_ASSOC, SCTP_SS_FCFS);
  GET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, id);
  SET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, id, 99);
  SET(pair.client, SCTP_STREAM_SCHEDULER, struct sctp_assoc_value, 99999, SCTP_SS_DEFAULT);
}

CASE(scheduler_values) {
  struct pair pair = many_pair();
  sctp_assoc_t id = association(pair.client);
  SET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 1, 5);
  GET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 1);
  DO(setsockopt(pair.client, SOL_SCTP, SCTP_STREAM_SCHEDULER, &(struct sctp_assoc_value){id, SCTP_SS_PRIO}, 8));
  SET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 1, 5);
  GET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 1);
  GET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 2);
  SET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 99, 5);
  GET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 99);
  SET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, SCTP_CURRENT_ASSOC, 2, 7);
  GET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, id, 2);
  SET(pair.client, SCTP_STREAM_SCHEDULER_VALUE, struct sctp_stream_value, 0, 1, 5);
}
