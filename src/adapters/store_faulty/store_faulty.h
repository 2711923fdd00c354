/*
 * A store in front of another one that delays and fails requests by plan, for tests of what
 * stands on the port: late answers, a disk that is full for a while, answers in bursts. Requests
 * that pass go on in the order submitted.
 */
#ifndef SB_ADAPTERS_STORE_FAULTY_H
#define SB_ADAPTERS_STORE_FAULTY_H

#include "ports/post.h"
#include "ports/store.h"

struct store_faulty;

/* `inner` is owned: closing the port closes it and frees all. `post` is borrowed. */
struct store_faulty *store_faulty_new(struct store *inner, struct post *post);
struct store *store_faulty_port(struct store_faulty *f);
/* After `skip` more requests the next `count` complete with `e`, by mail, and store nothing. */
void store_faulty_fail(struct store_faulty *f, unsigned skip, unsigned count, err e);
/* Holds every request from here on until it is released. Any thread, like all of these. */
void store_faulty_hold(struct store_faulty *f);
unsigned store_faulty_held(struct store_faulty *f);
/* Lets the `count` oldest held requests go on. */
void store_faulty_release(struct store_faulty *f, unsigned count);
/* Lets all go on and holds no more. */
void store_faulty_resume(struct store_faulty *f);

#endif
