/* What poll, select and epoll say in each phase of a socket's life. */
#include "oracle.h"

#include <sys/epoll.h>
#include <sys/select.h>

static char data[100];

CASE(new_sockets) {
  int single = one(), more = many();
  READY(single);
  READY(more);
  DO(bind(single, at(1, 0), IN));
  READY(single);
  DO(listen(single, 1));
  READY(single);
  DO(bind(more, at(1, 1), IN));
  DO(listen(more, 1));
  READY(more);
}

CASE(listeners) {
  int listener = one(), client = one();
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  READY(listener);
  DO(connect(client, at(2, 0), IN));
  await(listener, POLLIN);
  READY(listener);
  int server = DO(accept(listener, NULL, NULL));
  READY(listener);
  READY(server);
  READY(client);
}

CASE(data) {
  struct pair pair = one_pair();
  READY(pair.server);
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  READY(pair.server);
  DO(recv(pair.server, data, 2, 0));
  READY(pair.server);
  DO(recv(pair.server, data, 20, 0));
  READY(pair.server);
}

CASE(data_of_one_to_many_sockets) {
  struct pair pair = many_pair();
  READY(pair.server);
  READY(pair.client);
  DO(sendto(pair.client, "hello", 5, 0, at(2, 0), IN));
  await(pair.server, POLLIN);
  READY(pair.server);
  DO(recv(pair.server, data, 20, 0));
  READY(pair.server);
}

CASE(the_end_by_the_other_side) {
  struct pair pair = one_pair();
  DO(shutdown(pair.client, SHUT_WR));
  await(pair.server, POLLIN);
  READY(pair.server);
  READY(pair.client);
  DO(recv(pair.server, data, 20, 0));
  READY(pair.server);
}

CASE(the_end_with_data_before) {
  struct pair pair = one_pair();
  DO(send(pair.client, "hello", 5, 0));
  DO(close(pair.client));
  await(pair.server, POLLIN);
  READY(pair.server);
  DO(recv(pair.server, data, 20, 0));
  READY(pair.server);
  CALL(recv(pair.server, data, 20, 0));
  READY(pair.server);
}

CASE(the_end_by_an_abort) {
  struct pair pair = one_pair();
  struct linger now = {1, 0};
  DO(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  DO(close(pair.client));
  await(pair.server, POLLIN);
  READY(pair.server);
  CALL(recv(pair.server, data, 20, 0));
  READY(pair.server);
}

CASE(the_end_of_an_association_of_many) {
  struct pair pair = many_pair();
  SEND(pair.client, at(2, 0), "", 0, CMSG(SCTP_SNDINFO, struct sctp_sndinfo, .snd_flags = SCTP_EOF));
  READY(pair.client);
  READY(pair.server);
}

CASE(shutdown_for_reading) {
  struct pair pair = one_pair();
  DO(shutdown(pair.client, SHUT_RD));
  READY(pair.client);
}

CASE(peeled_off) {
  struct pair pair = many_pair();
  int peeled = DO(sctp_peeloff(pair.server, association(pair.server)));
  READY(peeled);
  READY(pair.server);
  DO(sendto(pair.client, "hello", 5, 0, at(2, 0), IN));
  await(peeled, POLLIN);
  READY(peeled);
  READY(pair.server);
}

CASE(notifications_make_readable) {
  struct pair pair = pair_of(many, subscribe_all);
  await(pair.client, POLLIN);
  READY(pair.client);
}

CASE(other_events_of_poll) {
  struct pair pair = one_pair();
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  struct pollfd all = {pair.server, POLLIN | POLLRDNORM | POLLRDBAND | POLLOUT | POLLWRNORM | POLLWRBAND | POLLPRI, 0};
  CALL(poll(&all, 1, 0));
  FACT("events", "%s", poll_events(all.revents));
  struct pollfd none = {pair.server, 0, 0};
  CALL(poll(&none, 1, 0));
  struct timespec zero = {0};
  CALL(ppoll(&all, 1, &zero, NULL));
  struct pollfd closed = {999, POLLIN, 0};
  CALL(poll(&closed, 1, 0));
  FACT("events", "%s", poll_events(closed.revents));
  struct pollfd nobody = {-1, POLLIN, 0};
  CALL(poll(&nobody, 1, 0));
}

extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);

CASE(fortified_poll) {
  struct pair pair = one_pair();
  struct pollfd all = {pair.server, POLLIN | POLLOUT, 0};
  struct timespec zero = {0};
  CALL(__poll_chk(&all, 1, 0, sizeof all));
  CALL(__ppoll_chk(&all, 1, &zero, NULL, sizeof all));
}

static void selected(int fd, struct timeval limit) {
  fd_set in, out, except;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_ZERO(&except);
  FD_SET(fd, &in);
  FD_SET(fd, &out);
  FD_SET(fd, &except);
  CALL(select(fd + 1, &in, &out, &except, &limit));
  FACT("select", "in %d out %d except %d", FD_ISSET(fd, &in) != 0, FD_ISSET(fd, &out) != 0, FD_ISSET(fd, &except) != 0);
}

CASE(select_of_all) {
  struct pair pair = one_pair();
  struct timeval zero = {0, 0};
  selected(one(), zero);
  selected(pair.listener, zero);
  selected(pair.server, zero);
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  selected(pair.server, zero);
  DO(close(pair.client));
  DO(recv(pair.server, data, 20, 0));
  await(pair.server, POLLIN);
  selected(pair.server, zero);
}

CASE(pselect_waits) {
  struct pair pair = one_pair();
  fd_set in;
  FD_ZERO(&in);
  FD_SET(pair.server, &in);
  DO(send(pair.client, "hello", 5, 0));
  struct timespec limit = {5, 0};
  CALL(pselect(pair.server + 1, &in, NULL, NULL, &limit, NULL));
}

static void events_of(int set) {
  struct epoll_event events[4];
  int count = epoll_wait(set, events, 4, 0);
  for (int same = 0; same < 3; same++) {
    poll(NULL, 0, 5);
    int now = count ? count : epoll_wait(set, events, 4, 0);
    if (now != count) same = 0;
    count = now;
  }
  FACT("epoll_wait", "%d events", count);
  for (int i = 0; i < count; i++) FACT("event", "%d: %s", events[i].data.u32, poll_events(events[i].events & 0xffff));
}

CASE(epoll_level_triggered) {
  struct pair pair = one_pair();
  int set = FD(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = 7};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.server, &event));
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.server, &event));
  events_of(set);
  DO(send(pair.client, "hello", 5, 0));
  await(pair.server, POLLIN);
  events_of(set);
  events_of(set);
  DO(recv(pair.server, data, 20, 0));
  events_of(set);
  event.events = EPOLLOUT;
  CALL(epoll_ctl(set, EPOLL_CTL_MOD, pair.server, &event));
  events_of(set);
  event.events = EPOLLIN | EPOLLRDHUP;
  CALL(epoll_ctl(set, EPOLL_CTL_MOD, pair.server, &event));
  DO(close(pair.client));
  await(pair.server, POLLIN);
  events_of(set);
  CALL(epoll_ctl(set, EPOLL_CTL_DEL, pair.server, NULL));
  events_of(set);
}

CASE(epoll_edge_triggered) {
  struct pair pair = one_pair();
  int set = DO(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = 8};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.server, &event));
  events_of(set);
  DO(send(pair.client, "one", 3, 0));
  await(pair.server, POLLIN);
  events_of(set);
  events_of(set);
  DO(send(pair.client, "two", 3, 0));
  DO(recv(pair.server, data, 20, 0));
  await(pair.server, POLLIN);
  events_of(set);
}

CASE(epoll_one_shot) {
  struct pair pair = one_pair();
  int set = DO(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 9};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.server, &event));
  DO(send(pair.client, "one", 3, 0));
  await(pair.server, POLLIN);
  events_of(set);
  events_of(set);
}

CASE(a_closed_descriptor_leaves_epoll) {
  struct pair pair = one_pair();
  int set = DO(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 9};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.server, &event));
  DO(send(pair.client, "one", 3, 0));
  await(pair.server, POLLIN);
  CALL(close(pair.server));
  events_of(set);
}

CASE(epoll_tells_of_a_listener) {
  int listener = one(), client = one(), set = DO(epoll_create1(0));
  DO(bind(listener, at(2, 0), IN));
  DO(listen(listener, 5));
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 1};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event));
  events_of(set);
  DO(connect(client, at(2, 0), IN));
  await(listener, POLLIN);
  events_of(set);
  DO(accept(listener, NULL, NULL));
  events_of(set);
}

CASE(select_of_what_is_shut_down) {
  struct pair pair = one_pair();
  struct timeval zero = {0, 0};
  DO(shutdown(pair.client, SHUT_RDWR));
  selected(pair.client, zero);
}

/* What a level-triggered set tells when both halves are shut down, one after the other. */
static void levels_of_shutdown(int first, int second) {
  struct pair pair = one_pair();
  int set = DO(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = 6};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.client, &event));
  CALL(shutdown(pair.client, first));
  events_of(set);
  CALL(shutdown(pair.client, second));
  events_of(set);
  CALL(send(pair.client, "x", 1, MSG_NOSIGNAL));
  DO(close(pair.server));
  await_end(pair.client);
  events_of(set);
  CALL(recv(pair.client, data, 20, 0));
  CALL(close(pair.client));
  events_of(set);
}

CASE(epoll_at_an_own_shutdown_of_reading_and_writing) { levels_of_shutdown(SHUT_RD, SHUT_WR); }
CASE(epoll_at_an_own_shutdown_of_writing_and_reading) { levels_of_shutdown(SHUT_WR, SHUT_RD); }
CASE(epoll_at_two_own_shutdowns_of_both) { levels_of_shutdown(SHUT_RDWR, SHUT_RDWR); }

CASE(what_has_ended_is_shut_down) {
  struct pair pair = one_pair();
  DO(close(pair.server));
  await(pair.client, POLLIN);
  await_end(pair.client);
  READY(pair.client);
  CALL(shutdown(pair.client, SHUT_WR));
  READY(pair.client);
  CALL(shutdown(pair.client, SHUT_RDWR));
  READY(pair.client);
}

/* What an edge-triggered set tells of an own shutdown, and what comes after it. */
static void edges_of_shutdown(int how) {
  struct pair pair = one_pair();
  int set = DO(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = 9};
  CALL(epoll_ctl(set, EPOLL_CTL_ADD, pair.client, &event));
  events_of(set);
  DO(shutdown(pair.client, how));
  await(pair.server, POLLIN);
  events_of(set);
  DO(close(pair.server));
  poll(NULL, 0, 50);
  events_of(set);
}

CASE(epoll_edge_triggered_at_an_own_shutdown_of_writing) { edges_of_shutdown(SHUT_WR); }
CASE(epoll_edge_triggered_at_an_own_shutdown_of_reading) { edges_of_shutdown(SHUT_RD); }
CASE(epoll_edge_triggered_at_an_own_shutdown_of_both) { edges_of_shutdown(SHUT_RDWR); }
