/* LOAD DATA LOCAL: the server asks for a file by its name, and a server that is not
 * to be trusted would ask for any, at any time. It gets one only where the option
 * allows that, and the statement that runs names it: none while connecting. */
#include "mysql_connection.h"
#include "mysql_scan.h"

#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct infile {
  int file; /* -1: none */
  int code;
  char text[LOCAL_INFILE_ERROR_LEN];
} infile;

/* LOAD DATA ... LOCAL INFILE 'name' */
static bool names_file(const my_request *request, const char *name)
{
  my_scan scan;
  my_token token;

  if (request->verb != MY_VERB_LOAD) {
    return false;
  }
  my_scan_start(&scan, request->sql, request->sql_length);
  while (my_scan_next(&scan, &token)) {
    if (my_token_is(&token, "infile")) {
      return my_scan_next(&scan, &token) && token.kind == MY_TOKEN_LITERAL &&
             my_token_stands_for(&token, name);
    }
  }
  return false;
}

/* Of a file nothing is waited for: the loop stands still while it is read. */
static bool open_file(infile *state, const char *name)
{
  struct stat found;

  state->file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (state->file >= 0 &&
      (fstat(state->file, &found) != 0 || !S_ISREG(found.st_mode))) {
    (void) close(state->file);
    state->file = -1;
    errno = ENOTSUP;
  }
  return state->file >= 0;
}

static int refuse(infile *state, int code, const char *text, const char *name)
{
  state->code = code;
  (void) snprintf(state->text, sizeof(state->text), text, name);
  return 1;
}

static int begin(void **pointer, const char *name, void *data)
{
  const my_connection *connection = data;
  infile *state = calloc(1, sizeof(*state));

  *pointer = state;
  if (state == NULL) {
    return 1;
  }
  state->file = -1;
  if (connection == NULL) {
    return refuse(state, CR_UNKNOWN_ERROR,
                  "the server asked for the file %.200s while the session was "
                  "set up, where none is loaded: not by init_command either",
                  name);
  }
  if (!connection->adapter->options.local_infile) {
    return refuse(state, CR_UNKNOWN_ERROR,
                  "the server asked for the file %.200s: local_infile is off",
                  name);
  }
  if (!names_file(&connection->request, name)) {
    return refuse(state, CR_UNKNOWN_ERROR,
                  "the server asked for the file %.200s, which the statement "
                  "does not name",
                  name);
  }
  if (open_file(state, name)) {
    return 0;
  }
  return refuse(state, errno,
                errno == ENOTSUP ? "%.200s is no regular file"
                                 : "the file %.200s cannot be read",
                name);
}

static int take(void *pointer, char *buffer, unsigned size)
{
  infile *state = pointer;
  ssize_t length = read(state->file, buffer, size);

  if (length < 0) {
    (void) refuse(state, errno, "reading the file failed%s", "");
  }
  return (int) length;
}

static void end(void *pointer)
{
  infile *state = pointer;

  if (state != NULL && state->file >= 0) {
    (void) close(state->file);
  }
  free(state);
}

static int tell(void *pointer, char *text, unsigned size)
{
  const infile *state = pointer;

  (void) snprintf(text, size, "%s",
                  state == NULL ? "out of memory" : state->text);
  return state == NULL ? CR_OUT_OF_MEMORY : state->code;
}

void my_infile_guard(MYSQL *mysql, my_connection *connection)
{
  mysql_set_local_infile_handler(mysql, begin, take, end, tell, connection);
}
