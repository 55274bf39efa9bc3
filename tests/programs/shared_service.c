/* What programs that share a service see of its limits, its rules and its end.
 * usage: shared_service sockets MOST          opens sockets until one is refused
 *        shared_service bind ADDRESS PORT
 *        shared_service become ADDRESS PORT   root binds to the port, and does so as nobody, as root again, as nobody for good
 *        shared_service send ADDRESS PORT N   connects, writes N numbered messages, reads to the end
 *        shared_service count ADDRESS PORT    accepts, reads numbered messages to the end
 *        shared_service drop ADDRESS PORT     the same in a child, which has given its privileges up before
 *        shared_service wait ADDRESS PORT     connects and reads: an error is to come
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int sctp_socket(void) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) fail("socket");
  return fd;
}

static struct sockaddr_in address_of(char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  if (inet_pton(AF_INET, argv[0], &address.sin_addr) != 1) fail("inet_pton");
  return address;
}

static int connected(char **argv) {
  struct sockaddr_in peer = address_of(argv);
  int fd = sctp_socket();
  if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0) fail("connect");
  return fd;
}

static void sockets(int most) {
  int n = 0;
  while (n < most && socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP) >= 0) n++;
  printf("%d sockets: %s\n", n, n < most ? strerror(errno) : "no more wanted");
}

static void bind_to(char **argv) {
  struct sockaddr_in local = address_of(argv);
  int fd = sctp_socket();
  int result = bind(fd, (struct sockaddr *)&local, sizeof local);
  printf("bind: %s\n", result == 0 ? "done" : strerror(errno));
  if (close(fd) != 0) fail("close");
}

/* All by one thread, which has one connection to the service. */
static void become(char **argv) {
  struct sockaddr_in known;
  socklen_t length = sizeof known;
  int of_root = sctp_socket();
  bind_to(argv);
  if (setegid(65534) != 0 || seteuid(65534) != 0) fail("seteuid");
  bind_to(argv);
  if (seteuid(0) != 0 || setegid(0) != 0) fail("seteuid");
  bind_to(argv);
  if (setgid(65534) != 0 || setuid(65534) != 0) fail("setuid");
  bind_to(argv);
  /* What it had it has still. */
  if (getsockname(of_root, (struct sockaddr *)&known, &length) != 0) fail("getsockname");
  printf("has its socket\n");
}

static void read_to_end(int fd) {
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) {}
  printf("end: %s\n", n == 0 ? "in good order" : strerror(errno));
}

static void send_numbers(char **argv) {
  int fd = connected(argv), n = atoi(argv[2]);
  char message[1000] = {0};
  for (int i = 0; i < n; i++) {
    snprintf(message, sizeof message, "%d", i);
    if (write(fd, message, sizeof message) != sizeof message) fail("write");
  }
  printf("written\n");
  fflush(stdout);
  read_to_end(fd);
}

static void become_nobody(void) {
  if (setgid(65534) != 0 || setuid(65534) != 0) fail("setuid");
}

static void count_numbers(char **argv, int drop) {
  struct sockaddr_in local = address_of(argv);
  int listener = sctp_socket(), n = 0;
  char message[2000];
  ssize_t length;
  if (bind(listener, (struct sockaddr *)&local, sizeof local) != 0) fail("bind");
  if (listen(listener, 1) != 0) fail("listen");
  printf("listening\n");
  fflush(stdout);
  if (drop) {
    int status;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child > 0) {
      if (wait(&status) != child) fail("wait");
      exit(WEXITSTATUS(status));
    }
    become_nobody();
  }
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept");
  while ((length = read(fd, message, sizeof message)) > 0) {
    if (length != 1000 || atoi(message) != n) {
      fprintf(stderr, "%zd bytes, number %d instead of %d\n", length, atoi(message), n);
      exit(1);
    }
    n++;
  }
  if (length < 0) fail("read");
  printf("counted %d\n", n);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (argc == 3 && strcmp(what, "sockets") == 0) {
    sockets(atoi(argv[2]));
  } else if (argc == 4 && strcmp(what, "bind") == 0) {
    bind_to(argv + 2);
  } else if (argc == 4 && strcmp(what, "become") == 0) {
    become(argv + 2);
  } else if (argc == 5 && strcmp(what, "send") == 0) {
    send_numbers(argv + 2);
  } else if (argc == 4 && (strcmp(what, "count") == 0 || strcmp(what, "drop") == 0)) {
    count_numbers(argv + 2, strcmp(what, "drop") == 0);
  } else if (argc == 4 && strcmp(what, "wait") == 0) {
    int fd = connected(argv + 2);
    printf("connected\n");
    fflush(stdout);
    read_to_end(fd);
  } else {
    fprintf(stderr, "usage: see the beginning of shared_service.c\n");
    return 2;
  }
  return 0;
}
