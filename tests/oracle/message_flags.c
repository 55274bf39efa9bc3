/* The MSG_ flags of send and receive. */
#include "oracle.h"

static char data[100];

CASE(flags_of_send) {
  struct pair pair = one_pair();
  CALL(send(pair.client, "x", 1, MSG_DONTWAIT));
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  CALL(send(pair.client, "x", 1, MSG_EOR));
  CALL(send(pair.client, "x", 1, MSG_OOB));
  CALL(send(pair.client, "x", 1, MSG_DONTROUTE));
  CALL(send(pair.client, "x", 1, MSG_CONFIRM));
  CALL(send(pair.client, "x", 1, MSG_PEEK));
  CALL(send(pair.client, "x", 1, MSG_TRUNC));
  CALL(send(pair.client, "x", 1, MSG_WAITALL));
}

CASE(msg_more_holds_back) {
  struct pair pair = one_pair();
  CALL(send(pair.client, "held ", 5, MSG_MORE));
  CALL(send(pair.client, "together", 8, 0));
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(flags_of_receive) {
  struct pair pair = one_pair();
  for (int i = 0; i < 6; i++) DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  CALL(recv(pair.server, data, 100, MSG_DONTWAIT));
  CALL(recv(pair.server, data, 100, MSG_WAITALL));
  CALL(recv(pair.server, data, 3, MSG_TRUNC));
  CALL(recv(pair.server, data, 100, MSG_OOB));
  CALL(recv(pair.server, data, 100, MSG_ERRQUEUE));
  CALL(recv(pair.server, data, 100, MSG_CMSG_CLOEXEC));
  CALL(recv(pair.server, data, 100, MSG_NOSIGNAL));
}

CASE(flags_that_come_back) {
  struct pair pair = one_pair();
  DO(send(pair.client, "hello", 5, 0));
  TAKE_FLAGS(pair.server, MSG_PEEK);
  TAKE_FLAGS(pair.server, MSG_WAITALL);
  DO(send(pair.client, "hello", 5, 0));
  TAKE_FLAGS(pair.server, MSG_CMSG_CLOEXEC);
}

CASE(msg_flags_of_sendmsg_are_ignored) {
  struct pair pair = one_pair();
  struct iovec part = {"hello", 5};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_flags = MSG_OOB | MSG_EOR};
  CALL(sendmsg(pair.client, &message, 0));
  TAKE(pair.server);
}

CASE(eof_as_a_flag) {
  struct pair pair = many_pair();
  FACT("SCTP_EOF is MSG_FIN", "%d", (int)SCTP_EOF == (int)MSG_FIN);
  CALL(sendto(pair.client, "x", 1, MSG_FIN, at(2, 0), IN));
  TAKE(pair.server);
  FACT("SCTP_NOTIFICATION is MSG_NOTIFICATION", "%d", (int)SCTP_NOTIFICATION == (int)MSG_NOTIFICATION);
}
