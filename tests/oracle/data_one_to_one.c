/* Messages over one-to-one sockets: every call that sends or receives, boundaries of messages, control messages. */
#include "oracle.h"

#include <netdb.h>

CASE(send_and_recv) {
  struct pair pair = one_pair();
  char data[100];
  CALL(send(pair.client, "hello", 5, 0));
  CALL(recv(pair.server, data, sizeof data, 0));
  FACT("payload", "%s", bytes_text(data, 5));
  CALL(send(pair.server, "to you", 6, 0));
  CALL(recv(pair.client, data, sizeof data, 0));
  FACT("payload", "%s", bytes_text(data, 6));
}

CASE(write_and_read) {
  struct pair pair = one_pair();
  char data[100];
  CALL(write(pair.client, "hello", 5));
  CALL(read(pair.server, data, sizeof data));
  CALL(write(pair.client, "", 0));
  CALL(write(pair.client, "after nothing", 13));
  CALL(read(pair.server, data, sizeof data));
  FACT("payload", "%s", bytes_text(data, 13));
}

CASE(an_empty_message_is_refused) {
  struct pair pair = one_pair();
  CALL(send(pair.client, "", 0, 0));
  CALL(sendto(pair.client, "", 0, 0, at(2, 0), IN));
  SEND(pair.client, NULL, "", 0, NO_CMSG);
}

CASE(boundaries_are_kept) {
  struct pair pair = one_pair();
  CALL(send(pair.client, "one", 3, 0));
  CALL(send(pair.client, "two two", 7, 0));
  CALL(send(pair.client, "three three", 11, 0));
  TAKE(pair.server);
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(a_message_in_parts) {
  struct pair pair = one_pair();
  struct iovec parts[] = {{"one ", 4}, {"", 0}, {"two ", 4}, {"three", 5}};
  CALL(writev(pair.client, parts, 4));
  TAKE(pair.server);
  CALL(writev(pair.client, parts, 4));
  char first[3], second[20];
  struct iovec rooms[] = {{first, 3}, {second, 20}};
  CALL(readv(pair.server, rooms, 2));
  FACT("parts", "%s %s", bytes_text(first, 3), bytes_text(second, 10));
}

CASE(sendto_with_the_address_of_the_peer) {
  struct pair pair = one_pair();
  CALL(sendto(pair.client, "hello", 5, 0, at(2, 0), IN));
  TAKE(pair.server);
  CALL(sendto(pair.client, "hello", 5, 0, at(3, 0), IN));
  CALL(sendto(pair.client, "hello", 5, 0, at(2, 3), IN));
  CALL(sendto(pair.client, "hello", 5, 0, at(2, 0), 3));
  CALL(sendto(pair.client, "hello", 5, 0, NULL, 0));
  TAKE(pair.server);
}

CASE(sendto_sets_up_an_association) {
  int listener = one(), client = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 1));
  CALL(sendto(client, "first", 5, 0, at(2, 0), IN));
  int server = FD(accept(listener, NULL, NULL));
  TAKE(server);
}

CASE(sendto_that_is_refused) {
  int client = one();
  CALL(sendto(client, "first", 5, MSG_NOSIGNAL, at(2, 0), IN));
  CALL(sendto(client, "again", 5, MSG_NOSIGNAL, at(2, 0), IN));
}

CASE(recvfrom_names_the_peer) {
  struct pair pair = one_pair();
  char data[100];
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  CALL(send(pair.client, "hello", 5, 0));
  CALL(recvfrom(pair.server, data, sizeof data, 0, (void *)&from, &length));
  states_address("from", &from, length);
  CALL(send(pair.client, "hello", 5, 0));
  length = 4;
  memset(&from, 0xee, sizeof from);
  CALL(recvfrom(pair.server, data, sizeof data, 0, (void *)&from, &length));
  FACT("a name in 4 bytes", "%u, then %x", length, ((unsigned char *)&from)[4]);
}

CASE(receive_information_by_sndrcv) {
  struct pair pair = one_pair();
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1};
  CALL(setsockopt(pair.server, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  SEND(pair.client, NULL, "hello", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 3, .sinfo_ppid = htonl(0x77), .sinfo_context = 5));
  TAKE(pair.server);
  SEND(pair.client, NULL, "again", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 3, .sinfo_flags = SCTP_UNORDERED));
  TAKE(pair.server);
  SEND(pair.client, NULL, "third", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 3));
  TAKE(pair.server);
}

CASE(receive_information_by_rcvinfo) {
  struct pair pair = one_pair();
  SET(pair.server, SCTP_RECVRCVINFO, int, 1);
  SEND(pair.client, NULL, "hello", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 9, .snd_ppid = htonl(0x78), .snd_context = 5));
  TAKE(pair.server);
  SET(pair.server, SCTP_CONTEXT, struct sctp_assoc_value, 0, 0x1234);
  SEND(pair.client, NULL, "again", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 9, .snd_flags = SCTP_UNORDERED));
  TAKE(pair.server);
  SET(pair.server, SCTP_RECVRCVINFO, int, 0);
  SEND(pair.client, NULL, "plain", 0, NO_CMSG);
  TAKE(pair.server);
}

CASE(next_information) {
  struct pair pair = one_pair();
  SET(pair.server, SCTP_RECVNXTINFO, int, 1);
  SEND(pair.client, NULL, "one", 0, NO_CMSG);
  SEND(pair.client, NULL, "two two", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 4, .snd_flags = SCTP_UNORDERED, .snd_ppid = htonl(6)));
  SEND(pair.client, NULL, "three", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1));
  await_acknowledged(pair.client);
  TAKE(pair.server);
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(both_kinds_of_receive_information) {
  struct pair pair = one_pair();
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1};
  CALL(setsockopt(pair.server, SOL_SCTP, SCTP_EVENTS, &events, sizeof events));
  SET(pair.server, SCTP_RECVRCVINFO, int, 1);
  SET(pair.server, SCTP_RECVNXTINFO, int, 1);
  SEND(pair.client, NULL, "one", 0, NO_CMSG);
  SEND(pair.client, NULL, "two", 0, NO_CMSG);
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(control_messages_into_small_rooms) {
  struct pair pair = one_pair();
  SET(pair.server, SCTP_RECVRCVINFO, int, 1);
  static const size_t rooms[] = {0, 8, 16, 20, 44, 47, 48, 64};
  for (int i = 0; i < 8; i++) {
    char data[20];
    _Alignas(struct cmsghdr) unsigned char control[64];
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = rooms[i]};
    DO(send(pair.client, "hello", 5, 0));
    await(pair.server, POLLIN);
    ssize_t length = recvmsg(pair.server, &message, 0);
    FACT("room", "%zu: %zd %s, %zu filled", rooms[i], length, message_flags(message.msg_flags), message.msg_controllen);
  }
}

CASE(streams_that_there_are_not) {
  struct pair pair = one_pair();
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 9));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 10));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 65535));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, .sinfo_stream = 10));
}

CASE(send_flags_that_there_are_not) {
  struct pair pair = one_pair();
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = 0x400));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_SACK_IMMEDIATELY));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ADDR_OVER));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_PR_SCTP_ALL));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_ABORT | SCTP_EOF));
}

CASE(ids_and_one_to_one_sockets) {
  struct pair pair = one_pair();
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = 99999));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = SCTP_CURRENT_ASSOC));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = SCTP_ALL_ASSOC));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_SENDALL));
}

CASE(control_messages_that_are_wrong) {
  struct pair pair = one_pair();
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, int, 1));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDRCV, struct sctp_sndinfo, 1));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_INIT, struct sctp_initmsg, .sinit_num_ostreams = 3));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_RCVINFO, struct sctp_rcvinfo, 0));
  SEND(pair.client, NULL, "x", 0, CMSG(77, int, 0));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 0), CMSG(SCTP_SNDRCV, struct sctp_sndrcvinfo, 0));
  SEND(pair.client, NULL, "x", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 1), CMSG(SCTP_SNDINFO, struct sctp_sndinfo, 2));
  struct cmsghdr header = {.cmsg_len = 3, .cmsg_level = SOL_SCTP, .cmsg_type = SCTP_SNDINFO};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &header, .msg_controllen = sizeof header};
  CALL(sendmsg(pair.client, &message, 0));
  header.cmsg_len = 400;
  CALL(sendmsg(pair.client, &message, 0));
  message.msg_controllen = 5;
  CALL(sendmsg(pair.client, &message, 0));
}

CASE(defaults_of_a_socket_hold_for_send) {
  struct pair pair = one_pair();
  SET(pair.server, SCTP_RECVRCVINFO, int, 1);
  SET(pair.client, SCTP_DEFAULT_SNDINFO, struct sctp_sndinfo, .snd_sid = 5, .snd_ppid = htonl(50));
  DO(send(pair.client, "by sndinfo", 10, 0));
  TAKE(pair.server);
  SET(pair.client, SCTP_DEFAULT_SEND_PARAM, struct sctp_sndrcvinfo, .sinfo_stream = 6, .sinfo_ppid = htonl(60), .sinfo_flags = SCTP_UNORDERED);
  DO(write(pair.client, "by send param", 13));
  TAKE(pair.server);
  SEND(pair.client, NULL, "by the call", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 7));
  TAKE(pair.server);
}

CASE(messages_of_many_sizes) {
  struct pair pair = one_pair();
  static char data[70000];
  static const size_t sizes[] = {1, 3, 4, 1000, 1451, 1452, 1453, 3000, 20000, 65535};
  memset(data, 'd', sizeof data);
  for (int i = 0; i < 10; i++) {
    CALL(send(pair.client, data, sizes[i], 0));
    FACT("size", "%zu", sizes[i]);
    size_t got = 0;
    while (got < sizes[i]) {
      struct iovec part = {data, sizeof data};
      struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
      ssize_t length = await(pair.server, POLLIN) ? recvmsg(pair.server, &message, 0) : -1;
      if (length <= 0) break;
      got += length;
      if (got == sizes[i]) FACT("the whole", "%zu %s", got, message_flags(message.msg_flags));
    }
  }
}

CASE(a_message_beyond_the_send_buffer) {
  struct pair pair = one_pair();
  static char data[200000];
  SET_AT(pair.client, SOL_SOCKET, SO_SNDBUF, int, 8000);
  GET_AT(pair.client, SOL_SOCKET, SO_SNDBUF, int);
  CALL(send(pair.client, data, sizeof data, MSG_DONTWAIT));
  CALL(send(pair.client, data, 16000, MSG_DONTWAIT));
  CALL(send(pair.client, data, 16001, MSG_DONTWAIT));
}

CASE(fragments_are_not_allowed) {
  struct pair pair = one_pair();
  static char data[5000];
  SET(pair.client, SCTP_DISABLE_FRAGMENTS, int, 1);
  SET(pair.client, SCTP_MAXSEG, struct sctp_assoc_value, 0, 600);
  CALL(send(pair.client, data, 600, 0));
  CALL(send(pair.client, data, 601, 0));
  CALL(send(pair.client, data, 5000, 0));
}

CASE(not_connected) {
  signal(SIGPIPE, SIG_IGN);
  int fd = one();
  char data[10];
  CALL(send(fd, "x", 1, MSG_NOSIGNAL));
  CALL(write(fd, "x", 1));
  CALL(recv(fd, data, 10, 0));
  CALL(read(fd, data, 10));
  CALL(recv(fd, data, 10, MSG_DONTWAIT));
  CALL(shutdown(fd, SHUT_WR));
  DO(bind(fd, at(1, 0), IN));
  CALL(recv(fd, data, 10, 0));
  CALL(listen(fd, 1));
  CALL(recv(fd, data, 10, 0));
  CALL(send(fd, "x", 1, MSG_NOSIGNAL));
}
