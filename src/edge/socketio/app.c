#include "edge/socketio/app.h"

bool app_event(struct sio_socket *s, const struct sio_event *ev)
{
    (void)s;
    (void)ev;
    return false;
}

void app_init(struct edge *e) { (void)e; }
