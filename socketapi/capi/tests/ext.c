/* A program of dreibh's socketapi: each of its functions, on SCTP and on other descriptors.
 *
 *   ext ADDRESS FILE
 */
#include <ext_socket.h>
#include <sys/ioctl.h>

#include "check.h"

static void other_descriptors(const char *path) {
  int ends[2];
  char buffer[10];
  CHECK(ext_pipe(ends) == 0 && ext_write(ends[1], "pipe", 4) == 4 && ext_read(ends[0], buffer, sizeof buffer) == 4);
  CHECK(ext_close(ends[0]) == 0 && ext_close(ends[1]) == 0);
  int file = ext_creat(path, 0600);
  CHECK(file >= 0 && ext_write(file, "file", 4) == 4 && ext_close(file) == 0);
  file = ext_open(path, O_RDONLY, 0);
  CHECK(file >= 0 && ext_read(file, buffer, sizeof buffer) == 4 && ext_close(file) == 0);
  FAILS(ext_close(file), EBADF);
}

static void wait_for(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  CHECK(ext_poll(&entry, 1, 10000) == 1 && (entry.revents & POLLIN));
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(fd, &readable);
  struct timeval limit = {.tv_sec = 10};
  CHECK(ext_select(fd + 1, &readable, NULL, NULL, &limit) == 1 && FD_ISSET(fd, &readable));
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  CHECK(socketAPIGetVersion() == ((SOCKETAPI_MAJOR_VERSION << 16) | SOCKETAPI_MINOR_VERSION));
  CHECK(sctp_isavailable() == 1 && sctp_enableCRC32(1) == 0 && sctp_enableOOTBHandling(1) == 0);
  FAILS(sctp_enableCRC32(0), EOPNOTSUPP);
  FAILS(sctp_enableOOTBHandling(0), EOPNOTSUPP);
  other_descriptors(argv[2]);

  struct sockaddr_in address = at(argv[1], 5004), name;
  socklen_t length = sizeof name;
  int listener = ext_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), client = ext_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(ext_bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && ext_listen(listener, 5) == 0);
  struct sctp_event_subscribe events = {.sctp_association_event = 1, .sctp_data_io_event = 1};
  CHECK(ext_setsockopt(client, IPPROTO_SCTP, SCTP_EVENTS, &events, sizeof events) == 0);
  sctp_assoc_t id;
  CHECK(ext_connectx(client, (struct sockaddr *)&address, 1, &id) == 0);
  wait_for(listener);
  int server = ext_accept(listener, (struct sockaddr *)&name, &length);
  CHECK(server >= 0 && length == sizeof name);
  CHECK(ext_getpeername(client, (struct sockaddr *)&name, &length) == 0 && name.sin_port == htons(5004));
  CHECK(ext_getsockname(server, (struct sockaddr *)&name, &length) == 0 && name.sin_port == htons(5004));
  int value = 0;
  length = sizeof value;
  CHECK(ext_getsockopt(server, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM);

  char buffer[100];
  CHECK(ext_send(server, "one", 3, 0) == 3 && ext_sendto(server, "two", 3, 0, NULL, 0) == 3);
  struct iovec part = {.iov_base = "three", .iov_len = 5};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CHECK(ext_sendmsg(server, &message, 0) == 5);
  wait_for(client);
  /* The notification that comes first is passed over. */
  char control[256];
  part = (struct iovec){.iov_base = buffer, .iov_len = sizeof buffer};
  message = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CHECK(ext_recvmsg2(client, &message, 0, 0) == 3 && memcmp(buffer, "one", 3) == 0);
  CHECK(CMSG_FIRSTHDR(&message) && CMSG_FIRSTHDR(&message)->cmsg_type == SCTP_SNDRCV);
  CHECK(ext_recv(client, buffer, sizeof buffer, 0) == 3 && memcmp(buffer, "two", 3) == 0);
  message.msg_control = NULL, message.msg_controllen = 0;
  CHECK(ext_recvmsg(client, &message, 0) == 5 && memcmp(buffer, "three", 5) == 0);
  CHECK(ext_write(client, "back", 4) == 4);
  CHECK(ext_recvfrom(server, buffer, sizeof buffer, 0, NULL, NULL) == 4);

  CHECK(ext_fcntl(server, F_SETFL, ext_fcntl(server, F_GETFL) | O_NONBLOCK) == 0);
  FAILS(ext_recv(server, buffer, sizeof buffer, 0), EAGAIN);
  value = 0;
  CHECK(ext_ioctl(server, FIONBIO, &value) == 0 && (ext_fcntl(server, F_GETFL) & O_NONBLOCK) == 0);
  CHECK(ext_shutdown(client, SHUT_WR) == 0 && ext_read(server, buffer, sizeof buffer) == 0);
  CHECK(ext_close(server) == 0 && ext_close(client) == 0 && ext_close(listener) == 0);
  printf("done\n");
  return 0;
}
