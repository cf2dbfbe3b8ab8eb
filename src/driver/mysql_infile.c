/* LOAD DATA LOCAL: the server asks for a file by its name, and a server that is not
 * to be trusted would ask for any, at any time. It gets one only where the option
 * allows that, and the statement that runs names it: none while connecting. */
#include "mysql_driver.h"

#include <ctype.h>
#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct infile {
  int file; /* -1: none */
  int code;
  char text[LOCAL_INFILE_ERROR_LEN];
} infile;

/* The letter behind a backslash, as the server reads it. */
static char unescaped(char c)
{
  static const char from[] = "0bnrtZ";
  static const char to[] = "\0\b\n\r\t\032";
  const char *found = c == '\0' ? NULL : strchr(from, c);

  if (found != NULL) {
    return to[found - from];
  }
  return c;
}

/* Whether the literal that begins here is the name. */
static bool is_literal_of(const char *at, const char *end, const char *name)
{
  char quote;

  if (at == end || (*at != '\'' && *at != '"')) {
    return false;
  }
  quote = *at;
  for (at++; at < end; at++) {
    char c = *at;
    bool escapes = c == '\\' && at + 1 < end;
    bool doubled = c == quote && at + 1 < end && at[1] == quote;

    if (c == quote && !doubled) {
      return *name == '\0';
    }
    at += escapes || doubled;
    if (escapes) {
      c = unescaped(*at);
    }
    if (c == '\0' || c != *name++) {
      return false;
    }
  }
  return false;
}

/* LOAD DATA ... LOCAL INFILE 'name' */
static bool names_file(const my_request *request, const char *name)
{
  static const char word[] = "infile";
  const char *end = request->sql + request->sql_length;
  const char *at = request->sql;

  if (request->verb != MY_VERB_LOAD) {
    return false;
  }
  while ((size_t) (end - at) >= sizeof(word) &&
         strncasecmp(at, word, sizeof(word) - 1) != 0) {
    at++;
  }
  if ((size_t) (end - at) < sizeof(word)) {
    return false;
  }
  at += sizeof(word) - 1;
  while (at < end && isspace((unsigned char) *at)) {
    at++;
  }
  return is_literal_of(at, end, name);
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
                  "the server asked for the file %.200s, which no statement "
                  "names",
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
