/* What the files of group commands share. Nobody else includes this. */
#ifndef SB_DOMAIN_COMMAND_JOB_INTERNAL_H
#define SB_DOMAIN_COMMAND_JOB_INTERNAL_H

#include "domain/command_job.h"
#include "domain/fleet_internal.h"

/* From a row of JOB_GET; the spans are the request's. */
struct job_row job_row_read(const struct store_value *cells);
/* From the rows of JOB_COUNTS in step `step`. */
struct job_counts job_counts_read(const struct store_req *req, unsigned step);
/* Step `step`: a query whose only parameter is the job. */
void job_step_id(struct store_req *req, unsigned step, enum query q, uuid id);
/* Home 0 looks at the job soon, from any loop: it is new, or was stopped. */
void jobs_poke(struct home *h, uuid id);

#endif
