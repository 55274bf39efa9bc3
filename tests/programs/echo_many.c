/* One-to-many: a server that answers each message on its stream, with its protocol identifier, and a client of it.
 * usage: echo_many server|client ADDRESS PORT N */
#include <arpa/inet.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in address;

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(struct sctp_sndinfo)) + CMSG_SPACE(sizeof(struct sctp_rcvinfo))];
};

/* Receives a message, with all that is told of it. */
static ssize_t get(int fd, char *text, size_t room, struct sockaddr_in *from, struct sctp_rcvinfo *about) {
  union control control;
  struct iovec part = {text, room};
  struct msghdr message = {.msg_name = from, .msg_namelen = sizeof *from, .msg_iov = &part, .msg_iovlen = 1,
                           .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &message, 0);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  CHECK(length > 0 && message.msg_flags & MSG_EOR && message.msg_namelen == sizeof *from);
  CHECK(header && header->cmsg_level == IPPROTO_SCTP && header->cmsg_type == SCTP_RCVINFO);
  if (header) memcpy(about, CMSG_DATA(header), sizeof *about);
  return length;
}

/* Sends a message. What is around the fields of the control message is not zero, as in most programs. */
static void put(int fd, char *text, size_t length, struct sockaddr_in *to, int stream, uint32_t identifier) {
  union control control;
  struct sctp_sndinfo how = {.snd_sid = stream, .snd_ppid = identifier};
  struct iovec part = {text, length};
  struct msghdr message = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
  memset(&control, 0xff, sizeof control);
  control.header.cmsg_len = CMSG_LEN(sizeof how);
  control.header.cmsg_level = IPPROTO_SCTP;
  control.header.cmsg_type = SCTP_SNDINFO;
  memcpy(CMSG_DATA(&control.header), &how, sizeof how);
  message.msg_controllen = CMSG_SPACE(sizeof how);
  CHECK(sendmsg(fd, &message, 0) == (ssize_t)length);
}

int main(int count, char **arguments) {
  if (count != 5 || inet_pton(AF_INET, arguments[2], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: echo_many server|client ADDRESS PORT N\n");
    return 2;
  }
  int is_server = strcmp(arguments[1], "server") == 0, on = 1;
  int fd = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  address.sin_family = AF_INET;
  address.sin_port = htons(atoi(arguments[3]));
  CHECK(fd >= 0 && setsockopt(fd, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) == 0);
  if (is_server) {
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 5) == 0);
    printf("listening\n");
    fflush(stdout);
  }
  for (int at = 0; at < atoi(arguments[4]) && failures == 0; at++) {
    struct sctp_rcvinfo about = {0};
    struct sockaddr_in from = address;
    char text[50];
    int length = snprintf(text, sizeof text, "message %d", at);
    if (!is_server) put(fd, text, length, &address, at % 3, 1000 + at);
    ssize_t got = get(fd, text, sizeof text, &from, &about);
    CHECK(got == length && about.rcv_sid == at % 3 && about.rcv_ppid == (uint32_t)(1000 + at));
    if (is_server) put(fd, text, got, &from, about.rcv_sid, about.rcv_ppid);
  }
  close(fd);
  printf("%d failures\n", failures);
  return failures != 0;
}
