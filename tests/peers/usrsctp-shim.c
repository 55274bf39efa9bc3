/* Preloaded into usrsctp's example programs, which stay as Debian made them: switches off their library's debug
 * output, prints line by line although a pipe reads it, and tells when a socket listens. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

__attribute__((constructor)) static void print_by_line(void) { setvbuf(stdout, NULL, _IOLBF, 0); }

unsigned usrsctp_sysctl_set_sctp_debug_on(unsigned value) { return value & 0; }

int usrsctp_listen(void *socket, int backlog) {
  int (*next)(void *, int) = (int (*)(void *, int))dlsym(RTLD_NEXT, "usrsctp_listen");
  int result = next(socket, backlog);
  fprintf(stderr, "usrsctp listens\n");
  return result;
}
