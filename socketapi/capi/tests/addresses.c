/* Sockets with two addresses: sctp_bindx, sctp_connectx, sctp_getpaddrs and its fellows (RFC 6458, 9.1 to 9.6 and 9.9).
 *
 *   addresses ADDRESS ADDRESS
 */
#include "check.h"

int main(int argc, char **argv) {
  CHECK(argc == 3);
  struct sockaddr_in both[2] = {at(argv[1], 5003), at(argv[2], 5003)};
  struct sockaddr *packed = (struct sockaddr *)both, *found = NULL;
  int server = new_socket(SOCK_STREAM), client = new_socket(SOCK_STREAM);

  CHECK(sctp_getladdrs(server, 0, &found) == 0 && sctp_freeladdrs(found) == 0);
  CHECK(sctp_bindx(server, packed, 2, SCTP_BINDX_ADD_ADDR) == 0);
  CHECK(sctp_getladdrs(server, 0, &found) == 2);
  CHECK(memcmp(found, both, sizeof both) == 0 || ((struct sockaddr_in *)found)[1].sin_addr.s_addr == both[0].sin_addr.s_addr);
  CHECK(sctp_freeladdrs(found) == 0);
  CHECK(sctp_bindx(server, (struct sockaddr *)&both[1], 1, SCTP_BINDX_REM_ADDR) == 0);
  CHECK(sctp_getladdrs(server, 0, &found) == 1 && ((struct sockaddr_in *)found)->sin_port == htons(5003));
  sctp_freeladdrs(found);
  CHECK(sctp_bindx(server, (struct sockaddr *)&both[1], 1, SCTP_BINDX_ADD_ADDR) == 0);
  CHECK(listen(server, 5) == 0);

  sctp_assoc_t id = -1;
  CHECK(sctp_connectx(client, packed, 2, &id) == 0 && id > 0);
  int accepted = accept(server, NULL, NULL);
  CHECK(accepted >= 0);
  /* Each time a list of its own, and freed: valgrind counts. */
  for (int i = 0; i < 50; i++) {
    CHECK(sctp_getpaddrs(client, id, &found) == 2);
    struct sockaddr_in *peer = (struct sockaddr_in *)found;
    CHECK(peer[0].sin_family == AF_INET && peer[0].sin_port == htons(5003) && peer[1].sin_port == htons(5003));
    CHECK(peer[0].sin_addr.s_addr != peer[1].sin_addr.s_addr);
    CHECK(sctp_freepaddrs(found) == 0);
  }
  CHECK(send(client, "x", 1, 0) == 1);
  char byte;
  CHECK(recv(accepted, &byte, 1, 0) == 1 && byte == 'x');

  /* A set-up that goes on: the number is known, its end polls. */
  int slow = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_SCTP);
  id = -1;
  FAILS(sctp_connectx(slow, packed, 2, &id), EINPROGRESS);
  CHECK(id > 0);
  struct pollfd entry = {.fd = slow, .events = POLLOUT};
  CHECK(poll(&entry, 1, 10000) == 1);
  int error; /* not set: nothing of it is read */
  socklen_t length = sizeof error;
  CHECK(getsockopt(slow, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0);

  CHECK(sctp_getaddrlen(AF_INET) == sizeof(struct sockaddr_in) && sctp_getaddrlen(AF_INET6) == sizeof(struct sockaddr_in6));
  CHECK(sctp_getaddrlen(AF_UNIX) == 0);
  FAILS(sctp_bindx(server, packed, 0, SCTP_BINDX_ADD_ADDR), EINVAL);
  FAILS(sctp_bindx(server, NULL, 1, SCTP_BINDX_ADD_ADDR), EFAULT);
  FAILS(sctp_bindx(server, packed, 1, 3), EINVAL);
  FAILS(sctp_connectx(-1, packed, 2, NULL), EBADF);
  FAILS(sctp_getpaddrs(client, 0, NULL), EFAULT);
  FAILS(sctp_getpaddrs(server, 0, &found), EINVAL);
  FAILS(sctp_getladdrs(0, 0, &found), ENOTSOCK);
  CHECK(sctp_freepaddrs(NULL) == 0);
  struct sockaddr_in odd = both[0];
  odd.sin_family = AF_UNIX;
  FAILS(sctp_bindx(server, (struct sockaddr *)&odd, 1, SCTP_BINDX_ADD_ADDR), EINVAL);
  printf("done\n");
  return 0;
}
