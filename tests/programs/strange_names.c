/* Somebody else's UNIX socket has a name like that of a socket of SCTP: who accepts it reads its bytes, not those of the association,
 * and ends it, not the association.
 * usage: strange_names ADDRESS PORT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PATIENCE 20000 /* ms */
#define NOBODY 65534

static socklen_t abstract(struct sockaddr_un *address, const char *name) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path + 1, name, strlen(name));
  return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

/* A name that differs from the socket's own in its slot only; the kernel tells everybody all names. */
static int name_like(char *name, char style) {
  char line[400];
  FILE *names = fopen("/proc/net/unix", "r");
  int found = 0;
  while (names && !found && fgets(line, sizeof line, names)) {
    line[strcspn(line, "\n")] = 0;
    const char *own = strstr(line, "@sctp-user/");
    found = own && strlen(own) == 55 && own[54] == style;
    if (found) strcpy(name, own + 1);
  }
  if (names) fclose(names);
  if (found) memcpy(name + 44, "00ffffff", 8);
  return found;
}

/* The stranger: another user, who says something and reads the answer. */
static int stranger(const char *door, char style) {
  char name[100], bytes[10] = {0};
  struct sockaddr_un address;
  if (setuid(NOBODY) != 0 || !name_like(name, style)) return 2;
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&address, abstract(&address, name)) != 0) return 3;
  if (connect(fd, (struct sockaddr *)&address, abstract(&address, door)) != 0) return 4;
  if (write(fd, "hello", 5) != 5) return 5;
  return read(fd, bytes, sizeof bytes) == 6 && memcmp(bytes, "answer", 6) == 0 ? 0 : 6;
}

/* The program serves the stranger as anybody. */
static void serve(char style) {
  char door[40], bytes[20] = {0};
  struct sockaddr_un address;
  int status = -1, fd = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(door, sizeof door, "strange-names-%d", getpid());
  CHECK(bind(fd, (struct sockaddr *)&address, abstract(&address, door)) == 0 && listen(fd, 1) == 0);
  pid_t child = fork();
  if (child == 0) _exit(stranger(door, style));
  struct pollfd waits = {fd, POLLIN, 0};
  CHECK(poll(&waits, 1, PATIENCE) == 1);
  int guest = accept(fd, NULL, NULL);
  CHECK(read(guest, bytes, sizeof bytes) == 5 && memcmp(bytes, "hello", 5) == 0);
  CHECK(write(guest, "answer", 6) == 6);
  CHECK(shutdown(guest, SHUT_RDWR) == 0 && close(guest) == 0 && close(fd) == 0);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv) {
  (void)argc;
  char bytes[20];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &at.sin_addr);
  int many = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP), one = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(bind(many, (struct sockaddr *)&at, sizeof at) == 0 && listen(many, 1) == 0);
  CHECK(connect(one, (struct sockaddr *)&at, sizeof at) == 0);
  CHECK(send(one, "secret", 6, 0) == 6);
  struct pollfd waits = {many, POLLIN, 0};
  CHECK(poll(&waits, 1, PATIENCE) == 1);
  serve('m');
  serve('1');
  CHECK(recv(many, bytes, sizeof bytes, MSG_DONTWAIT) == 6 && memcmp(bytes, "secret", 6) == 0);
  CHECK(send(one, "more", 4, 0) == 4);
  CHECK(poll(&waits, 1, PATIENCE) == 1 && recv(many, bytes, sizeof bytes, 0) == 4);
  if (failures == 0) printf("undisturbed\n");
  return failures != 0;
}
