/* Messages of peer.c, both ways: those that came, counted by the numbers in them; those of a job; those that go back as
 * an echo. Included by peer.c, behind the header of the stack. */

#define MAX_MESSAGE (4 << 20)
#define MAX_COUNTED (1 << 20)
#define MAX_STREAMS 65536

static struct {
  unsigned long messages, pieces, bytes, damaged, disordered, duplicated, highest;
  uint16_t last_ssn;
  uint64_t last, longest_gap;
  uint8_t seen[MAX_COUNTED / 8];
  uint32_t next[MAX_STREAMS];
} got;

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static uint8_t pattern(uint32_t number, size_t at) { return number * 31 + at * 7 + (at >> 8) * 13; }

static void fill(uint8_t *message, size_t len, uint32_t number) {
  for (size_t at = 0; at < len; at++) message[at] = at < 4 ? number >> (24 - 8 * at) : pattern(number, at);
}

static void count(const uint8_t *message, size_t len, const struct sctp_rcvinfo *info) {
  uint64_t time = now_us();
  if (got.messages && time - got.last > got.longest_gap) got.longest_gap = time - got.last;
  got.last = time;
  got.last_ssn = info->rcv_ssn;
  got.messages++;
  got.bytes += len;
  uint32_t number = 0;
  for (size_t at = 0; at < 4 && at < len; at++) number = number << 8 | message[at];
  for (size_t at = 4; at < len; at++)
    if (message[at] != pattern(number, at)) { got.damaged++; return; }
  if (len < 4 || number >= MAX_COUNTED) { got.damaged++; return; }
  if (got.seen[number / 8] >> number % 8 & 1) got.duplicated++;
  got.seen[number / 8] |= 1 << number % 8;
  if (number + 1 > got.highest) got.highest = number + 1;
  if (info->rcv_flags & SCTP_UNORDERED) return;
  if (number < got.next[info->rcv_sid]) got.disordered++;
  got.next[info->rcv_sid] = number + 1;
}

static unsigned long missing(void) {
  unsigned long holes = 0;
  for (unsigned long number = 0; number < got.highest; number++) holes += !(got.seen[number / 8] >> number % 8 & 1);
  return holes;
}

/* What is being sent. */
static struct {
  uint32_t number, remaining, size, streams, first_stream, ppid;
  uint64_t pace, due;
  uint32_t tell_at;
  uint16_t flags;
  uint16_t policy;
  uint32_t policy_value;
} job;

static struct {
  size_t len;
  uint16_t stream, flags;
  uint32_t ppid;
  uint8_t data[MAX_MESSAGE];
} echo;

static uint8_t outgoing[MAX_MESSAGE], incoming[MAX_MESSAGE];

static ssize_t send_message(const void *data, size_t len, uint16_t stream, uint16_t flags, uint32_t ppid,
                            uint16_t policy, uint32_t value) {
  struct sctp_sendv_spa how = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
  how.sendv_sndinfo.snd_sid = stream;
  how.sendv_sndinfo.snd_flags = flags;
  how.sendv_sndinfo.snd_ppid = htonl(ppid);
  how.sendv_sndinfo.snd_assoc_id = association;
  if (policy != SCTP_PR_SCTP_NONE) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo.pr_policy = policy;
    how.sendv_prinfo.pr_value = value;
  }
  return stack_send(sock, data, len, &how);
}

/* Whether a message that could not be sent should be tried again later; else the reason is told. */
static bool is_full(const char *what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return true;
  printf("! %s failed: %s\n", what, strerror(errno));
  return false;
}

static bool send_job(void) {
  if (!job.remaining || now_us() < job.due) return false;
  fill(outgoing, job.size, job.number);
  uint16_t stream = job.first_stream + job.number % job.streams;
  if (send_message(outgoing, job.size, stream, job.flags, job.ppid, job.policy, job.policy_value) < 0) {
    if (!is_full("send")) job.remaining = 0;
    return false;
  }
  job.number++;
  job.due = job.due && job.pace ? job.due + job.pace : now_us() + job.pace;
  if (!--job.remaining || job.number == job.tell_at) printf("! sent %u\n", job.number);
  return true;
}

static bool send_echo(void) {
  if (!echo.len) return false;
  ssize_t sent = send_message(echo.data, echo.len, echo.stream, echo.flags, echo.ppid, SCTP_PR_SCTP_NONE, 0);
  if (sent < 0 && is_full("echo")) return false;
  echo.len = 0;
  return true;
}
