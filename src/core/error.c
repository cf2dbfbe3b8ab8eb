#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {"",
#define KIND_NAME(name, text) text,
                                         COVET_ERROR_KINDS(KIND_NAME)
#undef KIND_NAME
};

const char *covet_error_kind_name(covet_error_kind kind)
{
  if (kind < 0 || kind >= COVET_ERROR_KIND_COUNT) {
    return "";
  }
  return kind_names[kind];
}

covet_error_kind covet_error_kind_find(const char *name)
{
  for (int kind = 1; name != NULL && kind < COVET_ERROR_KIND_COUNT; kind++) {
    if (strcmp(kind_names[kind], name) == 0) {
      return (covet_error_kind) kind;
    }
  }
  return COVET_ERROR_NONE;
}

const char *covet_phase_name(covet_phase phase)
{
  switch (phase) {
  case COVET_PHASE_NONE:
    return "";
  case COVET_PHASE_QUEUE:
    return "queue";
  case COVET_PHASE_CONNECT:
    return "connect";
  case COVET_PHASE_QUERY:
    return "query";
  case COVET_PHASE_FETCH:
    return "fetch";
  case COVET_PHASE_RESET:
    return "reset";
  }
  return "";
}

const char *covet_retry_name(covet_retry retry)
{
  switch (retry) {
  case COVET_RETRY_NO:
    return "no";
  case COVET_RETRY_SAFE:
    return "safe";
  case COVET_RETRY_IDEMPOTENT_ONLY:
    return "idempotent_only";
  case COVET_RETRY_UNKNOWN_OUTCOME:
    return "unknown_outcome";
  }
  return "no";
}

void covet_error_text(char *field, size_t size, const char *text, size_t length)
{
  if (text == NULL) {
    field[0] = '\0';
    return;
  }
  length = length == 0 ? 0 : strnlen(text, length < size ? length : size);
  if (length >= size) {
    length = size - 1;
    while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80) {
      length--; /* not in the middle of a character */
    }
  }
  if (length > 0) {
    memcpy(field, text, length);
  }
  field[length] = '\0';
}

void covet_error_set(covet_error *error, covet_error_kind kind,
                     const char *format, ...)
{
  va_list arguments;

  if (error == NULL) {
    return;
  }
  memset(error, 0, sizeof(*error));
  error->kind = kind;
  va_start(arguments, format);
  /* the analyzer does not see that va_start has set them */
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
  vsnprintf(error->message, sizeof(error->message), format, arguments);
  va_end(arguments);
}
