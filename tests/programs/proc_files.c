/* Looks for the files that Linux has below /proc where it has SCTP, in the ways that programs do, and reads them.
 * usage: proc_files ANYTHING */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static const char number[] = "/proc/sys/net/sctp/rto_min", table[] = "/proc/net/sctp/snmp";

/* Reads all of it. */
static void reads(int fd, const char *wanted) {
  char text[4096];
  ssize_t length = read(fd, text, sizeof text - 1);
  CHECK(fd >= 0 && length > 0);
  if (length < 0) return;
  text[length] = 0;
  CHECK(strstr(text, wanted) != NULL);
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  close(fd);
}

static void test_opening(void) {
  char line[64] = "";
  int value = 0;
  reads(open(table, O_RDONLY), "SctpCurrEstab");
  reads(openat(AT_FDCWD, table, O_RDONLY), "SctpCurrEstab");
  reads(syscall(SYS_openat, AT_FDCWD, table, O_RDONLY, 0), "SctpCurrEstab");
  FILE *file = fopen(number, "re");
  CHECK(file != NULL && fscanf(file, "%d", &value) == 1 && value > 0);
  CHECK(file != NULL && fcntl(fileno(file), F_GETFD) & FD_CLOEXEC);
  CHECK(file != NULL && fgets(line, sizeof line, file) != NULL && strcmp(line, "\n") == 0);
  if (file != NULL) fclose(file);
  REFUSED(open(number, O_WRONLY), EACCES);
  REFUSED(open("/proc/sys/net/sctp/nothing", O_RDONLY), ENOENT);
  CHECK(fopen("/proc/net/sctp/nothing", "r") == NULL && errno == ENOENT);
}

static void test_looking(void) {
  struct stat found;
  struct statx more;
  CHECK(access(number, R_OK) == 0 && access(table, F_OK) == 0 && faccessat(AT_FDCWD, number, R_OK, 0) == 0);
  REFUSED(access(number, X_OK), EACCES);
  REFUSED(access("/proc/sys/net/sctp/nothing", F_OK), ENOENT);
  CHECK(stat(number, &found) == 0 && S_ISREG(found.st_mode) && lstat(table, &found) == 0);
  CHECK(statx(AT_FDCWD, table, 0, STATX_BASIC_STATS, &more) == 0 && S_ISREG(more.stx_mode));
  CHECK(stat("/proc/sys/net/sctp", &found) == 0 && S_ISDIR(found.st_mode));
  CHECK(fstatat(AT_FDCWD, "/proc/net/sctp/", &found, 0) == 0 && S_ISDIR(found.st_mode));
  REFUSED(stat("/proc/net/sctp/nothing", &found), ENOENT);
  char *path = realpath(number, NULL), room[PATH_MAX];
  CHECK(path != NULL && strcmp(path, number) == 0 && realpath(table, room) == room && strcmp(room, table) == 0);
  free(path);
  CHECK(realpath("/proc/net/sctp/nothing", room) == NULL && errno == ENOENT);
}

/* Sockets that are there are listed. */
static void test_sockets(void) {
  int fd = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(5999)};
  CHECK(bind(fd, (struct sockaddr *)&any, sizeof any) == 0 && listen(fd, 1) == 0);
  reads(open("/proc/net/sctp/eps", O_RDONLY), "5999");
  close(fd);
}

/* All other paths are the C library's. */
static void test_others(void) {
  struct stat found;
  char path[] = "/tmp/proc_files.XXXXXX";
  int fd = mkstemp(path);
  CHECK(fd >= 0 && close(fd) == 0);
  fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0640);
  CHECK(write(fd, "text", 4) == 4 && close(fd) == 0);
  CHECK(stat(path, &found) == 0 && found.st_size == 4 && access(path, R_OK) == 0);
  reads(open(path, O_RDONLY), "text");
  CHECK(unlink(path) == 0);
  REFUSED(open(path, O_RDONLY), ENOENT);
  reads(open("/proc/self/status", O_RDONLY), "Name:");
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc != 2) return 2;
  test_opening();
  test_looking();
  test_sockets();
  test_others();
  printf("%d failures\n", failures);
  return failures != 0;
}
