/* Sockets in several processes and threads: fork, exec, descriptors that are passed. */
#include "oracle.h"

#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>

extern char **environ;
static char data[100];

/* Waits for a child of `what`; states its status. */
static void states_child_of(const char *what, pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) FACT(what, "the child ended with status %d", WEXITSTATUS(status));
  else FACT(what, "the child ended by signal %d", WTERMSIG(status));
}

static void states_child(pid_t child) { states_child_of("fork", child); }

CASE(a_child_uses_the_socket) {
  struct pair pair = one_pair();
  pid_t child = fork();
  if (child == 0) _exit(send(pair.client, "from the child", 14, 0) == 14 ? 0 : 1);
  states_child(child);
  TAKE(pair.server);
  CALL(send(pair.client, "from the parent", 15, 0));
  TAKE(pair.server);
}

CASE(both_have_the_socket) {
  struct pair pair = one_pair();
  pid_t child = fork();
  if (child == 0) {
    close(pair.client);
    _exit(recv(pair.server, data, 100, 0) == 5 ? 0 : 1);
  }
  DO(send(pair.client, "hello", 5, 0));
  states_child(child);
  CALL(close(pair.server));
  await(pair.client, POLLIN);
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
}

CASE(the_socket_ends_with_its_last_descriptor) {
  struct pair pair = one_pair();
  int go[2];
  DO(pipe(go));
  pid_t child = fork();
  if (child == 0) {
    close(go[1]);
    read(go[0], data, 1);
    _exit(send(pair.client, "child", 5, 0) == 5 ? 0 : 1);
  }
  CALL(close(pair.client));
  READY(pair.server);
  DO(write(go[1], "x", 1));
  states_child(child);
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(a_child_accepts) {
  int listener = one(), client = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  pid_t child = fork();
  if (child == 0) {
    int server = accept(listener, NULL, NULL);
    ssize_t length = recv(server, data, 100, 0);
    _exit(send(server, data, length, 0) == length ? 0 : 1);
  }
  DO(connect(client, at(2, 0), IN));
  DO(send(client, "echo", 4, 0));
  TAKE(client);
  states_child(child);
  TAKE(client);
}

CASE(a_server_forks_for_each_client) {
  int listener = one(), client = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  DO(connect(client, at(2, 0), IN));
  int server = DO(accept(listener, NULL, NULL));
  pid_t child = fork();
  if (child == 0) {
    close(listener);
    ssize_t length = recv(server, data, 100, 0);
    send(server, data, length, 0);
    _exit(0);
  }
  DO(close(server));
  DO(send(client, "echo", 4, 0));
  TAKE(client);
  states_child(child);
  TAKE(client);
}

CASE(another_program_writes) {
  struct pair pair = one_pair();
  pid_t child = fork();
  if (child == 0) {
    dup2(pair.client, 1);
    execl("/bin/sh", "sh", "-c", "printf 'from the shell'", NULL);
    _exit(9);
  }
  states_child(child);
  TAKE(pair.server);
}

CASE(another_program_reads) {
  struct pair pair = one_pair();
  int out[2];
  DO(pipe(out));
  DO(send(pair.client, "for cat", 7, 0));
  DO(close(pair.client));
  pid_t child = fork();
  if (child == 0) {
    dup2(pair.server, 0), dup2(out[1], 1);
    execl("/bin/cat", "cat", NULL);
    _exit(9);
  }
  states_child(child);
  CALL(read(out[0], data, sizeof data));
  FACT("what cat read", "%s", bytes_text(data, 7));
}

CASE(posix_spawn_passes_the_socket) {
  struct pair pair = one_pair();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pair.client, 1);
  char *arguments[] = {"sh", "-c", "printf spawned", NULL};
  pid_t child;
  CALL(posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ));
  states_child_of("posix_spawn", child);
  TAKE(pair.server);
  CALL(posix_spawnp(&child, "true", NULL, NULL, (char *[]){"true", NULL}, environ));
  states_child_of("posix_spawn", child);
}

CASE(close_on_exec) {
  struct pair pair = one_pair();
  CALL(fcntl(pair.client, F_SETFD, FD_CLOEXEC));
  char command[100];
  snprintf(command, sizeof command, "test -e /proc/self/fd/%d", pair.client);
  pid_t child = fork();
  if (child == 0) execl("/bin/sh", "sh", "-c", command, NULL), _exit(9);
  states_child(child);
  CALL(fcntl(pair.client, F_SETFD, 0));
  child = fork();
  if (child == 0) execl("/bin/sh", "sh", "-c", command, NULL), _exit(9);
  states_child(child);
}

CASE(vfork_and_exec) {
  struct pair pair = one_pair();
  pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", NULL);
    _exit(9);
  }
  states_child_of("vfork", child);
  CALL(send(pair.client, "after vfork", 11, 0));
  TAKE(pair.server);
}

CASE(_Fork_is_a_fork) {
  struct pair pair = one_pair();
  pid_t (*raw)(void) = (pid_t(*)(void))dlsym(RTLD_DEFAULT, "_Fork");
  pid_t child = raw();
  if (child == 0) _exit(send(pair.client, "child", 5, 0) == 5 ? 0 : 1);
  states_child_of("_Fork", child);
  TAKE(pair.server);
}

static int pass(int through, int fd) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  return sendmsg(through, &message, 0);
}

static int passed(int through) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {data, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  int fd = -1;
  if (recvmsg(through, &message, 0) == 1) memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
  return fd;
}

CASE(a_descriptor_is_passed_to_another_process) {
  struct pair pair = one_pair();
  int through[2];
  DO(socketpair(AF_UNIX, SOCK_STREAM, 0, through));
  DO(fcntl(pair.client, F_SETFD, FD_CLOEXEC));
  pid_t child = fork();
  if (child == 0) {
    close(pair.client), close(pair.server);
    int fd = passed(through[1]);
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &type, &length) || type != IPPROTO_SCTP) _exit(3);
    struct sctp_status status;
    length = sizeof status;
    if (getsockopt(fd, SOL_SCTP, SCTP_STATUS, &status, &length)) _exit(4);
    _exit(send(fd, "passed", 6, 0) == 6 ? 0 : 1);
  }
  CALL(pass(through[0], pair.client));
  CALL(close(pair.client));
  states_child(child);
  TAKE(pair.server);
  TAKE(pair.server);
}

CASE(a_listener_is_passed_to_another_process) {
  int listener = one(), client = one(), through[2];
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  DO(socketpair(AF_UNIX, SOCK_STREAM, 0, through));
  pid_t child = fork();
  if (child == 0) {
    close(listener);
    int server = accept(passed(through[1]), NULL, NULL);
    _exit(send(server, "accepted", 8, 0) == 8 ? 0 : 1);
  }
  CALL(pass(through[0], listener));
  CALL(close(listener));
  DO(connect(client, at(2, 0), IN));
  TAKE(client);
  states_child(child);
}

static void *echoes(void *argument) {
  int fd = *(int *)argument;
  char text[20];
  for (ssize_t length; (length = recv(fd, text, sizeof text, 0)) > 0;) send(fd, text, length, 0);
  return NULL;
}

CASE(a_thread_uses_the_socket) {
  struct pair pair = one_pair();
  pthread_t thread;
  CALL(pthread_create(&thread, NULL, echoes, &pair.server));
  for (int i = 0; i < 3; i++) {
    CALL(send(pair.client, "hello", 5, 0));
    CALL(recv(pair.client, data, sizeof data, 0));
  }
  CALL(shutdown(pair.client, SHUT_WR));
  CALL(pthread_join(thread, NULL));
}

static void *waits(void *argument) {
  char text[20];
  recv(*(int *)argument, text, sizeof text, 0);
  return NULL;
}

CASE(a_thread_that_waits_is_cancelled) {
  struct pair pair = one_pair();
  pthread_t thread;
  void *result = NULL;
  DO(pthread_create(&thread, NULL, waits, &pair.server));
  CALL(pthread_cancel(thread));
  CALL(pthread_join(thread, &result));
  FACT("cancelled", "%d", result == PTHREAD_CANCELED);
  CALL(send(pair.client, "still", 5, 0));
  TAKE(pair.server);
}

CASE(a_killed_process_ends_its_association) {
  int listener = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  pid_t child = fork();
  if (child == 0) {
    int client = one();
    connect(client, at(2, 0), IN);
    send(client, "hello", 5, 0);
    for (;;) pause();
  }
  int server = FD(accept(listener, NULL, NULL));
  TAKE(server);
  DO(kill(child, SIGKILL));
  states_child(child);
  TAKE(server);
}

/* Shuts down what a process waits at that has got it in a message. */
static void shut_down_where_another_waits(int how) {
  struct pair pair = one_pair();
  int through[2];
  DO(socketpair(AF_UNIX, SOCK_STREAM, 0, through));
  pid_t child = fork();
  if (child == 0) {
    close(pair.client), close(pair.server);
    int fd = passed(through[1]);
    errno = 0;
    _exit(recv(fd, data, sizeof data, 0) == 0 ? 0 : errno);
  }
  CALL(pass(through[0], pair.client));
  settle(child, ANY_FD);
  CALL(shutdown(pair.client, how));
  states_child(child);
}

CASE(what_another_process_waits_at_is_shut_down_for_writing) { shut_down_where_another_waits(SHUT_WR); }
CASE(what_another_process_waits_at_is_shut_down) { shut_down_where_another_waits(SHUT_RDWR); }

/* The same of a program that has it as its standard input. */
static void shut_down_where_a_program_waits(int how) {
  struct pair pair = one_pair();
  pid_t child = program_reading(pair, "cat", NULL);
  settle(child, 0);
  CALL(shutdown(pair.client, how));
  states_child(child);
}

CASE(what_another_program_waits_at_is_shut_down_for_writing) { shut_down_where_a_program_waits(SHUT_WR); }
CASE(what_another_program_waits_at_is_shut_down) { shut_down_where_a_program_waits(SHUT_RDWR); }
