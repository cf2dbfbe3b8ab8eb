/** What a message of the server's, and the statement that it is about, tell in words
 *  only. */
#ifndef COVET_DRIVER_MYSQL_MESSAGE_H
#define COVET_DRIVER_MYSQL_MESSAGE_H

#include "../core/error.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * Set constraint, table, column and position of an error that has its kind, code and
 * message, as far as the message and the statement tell them for certain.
 *
 * `names_tables` says that keys come with their table's name in front, as MySQL 8
 * tells them and MariaDB does not.
 */
void my_message_read(covet_error *error, const char *sql, size_t length,
                     bool names_tables);

/* --- mysql_place.c ---------------------------------------------------------------- */

/** The table that a single statement changes. Returns false when it changes none, or
 *  may change several. */
bool my_place_target(const char *sql, size_t length, char *table, size_t size);

/** Where a name with what is joined to it by dots (`a.b`) stands in the text, from 1;
 *  0: nowhere. */
int64_t my_place_name(const char *sql, size_t length, const char *path,
                      size_t path_length);

/** Where a piece of the text stands that the server shows from a line on; in a text of
 *  several statements lines count from the one at fault. */
int64_t my_place_near(const char *sql, size_t length, const char *shown,
                      size_t shown_length, unsigned long line);

#endif
