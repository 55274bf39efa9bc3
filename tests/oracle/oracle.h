/* What the cases of the oracle share: cases, facts, sockets, addresses.
 *
 * A case is a small program that is run on a Linux kernel with SCTP and on our stack. It says what it observes as facts, one
 * to a line, `case: what = value`; both must say the same. What is random by nature (association ids, ports that the stack
 * chose, TSNs) gets a name instead of its value. Each case runs in a process of its own, under a time limit.
 *
 * The text of a fact is the source of what was asked: it is how tests/oracle/untouched finds what no case touches. */
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Nothing that is awaited takes longer, on a busy machine. */
#define PATIENCE_MS 8000

/* Defines a case and puts it on the list; they run in the order of the file. */
#define CASE(name)                                                                  \
  static void case_##name(void);                                                        \
  __attribute__((constructor)) static void add_##name(void) { add_case(#name, case_##name); } \
  static void case_##name(void)
void add_case(const char *name, void (*run)(void));

/* States a fact. */
#define FACT(what, ...) fact(what, __VA_ARGS__)
void fact(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Does a call and states what it returned, with errno's name if that is -1. */
#define CALL(call) called(#call, (call))
/* The same of a call that returns a descriptor, whose number is not stated. */
#define FD(call) called_fd(#call, (call))
/* The same of a call that is interesting only if it fails. */
#define DO(call) done(#call, (call))
long called(const char *what, long result);
int called_fd(const char *what, long result);
long done(const char *what, long result);

/* Sets an option from the fields of its structure, or reads it into one, and states what came of it: the length and the bytes,
 * in words of four, zeros counted. */
#define SET(fd, option, type, ...)                                              \
  set_fact("set " #option " {" #__VA_ARGS__ "} on " #fd, fd, SOL_SCTP, option, &(type)VALUE(__VA_ARGS__), sizeof(type))
#define GET(fd, option, type, ...)                                              \
  get_fact("get " #option " {" #__VA_ARGS__ "} of " #fd, fd, SOL_SCTP, option, &(type)VALUE(__VA_ARGS__), sizeof(type))
#define SET_AT(fd, level, option, type, ...)                                    \
  set_fact("set " #option " {" #__VA_ARGS__ "} on " #fd, fd, level, option, &(type)VALUE(__VA_ARGS__), sizeof(type))
#define GET_AT(fd, level, option, type, ...)                                    \
  get_fact("get " #option " {" #__VA_ARGS__ "} of " #fd, fd, level, option, &(type)VALUE(__VA_ARGS__), sizeof(type))
#define VALUE(...) {__VA_ARGS__ __VA_OPT__(IGNORE)(0)}
#define IGNORE(zero)
int set_fact(const char *what, int fd, int level, int option, const void *value, socklen_t length);
int get_fact(const char *what, int fd, int level, int option, void *value, socklen_t length);

/* Sets an option that must work for the case to make sense. */
#define USE(fd, option, type, ...) DO(setsockopt(fd, SOL_SCTP, option, &(type)VALUE(__VA_ARGS__), sizeof(type)))

/* The address of host 1 to 4 of this run, and the port of this number of this case. */
struct sockaddr *at(int host, int port);
#define IN ((socklen_t)sizeof(struct sockaddr_in))
#define IN6 ((socklen_t)sizeof(struct sockaddr_in6))
/* The loopback address of IPv6, that address mapped, and no address. */
struct sockaddr *at6(int port);
struct sockaddr *mapped(int host, int port);
struct sockaddr *any(int port);
struct sockaddr *any6(int port);
/* The same address, as option structures hold it. */
struct sockaddr_storage in_storage(const struct sockaddr *address);
/* Several addresses one behind the other, as sctp_bindx wants them. */
struct sockaddr *packed(int count, ...);

/* Names for what is random. */
const char *id_name(sctp_assoc_t id);
const char *address_name(const void *address);
void states_address(const char *what, const void *address, socklen_t length);

/* Sockets; the first letter of what they are for is all that differs. */
int one(void);
int many(void);
int one6(void);
int many6(void);

/* Two ends of an association: host 1 at `port` + 1 with host 2 at `port`, which is 0 for a case's first pair, then 4, ...
 * `listener` is `server` of a one-to-many pair. */
struct pair {
  int client, server, listener, port;
};
/* `prepare` is called with each socket before it binds. */
struct pair pair_of(int (*new)(void), void (*prepare)(int fd));
struct pair one_pair(void);
struct pair many_pair(void);
void nothing(int fd);
/* Starts a program with `client` as its standard input, which says nothing of errors; its one argument may be NULL. */
pid_t program_reading(struct pair pair, const char *name, const char *argument);
/* The only association of a one-to-many socket, or that of a one-to-one socket; 0 if there is none. */
sctp_assoc_t association(int fd);

/* Subscribes to a notification, or to all of them and to receive information. */
void subscribe(int fd, int type);
void subscribe_all(int fd);

/* Whether poll says so within PATIENCE_MS. Not a fact. */
bool await(int fd, short events);
/* Any descriptor below 500. */
#define ANY_FD -1
/* Goes on when a thread, or another process, waits in a call at this descriptor of its own, or at ANY_FD. */
void settle(pid_t thread, int fd);
/* Goes on when the association of a one-to-one socket has ended. */
void await_end(int fd);
/* Goes on when all that was sent has arrived, and was acknowledged. */
void await_acknowledged(int fd);
/* States what poll says once it says the same for a while. */
#define READY(fd) ready(#fd, fd)
void ready(const char *what, int fd);

/* Receives what comes next, waiting for it, and states all of it: length, flags, payload or notification, control messages. */
#define TAKE(fd) take(#fd, fd, 0)
#define TAKE_FLAGS(fd, flags) take(#fd " " #flags, fd, flags)
void take(const char *what, int fd, int flags);
/* Receives and states until there is nothing more, without waiting. */
#define TAKE_ALL(fd) take_all(#fd, fd)
void take_all(const char *what, int fd);
/* Receives what comes next, which nobody asks for. */
void skip(int fd);
/* States a message that was received, as TAKE does. */
void states_message(const char *what, const struct msghdr *message, ssize_t length);

/* sendmsg with control messages: SEND(fd, to, "text", flags, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_sid = 1)). */
#define CMSG(type, structure, ...) type, &(structure){__VA_ARGS__}, sizeof(structure)
#define SEND(fd, to, text, flags, ...) \
  called("sendmsg(" #fd ", " #to ", " #text ", " #flags ", " #__VA_ARGS__ ")", send_with(fd, to, text, strlen(text), flags, __VA_ARGS__, -1))
ssize_t send_with(int fd, const struct sockaddr *to, const void *data, size_t length, int flags, ...);
#define NO_CMSG -1

/* Sends until no more can be sent and the peer takes no more, also when some room comes back as messages go on from one buffer to
 * the next. Returns the bytes. */
size_t fill(int fd);

/* Name of errno's number; of a set of MSG_ flags; of poll's events. */
const char *error_name(int number);
const char *message_flags(int flags);
const char *poll_events(int events);
/* Bytes as text: printable ones as they are, long repetitions counted. */
const char *bytes_text(const void *bytes, size_t length);
/* Whole words in hexadecimal; an association's id, which structures have first or last, by its name. */
const char *words_text(const void *bytes, size_t length);
long now_ms(void);
