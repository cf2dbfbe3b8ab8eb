/** What a statement is, as far as that matters to the driver. */
#ifndef COVET_DRIVER_MYSQL_VERB_H
#define COVET_DRIVER_MYSQL_VERB_H

#include "mysql_scan.h"

typedef enum my_verb {
  MY_VERB_OTHER,
  MY_VERB_SELECT, /* VALUES, TABLE and WITH ... SELECT too */
  MY_VERB_INSERT, /* REPLACE too */
  MY_VERB_CHANGE, /* UPDATE, DELETE */
  MY_VERB_BEGIN,
  MY_VERB_COMMIT,
  MY_VERB_ROLLBACK,
  MY_VERB_SAVEPOINT, /* RELEASE too */
  MY_VERB_SHOW,      /* EXPLAIN and DESCRIBE too */
  MY_VERB_LOAD,
  MY_VERB_EXECUTE /* of a statement that PREPARE has made, or IMMEDIATE */
} my_verb;

/** Of the first statement of a text. */
my_verb my_verb_of(const char *sql, size_t length);

/** The first word of a text, behind parentheses. Returns false when it begins with
 *  something else. */
bool my_first_word(const char *sql, size_t length, my_token *word);

/** How much of a text is its statement, without semicolons and comments behind it; all
 *  of it where some of it is code in comments. */
size_t my_bare_length(const char *sql, size_t length);

/** Whether the text begins a transaction that only reads. */
bool my_begins_read_only(const char *sql, size_t length);

/** Whether any statement of the text may leave the session changed without the
 *  server saying so. */
bool my_changes_session(const char *sql, size_t length);

/** Whether it is a query that only reads, takes no locks, has nothing to do with what
 *  its session did before, and is not there to take its time. */
bool my_text_shares(const char *sql, size_t length);

#endif
