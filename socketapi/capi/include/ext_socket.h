/*
 * The functions of dreibh's socketapi (libsctpsocket), for programs that were written for it and are built anew. Made of the sources
 * by cbindgen: see tests/headers.rs.
 *
 * Structures and numbers are Linux's (netinet/sctp.h), not those that socketapi had: a program says SCTP_INITMSG, and gets
 * the number that counts here. So such a program has to be built anew; its binary cannot be used.
 * - sinfo_flags has 16 bits, and is apart from the flags of send and sendmsg: MSG_UNORDERED, MSG_ABORT and MSG_EOF of this header
 *   belong into sinfo_flags.
 * - Descriptors are the kernel's: poll() and ext_poll() are the same, and so are all others.
 */
#ifndef EXT_SOCKET_H
#define EXT_SOCKET_H

#include <fcntl.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

#define SOCKETAPI_MAJOR_VERSION 0x2
#define SOCKETAPI_MINOR_VERSION 0x2200

/* Names that only socketapi had. */
typedef uint16_t sctp_stream_t;
#define MSG_UNORDERED SCTP_UNORDERED
#define MSG_ABORT SCTP_ABORT
#define MSG_ADDR_OVER SCTP_ADDR_OVER
#define MSG_PR_SCTP_TTL SCTP_PR_SCTP_TTL
#define MSG_SEND_TO_ALL SCTP_SENDALL
#define MSG_SHUTDOWN MSG_EOF
#define SCTP_SEND_TO_ALL SCTP_SENDALL
#define SCTP_UNDEFINED 0
#define SCTP_ADDR_REACHABLE SCTP_ADDR_AVAILABLE
#define SCTP_SET_DEFAULT_SEND_PARAM SCTP_DEFAULT_SEND_PARAM

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

int ext_socket(int domain, int kind, int protocol);

int ext_bind(int sockfd, const struct sockaddr *my_addr, socklen_t addrlen);

int ext_listen(int s, int backlog);

int ext_accept(int s, struct sockaddr *addr, socklen_t *addrlen);

int ext_connect(int sockfd, const struct sockaddr *serv_addr, socklen_t addrlen);

int ext_shutdown(int s, int how);

int ext_close(int fd);

int ext_getsockname(int sockfd, struct sockaddr *name, socklen_t *namelen);

int ext_getpeername(int sockfd, struct sockaddr *name, socklen_t *namelen);

int ext_getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen);

int ext_setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen);

ssize_t ext_read(int fd, void *buf, size_t count);

ssize_t ext_write(int fd, const void *buf, size_t count);

ssize_t ext_recv(int s, void *buf, size_t len, int flags);

ssize_t ext_recvfrom(int s,
                     void *buf,
                     size_t len,
                     int flags,
                     struct sockaddr *from,
                     socklen_t *fromlen);

ssize_t ext_recvmsg(int s, struct msghdr *msg, int flags);

ssize_t ext_send(int s, const void *msg, size_t len, int flags);

ssize_t ext_sendto(int s,
                   const void *msg,
                   size_t len,
                   int flags,
                   const struct sockaddr *to,
                   socklen_t tolen);

ssize_t ext_sendmsg(int s, const struct msghdr *msg, int flags);

int ext_open(const char *pathname, int flags, mode_t mode);

int ext_creat(const char *pathname, mode_t mode);

int ext_pipe(int *fds);

int ext_poll(struct pollfd *fdlist, unsigned long count, int time);

int ext_select(int n,
               fd_set *readfds,
               fd_set *writefds,
               fd_set *exceptfds,
               struct timeval *timeout);

int ext_connectx(int sockfd, const struct sockaddr *addrs, int addrcnt, sctp_assoc_t *id);

int ext_ioctl(int d, int request, const void *argp);

ssize_t ext_recvmsg2(int sockfd, struct msghdr *msg, int flags, int receiveNotifications);

int sctp_isavailable(void);

int sctp_enableCRC32(unsigned int enable);

int sctp_enableOOTBHandling(unsigned int enable);

unsigned int socketAPIGetVersion(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus


#ifdef __cplusplus
extern "C" {
#endif

int ext_fcntl(int fd, int cmd, ...);

#ifdef __cplusplus
}
#endif

#endif /* EXT_SOCKET_H */
