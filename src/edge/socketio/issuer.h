/*
 * command:result for who asked for the command (CONTRACT 3): all sockets of the namespace "/" have
 * its topic (domain/command.h: COMMAND_ISSUER_TOPIC), and it is for those of the issuer that do not
 * hear of the device otherwise. By what is true when it is delivered: who follows the device by
 * then, or may not read it any more, gets nothing.
 */
#ifndef SB_EDGE_SOCKETIO_ISSUER_H
#define SB_EDGE_SOCKETIO_ISSUER_H

#include "edge/socketio/socketio.h"

/* Whether a blob is such a result. */
bool issuer_is_result(const struct blob *b);
/* hub_sink's wants and among, for those. */
bool issuer_wants(struct edge *e, uint32_t member, const struct blob *b);
void issuer_among(struct edge *e, const struct blob *b, struct hub_picks *picks);
/* What the peer hears: the CommandResult. Borrowed from the blob. */
span issuer_result(const struct blob *b);

#endif
