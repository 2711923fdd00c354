/*
 * The host's temperature: the hottest plausible sensor of /sys/class/thermal, or, on hosts
 * without thermal zones, of /sys/class/hwmon (which also has disks and power supplies, and some
 * of whose drivers are slow: so it is only asked then).
 */
#ifndef SB_AGENT_TEMPERATURE_H
#define SB_AGENT_TEMPERATURE_H

#include <stdbool.h>

/* Sensors remembered; a host with more is measured by the first ones. */
#define TEMPERATURE_SENSORS_MAX 16

struct temperature {
    unsigned count;
    char sensors[TEMPERATURE_SENSORS_MAX][64]; /* paths below the /sys directory */
};

/* Finds the sensors below the open directory `sys_fd`. */
void temperature_init(struct temperature *t, int sys_fd);
/* The hottest value between 1 and 150 degrees Celsius (others are broken or absent sensors);
 * false when there is none. One small read a sensor. */
bool temperature_read(const struct temperature *t, int sys_fd, double *celsius);

#endif
