/* Files of /proc that programs read to learn whether and how there is SCTP. */
#include "oracle.h"

static void states_file(const char *name) {
  char path[100], text[400] = "";
  snprintf(path, sizeof path, "/proc/sys/net/sctp/%s", name);
  int fd = open(path, O_RDONLY);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (length < 0) FACT(name, "-1 %s", error_name(errno));
  else FACT(name, "%s", bytes_text(text, length));
  close(fd);
}

CASE(values_of_the_system) {
  static const char *const names[] = {"rto_initial", "rto_min", "rto_max", "rto_alpha_exp_divisor", "rto_beta_exp_divisor",
      "association_max_retrans", "path_max_retrans", "max_init_retransmits", "hb_interval", "sack_timeout", "valid_cookie_life",
      "cookie_preserve_enable", "max_burst", "prsctp_enable", "ecn_enable", "addr_scope_policy", "pf_enable", "pf_retrans",
      "ps_retrans", "pf_expose", "max_autoclose", "udp_port", "encap_port", "default_auto_asconf", "sndbuf_policy", "rcvbuf_policy",
      "rwnd_update_shift", "plpmtud_probe_interval"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) states_file(names[i]);
}

CASE(a_file_that_is_not_there) {
  CALL(open("/proc/sys/net/sctp/no_such", O_RDONLY));
  CALL(access("/proc/sys/net/sctp/rto_min", R_OK));
  CALL(open("/proc/net/sctp/no_such", O_RDONLY));
}

static int lines_of(const char *path, char *first, size_t room) {
  FILE *file = fopen(path, "r");
  char line[2000];
  int count = 0;
  first[0] = 0;
  if (!file) return -1;
  while (fgets(line, sizeof line, file))
    if (count++ == 0) snprintf(first, room, "%s", line);
  fclose(file);
  return count;
}

/* The heading, blanks made one. */
static void states_heading(const char *what, char *line) {
  char *to = line;
  for (char *from = line; *from; from++)
    if (*from != '\n' && !(*from == ' ' && (to == line || to[-1] == ' '))) *to++ = *from;
  while (to > line && to[-1] == ' ') to--;
  *to = 0;
  FACT(what, "%s", line);
}

CASE(associations_and_endpoints) {
  char first[2000];
  struct pair pair = one_pair();
  int associations = lines_of("/proc/net/sctp/assocs", first, sizeof first);
  states_heading("assocs", first);
  FACT("the pair is there", "%d", associations >= 3);
  int endpoints = lines_of("/proc/net/sctp/eps", first, sizeof first);
  states_heading("eps", first);
  FACT("the listener is there", "%d", endpoints >= 2);
  (void)pair;
}

CASE(counters) {
  char line[200], name[100];
  long value;
  FILE *file = fopen("/proc/net/sctp/snmp", "r");
  if (!file) {
    FACT("snmp", "-1 %s", error_name(errno));
    return;
  }
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "%99s %ld", name, &value) == 2) FACT("counter", "%s", name);
  fclose(file);
}
