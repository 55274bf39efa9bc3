/* Authenticated chunks: keys, chunks, algorithms, AUTHINFO, and their notifications (RFC 4895; RFC 6458, 8.3). */
#include "oracle.h"

struct key {
  sctp_assoc_t id;
  uint16_t number, length;
  uint8_t bytes[8];
};

static void authenticates(int fd) {
  struct sctp_assoc_value on = {SCTP_FUTURE_ASSOC, 1};
  struct sctp_authchunk data = {0};
  DO(setsockopt(fd, SOL_SCTP, SCTP_AUTH_SUPPORTED, &on, sizeof on));
  DO(setsockopt(fd, SOL_SCTP, SCTP_AUTH_CHUNK, &data, sizeof data));
}

static struct pair authenticated_pair(void) {
  struct pair pair = pair_of(many, authenticates);
  return pair;
}

CASE(without_the_extension) {
  int fd = many();
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 0);
  SET(fd, SCTP_AUTH_KEY, struct key, 0, 1, 4, "abcd");
  SET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, 0, 1);
  GET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid);
  SET(fd, SCTP_AUTH_DELETE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_DEACTIVATE_KEY, struct sctp_authkeyid, 0, 1);
  GET(fd, SCTP_HMAC_IDENT, struct { uint32_t n[4]; });
  GET(fd, SCTP_LOCAL_AUTH_CHUNKS, struct { uint32_t n[8]; });
  GET(fd, SCTP_PEER_AUTH_CHUNKS, struct { uint32_t n[8]; });
}

CASE(chunks) {
  int fd = many();
  SET(fd, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, 0, 1);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 0);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 0);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 1);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 2);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 14);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 15);
  SET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk, 7);
  SET(fd, SCTP_AUTH_CHUNK, int, 7);
  GET(fd, SCTP_LOCAL_AUTH_CHUNKS, struct { uint32_t n[8]; });
  GET(fd, SCTP_AUTH_CHUNK, struct sctp_authchunk);
  GET(fd, SCTP_LOCAL_AUTH_CHUNKS, int);
}

CASE(chunks_of_both_ends) {
  struct pair pair = authenticated_pair();
  sctp_assoc_t id = association(pair.client);
  GET(pair.client, SCTP_LOCAL_AUTH_CHUNKS, struct { uint32_t n[8]; }, {id});
  GET(pair.client, SCTP_PEER_AUTH_CHUNKS, struct { uint32_t n[8]; }, {id});
  GET(pair.client, SCTP_PEER_AUTH_CHUNKS, struct { uint32_t n[8]; }, {99999});
  GET(pair.client, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, id);
}

struct algorithms {
  uint32_t count;
  uint16_t idents[2];
};

CASE(algorithms) {
  int fd = many();
  SET(fd, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, 0, 1);
  SET(fd, SCTP_HMAC_IDENT, struct algorithms, 2, {SCTP_AUTH_HMAC_ID_SHA1, SCTP_AUTH_HMAC_ID_SHA256});
  GET(fd, SCTP_HMAC_IDENT, struct algorithms);
  SET(fd, SCTP_HMAC_IDENT, struct algorithms, 2, {SCTP_AUTH_HMAC_ID_SHA256, SCTP_AUTH_HMAC_ID_SHA1});
  GET(fd, SCTP_HMAC_IDENT, struct algorithms);
  SET(fd, SCTP_HMAC_IDENT, struct algorithms, 1, {SCTP_AUTH_HMAC_ID_SHA256});
  SET(fd, SCTP_HMAC_IDENT, struct algorithms, 0);
  SET(fd, SCTP_HMAC_IDENT, struct algorithms, 9);
  SET(fd, SCTP_HMAC_IDENT, struct algorithms, 2, {77, SCTP_AUTH_HMAC_ID_SHA1});
  CALL(setsockopt(fd, SOL_SCTP, SCTP_HMAC_IDENT, &(struct algorithms){1, {SCTP_AUTH_HMAC_ID_SHA256}}, 6));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_HMAC_IDENT, &(struct algorithms){1, {SCTP_AUTH_HMAC_ID_SHA1}}, 6));
  GET(fd, SCTP_HMAC_IDENT, struct algorithms);
}

CASE(keys_of_an_endpoint) {
  int fd = many();
  SET(fd, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, 0, 1);
  GET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid);
  SET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_KEY, struct key, 0, 1, 4, "abcd");
  SET(fd, SCTP_AUTH_KEY, struct key, 0, 2, 9, "abcd");
  SET(fd, SCTP_AUTH_KEY, struct key, 99999, 2, 4, "abcd");
  SET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, 0, 1);
  GET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid);
  SET(fd, SCTP_AUTH_DELETE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_DEACTIVATE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, 0, 0);
  SET(fd, SCTP_AUTH_DEACTIVATE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_DELETE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_DELETE_KEY, struct sctp_authkeyid, 0, 1);
  SET(fd, SCTP_AUTH_DELETE_KEY, struct sctp_authkeyid, 0, 9);
}

CASE(authenticated_data) {
  struct pair pair = authenticated_pair();
  CALL(sendto(pair.client, "with the empty key", 18, 0, at(2, 0), IN));
  TAKE(pair.server);
  sctp_assoc_t here = association(pair.client), there = association(pair.server);
  SET(pair.client, SCTP_AUTH_KEY, struct key, here, 1, 4, "abcd");
  SET(pair.server, SCTP_AUTH_KEY, struct key, there, 1, 4, "abcd");
  SEND(pair.client, NULL, "with key 1", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_assoc_id = here), CMSG(SCTP_AUTHINFO, struct sctp_authinfo, 1));
  TAKE(pair.server);
  SET(pair.client, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, here, 1);
  GET(pair.client, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, here);
  CALL(sendto(pair.client, "with the active key", 19, 0, at(2, 0), IN));
  TAKE(pair.server);
  SEND(pair.client, at(2, 0), "with key 7", 0, CMSG(SCTP_AUTHINFO, struct sctp_authinfo, 7));
}

CASE(key_notifications) {
  struct pair pair = authenticated_pair();
  subscribe(pair.client, SCTP_AUTHENTICATION_EVENT), subscribe(pair.server, SCTP_AUTHENTICATION_EVENT);
  sctp_assoc_t here = association(pair.client), there = association(pair.server);
  SET(pair.client, SCTP_AUTH_KEY, struct key, here, 1, 4, "abcd");
  SET(pair.server, SCTP_AUTH_KEY, struct key, there, 1, 4, "abcd");
  SET(pair.client, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, here, 1);
  CALL(sendto(pair.client, "with key 1", 10, 0, at(2, 0), IN));
  TAKE(pair.server);
  TAKE(pair.server);
  SET(pair.client, SCTP_AUTH_ACTIVE_KEY, struct sctp_authkeyid, here, 0);
  SET(pair.client, SCTP_AUTH_DEACTIVATE_KEY, struct sctp_authkeyid, here, 1);
  TAKE(pair.client);
  TAKE_ALL(pair.server);
}

CASE(a_peer_without_the_extension) {
  int server = many(), client = many();
  authenticates(client);
  subscribe(client, SCTP_AUTHENTICATION_EVENT);
  DO(bind(server, at(2, 0), IN));
  DO(listen(server, 1));
  CALL(connect(client, at(2, 0), IN));
  TAKE(client);
  GET(client, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, association(client));
  CALL(sendto(client, "in the clear", 12, 0, at(2, 0), IN));
  TAKE(server);
}

CASE(wrong_keys) {
  int fd = many();
  SET(fd, SCTP_AUTH_SUPPORTED, struct sctp_assoc_value, 0, 1);
  CALL(setsockopt(fd, SOL_SCTP, SCTP_AUTH_KEY, &(struct key){0, 1, 4, "abcd"}, 4));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_AUTH_KEY, &(struct key){0, 1, 4, "abcd"}, 8));
  CALL(setsockopt(fd, SOL_SCTP, SCTP_AUTH_KEY, &(struct key){0, 1, 4, "abcd"}, 12));
  SET(fd, SCTP_AUTH_ACTIVE_KEY, int, 0);
  SET(fd, SCTP_AUTH_DELETE_KEY, int, 0);
  SET(fd, SCTP_AUTH_DEACTIVATE_KEY, int, 0);
  GET(fd, SCTP_AUTH_ACTIVE_KEY, int);
}
