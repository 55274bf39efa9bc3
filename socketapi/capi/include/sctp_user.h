/*
 * libsctp_user: the functions of RFC 6458 and of libsctp. Made of the sources by cbindgen: see tests/headers.rs.
 * Structures and numbers are in netinet/sctp.h, which this header includes.
 */
#ifndef SCTP_USER_H
#define SCTP_USER_H

#include <netinet/sctp.h>

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Adds addresses to a socket, or takes them away (RFC 6458, 9.1). `addrs`: `addrcnt` packed addresses. `flags`:
 SCTP_BINDX_ADD_ADDR or SCTP_BINDX_REM_ADDR. Returns 0, or -1 and sets errno.

 `addrs` is null, or valid for as many addresses.
 */
int sctp_bindx(int sd,
               const struct sockaddr *addrs,
               int addrcnt,
               int flags);

/*
 Connects to a peer with several addresses (RFC 6458, 9.9). `addrs`: `addrcnt` packed addresses. If `id` is not null, the
 number of the association is written there, also where the set-up goes on (EINPROGRESS). Returns 0, or -1 and sets errno.

 `addrs` is null, or valid for as many addresses; `id` is null or valid.
 */
int sctp_connectx(int sd,
                  const struct sockaddr *addrs,
                  int addrcnt,
                  sctp_assoc_t *id);

/*
 Makes a socket of its own of an association (RFC 6458, 9.2). Returns it, or -1 and sets errno.
 */
int sctp_peeloff(int sd, sctp_assoc_t assoc_id);

/*
 As `sctp_peeloff`; `flags` are SOCK_NONBLOCK and SOCK_CLOEXEC.
 */
int sctp_peeloff_flags(int sd, sctp_assoc_t assoc_id, int flags);

/*
 The addresses of the peer (RFC 6458, 9.3). `*addrs` becomes a list of packed addresses, which is to be freed by
 `sctp_freepaddrs`. Returns how many there are; -1 and sets errno.

 `addrs` is null or valid.
 */
int sctp_getpaddrs(int sd,
                   sctp_assoc_t id,
                   struct sockaddr **addrs);

/*
 Frees what `sctp_getpaddrs` gave (RFC 6458, 9.4). Returns 0.

 `addrs` is null or what was given, and not used any more.
 */
int sctp_freepaddrs(struct sockaddr *addrs);

/*
 The local addresses (RFC 6458, 9.5), as `sctp_getpaddrs`; to be freed by `sctp_freeladdrs`. None of a socket that is not bound: 0,
 and null.

 `addrs` is null or valid.
 */
int sctp_getladdrs(int sd,
                   sctp_assoc_t id,
                   struct sockaddr **addrs);

/*
 Frees what `sctp_getladdrs` gave (RFC 6458, 9.6). Returns 0.

 `addrs` is null or what was given, and not used any more.
 */
int sctp_freeladdrs(struct sockaddr *addrs);

/*
 Length of an address of this family, in bytes; 0 if SCTP does not have it.
 */
int sctp_getaddrlen(sa_family_t family);

/*
 Reads an option of an association (RFC 6458, 9.7): `id` is written to the begin of `arg`, which has `*size` bytes. Returns 0,
 or -1 and sets errno.

 `size` is null or valid; `arg` is null or valid for as many bytes.
 */
int sctp_opt_info(int sd,
                  sctp_assoc_t id,
                  int opt,
                  void *arg,
                  socklen_t *size);

/*
 Sends a message (RFC 6458, 9.7; deprecated there in favour of `sctp_sendv`). `flags` are those of `sinfo_flags`,
 `timetolive` is in milliseconds. Returns the number of bytes, or -1 and sets errno.

 `msg` is valid for `len` bytes; `to` is null or valid for `tolen` bytes.
 */
ssize_t sctp_sendmsg(int sd,
                     const void *msg,
                     size_t len,
                     const struct sockaddr *to,
                     socklen_t tolen,
                     uint32_t ppid,
                     uint32_t flags,
                     uint16_t stream_no,
                     uint32_t timetolive,
                     uint32_t context);

/*
 Sends a message on an association that `sinfo` names (RFC 6458, 9.9; deprecated there). `sinfo` may be null. Returns the number of
 bytes, or -1 and sets errno.

 `msg` is valid for `len` bytes; `sinfo` is null or valid.
 */
ssize_t sctp_send(int sd,
                  const void *msg,
                  size_t len,
                  const struct sctp_sndrcvinfo *sinfo,
                  int flags);

/*
 Sends a message to a peer with several addresses, connecting to it first where there is no association (RFC 6458, 9.10;
 deprecated there). `addrs`: `addrcnt` packed addresses. Returns the number of bytes, or -1 and sets errno.

 `msg` is valid for `len` bytes; `addrs` is null or valid for as many addresses; `sinfo` is null or valid.
 */
ssize_t sctp_sendx(int sd,
                   const void *msg,
                   size_t len,
                   const struct sockaddr *addrs,
                   int addrcnt,
                   const struct sctp_sndrcvinfo *sinfo,
                   int flags);

/*
 Sends a message (RFC 6458, 9.12). `addrs`: `addrcnt` packed addresses of one peer, or null and 0; an association is set up with
 all of them. `info`: a structure of `infolen` bytes, which `infotype` names. Returns the number of bytes, or -1 and sets errno.

 `iov` is valid for `iovcnt` pieces, and these for their lengths; `addrs` is null or valid for as many addresses; `info` is null
 or valid for `infolen` bytes.
 */
ssize_t sctp_sendv(int sd,
                   const struct iovec *iov,
                   int iovcnt,
                   struct sockaddr *addrs,
                   int addrcnt,
                   void *info,
                   socklen_t infolen,
                   unsigned int infotype,
                   int flags);

/*
 Receives a message (RFC 6458, 9.8; deprecated there in favour of `sctp_recvv`). All pointers but `msg` may be null. `sinfo` is
 written if the socket is subscribed to `sctp_data_io_event`. `*msg_flags` is read (MSG_PEEK and its fellows) and written
 (MSG_EOR, MSG_NOTIFICATION). Returns the number of bytes, or -1 and sets errno.

 `msg` is valid for `len` bytes; `from` is null or valid for `*fromlen` bytes; the others are null or valid.
 */
ssize_t sctp_recvmsg(int sd,
                     void *msg,
                     size_t len,
                     struct sockaddr *from,
                     socklen_t *fromlen,
                     struct sctp_sndrcvinfo *sinfo,
                     int *msg_flags);

/*
 Receives a message (RFC 6458, 9.13). `info` has room for `*infolen` bytes; what is written there, `*infotype` says. Which
 information there is, SCTP_RECVRCVINFO and SCTP_RECVNXTINFO say. `*flags` as in `sctp_recvmsg`. Returns the number of bytes,
 or -1 and sets errno.

 `iov` is valid for `iovlen` pieces, and these for their lengths; `from` is null or valid for `*fromlen` bytes; `info` is null or
 valid for `*infolen` bytes; the others are null or valid.
 */
ssize_t sctp_recvv(int sd,
                   const struct iovec *iov,
                   int iovlen,
                   struct sockaddr *from,
                   socklen_t *fromlen,
                   void *info,
                   socklen_t *infolen,
                   unsigned int *infotype,
                   int *flags);

/*
 What carries this process's sockets, in one line of English, for logs and people: the stack is started if need be. Begins with
 "cannot" where there is none, and says why, and what to do. Never null; valid until the thread calls it again. Leaves errno alone.
 */
const char *sctp_user_describe(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus


#endif /* SCTP_USER_H */
