/* A daemon: closes all descriptors that it may have inherited, in each of the ways to do that, and only then makes sockets.
 * usage: daemon close|fork ADDRESS
 * With `fork` a child does it, after its parent has ended, and then a program that the child becomes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in address;

static void close_each(void) { for (int fd = 3; fd < 4096; fd++) close(fd); }
static void close_by_system_call(void) { syscall(SYS_close_range, 3, ~0U, 0); }
static void mark_each(void) { for (int fd = 3; fd < 4096; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC); }
static void put_others_there(void) {
  for (int fd = 3; fd < 600; fd++) CHECK(dup2(0, fd) == fd);
  close_each();
}
#ifdef __GLIBC__
static void close_all(void) { closefrom(3); }
static void close_a_range(void) { close_range(3, ~0U, 0); }
#endif

static void (*const ways[])(void) = {
  close_each, close_by_system_call, mark_each,
#ifdef __GLIBC__
  close_all, close_a_range,
#endif
  put_others_there,
};

/* The service had time to notice that nobody holds it, and is there all the same. */
static void makes_sockets(void) {
  char room[8];
  usleep(100000);
  int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), client = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  CHECK(listener >= 0 && client >= 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
  CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
  int server = accept(listener, NULL, NULL);
  CHECK(send(client, "hello", 5, 0) == 5 && recv(server, room, sizeof room, 0) == 5);
  close(listener);
  close(client);
  close(server);
}

int main(int count, char **arguments) {
  if (count < 3 || inet_pton(AF_INET, arguments[2], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: daemon close|fork ADDRESS\n");
    return 2;
  }
  address.sin_family = AF_INET;
  address.sin_port = htons(6002);
  if (strcmp(arguments[1], "fork") == 0) {
    pid_t parent = getpid();
    if (fork() != 0) _exit(0);
    setsid();
    while (getppid() == parent) usleep(1000);
    close_each();
    makes_sockets();
    if (failures == 0) execl(arguments[0], arguments[0], "close", arguments[2], NULL);
  }
  for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
    ways[way]();
    makes_sockets();
    if (failures) break;
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
