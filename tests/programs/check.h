/* What a program says of itself: each check that fails is printed, and counted. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef SOL_SCTP
#define SOL_SCTP 132
#endif

static int failures;

#define CHECK(condition)                                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      printf("%s:%d: %s (errno %d, %s)\n", __func__, __LINE__, #condition, errno, strerror(errno)); \
      failures++;                                                                              \
    }                                                                                          \
  } while (0)

/* The call fails, and with this errno. */
#define REFUSED(call, error) CHECK((call) == -1 && errno == (error))

#endif
