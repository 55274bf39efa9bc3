/* Standard I/O of the C library on sockets: fdopen, and what becomes of it when the association ends. */
#include "oracle.h"

static char line[100];

/* How an association ends. */
static void close_the_other(struct pair pair) { DO(close(pair.server)); }
static void abort_the_other(struct pair pair) {
  DO(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
  DO(close(pair.server));
}
static void shut_down_for_writing(struct pair pair) { DO(shutdown(pair.client, SHUT_WR)); }
static void shut_down(struct pair pair) { DO(shutdown(pair.client, SHUT_RDWR)); }

/* Reads a line and states what came of it. */
static void states_line(FILE *file) {
  clearerr(file);
  errno = 0;
  char *got = fgets(line, sizeof line, file);
  int error = errno;
  line[strcspn(line, "\n")] = 0;
  FACT("fgets", "%s, end %d, error %s", got ? got : "nothing", !!feof(file), ferror(file) ? error_name(error) : "none");
}

/* The association has ended before anything is read. */
static void read_what_has_ended(void (*end)(struct pair)) {
  struct pair pair = one_pair();
  DO(send(pair.server, "a line\n", 7, 0));
  await(pair.client, POLLIN);
  end(pair);
  await_end(pair.client);
  FILE *file = fdopen(pair.client, "r");
  for (int i = 0; i < 4; i++) states_line(file);
}

CASE(what_the_other_end_has_closed_is_read) { read_what_has_ended(close_the_other); }
CASE(what_the_other_end_has_aborted_is_read) { read_what_has_ended(abort_the_other); }
CASE(what_was_shut_down_for_writing_is_read) { read_what_has_ended(shut_down_for_writing); }
CASE(what_was_shut_down_is_read) { read_what_has_ended(shut_down); }

/* It ends while somebody waits for a line. */
static void ends_while_it_is_read(void (*end)(struct pair)) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "r");
  pid_t child = fork();
  if (child == 0) {
    settle(getppid(), pair.client);
    end(pair);
    _exit(0);
  }
  if (end == close_the_other || end == abort_the_other) close(pair.server);
  states_line(file);
  states_line(file);
  waitpid(child, NULL, 0);
}

CASE(the_other_end_closes_what_is_read) { ends_while_it_is_read(close_the_other); }
CASE(the_other_end_aborts_what_is_read) { ends_while_it_is_read(abort_the_other); }
CASE(another_process_shuts_down_for_writing_what_is_read) { ends_while_it_is_read(shut_down_for_writing); }
CASE(another_process_shuts_down_what_is_read) { ends_while_it_is_read(shut_down); }

CASE(lines_of_one_message_and_of_several) {
  struct pair pair = one_pair();
  DO(send(pair.server, "one\ntwo\nth", 10, 0));
  DO(send(pair.server, "ree\n", 4, 0));
  FILE *file = fdopen(pair.client, "r");
  for (int i = 0; i < 3; i++) states_line(file);
}

CASE(what_is_written_is_a_message) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "w");
  CALL(fprintf(file, "hello %d\n", 5));
  CALL(fputs("and more\n", file));
  CALL(fflush(file));
  TAKE(pair.server);
  setvbuf(file, NULL, _IONBF, 0);
  CALL(fputs("at once", file));
  TAKE(pair.server);
}

CASE(much_is_written_in_pieces) {
  static char much[20000], got[20000];
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "w");
  CALL(fwrite(much, 1, 5000, file));
  CALL(fwrite(much, 1, 3000, file));
  CALL(fwrite(much, 1, 10000, file));
  CALL(fflush(file));
  for (int all = 0; all < 18000;) {
    ssize_t length = CALL(recv(pair.server, got, sizeof got, 0));
    if (length <= 0) break;
    all += length;
  }
}

CASE(a_file_is_read_and_written) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "r+");
  DO(send(pair.server, "question\n", 9, 0));
  states_line(file);
  CALL(fputs("answer\n", file));
  CALL(fflush(file));
  TAKE(pair.server);
  DO(send(pair.server, "again\n", 6, 0));
  states_line(file);
}

CASE(the_number_and_the_place_of_a_file) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "r+");
  FACT("the same number", "%d", fileno(file) == pair.client);
  FACT("the same number", "%d", fileno_unlocked(file) == pair.client);
  CALL(ftell(file));
  CALL(fseek(file, 0, SEEK_SET));
  CALL(fclose(file));
  CALL(fcntl(pair.client, F_GETFD));
  TAKE(pair.server);
}

CASE(what_cannot_be_opened) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "x");
  FACT("fdopen with no such mode", "%s", file ? "works" : error_name(errno));
  DO(close(pair.client));
  file = fdopen(pair.client, "r");
  FACT("fdopen of a closed number", "%s", file ? "works" : error_name(errno));
}

CASE(a_message_of_a_socket_that_says_more_is_read) {
  struct pair pair = one_pair();
  USE(pair.client, SCTP_RECVRCVINFO, int, 1);
  DO(send(pair.server, "a line\n", 7, 0));
  FILE *file = fdopen(pair.client, "r");
  states_line(file);
}

CASE(the_end_is_written_to) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "w");
  signal(SIGPIPE, SIG_IGN);
  abort_the_other(pair);
  await(pair.client, POLLIN);
  TAKE(pair.client);
  CALL(fputs("hello", file));
  CALL(fflush(file));
  FACT("error", "%d", !!ferror(file));
}

CASE(a_file_is_opened_again) {
  struct pair pair = one_pair();
  FILE *file = fdopen(pair.client, "r");
  file = freopen("/dev/null", "r", file);
  FACT("freopen", "%d", file != NULL);
  FACT("is a number", "%d", fileno(file) >= 0);
  CALL(fgetc(file));
  TAKE(pair.server);
}

/* sed reads its standard input by the C library's streams. */
static void ends_while_a_program_reads(void (*end)(struct pair)) {
  struct pair pair = one_pair();
  pid_t child = program_reading(pair, "sed", "s/^/stdio.sed: a program says = /");
  DO(send(pair.server, "a line\n", 7, 0));
  settle(child, 0);
  end(pair);
  int status = 0;
  waitpid(child, &status, 0);
  FACT("the program", "ended with status %d", WEXITSTATUS(status));
}

CASE(the_other_end_closes_what_a_program_reads) { ends_while_a_program_reads(close_the_other); }
CASE(the_other_end_aborts_what_a_program_reads) { ends_while_a_program_reads(abort_the_other); }
CASE(what_a_program_reads_is_shut_down_for_writing) { ends_while_a_program_reads(shut_down_for_writing); }
CASE(what_a_program_reads_is_shut_down) { ends_while_a_program_reads(shut_down); }
