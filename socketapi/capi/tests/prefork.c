/* A server forks its workers before it has a socket. Each stack in a process is that process's own: the workers use the server's, whose socket
 * they get in a message, beside one of their own.
 *
 *   prefork ADDRESS [nobody]: with `nobody`, the workers have given their privileges up by then
 */
#include <sys/wait.h>

#include "check.h"

#define WORKERS 2

/* A descriptor that came in a message. */
static int receive_descriptor(int channel) {
  char byte, room[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  CHECK(recvmsg(channel, &message, 0) == 1);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  CHECK(header != NULL && header->cmsg_type == SCM_RIGHTS);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

static void send_descriptor(int channel, int fd) {
  char room[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {"", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK(sendmsg(channel, &message, 0) == 1);
}

/* Accepts, echoes one message with its stream, and reads to the end. */
static void serve(int listener) {
  char bytes[10];
  struct sctp_sndrcvinfo info;
  struct sockaddr_in name;
  socklen_t length = sizeof name;
  CHECK(getsockname(listener, (struct sockaddr *)&name, &length) == 0 && ntohs(name.sin_port) == 5010);
  int fd = accept(listener, NULL, NULL), flags = 0;
  CHECK(fd >= 0);
  struct sctp_event_subscribe events = {.sctp_data_io_event = 1};
  CHECK(setsockopt(fd, SOL_SCTP, SCTP_EVENTS, &events, sizeof events) == 0);
  CHECK(sctp_recvmsg(fd, bytes, sizeof bytes, NULL, NULL, &info, &flags) == 5);
  CHECK(info.sinfo_stream == 3 && (flags & MSG_EOR));
  CHECK(sctp_sendmsg(fd, bytes, 5, NULL, 0, 0, 0, info.sinfo_stream, 0, 0) == 5);
  CHECK(read(fd, bytes, sizeof bytes) == 0 && close(fd) == 0);
}

static int work(int channel, int as_nobody) {
  if (as_nobody) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
  int listener = receive_descriptor(channel);
  serve(listener);
  /* It is not its stack, but its socket. */
  serve(listener);
  CHECK(close(listener) == 0);
  return 0;
}

static void ask(const char *address) {
  char bytes[10];
  struct sockaddr_in name = at(address, 5010);
  int fd = new_socket(SOCK_STREAM);
  CHECK(connect(fd, (struct sockaddr *)&name, sizeof name) == 0);
  CHECK(sctp_sendmsg(fd, "hello", 5, NULL, 0, 0, 0, 3, 0, 0) == 5);
  CHECK(recv(fd, bytes, sizeof bytes, 0) == 5 && memcmp(bytes, "hello", 5) == 0);
  CHECK(close(fd) == 0);
}

int main(int argc, char **argv) {
  int channels[WORKERS], as_nobody = argc == 3;
  pid_t workers[WORKERS];
  CHECK(argc >= 2);
  for (int i = 0; i < WORKERS; i++) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    if ((workers[i] = fork()) == 0) exit(work(ends[1], as_nobody));
    close(ends[1]);
    channels[i] = ends[0];
  }
  struct sockaddr_in name = at(argv[1], 5010);
  int listener = new_socket(SOCK_STREAM);
  CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 5) == 0);
  for (int i = 0; i < WORKERS; i++) send_descriptor(channels[i], listener);
  for (int i = 0; i < 2 * WORKERS; i++) ask(argv[1]);
  for (int i = 0; i < WORKERS; i++) {
    int status = -1;
    CHECK(waitpid(workers[i], &status, 0) == workers[i] && status == 0);
  }
  printf("done\n");
  return 0;
}
