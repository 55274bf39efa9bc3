/* An SCTP endpoint that does what it reads on standard input: the other side of the interoperability tests. Built with
 * the header of one stack (-DSTACK='"stack-linux.h"'). One thread, one socket (one-to-many), one association at a time.
 *
 * Each command is a line, and is answered by one: `= ok ...` or `= error ...`. What happens by itself is told in lines
 * that begin with `! `. The message numbered n of a sender holds n in its first four bytes (network byte order) and a
 * pattern that follows from n in the rest, so that a receiver knows what is damaged, missing, doubled or out of order. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include STACK

#define MAX_WORDS 64
#define MAX_ADDRESSES 16

static Socket sock = NO_SOCKET;
static sctp_assoc_t association;
static bool reading, echoing, tracing;
/* Bytes of a message that came in part. */
static size_t held;

#include "messages.h"
#include "notifications.h"

/* Reads one message, or a part of it. */
static bool receive(void) {
  if (sock == NO_SOCKET || !reading || echo.len) return false;
  struct sctp_rcvinfo info = {0};
  int flags = 0;
  ssize_t len = stack_receive(sock, incoming + held, sizeof incoming - held, &info, &flags);
  if (len <= 0) return false;
  if (flags & MSG_NOTIFICATION) {
    tell((const union sctp_notification *)(incoming + held), len);
    return true;
  }
  held += len;
  got.pieces++;
  if (!(flags & MSG_EOR) && held < sizeof incoming) return true;
  count(incoming, held, &info);
  if (tracing) printf("! message stream %u bytes %zu ppid %u\n", info.rcv_sid, held, ntohl(info.rcv_ppid));
  if (echoing) {
    memcpy(echo.data, incoming, held);
    echo.len = held;
    echo.stream = info.rcv_sid;
    echo.flags = info.rcv_flags & SCTP_UNORDERED;
    echo.ppid = ntohl(info.rcv_ppid);
  }
  held = 0;
  return true;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static char *words[MAX_WORDS];
static int word_count;

static unsigned number(int at) { return at < word_count ? strtoul(words[at], NULL, 0) : 0; }

/* The number of an optional word NAME=NUMBER. */
static unsigned named(const char *name, unsigned otherwise) {
  size_t len = strlen(name);
  for (int n = 1; n < word_count; n++)
    if (!strncmp(words[n], name, len) && words[n][len] == '=') return strtoul(words[n] + len + 1, NULL, 0);
  return otherwise;
}

static size_t parse_address(const char *text, unsigned port, void *to) {
  struct sockaddr_in *v4 = to;
  struct sockaddr_in6 *v6 = to;
  memset(to, 0, sizeof *v6);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof *v4;
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
}

/* The addresses that the words from `at` on name, one behind the other; whether one of them is IPv6. */
static int parse_addresses(int at, unsigned port, uint8_t *to, bool *v6) {
  int found = 0;
  for (; at < word_count && found < MAX_ADDRESSES; at++, found++) {
    size_t len = parse_address(words[at], port, to);
    *v6 |= len == sizeof(struct sockaddr_in6);
    to += len;
  }
  return found;
}

static int set(int name, const void *value, socklen_t len) { return stack_set(sock, IPPROTO_SCTP, name, value, len); }

static int subscribe(void) {
  static const uint16_t types[] = {SCTP_ASSOC_CHANGE,       SCTP_PEER_ADDR_CHANGE,    SCTP_REMOTE_ERROR,
                                   SCTP_SHUTDOWN_EVENT,     SCTP_SEND_FAILED_EVENT,    SCTP_SENDER_DRY_EVENT,
                                   SCTP_STREAM_RESET_EVENT, SCTP_STREAM_CHANGE_EVENT, SCTP_ADAPTATION_INDICATION,
                                   SCTP_ASSOC_RESET_EVENT};
  for (size_t n = 0; n < sizeof types / sizeof *types; n++) {
    struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = types[n], .se_on = 1};
    if (set(SCTP_EVENT, &event, sizeof event)) return -1;
  }
  int on = 1;
  return set(SCTP_RECVRCVINFO, &on, sizeof on);
}

/* open PORT ADDRESS...: a socket with these addresses; open6: one that may get IPv6 addresses later */
static int do_open(void) {
  uint8_t addresses[MAX_ADDRESSES * sizeof(struct sockaddr_in6)];
  bool v6 = !strcmp(words[0], "open6");
  int found = parse_addresses(2, number(1), addresses, &v6);
  memset(&got, 0, sizeof got);
  memset(&job, 0, sizeof job);
  echo.len = association = held = 0;
  reading = true;
  echoing = tracing = false;
  sock = stack_socket(v6 ? AF_INET6 : AF_INET);
  int room = 4 << 20;
  if (sock == NO_SOCKET || stack_set(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) ||
      stack_set(sock, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) || subscribe())
    return -1;
  return stack_bindx(sock, addresses, found, true);
}

/* connect PORT ADDRESS... */
static int do_connect(void) {
  uint8_t addresses[MAX_ADDRESSES * sizeof(struct sockaddr_in6)];
  bool v6 = false;
  int found = parse_addresses(2, number(1), addresses, &v6);
  int result = stack_connectx(sock, addresses, found, &association);
  return result < 0 && errno != EINPROGRESS ? -1 : 0;
}

/* send COUNT SIZE [from=NUMBER] [streams=N] [stream=N] [ppid=N] [unordered=1] [pace=MICROSECONDS] [tell=NUMBER]
 * [immediately=1] [ttl=MS | rtx=N] */
static int do_send(void) {
  job.number = named("from", 0);
  job.remaining = number(1);
  job.size = number(2);
  job.streams = named("streams", 1);
  job.first_stream = named("stream", 0);
  job.ppid = named("ppid", 0);
  job.tell_at = named("tell", 0);
  job.flags = (named("unordered", 0) ? SCTP_UNORDERED : 0) | (named("immediately", 0) ? SCTP_SACK_IMMEDIATELY : 0);
  job.pace = named("pace", 0);
  job.due = 0;
  job.policy = named("ttl", 0) ? SCTP_PR_SCTP_TTL : named("rtx", -1) != -1u ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_NONE;
  job.policy_value = job.policy == SCTP_PR_SCTP_TTL ? named("ttl", 0) : named("rtx", 0);
  errno = EINVAL;
  return job.size >= 4 && job.size <= MAX_MESSAGE && job.streams ? 0 : -1;
}

static int end_association(uint16_t flags, const char *reason) {
  return send_message(reason, strlen(reason), 0, flags, 0, SCTP_PR_SCTP_NONE, 0) < 0 ? -1 : 0;
}

static int set_value(int name, uint32_t value) {
  struct sctp_assoc_value option = {association, value};
  return set(name, &option, sizeof option);
}

static int set_path(unsigned heartbeat, unsigned retransmissions) {
  struct sctp_paddrparams path = {.spp_assoc_id = association, .spp_hbinterval = heartbeat};
  path.spp_pathmaxrxt = retransmissions;
  path.spp_flags = heartbeat ? SPP_HB_ENABLE : SPP_HB_DISABLE;
  path.spp_address.ss_family = AF_INET; /* any address, so all paths */
  return set(SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

static int set_key(uint16_t key_number, const char *key) {
  struct { struct sctp_authkey head; uint8_t key[64]; } option = {0};
  size_t len = strlen(key) < sizeof option.key ? strlen(key) : sizeof option.key;
  option.head.sca_assoc_id = association;
  option.head.sca_keynumber = key_number;
  option.head.sca_keylength = len;
  memcpy(option.head.sca_key, key, len);
  struct sctp_authkeyid active = {.scact_assoc_id = association, .scact_keynumber = key_number};
  if (set(SCTP_AUTH_KEY, &option, sizeof option.head + len)) return -1;
  return set(SCTP_AUTH_ACTIVE_KEY, &active, sizeof active);
}

/* One algorithm, or two. */
static int set_hmac(uint16_t first, uint16_t second) {
  uint32_t option[4] = {0};
  struct sctp_hmacalgo *algorithms = (struct sctp_hmacalgo *)option;
  algorithms->shmac_number_of_idents = second ? 2 : 1;
  algorithms->shmac_idents[0] = first;
  algorithms->shmac_idents[1] = second;
  return set(SCTP_HMAC_IDENT, option, sizeof *algorithms + 2 * algorithms->shmac_number_of_idents);
}

/* set NAME VALUE...: of the association, before there is one of those to come */
static int do_set(void) {
  const char *name = words[1];
  unsigned a = number(2), b = number(3), c = number(4);
  if (!strcmp(name, "nodelay")) return set(SCTP_NODELAY, &(int){a}, sizeof(int));
  if (!strcmp(name, "streams")) return set(SCTP_INITMSG, &(struct sctp_initmsg){a, b, 0, 0}, sizeof(struct sctp_initmsg));
  if (!strcmp(name, "rto")) {
    struct sctp_rtoinfo rto = {.srto_assoc_id = association, .srto_initial = a, .srto_min = b, .srto_max = c};
    return set(SCTP_RTOINFO, &rto, sizeof rto);
  }
  if (!strcmp(name, "path")) return set_path(a, b);
  if (!strcmp(name, "attempts")) return set(SCTP_INITMSG, &(struct sctp_initmsg){0, 0, a, b}, sizeof(struct sctp_initmsg));
  if (!strcmp(name, "cookie-life")) {
    struct sctp_assocparams limits = {.sasoc_assoc_id = association, .sasoc_cookie_life = a};
    return set(SCTP_ASSOCINFO, &limits, sizeof limits);
  }
  if (!strcmp(name, "max-retrans")) {
    struct sctp_assocparams limits = {.sasoc_assoc_id = association, .sasoc_asocmaxrxt = a};
    return set(SCTP_ASSOCINFO, &limits, sizeof limits);
  }
  if (!strcmp(name, "udp")) {
    struct sctp_udpencaps port = {.sue_assoc_id = association, .sue_port = htons(a)};
    port.sue_address.ss_family = AF_INET;
    return set(SCTP_REMOTE_UDP_ENCAPS_PORT, &port, sizeof port);
  }
  if (!strcmp(name, "send-buffer")) return stack_set(sock, SOL_SOCKET, SO_SNDBUF, &(int){a}, sizeof(int));
  if (!strcmp(name, "receive-buffer")) return stack_set(sock, SOL_SOCKET, SO_RCVBUF, &(int){a}, sizeof(int));
  if (!strcmp(name, "delivery-point")) return set(SCTP_PARTIAL_DELIVERY_POINT, &(uint32_t){a}, sizeof(uint32_t));
  if (!strcmp(name, "sack-delay")) {
    struct sctp_sack_info delay = {association, a, b};
    return set(SCTP_DELAYED_SACK, &delay, sizeof delay);
  }
  if (!strcmp(name, "hmac")) return set_hmac(a, b);
  if (!strcmp(name, "potentially-failed")) return stack_set_potentially_failed(sock, association, a);
  if (!strcmp(name, "key")) return set_key(a, words[3]);
  if (!strcmp(name, "authchunk")) return set(SCTP_AUTH_CHUNK, &(struct sctp_authchunk){a}, sizeof(struct sctp_authchunk));
  if (!strcmp(name, "adaptation"))
    return set(SCTP_ADAPTATION_LAYER, &(struct sctp_setadaptation){a}, sizeof(struct sctp_setadaptation));
  if (!strcmp(name, "frag-interleave")) return set(SCTP_FRAGMENT_INTERLEAVE, &(int){a}, sizeof(int));
  if (!strcmp(name, "max-segment")) return set_value(SCTP_MAXSEG, a);
  if (!strcmp(name, "ecn")) return set_value(SCTP_ECN_SUPPORTED, a);
  if (!strcmp(name, "pr")) return set_value(SCTP_PR_SUPPORTED, a);
  if (!strcmp(name, "auth")) return set_value(SCTP_AUTH_SUPPORTED, a);
  if (!strcmp(name, "asconf")) return set_value(SCTP_ASCONF_SUPPORTED, a);
  if (!strcmp(name, "reconfig")) return set_value(SCTP_RECONFIG_SUPPORTED, a);
  if (!strcmp(name, "enable-reset")) return set_value(SCTP_ENABLE_STREAM_RESET, a);
  if (!strcmp(name, "scheduler")) return set_value(STACK_SCHEDULER, a);
#ifdef SCTP_INTERLEAVING_SUPPORTED
  if (!strcmp(name, "interleaving")) return set_value(SCTP_INTERLEAVING_SUPPORTED, a);
#endif
#ifdef SCTP_PLPMTUD_PROBE_INTERVAL
  if (!strcmp(name, "probe-interval")) {
    struct sctp_probeinterval interval = {.spi_assoc_id = association, .spi_interval = a};
    return set(SCTP_PLPMTUD_PROBE_INTERVAL, &interval, sizeof interval);
  }
#endif
#ifdef SCTP_CMT_ON_OFF
  if (!strcmp(name, "multipath")) return set_value(SCTP_CMT_ON_OFF, a);
#endif
#ifdef SCTP_NRSACK_SUPPORTED
  if (!strcmp(name, "nr-sack")) return set_value(SCTP_NRSACK_SUPPORTED, a);
#endif
  errno = EINVAL;
  return -1;
}

/* add PORT ADDRESS... | remove PORT ADDRESS...: of a living association too (ASCONF) */
static int change_addresses(bool add) {
  uint8_t addresses[MAX_ADDRESSES * sizeof(struct sockaddr_in6)];
  bool v6 = false;
  int found = parse_addresses(2, number(1), addresses, &v6);
  return stack_bindx(sock, addresses, found, add);
}

static int do_primary(void) {
  struct sctp_setprim primary = {.ssp_assoc_id = association};
  uint8_t address[sizeof(struct sockaddr_in6)];
  memcpy(&primary.ssp_addr, address, parse_address(words[2], number(1), address));
  return set(SCTP_PRIMARY_ADDR, &primary, sizeof primary);
}

/* heartbeat PORT ADDRESS: to one of the peer's addresses, at once */
static int do_heartbeat(void) {
  struct sctp_paddrparams path = {.spp_assoc_id = association, .spp_flags = SPP_HB_DEMAND};
  uint8_t address[sizeof(struct sockaddr_in6)];
  memcpy(&path.spp_address, address, parse_address(words[2], number(1), address));
  return set(SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

static int do_peer_primary(void) {
  struct sctp_setpeerprim primary = {.sspp_assoc_id = association};
  uint8_t address[sizeof(struct sockaddr_in6)];
  memcpy(&primary.sspp_addr, address, parse_address(words[2], number(1), address));
  return set(SCTP_SET_PEER_PRIMARY_ADDR, &primary, sizeof primary);
}

/* reset FLAGS [STREAM...]: flags 1 incoming, 2 outgoing; no streams: all */
static int do_reset(void) {
  struct { struct sctp_reset_streams head; uint16_t streams[MAX_WORDS]; } reset = {0};
  reset.head.srs_assoc_id = association;
  reset.head.srs_flags = number(1);
  reset.head.srs_number_streams = word_count - 2;
  for (int n = 2; n < word_count; n++) reset.head.srs_stream_list[n - 2] = number(n);
  return set(SCTP_RESET_STREAMS, &reset, sizeof reset.head + 2 * (word_count - 2));
}

/* add-streams OUT IN */
static int do_add_streams(void) {
  struct sctp_add_streams add = {.sas_assoc_id = association, .sas_outstrms = number(1), .sas_instrms = number(2)};
  return set(SCTP_ADD_STREAMS, &add, sizeof add);
}

static int do_reset_association(void) { return set(SCTP_RESET_ASSOC, &association, sizeof association); }

static int do_close(void) {
  if (sock != NO_SOCKET) stack_close(sock);
  sock = NO_SOCKET;
  job.remaining = echo.len = 0;
  return 0;
}

static int do_run(void) {
  char command[1024] = "";
  for (int n = 1; n < word_count; n++) {
    strncat(command, words[n], sizeof command - strlen(command) - 2);
    strcat(command, " ");
  }
  errno = EINVAL;
  return system(command) ? -1 : 0;
}

static int tell_counts(void) {
  printf("= ok messages %lu bytes %lu damaged %lu disordered %lu duplicated %lu missing %lu gap_us %lu pieces %lu ssn %u\n",
         got.messages, got.bytes, got.damaged, got.disordered, got.duplicated, missing(),
         (unsigned long)got.longest_gap, got.pieces, got.last_ssn);
  return 1;
}

/* How many messages were given up, whatever the policy (RFC 7496, 4.3) */
static int tell_abandoned(void) {
  struct sctp_prstatus status = {.sprstat_assoc_id = association, .sprstat_policy = STACK_PR_ALL};
  if (stack_get(sock, SCTP_PR_ASSOC_STATUS, &status, sizeof status)) return -1;
  printf("= ok unsent %lu sent %lu\n", (unsigned long)status.sprstat_abandoned_unsent,
         (unsigned long)status.sprstat_abandoned_sent);
  return 1;
}

/* How many messages there must be by the highest number, the first that are missing of them, and STREAM:NUMBER of the last
 * ordered one of each stream */
static int tell_missing(void) {
  printf("= ok of %lu", got.highest);
  for (unsigned long number = 0, told = 0; number < got.highest && told < 20; number++)
    if (!(got.seen[number / 8] >> number % 8 & 1)) told++, printf(" %lu", number);
  printf(" last");
  for (unsigned sid = 0; sid < MAX_STREAMS; sid++)
    if (got.next[sid]) printf(" %u:%u", sid, got.next[sid] - 1);
  putchar('\n');
  return 1;
}

static int forget_counts(void) {
  memset(&got, 0, sizeof got);
  return 0;
}

static int tell_status(void) {
  struct sctp_status status = {.sstat_assoc_id = association};
  if (stack_get(sock, SCTP_STATUS, &status, sizeof status)) return -1;
  char text[64];
  struct sockaddr_storage primary;
  memcpy(&primary, (char *)&status.sstat_primary + offsetof(struct sctp_paddrinfo, spinfo_address), sizeof primary);
  printf("= ok state %d out %u in %u primary %s mtu %u rto %u peers", status.sstat_state, status.sstat_outstrms,
         status.sstat_instrms, text_of(&primary, text, sizeof text), status.sstat_primary.spinfo_mtu,
         status.sstat_primary.spinfo_rto);
  struct sockaddr *peers;
  int found = stack_paddrs(sock, association, &peers);
  const char *peer = (const char *)peers;
  for (int n = 0; n < found; n++) {
    const struct sockaddr *any = (const struct sockaddr *)peer;
    printf(" %s", text_of(peer, text, sizeof text));
    peer += any->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  }
  putchar('\n');
  return 1;
}

static int do_listen(void) { return stack_listen(sock); }
static int do_shutdown(void) { return end_association(SCTP_EOF, ""); }
static int do_abort(void) { return end_association(SCTP_ABORT, words[1]); }
static int do_add(void) { return change_addresses(true); }
static int do_remove(void) { return change_addresses(false); }
static int do_read(void) { return reading = number(1), 0; }
static int do_echo(void) { return echoing = number(1), 0; }
static int do_trace(void) { return tracing = number(1), 0; }
static int do_sysctl(void) { return stack_sysctl(words[1], number(2)); }

static const struct {
  const char *name;
  int (*run)(void); /* 0: answer ok; below 0: answer with errno; above 0: it has answered itself */
} commands[] = {{"open", do_open},
                {"open6", do_open},
                {"listen", do_listen},
                {"connect", do_connect},
                {"send", do_send},
                {"echo", do_echo},
                {"read", do_read},
                {"trace", do_trace},
                {"counts", tell_counts},
                {"abandoned", tell_abandoned},
                {"missing", tell_missing},
                {"forget", forget_counts},
                {"status", tell_status},
                {"set", do_set},
                {"add", do_add},
                {"remove", do_remove},
                {"primary", do_primary},
                {"heartbeat", do_heartbeat},
                {"peer-primary", do_peer_primary},
                {"reset", do_reset},
                {"reset-association", do_reset_association},
                {"add-streams", do_add_streams},
                {"shutdown", do_shutdown},
                {"abort", do_abort},
                {"close", do_close},
                {"sysctl", do_sysctl},
                {"run", do_run}};

static void obey(char *line) {
  word_count = 0;
  for (char *word = strtok(line, " \r\n"); word && word_count < MAX_WORDS - 1; word = strtok(NULL, " \r\n"))
    words[word_count++] = word;
  words[word_count] = "";
  for (size_t n = 0; word_count && n < sizeof commands / sizeof *commands; n++) {
    if (strcmp(words[0], commands[n].name)) continue;
    int result = commands[n].run();
    if (result < 0) printf("= error %s\n", strerror(errno));
    if (result == 0) puts("= ok");
    return;
  }
  puts("= error no such command");
}

/* Obeys a command if one is there; ends with the input. */
static bool read_command(void) {
  static char line[4096];
  static size_t len;
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, 0) <= 0) return false;
  ssize_t got_now = read(STDIN_FILENO, line + len, 1);
  if (got_now <= 0) exit(0);
  if (line[len] != '\n') return len += len < sizeof line - 1, true;
  line[len] = 0;
  len = 0;
  obey(line);
  return true;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  stack_init(argc > 1 ? atoi(argv[1]) : 0);
  puts("! ready");
  for (;;) {
    bool busy = read_command();
    for (int n = 0; n < 64 && receive(); n++) busy = true;
    for (int n = 0; n < 64 && send_job(); n++) busy = true;
    busy |= send_echo();
    if (!busy) stack_wait(sock, job.remaining || echo.len ? 1 : -1);
  }
}
