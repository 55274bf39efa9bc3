/* A socket as a descriptor: dup, fcntl, ioctl, and the calls that are for all files. */
#include "oracle.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/sockios.h>

static char data[100];

CASE(what_kind_of_file) {
  int fd = one();
  struct stat status;
  CALL(fstat(fd, &status));
  FACT("mode", "%o", status.st_mode & S_IFMT);
  FACT("seeking", "%ld %s", (long)lseek(fd, 0, SEEK_CUR), error_name(errno));
  CALL(ftruncate(fd, 0));
  CALL(fsync(fd));
  CALL(isatty(fd));
  FACT("mmap", "%s", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? error_name(errno) : "works");
}

/* Programs report an earlier failure after they have cleaned up. */
CASE(a_close_that_succeeds_leaves_errno) {
  struct pair pair = one_pair();
  DO(send(pair.client, "x", 1, 0));
  int closed[] = {open("/dev/null", O_RDONLY), socket(AF_INET, SOCK_DGRAM, 0), pair.client};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 1}, sizeof(struct linger)));
  for (int i = 0; i < 3; i++) {
    errno = EDOM;
    int result = close(closed[i]);
    FACT("close", "%d, errno %s", result, errno == EDOM ? "as before" : error_name(errno));
  }
}

CASE(duplicates) {
  struct pair pair = one_pair();
  int second = FD(dup(pair.client));
  int third = FD(fcntl(pair.client, F_DUPFD, 100));
  int fourth = FD(fcntl(pair.client, F_DUPFD_CLOEXEC, 110));
  FACT("numbers", "%d %d", third, fourth);
  FACT("close on exec", "%d %d", fcntl(third, F_GETFD), fcntl(fourth, F_GETFD));
  CALL(close(pair.client));
  CALL(send(second, "two", 3, 0));
  CALL(send(third, "three", 5, 0));
  TAKE(pair.server);
  TAKE(pair.server);
  GET_AT(fourth, SOL_SOCKET, SO_PROTOCOL, int);
  CALL(close(second));
  CALL(close(third));
  CALL(close(fourth));
  TAKE(pair.server);
}

CASE(dup2_over_a_socket_closes_it) {
  struct pair pair = one_pair();
  int null = open("/dev/null", O_RDWR);
  FACT("dup2", "%d", dup2(null, pair.client) == pair.client);
  TAKE(pair.server);
  CALL(send(pair.client, "x", 1, 0));
  CALL(write(pair.client, "x", 1));
}

CASE(dup2_of_a_socket) {
  struct pair pair = one_pair();
  CALL(dup2(pair.client, 200));
  CALL(dup3(pair.client, 201, O_CLOEXEC));
  CALL(dup3(pair.client, pair.client, 0));
  FACT("dup2 to itself", "%d", dup2(pair.client, pair.client) == pair.client);
  FACT("close on exec", "%d %d", fcntl(200, F_GETFD), fcntl(201, F_GETFD));
  CALL(close(pair.client));
  CALL(write(200, "by 200", 6));
  TAKE(pair.server);
}

CASE(ranges_are_closed) {
  struct pair pair = one_pair();
  FACT("dup2", "%d", dup2(pair.client, 300) == 300);
  CALL(close(pair.client));
  CALL(close_range(300, 310, 0));
  TAKE(pair.server);
  CALL(send(300, "x", 1, 0));
}

CASE(all_from_a_number_on_are_closed) {
  struct pair pair = one_pair();
  FACT("dup2", "%d", dup2(pair.client, 300) == 300);
  CALL(close(pair.client));
  closefrom(300);
  FACT("after closefrom(300)", "%d", fcntl(300, F_GETFD));
  TAKE(pair.server);
  CALL(send(300, "x", 1, 0));
}

CASE(descriptors_are_used_again) {
  int fd = one();
  DO(close(fd));
  FACT("the same number", "%d", open("/dev/null", O_RDWR) == fd);
  CALL(send(fd, "x", 1, 0));
  CALL(write(fd, "x", 1));
  CALL(listen(fd, 1));
}

CASE(flags) {
  int fd = one();
  CALL(fcntl(fd, F_SETFL, O_NONBLOCK));
  FACT("flags", "%x", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
  CALL(fcntl(fd, F_SETFL, 0));
  FACT("flags", "%x", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
  CALL(fcntl(fd, F_SETFD, FD_CLOEXEC));
  CALL(fcntl(fd, F_GETFD));
  CALL(fcntl(fd, 9999));
}

CASE(how_much_waits) {
  struct pair pair = one_pair();
  int waiting = -1;
  CALL(ioctl(pair.server, FIONREAD, &waiting));
  FACT("waiting", "%d", waiting);
  DO(send(pair.client, "hello", 5, 0));
  DO(send(pair.client, "more", 4, 0));
  await(pair.server, POLLIN);
  CALL(ioctl(pair.server, FIONREAD, &waiting));
  FACT("waiting", "%d", waiting);
  CALL(ioctl(pair.server, SIOCINQ, &waiting));
  DO(recv(pair.server, data, 2, 0));
  CALL(ioctl(pair.server, FIONREAD, &waiting));
  FACT("waiting", "%d", waiting);
  CALL(ioctl(pair.listener, FIONREAD, &waiting));
  CALL(ioctl(one(), FIONREAD, &waiting));
}

CASE(other_requests) {
  struct pair pair = one_pair();
  int value = 1;
  CALL(ioctl(pair.client, FIONBIO, &value));
  value = 0;
  CALL(ioctl(pair.client, FIONBIO, &value));
  FACT("flags", "%x", fcntl(pair.client, F_GETFL) & O_NONBLOCK);
  CALL(ioctl(pair.client, SIOCOUTQ, &value));
  CALL(ioctl(pair.client, SIOCATMARK, &value));
  CALL(ioctl(pair.client, FIOCLEX));
  CALL(fcntl(pair.client, F_GETFD));
  CALL(ioctl(pair.client, FIONCLEX));
  CALL(ioctl(pair.client, 0x1234, &value));
}

extern ssize_t __read_chk(int, void *, size_t, size_t);
extern ssize_t __recv_chk(int, void *, size_t, size_t, int);
extern ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
extern ssize_t __read(int, void *, size_t);
extern ssize_t __write(int, const void *, size_t);
extern ssize_t __send(int, const void *, size_t, int);
extern int __close(int);
extern int __connect(int, const struct sockaddr *, socklen_t);

CASE(fortified_calls) {
  struct pair pair = one_pair();
  for (int i = 0; i < 3; i++) DO(send(pair.client, "hello", 5, 0));
  CALL(__read_chk(pair.server, data, 50, sizeof data));
  CALL(__recv_chk(pair.server, data, 50, sizeof data, 0));
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  CALL(__recvfrom_chk(pair.server, data, 50, sizeof data, 0, (void *)&from, &length));
  states_address("from", &from, length);
}

CASE(aliases) {
  struct pair pair = one_pair();
  CALL(__write(pair.client, "hello", 5));
  CALL(__read(pair.server, data, 50));
  CALL(__send(pair.client, "hello", 5, 0));
  CALL(__read(pair.server, data, 50));
  int client = one();
  CALL(__connect(client, at(2, 0), IN));
  CALL(__close(client));
}

CASE(system_calls_by_number) {
  int fd = FD(syscall(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP));
  CALL(syscall(SYS_bind, fd, at(2, 0), IN));
  CALL(syscall(SYS_listen, fd, 5));
  int client = FD(syscall(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP));
  CALL(syscall(SYS_connect, client, at(2, 0), IN));
  int server = FD(syscall(SYS_accept4, fd, NULL, NULL, 0));
  CALL(syscall(SYS_sendto, client, "hello", 5, 0, NULL, 0));
  CALL(syscall(SYS_recvfrom, server, data, 50, 0, NULL, NULL));
  int value = 0;
  socklen_t length = sizeof value;
  CALL(syscall(SYS_getsockopt, client, SOL_SCTP, SCTP_NODELAY, &value, &length));
  CALL(syscall(SYS_write, client, "again", 5));
  CALL(syscall(SYS_read, server, data, 50));
  CALL(syscall(SYS_shutdown, client, SHUT_WR));
  CALL(syscall(SYS_close, client));
}

CASE(many_messages_in_one_call) {
  struct pair pair = one_pair();
  struct iovec parts[3] = {{"one", 3}, {"two two", 7}, {"three", 5}};
  struct mmsghdr messages[3] = {{{.msg_iov = &parts[0], .msg_iovlen = 1}}, {{.msg_iov = &parts[1], .msg_iovlen = 1}}, {{.msg_iov = &parts[2], .msg_iovlen = 1}}};
  CALL(sendmmsg(pair.client, messages, 3, 0));
  FACT("lengths", "%u %u %u", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
  char room[3][20];
  for (int i = 0; i < 3; i++) parts[i] = (struct iovec){room[i], 20};
  await(pair.server, POLLIN);
  CALL(recvmmsg(pair.server, messages, 3, 0, NULL));
  FACT("lengths", "%u %u %u", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
  FACT("flags", "%s", message_flags(messages[1].msg_hdr.msg_flags));
  FACT("payload", "%s", bytes_text(room[1], 7));
  CALL(recvmmsg(pair.server, messages, 3, MSG_DONTWAIT, NULL));
  DO(send(pair.client, "x", 1, 0));
  CALL(recvmmsg(pair.server, messages, 3, MSG_WAITFORONE, NULL));
}

CASE(vectors_with_flags) {
  struct pair pair = one_pair();
  struct iovec part = {"hello", 5}, into = {data, 50};
  CALL(pwritev2(pair.client, &part, 1, -1, 0));
  CALL(preadv2(pair.server, &into, 1, -1, 0));
  CALL(pwritev2(pair.client, &part, 1, 5, 0));
  CALL(pwrite(pair.client, "x", 1, 0));
  CALL(pread(pair.client, data, 1, 0));
  CALL(writev(pair.client, &part, 0));
  CALL(writev(pair.client, &part, -1));
  CALL(readv(pair.server, &into, 2000));
}

static int file_of(const char *text) {
  int file = memfd_create("file", 0);
  DO(write(file, text, strlen(text)));
  DO(lseek(file, 0, SEEK_SET));
  return file;
}

CASE(files_are_sent) {
  struct pair pair = one_pair();
  int file = file_of("what is in the file");
  off_t offset = 5;
  /* What is asked for beyond the file's end would hold the message back, as MSG_MORE does. */
  CALL(sendfile(pair.client, file, &offset, 14));
  FACT("offset", "%ld", (long)offset);
  TAKE(pair.server);
  CALL(sendfile64(pair.client, file, NULL, 4));
  TAKE(pair.server);
}

CASE(pipes_are_spliced) {
  struct pair pair = one_pair();
  int through[2];
  DO(pipe(through));
  DO(write(through[1], "through a pipe", 14));
  CALL(splice(through[0], NULL, pair.client, NULL, 100, 0));
  TAKE(pair.server);
  DO(send(pair.client, "into a pipe", 11, 0));
  await(pair.server, POLLIN);
  CALL(splice(pair.server, NULL, through[1], NULL, 100, 0));
}

CASE(standard_io) {
  struct pair pair = one_pair();
  FILE *out = fdopen(pair.client, "w"), *in = fdopen(pair.server, "r");
  fprintf(out, "a line\nanother\n");
  CALL(fflush(out));
  FACT("fgets", "%s", fgets(data, sizeof data, in) ? bytes_text(data, strlen(data)) : "nothing");
  FACT("fgets", "%s", fgets(data, sizeof data, in) ? bytes_text(data, strlen(data)) : "nothing");
  CALL(fclose(out));
  FACT("fgets", "%s", fgets(data, sizeof data, in) ? "something" : "the end");
}
