/* What the choices of chat are called on the wire. */
#include "domain/chat_types.h"

#include "shape/decode.h"

const char *chat_room_type_name(enum chat_room_type t) { return shape_chat_room_type_name((int)t); }

const char *chat_user_type_name(enum chat_user_type t) { return shape_chat_user_type_name((int)t); }

const char *chat_role_name(enum chat_role r) { return shape_chat_role_name((int)r); }

const char *chat_message_type_name(enum chat_message_type t)
{
    return shape_chat_message_type_name((int)t);
}

const char *chat_delivery_name(enum chat_delivery d) { return shape_chat_delivery_name((int)d); }
