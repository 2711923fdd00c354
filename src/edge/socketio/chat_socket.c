#include "base/mem.h"
#include "edge/socketio/chat.h"
#include "edge/socketio/product.h"

struct chat_socket *chat_socket_of(struct sio_socket *s)
{
    struct product *p = product_of(s);
    if (p->chat == NULL) {
        p->chat = mem_calloc(1, sizeof *p->chat);
        p->chat->socket = s;
    }
    return p->chat;
}

void chat_socket_free(struct sio_socket *s)
{
    struct product *p = s->user;
    mem_free(p->chat);
    p->chat = NULL;
}
