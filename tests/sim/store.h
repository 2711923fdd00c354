/*
 * A store whose requests and answers take their time: steps of the scheduler run them, one at a
 * time, and hand the answers over later. Writes run and are answered in the order submitted,
 * reads at any moment between submit and answer. What runs them is a real store given by the
 * test (SQLite on `:memory:`), so the rows are real; only time and failures are simulated.
 *
 *     struct sim_store *db = sim_store_new(s, inner);
 *     ... the product gets sim_store_port(db) ...
 *     sim_store_set_failures(db, 10, ERR_STORE_FULL);
 *     sim_store_free(db);
 */
#ifndef SB_TESTS_SIM_STORE_H
#define SB_TESTS_SIM_STORE_H

#include "ports/store.h"
#include "sim/sim.h"

struct sim_store;

/* Wraps `inner`, which nobody else uses any more. Closing the port closes it, too. */
struct sim_store *sim_store_new(struct sim *s, struct store *inner);
/* What the product gets. store_run() through it is done at once, never simulated. */
struct store *sim_store_port(struct sim_store *db);
/* From now on that share of the requests fails with `error` and leaves no trace. */
void sim_store_set_failures(struct sim_store *db, unsigned percent, err error);
/* Requests submitted and not answered. */
unsigned sim_store_waiting(const struct sim_store *db);
/* Closes the port if the product has not, and frees; before sim_free. */
void sim_store_free(struct sim_store *db);

#endif
