/* Messages over one-to-many sockets: implicit set-up, association ids, several associations on one socket. */
#include "oracle.h"

/* A client and a server that know each other's messages. */
static void tells(int fd) { USE(fd, SCTP_RECVRCVINFO, int, 1); }

CASE(a_message_sets_up_an_association) {
  int server = many(), client = many();
  tells(server);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 1));
  DO(bind(client, at(1, 1), IN));
  CALL(sendto(client, "hello", 5, 0, at(2, 0), IN));
  TAKE(server);
  GET(client, SCTP_GET_ASSOC_NUMBER, uint32_t);
  GET(server, SCTP_GET_ASSOC_NUMBER, uint32_t);
  CALL(sendto(client, "again", 5, 0, at(2, 0), IN));
  TAKE(server);
  GET(client, SCTP_GET_ASSOC_NUMBER, uint32_t);
}

CASE(set_up_with_an_init_control_message) {
  int server = many(), client = many();
  tells(server), subscribe(server, SCTP_ASSOC_CHANGE);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 1));
  SEND(client, at(2, 0), "hello", 0, CMSG(SCTP_INIT, struct sctp_initmsg, .sinit_num_ostreams = 3, .sinit_max_instreams = 4),
       CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 2, .snd_ppid = htonl(9)));
  TAKE(server);
  TAKE(server);
  SEND(client, at(2, 0), "hello", 0, CMSG(SCTP_INIT, struct sctp_initmsg, .sinit_num_ostreams = 3));
  int other = many();
  SEND(other, at(2, 0), "hello", 0, CMSG(SCTP_INIT, struct sctp_initmsg, .sinit_num_ostreams = 3),
       CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 3));
}

CASE(a_message_by_association_id) {
  struct pair pair = many_pair();
  tells(pair.server), tells(pair.client);
  sctp_assoc_t id = association(pair.client);
  SEND(pair.client, NULL, "by id", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1, .snd_assoc_id = id));
  TAKE(pair.server);
  SEND(pair.client, NULL, "by old id", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 1, .sinfo_assoc_id = id));
  TAKE(pair.server);
  SEND(pair.client, at(2, 0), "by both", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = id));
  TAKE(pair.server);
  SEND(pair.client, at(2, 0), "by a wrong id", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = 99999));
  SEND(pair.client, NULL, "by a wrong id", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = 99999));
  SEND(pair.client, NULL, "to the next", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = SCTP_FUTURE_ASSOC));
  SEND(pair.server, NULL, "back", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = association(pair.server)));
  TAKE(pair.client);
}

CASE(a_message_to_nobody_in_particular) {
  struct pair pair = many_pair();
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  signal(SIGPIPE, SIG_IGN);
  CALL(write(pair.client, "x", 1));
  int fresh = many();
  CALL(send(fresh, "x", 1, MSG_NOSIGNAL));
}

CASE(read_takes_what_comes) {
  struct pair pair = many_pair();
  char data[100];
  DO(sendto(pair.client, "hello", 5, 0, at(2, 0), IN));
  CALL(read(pair.server, data, sizeof data));
  FACT("payload", "%s", bytes_text(data, 5));
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  DO(sendto(pair.client, "again", 5, 0, at(2, 0), IN));
  CALL(recvfrom(pair.server, data, sizeof data, 0, (void *)&from, &length));
  states_address("from", &from, length);
  CALL(sendto(pair.server, "answer", 6, 0, (void *)&from, length));
  TAKE(pair.client);
}

CASE(two_clients_of_one_socket) {
  int server = many(), first = many(), second = many();
  tells(server);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 5));
  DO(bind(first, at(1, 1), IN));
  DO(bind(second, at(1, 2), IN));
  DO(sendto(first, "first", 5, 0, at(2, 0), IN));
  TAKE(server);
  DO(sendto(second, "second", 6, 0, at(2, 0), IN));
  TAKE(server);
  GET(server, SCTP_GET_ASSOC_NUMBER, uint32_t);
  struct { uint32_t count, ids[4]; } list = {0};
  socklen_t length = sizeof list;
  CALL(getsockopt(server, SOL_SCTP, SCTP_GET_ASSOC_ID_LIST, &list, &length));
  FACT("ids", "%u bytes, %u: %s %s", length, list.count, id_name(list.ids[0]), id_name(list.ids[1]));
  length = 8;
  CALL(getsockopt(server, SOL_SCTP, SCTP_GET_ASSOC_ID_LIST, &list, &length));
  FACT("ids in too small a room", "%u", length);
  CALL(sendto(server, "to second", 9, 0, at(1, 2), IN));
  TAKE(second);
  CALL(sendto(server, "to first", 8, 0, at(1, 1), IN));
  TAKE(first);
}

CASE(a_message_for_all_associations) {
  int server = many(), first = many(), second = many();
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 5));
  DO(bind(first, at(1, 1), IN));
  DO(bind(second, at(1, 2), IN));
  DO(connect(first, at(2, 0), IN));
  DO(connect(second, at(2, 0), IN));
  SEND(server, NULL, "to all", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_SENDALL));
  TAKE(first);
  TAKE(second);
  SEND(server, NULL, "to all by id", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = SCTP_ALL_ASSOC));
  SEND(server, at(1, 1), "with an address", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_flags = SCTP_SENDALL));
  TAKE(first);
  TAKE_ALL(second);
}

CASE(a_message_for_all_of_none) {
  int server = many();
  SEND(server, NULL, "to all", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_SENDALL));
  CALL(recv(server, &(char){0}, 1, MSG_DONTWAIT));
}

CASE(end_of_one_association_by_eof) {
  struct pair pair = many_pair();
  subscribe(pair.server, SCTP_SHUTDOWN_EVENT), subscribe(pair.server, SCTP_ASSOC_CHANGE);
  subscribe(pair.client, SCTP_ASSOC_CHANGE);
  sctp_assoc_t id = association(pair.client);
  SEND(pair.client, NULL, "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF, .snd_assoc_id = id));
  TAKE(pair.client);
  GET(pair.client, SCTP_GET_ASSOC_NUMBER, uint32_t);
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = id));
}

CASE(eof_takes_no_message_along) {
  struct pair pair = many_pair();
  SEND(pair.client, at(2, 0), "the last", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF));
  SEND(pair.client, at(2, 0), "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF));
  SEND(pair.client, at(2, 0), "", 0, NO_CMSG);
}

CASE(end_of_one_association_by_abort) {
  struct pair pair = many_pair();
  subscribe(pair.server, SCTP_ASSOC_CHANGE), subscribe(pair.client, SCTP_ASSOC_CHANGE);
  SEND(pair.client, at(2, 0), "why", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ABORT));
  TAKE(pair.server);
  TAKE(pair.client);
  GET(pair.client, SCTP_GET_ASSOC_NUMBER, uint32_t);
  GET(pair.server, SCTP_GET_ASSOC_NUMBER, uint32_t);
  CALL(sendto(pair.client, "a new one", 9, 0, at(2, 0), IN));
}

CASE(no_accept_and_no_shutdown) {
  struct pair pair = many_pair();
  CALL(accept(pair.server, NULL, NULL));
  CALL(shutdown(pair.server, SHUT_WR));
  CALL(shutdown(pair.server, SHUT_RD));
  CALL(shutdown(pair.server, SHUT_RDWR));
  CALL(shutdown(pair.client, SHUT_RDWR));
  CALL(sendto(pair.client, "still", 5, 0, at(2, 0), IN));
  TAKE(pair.server);
}

CASE(nothing_has_come) {
  struct pair pair = many_pair();
  char data[10];
  CALL(recv(pair.client, data, 10, MSG_DONTWAIT));
  int fresh = many();
  CALL(recv(fresh, data, 10, MSG_DONTWAIT));
}

/* However soon the peer refuses: the message was taken, and notifications tell of it. */
CASE(three_hundred_messages_to_nobody) {
  int taken = 0;
  for (int i = 0; i < 300; i++) {
    int client = many();
    taken += sendto(client, "hello", 5, 0, at(2, 0), IN) == 5;
    close(client);
  }
  FACT("taken", "%d", taken);
}

CASE(a_socket_that_does_not_listen) {
  int server = many(), client = many();
  DO(bind(server, at(2, 0), IN));
  subscribe(client, SCTP_ASSOC_CHANGE);
  subscribe(client, SCTP_SEND_FAILED_EVENT);
  CALL(sendto(client, "hello", 5, 0, at(2, 0), IN));
  TAKE(client);
  TAKE(client);
  TAKE_ALL(client);
}

CASE(both_ends_call) {
  int one = many(), other = many();
  tells(one), tells(other);
  DO(bind(one, at(1, 0), IN));
  DO(bind(other, at(2, 1), IN));
  DO(listen(one, 1));
  DO(listen(other, 1));
  CALL(sendto(one, "ping", 4, 0, at(2, 1), IN));
  TAKE(other);
  CALL(sendto(other, "pong", 4, 0, at(1, 0), IN));
  TAKE(one);
  GET(one, SCTP_GET_ASSOC_NUMBER, uint32_t);
  GET(other, SCTP_GET_ASSOC_NUMBER, uint32_t);
}

CASE(one_to_many_calls_one_to_one) {
  int listener = one(), client = many();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  CALL(sendto(client, "hello", 5, 0, at(2, 0), IN));
  int server = FD(accept(listener, NULL, NULL));
  TAKE(server);
  CALL(send(server, "back", 4, 0));
  TAKE(client);
}

CASE(autoclose) {
  struct pair pair = many_pair();
  SET(pair.client, SCTP_AUTOCLOSE, int, 1);
  GET(pair.client, SCTP_AUTOCLOSE, int);
  SET(pair.client, SCTP_AUTOCLOSE, int, 0x7fffffff);
  GET(pair.client, SCTP_AUTOCLOSE, int);
  int idle = many();
  SET(idle, SCTP_AUTOCLOSE, int, 1);
  subscribe(idle, SCTP_ASSOC_CHANGE);
  DO(connect(idle, at(2, 0), IN));
  TAKE(idle);
  TAKE(idle);
  SET(one(), SCTP_AUTOCLOSE, int, 1);
  GET(one(), SCTP_AUTOCLOSE, int);
}
