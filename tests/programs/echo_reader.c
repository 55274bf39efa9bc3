/* Reads from the socket that it inherits as standard input, a few bytes at a time, and echoes each piece to it.
 * usage: echo_reader [leave], started by `accept_exec`; ends with 0 at the end of the association.
 * With `leave` it ends when there is something to read, without reading it. */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) {
    struct pollfd wanted = {.fd = 0, .events = POLLIN};
    return poll(&wanted, 1, 30000) != 1;
  }
  char piece[1000];
  ssize_t got;
  while ((got = read(0, piece, sizeof piece)) > 0) {
    if (write(0, piece, got) != got) {
      perror("write");
      return 1;
    }
  }
  if (got < 0) perror("read");
  return got < 0;
}
