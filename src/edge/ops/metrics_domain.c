/* /metrics: devices, commands, chat, the house. */
#include "edge/ops/scrape.h"

#include "domain/chat.h"
#include "domain/chat_robot.h"
#include "domain/command.h"
#include "domain/fleet.h"
#include "domain/house.h"
#include "shape/decode.h"

#include <stdio.h>

void collect_devices(struct scrape *s)
{
    scrape_labelled(s, "connection_status", "online", (double)SUM(s, edge_stats, devices_online));
    scrape_labelled(s, "connection_status", "stale", (double)SUM(s, edge_stats, devices_stale));
}

void collect_device_heartbeat_age_seconds(struct scrape *s)
{
    struct heard_ages ages = {0};
    double bounds[HEARD_BUCKETS];
    for (unsigned i = 0; i < HEARD_BUCKETS; i++) {
        bounds[i] = heard_bound_s(i);
    }
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        if (home != NULL && home->fleet != NULL) {
            fleet_ages(home->fleet, &ages);
        }
    }
    scrape_histogram(s, bounds, ages.buckets, HEARD_BUCKETS, ages.sum_s);
}

void collect_commands_total(struct scrape *s)
{
    uint64_t counts[PHASE_COUNT] = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        if (home != NULL && home->fleet != NULL) {
            command_counts(home, counts);
        }
    }
    for (unsigned p = PHASE_DONE; p < PHASE_COUNT; p++) {
        scrape_labelled(s, "phase", command_phase_name((enum command_phase)p), (double)counts[p]);
    }
}

void collect_chat_room_messages_total(struct scrape *s)
{
    uint64_t counts[CHAT_ROOM_TYPES] = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct chat_stats stats = {0};
        if (home != NULL && home->chat != NULL) {
            chat_stats(home, &stats);
        }
        for (unsigned t = 0; t < CHAT_ROOM_TYPES; t++) {
            counts[t] += stats.messages[t];
        }
    }
    for (unsigned t = 0; t < CHAT_ROOM_TYPES; t++) {
        scrape_labelled(s, "room_type", chat_room_type_name((enum chat_room_type)t),
                        (double)counts[t]);
    }
}

static struct chat_robot_stats robot_stats(const struct scrape *s)
{
    struct chat_robot_stats sum = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct chat_robot_stats one = {0};
        if (home != NULL) {
            chat_robot_stats(home, &one);
        }
        sum.robots += one.robots;
        sum.away += one.away;
        sum.spared += one.spared;
        sum.active += one.active;
        for (unsigned k = 0; k < ARRAY_LEN(sum.ended); k++) {
            sum.ended[k] += one.ended[k];
        }
    }
    return sum;
}

void collect_chat_robots(struct scrape *s)
{
    struct chat_robot_stats r = robot_stats(s);
    scrape_labelled(s, "state", "ready", r.robots - r.away - r.spared);
    scrape_labelled(s, "state", "away", r.away);
    scrape_labelled(s, "state", "spared", r.spared);
}

void collect_chat_robot_jobs_active(struct scrape *s)
{
    scrape_plain(s, robot_stats(s).active);
}

void collect_chat_robot_jobs_total(struct scrape *s)
{
    struct chat_robot_stats r = robot_stats(s);
    for (unsigned k = 0; k < ARRAY_LEN(r.ended); k++) {
        scrape_labelled(s, "state", shape_chat_job_state_name((int)k), (double)r.ended[k]);
    }
}

void collect_viewers(struct scrape *s)
{
    scrape_plain(s, (double)SUM(s, edge_stats, viewers));
}

#define COLLECT_HOUSE(name, member)                                                                \
    void collect_home_##name(struct scrape *s)                                              \
    {                                                                                              \
        struct house_stats stats = {0};                                                            \
        if (s->own->home != NULL && s->own->home->house != NULL) {                                 \
            house_stats(s->own->home, &stats);                                                     \
        }                                                                                          \
        scrape_plain(s, (double)stats.member);                                                     \
    }
COLLECT_HOUSE(rooms, rooms)
COLLECT_HOUSE(entities, entities)
COLLECT_HOUSE(changes_total, changes)
COLLECT_HOUSE(history_merged_total, merged)
COLLECT_HOUSE(unwritten, unwritten)

/* Those that all loops know are asked of the first; others are summed. */
static struct chat_stats chat_sum(const struct scrape *s)
{
    struct chat_stats sum = {0};
    for (unsigned i = 0; i < s->ops->edge_count; i++) {
        const struct home *home = s->ops->edges[i]->home;
        struct chat_stats one = {0};
        if (home != NULL && home->chat != NULL) {
            chat_stats(home, &one);
        }
        sum.rooms += one.rooms;
        sum.members += one.members;
        sum.online += one.online;
    }
    return sum;
}

#define COLLECT_CHAT(name, member)                                                                 \
    void collect_chat_##name(struct scrape *s)                                              \
    {                                                                                              \
        scrape_plain(s, (double)chat_sum(s).member);                                               \
    }
COLLECT_CHAT(rooms, rooms)
COLLECT_CHAT(room_members, members)
COLLECT_CHAT(members_online, online)
