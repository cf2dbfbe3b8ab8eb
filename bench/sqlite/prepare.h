/** The database that the reading workloads read. */
#ifndef COVET_BENCH_PREPARE_H
#define COVET_BENCH_PREPARE_H

/**
 * Make the database at `path`: `items` rows for point selects, `wide` rows of
 * seven columns for results and streams. A file that has them is left alone.
 */
void prepare_database(const char *path, long items, long wide);

#endif
