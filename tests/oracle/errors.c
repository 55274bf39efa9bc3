/* Wrong descriptors, wrong pointers, wrong lengths, wrong values. */
#include "oracle.h"

#include <limits.h>

#define BAD ((void *)8)
static char data[100];

CASE(wrong_pointers_of_data) {
  struct pair pair = one_pair();
  CALL(send(pair.client, NULL, 5, 0));
  CALL(send(pair.client, BAD, 5, 0));
  CALL(write(pair.client, BAD, 5));
  CALL(sendto(pair.client, "x", 1, 0, BAD, IN));
  CALL(sendmsg(pair.client, BAD, 0));
  struct iovec part = {BAD, 5};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CALL(sendmsg(pair.client, &message, 0));
  CALL(writev(pair.client, BAD, 1));
  CALL(send(pair.client, "fine", 4, 0));
  TAKE(pair.server);
}

CASE(wrong_pointers_of_rooms) {
  struct pair pair = one_pair();
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  CALL(recv(pair.server, BAD, 5, MSG_DONTWAIT));
  CALL(recvmsg(pair.server, BAD, MSG_DONTWAIT));
}

CASE(wrong_pointers_of_options) {
  int fd = one();
  socklen_t length = 4;
  CALL(setsockopt(fd, SOL_SCTP, SCTP_NODELAY, NULL, 4));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_NODELAY, BAD, 4));
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, NULL, &length));
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, BAD, &length));
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, NULL));
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, BAD));
  CALL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, NULL, 4));
  CALL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, BAD, 4));
  CALL(getsockopt(fd, SOL_SOCKET, SO_TYPE, BAD, &length));
}

CASE(wrong_lengths_of_options) {
  int fd = one();
  socklen_t length = -1;
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, &length));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, -1));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, 0));
  length = 0;
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, &length));
  CALL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, data, 0));
}

CASE(wrong_pointers_of_addresses) {
  int fd = one();
  CALL(bind(fd, BAD, IN));
  CALL(connect(fd, BAD, IN));
  CALL(bind(fd, at(1, 0), 1000));
  CALL(bind(fd, at(1, 0), -1));
  CALL(connect(fd, at(1, 0), -1));
  CALL(connect(fd, at(1, 0), 1000));
  socklen_t length = 16;
  CALL(getsockname(fd, BAD, &length));
  CALL(getsockname(fd, (void *)data, BAD));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_BINDX_ADD, BAD, IN));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_SOCKOPT_CONNECTX, BAD, IN));
}

/* Every call, on this descriptor. */
static void all_calls(int fd) {
  socklen_t length = sizeof data;
  struct iovec part = {data, 5};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CALL(bind(fd, at(1, 0), IN));
  CALL(listen(fd, 1));
  CALL(accept(fd, NULL, NULL));
  CALL(connect(fd, at(1, 0), IN));
  CALL(getsockname(fd, (void *)data, &length));
  CALL(getpeername(fd, (void *)data, &length));
  CALL(send(fd, "x", 1, MSG_NOSIGNAL));
  CALL(sendto(fd, "x", 1, MSG_NOSIGNAL, at(1, 0), IN));
  CALL(sendmsg(fd, &message, MSG_NOSIGNAL));
  CALL(recv(fd, data, 1, MSG_DONTWAIT));
  CALL(recvfrom(fd, data, 1, MSG_DONTWAIT, NULL, NULL));
  CALL(recvmsg(fd, &message, MSG_DONTWAIT));
  CALL(shutdown(fd, SHUT_RDWR));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_NODELAY, &(int){1}, sizeof(int)));
  length = 4;
  CALL(getsockopt(fd, SOL_SCTP, SCTP_NODELAY, data, &length));
  CALL(sctp_peeloff(fd, 1));
  CALL(sctp_connectx(fd, at(1, 0), 1, NULL));
}

CASE(no_descriptor) { all_calls(-1); }
CASE(a_number_that_is_not_open) { all_calls(777); }
CASE(a_file) { all_calls(open("/dev/null", O_RDWR)); }

CASE(a_pipe) {
  int through[2];
  DO(pipe(through));
  all_calls(through[0]);
}

CASE(too_many_parts) {
  struct pair pair = one_pair();
  static struct iovec parts[1100];
  for (int i = 0; i < 1100; i++) parts[i] = (struct iovec){"x", 1};
  CALL(writev(pair.client, parts, 1024));
  CALL(writev(pair.client, parts, 1025));
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1025};
  CALL(sendmsg(pair.client, &message, 0));
  message.msg_iovlen = 0;
  CALL(sendmsg(pair.client, &message, 0));
  TAKE(pair.server);
}

/* Of what is received in vain as of what is sent in vain nothing is left. */
static void lengths_of_parts(size_t length) {
  struct pair pair = one_pair();
  struct iovec parts[2] = {{data, 3}, {data, length}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  CALL(writev(pair.client, parts, 2));
  CALL(sendmsg(pair.client, &message, MSG_NOSIGNAL));
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  CALL(readv(pair.server, parts, 2));
  CALL(recvmsg(pair.server, &message, MSG_DONTWAIT));
  TAKE(pair.server);
}

CASE(negative_lengths_of_parts) { lengths_of_parts(-1); }
CASE(lengths_of_parts_beyond_all_memory) { lengths_of_parts(SSIZE_MAX); }

static void lengths_of_buffers(size_t length) {
  struct pair pair = one_pair();
  CALL(send(pair.client, data, length, 0));
  CALL(write(pair.client, data, length));
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  CALL(read(pair.server, data, length));
  CALL(recv(pair.server, data, length, MSG_DONTWAIT));
  CALL(recv(pair.server, data, length, MSG_DONTWAIT));
}

CASE(negative_lengths_of_buffers) { lengths_of_buffers(-1); }
CASE(lengths_of_buffers_beyond_all_memory) { lengths_of_buffers(SSIZE_MAX); }

/* Of names where there are none, too, of which lengths say nothing. */
static void lengths_of_names(socklen_t length) {
  struct pair pair = one_pair();
  char name[300] = {0};
  memcpy(name, at(2, 0), IN);
  struct iovec part = {data, 5};
  struct msghdr message = {.msg_name = name, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
  CALL(sendmsg(pair.client, &message, 0));
  CALL(sendto(pair.client, "hello", 5, 0, (void *)name, length));
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  CALL(recvmsg(pair.server, &message, MSG_DONTWAIT));
  FACT("length", "%d", (int)message.msg_namelen);
  message.msg_name = NULL, message.msg_namelen = length;
  CALL(sendmsg(pair.client, &message, 0));
  await(pair.server, POLLIN);
  CALL(recvmsg(pair.server, &message, MSG_DONTWAIT));
  FACT("length", "%d", (int)message.msg_namelen);
}

CASE(negative_lengths_of_names) { lengths_of_names(-1); }
CASE(names_without_length) { lengths_of_names(0); }
CASE(short_lengths_of_names) { lengths_of_names(8); }
CASE(long_lengths_of_names) { lengths_of_names(300); }

CASE(reads_of_nothing) {
  struct pair pair = one_pair();
  CALL(read(one(), data, 0));
  CALL(read(pair.server, NULL, 0));
  CALL(write(pair.client, NULL, 0));
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  CALL(read(pair.server, data, 0));
  CALL(recv(pair.server, data, 10, 0));
}

CASE(time_outs_that_are_none) {
  struct pair pair = one_pair();
  struct iovec part = {data, 5};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
  struct timespec limit = {0, 1000000000};
  CALL(recvmmsg(pair.server, &message, 1, MSG_DONTWAIT, &limit));
  limit = (struct timespec){-1, 0};
  CALL(recvmmsg(pair.server, &message, 1, MSG_DONTWAIT, &limit));
  limit = (struct timespec){0, -1};
  CALL(recvmmsg(pair.server, &message, 1, MSG_DONTWAIT, &limit));
  limit = (struct timespec){0, 0};
  CALL(recvmmsg(pair.server, &message, 1, MSG_DONTWAIT, &limit));
}

CASE(control_messages_that_are_nowhere) {
  struct pair pair = one_pair();
  struct iovec part = {"hello", 5};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_controllen = 50};
  CALL(sendmsg(pair.client, &message, 0));
  message.msg_control = BAD;
  CALL(sendmsg(pair.client, &message, 0));
}

CASE(lengths_that_overflow) {
  struct pair pair = one_pair();
  struct iovec part = {data, (size_t)-1};
  CALL(writev(pair.client, &part, 1));
  CALL(recv(pair.server, data, (size_t)-1, MSG_DONTWAIT));
}
