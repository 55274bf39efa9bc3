/* Asks a kernel with SCTP what it answers to getsockopt and setsockopt at level SOL_SCTP.
 *
 *   probe lengths             each option, read and written with zeros of each length from 0 to 300
 *   probe script < FILE       the steps of FILE (options.script says how they are written), each with what came of it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOL_SCTP 132
#define MOST 4096

static const int features[] = {129, 128, 117}; /* AUTH, ASCONF, RECONFIG */
static int current = -1, listener = -1;
static unsigned char id[4];

static void hex(char *to, const unsigned char *from, int len) {
	for (int i = 0; i < len; i++) sprintf(to + 2 * i, "%02x", from[i]);
	to[2 * len] = 0;
}

static int unhex(unsigned char *to, const char *from) {
	int len = 0;
	for (; *from; from += 2, len++) {
		if (*from == '.') { from--; len--; continue; }
		if (*from == '$') { memcpy(to + len, id, 4); from--; len += 3; continue; }
		if (*from == 'z') { len += atoi(from + 1) - 1; from += 2; continue; }
		unsigned byte = 0;
		if (sscanf(from, "%2x", &byte) != 1) break;
		to[len] = byte;
	}
	return len;
}

static int fresh(const char *style) {
	int family = strchr(style, '6') ? AF_INET6 : AF_INET;
	return socket(family, strncmp(style, "one", 3) ? SOCK_SEQPACKET : SOCK_STREAM, 132);
}

/* What came of a getsockopt, in words. */
static void get(char *text, int fd, int number, unsigned char *value, int len) {
	socklen_t given = len;
	if (getsockopt(fd, SOL_SCTP, number, value, &given) < 0) {
		sprintf(text, "errno %d", errno);
		return;
	}
	int filled = (int)given < len ? (int)given : len;
	if (filled >= 4 && memcmp(value, id, 4) == 0 && value[0]) {
		sprintf(text, "%d $", given);
		hex(text + strlen(text), value + 4, filled - 4);
		return;
	}
	sprintf(text, "%d ", given);
	hex(text + strlen(text), value, filled);
}

static void set(char *text, int fd, int number, const unsigned char *value, int len) {
	if (setsockopt(fd, SOL_SCTP, number, value, len) < 0) sprintf(text, "errno %d", errno);
	else sprintf(text, "ok");
}

/* Only how long the answer is. */
static void shorten(char *text) {
	char *space = strchr(text, ' ');
	if (space && strncmp(text, "errno", 5)) *space = 0;
}

static void walk(const char *style, int reads, int number, int most) {
	static char now[3 * MOST], before[3 * MOST];
	int from = 0;
	for (int len = 0; len <= most; len++) {
		unsigned char value[MOST] = {0};
		int fd = fresh(style);
		if (reads) get(now, fd, number, value, len), shorten(now);
		else set(now, fd, number, value, len);
		close(fd);
		if (len == 0) strcpy(before, now);
		if (strcmp(before, now)) {
			printf("%s %s %d %d-%d %s\n", style, reads ? "get" : "set", number, from, len - 1, before);
			strcpy(before, now);
			from = len;
		}
		if (len == most) printf("%s %s %d %d-%d %s\n", style, reads ? "get" : "set", number, from, len, before);
	}
}

static void lengths(void) {
	const char *styles[] = {"one", "many"};
	for (int style = 0; style < 2; style++)
		for (int reads = 0; reads < 2; reads++)
			for (int number = 0; number < 140; number++) {
				unsigned char value[MOST] = {0};
				char text[3 * MOST];
				int fd = fresh(styles[style]);
				if (reads) get(text, fd, number, value, 64);
				else set(text, fd, number, value, 64);
				close(fd);
				if (strcmp(text, "errno 92")) walk(styles[style], reads, number, 300);
			}
}

static struct sockaddr_in at(const char *address, int port) {
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, address, &in.sin_addr);
	return in;
}

/* An association of the current socket, 127.0.0.1:7001, with a listener at 127.0.0.2:7000. */
static void pair(const char *style) {
	int one = 1;
	listener = fresh("many");
	struct sockaddr_in there = at("127.0.0.2", 7000), here = at("127.0.0.1", 7001);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(current, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	unsigned on[2] = {0, 1};
	/* The other side does what this one asks for: extensions are on. */
	for (int number = 0; number < 3; number++) setsockopt(listener, SOL_SCTP, features[number], on, sizeof on);
	unsigned all[2] = {0, 7};
	setsockopt(listener, SOL_SCTP, 118, all, sizeof all);
	if (bind(listener, (void *)&there, sizeof there) || listen(listener, 5)) perror("listen");
	if (bind(current, (void *)&here, sizeof here)) perror("bind");
	if (connect(current, (void *)&there, sizeof there)) perror("connect");
	memset(id, 0, 4);
	if (strncmp(style, "many", 4) == 0) {
		unsigned ids[2] = {0};
		socklen_t len = sizeof ids;
		if (getsockopt(current, SOL_SCTP, 29, ids, &len)) perror("ids");
		memcpy(id, &ids[1], 4);
	} else {
		unsigned status[44] = {0};
		socklen_t len = sizeof status;
		if (getsockopt(current, SOL_SCTP, 14, status, &len)) perror("status");
		memcpy(id, status, 4);
	}
}

/* A message with control messages, to nobody in particular or to the peer's address. */
static void message(char *text, int len, int addressed, unsigned char *control, int controllen) {
	static char payload[MOST];
	struct sockaddr_in there = at("127.0.0.2", 7000);
	struct iovec part = {payload, len};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = controllen};
	if (addressed) header.msg_name = &there, header.msg_namelen = sizeof there;
	if (sendmsg(current, &header, MSG_NOSIGNAL) < 0) sprintf(text, "errno %d", errno);
	else sprintf(text, "ok");
}

/* The association becomes a socket of its own, which is the current one then. */
static void peel(void) {
	int value[2];
	socklen_t len = sizeof value;
	memcpy(value, id, 4);
	int peeled = getsockopt(current, SOL_SCTP, 102, value, &len);
	if (peeled < 0) perror("peel off");
	close(current);
	current = peeled;
}

static void listening(void) {
	struct sockaddr_in here = at("127.0.0.1", 7001);
	if (bind(current, (void *)&here, sizeof here) || listen(current, 5)) perror("listen");
}

static void drop(void) {
	struct linger now = {1, 0};
	for (int i = 0; i < 2; i++) {
		int fd = i ? listener : current;
		if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), close(fd);
	}
	current = listener = -1;
	usleep(20000);
}

static void script(void) {
	static char line[4 * MOST], text[3 * MOST], argument[3 * MOST], style[16];
	while (fgets(line, sizeof line, stdin)) {
		unsigned char value[MOST] = {0};
		int number, len;
		line[strcspn(line, "\n")] = 0;
		argument[0] = 0;
		if (sscanf(line, "socket %15s", style) == 1) {
			drop();
			memset(id, 0, 4);
			current = fresh(style);
			printf("%s\n", line);
		} else if (strcmp(line, "pair") == 0) {
			pair(style);
			printf("%s\n", line);
		} else if (strcmp(line, "peel") == 0) {
			peel();
			printf("%s\n", line);
		} else if (strcmp(line, "listen") == 0) {
			listening();
			printf("%s\n", line);
		} else if (sscanf(line, "get %d %d %s", &number, &len, argument) >= 2) {
			unhex(value, argument);
			get(text, current, number, value, len);
			printf("%s = %s\n", line, text);
		} else if (sscanf(line, "len %d %d %s", &number, &len, argument) >= 2) {
			unhex(value, argument);
			get(text, current, number, value, len);
			shorten(text);
			printf("%s = %s\n", line, text);
		} else if (sscanf(line, "send %d %d %s", &len, &number, argument) >= 2) {
			int controllen = unhex(value, argument);
			message(text, len, number, value, controllen);
			printf("%s = %s\n", line, text);
		} else if (sscanf(line, "set %d %s", &number, argument) >= 1) {
			len = unhex(value, argument);
			set(text, current, number, value, len);
			printf("%s = %s\n", line, text);
		} else {
			printf("%s\n", line);
		}
	}
}

int main(int count, char **words) {
	if (count > 1 && strcmp(words[1], "lengths") == 0) lengths();
	else script();
	return 0;
}
