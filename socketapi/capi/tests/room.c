/* One thread waits for room on an association of a one-to-many socket, and another is refused on a second one all the time, whose peer
 * does not read: the first goes on when there is room.
 *
 *   room ADDRESS
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "check.h"

#define BUFFER 32768
#define MESSAGES 3000

static int many;
static struct sockaddr_in quick, stuck;
static atomic_bool over;
static const char bytes[1000];

static ssize_t send_to(const struct sockaddr_in *peer, int flags) {
  return sendto(many, bytes, sizeof bytes, flags, (const struct sockaddr *)peer, sizeof *peer);
}

/* Until there is no room; how many there were. */
static int fill(const struct sockaddr_in *peer) {
  int count = 0;
  while (send_to(peer, MSG_DONTWAIT) == sizeof bytes) count++;
  CHECK(errno == EAGAIN);
  return count;
}

static void *ask_in_vain(void *nothing) {
  while (!over) fill(&stuck);
  return nothing;
}

static void *send_all(void *nothing) {
  for (int i = 0; i < MESSAGES; i++) CHECK(send_to(&quick, 0) == sizeof bytes);
  return nothing;
}

static int listen_at(const struct sockaddr_in *name) {
  int fd = new_socket(SOCK_STREAM), size = BUFFER;
  CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
  CHECK(bind(fd, (const struct sockaddr *)name, sizeof *name) == 0 && listen(fd, 5) == 0);
  return fd;
}

/* The first message to a peer begins an association with it. */
static int begin(const struct sockaddr_in *peer) {
  int listener = listen_at(peer);
  CHECK(send_to(peer, 0) == sizeof bytes);
  int fd = accept(listener, NULL, NULL);
  CHECK(fd >= 0 && close(listener) == 0);
  return fd;
}

int main(int argc, char **argv) {
  char room[sizeof bytes];
  int size = BUFFER;
  pthread_t asker, sender;
  CHECK(argc == 2);
  alarm(120);
  quick = at(argv[1], 5020), stuck = at(argv[1], 5021);
  many = new_socket(SOCK_SEQPACKET);
  CHECK(setsockopt(many, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
  int reader = begin(&quick), sleeper = begin(&stuck);
  int messages = 1 + fill(&quick) + MESSAGES;
  CHECK(pthread_create(&asker, NULL, ask_in_vain, NULL) == 0);
  CHECK(pthread_create(&sender, NULL, send_all, NULL) == 0);
  for (int i = 0; i < messages; i++) CHECK(recv(reader, room, sizeof room, MSG_WAITALL) == sizeof room);
  CHECK(pthread_join(sender, NULL) == 0);
  over = true;
  CHECK(pthread_join(asker, NULL) == 0);
  CHECK(close(reader) == 0 && close(sleeper) == 0 && close(many) == 0);
  printf("done\n");
  return 0;
}
