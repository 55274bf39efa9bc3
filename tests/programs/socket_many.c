/* Sends and receives with control messages, addresses and notifications, as programs do for a kernel with SCTP: on one-to-many
 * sockets, on what is peeled off them, and on one-to-one sockets. All sockets are of this process.
 * usage: socket_many ADDRESS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in address;

/* What a recvmsg brought. */
struct received {
  ssize_t length;
  int flags;
  struct sockaddr_in from;
  socklen_t from_length;
  int has_info;
  struct sctp_rcvinfo info;
  char payload[256];
};

static struct received receive(int fd, size_t room, int flags) {
  struct received got;
  char control[256];
  memset(&got, 0, sizeof got);
  struct iovec parts[2] = {{got.payload, room > 3 ? 3 : room}, {got.payload + 3, room > 3 ? room - 3 : 0}};
  struct msghdr message = {.msg_name = &got.from,
                           .msg_namelen = sizeof got.from,
                           .msg_iov = parts,
                           .msg_iovlen = 2,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  got.length = recvmsg(fd, &message, flags);
  if (got.length < 0) return got;
  got.flags = message.msg_flags;
  got.from_length = message.msg_namelen;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SCTP && header->cmsg_type == SCTP_RCVINFO) {
      memcpy(&got.info, CMSG_DATA(header), sizeof got.info);
      got.has_info = 1;
    }
  }
  return got;
}

/* Sends with an address, an association, or neither. */
static ssize_t sends(int fd, const struct sockaddr_in *to, int association, int stream, int ppid, const char *text) {
  char control[CMSG_SPACE(sizeof(struct sctp_sndinfo))] = {0};
  struct sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = htonl(ppid), .snd_assoc_id = association};
  struct iovec part = {(void *)text, strlen(text)};
  struct msghdr message = {.msg_name = (void *)to,
                           .msg_namelen = to ? sizeof *to : 0,
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SCTP;
  header->cmsg_type = SCTP_SNDINFO;
  header->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(header), &info, sizeof info);
  return sendmsg(fd, &message, 0);
}

static void set_int(int fd, int option, int value) {
  CHECK(setsockopt(fd, SOL_SCTP, option, &value, sizeof value) == 0);
}

static void subscribe(int fd, int type) {
  struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = type, .se_on = 1};
  CHECK(setsockopt(fd, SOL_SCTP, SCTP_EVENT, &event, sizeof event) == 0);
}

static int is_change(const struct received *got, int state) {
  const struct sctp_assoc_change *change = (const void *)got->payload;
  return got->length >= (ssize_t)sizeof *change && got->flags & MSG_NOTIFICATION &&
         change->sac_type == SCTP_ASSOC_CHANGE && change->sac_state == state;
}

static int says(const struct received *got, const char *text) {
  return got->length == (ssize_t)strlen(text) && memcmp(got->payload, text, got->length) == 0;
}

static int new_socket(int style, struct sockaddr_in *at) {
  int fd = socket(AF_INET, style, IPPROTO_SCTP);
  socklen_t length = sizeof *at;
  *at = address;
  if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) != 0 ||
      getsockname(fd, (struct sockaddr *)at, &length) != 0) {
    perror("socket");
    exit(1);
  }
  set_int(fd, SCTP_RECVRCVINFO, 1);
  return fd;
}

/* RFC 6458, 3: the first message sets the association up; both ends know it by a number. */
static void test_one_to_many(void) {
  struct sockaddr_in server_at, client_at;
  int server = new_socket(SOCK_SEQPACKET, &server_at), client = new_socket(SOCK_SEQPACKET, &client_at);
  int type = 0, waiting = -1;
  socklen_t length = sizeof type;
  CHECK(getsockopt(server, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET);
  subscribe(server, SCTP_ASSOC_CHANGE);
  CHECK(recv(server, &type, sizeof type, MSG_DONTWAIT) == -1 && errno == EAGAIN);
  CHECK(listen(server, 5) == 0);
  CHECK(sends(client, &server_at, 0, 3, 7, "hello") == 5);

  struct received got = receive(server, 256, 0);
  CHECK(is_change(&got, SCTP_COMM_UP) && got.flags & MSG_EOR);
  struct pollfd readable = {.fd = server, .events = POLLIN};
  CHECK(poll(&readable, 1, 30000) == 1 && ioctl(server, FIONREAD, &waiting) == 0 && waiting == 5);
  got = receive(server, 256, MSG_PEEK);
  CHECK(says(&got, "hello"));
  got = receive(server, 2, 0);
  CHECK(says(&got, "he") && !(got.flags & MSG_EOR));
  got = receive(server, 256, 0);
  CHECK(says(&got, "llo") && got.flags & MSG_EOR && got.has_info);
  CHECK(got.info.rcv_sid == 3 && ntohl(got.info.rcv_ppid) == 7);
  CHECK(got.from.sin_port == client_at.sin_port && got.from_length == sizeof got.from);
  CHECK(poll(&readable, 1, 0) == 0);
  got = receive(server, 256, MSG_DONTWAIT);
  CHECK(got.length == -1 && errno == EAGAIN);

  CHECK(sendto(server, "answer", 6, 0, (struct sockaddr *)&client_at, sizeof client_at) == 6);
  got = receive(client, 256, 0);
  CHECK(says(&got, "answer") && got.has_info && got.info.rcv_sid == 0);
  /* RFC 6458, 5.3.2: by its number. */
  CHECK(sends(client, NULL, got.info.rcv_assoc_id, 1, 9, "again") == 5);
  got = receive(server, 256, 0);
  CHECK(says(&got, "again") && got.info.rcv_sid == 1 && ntohl(got.info.rcv_ppid) == 9);
  REFUSED(sends(client, NULL, 0x7fff, 0, 0, "nobody"), EPIPE);
  REFUSED(shutdown(server, SHUT_RDWR), EOPNOTSUPP);
  close(client);
  got = receive(server, 256, 0);
  CHECK(is_change(&got, SCTP_SHUTDOWN_COMP));
  close(server);
}

/* RFC 6458, 9.2: a descriptor of its own for one association. */
static void test_peel_off(void) {
  struct sockaddr_in server_at, client_at;
  int server = new_socket(SOCK_SEQPACKET, &server_at), client = new_socket(SOCK_SEQPACKET, &client_at);
  CHECK(listen(server, 5) == 0 && sends(client, &server_at, 0, 0, 0, "hello") == 5);
  struct received got = receive(server, 256, 0);
  CHECK(says(&got, "hello"));
  sctp_peeloff_flags_arg_t peel = {.p_arg.associd = got.info.rcv_assoc_id, .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
  socklen_t length = sizeof peel;
  int peeled = getsockopt(server, SOL_SCTP, SCTP_SOCKOPT_PEELOFF_FLAGS, &peel, &length);
  CHECK(peeled >= 0 && peel.p_arg.sd == peeled);
  CHECK(fcntl(peeled, F_GETFL) & O_NONBLOCK && fcntl(peeled, F_GETFD) & FD_CLOEXEC);
  CHECK(sends(client, &server_at, 0, 0, 0, "to the peeled") == 13);
  struct pollfd readable = {.fd = peeled, .events = POLLIN};
  CHECK(poll(&readable, 1, 30000) == 1);
  got = receive(peeled, 256, 0);
  CHECK(says(&got, "to the peeled"));
  CHECK(write(peeled, "plain", 5) == 5);
  got = receive(client, 256, 0);
  CHECK(says(&got, "plain"));
  got = receive(server, 256, MSG_DONTWAIT);
  CHECK(got.length == -1 && errno == EAGAIN);
  sctp_peeloff_arg_t unknown = {.associd = 0x7fff};
  length = sizeof unknown;
  REFUSED(getsockopt(server, SOL_SCTP, SCTP_SOCKOPT_PEELOFF, &unknown, &length), EINVAL);
  close(peeled);
  close(client);
  close(server);
}

/* connect() is for one-to-many sockets as well (RFC 6458, 3.1.6). */
static void test_connecting_many(void) {
  struct sockaddr_in server_at, client_at;
  int server = new_socket(SOCK_STREAM, &server_at), client = new_socket(SOCK_SEQPACKET, &client_at);
  CHECK(listen(server, 5) == 0 && connect(client, (struct sockaddr *)&server_at, sizeof server_at) == 0);
  int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
  CHECK(accepted >= 0 && fcntl(accepted, F_GETFD) & FD_CLOEXEC);
  CHECK(sendto(client, "x", 1, 0, (struct sockaddr *)&server_at, sizeof server_at) == 1);
  struct received got = receive(accepted, 256, 0);
  CHECK(says(&got, "x"));
  socklen_t negative = -1;
  REFUSED(getsockname(server, (struct sockaddr *)&client_at, &negative), EINVAL);
  CHECK(fcntl(server, F_SETFL, O_NONBLOCK) == 0);
  REFUSED(accept(server, NULL, NULL), EAGAIN);
  REFUSED(accept(accepted, NULL, NULL), EINVAL);
  close(accepted);
  close(client);
  close(server);
}

/* One-to-one sockets say and hear the same, and go back to plain reads and writes. */
static void test_one_to_one(void) {
  struct sockaddr_in server_at, client_at;
  int server = new_socket(SOCK_STREAM, &server_at), client = new_socket(SOCK_STREAM, &client_at);
  char room[64];
  subscribe(client, SCTP_SHUTDOWN_EVENT);
  CHECK(listen(server, 5) == 0 && connect(client, (struct sockaddr *)&server_at, sizeof server_at) == 0);
  int accepted = accept(server, NULL, NULL);
  CHECK(sends(client, NULL, 0, 4, 11, "with") == 4 && write(client, "without", 7) == 7);
  struct received got = receive(accepted, 256, 0);
  CHECK(says(&got, "with") && got.has_info && got.info.rcv_sid == 4 && ntohl(got.info.rcv_ppid) == 11);
  CHECK(got.from.sin_port == client_at.sin_port);
  CHECK(read(accepted, room, sizeof room) == 7 && memcmp(room, "without", 7) == 0);
  set_int(accepted, SCTP_RECVRCVINFO, 0);
  CHECK(write(client, "bare", 4) == 4);
  got = receive(accepted, 256, 0);
  CHECK(says(&got, "bare") && !got.has_info && got.flags & MSG_EOR);
  REFUSED(sends(client, NULL, 0, 999, 0, "no such stream"), EINVAL);
  shutdown(accepted, SHUT_WR);
  got = receive(client, 256, 0);
  const struct sctp_shutdown_event *event = (const void *)got.payload;
  CHECK(got.flags & MSG_NOTIFICATION && event->sse_type == SCTP_SHUTDOWN_EVENT);
  CHECK(read(client, room, sizeof room) == 0);
  close(accepted);
  close(client);
  close(server);
}

/* What a program wants to know it is told of messages as well that came before it said so. */
static void test_late_options(void) {
  struct sockaddr_in server_at;
  int server = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), client = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  socklen_t length = sizeof server_at;
  CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 1) == 0);
  CHECK(getsockname(server, (struct sockaddr *)&server_at, &length) == 0);
  CHECK(connect(client, (struct sockaddr *)&server_at, sizeof server_at) == 0);
  int accepted = accept(server, NULL, NULL);
  CHECK(sends(client, NULL, 0, 2, 21, "first") == 5 && sends(client, NULL, 0, 2, 22, "second") == 6);
  struct received got = receive(accepted, 256, 0);
  CHECK(says(&got, "first") && !got.has_info);
  struct pollfd readable = {.fd = accepted, .events = POLLIN};
  CHECK(poll(&readable, 1, 30000) == 1);
  got = receive(accepted, 2, 0);
  CHECK(says(&got, "se"));
  set_int(accepted, SCTP_RECVRCVINFO, 1);
  CHECK(sends(client, NULL, 0, 3, 23, "third") == 5);
  got = receive(accepted, 256, 0);
  CHECK(says(&got, "cond") && got.has_info && got.info.rcv_sid == 2 && ntohl(got.info.rcv_ppid) == 22);
  got = receive(accepted, 256, 0);
  CHECK(says(&got, "third") && got.has_info && ntohl(got.info.rcv_ppid) == 23);
  got = receive(accepted, 256, MSG_DONTWAIT);
  CHECK(got.length == -1 && errno == EAGAIN);
  close(accepted);
  close(client);
  close(server);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = inet_addr(argv[1]);
  signal(SIGPIPE, SIG_IGN);
  alarm(50);
  test_one_to_many();
  test_peel_off();
  test_connecting_many();
  test_one_to_one();
  test_late_options();
  printf("%d failures\n", failures);
  return failures != 0;
}
