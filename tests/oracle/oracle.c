#include "oracle.h"
#include "../programs/waits.h"

#include <stdarg.h>

static struct {
  const char *name;
  void (*run)(void);
} cases[200];
static int case_count, current;
static const char *prefix = "127.0.0";
static const char *family = "oracle";

/* Longer than the longest case takes. */
static const unsigned LIMIT_S = 45;
static const int FIRST_PORT = 2000, PORTS_PER_CASE = 8, CASES_PER_FAMILY = 40;

void add_case(const char *name, void (*run)(void)) {
  if (case_count == 200) abort();
  cases[case_count].name = name;
  cases[case_count++].run = run;
}

void fact(const char *what, const char *format, ...) {
  va_list arguments;
  int kept = errno;
  printf("%s.%s: %s = ", family, cases[current].name, what);
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
  fflush(stdout);
  errno = kept;
}

const char *error_name(int number) {
  const char *name = strerrorname_np(number);
  return name ? name : "unknown errno";
}

long called(const char *what, long result) {
  if (result == -1) fact(what, "-1 %s", error_name(errno));
  else fact(what, "%ld", result);
  return result;
}

int called_fd(const char *what, long result) {
  if (result == -1) fact(what, "-1 %s", error_name(errno));
  else fact(what, "a descriptor");
  return result;
}

long done(const char *what, long result) {
  if (result == -1) fact(what, "-1 %s, which spoils the case", error_name(errno));
  return result;
}

/* Text that lives until some tens of texts later. */
static char *text(void) {
  static char ring[32][8192];
  static int next;
  char *room = ring[next++ % 32];
  room[0] = 0;
  return room;
}

static void add(char *to, const char *format, ...) {
  size_t used = strlen(to);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(to + used, 8192 - used, format, arguments);
  va_end(arguments);
}

/* --- what is random --- */

static sctp_assoc_t ids[64];
static int id_count;

static int id_number(sctp_assoc_t id, bool is_new) {
  for (int i = 0; i < id_count; i++)
    if (ids[i] == id) return i + 1;
  if (!is_new || id_count == 64) return 0;
  ids[id_count++] = id;
  return id_count;
}

const char *id_name(sctp_assoc_t id) {
  char *name = text();
  if (id >= 0 && id <= SCTP_ALL_ASSOC) add(name, "%d", id);
  else add(name, "id%d", id_number(id, true));
  return name;
}

/* Each family has ports of its own, so that none meets what another left behind: a number that its name stands for. */
static int first_port(void) {
  unsigned number = 0;
  for (const char *letter = family; *letter; letter++) number = number * 25 + *letter;
  return FIRST_PORT + PORTS_PER_CASE * (number % 96 * CASES_PER_FAMILY + current);
}

static const char *port_name(int port) {
  char *name = text();
  int number = port - first_port();
  if (port == 0) return "0";
  if (number >= 0 && number < PORTS_PER_CASE) add(name, "p%d", number);
  else add(name, port >= 1024 ? "some" : "%d", port);
  return name;
}

static void add_v4(char *name, struct in_addr address) {
  char whole[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address, whole, sizeof whole);
  size_t length = strlen(prefix);
  if (strncmp(whole, prefix, length) == 0 && whole[length] == '.') add(name, "host%s", whole + length + 1);
  else add(name, "%s", whole);
}

const char *address_name(const void *address) {
  struct sockaddr_storage copy = {0};
  const struct sockaddr_in *v4 = (void *)&copy;
  const struct sockaddr_in6 *v6 = (void *)&copy;
  char *name = text();
  memcpy(&copy.ss_family, address, sizeof copy.ss_family);
  if (copy.ss_family == AF_INET) {
    memcpy(&copy, address, sizeof *v4);
    add_v4(name, v4->sin_addr);
    add(name, ":%s", port_name(ntohs(v4->sin_port)));
  } else if (copy.ss_family == AF_INET6) {
    memcpy(&copy, address, sizeof *v6);
    struct in_addr inner;
    memcpy(&inner, v6->sin6_addr.s6_addr + 12, sizeof inner);
    char whole[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &v6->sin6_addr, whole, sizeof whole);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) add(name, "mapped "), add_v4(name, inner);
    else add(name, "[%s]", whole);
    add(name, ":%s", port_name(ntohs(v6->sin6_port)));
    if (v6->sin6_flowinfo || v6->sin6_scope_id) add(name, " flow %u scope %u", ntohl(v6->sin6_flowinfo), v6->sin6_scope_id);
  } else {
    add(name, "family %d", copy.ss_family);
  }
  return name;
}

void states_address(const char *what, const void *address, socklen_t length) {
  fact(what, "%s, %u bytes", address_name(address), length);
}

/* --- values --- */

const char *bytes_text(const void *bytes, size_t length) {
  const unsigned char *from = bytes;
  char *name = text();
  add(name, "\"");
  for (size_t i = 0, run; i < length; i += run) {
    for (run = 1; i + run < length && from[i + run] == from[i]; run++) continue;
    if (from[i] < 32 || from[i] > 126) add(name, "\\x%02x", from[i]);
    else add(name, "%c", from[i]);
    if (run > 8) add(name, "{%zu}", run);
    else run = 1;
  }
  add(name, "\"");
  return name;
}

const char *words_text(const void *bytes, size_t length) {
  const unsigned char *from = bytes;
  char *name = text();
  for (size_t i = 0, zeros = 0; i < length; i += 4) {
    uint32_t word = 0;
    size_t part = length - i < 4 ? length - i : 4;
    memcpy(&word, from + i, part);
    zeros = word == 0 && part == 4 ? zeros + 1 : 0;
    /* Structures have it first or last. */
    bool may_be_id = length >= 8 && (i == 0 || i + 4 == length);
    bool is_last = i + 8 > length || memcmp(from + i + 4, "\0\0\0\0", 4) != 0;
    if (zeros && !is_last) continue;
    if (zeros > 1) add(name, " 0*%zu", zeros);
    else if (part == 4 && may_be_id && word > SCTP_ALL_ASSOC && id_number(word, false)) add(name, " %s", id_name(word));
    else if (part == 4) add(name, " %x", word);
    else add(name, " %0*x", (int)part * 2, word);
    zeros = 0;
  }
  return name[0] ? name + 1 : "nothing";
}

int set_fact(const char *what, int fd, int level, int option, const void *value, socklen_t length) {
  return called(what, setsockopt(fd, level, option, value, length));
}

int get_fact(const char *what, int fd, int level, int option, void *value, socklen_t length) {
  socklen_t given = length;
  int result = getsockopt(fd, level, option, value, &given);
  if (result == -1) fact(what, "-1 %s, %u bytes", error_name(errno), given);
  else fact(what, "%d, %u bytes: %s", result, given, words_text(value, given < length ? given : length));
  return result;
}

static const char *flags_of(int flags, const char *const *names, const int *values, int count) {
  char *name = text();
  for (int i = 0; i < count; i++)
    if (flags & values[i]) add(name, "%s%s", name[0] ? "|" : "", names[i]), flags &= ~values[i];
  if (flags) add(name, "%s0x%x", name[0] ? "|" : "", flags);
  return name[0] ? name : "0";
}


const char *message_flags(int flags) {
  static const char *const names[] = {"MSG_EOR", "MSG_NOTIFICATION", "MSG_TRUNC", "MSG_CTRUNC", "MSG_PEEK", "MSG_OOB",
                                      "MSG_ERRQUEUE", "MSG_CMSG_CLOEXEC", "MSG_DONTWAIT"};
  static const int values[] = {MSG_EOR, MSG_NOTIFICATION, MSG_TRUNC, MSG_CTRUNC, MSG_PEEK, MSG_OOB,
                               MSG_ERRQUEUE, MSG_CMSG_CLOEXEC, MSG_DONTWAIT};
  return flags_of(flags, names, values, 9);
}

const char *poll_events(int events) {
  static const char *const names[] = {"POLLIN", "POLLPRI", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL", "POLLRDHUP",
                                      "POLLRDNORM", "POLLRDBAND", "POLLWRNORM", "POLLWRBAND"};
  static const int values[] = {POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDHUP,
                               POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND};
  return flags_of(events, names, values, 11);
}

static const char *data_flags(int flags) {
  static const char *const names[] = {"SCTP_UNORDERED", "SCTP_ADDR_OVER", "SCTP_ABORT", "SCTP_SACK_IMMEDIATELY",
                                      "SCTP_SENDALL", "SCTP_PR_SCTP_ALL", "SCTP_EOF", "SCTP_NOTIFICATION"};
  static const int values[] = {SCTP_UNORDERED, SCTP_ADDR_OVER, SCTP_ABORT, SCTP_SACK_IMMEDIATELY,
                               SCTP_SENDALL, SCTP_PR_SCTP_ALL, SCTP_EOF, SCTP_NOTIFICATION};
  return flags_of(flags, names, values, 8);
}

static const char *one_of(int value, const char *const *names, int count) {
  char *name = text();
  if (value >= 0 && value < count) return names[value];
  add(name, "%d", value);
  return name;
}

long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- addresses --- */

static struct sockaddr_storage *room(void) {
  static struct sockaddr_storage ring[64];
  static int next;
  struct sockaddr_storage *free = &ring[next++ % 64];
  memset(free, 0, sizeof *free);
  return free;
}

static uint16_t net_port(int port) { return htons(port < 0 ? 0 : first_port() + port); }

static struct in_addr v4(int host) {
  char whole[64];
  struct in_addr address;
  snprintf(whole, sizeof whole, "%s.%d", prefix, host);
  inet_pton(AF_INET, whole, &address);
  return address;
}

struct sockaddr *at(int host, int port) {
  struct sockaddr_in *in = (void *)room();
  in->sin_family = AF_INET, in->sin_port = net_port(port), in->sin_addr = v4(host);
  return (void *)in;
}

struct sockaddr *any(int port) {
  struct sockaddr_in *in = (void *)room();
  in->sin_family = AF_INET, in->sin_port = net_port(port);
  return (void *)in;
}

struct sockaddr *any6(int port) {
  struct sockaddr_in6 *in = (void *)room();
  in->sin6_family = AF_INET6, in->sin6_port = net_port(port);
  return (void *)in;
}

struct sockaddr *at6(int port) {
  struct sockaddr_in6 *in = (void *)any6(port);
  in->sin6_addr = in6addr_loopback;
  return (void *)in;
}

struct sockaddr *mapped(int host, int port) {
  struct sockaddr_in6 *in = (void *)any6(port);
  struct in_addr inner = v4(host);
  memset(in->sin6_addr.s6_addr + 10, 0xff, 2);
  memcpy(in->sin6_addr.s6_addr + 12, &inner, 4);
  return (void *)in;
}

static size_t size_of(const struct sockaddr *address) {
  return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

struct sockaddr_storage in_storage(const struct sockaddr *address) {
  struct sockaddr_storage whole = {0};
  memcpy(&whole, address, size_of(address));
  return whole;
}

struct sockaddr *packed(int count, ...) {
  static unsigned char ring[8][512];
  static int next;
  unsigned char *all = ring[next++ % 8];
  size_t used = 0;
  va_list addresses;
  va_start(addresses, count);
  for (int i = 0; i < count; i++) {
    const struct sockaddr *address = va_arg(addresses, const struct sockaddr *);
    memcpy(all + used, address, size_of(address));
    used += size_of(address);
  }
  va_end(addresses);
  return (void *)all;
}

/* --- sockets --- */

static int opened(int fd) {
  if (fd < 0) fact("socket", "-1 %s, which spoils the case", error_name(errno));
  return fd;
}
int one(void) { return opened(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)); }
int many(void) { return opened(socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP)); }
int one6(void) { return opened(socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP)); }
int many6(void) { return opened(socket(AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP)); }

void nothing(int fd) { (void)fd; }

static bool is_one_to_many(int (*new)(void)) { return new == many || new == many6; }

struct pair pair_of(int (*new)(void), void (*prepare)(int fd)) {
  static int next;
  bool v6 = new == one6 || new == many6;
  struct pair pair = {new(), -1, new(), next};
  struct sockaddr *there = v6 ? at6(next) : at(2, next), *here = v6 ? at6(next + 1) : at(1, next + 1);
  socklen_t length = v6 ? IN6 : IN;
  next += 4;
  prepare(pair.listener), prepare(pair.client);
  DO(bind(pair.listener, there, length));
  DO(listen(pair.listener, 5));
  DO(bind(pair.client, here, length));
  DO(connect(pair.client, there, length));
  pair.server = is_one_to_many(new) ? pair.listener : DO(accept(pair.listener, NULL, NULL));
  return pair;
}

struct pair one_pair(void) { return pair_of(one, nothing); }
struct pair many_pair(void) { return pair_of(many, nothing); }

pid_t program_reading(struct pair pair, const char *name, const char *argument) {
  pid_t child = fork();
  if (child != 0) return child;
  close(pair.server);
  dup2(pair.client, 0);
  dup2(open("/dev/null", O_WRONLY), 2);
  execlp(name, name, argument, NULL);
  _exit(127);
}

sctp_assoc_t association(int fd) {
  uint32_t list[16] = {0};
  struct sctp_status status = {0};
  socklen_t length = sizeof list;
  sctp_assoc_t id = 0;
  if (getsockopt(fd, SOL_SCTP, SCTP_GET_ASSOC_ID_LIST, list, &length) == 0 && list[0] > 0) id = list[1];
  length = sizeof status;
  if (id == 0 && getsockopt(fd, SOL_SCTP, SCTP_STATUS, &status, &length) == 0) id = status.sstat_assoc_id;
  id_name(id);
  return id;
}

void subscribe(int fd, int type) {
  struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = type, .se_on = 1};
  DO(setsockopt(fd, SOL_SCTP, SCTP_EVENT, &event, sizeof event));
}

void subscribe_all(int fd) {
  for (int type = SCTP_ASSOC_CHANGE; type <= SCTP_SEND_FAILED_EVENT; type++)
    if (type != SCTP_SEND_FAILED) subscribe(fd, type);
  USE(fd, SCTP_RECVRCVINFO, int, 1);
  USE(fd, SCTP_RECVNXTINFO, int, 1);
}

/* --- waiting --- */

bool await(int fd, short events) {
  struct pollfd poller = {fd, events, 0};
  long end = now_ms() + PATIENCE_MS;
  for (;;) {
    int result = poll(&poller, 1, end > now_ms() ? end - now_ms() : 0);
    if (result >= 0 || errno != EINTR) return result > 0;
  }
}

void settle(pid_t thread, int fd) {
  if (!waits_at(thread, fd)) fact("settle", "it does not wait, which spoils the case");
}

void await_end(int fd) {
  for (long end = now_ms() + PATIENCE_MS; association(fd) != 0; usleep(5000)) {
    if (now_ms() < end) continue;
    fact("await_end", "the association does not end, which spoils the case");
    return;
  }
}

void await_acknowledged(int fd) {
  struct sctp_status status = {.sstat_unackdata = 1};
  socklen_t length = sizeof status;
  for (long end = now_ms() + PATIENCE_MS; status.sstat_unackdata != 0; usleep(5000)) {
    if (now_ms() < end && getsockopt(fd, SOL_SCTP, SCTP_STATUS, &status, &length) == 0) continue;
    fact("await_acknowledged", "not all is acknowledged, which spoils the case");
    return;
  }
}

void ready(const char *what, int fd) {
  int before = -1;
  for (int same = 0; same < 3;) {
    struct pollfd poller = {fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, 0};
    poll(&poller, 1, 0);
    same = poller.revents == before ? same + 1 : 0;
    before = poller.revents;
    if (same < 3) poll(NULL, 0, 10);
  }
  char *name = text();
  add(name, "poll %s", what);
  fact(name, "%s", poll_events(before));
}

/* --- receiving --- */

static const char *const SAC_STATES[] = {"SCTP_COMM_UP", "SCTP_COMM_LOST", "SCTP_RESTART", "SCTP_SHUTDOWN_COMP",
                                         "SCTP_CANT_STR_ASSOC"};
static const char *const SPC_STATES[] = {"SCTP_ADDR_AVAILABLE", "SCTP_ADDR_UNREACHABLE", "SCTP_ADDR_REMOVED",
                                         "SCTP_ADDR_ADDED", "SCTP_ADDR_MADE_PRIM", "SCTP_ADDR_CONFIRMED",
                                         "SCTP_ADDR_POTENTIALLY_FAILED"};
static const char *const AUTH_INDICATIONS[] = {"SCTP_AUTH_NEW_KEY", "SCTP_AUTH_FREE_KEY", "SCTP_AUTH_NO_AUTH"};
static const char *const SSF_FLAGS[] = {"SCTP_DATA_UNSENT", "SCTP_DATA_SENT"};

static const char *stream_flags(int flags) {
  static const char *const names[] = {"SCTP_STREAM_RESET_INCOMING_SSN", "SCTP_STREAM_RESET_OUTGOING_SSN",
                                      "SCTP_STREAM_RESET_DENIED", "SCTP_STREAM_RESET_FAILED"};
  static const int values[] = {1, 2, 4, 8};
  return flags_of(flags, names, values, 4);
}

/* Everything behind the fixed part. */
static const char *rest(const void *bytes, size_t length, size_t fixed) {
  return length > fixed ? bytes_text((const char *)bytes + fixed, length - fixed) : "nothing";
}

static void states_notification(const char *what, const void *bytes, size_t length) {
  union sctp_notification n = {0};
  char *name = text(), *value = text();
  memcpy(&n, bytes, length < sizeof n ? length : sizeof n);
  if (length < sizeof n.sn_header) {
    fact(what, "a notification of %zu bytes", length);
    return;
  }
#define NOTE(type, ...) add(name, "%s " #type, what), add(value, __VA_ARGS__)
  switch (n.sn_header.sn_type) {
  case SCTP_ASSOC_CHANGE: {
    struct sctp_assoc_change *e = &n.sn_assoc_change;
    NOTE(SCTP_ASSOC_CHANGE, "%s error %u out %u in %u %s info %s", one_of(e->sac_state, SAC_STATES, 5), ntohs(e->sac_error),
         e->sac_outbound_streams, e->sac_inbound_streams, id_name(e->sac_assoc_id), rest(bytes, length, sizeof *e));
    break;
  }
  case SCTP_PEER_ADDR_CHANGE: {
    struct sctp_paddr_change *e = &n.sn_paddr_change;
    NOTE(SCTP_PEER_ADDR_CHANGE, "%s %s error %d %s", one_of(e->spc_state, SPC_STATES, 7), address_name(&e->spc_aaddr),
         e->spc_error, id_name(e->spc_assoc_id));
    break;
  }
  case SCTP_REMOTE_ERROR: {
    struct sctp_remote_error *e = &n.sn_remote_error;
    NOTE(SCTP_REMOTE_ERROR, "error %u %s data %s", ntohs(e->sre_error), id_name(e->sre_assoc_id), rest(bytes, length, sizeof *e));
    break;
  }
  case SCTP_SEND_FAILED: {
    struct sctp_send_failed *e = &n.sn_send_failed;
    NOTE(SCTP_SEND_FAILED, "error %u stream %u flags %s ppid %x context %u ttl %u info.%s %s data %s", e->ssf_error,
         e->ssf_info.sinfo_stream, data_flags(e->ssf_info.sinfo_flags & ~3) , ntohl(e->ssf_info.sinfo_ppid), e->ssf_info.sinfo_context,
         e->ssf_info.sinfo_timetolive, id_name(e->ssf_info.sinfo_assoc_id), id_name(e->ssf_assoc_id), rest(bytes, length, sizeof *e));
    break;
  }
  case SCTP_SEND_FAILED_EVENT: {
    struct sctp_send_failed_event *e = &n.sn_send_failed_event;
    NOTE(SCTP_SEND_FAILED_EVENT, "error %u stream %u flags %x ppid %x context %u info.%s %s data %s", e->ssf_error,
         e->ssfe_info.snd_sid, e->ssfe_info.snd_flags, ntohl(e->ssfe_info.snd_ppid), e->ssfe_info.snd_context,
         id_name(e->ssfe_info.snd_assoc_id), id_name(e->ssf_assoc_id), rest(bytes, length, sizeof *e));
    break;
  }
  case SCTP_SHUTDOWN_EVENT:
    NOTE(SCTP_SHUTDOWN_EVENT, "%s", id_name(n.sn_shutdown_event.sse_assoc_id));
    break;
  case SCTP_ADAPTATION_INDICATION:
    NOTE(SCTP_ADAPTATION_INDICATION, "%x %s", n.sn_adaptation_event.sai_adaptation_ind, id_name(n.sn_adaptation_event.sai_assoc_id));
    break;
  case SCTP_PARTIAL_DELIVERY_EVENT: {
    struct sctp_pdapi_event *e = &n.sn_pdapi_event;
    NOTE(SCTP_PARTIAL_DELIVERY_EVENT, "%s %s stream %u seq %u", e->pdapi_indication ? "?" : "SCTP_PARTIAL_DELIVERY_ABORTED",
         id_name(e->pdapi_assoc_id), e->pdapi_stream, e->pdapi_seq);
    break;
  }
  case SCTP_AUTHENTICATION_EVENT: {
    struct sctp_authkey_event *e = &n.sn_authkey_event;
    NOTE(SCTP_AUTHENTICATION_EVENT, "%s key %u other %u %s", one_of(e->auth_indication, AUTH_INDICATIONS, 3),
         e->auth_keynumber, e->auth_altkeynumber, id_name(e->auth_assoc_id));
    break;
  }
  case SCTP_SENDER_DRY_EVENT:
    NOTE(SCTP_SENDER_DRY_EVENT, "%s", id_name(n.sn_sender_dry_event.sender_dry_assoc_id));
    break;
  case SCTP_STREAM_RESET_EVENT: {
    struct sctp_stream_reset_event *e = &n.sn_strreset_event;
    NOTE(SCTP_STREAM_RESET_EVENT, "%s %s streams", stream_flags(n.sn_header.sn_flags), id_name(e->strreset_assoc_id));
    for (size_t at = sizeof *e; at + 2 <= length; at += 2) {
      uint16_t stream;
      memcpy(&stream, (const char *)bytes + at, 2);
      add(value, " %u", stream);
    }
    break;
  }
  case SCTP_ASSOC_RESET_EVENT:
    NOTE(SCTP_ASSOC_RESET_EVENT, "%s", id_name(n.sn_assocreset_event.assocreset_assoc_id));
    break;
  case SCTP_STREAM_CHANGE_EVENT: {
    struct sctp_stream_change_event *e = &n.sn_strchange_event;
    NOTE(SCTP_STREAM_CHANGE_EVENT, "%s in %u out %u", id_name(e->strchange_assoc_id), e->strchange_instrms, e->strchange_outstrms);
    break;
  }
  default:
    NOTE(notification, "%x", n.sn_header.sn_type);
  }
  int flags = n.sn_header.sn_flags;
  if (n.sn_header.sn_type == SCTP_SEND_FAILED || n.sn_header.sn_type == SCTP_SEND_FAILED_EVENT)
    add(value, ", flags %s, length %u", one_of(flags, SSF_FLAGS, 2), n.sn_header.sn_length);
  else add(value, ", flags %x, length %u", flags, n.sn_header.sn_length);
  fact(name, "%s", value);
}

static void states_control(const char *what, const struct cmsghdr *header) {
  char *name = text();
  size_t length = header->cmsg_len - CMSG_LEN(0);
  const void *data = CMSG_DATA(header);
#define CONTROL(type, ...) add(name, "%s " #type, what), fact(name, __VA_ARGS__)
  if (header->cmsg_level == SOL_SCTP && header->cmsg_type == SCTP_RCVINFO && length == sizeof(struct sctp_rcvinfo)) {
    struct sctp_rcvinfo i;
    memcpy(&i, data, sizeof i);
    CONTROL(SCTP_RCVINFO, "stream %u ssn %u flags %s ppid %x context %u %s", i.rcv_sid, i.rcv_ssn, data_flags(i.rcv_flags),
            ntohl(i.rcv_ppid), i.rcv_context, id_name(i.rcv_assoc_id));
  } else if (header->cmsg_level == SOL_SCTP && header->cmsg_type == SCTP_NXTINFO && length == sizeof(struct sctp_nxtinfo)) {
    struct sctp_nxtinfo i;
    memcpy(&i, data, sizeof i);
    CONTROL(SCTP_NXTINFO, "stream %u flags %s ppid %x length %u %s", i.nxt_sid, data_flags(i.nxt_flags), ntohl(i.nxt_ppid),
            i.nxt_length, id_name(i.nxt_assoc_id));
  } else if (header->cmsg_level == SOL_SCTP && header->cmsg_type == SCTP_SNDRCV && length == sizeof(struct sctp_sndrcvinfo)) {
    struct sctp_sndrcvinfo i;
    memcpy(&i, data, sizeof i);
    CONTROL(SCTP_SNDRCV, "stream %u ssn %u flags %s ppid %x context %u ttl %u %s", i.sinfo_stream, i.sinfo_ssn,
            data_flags(i.sinfo_flags), ntohl(i.sinfo_ppid), i.sinfo_context, i.sinfo_timetolive, id_name(i.sinfo_assoc_id));
  } else {
    CONTROL(control, "level %d type %d, %zu bytes", header->cmsg_level, header->cmsg_type, length);
  }
}

void states_message(const char *what, const struct msghdr *message, ssize_t length) {
  char *name = text();
  add(name, "recvmsg %s", what);
  if (length < 0) {
    fact(name, "-1 %s", error_name(errno));
    return;
  }
  fact(name, "%zd %s", length, message_flags(message->msg_flags));
  size_t room = message->msg_iovlen ? message->msg_iov[0].iov_len : 0;
  size_t filled = (size_t)length < room ? (size_t)length : room;
  if (message->msg_flags & MSG_NOTIFICATION) states_notification(what, message->msg_iov[0].iov_base, filled);
  else if (length > 0) {
    char *data = text();
    add(data, "%s payload", what);
    fact(data, "%s", bytes_text(message->msg_iov[0].iov_base, filled));
  }
  if (message->msg_name && message->msg_namelen) {
    char *from = text();
    add(from, "%s from", what);
    states_address(from, message->msg_name, message->msg_namelen);
  }
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR((struct msghdr *)message, header))
    states_control(what, header);
}

static ssize_t receive(const char *what, int fd, int flags) {
  static unsigned char data[70000];
  _Alignas(struct cmsghdr) unsigned char control[512];
  struct sockaddr_storage from;
  struct iovec part = {data, sizeof data};
  struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                           .msg_control = control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &message, flags | MSG_DONTWAIT);
  states_message(what, &message, length);
  return length;
}

void take(const char *what, int fd, int flags) {
  if (!await(fd, POLLIN)) fact(what, "nothing came");
  receive(what, fd, flags);
}

void take_all(const char *what, int fd) {
  struct pollfd poller = {fd, POLLIN, 0};
  for (int i = 0; i < 20 && poll(&poller, 1, 0) > 0 && (poller.revents & POLLIN); i++)
    if (receive(what, fd, 0) <= 0) break;
}

void skip(int fd) {
  static char data[70000];
  if (!await(fd, POLLIN) || recv(fd, data, sizeof data, MSG_DONTWAIT) < 0) fact("skip", "nothing came, which spoils the case");
}

/* --- sending --- */

/* Whether the peer has no room for so much, as far as is known. */
static bool has_closed_window(int fd, size_t length) {
  struct sctp_status status = {0};
  socklen_t size = sizeof status;
  return getsockopt(fd, SOL_SCTP, SCTP_STATUS, &status, &size) != 0 || status.sstat_rwnd < length;
}

size_t fill(int fd) {
  static char data[4000];
  size_t sent = 0;
  struct pollfd poller = {fd, POLLOUT, 0};
  for (long end = now_ms() + PATIENCE_MS; sent < 40000000;) {
    if (send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) sent += sizeof data;
    else if (errno != EAGAIN) break;
    else if (poll(&poller, 1, 200) > 0) continue;
    /* Also without room here all may go on to a peer that has some. */
    else if (has_closed_window(fd, sizeof data)) break;
    else if (now_ms() < end) continue;
    else {
      fact("fill", "the peer's window stays open, which spoils the case");
      break;
    }
  }
  return sent;
}

ssize_t send_with(int fd, const struct sockaddr *to, const void *data, size_t length, int flags, ...) {
  _Alignas(struct cmsghdr) unsigned char control[512] = {0};
  struct iovec part = {(void *)data, length};
  struct msghdr message = {.msg_name = (void *)to, .msg_namelen = to ? size_of(to) : 0, .msg_iov = &part, .msg_iovlen = 1};
  size_t used = 0;
  va_list parts;
  va_start(parts, flags);
  for (int type; (type = va_arg(parts, int)) >= 0;) {
    const void *structure = va_arg(parts, const void *);
    size_t size = va_arg(parts, size_t);
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SCTP, .cmsg_type = type};
    memcpy(control + used, &header, sizeof header);
    memcpy(control + used + CMSG_LEN(0), structure, size);
    used += CMSG_SPACE(size);
  }
  va_end(parts);
  if (used) message.msg_control = control, message.msg_controllen = used;
  return sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

/* --- running --- */

static void run_case(int number) {
  current = number;
  pid_t child = fork();
  if (child == 0) {
    alarm(LIMIT_S);
    cases[number].run();
    exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) fact("ended", "by %s", sigabbrev_np(WTERMSIG(status)));
  else if (WEXITSTATUS(status)) fact("ended", "with status %d", WEXITSTATUS(status));
}

static bool is_wanted(int number, int count, char **names) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], cases[number].name) == 0) return true;
  return count == 0;
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: %s PREFIX [CASE...]\nPREFIX.1 to PREFIX.4 are addresses of this host.\nexample: %s 127.0.90\n",
            arguments[0], arguments[0]);
    return 2;
  }
  const char *slash = strrchr(arguments[0], '/');
  family = slash ? slash + 1 : arguments[0];
  prefix = arguments[1];
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < case_count; i++)
    if (is_wanted(i, count - 2, arguments + 2)) run_case(i);
  return 0;
}
