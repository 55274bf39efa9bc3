/* Non-blocking sockets: connect, accept, send and receive, and the states that go with them. */
#include "oracle.h"

static int nonblocking(int fd) {
  DO(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
  return fd;
}

static int listening(int port) {
  int fd = one();
  DO(bind(fd, at(2, port), IN));
  DO(listen(fd, 5));
  return fd;
}

CASE(connect_that_succeeds) {
  listening(0);
  int fd = nonblocking(one());
  CALL(connect(fd, at(2, 0), IN));
  FACT("becomes writable", "%d", await(fd, POLLOUT));
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
  CALL(connect(fd, at(2, 0), IN));
  CALL(send(fd, "x", 1, 0));
}

CASE(connect_that_is_refused) {
  int fd = nonblocking(one());
  CALL(connect(fd, at(2, 0), IN));
  FACT("becomes writable", "%d", await(fd, POLLOUT));
  READY(fd);
  CALL(connect(fd, at(2, 0), IN));
  await(fd, POLLOUT);
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
  CALL(send(fd, "x", 1, MSG_NOSIGNAL));
}

CASE(connect_of_a_one_to_many_socket) {
  int server = many();
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 5));
  int fd = nonblocking(many());
  CALL(connect(fd, at(2, 0), IN));
  await(fd, POLLOUT);
  CALL(connect(fd, at(2, 0), IN));
  CALL(sendto(fd, "x", 1, 0, at(2, 0), IN));
  TAKE(server);
}

CASE(connectx_that_succeeds) {
  listening(0);
  int fd = nonblocking(one());
  sctp_assoc_t id = 0;
  CALL(sctp_connectx(fd, at(2, 0), 1, &id));
  FACT("an id is given", "%d", id != 0);
  FACT("becomes writable", "%d", await(fd, POLLOUT));
  GET_AT(fd, SOL_SOCKET, SO_ERROR, int);
}

CASE(accept_of_nothing) {
  int listener = nonblocking(listening(0));
  CALL(accept(listener, NULL, NULL));
  CALL(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
  READY(listener);
}

CASE(accept_of_one) {
  int listener = nonblocking(listening(0)), client = one();
  DO(connect(client, at(2, 0), IN));
  FACT("becomes readable", "%d", await(listener, POLLIN));
  int server = FD(accept(listener, NULL, NULL));
  FACT("the accepted one blocks", "%d", !(fcntl(server, F_GETFL) & O_NONBLOCK));
  CALL(accept(listener, NULL, NULL));
}

CASE(receive_of_nothing) {
  struct pair pair = one_pair();
  char data[10];
  nonblocking(pair.server);
  CALL(recv(pair.server, data, 10, 0));
  CALL(read(pair.server, data, 10));
  struct iovec part = {data, 10};
  CALL(readv(pair.server, &part, 1));
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CALL(recvmsg(pair.server, &message, 0));
  CALL(recv(pair.client, data, 10, MSG_DONTWAIT));
  nonblocking(pair.client);
  DO(send(pair.client, "x", 1, 0));
  await(pair.server, POLLIN);
  CALL(recv(pair.server, data, 10, 0));
  CALL(recv(pair.server, data, 10, 0));
}

CASE(send_into_a_full_association) {
  struct pair pair = one_pair();
  static char data[4000], into[70000];
  nonblocking(pair.client);
  DO(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &(int){20000}, sizeof(int)));
  size_t sent = 0, got = 0;
  sent = fill(pair.client);
  FACT("full", "some went %d", sent > 10000);
  READY(pair.client);
  while (got < sent && await(pair.server, POLLIN)) {
    ssize_t length = recv(pair.server, into, sizeof into, 0);
    if (length <= 0) break;
    got += length;
  }
  FACT("all came", "%d", got == sent);
  FACT("writable again", "%d", await(pair.client, POLLOUT));
  CALL(send(pair.client, data, sizeof data, 0));
}

CASE(the_flag_by_ioctl) {
  struct pair pair = one_pair();
  char data[4];
  int on = 1;
  CALL(ioctl(pair.server, FIONBIO, &on));
  FACT("flags", "%d", (fcntl(pair.server, F_GETFL) & O_NONBLOCK) != 0);
  CALL(recv(pair.server, data, 4, 0));
}

CASE(the_flag_at_birth) {
  int fd = FD(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP));
  FACT("flags", "%d %d", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
  FACT("access", "%d", (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
  listening(0);
  CALL(connect(fd, at(2, 0), IN));
}
