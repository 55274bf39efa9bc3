/* What the programs here have in common: a check that says what failed, and socket addresses. */
#ifndef CHECK_H
#define CHECK_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ends the program if `condition` does not hold. */
#define CHECK(condition)                                                                            \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      fprintf(stderr, "%s:%d: %s does not hold (errno %d, %s)\n", __FILE__, __LINE__, #condition,   \
              errno, strerror(errno));                                                              \
      exit(1);                                                                                      \
    }                                                                                               \
  } while (0)

/* A call that has to fail in this way. */
#define FAILS(call, wanted)                                                                         \
  do {                                                                                              \
    errno = 0;                                                                                      \
    CHECK((call) == -1 && errno == (wanted));                                                       \
  } while (0)

static inline struct sockaddr_in at(const char *address, int port) {
  struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  CHECK(inet_pton(AF_INET, address, &result.sin_addr) == 1);
  return result;
}

static inline int new_socket(int type) {
  int fd = socket(AF_INET, type, IPPROTO_SCTP);
  if (fd < 0) fprintf(stderr, "%s\n", sctp_user_describe());
  CHECK(fd >= 0);
  return fd;
}

static inline void subscribe(int fd, int event) {
  struct sctp_event on;
  memset(&on, 0, sizeof on); /* its last byte has no name */
  on.se_type = (uint16_t)event, on.se_on = 1;
  CHECK(setsockopt(fd, SOL_SCTP, SCTP_EVENT, &on, sizeof on) == 0);
}

static inline void switch_on(int fd, int option) {
  int on = 1;
  CHECK(setsockopt(fd, SOL_SCTP, option, &on, sizeof on) == 0);
}

/* Reads a notification, which must be of this type, and returns its length. */
static inline size_t notification(int fd, int type, union sctp_notification *event) {
  int flags = 0;
  ssize_t got = sctp_recvmsg(fd, event, sizeof *event, NULL, NULL, NULL, &flags);
  CHECK(got > 0 && (flags & MSG_NOTIFICATION) && (flags & MSG_EOR));
  if (event->sn_header.sn_type != type) fprintf(stderr, "type %#x\n", event->sn_header.sn_type);
  CHECK(event->sn_header.sn_type == type && event->sn_header.sn_length == (size_t)got);
  return (size_t)got;
}

#endif
