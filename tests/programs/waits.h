/* Whether a thread, of this process or another one's first, waits in a call at one of its descriptors. */
#ifndef WAITS_H
#define WAITS_H

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Any descriptor of the program: those of the socket layer, by which it asks its service, have higher numbers. */
#ifndef ANY_FD
#define ANY_FD -1
#endif
#define LOWEST_OF_LAYER 500

static int sleeps(pid_t thread) {
  char name[64], state = 0;
  snprintf(name, sizeof name, "/proc/%d/stat", thread);
  FILE *file = fopen(name, "r");
  if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'R';
  if (file) fclose(file);
  return state == 'S';
}

/* What the kernel says of it now: the call's number and arguments, unless it is running. User-mode Linux says only that it sleeps;
 * there, nobody asks a service. */
static int is_in_call(pid_t thread, int fd) {
  if (access("/proc/self/syscall", F_OK) != 0) return sleeps(thread);
  char name[64];
  long call = -1;
  unsigned long first = 0, second = 0;
  snprintf(name, sizeof name, "/proc/%d/syscall", thread);
  FILE *file = fopen(name, "r");
  int known = file && fscanf(file, "%ld %lx %lx", &call, &first, &second) == 3;
  if (file) fclose(file);
  if (!known) return 0;
  switch (call) {
    case SYS_read: case SYS_recvfrom: case SYS_recvmsg: case SYS_sendto: case SYS_sendmsg: case SYS_accept: case SYS_accept4: case SYS_connect:
      return fd == ANY_FD ? first < LOWEST_OF_LAYER : first == (unsigned long)fd;
    /* The layer waits so for room, and for set-ups: at a number that only the thread knows. */
#ifdef SYS_poll
    case SYS_poll:
#endif
    case SYS_ppoll:
      return second == 1;
  }
  return 0;
}

/* Goes on when it waits there for good: who sends much waits for moments before that. 0 if it does not within ten seconds. */
static int waits_at(pid_t thread, int fd) {
  for (int looks = 0, still = 0; looks < 2000; looks++, usleep(5000))
    if ((still = is_in_call(thread, fd) ? still + 1 : 0) == 20) return 1;
  return 0;
}

#endif
