/* A plain server and its client, which include nothing but the header and call nothing but what all sockets have. The server forks
 * for each client. The client leaves without waiting for anything to arrive: what it wrote must arrive all the same.
 *
 *   echo server ADDRESS PORT CLIENTS    echo client ADDRESS PORT
 */
#include <sys/wait.h>

#include "check.h"

#define LAST 200

static void serve(int fd) {
  char buffer[1000];
  ssize_t got;
  int messages = 0;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    messages++;
    if (buffer[0] == 'e') CHECK(write(fd, buffer, (size_t)got) == got);
  }
  CHECK(got == 0);
  printf("%d messages\n", messages);
}

static void server(struct sockaddr_in address, int clients) {
  int listener = new_socket(SOCK_STREAM);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 5) == 0);
  printf("listening: %s\n", sctp_user_describe());
  fflush(stdout);
  for (int client = 0; client < clients; client++) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int fd = accept(listener, (struct sockaddr *)&peer, &length);
    CHECK(fd >= 0 && length == sizeof peer && peer.sin_family == AF_INET);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      close(listener);
      serve(fd);
      exit(0);
    }
    close(fd);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  }
  printf("done\n");
}

static void client(struct sockaddr_in address) {
  char sent[500], got[500];
  int fd = new_socket(SOCK_STREAM);
  CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
  memset(sent, 'e', sizeof sent);
  for (int i = 1; i <= 20; i++) {
    sent[1] = (char)i;
    CHECK(write(fd, sent, sizeof sent) == sizeof sent && read(fd, got, sizeof got) == sizeof got);
    CHECK(memcmp(sent, got, sizeof got) == 0);
  }
  memset(sent, 'x', sizeof sent);
  for (int i = 0; i < LAST; i++) CHECK(write(fd, sent, sizeof sent) == sizeof sent);
  printf("echoed\n");
}

int main(int argc, char **argv) {
  CHECK(argc >= 4);
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_in address = at(argv[2], atoi(argv[3]));
  if (strcmp(argv[1], "server") == 0) {
    CHECK(argc == 5);
    server(address, atoi(argv[4]));
  } else {
    client(address);
  }
  return 0;
}
