/* Files of chat as JSON. All append to `out`; pure. */
#ifndef SB_SHAPE_CHAT_FILE_H
#define SB_SHAPE_CHAT_FILE_H

#include "base/buf.h"
#include "domain/chat_file_types.h"

/* {fileId,roomId,uploadedBy,name,size,mime,state,received,sha256?,messageId?,url?,uploadUrl?,
 * expiresAt?,why?,createdAt,updatedAt}: addresses where they lead somewhere in that state. */
void chat_file_json(const struct chat_file *f, buf *out);
/* The members that an announcement is acknowledged with, without braces: fileId, uploadUrl,
 * expiresAt. */
void chat_file_ack(const struct chat_file *f, buf *out);
/* The file of a message: {fileId,name,size,mime,url}; also its content. */
void chat_file_shown(const struct chat_file *f, buf *out);
/* The payload of chat:file:uploaded. */
void chat_file_uploaded(const struct chat_file *f, buf *out);
/* That of chat:message:status, while only its uploader sees it. */
void chat_file_status(const struct chat_file *f, buf *out);
/* That of chat:error, of a file that was blocked because of `why`. */
void chat_file_blocked(const struct chat_file *f, span why, buf *out);
/* That of chat:system:notification, of one that waits for the scanner. */
void chat_file_held(const struct chat_file *f, buf *out);

#endif
