/* Accepts one connection, makes it standard input and becomes another program, as inetd does.
 * usage: accept_exec ADDRESS PORT PROGRAM [ARGUMENTS...] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  struct sockaddr_in local = {.sin_family = AF_INET};
  if (argc < 4) {
    fprintf(stderr, "usage: accept_exec ADDRESS PORT PROGRAM [ARGUMENTS...]\n");
    return 2;
  }
  local.sin_port = htons(atoi(argv[2]));
  if (inet_pton(AF_INET, argv[1], &local.sin_addr) != 1) fail("inet_pton");
  int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (listener < 0) fail("socket");
  if (bind(listener, (struct sockaddr *)&local, sizeof local) != 0) fail("bind");
  if (listen(listener, 1) != 0) fail("listen");
  printf("listening\n");
  fflush(stdout);
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept");
  if (dup2(fd, 0) != 0) fail("dup2");
  close(fd);
  close(listener);
  execv(argv[3], argv + 3);
  fail("execv");
}
