/* How fast RSPLIB's handlespace library is, librsphsmgt: what benches/handlespace puts beside ours.
 * usage: handlespace POLICY-TYPE POOLS ELEMENTS ROUNDS
 * Prints million operations per second of CPU time: register, re-register, select, deregister; then the bytes of memory
 * that an element takes. rserpool/examples/handlespace_speed.rs does the same, operation by operation.
 * The library comes without headers of these functions: what is declared here is all of it that is used. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rserpool/rserpool-policytypes.h>

/* Objects that the library fills in; what they are made of is its own affair. */
typedef struct { uint64_t room[512]; } Space;
typedef struct { uint64_t room[32]; } Opaque;
typedef struct { unsigned type, weight, load, degradation, load_dpf, weight_dpf, distance, room[16]; } Policy;
typedef union { struct sockaddr_in v4; char room[256]; } Address;

void poolHandleNew(Opaque *handle, const unsigned char *name, size_t length);
void poolPolicySettingsNew(Policy *policy);
void transportAddressBlockNew(Opaque *block, int protocol, uint16_t port, uint16_t flags, const Address *addresses,
                              size_t count, size_t limit);
#define FUNCTION(name) poolHandlespaceManagement##name##_SimpleRedBlackTree
void FUNCTION(New)(Space *space, unsigned home, void *dispose_pool, void *dispose_element, void *data);
void FUNCTION(Delete)(Space *space);
size_t FUNCTION(GetPoolElements)(const Space *space);
unsigned FUNCTION(RegisterPoolElement)(Space *space, const Opaque *handle, unsigned home, unsigned id, unsigned life,
                                       const Policy *policy, const Opaque *user, const Opaque *asap, int fd,
                                       int association, unsigned long long now, void **element);
unsigned FUNCTION(DeregisterPoolElement)(Space *space, const Opaque *handle, unsigned id);
unsigned FUNCTION(HandleResolution)(Space *space, const Opaque *handle, void **elements, size_t *count, size_t items,
                                    size_t increment);

static size_t pools, elements, increment;
static Opaque *handles, user, asap;
static Policy policy;
static unsigned *ids;
static uint64_t state = 1;

/* splitmix64 */
static uint64_t draw(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static double cpu(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static size_t resident(void) {
  size_t total, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%zu %zu", &total, &pages) != 2) exit(2);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static void must(unsigned error, const char *what) {
  if (error) {
    fprintf(stderr, "handlespace: %s: error 0x%x\n", what, error);
    exit(1);
  }
}

static void register_all(Space *space) {
  for (size_t i = 0; i < elements; i++) {
    void *element;
    policy.load = draw() % 100 * 10000;
    must(FUNCTION(RegisterPoolElement)(space, &handles[ids[i] % pools], 1, ids[i], 300000, &policy, &user, &asap, 0, 0, 1,
                                       &element), "register");
  }
}

static void shuffle(void) {
  for (size_t i = elements - 1; i > 0; i--) {
    size_t j = draw() % (i + 1);
    unsigned id = ids[i];
    ids[i] = ids[j];
    ids[j] = id;
  }
}

static void address(Opaque *block, uint16_t port) {
  Address address = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
  inet_pton(AF_INET, "10.0.0.1", &address.v4.sin_addr);
  transportAddressBlockNew(block, IPPROTO_SCTP, port, 0, &address, 1, 1);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fputs("usage: handlespace POLICY-TYPE POOLS ELEMENTS ROUNDS\n", stderr);
    return 2;
  }
  poolPolicySettingsNew(&policy);
  policy.type = strtoul(argv[1], NULL, 0);
  policy.weight = 1;
  increment = policy.type == PPT_RANDOM || policy.type == PPT_WEIGHTED_RANDOM ? 0 : 1;
  pools = strtoul(argv[2], NULL, 0);
  elements = strtoul(argv[3], NULL, 0);
  size_t rounds = strtoul(argv[4], NULL, 0), selections = elements > 10000 ? elements : 10000, memory = 0;
  double times[4] = {0}, start;
  handles = malloc(pools * sizeof *handles);
  ids = malloc(elements * sizeof *ids);
  for (size_t i = 0; i < pools; i++) {
    char name[32];
    int length = snprintf(name, sizeof name, "Pool%zu", i);
    poolHandleNew(&handles[i], (unsigned char *)name, length);
  }
  address(&user, 7);
  address(&asap, 3863);
  for (size_t round = 0; round < rounds; round++) {
    static Space space;
    for (size_t i = 0; i < elements; i++) ids[i] = draw();
    FUNCTION(New)(&space, 1, NULL, NULL, NULL);
    size_t before = resident();
    start = cpu();
    register_all(&space);
    times[0] += cpu() - start;
    if (round == 0) memory = (resident() - before) / elements;
    shuffle();
    start = cpu();
    register_all(&space);
    times[1] += cpu() - start;
    start = cpu();
    for (size_t i = 0; i < selections; i++) {
      void *found[1];
      size_t count = 1;
      must(FUNCTION(HandleResolution)(&space, &handles[ids[i % elements] % pools], found, &count, 1, increment), "select");
    }
    times[2] += cpu() - start;
    shuffle();
    size_t registered = FUNCTION(GetPoolElements)(&space);
    start = cpu();
    for (size_t i = 0; i < elements; i++) FUNCTION(DeregisterPoolElement)(&space, &handles[ids[i] % pools], ids[i]);
    times[3] += cpu() - start;
    if (registered + elements / 100 + 1 < elements || FUNCTION(GetPoolElements)(&space) != 0) {
      fputs("handlespace: not all elements were there, or some still are\n", stderr);
      return 1;
    }
    FUNCTION(Delete)(&space);
  }
  double done = 1e-6 * rounds;
  printf("%f %f %f %f %zu\n", done * elements / times[0], done * elements / times[1], done * selections / times[2],
         done * elements / times[3], memory);
  return 0;
}
