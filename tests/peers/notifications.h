/* What the stack tells by itself, in the words of peer.c: lines that begin with `! `. Included by peer.c, behind the
 * header of the stack. */

static const char *text_of(const void *address, char *text, size_t len) {
  const struct sockaddr *any = address;
  const struct sockaddr_in *v4 = address;
  const struct sockaddr_in6 *v6 = address;
  if (any->sa_family == AF_INET) return inet_ntop(AF_INET, &v4->sin_addr, text, len);
  if (!IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return inet_ntop(AF_INET6, &v6->sin6_addr, text, len);
  return inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, len);
}

static void tell_association(const struct sctp_assoc_change *change) {
  static const char *const states[] = {"?", "COMM_UP", "COMM_LOST", "RESTART", "SHUTDOWN_COMP", "CANT_STR_ASSOC"};
  /* Linux counts from 0, the RFC and usrsctp from 1: SCTP_COMM_UP tells which. */
  unsigned state = change->sac_state - SCTP_COMM_UP + 1;
  if (state == 1 || state == 3) association = change->sac_assoc_id;
  printf("! %s out %u in %u error %u", states[state < 6 ? state : 0], change->sac_outbound_streams,
         change->sac_inbound_streams, change->sac_error);
  /* The ABORT chunk of the peer. */
  if (state == 2) for (size_t at = sizeof *change; at < change->sac_length; at++) printf(" %02x", ((const uint8_t *)change)[at]);
  putchar('\n');
}

static void tell_path(const struct sctp_paddr_change *change) {
  char text[64];
  const char *state = "?";
  switch (change->spc_state) {
    case SCTP_ADDR_AVAILABLE: state = "AVAILABLE"; break;
    case SCTP_ADDR_UNREACHABLE: state = "UNREACHABLE"; break;
    case SCTP_ADDR_REMOVED: state = "REMOVED"; break;
    case SCTP_ADDR_ADDED: state = "ADDED"; break;
    case SCTP_ADDR_MADE_PRIM: state = "MADE_PRIM"; break;
    case SCTP_ADDR_CONFIRMED: state = "CONFIRMED"; break;
  }
  struct sockaddr_storage address;
  memcpy(&address, (const char *)change + offsetof(struct sctp_paddr_change, spc_aaddr), sizeof address);
  printf("! ADDR_%s %s\n", state, text_of(&address, text, sizeof text));
}

static void tell(const union sctp_notification *notification, size_t len) {
  unsigned flags = notification->sn_header.sn_flags;
  switch (notification->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE: tell_association(&notification->sn_assoc_change); break;
    case SCTP_PEER_ADDR_CHANGE: tell_path(&notification->sn_paddr_change); break;
    case SCTP_SHUTDOWN_EVENT: puts("! SHUTDOWN"); break;
    case SCTP_REMOTE_ERROR: printf("! REMOTE_ERROR %u\n", ntohs(notification->sn_remote_error.sre_error)); break;
    case SCTP_SEND_FAILED_EVENT: printf("! SEND_FAILED flags %u\n", flags); break;
    case SCTP_SENDER_DRY_EVENT: puts("! DRY"); break;
    case SCTP_ADAPTATION_INDICATION:
      printf("! ADAPTATION %u\n", notification->sn_adaptation_event.sai_adaptation_ind);
      break;
    case SCTP_STREAM_RESET_EVENT: {
      const struct sctp_stream_reset_event *reset = &notification->sn_strreset_event;
      printf("! STREAM_RESET flags %u streams", flags);
      for (size_t n = 0; n < (len - sizeof *reset) / 2; n++) printf(" %u", reset->strreset_stream_list[n]);
      putchar('\n');
      break;
    }
    case SCTP_ASSOC_RESET_EVENT: printf("! ASSOC_RESET flags %u\n", flags); break;
    case SCTP_STREAM_CHANGE_EVENT:
      printf("! STREAM_CHANGE flags %u in %u out %u\n", flags, notification->sn_strchange_event.strchange_instrms,
             notification->sn_strchange_event.strchange_outstrms);
      break;
    default: printf("! NOTIFICATION %u\n", notification->sn_header.sn_type);
  }
}
