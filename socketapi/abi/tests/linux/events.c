/* Shows what a kernel with SCTP writes by recvmsg: notifications, and the control messages that come with data.
 *
 *   events      prints, for each step, what each side then reads: notification or message, flags, bytes, control messages
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOL_SCTP 132

/* struct sctp_sndinfo */
struct sndinfo {
	unsigned short sid, flags;
	unsigned ppid, context;
	int association;
};

static size_t room = 400;

static struct sockaddr_in at(const char *address, int port) {
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, address, &in.sin_addr);
	return in;
}

static void hex(const char *name, const unsigned char *bytes, size_t len) {
	printf(" %s ", name);
	for (size_t i = 0; i < len; i++) printf("%02x", bytes[i]);
}

/* Everything that there is to read. */
static void drain(const char *who, int fd) {
	usleep(100000);
	for (;;) {
		unsigned char data[3000], control[400];
		struct iovec part = {data, sizeof data};
		struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
		memset(control, 0, sizeof control);
		ssize_t len = recvmsg(fd, &header, MSG_DONTWAIT);
		if (len <= 0) break;
		printf("%s %s flags %x", who, header.msg_flags & 0x8000 ? "notification" : "message", header.msg_flags);
		hex("data", data, len);
		hex("control", control, header.msg_controllen);
		printf("\n");
	}
}

static void set(int fd, int option, const void *value, socklen_t len) {
	if (setsockopt(fd, SOL_SCTP, option, value, len)) printf("option %d: errno %d\n", option, errno);
}

/* A socket that is told everything, and may re-configure. */
static int everything(int family, int type) {
	int fd = socket(family, type, SOL_SCTP), on = 1;
	char events[14];
	memset(events, 1, sizeof events);
	set(fd, 11, events, sizeof events);
	set(fd, 32, &on, sizeof on);
	set(fd, 33, &on, sizeof on);
	set(fd, 117, (unsigned[]){0, 1}, 8);
	set(fd, 118, (unsigned[]){0, 7}, 8);
	return fd;
}

static void say(int fd, struct sockaddr_in *to, const char *text, struct sndinfo info) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof info)];
	} control = {.header = {CMSG_LEN(sizeof info), SOL_SCTP, 2}};
	struct iovec part = {(void *)text, strlen(text)};
	struct msghdr header = {to, to ? sizeof *to : 0, &part, 1, &control, sizeof control, 0};
	memcpy(CMSG_DATA(&control.header), &info, sizeof info);
	if (sendmsg(fd, &header, MSG_NOSIGNAL) < 0) printf("send: errno %d\n", errno);
}

static int association(int fd) {
	unsigned ids[2] = {0};
	socklen_t len = sizeof ids;
	getsockopt(fd, SOL_SCTP, 29, ids, &len);
	return ids[1];
}

static void step(const char *name) { printf("-- %s\n", name); }

static void one_to_one(int server, struct sockaddr_in there) {
	int client = everything(AF_INET, SOCK_STREAM);
	struct sockaddr_in here = at("127.0.0.1", 7001);
	bind(client, (void *)&here, sizeof here);
	set(client, 2, (unsigned short[]){3, 5, 0, 0}, 8);
	set(client, 7, (unsigned[]){0x01020304}, 4);
	connect(client, (void *)&there, sizeof there);
	step("up"), drain("server", server), drain("client", client);
	say(client, 0, "one", (struct sndinfo){1, 0, htonl(7), 9, 0});
	say(client, 0, "two!", (struct sndinfo){2, 1, htonl(8), 9, 0});
	step("messages"), drain("server", server), drain("client", client);
	const size_t rooms[] = {0, 10, 16, 20, 32, 40, 80, 127, 128};
	for (int i = 0; i < 9; i++) {
		/* The second one tells of the first one that there is a next. */
		say(client, 0, "x", (struct sndinfo){1, 0, htonl(7), 9, 0});
		say(client, 0, "y", (struct sndinfo){1, 0, htonl(7), 9, 0});
		usleep(300000);
		printf("-- room %zu\n", room = rooms[i]);
		drain("server", server);
	}
	room = 400, drain("client", client);
	set(client, 119, (unsigned short[]){0, 0, 2, 0}, 8);
	step("all streams reset"), drain("server", server), drain("client", client);
	set(client, 119, (unsigned short[]){0, 0, 3, 1, 1}, 10);
	step("stream 1 reset both ways"), drain("server", server), drain("client", client);
	set(client, 121, (unsigned short[]){0, 0, 2, 4}, 8);
	step("streams added"), drain("server", server), drain("client", client);
	set(client, 120, (int[]){0}, 4);
	step("association reset"), drain("server", server), drain("client", client);
	shutdown(client, SHUT_WR);
	step("shut down"), drain("server", server), drain("client", client);
	close(client);
}

static void one_to_many(int server, struct sockaddr_in there) {
	int client = everything(AF_INET, SOCK_SEQPACKET);
	struct sockaddr_in here = at("127.0.0.1", 7002), nobody = at("127.0.0.3", 7999);
	bind(client, (void *)&here, sizeof here);
	say(client, &there, "hello", (struct sndinfo){0});
	step("up by a message"), drain("server", server), drain("client", client);
	say(client, 0, "why", (struct sndinfo){.flags = 4, .association = association(client)});
	step("aborted"), drain("server", server), drain("client", client);
	say(client, &nobody, "lost", (struct sndinfo){1, 1, htonl(5), 77, 0});
	step("refused"), drain("client", client);
	close(client);
}

/* Two addresses of the server: paths are confirmed, and one becomes the primary one. */
static void paths(int family, const char *who) {
	int server = everything(AF_INET, SOCK_SEQPACKET), client = everything(family, SOCK_SEQPACKET);
	struct sockaddr_in both[2] = {at("127.0.0.2", 7003), at("127.0.0.4", 7003)}, here = at("127.0.0.1", 7004);
	set(server, 100, both, sizeof both);
	listen(server, 5);
	set(client, 100, &here, sizeof here);
	connect(client, (void *)both, sizeof *both);
	sleep(6);
	step("paths"), drain(who, client);
	struct {
		int association;
		struct sockaddr_in address;
		char rest[112];
	} primary = {association(client), both[1], ""};
	set(client, 6, &primary, 132);
	step("primary"), drain(who, client);
	close(client), close(server);
}

int main(void) {
	struct sockaddr_in there = at("127.0.0.2", 7000);
	int server = everything(AF_INET, SOCK_SEQPACKET);
	set(server, 17, (unsigned[]){0, 0x51}, 8);
	bind(server, (void *)&there, sizeof there);
	listen(server, 5);
	setvbuf(stdout, 0, _IOLBF, 0);
	one_to_one(server, there);
	one_to_many(server, there);
	paths(AF_INET, "ipv4");
	paths(AF_INET6, "ipv6");
	return 0;
}
