/*
 * What the files of scenes share. Nobody else includes this.
 *
 *   house_scene.c           scenes in memory, shown, listed
 *   house_scene_change.c    create, patch, delete
 *   house_scene_activate.c  activate
 */
#ifndef SB_DOMAIN_HOUSE_SCENE_H
#define SB_DOMAIN_HOUSE_SCENE_H

#include "domain/house_internal.h"

struct scene_item {
    struct entity *entity;
    struct house_scene_item what; /* without entity_id */
};

struct scene {
    struct map_node node;
    struct house_scene_row row; /* spans, and those of items, into text */
    uint8_t *text;              /* owned */
    struct scene_item *items;   /* owned */
    unsigned count;
};

struct house_scenes {
    struct map map;
    bool changing;       /* a change of one is on its way, */
    struct list changes; /* and these asks wait for it */
};

/* NULL: there is none. */
struct scene *scene_find(struct house *s, uuid id);
/* In no order; NULL: the first, and at the end. */
struct scene *scene_next(struct house *s, struct scene *before);
/* All is copied; items of entities that are gone are left out. The spans may be the present
 * ones. */
void scene_set(struct scene *c, const struct house_scene_row *row, const struct scene_item *items,
               unsigned count);
void scene_add(struct house *s, const struct house_scene_row *row, const struct scene_item *items,
               unsigned count);
void scene_drop(struct house *s, struct scene *c);

/* Whether the ask's caller may see the entity. */
bool scene_sees(const struct house_ask *a, const struct entity *e);
/* With the scene, without what the caller may not see. */
void scene_answer(struct house_ask *a, const struct scene *c);

#endif
